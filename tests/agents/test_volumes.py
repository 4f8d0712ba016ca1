"""Claims find volumes, get them made, or wait and say what for; volumes are available, bound, released, gone."""

import pytest

from fakekube.agents import volume_binding as binding
from fakekube.agents import volume_objects
from fakekube.agents import volume_origins as origins
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import (
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
)

NS = "default"


def claim(name="c", size="1Gi", *, modes=("ReadWriteOnce",), **spec):
    spec = {"accessModes": list(modes), "resources": {"requests": {"storage": size}}, **spec}
    meta = {"name": name, "namespace": NS}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def volume(name="v", size="1Gi", *, labels=None, modes=("ReadWriteOnce",), **spec):
    host = {"path": "/x"}
    spec = {"accessModes": list(modes), "capacity": {"storage": size}, "hostPath": host, **spec}
    meta = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": spec}


def storage_class(name="s", **members):
    meta = {"name": name}
    made = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": meta}
    return {**made, "provisioner": "example.com/x", **members}


class World:
    def __init__(self, cluster):
        self.cluster = cluster
        self.client = cluster.client()

    async def create(self, *objects):
        kinds = {
            "PersistentVolumeClaim": PERSISTENT_VOLUME_CLAIMS,
            "PersistentVolume": PERSISTENT_VOLUMES,
            "StorageClass": STORAGE_CLASSES,
            "Pod": PODS,
            "Node": NODES,
        }
        for one in objects:
            await self.client.create(kinds[one["kind"]], one)
        await self.cluster.settle()

    async def claim(self, name="c"):
        return await self.client.get(PERSISTENT_VOLUME_CLAIMS, name, NS)

    async def phase(self, name="c"):
        return (await self.claim(name))["status"].get("phase")

    async def volumes(self):
        """Name → phase."""
        listed = (await self.client.list(PERSISTENT_VOLUMES)).items
        return {one["metadata"]["name"]: one["status"].get("phase") for one in listed}

    async def events(self, name="c"):
        listed = (await self.client.list(EVENTS, NS)).items
        return [
            (one["type"], one["reason"], one["message"])
            for one in listed
            if one["involvedObject"]["name"] == name
        ]


@pytest.fixture
async def world():
    async with Cluster(only=["volumes", "scheduler"], clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        yield World(cluster)
        assert not cluster.failures


async def test_the_default_class_provisions(world):
    """A claim that names no class gets the default one, and a volume of it at once."""
    await world.create(claim())
    bound = await world.claim()
    assert bound["spec"]["storageClassName"] == "standard"
    assert bound["status"] == {
        "phase": "Bound",
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
    }
    made = await world.client.get(PERSISTENT_VOLUMES, bound["spec"]["volumeName"])
    assert made["spec"]["claimRef"]["uid"] == bound["metadata"]["uid"]
    assert (made["spec"]["storageClassName"], made["status"]["phase"]) == ("standard", "Bound")
    assert await world.events() == []


@pytest.mark.parametrize(
    ("spec", "event"),
    [
        (
            {"storageClassName": ""},
            (
                "Normal",
                "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set",
            ),
        ),
        (
            {"storageClassName": "nope"},
            ("Warning", "ProvisioningFailed", 'storageclass.storage.k8s.io "nope" not found'),
        ),
        (
            {"storageClassName": "late"},
            ("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding"),
        ),
    ],
)
async def test_claims_that_wait_say_what_for(world, spec, event):
    """No class, a class nobody has made, a class that waits for a consumer: Pending, with the real event."""
    await world.create(storage_class("late", volumeBindingMode="WaitForFirstConsumer"), claim(**spec))
    assert await world.phase() == "Pending"
    assert await world.events() == [event]
    assert await world.volumes() == {}


async def test_without_a_default_class(world):
    """Where there is no default class a claim without one waits; a volume without one heals it."""
    await world.client.delete(STORAGE_CLASSES, "standard")
    await world.create(claim())
    assert (await world.events())[0][1] == "FailedBinding"
    await world.create(volume())
    assert await world.phase() == "Bound"


async def test_a_class_nobody_provisions_for(world):
    """`kubernetes.io/no-provisioner` means volumes are made by hand."""
    await world.create(storage_class(provisioner="kubernetes.io/no-provisioner"), claim(storageClassName="s"))
    (told,) = await world.events()
    assert told[1:] == ("ProvisioningFailed", "no volume plugin matched name: kubernetes.io/no-provisioner")
    await world.create(volume(storageClassName="s"))
    assert (await world.claim())["spec"]["volumeName"] == "v"
    assert await world.volumes() == {"v": "Bound"}


async def test_a_class_that_comes_later(world):
    """Claims of a class get their volumes once it is there."""
    await world.create(claim(storageClassName="s"))
    assert await world.phase() == "Pending"
    await world.create(storage_class())
    assert await world.phase() == "Bound"


async def test_the_first_consumer(world):
    """A claim that binds late is bound when a pod that uses it has found a node."""
    await world.create(storage_class(volumeBindingMode="WaitForFirstConsumer"), claim(storageClassName="s"))
    assert await world.phase() == "Pending"
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "10"}
    status = {
        "allocatable": amounts,
        "capacity": amounts,
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    await world.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": status})
    spec = {
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    }
    await world.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": NS}, "spec": spec}
    )
    assert await world.phase() == "Bound"
    assert (await world.client.get(PODS, "p", NS))["spec"]["nodeName"] == "n"


