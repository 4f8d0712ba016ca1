"""Upstream's functional specs of snapshots: of machines that are off, that run, that are paused; what is kept, and what fails.

Origin: kubevirt: tests/storage/snapshot.go
"""

import pytest

from tests.upstream import storage
from tests.upstream.conftest import MERGE_PATCH, Object, Suite, conditions
from tests.upstream.storage import CLAIMS, CONTENTS, NS, SNAPSHOTS, TAKEN, Machine

AGENT = {"containerDisk": {"image": "registry:5000/kubevirt/fedora-with-test-tooling-container-disk:devel"}}
COMPLETE = {"Progressing": ("False", "Operation complete"), "Ready": ("True", "Ready")}
LOCKED = ("True", "Source locked and operation in progress")


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await storage.set_up(suite)
    return suite


def with_blank(strategy: str = "Always", **disk: Object) -> Object:
    """A machine with a container disk and a blank volume of its own."""
    blank = storage.volume("dv-vm")
    disks = {"disk0": disk or AGENT, "blank": {"dataVolume": {"name": "dv-vm"}}}
    return storage.machine(strategy=strategy, disks=disks, templates=[blank])


async def complete(suite: Suite, path: str) -> Object:
    """The snapshot once it says that all is done."""

    async def look() -> Object | None:
        found = await suite.get(path)
        return found if storage.reasons(found) == COMPLETE else None

    return dict(await suite.eventually(look, 180))


@pytest.mark.parametrize("strategy", ["Halted", "Always", "Manual"])
async def test_a_simple_machine(suite: Suite, strategy: str) -> None:
    """[4609, 4610] Source and content are named, the spec is kept; a running one is told of, its volumes have a status each."""
    vm = await Machine.of(suite, storage.machine(strategy=strategy))
    await suite.cluster.settle()
    current = await vm.get()
    snapshot = await storage.ready(suite, await storage.take(suite, vm))
    assert snapshot["status"]["sourceUID"] == vm.uid
    assert snapshot["status"].get("indications", []) == (
        ["NoGuestAgent", "Online"] if strategy == "Always" else []
    )
    content = await storage.content_of(suite, snapshot)
    assert content["spec"]["virtualMachineSnapshotName"] == snapshot["metadata"]["name"]
    source = content["spec"]["source"]["virtualMachine"]
    wanted = vm.made["spec"] if strategy == "Always" else current["spec"]  # it is kept as it started
    assert source["spec"] == wanted
    assert source["metadata"]["uid"] == vm.uid
    assert not content["spec"].get("volumeBackups")

    async def statuses() -> list[str]:
        return [one["name"] for one in (await vm.get())["status"].get("volumeSnapshotStatuses", ())]

    assert await suite.eventually(statuses, 180) == ["disk0", "disk1"]


async def test_online_with_an_agent(suite: Suite) -> None:
    """[6767] The guest's file systems are frozen and thawed; what is kept is the spec it started with."""
    vm = await Machine.of(suite, with_blank())
    await vm.runs("AgentConnected")
    path = "/spec/template/spec/domain/resources/requests/memory"
    change = [{"op": "test", "path": path, "value": "128Mi"}, {"op": "replace", "path": path, "value": "1Gi"}]
    await suite.patch(vm.path, change)
    snapshot = await storage.ready(suite, await storage.take(suite, vm))
    assert snapshot["status"]["indications"] == ["GuestAgent", "Online"]
    assert storage.reasons(snapshot) == COMPLETE
    assert snapshot["status"]["creationTime"]
    content = await storage.content_of(suite, snapshot)
    assert content["spec"]["source"]["virtualMachine"]["spec"] == vm.made["spec"]
    assert len(content["spec"]["volumeBackups"]) == 1
    assert "fsFreezeStatus" not in (await vm.vmi())["status"]


