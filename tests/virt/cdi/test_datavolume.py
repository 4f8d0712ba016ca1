"""DataVolumes from claim to contents, and VMs that wait for them."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.objects import condition, dig, name, uid
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    RESOURCE_QUOTAS,
    STORAGE_CLASSES,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.virt.controller import data_volumes

NS = "default"
ON_VOLUME = [{"name": "root", "dataVolume": {"name": "root"}}]


def template(own="root", source=None, fate="", storage_class="local"):
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": own, **({"annotations": {"fakekube.io/fate": fate}} if fate else {})}
    wanted = {"source": source or {"http": {"url": "http://example/disk.img"}}}
    return {"metadata": meta, "spec": {**wanted, "storage": {**storage, "storageClassName": storage_class}}}


def volume(own="root", **kwargs):
    made = template(own, **kwargs)
    made["metadata"]["namespace"] = NS
    return {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", **made}


async def follow(world):
    """Have the world remember DataVolumes and claims, too."""
    import asyncio

    tasks = [
        asyncio.ensure_future(world.informer(one).run()) for one in (DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS)
    ]
    await world.settle()
    return tasks


@pytest.fixture
async def world(world):
    """The cluster, with DataVolumes and claims remembered."""
    tasks = await follow(world)
    yield world
    for task in tasks:
        task.cancel()


def volume_of(world, own="root"):
    return world.informer(DATA_VOLUMES).get(f"{NS}/{own}")


def told(obj):
    return {
        one["type"]: (one["status"], one.get("reason"), one.get("message"))
        for one in obj["status"]["conditions"]
    }


@pytest.mark.parametrize(
    ("phase", "may_start"),
    [
        ("", False),
        ("Pending", False),
        ("ImportInProgress", False),
        ("WaitForFirstConsumer", True),
        ("PendingPopulation", True),
        ("Succeeded", True),
        ("Failed", False),
    ],
)
def test_what_a_start_waits_for(phase, may_start):
    """V-096: a volume that is filled, or is filled once somebody uses it, keeps no instance from being made."""
    assert data_volumes.is_ready({"status": {"phase": phase}}) is may_start


async def test_import(world):
    """V-097, V-098, V-099: the claim comes first, then the phases one by one, and progress ends at 100.0%."""
    await world.client.create(DATA_VOLUMES, volume())
    await world.until(lambda: dig(volume_of(world), "status", "phase") == "Succeeded")
    phases = world.history(DATA_VOLUMES, "root", "status", "phase")
    assert phases == [None, "Pending", "ImportScheduled", "ImportInProgress", "Succeeded"]
    assert world.history(DATA_VOLUMES, "root", "status", "progress") == [None, "N/A", "42.00%", "100.0%"]
    claim = world.informer(PERSISTENT_VOLUME_CLAIMS).get(f"{NS}/root")
    assert claim["metadata"]["labels"]["app"] == "containerized-data-importer"
    assert claim["metadata"]["ownerReferences"][0]["uid"] == uid(volume_of(world))
    assert claim["status"]["phase"] == "Bound"
    seen = [
        "claim" if kind == PERSISTENT_VOLUME_CLAIMS else dig(new, "status", "phase")
        for _, kind, _, new in world.changes
        if new is not None and kind in (PERSISTENT_VOLUME_CLAIMS, DATA_VOLUMES)
    ]
    assert seen.index("claim") < seen.index("ImportScheduled")
    conditions = told(volume_of(world))
    assert conditions["Bound"] == ("True", "Bound", "PVC root Bound")
    assert conditions["Running"] == ("False", "Completed", "Import Complete")
    assert conditions["Ready"][0] == "True"
    messages = [one[1:3] for one in world.events("root", "DataVolume")]
    assert messages[-3:] == [
        ("ImportScheduled", "Import into root scheduled"),
        ("ImportInProgress", "Import into root in progress"),
        ("ImportSucceeded", "Successfully imported into PVC root"),
    ]


async def test_vm_waits(world):
    """V-093, V-096, V-102, V-138: made by the VM at once, and no VMI before it has succeeded."""
    await world.create_vm(volumes=ON_VOLUME, dataVolumeTemplates=[template(fate="takes=3s")])
    await world.until(lambda: world.status() == "Provisioning")
    made = volume_of(world)
    assert made["metadata"]["labels"] == {"kubevirt.io/created-by": uid(world.vm())}
    assert made["metadata"]["annotations"]["cdi.kubevirt.io/allowClaimAdoption"] == "true"
    assert made["metadata"]["ownerReferences"][0]["uid"] == uid(world.vm())
    assert world.vmi() is None
    await world.until(world.is_ready)
    assert world.statuses() == [None, "Stopped", "Provisioning", "Starting", "Running"]
    assert world.events("vm", "VirtualMachine")[0] == (
        "Normal",
        "SuccessfulDataVolumeCreate",
        "Created DataVolume root",
        1,
    )
    text = "All of the VMI's DVs are bound and ready"
    assert told(world.vmi())["DataVolumesReady"] == ("True", "AllDVsReady", text)
    kinds = [one["type"] for one in world.vmi()["status"]["conditions"]]
    assert kinds == ["Ready", "DataVolumesReady", "LiveMigratable", "StorageLiveMigratable"]


async def test_volumes_outlive_stops(world):
    """V-101: a stopped VM keeps its DataVolume, and starts again without another import."""
    await world.running_vm(volumes=ON_VOLUME, dataVolumeTemplates=[template()])
    own = uid(volume_of(world))
    await world.patch_vm({"runStrategy": "Halted"})
    await world.until(lambda: world.vmi() is None)
    await world.patch_vm({"runStrategy": "Always"})
    await world.until(world.is_ready)
    assert uid(volume_of(world)) == own
    assert "Provisioning" not in world.statuses()[4:]


async def test_volumes_go_with_the_vm(world):
    """V-100: deleted with the VM, and the claim with the DataVolume."""
    await world.running_vm(volumes=ON_VOLUME, dataVolumeTemplates=[template()])
    await world.client.delete(VIRTUAL_MACHINES, "vm", NS)
    await world.until(lambda: world.vm() is None)
    await world.until(lambda: volume_of(world) is None)
    await world.until(lambda: world.informer(PERSISTENT_VOLUME_CLAIMS).get(f"{NS}/root") is None)


async def test_halted(world):
    """V-075, V-094: a halted VM has its DataVolume made, and shows Provisioning meanwhile."""
    await world.create_vm(
        strategy="Halted", volumes=ON_VOLUME, dataVolumeTemplates=[template(fate="takes=5s")]
    )
    await world.until(lambda: world.status() == "Provisioning")
    await world.until(lambda: world.status() == "Stopped")
    assert (world.vmi(), volume_of(world)["status"]["phase"]) == (None, "Succeeded")


async def test_creation_put_off(world):
    """V-095: an annotation puts the DataVolume of a halted VM off until it starts."""
    made = await world.create_vm(strategy="Halted", volumes=ON_VOLUME, dataVolumeTemplates=[template()])
    await world.client.delete(VIRTUAL_MACHINES, name(made), NS)
    await world.until(lambda: world.vm() is None and volume_of(world) is None)
    made["metadata"] = {
        "name": "late",
        "namespace": NS,
        "annotations": {"kubevirt.io/immediate-data-volume-creation": "false"},
    }
    made.pop("status", None)
    await world.client.create(VIRTUAL_MACHINES, made)
    await world.elapse(5)
    assert volume_of(world) is None
    await world.patch_vm({"runStrategy": "Always"}, "late")
    await world.until(lambda: world.is_ready("late"))
    assert volume_of(world)["status"]["phase"] == "Succeeded"


async def test_failed(world):
    """F-10: a DataVolume that fails for good is told as DataVolumeError and by an event."""
    await world.create_vm(volumes=ON_VOLUME, dataVolumeTemplates=[template()])
    await world.until(lambda: volume_of(world) is not None)
    patch = {"metadata": {"annotations": {"fakekube.io/fate": "fail"}}}
    await world.client.patch(DATA_VOLUMES, "root", NS, patch, type="merge")
    await world.until(lambda: world.status() == "DataVolumeError")
    event = ("Warning", "FailedDataVolumeImport", "DataVolume root failed to import disk image")
    assert event in [one[:3] for one in world.events("vm", "VirtualMachine")]


async def test_failing_import(world):
    """V-076, F-09: an importer that fails again and again is DataVolumeError, while the phase stays in progress."""
    await world.create_vm(volumes=ON_VOLUME, dataVolumeTemplates=[template(fate="error")])
    await world.until(lambda: world.status() == "DataVolumeError")
    found = volume_of(world)
    assert (found["status"]["phase"], found["status"]["restartCount"]) == ("ImportInProgress", 1)
    assert told(found)["Running"][:2] == ("False", "Error")
    assert told(found)["Running"][2].startswith(
        "Unable to connect to http data source: expected status code 200"
    )
    assert ("Warning", "Error") in [one[:2] for one in world.events("root", "DataVolume")]
    assert world.vmi() is None


async def test_slow_import(world):
    """F-08: while its DataVolume is filled a VM is Provisioning, and there is no instance; `stuck` never ends."""
    await world.create_vm(volumes=ON_VOLUME, dataVolumeTemplates=[template(fate="stuck")])
    await world.elapse(3600)
    found = volume_of(world)["status"]
    assert (found["phase"], found["progress"].endswith("%")) == ("ImportInProgress", True)
    assert (world.status(), world.vmi()) == ("Provisioning", None)


async def test_an_instance_whose_volume_fails(world):
    """F-10: an instance that waits for a DataVolume has failed when that fails for good."""
    await world.client.create(DATA_VOLUMES, volume(fate="fail"))
    await world.create_vm(strategy="Once", volumes=ON_VOLUME)
    await world.until(lambda: dig(world.vmi(), "status", "phase") == "Failed")
    await world.settle()
    assert volume_of(world)["status"]["phase"] == "Failed"
    assert world.status() == "DataVolumeError"


async def test_first_consumer(world):
    """V-077, F-07: a late binding claim waits for a temporary launcher; the real one comes when the volume is filled."""
    late = {"metadata": {"name": "late"}, "provisioner": "x", "volumeBindingMode": "WaitForFirstConsumer"}
    await world.client.create(
        STORAGE_CLASSES, {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", **late}
    )
    await world.create_vm(
        volumes=ON_VOLUME, dataVolumeTemplates=[template(storage_class="late", fate="takes=4s")]
    )
    await world.until(world.is_ready)
    statuses = world.statuses()
    assert statuses[:4] == [None, "Stopped", "Provisioning", "WaitingForVolumeBinding"]
    # The claim is bound a moment before the DataVolume tells so: between the two the VM is Starting.
    assert statuses[4:] == ["Starting", "Provisioning", "Starting", "Running"]
    phases = world.history(DATA_VOLUMES, "root", "status", "phase")
    assert phases == [
        None,
        "Pending",
        "WaitForFirstConsumer",
        "ImportScheduled",
        "ImportInProgress",
        "Succeeded",
    ]
    first = world.told(
        VIRTUAL_MACHINE_INSTANCES, "vm", lambda vmi: condition(vmi, "Provisioning") is not None
    )
    assert first == [False, True, False]
    made = [new["metadata"] for _, kind, old, new in world.changes if kind == PODS and old is None]
    assert [one["annotations"].get("kubevirt.io/ephemeral-provisioning") for one in made] == ["true", None]
    event = f"Deleted WaitForFirstConsumer temporary pod {made[0]['name']}"
    assert ("Normal", "SuccessfulDelete", event, 1) in world.events("vm", "VirtualMachineInstance")


async def test_missing_source(world):
    """V-103: a clone of a claim that is not there is told by upstream's misspelt event, and made all the same; its own claim
    is made when the source is there."""
    clone = template(source={"pvc": {"namespace": NS, "name": "golden"}})
    await world.create_vm(strategy="Halted", volumes=ON_VOLUME, dataVolumeTemplates=[clone])
    await world.settle()
    message = (
        "Source PVC golden not available: Target PVC root will remain unpopulated until source is created"
    )
    assert world.events("vm", "VirtualMachine")[0][:3] == ("Warning", "SourcePVCNotAvailabe", message)
    assert "phase" not in volume_of(world)["status"]
    event = ("Warning", "CloneWithoutSource", "The source pvc golden doesn't exist", 1)
    assert event in world.events("root", "DataVolume")
    assert world.informer(PERSISTENT_VOLUME_CLAIMS).get(f"{NS}/root") is None
    await world.client.create(PERSISTENT_VOLUME_CLAIMS, plain_claim("golden"))
    for _ in range(40):
        await world.elapse(1)
    assert volume_of(world)["status"]["phase"] == "Succeeded"


def plain_claim(own):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": own, "namespace": NS}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


async def test_existing_claim_is_adopted(world):
    """A claim of the DataVolume's name is taken over with its contents, when the DataVolume allows it."""
    await world.client.create(PERSISTENT_VOLUME_CLAIMS, plain_claim("root"))
    await world.running_vm(volumes=ON_VOLUME, dataVolumeTemplates=[template()])
    claim = world.informer(PERSISTENT_VOLUME_CLAIMS).get(f"{NS}/root")
    assert claim["metadata"]["ownerReferences"][0]["uid"] == uid(volume_of(world))
    assert "ImportInProgress" not in world.history(DATA_VOLUMES, "root", "status", "phase")


