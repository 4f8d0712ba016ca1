"""Upstream's functional specs of changed block tracking: whose blocks are recorded, and how far that is over restarts.

What the specs look for in the overlays themselves needs a guest that writes.
Origin: kubevirt: tests/storage/cbt.go, tests/libstorage/cbt.go; pkg/storage/cbt/cbt.go
"""

import pytest

from tests.upstream import guests
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import CLAIMS, NS, Machine, on_template, set_up

LABEL = {"changedBlockTracking": "true"}
CHOSEN = {"matchLabels": LABEL}
SELECTORS = {"virtualMachineLabelSelector": CHOSEN, "namespaceLabelSelector": CHOSEN}
PODS = f"/api/v1/namespaces/{NS}/pods"


async def choose(suite: Suite, *gates: str) -> None:
    await guests.configure(
        suite,
        changedBlockTrackingLabelSelectors=SELECTORS,
        developerConfiguration={"featureGates": [*gates]},
    )


@pytest.fixture
async def tracked(suite: Suite) -> Suite:
    await set_up(suite)
    await choose(suite, "IncrementalBackup")
    return suite


def state(obj: Object) -> str:
    return str(obj.get("status", {}).get("changedBlockTracking", {}).get("state", ""))


async def becomes(vm: Machine, wanted: str) -> None:
    async def look() -> bool:
        return state(await vm.get()) == wanted

    await vm.suite.eventually(look, 60, 3)


async def enabled(vm: Machine) -> None:
    """WaitForCBTEnabled: of the machine and of its instance."""
    await becomes(vm, "Enabled")
    assert state(await vm.vmi()) == "Enabled"


async def kept(suite: Suite) -> list[Object]:
    return await suite.items(CLAIMS, "persistent-state-for")


async def launcher(vm: Machine) -> Object:
    return (await vm.suite.items(PODS, "kubevirt.io=virt-launcher"))[-1]


async def restarted(vm: Machine) -> None:
    before = (await vm.vmi())["metadata"]["uid"]
    assert await vm.act("restart") == {}

    async def look() -> bool:
        status, found = await vm.suite.call("GET", vm.instance)
        return status == 200 and found["metadata"]["uid"] != before

    await vm.suite.eventually(look, 300)
    await vm.runs()


async def test_chosen_then_not(tracked: Suite) -> None:
    """A chosen machine records from its first guest on, into a claim of its state; not chosen any more, until its restart."""
    vm = await Machine.of(tracked, on_template(strategy="Always", labels=LABEL))
    await enabled(vm)
    (claim,) = await kept(tracked)
    assert claim["metadata"]["labels"]["persistent-state-for"] == "vm"
    assert claim["spec"]["resources"]["requests"]["storage"] == "522Mi"
    compute = (await launcher(vm))["spec"]["containers"][0]
    place = {"name": "vm-state", "mountPath": "/var/run/kubevirt-private/libvirt/qemu/cbt", "subPath": "cbt"}
    assert place in compute["volumeMounts"]
    await tracked.patch(vm.path, [{"op": "add", "path": "/metadata/labels", "value": {}}])
    await becomes(vm, "PendingRestart")
    assert state(await vm.vmi()) == "Enabled"
    await restarted(vm)
    await becomes(vm, "Disabled")
    assert state(await vm.vmi()) == "Disabled"
    assert place not in (await launcher(vm))["spec"]["containers"][0]["volumeMounts"]


@pytest.mark.parametrize("chosen", ["machine", "namespace"])
async def test_chosen_later(tracked: Suite, chosen: str) -> None:
    """A machine that runs begins with its next guest, whether it has been labelled itself or its namespace has."""
    vm = await Machine.of(tracked, on_template(strategy="Always"))
    assert state(await vm.get()) == ""
    path = vm.path if chosen == "machine" else f"/api/v1/namespaces/{NS}"
    await tracked.patch(path, {"metadata": {"labels": LABEL}}, MERGE_PATCH)
    await becomes(vm, "PendingRestart")
    assert state(await vm.vmi()) == ""
    await restarted(vm)
    await enabled(vm)


async def test_outlives_guests(tracked: Suite) -> None:
    """What is recorded is kept while the machine is stopped, on the same claim."""
    vm = await Machine.of(tracked, on_template(strategy="Always", labels=LABEL))
    await enabled(vm)
    before = await kept(tracked)
    await vm.stop()
    assert state(await vm.get()) == "Enabled"
    await vm.start()
    await enabled(vm)
    assert [one["metadata"]["name"] for one in await kept(tracked)] == [before[0]["metadata"]["name"]]


async def test_outlives_migrations(tracked: Suite) -> None:
    """A guest that has moved goes on recording."""
    body = on_template(strategy="Always", labels=LABEL, modes=["ReadWriteMany"])
    vm = await Machine.of(tracked, body)
    await enabled(vm)
    node = (await vm.vmi())["status"]["nodeName"]
    assert await vm.act("migrate") == {}

    async def moved() -> bool:
        return (await vm.vmi())["status"]["nodeName"] != node

    await tracked.eventually(moved, 240)
    await enabled(vm)


async def test_selectors_chosen_later(suite: Suite) -> None:
    """What the KubeVirt object says anew is so for all machines, and a shut gate is told of those it concerns."""
    await set_up(suite)
    vm = await Machine.of(suite, on_template(strategy="Always", labels=LABEL))
    assert "changedBlockTracking" not in (await vm.get())["status"]
    await choose(suite)
    await becomes(vm, "FGDisabled")
    await choose(suite, "IncrementalBackup")
    await becomes(vm, "PendingRestart")
    await restarted(vm)
    await enabled(vm)
    await choose(suite)
    await becomes(vm, "PendingRestart")
    await vm.stop()
    await becomes(vm, "FGDisabled")
