"""KubeVirt's own virt-controller on machines with instance types and preferences.

Origin: kubevirt: pkg/instancetype/{controller/vm,revision}
"""

import pytest

from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.foreign.go_machines import REVISIONS, SUBRESOURCES, VMS
from tests.upstream.foreign.go_sizes import PREFERENCES, SIZES, Sized
from tests.upstream.foreign.subjects import SPEC, machine, told


@pytest.fixture
async def go(suite: Suite) -> Sized:
    return await Sized.at(await suite.as_component("controller"))


async def named(suite: Suite, strategy: str = "Always") -> Object:
    """A machine that says nothing of its size, and spells kinds as people do."""
    made = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "metadata": {"name": "small"}}
    sized = {"cpu": {"guest": 2}, "memory": {"guest": "1024Mi"}}
    await suite.create(SIZES, {**made, "kind": "VirtualMachineInstancetype", "spec": sized})
    preferred = {"devices": {"preferredDiskBus": "scsi"}}
    await suite.create(PREFERENCES, {**made, "kind": "VirtualMachinePreference", "spec": preferred})
    vm = machine(strategy)
    devices = {
        "interfaces": SPEC["domain"]["devices"]["interfaces"],
        "disks": [{"name": "disk0", "disk": {}}],
    }
    vm["spec"]["template"]["spec"]["domain"] = {"devices": devices}
    vm["spec"]["instancetype"] = {"name": "small", "kind": "VirtualMachineInstancetype"}
    vm["spec"]["preference"] = {"name": "small", "kind": "VirtualMachinePreference"}
    return await suite.create(VMS, vm)


@pytest.mark.parametrize("in_spec", [False, True])
async def test_what_is_named_is_kept(suite: Suite, go: Sized, in_spec: bool) -> None:
    """In revisions the status names, or the spec as older releases have it; the instance has what is in them, and virt-api
    looks into them, too, when it has a machine expanded or changed."""
    go.in_spec = in_spec
    await named(suite)
    await go.work(60)
    assert await told(go) == "Running"
    domain = (await go.vmi())["spec"]["domain"]
    assert (domain["cpu"]["sockets"], domain["memory"]["guest"]) == (2, "1Gi")
    assert domain["devices"]["disks"][0]["disk"]["bus"] == "scsi"
    vm = await suite.get(go.machine)
    for member in ("instancetype", "preference"):
        kept = str(go.kept(vm, member))
        assert kept.startswith("vm-small-v1beta1-")
        await suite.get(f"{REVISIONS}/{kept}")
    for path in (SIZES, PREFERENCES):
        await suite.patch(f"{path}/small", {"metadata": {"labels": {"a": "b"}}}, MERGE_PATCH)
        await suite.delete(f"{path}/small")
    whole = await suite.get(f"{SUBRESOURCES}/virtualmachines/vm/expand-spec")
    assert whole["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "1Gi"
    change = {"spec": {"template": {"spec": {"domain": {"memory": {"guest": "2Gi"}}}}}}
    status, answer = await suite.call("PATCH", go.machine, change, content=MERGE_PATCH)
    assert (status, "conflicts with selected instance type" in answer["message"]) == (422, True)
    await suite.delete(go.machine)
    await go.work(40)
    assert not await suite.items(REVISIONS)
