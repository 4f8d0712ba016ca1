"""Upstream's functional specs of machines on DataVolumes: imports, waiting, what is invalid, and what may be cloned.

Left out: expansion seen in a guest, `qemu-img` and `fstrim` in a launcher: there are no bytes.
Origin: kubevirt: tests/storage/datavolume.go
"""

from typing import Any

import pytest

from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.guests import VMIS, VMS
from tests.upstream.storage import (
    CLAIMS,
    EVENTS,
    NS,
    TAKEN,
    VOLUMES,
    Machine,
    claim,
    has_event,
    machine,
    set_up,
    succeeded,
    volume,
)

ALPINE = "docker://registry:5000/kubevirt/alpine-container-disk-demo:devel"
NOWHERE = "docker://127.0.0.1/invalid:latest"
OTHER = "kubevirt-test-alternative1"
ACCOUNT = "kubevirt-admin"
RBAC = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{OTHER}"
CDI = "cdi.kubevirt.io"
INSTALLED = f"/apis/{CDI}/v1beta1/cdis/cdi"
DENIED = "insufficient permissions in clone source namespace"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    suite = await suite_of(pace="realistic")
    await set_up(suite)
    return suite


def imported(name: str = "dv", url: str = ALPINE, **more: Any) -> Object:
    return volume(name, source={"registry": {"url": url}}, **more)


async def late_class(suite: Suite) -> None:
    late = {"metadata": {"name": "late"}, "provisioner": "x", "volumeBindingMode": "WaitForFirstConsumer"}
    await suite.create("/apis/storage.k8s.io/v1/storageclasses", late)


async def create_volume(suite: Suite, body: Object, space: str = NS) -> Object:
    return await suite.create(VOLUMES.replace(NS, space), body)


def instance(claim: str = "dv", name: str = "testvmi-abcde", *more: str) -> Object:
    """An instance on DataVolumes."""
    names = (claim, *more)
    disks = {f"disk{index}": {"dataVolume": {"name": one}} for index, one in enumerate(names)}
    spec = machine(disks=disks)["spec"]["template"]["spec"]
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance"}
    return {**body, "metadata": {"name": name}, "spec": spec}


async def phase_of(suite: Suite, name: str) -> str:
    status, found = await suite.call("GET", f"{VMIS}/{name}")
    return str(found["status"].get("phase", "")) if status == 200 else ""


async def reaches(suite: Suite, name: str, *phases: str, seconds: float = 500) -> None:
    async def look() -> bool:
        return await phase_of(suite, name) in phases

    await suite.eventually(look, seconds)


async def gone(suite: Suite, path: str, seconds: float = 120) -> None:
    async def look() -> bool:
        return (await suite.call("GET", path))[0] == 404

    await suite.eventually(look, seconds)


async def test_started_and_stopped(suite: Suite) -> None:
    """[3189] [5252] The same instance twice, on a volume that stays."""
    await create_volume(suite, imported())
    for _ in range(2):
        await suite.create(VMIS, instance())
        await succeeded(suite, "dv")
        await reaches(suite, "testvmi-abcde", "Running")
        await suite.delete(f"{VMIS}/testvmi-abcde")
        await gone(suite, f"{VMIS}/testvmi-abcde")


async def test_late_binding(suite: Suite) -> None:
    """[5252] Where a class waits for its consumer the DataVolume says so, and the instance sets off the import."""
    await late_class(suite)
    await create_volume(suite, imported(storage="late"))

    async def waits() -> bool:
        return (await suite.get(f"{VOLUMES}/dv"))["status"].get("phase") == "WaitForFirstConsumer"

    await suite.eventually(waits, 40)
    await suite.create(VMIS, instance())
    await succeeded(suite, "dv")
    await reaches(suite, "testvmi-abcde", "Running")


