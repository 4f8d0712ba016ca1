"""Upstream's unit specs of the snapshot controller that users can see: guests that do not freeze, errors that pass or do not,
deadlines.

Origin: kubevirt: pkg/storage/snapshot/snapshot_test.go
"""

import pytest

from tests.upstream import storage
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import CONTENTS, TAKEN, Machine


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await storage.set_up(suite)
    return suite


async def with_agent(suite: Suite) -> Machine:
    """A machine that runs on a volume, with an agent in its guest."""
    blank = storage.volume("dv")
    image = "registry:5000/kubevirt/fedora-with-test-tooling-container-disk:devel"
    disks = {"disk0": {"containerDisk": {"image": image}}, "blank": {"dataVolume": {"name": "dv"}}}
    vm = await Machine.of(suite, storage.machine(strategy="Always", disks=disks, templates=[blank]))
    await vm.runs("AgentConnected")
    return vm


async def in_error(suite: Suite, path: str) -> Object:
    """The snapshot once it tells of an error."""

    async def look() -> Object | None:
        found = await suite.get(path)
        told = storage.reasons(found).get("Progressing")
        return found if told == ("False", "In error state") else None

    return dict(await suite.eventually(look, 60, 2))


async def test_a_guest_that_does_not_freeze(suite: Suite) -> None:
    """Why it cannot be frozen is told; nothing is snapshotted until it can, which is tried every five seconds."""
    vm = await with_agent(suite)
    asked = {"kind": "virtualmachineinstances", "subresource": "freeze"}
    suite.cluster.faults.add(**asked, status=500, message="no agent", times=None)
    path = await storage.take(suite, vm)
    snapshot = await in_error(suite, path)
    assert snapshot["status"]["phase"] == "InProgress"
    content = await suite.get(f"{CONTENTS}/vmsnapshot-content-{snapshot['metadata']['uid']}")
    assert content["status"]["error"]["message"] == snapshot["status"]["error"]["message"]
    assert content["status"]["readyToUse"] is False
    assert await suite.items(TAKEN) == []
    suite.cluster.faults.clear()
    await suite.cluster.advance(5)
    snapshot = await storage.ready(suite, path)
    assert "error" not in snapshot["status"]
    assert storage.reasons(snapshot)["Progressing"] == ("False", "Operation complete")


async def test_a_guest_that_does_not_thaw(suite: Suite) -> None:
    """A snapshot goes with its content, even if the guest cannot be thawed."""
    vm = await with_agent(suite)
    await storage.deny_snapshots(suite)
    path = await storage.take(suite, vm)
    await suite.cluster.settle()
    asked = {"kind": "virtualmachineinstances", "subresource": "unfreeze"}
    fault = suite.cluster.faults.add(**asked, status=500, times=None)
    await suite.delete(path, {})

    async def gone() -> bool:
        return (await suite.call("GET", path))[0] == 404 and not await suite.items(CONTENTS)

    await suite.eventually(gone, 30, 2)
    assert fault.fired
    assert "snapshotInProgress" not in (await vm.get())["status"]


@pytest.mark.parametrize("passes", [True, False])
async def test_an_error_of_a_volume_snapshot(suite: Suite, passes: bool) -> None:
    """The first is told by its name and holds the source; it may pass, and else is a failure when time is over."""
    vm = await Machine.of(suite, storage.on_template())
    webhook = await storage.deny(
        suite, "deny.contents.io", "volumesnapshotcontents", group="snapshot.storage.k8s.io", labels={}
    )
    path = await storage.take(suite, vm, failureDeadline="1m0s")
    taken = f"vmsnapshot-{(await suite.get(path))['metadata']['uid']}-volume-disk0"

    async def begun() -> bool:
        return (await suite.call("GET", f"{TAKEN}/{taken}"))[0] == 200

    await suite.eventually(begun, 30, 2)
    error = {"message": "denied", "time": "2026-01-01T00:00:00Z"}
    await suite.patch(f"{TAKEN}/{taken}/status", {"status": {"error": error}}, MERGE_PATCH)
    snapshot = await in_error(suite, path)
    assert snapshot["status"]["error"]["message"] == f"VolumeSnapshot {taken} error: denied"
    assert (await vm.get())["status"]["snapshotInProgress"] == "snapshot-vm"
    if passes:
        await suite.delete(webhook, {})
        patch = {"status": {"error": None}}
        await suite.patch(f"{TAKEN}/{taken}/status", patch, MERGE_PATCH)
        snapshot = await storage.ready(suite, path)
        assert (snapshot["status"]["phase"], "error" in snapshot["status"]) == ("Succeeded", False)
        return
    await suite.cluster.advance(61)
    snapshot = await suite.get(path)
    assert snapshot["status"]["phase"] == "Failed"
    assert storage.reasons(snapshot) == {
        "Progressing": ("False", "In error state"),
        "Ready": ("False", "Not ready"),
        "Failure": ("True", "snapshot deadline exceeded"),
    }
    assert "snapshotInProgress" not in (await vm.get())["status"]


