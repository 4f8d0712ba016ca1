"""KubeVirt's own virt-controller on snapshots and restores of machines, with the volumes and guests played here.

Origin: kubevirt: pkg/storage/snapshot/{snapshot,source,restore}.go
"""

import pytest

from tests.upstream import storage
from tests.upstream.conftest import MERGE_PATCH, Make, Object, conditions
from tests.upstream.foreign.conftest import WITHOUT
from tests.upstream.foreign.go_controller import CLAIMS
from tests.upstream.foreign.go_machines import VMS, VOLUMES
from tests.upstream.foreign.go_storage import CONTENTS, RESTORES, SNAPSHOTS, TAKEN, Storage
from tests.upstream.foreign.subjects import asked, told
from tests.upstream.storage import with_snapshots

SOURCE = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}


@pytest.fixture
async def go(suite_of: Make) -> Storage:
    suite = await suite_of(without=WITHOUT, service_accounts=True)
    await with_snapshots(suite)
    return await Storage.at(suite)


async def taken(go: Storage) -> Object:
    body = {"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshot"}
    await go.suite.create(SNAPSHOTS, {**body, "metadata": {"name": "s"}, "spec": {"source": SOURCE}})
    await go.work(60)
    return await go.suite.get(f"{SNAPSHOTS}/s")


def fedora(strategy: str = "Always") -> Object:
    return storage.machine(
        strategy=strategy,
        disks={
            "disk0": {"containerDisk": {"image": "registry:5000/kubevirt/fedora:devel"}},
            "data": {"dataVolume": {"name": "data"}},
        },
        templates=[storage.volume("data")],
    )


async def test_a_running_machine_is_snapshotted(go: Storage) -> None:
    """Locked, frozen, taken, thawed, unlocked; what it contains goes with it."""
    await go.suite.create(VMS, fedora())
    await go.work(80)
    await go.suite.cluster.advance(60)
    await go.work(40)
    assert conditions(await go.vmi())["AgentConnected"] == "True"
    snapshot = await taken(go)
    assert snapshot["status"]["readyToUse"], snapshot["status"]
    assert snapshot["status"]["snapshotVolumes"] == {"includedVolumes": ["data"]}
    assert len(await go.suite.items(TAKEN)) == 1
    vm = await go.suite.get(go.machine)
    assert "snapshotInProgress" not in vm["status"]
    assert "fsFreezeStatus" not in (await go.vmi())["status"]
    await go.suite.delete(f"{SNAPSHOTS}/s")
    await go.work(40)
    for path in (SNAPSHOTS, CONTENTS, TAKEN):
        assert not await go.suite.items(path)


async def test_a_machine_is_restored(go: Storage) -> None:
    """A claim from the snapshot, taken over by a DataVolume that is full from the beginning; the machine names both, and runs."""
    await go.suite.create(VMS, fedora("Halted"))
    await go.work(60)
    assert (await taken(go))["status"]["phase"] == "Succeeded"
    change = {"spec": {"template": {"spec": {"domain": {"memory": {"guest": "512Mi"}}}}}}
    await go.suite.patch(go.machine, change, MERGE_PATCH)
    body = {"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineRestore"}
    spec = {"target": SOURCE, "virtualMachineSnapshotName": "s"}
    await go.suite.create(RESTORES, {**body, "metadata": {"name": "r"}, "spec": spec})
    await go.work(80)
    restore = await go.suite.get(f"{RESTORES}/r")
    assert restore["status"]["complete"], restore["status"]
    own = restore["status"]["restores"][0]["dataVolumeName"]
    vm = await go.suite.get(go.machine)
    assert "restoreInProgress" not in vm["status"]
    assert "memory" not in vm["spec"]["template"]["spec"]["domain"]
    assert [one["metadata"]["name"] for one in await go.suite.items(VOLUMES)] == [own]
    (claim,) = await go.suite.items(CLAIMS)
    assert claim["metadata"]["ownerReferences"][0]["kind"] == "DataVolume"
    await asked(go, "start")
    assert await told(go) == "Running"