async def test_online_without_agent_or_volumes(suite: Suite) -> None:
    """[6768, 6769] Nobody to freeze: said so; no claims: nothing to back up."""
    vm = await Machine.of(suite, with_blank(containerDisk={"image": "registry:5000/kubevirt/cirros:devel"}))
    snapshot = await storage.ready(suite, await storage.take(suite, vm))
    assert snapshot["status"]["indications"] == ["NoGuestAgent", "Online"]
    assert len((await storage.content_of(suite, snapshot))["spec"]["volumeBackups"]) == 1
    vm = await Machine.of(suite, storage.machine("agent", "Always", disks={"disk0": AGENT}))
    await vm.runs("AgentConnected")
    snapshot = await storage.ready(suite, await storage.take(suite, vm))
    assert snapshot["status"]["indications"] == ["GuestAgent", "Online"]
    assert storage.reasons(snapshot) == COMPLETE
    assert not (await storage.content_of(suite, snapshot))["spec"].get("volumeBackups")


@pytest.mark.parametrize("end", ["deletion", "deadline"])
async def test_thawed_when_it_fails(suite: Suite, end: str) -> None:
    """[6837, 6949] A guest that was frozen for a snapshot is thawed when that is deleted or too late; its content goes."""
    vm = await Machine.of(suite, with_blank())
    await vm.runs("AgentConnected")
    await storage.deny_snapshots(suite)
    path = await storage.take(suite, vm, failureDeadline="40s")

    async def frozen() -> bool:
        return (await vm.vmi())["status"].get("fsFreezeStatus") == "frozen"

    async def thawed() -> bool:
        return not await frozen()

    await suite.eventually(frozen, 60, 2)
    snapshot = await suite.get(path)
    assert snapshot["status"]["phase"] == "InProgress"
    content = f"{CONTENTS}/vmsnapshot-content-{snapshot['metadata']['uid']}"
    if end == "deletion":
        await suite.delete(path, {})
        await suite.eventually(thawed, 60, 2)
        assert (await suite.call("GET", path))[0] == 404
        return

    async def failed() -> Object | None:
        found = await suite.get(path)
        return found if found["status"]["phase"] == "Failed" else None

    late = await suite.eventually(failed, 60, 2)
    assert [(one["type"], one["status"], one["reason"]) for one in late["status"]["conditions"]] == [
        ("Progressing", "False", "Operation failed"),
        ("Ready", "False", "Not ready"),
        ("Failure", "True", "snapshot deadline exceeded"),
    ]
    await suite.eventually(thawed, 30, 2)
    assert (await suite.call("GET", content))[0] == 404
    stored = await vm.get()
    assert "snapshotInProgress" not in stored["status"]
    assert stored["metadata"]["finalizers"] == ["kubevirt.io/virtualMachineControllerFinalize"]
    assert "creationTime" not in late["status"]


async def test_paused(suite: Suite) -> None:
    """[12182] A paused machine is snapshotted as it is, and it is said so."""
    vm = await Machine.of(suite, with_blank())
    await vm.runs("AgentConnected")
    await vm.act("pause", kind="virtualmachineinstances")
    await vm.runs("Paused")
    snapshot = await complete(suite, await storage.take(suite, vm))
    assert snapshot["status"]["indications"][:2] == ["Online", "Paused"]
    assert len((await storage.content_of(suite, snapshot))["spec"]["volumeBackups"]) == 1


async def test_plugged_disks(suite: Suite) -> None:
    """[7472] A disk that was plugged in is in it; every claim has a VolumeSnapshot."""
    vm = await Machine.of(suite, storage.on_template(strategy="Always"))
    await vm.runs()
    await suite.create(storage.VOLUMES, storage.volume("persistent"))
    await storage.succeeded(suite, "persistent")
    source = {"dataVolume": {"name": "persistent"}}
    disk = {"disk": {"bus": "scsi"}, "serial": "persistent"}
    assert await vm.act("addvolume", {"name": "persistent", "disk": disk, "volumeSource": source}) == {}

    async def plugged() -> bool:
        found = (await vm.vmi())["status"].get("volumeStatus", ())
        return any(one["name"] == "persistent" and one.get("phase") == "Ready" for one in found)

    await suite.eventually(plugged, 240)
    snapshot = await complete(suite, await storage.take(suite, vm))
    content = await storage.content_of(suite, snapshot)
    kept = content["spec"]["source"]["virtualMachine"]["spec"]["template"]["spec"]
    assert [one["name"] for one in kept["volumes"]] == ["disk0", "persistent"]
    assert snapshot["status"]["snapshotVolumes"]["includedVolumes"] == ["disk0", "persistent"]
    assert not snapshot["status"]["snapshotVolumes"].get("excludedVolumes")
    await check_backups(suite, vm, content)