async def test_quota(world):
    """A claim that exceeds a quota is told in the server's words, by conditions and events, and made once there is room."""
    hard = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": NS}}
    await world.client.create(RESOURCE_QUOTAS, {**hard, "spec": {"hard": {"requests.storage": "512Mi"}}})
    await world.client.create(DATA_VOLUMES, volume())
    await world.until(lambda: dig(volume_of(world), "status", "phase") == "Pending")
    conditions = told(volume_of(world))
    text = (
        'persistentvolumeclaims "root" is forbidden: exceeded quota: q, requested: requests.storage=1Gi, used: '
        "requests.storage=0, limited: requests.storage=512Mi"
    )
    assert conditions["Bound"] == conditions["Ready"] == ("False", "ErrExceededQuota", text)
    assert ("Warning", "ErrExceededQuota", text) in [one[:3] for one in world.events("root", "DataVolume")]
    more = {"spec": {"hard": {"requests.storage": "4Gi"}}}
    await world.client.patch(RESOURCE_QUOTAS, "q", NS, more, type="merge")
    await world.until(lambda: dig(volume_of(world), "status", "phase") == "Succeeded")
    assert told(volume_of(world))["Bound"][:2] == ("True", "Bound")


async def test_size_of_a_clone(world):
    """A clone of no size of its own waits for its source, and is as large; what it asks for else is told to its claim."""
    clone = volume("copy", source={"pvc": {"namespace": NS, "name": "root"}})
    clone["spec"]["storage"]["resources"] = {}
    clone["spec"] |= {"preallocation": True, "priorityClassName": "p0"}
    await world.client.create(DATA_VOLUMES, clone)
    await world.elapse(5)
    claims = world.informer(PERSISTENT_VOLUME_CLAIMS)
    assert claims.get(f"{NS}/copy") is None
    large = volume()
    large["spec"]["storage"]["resources"] = {"requests": {"storage": "3Gi"}}
    await world.client.create(DATA_VOLUMES, large)
    await world.until(lambda: dig(volume_of(world, "copy"), "status", "phase") == "Succeeded")
    made = claims.get(f"{NS}/copy")
    assert made["spec"]["resources"]["requests"] == {"storage": "3Gi"}
    notes = made["metadata"]["annotations"]
    assert notes["cdi.kubevirt.io/storage.preallocation.requested"] == "true"
    assert notes["cdi.kubevirt.io/storage.pod.priorityclassname"] == "p0"


