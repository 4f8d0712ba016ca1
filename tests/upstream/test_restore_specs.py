"""Upstream's functional specs of restores: to the machine the snapshot is of and to a new one, by every policy.

Origin: kubevirt: tests/storage/restore.go
"""

from typing import Any

import pytest

from tests.upstream import storage
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import CLAIMS, CONTENTS, NS, RESTORES, SNAPSHOTS, VMS, VOLUMES, Machine

REVISIONS = f"/apis/apps/v1/namespaces/{NS}/controllerrevisions"
MAC = '{"op": "replace", "path": "/spec/template/spec/domain/devices/interfaces/0/macAddress", "value": "DE-AD-00-00-BE-AF"}'
UUID = '{"op": "replace", "path": "/spec/template/spec/domain/firmware/uuid", "value": ""}'
TAKEN = "restore source and restore target are different but restore target already exists"


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await storage.set_up(suite)
    return suite


async def restore(
    suite: Suite, target: str = "vm", name: str = "restore-vm", source: str = "vm", **spec: Any
) -> str:
    if target != source:
        spec.setdefault("patches", [MAC])
    spec |= {"target": storage.reference(target), "virtualMachineSnapshotName": f"snapshot-{source}"}
    await suite.create(RESTORES, storage.body_of("VirtualMachineRestore", name, **spec))
    return f"{RESTORES}/{name}"


async def restored(suite: Suite, path: str) -> Object:
    """The restore once it is complete: owned by its target, two conditions, a time."""

    async def look() -> Object | None:
        found = await suite.get(path)
        return found if found.get("status", {}).get("complete") else None

    found = dict(await suite.eventually(look, 180))
    (owner,) = found["metadata"]["ownerReferences"]
    target = await suite.get(f"{VMS}/{found['spec']['target']['name']}")
    assert (owner["apiVersion"], owner["kind"]) == ("kubevirt.io/v1", "VirtualMachine")
    assert (owner["name"], owner["uid"]) == (target["metadata"]["name"], target["metadata"]["uid"])
    assert found["status"]["restoreTime"]
    assert {kind: status for kind, (status, _) in storage.reasons(found).items()} == {
        "Progressing": "False",
        "Ready": "True",
    }
    return found


async def delete(suite: Suite, path: str) -> None:
    await suite.gone(path)

    async def gone() -> bool:
        return (await suite.call("GET", path))[0] == 404

    await suite.eventually(gone, 30, 2)


def owner_of(obj: Object) -> list[tuple[str, str]]:
    return [(one["kind"], one["name"]) for one in obj["metadata"].get("ownerReferences", ())]


async def test_waits_for_its_snapshot(suite: Suite) -> None:
    """Without a snapshot a restore warns, and goes on when there is one."""
    vm = await Machine.of(suite, storage.machine())
    path = await restore(suite)
    await storage.has_event(suite, "restore-vm", "Warning", "VirtualMachineRestoreError")
    assert storage.reasons(await suite.get(path))["Ready"][1] == f"VMSnapshot {NS}/snapshot-vm does not exist"
    await storage.snapshotted(suite, vm)
    await restored(suite, path)


async def test_the_same_machine(suite: Suite) -> None:
    """[5256] The spec is again what it was; another machine that exists is no target."""
    vm = await Machine.of(suite, storage.machine())
    await suite.cluster.settle()
    await storage.snapshotted(suite, vm)
    before = (await vm.get())["spec"]
    memory = "/spec/template/spec/domain/resources/requests/memory"
    change = [
        {"op": "test", "path": memory, "value": "128Mi"},
        {"op": "replace", "path": memory, "value": "256Mi"},
    ]
    await suite.patch(vm.path, change)
    path = await restore(suite)
    done = await restored(suite, path)
    assert not done["status"].get("restores")
    assert not done["status"].get("deletedDataVolumes")
    assert (await vm.get())["spec"] == before
    await delete(suite, path)
    await Machine.of(suite, storage.machine("other"))
    path = await restore(suite, "other", patches=[])
    await storage.has_event(suite, "restore-vm", "Warning", "VirtualMachineRestoreError")
    assert storage.reasons(await suite.get(path)) == {
        "Progressing": ("False", TAKEN),
        "Ready": ("False", TAKEN),
    }