async def check_backups(suite: Suite, vm: Machine, content: Object) -> None:
    """Each backup has the spec of its claim, and a VolumeSnapshot that is ready."""
    for backup in content["spec"]["volumeBackups"]:
        kept = backup["persistentVolumeClaim"]
        found = await suite.get(f"{CLAIMS}/{kept['metadata']['name']}")
        assert found["spec"] == kept["spec"]
        taken = await suite.get(f"{TAKEN}/{backup['volumeSnapshotName']}")
        assert taken["spec"]["source"]["persistentVolumeClaimName"] == kept["metadata"]["name"]
        assert taken["metadata"]["labels"]["snapshot.kubevirt.io/source-vm-name"] == vm.name
        assert (taken["status"]["readyToUse"], "error" in taken["status"]) == (True, False)


async def test_memory_dump(suite: Suite) -> None:
    """[8922] A dump of its memory is part of a machine, and of its snapshot."""
    vm = await Machine.of(suite, storage.on_template(strategy="Always"))
    await storage.dumped(suite, vm)
    snapshot = await complete(suite, await storage.take(suite, vm))
    assert (await vm.get())["status"]["memoryDumpRequest"]
    content = await storage.content_of(suite, snapshot)
    assert [one["volumeName"] for one in content["spec"]["volumeBackups"]] == ["disk0", "fs-pvc"]
    await check_backups(suite, vm, content)


async def test_status_is_made_again(suite: Suite) -> None:
    """A status that somebody removes comes back as it was."""
    vm = await Machine.of(suite, storage.on_template())
    path = await storage.take(suite, vm)
    before = await storage.ready(suite, path)
    await suite.patch(f"{path}/status", {"status": None}, MERGE_PATCH)

    async def again() -> bool:
        now, was = ((await suite.get(path)).get("status", {}), before["status"])
        same = ("sourceUID", "virtualMachineSnapshotContentName", "creationTime", "phase", "readyToUse")
        assert [now.get(one) for one in same] == [was[one] for one in same]
        return storage.reasons({"status": now}) == storage.reasons(before)

    await suite.eventually(again, 180)


async def test_volumes_have_statuses(suite: Suite) -> None:
    """A volume can be snapshotted once there is something of a class that can; some are in, some are not [9705]."""
    vm = await Machine.of(suite, storage.on_template())

    async def enabled(of: Machine) -> list[bool]:
        return [one["enabled"] for one in (await of.get())["status"].get("volumeSnapshotStatuses", ())]

    assert await suite.eventually(lambda: enabled(vm), 180) == [True]
    for kind in ({"dataVolume": {"name": "late"}}, {"persistentVolumeClaim": {"claimName": "late"}}):
        name = "late-dv" if "dataVolume" in kind else "late-pvc"
        waiting = await Machine.of(suite, storage.machine(name, disks={"disk0": kind}))
        await suite.cluster.settle()
        assert await enabled(waiting) == [False]
    await suite.create(storage.VOLUMES, storage.volume("late"))
    await storage.succeeded(suite, "late")
    for name in ("late-dv", "late-pvc"):
        assert await enabled(Machine(suite, await suite.get(f"{storage.VMS}/{name}"))) == [True]
    local = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local"}}
    await suite.create(
        "/apis/storage.k8s.io/v1/storageclasses", {**local, "provisioner": "example.com/local"}
    )
    for name, of_class in (("in", "standard"), ("out", "local")):
        await suite.create(storage.VOLUMES, storage.volume(name, storage=of_class))
        await storage.succeeded(suite, name)
    disks = {f"{name}-volume": {"persistentVolumeClaim": {"claimName": name}} for name in ("in", "out")}
    both = await Machine.of(suite, storage.machine("both", disks=disks))
    assert await suite.eventually(lambda: enabled(both), 180) == [True, False]
    snapshot = await complete(suite, await storage.take(suite, both))
    assert snapshot["status"]["snapshotVolumes"] == {
        "includedVolumes": ["in-volume"],
        "excludedVolumes": ["out-volume"],
    }
    assert snapshot["status"]["indications"] == ["PartialSnapshot"]