@pytest.mark.parametrize(("policy", "left"), [("Delete", []), ("Retain", ["Released"])])
async def test_what_happens_to_the_volume_of_a_claim_that_goes(world, policy, left):
    """The class's reclaim policy is the volume's: it is deleted, or stays Released and is nobody else's."""
    await world.create(storage_class(reclaimPolicy=policy), claim(storageClassName="s"))
    own = (await world.claim())["spec"]["volumeName"]
    await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "c", NS)
    await world.cluster.settle()
    assert list((await world.volumes()).values()) == left
    await world.create(claim("d", storageClassName="s"))
    assert (await world.claim("d"))["spec"]["volumeName"] != own


async def test_a_retained_volume_can_be_deleted_after_its_claim(world):
    """Deletion of a bound volume waits for its claim, whatever its policy, and then takes place."""
    await world.create(storage_class(reclaimPolicy="Retain"), claim(storageClassName="s"))
    own = (await world.claim())["spec"]["volumeName"]
    await world.client.delete(PERSISTENT_VOLUMES, own)
    await world.cluster.settle()
    assert await world.volumes() == {own: "Bound"}
    await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "c", NS)
    await world.cluster.settle()
    assert await world.volumes() == {}


async def test_a_volume_is_available_until_claimed(world):
    """The smallest that does is taken; the others stay Available."""
    await world.create(volume("big", "9Gi"), volume("small", "1Gi"), volume("fits", "5Gi"))
    assert set((await world.volumes()).values()) == {"Available"}
    await world.create(claim(size="2Gi", storageClassName=""))
    assert await world.volumes() == {"big": "Available", "fits": "Bound", "small": "Available"}
    assert (await world.claim())["status"]["capacity"] == {"storage": "5Gi"}
    bound = await world.client.get(PERSISTENT_VOLUMES, "fits")
    assert bound["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] == "yes"


async def test_a_claim_may_name_its_volume(world):
    """It gets this one or none."""
    await world.create(claim(storageClassName="", volumeName="mine"), volume("other"))
    assert await world.phase() == "Pending"
    await world.create(volume("mine"))
    assert await world.phase() == "Bound"
    assert await world.volumes() == {"mine": "Bound", "other": "Available"}


async def test_a_claim_that_loses_its_volume(world):
    """Somebody takes the finalizer off and the volume away: the claim is Lost, and says so."""
    await world.create(claim())
    own = (await world.claim())["spec"]["volumeName"]
    await world.client.delete(PERSISTENT_VOLUMES, own)
    await world.client.patch(PERSISTENT_VOLUMES, own, None, {"metadata": {"finalizers": None}}, type="merge")
    await world.cluster.settle()
    assert await world.phase() == "Lost"
    said = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    assert await world.events() == [("Warning", "ClaimLost", said)]


async def test_claims_grow(world):
    """A claim that asks for more gets it, with its volume."""
    await world.create(claim())
    more = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    await world.client.patch(PERSISTENT_VOLUME_CLAIMS, "c", NS, more, type="merge")
    await world.cluster.settle()
    grown = await world.claim()
    assert grown["status"]["capacity"] == {"storage": "3Gi"}
    made = await world.client.get(PERSISTENT_VOLUMES, grown["spec"]["volumeName"])
    assert made["spec"]["capacity"] == {"storage": "3Gi"}


async def test_claims_filled_from_others(world):
    """A claim waits for the claim it is to be filled from, and says so; it takes as much room, and is looked at again."""
    source = {"kind": "PersistentVolumeClaim", "name": "source"}
    await world.create(claim("copy", dataSource=source), claim("small", "1Mi", dataSourceRef=source))
    said = (
        'failed to provision volume with StorageClass "standard": error getting handle for DataSource Type '
    )
    text = (
        'PersistentVolumeClaim by Name source: error getting PVC source (namespace "default") from api server: '
        'persistentvolumeclaim "source" not found'
    )
    assert await world.events("copy") == [("Warning", "ProvisioningFailed", said + text)]
    assert await world.phase("copy") == "Pending"
    await world.create(claim("source"))
    await world.cluster.advance(2)
    assert [await world.phase(one) for one in ("copy", "small")] == ["Bound", "Pending"]
    assert "requested 1048576 but source is 1073741824" in (await world.events("small"))[-1][2]


BOUND = {"spec": {"resources": {"requests": {"storage": "1Gi"}}}, "status": {"phase": "Bound"}}
TAKEN = {"boundVolumeSnapshotContentName": "x", "readyToUse": True, "restoreSize": "2Gi"}


@pytest.mark.parametrize(
    ("kind", "found", "text"),
    [
        ("PersistentVolumeClaim", BOUND, ""),
        (
            "PersistentVolumeClaim",
            {"status": {"phase": "Pending"}},
            "the PVC DataSource x must have a status of Bound.  Got {Pending [] map[] [] map[] map[] <nil> <nil>}",
        ),
        (
            "PersistentVolumeClaim",
            {**BOUND, "metadata": {"deletionTimestamp": "now"}},
            "the PVC DataSource x is currently being deleted",
        ),
        (
            "PersistentVolumeClaim",
            {**BOUND, "spec": {"volumeMode": "Block"}},
            origins.MODES.format("Block", "Filesystem"),
        ),
        (
            "VolumeSnapshot",
            None,
            'error getting snapshot x from api server: volumesnapshots.snapshot.storage.k8s.io "x" not found',
        ),
        ("VolumeSnapshot", {}, "snapshot x not bound"),
        ("VolumeSnapshot", {"status": {**TAKEN, "readyToUse": False}}, "snapshot x is not Ready"),
        ("VolumeSnapshot", {"metadata": {"deletionTimestamp": "now"}}, "snapshot x is being deleted"),
        (
            "VolumeSnapshot",
            {"status": TAKEN},
            "requested volume size 1073741824 is less than the size 2147483648 for the source snapshot x",
        ),
    ],
)
def test_what_claims_cannot_be_filled_from(kind, found, text):
    """The provisioner's words; claims and snapshots have to be there, ready, alike, and no larger."""
    group = {"apiGroup": "snapshot.storage.k8s.io"} if kind == "VolumeSnapshot" else {}
    made = claim(storageClassName="s", dataSourceRef={"kind": kind, "name": "x", **group})
    resource, own = origins.named(made)
    found = found and {"metadata": {}, **found}
    said = origins.refusal(made, resource, own, found)
    before = f'failed to provision volume with StorageClass "s": error getting handle for DataSource Type {kind} by Name x: '
    assert said == (before + text if text else "")


def test_what_others_fill():
    """Claims of populators are theirs."""
    assert (
        origins.named(claim(dataSourceRef={"apiGroup": "g", "kind": "PersistentVolumeClaim", "name": "x"}))
        is None
    )
    assert origins.named(claim(dataSourceRef={"apiGroup": "g", "kind": "Populator", "name": "x"})) is None
    assert origins.named(claim()) is None


async def test_a_claim_that_goes_while_it_waits(world):
    """Nothing is left of it."""
    await world.create(claim(storageClassName="nope"))
    await world.client.delete(PERSISTENT_VOLUME_CLAIMS, "c", NS)
    await world.cluster.settle()
    with pytest.raises(NotFound):
        await world.claim()


def kept_for(name, uid=None):
    reference = {"namespace": NS, "name": name} | ({"uid": uid} if uid else {})
    return {"claimRef": reference}


@pytest.mark.parametrize(
    ("made", "wanted", "fits"),
    [
        ({}, {}, True),
        ({"size": "2Gi"}, {}, True),
        ({"size": "512Mi"}, {}, False),
        ({"storageClassName": "s"}, {}, False),
        ({"storageClassName": "s"}, {"storageClassName": "s"}, True),
        ({"volumeMode": "Block"}, {}, False),
        ({"volumeMode": "Block"}, {"volumeMode": "Block"}, True),
        ({"modes": ("ReadOnlyMany",)}, {}, False),
        ({"modes": ("ReadOnlyMany", "ReadWriteOnce")}, {}, True),
        ({"labels": {"disk": "fast"}}, {"selector": {"matchLabels": {"disk": "fast"}}}, True),
        ({"labels": {"disk": "slow"}}, {"selector": {"matchLabels": {"disk": "fast"}}}, False),
        (kept_for("c"), {}, True),
        (kept_for("other"), {}, False),
        (kept_for("c", "another"), {}, False),
    ],
)
def test_which_volumes_do(made, wanted, fits):
    """Size, class, mode, access modes, selector, and whom it is kept for."""
    asking = claim(**wanted)
    asking["metadata"]["uid"] = "u"
    assert binding.fits(volume(**made), asking) == fits


def test_the_volume_kept_for_a_claim_comes_first():
    """A volume that names the claim is taken before smaller ones."""
    asking = claim()
    asking["metadata"]["uid"] = "u"
    there = [volume("small"), volume("kept", "5Gi", **kept_for("c"))]
    assert binding.best(asking, there)["metadata"]["name"] == "kept"


async def test_claims_of_populators():
    """A claim that is filled by a populator gets no volume of its own: it waits for one that is made to be its, whenever it binds."""
    reference = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": "x"}
    async with Cluster(only=["volumes"], clock=ManualClock(), seed=1) as cluster:
        world = World(cluster)
        late = {"storageClassName": "late", "dataSourceRef": reference}
        await world.create(
            storage_class("late", volumeBindingMode="WaitForFirstConsumer"),
            claim("prime", storageClassName="standard"),
            claim("now", storageClassName="standard", dataSourceRef=reference),
            claim("later", **late),
        )
        said = [(kind, reason) for kind, reason, _ in await world.events("now")]
        assert said == [("Normal", "ExternalProvisioning")]
        own = (await world.claim("prime"))["spec"]["volumeName"]
        for target, storage in (("now", "standard"), ("later", "late")):
            there = await world.client.get(PERSISTENT_VOLUMES, own)
            mine = volume_objects.reference(await world.claim(target))
            spec = {**there["spec"], "claimRef": mine, "storageClassName": storage}
            await world.client.update(PERSISTENT_VOLUMES, {**there, "spec": spec})
            await world.cluster.settle()
            assert (await world.claim(target))["spec"]["volumeName"] == own
            assert await world.phase(target) == "Bound"
        for before in ("prime", "now"):
            found = await world.claim(before)
            assert (found["status"]["phase"], found["status"].get("capacity")) == ("Lost", None)
            assert ("Warning", "ClaimMisbound") in [one[:2] for one in await world.events(before)]