@pytest.mark.parametrize("asked", ["", "true", None])
async def test_bound_at_once(suite: Suite, asked: str | None) -> None:
    """Where somebody asks for that, by an annotation of whatever value or for all of CDI, no consumer is waited for: images
    are imported, and claims can be uploaded to."""
    await late_class(suite)
    notes = {} if asked is None else {"cdi.kubevirt.io/storage.bind.immediate.requested": asked}
    if asked is None:
        await suite.patch(INSTALLED, {"spec": {"config": {"featureGates": []}}}, MERGE_PATCH)
        await suite.cluster.settle()
    made = volume("dv", storage="late")
    made["metadata"]["annotations"] = notes
    await suite.create(VOLUMES, made)
    await succeeded(suite, "dv")
    target = claim("target", storage="late")
    target["metadata"]["annotations"] = {**notes, "cdi.kubevirt.io/storage.upload.target": ""}
    await suite.create(CLAIMS, target)

    async def ready() -> bool:
        found = (await suite.get(f"{CLAIMS}/target"))["metadata"]["annotations"]
        return found.get("cdi.kubevirt.io/storage.pod.ready") == "true"

    await suite.eventually(ready, 60)


async def test_many_at_once(suite: Suite) -> None:
    """[6686] Five instances, each on a volume of its own that is imported meanwhile."""
    for number in range(5):
        await create_volume(suite, imported(f"dv{number}"))
        await suite.create(VMIS, instance(f"dv{number}", f"vmi{number}"))
    for number in range(5):
        await reaches(suite, f"vmi{number}", "Running")
        await suite.delete(f"{VMIS}/vmi{number}")


async def test_conditions_of_several(suite: Suite) -> None:
    """Instance and machine say that their volumes are ready once all of them are, not when the first is."""
    disks = {one: {"dataVolume": {"name": one}} for one in ("dv1", "dv2")}
    vm = Machine(suite, await suite.create(VMS, machine(strategy="Always", disks=disks)))

    async def missing() -> bool:
        return (await vm.get())["status"].get("printableStatus") == "ErrorPvcNotFound"

    await suite.eventually(missing, 180, every=2)

    async def say(status: str) -> None:
        for look in (vm.vmi, vm.get):

            async def so(look: Any = look) -> bool:
                return conditions(await look()).get("DataVolumesReady") == status

            await suite.eventually(so, 240, every=2)

    await create_volume(suite, imported("dv1"))
    await say("False")
    await create_volume(suite, imported("dv2"))
    await say("True")