async def test_no_deadline(suite: Suite) -> None:
    """A deadline of 0 is none: the snapshot waits as long as it takes."""
    vm = await Machine.of(suite, storage.on_template())
    await storage.deny_snapshots(suite)
    path = await storage.take(suite, vm, failureDeadline="0s")
    await suite.cluster.advance(301)
    assert (await suite.get(path))["status"]["phase"] == "InProgress"


async def test_deletion_is_told(suite: Suite) -> None:
    """A snapshot that is deleted before it is done says so before it goes, whether its source is there or not."""
    body = storage.body_of("VirtualMachineSnapshot", "early", source=storage.reference("nobody"))
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await suite.create(storage.SNAPSHOTS, body)
    await suite.cluster.settle()
    await suite.delete(f"{storage.SNAPSHOTS}/early", {})
    await suite.cluster.settle()
    snapshot = await suite.get(f"{storage.SNAPSHOTS}/early")
    assert snapshot["metadata"]["finalizers"] == ["example.com/hold"]
    assert snapshot["status"]["phase"] == "Deleting"
    assert storage.reasons(snapshot)["Progressing"] == ("False", "VM snapshot is deleting")


async def test_the_source_is_in_use(suite: Suite) -> None:
    """A machine that is off is not locked while pods have its claims, nor for two snapshots at a time."""
    vm = await Machine.of(suite, storage.on_template())
    await storage.succeeded(suite, "dv")
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "dv"}}
    spec = {"containers": [{"name": "c", "image": "i"}], "volumes": [volume]}
    pods = f"/api/v1/namespaces/{storage.NS}/pods"
    await suite.create(pods, {"metadata": {"name": "user"}, "spec": spec})
    path = await storage.take(suite, vm)

    async def told(path: str) -> str:
        await suite.cluster.advance(6)
        return storage.reasons(await suite.get(path))["Progressing"][1]

    assert await told(path) == "Source not locked source is offline but 1 pods using PVCs [dv]"
    await storage.deny_snapshots(suite)
    await suite.delete(f"{pods}/user", {"gracePeriodSeconds": 0})
    assert await told(path) == "Source locked and operation in progress"
    other = storage.body_of("VirtualMachineSnapshot", "other", source=storage.reference("vm"))
    await suite.create(storage.SNAPSHOTS, other)
    assert (
        await told(f"{storage.SNAPSHOTS}/other") == f'Source not locked snapshot "{path[-11:]}" in progress'
    )


async def test_the_source_lacks_a_volume(suite: Suite) -> None:
    """A claim that is not there, or that is being filled, is waited for by its name; an ephemeral volume's is not."""
    disks = {
        "disk0": {"dataVolume": {"name": "late"}},
        "disk1": {"ephemeral": {"persistentVolumeClaim": {"claimName": "never"}}},
    }
    vm = await Machine.of(suite, storage.machine(disks=disks))
    path = await storage.take(suite, vm)
    await suite.cluster.settle()
    told = storage.reasons(await suite.get(path))["Progressing"]
    assert told == ("False", f"Source not locked source {storage.NS}/vm volume doesnt exist: late")
    await suite.create(storage.VOLUMES, storage.volume("late", source={"upload": {}}))

    async def filling() -> bool:
        told = storage.reasons(await suite.get(path))["Progressing"]
        return told == ("False", f"Source not locked source {storage.NS}/vm volume not populated: late")

    await suite.eventually(filling, 60, 2)