async def test_trouble_with_volume_snapshots(suite: Suite) -> None:
    """An error of one that was ready is told, and changes nothing; one that is deleted makes the snapshot useless."""
    vm = await Machine.of(suite, storage.on_template())
    path = await storage.take(suite, vm)
    snapshot = await storage.ready(suite, path)
    content = await storage.content_of(suite, snapshot)
    taken = f"{TAKEN}/{content['spec']['volumeBackups'][0]['volumeSnapshotName']}"
    error = {"status": {"error": {"message": "bad stuff", "time": "2026-01-01T00:00:00Z"}}}
    await suite.patch(f"{taken}/status", error, MERGE_PATCH)

    async def told() -> bool:
        found = (await storage.content_of(suite, snapshot))["status"]
        assert ("error" in found, found["readyToUse"]) == (False, True)
        return found["volumeSnapshotStatus"][0].get("error", {}).get("message") == "bad stuff"

    await suite.eventually(told, 180)
    status = (await suite.get(path))["status"]
    assert ("error" in status, status["readyToUse"]) == (False, True)
    await suite.delete(taken, {})

    async def useless() -> bool:
        found = (await suite.get(path))["status"]
        return found["readyToUse"] is False and "error" in found

    await suite.eventually(useless, 180)
    message = (await suite.get(path))["status"]["error"]["message"]
    assert message == f"VolumeSnapshots ({taken.rpartition('/')[2]}) missing"


async def test_made_before_its_source(suite: Suite) -> None:
    """[6952] It waits for the machine, then for volume snapshots; what succeeded in time does not fail later."""
    await suite.create(storage.VOLUMES, storage.volume("alone"))
    own = storage.volume("dv2", source={"registry": {"url": "docker://registry:5000/alpine"}})
    disks = {"disk0": {"dataVolume": {"name": "alone"}}, "disk1": {"dataVolume": {"name": "dv2"}}}
    webhook = await storage.deny_snapshots(suite)
    made = storage.body_of("VirtualMachineSnapshot", "snapshot-vm", source=storage.reference("vm"))
    path = f"{SNAPSHOTS}/snapshot-vm"
    await suite.create(SNAPSHOTS, {**made, "spec": {**made["spec"], "failureDeadline": "1m0s"}})
    await suite.cluster.settle()
    snapshot = await suite.get(path)
    assert (snapshot["status"]["phase"], storage.reasons(snapshot)["Progressing"]) == (
        "InProgress",
        ("False", "Source does not exist"),
    )
    vm = await Machine.of(suite, storage.machine(disks=disks, templates=[own]))

    async def locked() -> Object | None:
        found = await suite.get(path)
        return found if storage.reasons(found).get("Progressing") == LOCKED else None

    snapshot = await suite.eventually(locked, 120, 2)
    assert (snapshot["status"]["phase"], "creationTime" in snapshot["status"]) == ("InProgress", False)
    assert (await vm.get())["status"]["snapshotInProgress"] == "snapshot-vm"
    await storage.has_event(suite, "snapshot-vm", "Normal", "SuccessfulVirtualMachineSnapshotContentCreate")
    content = f"{CONTENTS}/vmsnapshot-content-{snapshot['metadata']['uid']}"
    assert "status" not in await suite.get(content)
    current = (await vm.get())["spec"]
    await suite.delete(webhook, {})
    snapshot = await complete(suite, path)
    assert len(snapshot["status"]["snapshotVolumes"]["includedVolumes"]) == 2
    found = await suite.get(content)
    assert found["spec"]["source"]["virtualMachine"]["spec"] == current
    assert len(found["spec"]["volumeBackups"]) == 2
    await suite.cluster.advance(61)
    assert (await suite.get(path))["status"]["phase"] == "Succeeded"