async def test_one_at_a_time(suite: Suite) -> None:
    """[5258] A restore that cannot write the machine tells why; a second one is refused meanwhile, and works afterwards."""
    labels = {"kubevirt.io/dummy-webhook-identifier": "vm"}
    vm = await Machine.of(suite, storage.machine(labels=labels))
    await storage.snapshotted(suite, vm)
    hook = "dummy-webhook-deny-vm-update.kubevirt.io"
    webhook = await storage.deny(
        suite, hook, "virtualmachines", group="kubevirt.io", labels=labels, operation="UPDATE"
    )
    path = await restore(suite)

    async def denied() -> bool:
        listed = (await suite.get(path)).get("status", {}).get("conditions", ())
        return len(listed) == 2 and all(one["status"] == "False" and hook in one["reason"] for one in listed)

    await suite.eventually(denied, 180)
    second = storage.body_of(
        "VirtualMachineRestore",
        "dummy",
        target=storage.reference("vm"),
        virtualMachineSnapshotName="snapshot-vm",
    )
    refused = await suite.refused("POST", RESTORES, second)
    assert 'VirtualMachineRestore "restore-vm" in progress' in refused["message"]
    await suite.delete(webhook, {})
    await restored(suite, path)
    await suite.create(RESTORES, second)
    await restored(suite, f"{RESTORES}/dummy")
    for one in (f"{RESTORES}/dummy", path):
        await delete(suite, one)


async def test_a_new_machine(suite: Suite) -> None:
    """A machine that is not there is made, off, with what the patches change; it can be started."""
    vm = await Machine.of(suite, storage.machine(strategy="Always"))
    await storage.snapshotted(suite, vm)
    done = await restored(suite, await restore(suite, "new-vm"))
    assert not done["status"].get("restores")
    made = Machine(suite, await suite.get(f"{VMS}/new-vm"))
    assert made.made["spec"]["runStrategy"] == "Halted"
    addresses = [
        one["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"][0].get("macAddress")
        for one in (made.made, await vm.get())
    ]
    assert addresses == ["DE-AD-00-00-BE-AF", None]
    await made.start()


@pytest.mark.parametrize("strategy", ["Always", "Halted"])
async def test_instance_types(suite: Suite, strategy: str) -> None:
    """Revisions stay those of the machine; a new machine has its own, of the same content."""
    group = f"/apis/instancetype.kubevirt.io/v1beta1/namespaces/{NS}"
    for kind, spec in (
        ("VirtualMachineInstancetype", {"cpu": {"guest": 1}, "memory": {"guest": "128Mi"}}),
        ("VirtualMachinePreference", {"cpu": {"preferredCPUTopology": "sockets"}}),
    ):
        body = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": kind, "metadata": {"name": "one"}}
        await suite.create(f"{group}/{kind.lower()}s", {**body, "spec": spec})
    wanted = storage.machine(strategy=strategy)
    wanted["spec"]["template"]["spec"]["domain"]["resources"] = {}
    wanted["spec"]["instancetype"] = {"name": "one", "kind": "VirtualMachineInstanceType"}
    wanted["spec"]["preference"] = {"name": "one", "kind": "VirtualMachinePreference"}
    vm = await Machine.of(suite, wanted)

    async def revisions(of: str) -> list[str] | None:
        status = (await suite.get(f"{VMS}/{of}")).get("status", {})
        refs = [status.get(f"{one}Ref", {}) for one in ("instancetype", "preference")]
        return [one["controllerRevisionRef"]["name"] for one in refs] if all(refs) else None

    before = await suite.eventually(lambda: revisions("vm"), 300)
    await storage.snapshotted(suite, vm)
    await restored(suite, await restore(suite, "vm-new", "restore-new"))
    other = await suite.eventually(lambda: revisions("vm-new"), 300)
    for mine, its in zip(before, other, strict=True):
        assert mine != its
        kept = [(await suite.get(f"{REVISIONS}/{one}"))["data"] for one in (mine, its)]
        assert kept[0] == kept[1]
    if strategy == "Always":
        await vm.stop()
    await restored(suite, await restore(suite))
    assert await revisions("vm") == before


async def off(suite: Suite, body: Object) -> Machine:
    """A machine that has run, and its snapshot."""
    vm = await Machine.of(suite, body)
    await vm.start()
    await vm.stop()
    await storage.snapshotted(suite, vm)
    return vm