async def test_template_of_a_volume_that_is_there(suite: Suite) -> None:
    """[4643] A machine may have a template of the DataVolume that was made before it."""
    fake = {"metadata": {"generateName": "fake"}, "provisioner": "afakeone", "volumeBindingMode": "Immediate"}
    made = await suite.create("/apis/storage.k8s.io/v1/storageclasses", fake)
    body = imported()
    requests = {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": made["metadata"]["name"]}
    body["spec"] = {
        "source": {"registry": {"url": ALPINE, "pullMethod": "node"}},
        "pvc": {"accessModes": ["ReadWriteOnce"], **requests},
    }
    await create_volume(suite, body)

    async def claimed() -> bool:
        return (await suite.call("GET", f"{CLAIMS}/dv"))[0] == 200

    await suite.eventually(claimed, 30)
    disks = {"disk0": {"dataVolume": {"name": "dv"}}}
    await suite.create(VMS, machine(strategy="Always", disks=disks, templates=[body]))


async def test_stopping_what_cannot_be_imported(suite: Suite) -> None:
    """A machine whose import fails again and again can be stopped; it says what is the matter."""
    body = imported(url=NOWHERE)
    body["spec"]["source"]["registry"]["pullMethod"] = "pod"
    disks = {"disk0": {"dataVolume": {"name": "dv"}}}
    vm = Machine(suite, await suite.create(VMS, machine(strategy="Always", disks=disks, templates=[body])))

    async def crashes() -> bool:
        return (await suite.get(f"{VOLUMES}/dv")).get("status", {}).get("phase") == "ImportInProgress"

    await suite.eventually(crashes, 60)

    async def told() -> bool:
        return (await vm.get())["status"].get("printableStatus") == "DataVolumeError"

    await suite.eventually(told, 60)
    await vm.stop()


async def test_volume_that_never_comes(suite: Suite) -> None:
    """[3190] An instance of a machine waits for a DataVolume nobody makes."""
    disks = {"disk0": {"dataVolume": {"name": "dv"}}}
    await suite.create(VMS, machine(strategy="Always", disks=disks))
    await reaches(suite, "vm", "Pending", seconds=100)


async def test_registry_that_comes_later(suite: Suite) -> None:
    """[3190] An instance waits while its volume is imported, and runs after it."""
    body = imported(url="docker://fakeregistry:5000/kubevirt/alpine-container-disk-demo:devel")
    await create_volume(suite, body)
    await suite.create(VMS, machine(strategy="Always", disks={"disk0": {"dataVolume": {"name": "dv"}}}))
    await reaches(suite, "vm", "Pending", "Scheduling", seconds=100)
    service = {"type": "ExternalName", "externalName": "registry"}
    await suite.create(
        f"/api/v1/namespaces/{NS}/services", {"metadata": {"name": "fakeregistry"}, "spec": service}
    )
    await succeeded(suite, "dv")
    await reaches(suite, "vm", "Running", seconds=100)


async def a_machine(suite: Suite) -> Machine:
    disks = {"disk0": {"dataVolume": {"name": "dv"}}}
    return Machine(suite, await suite.create(VMS, machine(disks=disks, templates=[imported()])))


async def test_machine_started_and_stopped(suite: Suite) -> None:
    """[3191] A machine with a template starts and stops, twice."""
    vm = await a_machine(suite)
    for _ in range(2):
        await vm.start()
        await vm.stop()


async def test_what_goes_with_a_machine(suite: Suite) -> None:
    """[837] In the background go its instance, its DataVolume and the claim."""
    vm = await a_machine(suite)
    await vm.start()
    assert (await suite.get(f"{VOLUMES}/dv"))["metadata"]["ownerReferences"]
    assert (await suite.call("GET", f"{CLAIMS}/dv"))[0] == 200
    assert (await vm.vmi())["metadata"]["ownerReferences"]
    await suite.delete(vm.path, {"propagationPolicy": "Background"})
    for path in (vm.path, vm.instance, f"{VOLUMES}/dv", f"{CLAIMS}/dv"):
        await gone(suite, path, 100)


async def test_orphans(suite: Suite) -> None:
    """[3192] Deleted with orphans, a machine leaves its DataVolume and its running instance to nobody."""
    vm = await a_machine(suite)
    await vm.start()
    assert (await suite.get(f"{VOLUMES}/dv"))["metadata"]["ownerReferences"]
    await suite.delete(vm.path, {"propagationPolicy": "Orphan"})
    await gone(suite, vm.path, 100)
    await succeeded(suite, "dv")
    assert not (await suite.get(f"{VOLUMES}/dv"))["metadata"].get("ownerReferences")

    async def free() -> bool:
        vmi = await vm.vmi()
        return vmi["status"]["phase"] == "Running" and not vmi["metadata"].get("ownerReferences")

    await suite.consistently(free, 60)


# --- who may clone -------------------------------------------------------------------------------------------------


@pytest.fixture
async def guarded(suite_of: Make) -> Suite:
    """RBAC, a namespace of golden images with one that is filled, and an account of the other namespace."""
    suite = await suite_of(rbac=True)
    await set_up(suite)
    await suite.create("/api/v1/namespaces", {"metadata": {"name": OTHER}})
    await suite.create(f"/api/v1/namespaces/{NS}/serviceaccounts", {"metadata": {"name": ACCOUNT}})
    body = imported("golden")
    body["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.bind.immediate.requested": "true"}
    await create_volume(suite, body, OTHER)

    async def filled() -> bool:
        found = await suite.get(f"{VOLUMES.replace(NS, OTHER)}/golden")
        return found.get("status", {}).get("phase") == "Succeeded"

    await suite.eventually(filled, 90)
    return suite


def cloning(**source: Any) -> Object:
    """A machine whose volume, of no size of its own, is a clone."""
    template = volume("dv", **(source or {"source": {"pvc": {"namespace": OTHER, "name": "golden"}}}))
    template["spec"]["storage"] = {"storageClassName": "standard", "resources": {}}
    disks = {
        "disk0": {"dataVolume": {"name": "dv"}},
        "account": {"serviceAccount": {"serviceAccountName": ACCOUNT}},
    }
    return machine(disks=disks, templates=[template], memory="1Mi")


async def allow(suite: Suite, name: str, rules: list[tuple[str, str]], whom: str = ACCOUNT) -> None:
    """`whom`: the account, or a group of accounts."""
    listed = [{"apiGroups": [group], "resources": [one], "verbs": ["create"]} for group, one in rules]
    await suite.create(f"{RBAC}/roles", {"metadata": {"name": name}, "rules": listed})
    subject = {"kind": "ServiceAccount", "name": whom, "namespace": NS}
    if whom != ACCOUNT:
        subject = {"kind": "Group", "name": whom, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    await suite.create(f"{RBAC}/rolebindings", binding)


async def snapshot(suite: Suite) -> Object:
    """A snapshot of the golden image, once it says how large it is."""
    path = f"/apis/snapshot.storage.k8s.io/v1/namespaces/{OTHER}/volumesnapshots"
    (chosen,) = await suite.items("/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses")
    spec = {
        "volumeSnapshotClassName": chosen["metadata"]["name"],
        "source": {"persistentVolumeClaimName": "golden"},
    }
    await suite.create(
        path,
        {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshot",
            "metadata": {"name": "golden"},
            "spec": spec,
        },
    )

    async def sized() -> Object | None:
        found = await suite.get(f"{path}/golden")
        return found if found.get("status", {}).get("restoreSize") else None

    return dict(await suite.eventually(sized, 90))


async def failure(suite: Suite) -> str:
    found = (await suite.get(f"{VMS}/vm")).get("status", {}).get("conditions", ())
    told = [one for one in found if one["type"] == "Failure" and one["status"] == "True"]
    return str(told[0]["message"]) if told else ""


EXPLICIT = [(CDI, "datavolumes/source")]
PODS = [("", "pods")]
WITH_CLAIMS = [*PODS, ("", "pvcs")]
ALL, OF_SPACE = "system:serviceaccounts", f"system:serviceaccounts:{NS}"


@pytest.mark.parametrize(
    ("rules", "whom", "of_snapshot", "fails"),
    [
        (EXPLICIT, ACCOUNT, False, False),
        (PODS, ACCOUNT, False, False),
        (EXPLICIT, ALL, False, False),
        (EXPLICIT, OF_SPACE, False, False),
        (EXPLICIT, ACCOUNT, True, False),
        (PODS, ACCOUNT, True, True),
        (WITH_CLAIMS, ACCOUNT, True, False),
        (EXPLICIT, ALL, True, False),
        (EXPLICIT, OF_SPACE, True, False),
    ],
)
async def test_denied_then_allowed(
    guarded: Suite, rules: list[tuple[str, str]], whom: str, of_snapshot: bool, fails: bool
) -> None:
    """[3193] [3194] [5253] [5254] A machine says what its account lacks, and starts once it has it."""
    body = cloning()
    if of_snapshot:
        taken = await snapshot(guarded)
        body = cloning(source={"snapshot": {"namespace": OTHER, "name": "golden"}})
        size = {"requests": {"storage": taken["status"]["restoreSize"]}}
        body["spec"]["dataVolumeTemplates"][0]["spec"]["storage"]["resources"] = size
    vm = Machine(guarded, await guarded.create(VMS, body))

    async def denied() -> bool:
        return DENIED in await failure(guarded)

    await guarded.eventually(denied, 60, every=2)
    text = f"User system:serviceaccount:{NS}:{ACCOUNT} has {DENIED} {OTHER}"
    prefix = "Error encountered while creating DataVolumes: not authorized to create DataVolume: "
    assert await failure(guarded) == prefix + text
    found = await guarded.items(EVENTS, fieldSelector="reason=UnauthorizedDataVolumeCreate")
    assert {one["message"] for one in found} == {f"Not authorized to create DataVolume dv: {text}"}
    await allow(guarded, "clone-role", rules, whom)
    if fails:
        await guarded.consistently(denied, 10)
        return
    await vm.start()
    claim = await guarded.get(f"{CLAIMS}/dv")
    assert claim["spec"]["resources"]["requests"]["storage"] == "1Gi"


@pytest.mark.parametrize("of_snapshot", [False, True])
async def test_data_sources(guarded: Suite, of_snapshot: bool) -> None:
    """What a template refers to is what its DataVolume says in full."""
    kind = "snapshot" if of_snapshot else "pvc"
    if of_snapshot:
        await snapshot(guarded)
    source = {kind: {"namespace": OTHER, "name": "golden"}}
    body = {
        "apiVersion": f"{CDI}/v1beta1",
        "kind": "DataSource",
        "metadata": {"name": "ds"},
        "spec": {"source": source},
    }
    await guarded.create(VOLUMES.replace("datavolumes", "datasources"), body)
    await allow(guarded, "explicit-clone-role", EXPLICIT)
    vm = Machine(guarded, await guarded.create(VMS, cloning(sourceRef={"kind": "DataSource", "name": "ds"})))
    await vm.start()
    await succeeded(guarded, "dv")
    made = await guarded.get(f"{VOLUMES}/dv")
    assert (made["spec"].get("sourceRef"), made["spec"]["source"]) == (None, source)


async def test_source_that_is_gone(guarded: Suite) -> None:
    """A machine is made although its source is not there, and an event tells so."""
    await allow(guarded, "explicit-clone-role", EXPLICIT)
    await guarded.delete(f"{VOLUMES.replace(NS, OTHER)}/golden")
    await gone(guarded, f"{CLAIMS.replace(NS, OTHER)}/golden", 10)
    await guarded.create(VMS, cloning())

    async def owned() -> bool:
        return bool((await guarded.get(f"{VOLUMES}/dv"))["metadata"].get("ownerReferences"))

    await guarded.eventually(owned, 100)

    async def told() -> bool:
        return any(one["reason"] == "SourcePVCNotAvailabe" for one in await guarded.items(EVENTS))

    await guarded.eventually(told, 30, every=5)


async def test_no_rights_for_what_is_there(guarded: Suite) -> None:
    """A DataVolume that exists needs no rights any more."""
    await allow(guarded, "explicit-clone-role", EXPLICIT, ALL)
    body = cloning()
    (template,) = body["spec"]["dataVolumeTemplates"]
    api = {"apiVersion": f"{CDI}/v1beta1", "kind": "DataVolume"}
    await create_volume(guarded, {**api, **template})
    await succeeded(guarded, "dv")
    await guarded.delete(f"{RBAC}/rolebindings/explicit-clone-role")
    vm = Machine(guarded, await guarded.create(VMS, body))
    await vm.start()
    await succeeded(guarded, "dv")


async def test_snapshot_that_comes_later(suite: Suite) -> None:
    """A clone waits for its snapshot without a claim, and says so; by a DataSource that points to another one, too."""
    taken = {"snapshot": {"namespace": NS, "name": "taken"}}
    sources = VOLUMES.replace("datavolumes", "datasources")
    typed = {"apiVersion": f"{CDI}/v1beta1", "kind": "DataSource"}
    await suite.create(sources, {**typed, "metadata": {"name": "gold"}, "spec": {"source": taken}})
    gold = {"source": {"dataSource": {"namespace": NS, "name": "gold"}}}
    await suite.create(sources, {**typed, "metadata": {"name": "pointer"}, "spec": gold})
    reference = {"sourceRef": {"kind": "DataSource", "name": "pointer"}}
    for name, source in (("direct", {"source": taken}), ("referring", reference)):
        await suite.create(VOLUMES, volume(name, **source))
        await has_event(suite, name, "Warning", "CloneWithoutSource")
        assert (await suite.call("GET", f"{CLAIMS}/{name}"))[0] == 404
    await suite.create(VOLUMES, volume("root"))
    await succeeded(suite, "root")
    spec = {"source": {"persistentVolumeClaimName": "root"}}
    kind = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}
    await suite.create(TAKEN, {**kind, "metadata": {"name": "taken"}, "spec": spec})
    for name in ("direct", "referring"):
        await succeeded(suite, name)