async def test_waits_for_volumes(suite: Suite) -> None:
    """Of a machine that is off only bound volumes can be snapshotted: it is said what is waited for."""
    late = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "late"}}
    late |= {"provisioner": "fakekube.io/volumes", "volumeBindingMode": "WaitForFirstConsumer"}
    await suite.create("/apis/storage.k8s.io/v1/storageclasses", late)
    await suite.create(storage.VOLUMES, storage.volume("dv", storage="late"))
    vm = await Machine.of(suite, storage.machine(disks={"disk0": {"dataVolume": {"name": "dv"}}}))
    path = await storage.take(suite, vm)
    await suite.cluster.settle()
    told = storage.reasons(await suite.get(path))["Progressing"]
    assert told == ("False", f"Source not locked source {NS}/vm volume not bound: dv")
    await vm.start()
    assert (await complete(suite, path))["status"]["snapshotVolumes"]["includedVolumes"] == ["disk0"]


async def test_a_claim_that_goes(suite: Suite) -> None:
    """The snapshot of a claim that is being deleted is not begun, and says so."""
    vm = await Machine.of(suite, storage.on_template(strategy="Always"))
    await suite.delete(f"{storage.VOLUMES}/dv", {})
    await suite.cluster.settle()
    assert (await suite.get(f"{CLAIMS}/dv"))["metadata"]["deletionTimestamp"]
    path = await storage.take(suite, vm)
    await suite.cluster.settle()
    snapshot = await suite.get(path)
    told = f"Source not locked source {NS}/vm volume is being deleted: dv"
    assert storage.reasons(snapshot) == {"Progressing": ("False", told), "Ready": ("False", "Not ready")}
    assert (snapshot["status"]["phase"], "creationTime" in snapshot["status"]) == ("InProgress", False)


@pytest.mark.parametrize("strategy", ["Always", "Halted"])
async def test_instance_types(suite: Suite, strategy: str) -> None:
    """[bug #8435] A machine of an instance type is snapshotted, running or not; what it met is kept with the snapshot."""
    kinds = f"/apis/instancetype.kubevirt.io/v1beta1/namespaces/{NS}/virtualmachineinstancetypes"
    size = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": "VirtualMachineInstancetype"}
    spec = {"cpu": {"guest": 1}, "memory": {"guest": "128Mi"}}
    await suite.create(kinds, {**size, "metadata": {"name": "small"}, "spec": spec})
    body = storage.on_template(strategy="Always")
    body["spec"]["template"]["spec"]["domain"]["resources"] = {}
    body["spec"]["instancetype"] = {"name": "small", "kind": "VirtualMachineInstanceType"}
    vm = await Machine.of(suite, body)
    if strategy == "Halted":
        await vm.stop()
    snapshot = await complete(suite, await storage.take(suite, vm))
    kept = (await storage.content_of(suite, snapshot))["spec"]["source"]["virtualMachine"]["status"]
    own = kept["instancetypeRef"]["controllerRevisionRef"]["name"]
    assert own.startswith("snapshot-vm-small-")
    revision = await suite.get(f"/apis/apps/v1/namespaces/{NS}/controllerrevisions/{own}")
    assert revision["data"]["spec"] == spec
    assert revision["metadata"]["ownerReferences"][0]["kind"] == "VirtualMachineSnapshot"


async def test_freezing_by_hooks(suite: Suite) -> None:
    """Backup tools find in the launcher pod how to freeze and thaw the guest; what they do is seen in the instance."""
    vm = await Machine.of(suite, storage.machine(strategy="Always", disks={"disk0": AGENT}))
    vmi = await vm.runs("AgentConnected")
    selector = f"kubevirt.io/created-by={vmi['metadata']['uid']}"
    (pod,) = await suite.items(f"/api/v1/namespaces/{NS}/pods", selector)
    marks = pod["metadata"]["annotations"]
    for when, verb in (("pre", "--freeze"), ("post", "--unfreeze")):
        assert marks[f"{when}.hook.backup.velero.io/container"] == "compute"
        assert verb in marks[f"{when}.hook.backup.velero.io/command"]
    assert await vm.act("freeze", {"unfreezeTimeout": "5m0s"}, "virtualmachineinstances") == {}
    assert (await vm.vmi())["status"]["fsFreezeStatus"] == "frozen"
    assert await vm.act("unfreeze", {}, "virtualmachineinstances") == {}
    assert "fsFreezeStatus" not in (await vm.vmi())["status"]
    assert conditions(await vm.vmi())["AgentConnected"] == "True"
