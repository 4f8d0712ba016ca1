"""KubeVirt's own virt-controller on clones of machines.

Origin: kubevirt: pkg/virt-controller/watch/clone
"""

import pytest

from tests.upstream.conftest import Make, Object, Refused
from tests.upstream.foreign.conftest import WITHOUT
from tests.upstream.foreign.go_clones import CLONES, Clones
from tests.upstream.foreign.go_machines import VMS
from tests.upstream.foreign.go_storage import RESTORES, SNAPSHOTS
from tests.upstream.foreign.subjects import machine
from tests.upstream.storage import with_snapshots


@pytest.fixture
async def go(suite_of: Make) -> Clones:
    """Under the account virt-controller runs under, which may do what its roles allow."""
    suite = await suite_of(without=WITHOUT, service_accounts=True, rbac=True)
    await with_snapshots(suite)
    go = await Clones.at(await suite.as_component("controller"))
    go.user = suite
    return go


async def cloned(go: Clones, **spec: object) -> Object:
    """What became of the clone of a machine."""
    await go.user.create(VMS, machine("Halted"))
    await go.work(40)
    source = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}
    body = {"apiVersion": "clone.kubevirt.io/v1beta1", "kind": "VirtualMachineClone"}
    await go.user.create(CLONES, {**body, "metadata": {"name": "c"}, "spec": {"source": source, **spec}})
    await go.work(60)
    return await go.user.get(f"{CLONES}/c")


async def test_a_machine_is_cloned(go: Clones) -> None:
    """The target is named by virt-api, made by a restore whose patches empty what it is to get anew, and takes the clone with
    it when it goes; snapshot and restore have gone before."""
    made = await cloned(go, annotationFilters=["nothing"])
    assert made["status"]["phase"] == "Succeeded", made["status"]
    assert not {"snapshotName", "restoreName"} & set(made["status"])
    source = await go.user.get(go.machine)
    target = await go.user.get(f"{VMS}/{made['status']['targetName']}")
    assert target["metadata"]["name"].startswith("clone-vm-")
    domains = [one["spec"]["template"]["spec"]["domain"] for one in (source, target)]
    assert not {one["firmware"]["uuid"] for one in domains[:1]} & {domains[1]["firmware"]["uuid"]}
    assert "macAddress" not in domains[1]["devices"]["interfaces"][0]
    assert target["metadata"]["annotations"].keys() == {"restore.kubevirt.io/lastRestoreUID"}
    for path in (SNAPSHOTS, RESTORES):
        assert not await go.user.items(path)
    await go.user.delete(f"{VMS}/{target['metadata']['name']}")
    await go.work(40)
    assert not await go.user.items(CLONES)


async def test_an_address_with_colons(go: Clones) -> None:
    """The restore that would write it is refused, whoever asks for it."""
    with pytest.raises(Refused, match="patch format is not valid"):
        await cloned(go, newMacAddresses={"default": "be:ad:00:00:be:04"})
    assert not await go.user.items(RESTORES)
