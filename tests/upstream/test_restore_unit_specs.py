"""Upstream's unit specs of the restore controller that users can see: snapshots, claims and volumes that are not what they
should be.

Origin: kubevirt: pkg/storage/snapshot/restore_test.go
"""

from typing import Any

import pytest

from tests.upstream import storage
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import CLAIMS, NS, RESTORES, SNAPSHOTS, Machine


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await storage.set_up(suite)
    return suite


async def restore(suite: Suite, **more: Any) -> str:
    """Create a restore of vm from its snapshot, without waiting for anything."""
    spec = {"target": storage.reference("vm"), "virtualMachineSnapshotName": "snapshot-vm", **more}
    await suite.create(RESTORES, storage.body_of("VirtualMachineRestore", "restore", **spec))
    return f"{RESTORES}/restore"


async def told(suite: Suite, path: str, text: str) -> None:
    """Wait until a restore says why it does not go on."""

    async def look() -> bool:
        said = storage.reasons(await suite.get(path))
        return said == {"Progressing": ("False", text), "Ready": ("False", text)}

    await suite.eventually(look, 60, 2)


async def complete(suite: Suite, path: str) -> Object:
    async def look() -> Object | None:
        found = await suite.get(path)
        return found if found.get("status", {}).get("complete") else None

    return dict(await suite.eventually(look, 300))


async def test_a_failed_snapshot(suite: Suite) -> None:
    """A snapshot that has failed is of no use, and one that is not ready is waited for: the target is free meanwhile."""
    vm = await Machine.of(suite, storage.on_template())
    await storage.succeeded(suite, "dv")
    await storage.deny_snapshots(suite)
    await storage.take(suite, vm, failureDeadline="30s")
    path = await restore(suite)
    await told(suite, path, f"VMSnapshot {NS}/snapshot-vm not ready")
    assert "restoreInProgress" not in (await vm.get())["status"]
    await suite.cluster.advance(31)
    assert (await suite.get(f"{SNAPSHOTS}/snapshot-vm"))["status"]["phase"] == "Failed"
    await told(suite, path, f"VMSnapshot {NS}/snapshot-vm failed and is invalid to use")
    assert "restoreInProgress" not in (await vm.get())["status"]


async def test_a_volume_snapshot_that_is_gone(suite: Suite) -> None:
    """A restore makes no claim of a VolumeSnapshot that is not there, says which one, and tries again."""
    vm = await Machine.of(suite, storage.on_template())
    snapshot = await storage.snapshotted(suite, vm)
    taken = f"vmsnapshot-{snapshot['metadata']['uid']}-volume-disk0"
    suite.cluster.faults.add(kind="volumesnapshots", verb="get", status=404, times=None)
    path = await restore(suite)
    await told(suite, path, f"missing volumeSnapshot {taken}")
    suite.cluster.faults.clear()
    await complete(suite, path)


async def test_claims_that_are_of_no_use(suite: Suite) -> None:
    """A claim that cannot be bound, or never will be again, is told."""
    vm = await Machine.of(suite, storage.on_template())
    await storage.snapshotted(suite, vm)
    await suite.create(CLAIMS, storage.claim("mine", storage="nowhere"))
    override = {"volumeName": "disk0", "restoreName": "mine"}
    path = await restore(suite, volumeRestoreOverrides=[override])
    await told(suite, path, "StorageClass nowhere does not exist")
    await suite.patch(f"{CLAIMS}/mine/status", {"status": {"phase": "Lost"}}, MERGE_PATCH)
    await told(suite, path, f'PVC {NS}/mine in status "Lost"')


async def test_a_template_without_a_claim(suite: Suite) -> None:
    """A DataVolume of a template is made again only for a claim that is there."""
    local = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "local"}}
    local |= {"provisioner": "example.com/local"}
    await suite.create("/apis/storage.k8s.io/v1/storageclasses", local)
    templates = [storage.volume("dv"), storage.volume("other", storage="local")]
    disks = {f"disk-{name}": {"dataVolume": {"name": name}} for name in ("dv", "other")}
    vm = await Machine.of(suite, storage.machine(disks=disks, templates=templates))
    await storage.snapshotted(suite, vm)
    suite.cluster.faults.add(
        kind="datavolumes", verb="get", name="other", client="virt-controller", status=404, times=None
    )
    suite.cluster.faults.add(
        kind="persistentvolumeclaims",
        verb="get",
        name="other",
        client="virt-controller",
        status=404,
        times=None,
    )
    path = await restore(suite)
    await told(suite, path, f"when creating restore dv pvc {NS}/other does not exist and should")
    suite.cluster.faults.clear()
    await complete(suite, path)