async def target_of(suite: Suite, new: bool, **spec: Any) -> tuple[Object, Object]:
    """Restore, to the machine itself or to a new one; the restore and the target."""
    own = "new-vm" if new else "vm"
    done = await restored(suite, await restore(suite, own, **spec))
    return done, await suite.get(f"{VMS}/{own}")


def same_shape(one: Object, other: Object) -> bool:
    """The same number of volumes, disks, interfaces and templates."""
    counts = []
    for vm in (one, other):
        spec = vm["spec"]["template"]["spec"]
        devices = spec["domain"]["devices"]
        listed = (
            spec["volumes"],
            devices["disks"],
            devices["interfaces"],
            vm["spec"].get("dataVolumeTemplates", ()),
        )
        counts.append([len(part) for part in listed])
    return counts[0] == counts[1]


@pytest.mark.parametrize("new", [False, True])
async def test_templates(suite: Suite, new: bool) -> None:
    """[5260, 5263] A DataVolume of a template comes back under another name, and belongs to the target; the old one goes."""
    await off(suite, storage.on_template())
    done, target = await target_of(suite, new)
    assert done["status"].get("deletedDataVolumes", []) == ([] if new else ["dv"])
    assert (await suite.call("GET", f"{VOLUMES}/dv"))[0] == (200 if new else 404)
    (one,) = done["status"]["restores"]
    found = await suite.get(f"{VOLUMES}/{one['dataVolumeName']}")
    assert owner_of(found) == [("VirtualMachine", target["metadata"]["name"])]
    assert found["status"]["phase"] == "Succeeded"
    kept = await suite.get(f"{CLAIMS}/{one['persistentVolumeClaim']}")
    assert owner_of(kept) == [("DataVolume", found["metadata"]["name"])]
    assert kept["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]
    (volume,) = target["spec"]["template"]["spec"]["volumes"]
    assert volume["dataVolume"]["name"] == found["metadata"]["name"]
    if new:
        assert same_shape(target, await suite.get(f"{VMS}/vm"))
    await Machine(suite, target).start()


@pytest.mark.parametrize("new", [False, True])
async def test_data_volumes(suite: Suite, new: bool) -> None:
    """[5261] A DataVolume of its own becomes a claim; the original stays."""
    await suite.create(VOLUMES, storage.volume("alone"))
    await off(suite, storage.machine(disks={"disk0": {"dataVolume": {"name": "alone"}}}))
    done, target = await target_of(suite, new)
    assert len(done["status"]["restores"]) == 1
    assert not done["status"].get("deletedDataVolumes")
    for path in (f"{VOLUMES}/alone", f"{CLAIMS}/alone"):
        await suite.get(path)
    (volume,) = target["spec"]["template"]["spec"]["volumes"]
    assert (
        volume["persistentVolumeClaim"]["claimName"] == done["status"]["restores"][0]["persistentVolumeClaim"]
    )
    await Machine(suite, target).start()


@pytest.mark.parametrize(("new", "owned"), [(False, True), (True, True), (True, False)])
async def test_claims(suite: Suite, new: bool, owned: bool) -> None:
    """[5262] A restored claim belongs to the target if the original belonged to the source; its labels tell of that."""
    await suite.create(CLAIMS, storage.claim("own"))
    vm = await Machine.of(
        suite, storage.machine(disks={"disk0": {"persistentVolumeClaim": {"claimName": "own"}}})
    )
    await vm.start()
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": vm.uid}
    patch = {"metadata": {"ownerReferences": [owner] if owned else None}}
    await suite.patch(f"{CLAIMS}/own", patch, MERGE_PATCH)
    await vm.stop()
    await storage.snapshotted(suite, vm)
    done, target = await target_of(suite, new)
    assert len(done["status"]["restores"]) == 1
    await suite.get(f"{CLAIMS}/own")
    (volume,) = target["spec"]["template"]["spec"]["volumes"]
    kept = await suite.get(f"{CLAIMS}/{volume['persistentVolumeClaim']['claimName']}")
    assert kept["metadata"]["name"] != "own"
    wanted = [("VirtualMachine", target["metadata"]["name"])] if owned else []
    assert owner_of(kept) == wanted
    assert kept["metadata"]["labels"]["restore.kubevirt.io/source-vm-name"] == "vm"
    assert "restore.kubevirt.io/owned-by-vm" not in kept["metadata"]["annotations"]


async def test_again_and_again(suite: Suite) -> None:
    """[5259] One snapshot can be restored any number of times."""
    await off(suite, storage.on_template())
    for _ in range(2):
        path = await restore(suite)
        assert len((await restored(suite, path))["status"]["restores"]) == 1
        await delete(suite, path)


async def test_a_target_that_runs(suite: Suite) -> None:
    """It has a grace period to be stopped, or is stopped, or is a reason to fail, sooner or later."""
    vm = await Machine.of(suite, storage.on_template(strategy="Always"))
    await storage.snapshotted(suite, vm)
    path = await restore(suite)
    await storage.has_event(suite, "restore-vm", "Warning", "RestoreTargetNotReady")
    told = storage.reasons(await suite.get(path))["Ready"][1]
    assert told.startswith("Waiting for target VM to be powered off. Please stop the restore target")
    await vm.stop()
    await restored(suite, path)
    await vm.start()
    path = await restore(suite, name="stopping", targetReadinessPolicy="StopTarget")
    await restored(suite, path)
    await suite.consistently(lambda: not_ready(vm), 60, 5)
    await vm.start()
    for policy, text in (
        ("FailImmediate", "Restore target VMI must be powered off before restore operation"),
        ("WaitGracePeriod", "Restore target failed to be ready within 5m0s."),
    ):
        path = await restore(suite, name=policy.lower(), targetReadinessPolicy=policy)

        async def failed(path: str = path) -> Object | None:
            found = await suite.get(path)
            return found if "Failure" in storage.reasons(found) else None

        found = await suite.eventually(failed, 400, 10)
        assert all(reason.startswith(text) for _, reason in storage.reasons(found).values())
    path = await restore(suite, name="eventually", targetReadinessPolicy="WaitEventually")
    await suite.cluster.advance(400)
    assert not (await suite.get(path))["status"]["complete"]
    await vm.stop()
    await restored(suite, path)


async def not_ready(vm: Machine) -> bool:
    return not (await vm.get())["status"].get("ready")


@pytest.mark.parametrize("end", ["webhook", "restore"])
async def test_no_start_meanwhile(suite: Suite, end: str) -> None:
    """A machine cannot be started while it is restored; when that is done, or given up, it can."""
    vm = await off(suite, storage.on_template())
    hook = "dummy-webhook-deny-pvc-create.kubevirt.io"
    labels = {"restore.kubevirt.io/source-vm-name": "vm"}
    webhook = await storage.deny(suite, hook, "persistentvolumeclaims", group="", labels=labels)
    path = await restore(suite)

    async def denied() -> bool:
        listed = (await suite.get(path)).get("status", {}).get("conditions", ())
        in_progress = (await vm.get())["status"].get("restoreInProgress")
        stuck = len(listed) == 2 and all(one["status"] == "False" and hook in one["reason"] for one in listed)
        return stuck and in_progress == "restore-vm"

    await suite.eventually(denied, 180, 3)
    refused = await vm.act("start")
    assert 'Cannot update VM runStrategy until restore "restore-vm" completes' in refused["message"]
    if end == "webhook":
        await suite.delete(webhook, {})
        await restored(suite, path)
    else:
        await delete(suite, path)
    assert "restoreInProgress" not in (await vm.get())["status"]
    await vm.start()


@pytest.mark.parametrize("new", [False, True])
async def test_online_snapshots(suite: Suite, new: bool) -> None:
    """[6053, 6766, 6836, 7425] A snapshot of a running machine is restored; disks that were plugged come along."""
    body = storage.on_template(strategy="Always", domain={"firmware": {}})
    vm = await Machine.of(suite, body)
    await suite.create(VOLUMES, storage.volume("plugged"))
    await storage.succeeded(suite, "plugged")
    source = {"dataVolume": {"name": "plugged"}}
    options = {"name": "plugged", "disk": {"disk": {"bus": "scsi"}}, "volumeSource": source}
    assert await vm.act("addvolume", options) == {}
    await suite.cluster.settle()
    await storage.snapshotted(suite, vm)
    own = "new-vm" if new else "vm"
    path = await restore(suite, own, patches=[*([MAC] if new else []), UUID])
    if not new:
        await storage.has_event(suite, "restore-vm", "Warning", "RestoreTargetNotReady")
        await vm.stop()
    done = await restored(suite, path)
    assert len(done["status"]["restores"]) == 2
    target = Machine(suite, await suite.get(f"{VMS}/{own}"))
    if new:
        assert same_shape(target.made, await vm.get())
    vmi = await target.start()
    assert [one["name"] for one in vmi["spec"]["volumes"]] == ["disk0", "plugged"]


async def test_the_spec_of_the_start(suite: Suite) -> None:
    """What was changed while it ran is not in its snapshot, and gone after the restore; its run strategy stays."""
    vm = await Machine.of(suite, storage.on_template(strategy="RerunOnFailure"))
    await vm.runs()
    memory = "/spec/template/spec/domain/resources/requests/memory"
    await suite.patch(vm.path, [{"op": "replace", "path": memory, "value": "2Gi"}])
    await storage.snapshotted(suite, vm)
    await vm.stop()
    vmi = await vm.start()
    assert vmi["spec"]["domain"]["resources"]["requests"]["memory"] == "2Gi"
    await vm.stop()
    await restored(suite, await restore(suite))
    assert (await vm.get())["spec"]["runStrategy"] == "RerunOnFailure"
    vmi = await vm.start()
    assert vmi["spec"]["domain"]["resources"]["requests"]["memory"] == "128Mi"


async def test_a_clone(suite: Suite) -> None:
    """A machine that was cloned is snapshotted and restored like any other."""
    await Machine.of(suite, storage.on_template(strategy="Always"))
    clone = storage.body_of(
        "VirtualMachineClone",
        "testclone",
        "clone.kubevirt.io",
        source=storage.reference("vm"),
        target=storage.reference("vm-clone"),
    )
    await suite.create(storage.CLONES, clone)

    async def cloned() -> bool:
        found = await suite.get(f"{storage.CLONES}/testclone")
        return found.get("status", {}).get("phase") == "Succeeded"

    await suite.eventually(cloned, 180, 3)
    twin = Machine(suite, await suite.get(f"{VMS}/vm-clone"))
    await twin.start()
    await storage.snapshotted(suite, twin)
    await twin.stop()
    done = await restored(suite, await restore(suite, "vm-clone", source="vm-clone"))
    assert len(done["status"]["restores"]) == 1


async def test_overrides(suite: Suite) -> None:
    """A restored volume has the name, the labels and the annotations somebody chose."""
    vm = await Machine.of(suite, storage.on_template(strategy="Always"))
    await storage.snapshotted(suite, vm)
    override = {
        "volumeName": "disk0",
        "restoreName": "new-disk",
        "labels": {"new-label": "value"},
        "annotations": {"new-annotation": "value"},
    }
    path = await restore(suite, targetReadinessPolicy="StopTarget", volumeRestoreOverrides=[override])
    assert len((await restored(suite, path))["status"]["restores"]) == 1
    (volume,) = (await vm.get())["spec"]["template"]["spec"]["volumes"]
    assert (volume["name"], volume["dataVolume"]["name"]) == ("disk0", "new-disk")
    meta = (await suite.get(f"{CLAIMS}/new-disk"))["metadata"]
    assert meta["labels"]["new-label"] == meta["annotations"]["new-annotation"] == "value"


@pytest.mark.parametrize("kind", ["template", "volume", "claim"])
async def test_in_place(suite: Suite, kind: str) -> None:
    """By the policy InPlace claims are replaced under their own names, whether their DataVolumes are a template's or not."""
    if kind == "template":
        body = storage.on_template(strategy="Always")
    elif kind == "volume":
        await suite.create(VOLUMES, storage.volume("dv"))
        body = storage.machine(strategy="Always", disks={"disk0": {"dataVolume": {"name": "dv"}}})
    else:
        await suite.create(CLAIMS, storage.claim("dv"))
        body = storage.machine(
            strategy="Always", disks={"disk0": {"persistentVolumeClaim": {"claimName": "dv"}}}
        )
    vm = await Machine.of(suite, body)
    await storage.snapshotted(suite, vm)
    before = await suite.get(f"{CLAIMS}/dv")
    override = {"volumeName": "disk0", "annotations": {"test": "value"}}
    path = await restore(
        suite,
        targetReadinessPolicy="StopTarget",
        volumeRestorePolicy="InPlace",
        volumeRestoreOverrides=[override],
    )
    done = await restored(suite, path)
    assert len(done["status"]["restores"]) == 1
    assert not done["status"].get("deletedDataVolumes")
    (volume,) = (await vm.get())["spec"]["template"]["spec"]["volumes"]
    named = (
        {"dataVolume": {"name": "dv"}}
        if kind == "template"
        else {"persistentVolumeClaim": {"claimName": "dv"}}
    )
    assert volume == {"name": "disk0", **named}
    kept = await suite.get(f"{CLAIMS}/dv")
    assert kept["metadata"]["uid"] != before["metadata"]["uid"]
    assert kept["metadata"]["annotations"]["test"] == "value"
    if kind == "claim":
        assert owner_of(kept) == [("VirtualMachine", "vm")]
        return

    async def adopted() -> bool:
        return owner_of(await suite.get(f"{CLAIMS}/dv")) == [("DataVolume", "dv")]

    await suite.eventually(adopted, 60)
    marks = (await suite.get(f"{VOLUMES}/dv"))["metadata"]["annotations"]
    assert marks["restore.kubevirt.io/name"] == "restore-vm"
    assert marks["cdi.kubevirt.io/storage.prePopulated"] == "dv"
    assert (await vm.start())["status"]["volumeStatus"][0]["persistentVolumeClaimInfo"]["claimName"] == "dv"


async def test_nobodys_claims(suite: Suite) -> None:
    """By the ownership policy None a restored claim belongs to nobody."""
    await suite.create(CLAIMS, storage.claim("own"))
    disks = {"disk0": {"persistentVolumeClaim": {"claimName": "own"}}}
    vm = await Machine.of(suite, storage.machine(strategy="Always", disks=disks))
    await storage.snapshotted(suite, vm)
    path = await restore(suite, targetReadinessPolicy="StopTarget", volumeOwnershipPolicy="None")
    (one,) = (await restored(suite, path))["status"]["restores"]
    assert owner_of(await suite.get(f"{CLAIMS}/{one['persistentVolumeClaim']}")) == []


@pytest.mark.parametrize("new", [False, True])
async def test_memory_dumps_stay_away(suite: Suite, new: bool) -> None:
    """[8923, 8924] A dump of memory is in the snapshot, and is not restored."""
    vm = await Machine.of(suite, storage.on_template(strategy="Always"))
    await storage.dumped(suite, vm)
    snapshot = await storage.snapshotted(suite, vm)
    await vm.stop()
    done, target = await target_of(suite, new)
    (one,) = done["status"]["restores"]
    assert one["volumeName"] == "disk0"
    content = await suite.get(f"{CONTENTS}/{snapshot['status']['virtualMachineSnapshotContentName']}")
    backups = {
        backup["volumeName"]: backup["volumeSnapshotName"] for backup in content["spec"]["volumeBackups"]
    }
    kept = await suite.get(f"{CLAIMS}/{one['persistentVolumeClaim']}")
    assert kept["spec"]["dataSource"]["name"] == backups["disk0"]
    vmi = await Machine(suite, target).start()
    assert [volume["name"] for volume in vmi["spec"]["volumes"]] == ["disk0"]
    assert "memoryDumpRequest" not in (await suite.get(f"{VMS}/{target['metadata']['name']}"))["status"]


async def test_clones_of_volumes(suite: Suite) -> None:
    """What a volume was cloned from does not matter to its restore, even if it is gone."""
    await suite.create(VOLUMES, storage.volume("golden"))
    await storage.succeeded(suite, "golden")
    cloned = storage.volume("dv", source={"pvc": {"name": "golden", "namespace": NS}})
    disks = {"disk0": {"dataVolume": {"name": "dv"}}}
    vm = await off(suite, storage.machine(disks=disks, templates=[cloned]))
    await suite.delete(f"{VOLUMES}/golden", {})
    for number, own in enumerate(("new-vm", "vm")):
        await restored(suite, await restore(suite, own, f"restore-{number}"))
    await vm.start()
    assert (await suite.call("GET", f"{SNAPSHOTS}/snapshot-vm"))[0] == 200