async def test_archives_are_files(world):
    """An archive is unpacked into a file system: blocks are refused, and nothing else is taken where nothing is said."""
    body = volume("files")
    body["spec"] |= {"contentType": "archive"}
    body["spec"]["storage"]["volumeMode"] = "Block"
    await world.client.create(DATA_VOLUMES, body)
    await world.settle()
    text = "ContentType Archive cannot have block volumeMode"
    assert told(volume_of(world, "files"))["Bound"] == ("False", "ErrClaimNotValid", text)
    assert world.informer(PERSISTENT_VOLUME_CLAIMS).get(f"{NS}/files") is None
    body = volume("open")
    body["spec"] |= {"contentType": "archive"}
    await world.client.create(DATA_VOLUMES, body)
    await world.settle()
    made = world.informer(PERSISTENT_VOLUME_CLAIMS).get(f"{NS}/open")
    assert made["spec"]["volumeMode"] == "Filesystem"


async def test_what_a_volume_says_of_instances_is_not_lost():
    """A DataVolume takes its source's labels about instances, though at first it could not be written."""
    async with Cluster(pace="fast", clock=ManualClock(), seed=1) as cluster:
        labels = {"instancetype.kubevirt.io/default-instancetype": "small"}
        gold = volume("gold", storage_class="standard")
        gold["metadata"]["labels"] = labels
        await cluster.apply([gold])
        await cluster.advance("1m")
        fault = cluster.faults.add(verb="patch", kind="datavolumes", status=500)
        source = {"pvc": {"namespace": NS, "name": "gold"}}
        client = cluster.client()
        await client.create(DATA_VOLUMES, volume("copy", source=source, storage_class="standard"))
        await cluster.advance("1m")
        assert fault.fired == 1
        for resource in (DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS):
            made = await client.get(resource, "copy", NS)
            assert labels.items() <= made["metadata"]["labels"].items()
