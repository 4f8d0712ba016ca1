"""Upstream's functional specs for machines, as journeys: started, stopped, restarted, paused, orphaned, brought back.

Origin: kubevirt: tests/vm_test.go, tests/compute/vm_lifecycle.go
"""

import asyncio
import json

import aiohttp
import pytest

from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions

NS = "kubevirt-test-default1"
VMS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
VMIS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances"
PODS = f"/api/v1/namespaces/{NS}/pods"
ACTIONS = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}"

pytestmark = pytest.mark.parametrize("pace", ["instant", "realistic"])


class Machine:
    """One machine, and what the specs look at and do."""

    def __init__(self, suite: Suite, name: str) -> None:
        self.suite, self.name = suite, name
        self.path, self.instance = f"{VMS}/{name}", f"{VMIS}/{name}"

    async def get(self) -> Object:
        return await self.suite.get(self.path)

    async def running(self) -> Object | None:
        """The instance, if there is one."""
        status, found = await self.suite.call("GET", self.instance)
        return found if status == 200 else None

    async def act(self, verb: str, options: Object | None = None, kind: str = "virtualmachines") -> str:
        """Call a subresource; what it says where it refuses."""
        status, answer = await self.suite.call("PUT", f"{ACTIONS}/{kind}/{self.name}/{verb}", options or {})
        return answer["message"] if status >= 400 else ""

    async def ready(self, wanted: bool = True, seconds: float = 300) -> None:
        async def look() -> bool:
            return bool((await self.get()).get("status", {}).get("ready")) is wanted

        await self.suite.eventually(look, seconds)

    async def gone(self) -> None:
        async def look() -> bool:
            return await self.running() is None

        await self.suite.eventually(look, 240)

    async def replaced(self, uid: str) -> Object:
        """Another instance that runs."""

        async def look() -> Object | None:
            found = await self.running()
            other = found and found["metadata"]["uid"] != uid and found["status"].get("phase") == "Running"
            return found if other else None

        return await self.suite.eventually(look, 240)

    async def paused(self, wanted: bool = True, seconds: float = 30) -> None:
        async def look() -> bool:
            return (conditions(await self.get()).get("Paused") == "True") is wanted

        await self.suite.eventually(look, seconds)

    async def strategy(self, strategy: str) -> None:
        """Read, change, write, as often as somebody else was quicker."""

        async def written() -> bool:
            found = await self.get()
            found["spec"]["runStrategy"] = strategy
            return (await self.suite.call("PUT", self.path, found))[0] == 200

        await self.suite.eventually(written, 300)

    async def requests_are_cleared(self) -> None:
        async def look() -> bool:
            return not (await self.get())["status"].get("stateChangeRequests")

        await self.suite.eventually(look, 240)


@pytest.fixture
async def suite(suite_of: Make, pace: str) -> Suite:
    suite = await suite_of(pace=pace)
    await suite.create("/api/v1/namespaces", {"metadata": {"name": NS}})
    return suite


async def created(suite: Suite, strategy: str = "Always", **spec: object) -> Machine:
    """A machine with a container disk, in the cluster."""
    devices = {
        "disks": [{"name": "disk0", "disk": {"bus": "virtio"}}],
        "interfaces": [{"name": "default", "masquerade": {}}],
    }
    disk = {
        "name": "disk0",
        "containerDisk": {"image": "registry:5000/kubevirt/cirros-container-disk-demo:devel"},
    }
    template = {
        "domain": {"devices": devices, "resources": {"requests": {"memory": "128Mi"}}},
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [disk],
        "terminationGracePeriodSeconds": 0,
        **spec,
    }
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "testvmi-abcde"},
        "spec": {"runStrategy": strategy, "template": {"spec": template}},
    }
    return Machine(suite, (await suite.create(VMS, body))["metadata"]["name"])


async def test_annotations_reach_the_instance(suite: Suite) -> None:
    """Somebody's own do, those of KubeVirt and Kubernetes on the machine do not."""
    vm = await created(suite, "Halted")
    own = {"testannotation": "test", "kubevirt.io/test": "test", "kubernetes.io/test": "test"}
    await suite.patch(vm.path, {"spec": {"template": {"metadata": {"annotations": own}}}}, MERGE_PATCH)
    await vm.strategy("Always")

    async def carried() -> Object | None:
        return await vm.running()

    found = await suite.eventually(carried, 300)
    assert found["metadata"]["annotations"]["testannotation"] == "test"


async def test_deletion_and_orphans(suite: Suite) -> None:
    """An instance goes with its machine, unless that is deleted alone."""
    vm = await created(suite)
    await vm.ready()
    await suite.delete(vm.path, {})
    await vm.gone()
    vm = await created(suite)
    await vm.ready()
    assert (await suite.get(vm.instance))["metadata"]["ownerReferences"]
    await suite.delete(vm.path, {"propagationPolicy": "Orphan"})

    async def deleted() -> bool:
        return (await suite.call("GET", vm.path))[0] == 404

    await suite.eventually(deleted, 300)
    assert not (await suite.get(vm.instance))["metadata"].get("ownerReferences")


async def test_instances_come_back(suite: Suite) -> None:
    """A deleted one is replaced, and one whose pod is deleted; another pod is behind it."""
    vm = await created(suite, "Halted")
    await vm.strategy("Always")
    await vm.ready()
    first = await suite.get(vm.instance)
    await suite.delete(vm.instance, {})
    second = await vm.replaced(first["metadata"]["uid"])
    (pod,) = await suite.items(PODS, f"kubevirt.io/created-by={second['metadata']['uid']}")
    await suite.delete(f"{PODS}/{pod['metadata']['name']}", {})
    third = await vm.replaced(second["metadata"]["uid"])
    (other,) = await suite.items(PODS, f"kubevirt.io/created-by={third['metadata']['uid']}")
    assert other["metadata"]["name"] != pod["metadata"]["name"]


async def test_changes_wait_for_a_restart(suite: Suite) -> None:
    """What runs keeps its memory; the next instance has the new one."""
    vm = await created(suite)
    await vm.ready()
    memory = {"domain": {"resources": {"requests": {"memory": "4096Ki"}}}}
    await suite.patch(vm.path, {"spec": {"template": {"spec": memory}}}, MERGE_PATCH)
    found = await suite.get(vm.instance)
    assert found["spec"]["domain"]["resources"]["requests"]["memory"] == "128Mi"
    await vm.strategy("Halted")
    await vm.gone()
    await vm.ready(False)
    await vm.strategy("Always")
    await vm.ready()
    found = await suite.get(vm.instance)
    assert found["spec"]["domain"]["resources"]["requests"]["memory"] == "4Mi", "as Go spells it"


@pytest.mark.parametrize(
    ("strategy", "started", "stopped"),
    [
        ("Always", "Always", "Halted"),
        ("RerunOnFailure", "RerunOnFailure", "RerunOnFailure"),
        ("Halted", "Always", "Halted"),
        ("Manual", "Manual", "Manual"),
    ],
)
async def test_run_strategies(suite: Suite, strategy: str, started: str, stopped: str) -> None:
    """Start, start again, restart, stop, stop again; what each leaves of the strategy, and no request behind."""
    vm = await created(suite, strategy)
    if strategy in ("Halted", "Manual"):
        assert await vm.act("restart")
        assert await vm.act("start") == ""
    await vm.ready(seconds=360)
    assert (await vm.get())["spec"]["runStrategy"] == started
    assert (await vm.act("start")).endswith("VM is already running")
    first = await suite.get(vm.instance)
    assert await vm.act("restart") == ""
    await vm.replaced(first["metadata"]["uid"])
    assert (await vm.get())["spec"]["runStrategy"] == started
    await vm.requests_are_cleared()
    await vm.ready()
    assert await vm.act("stop") == ""
    await vm.gone()
    await vm.ready(False)
    await vm.requests_are_cleared()
    assert (await vm.get())["spec"]["runStrategy"] == stopped
    assert (await vm.act("stop")).endswith("VM is not running")


async def test_migration(suite: Suite) -> None:
    """The instance says that it has migrated."""
    vm = await created(suite)
    await vm.ready()
    assert await vm.act("migrate") == ""

    async def completed() -> bool:
        found = await suite.get(vm.instance)
        return bool(found["status"].get("migrationState", {}).get("completed"))

    await suite.eventually(completed, 240)


async def test_force(suite: Suite) -> None:
    """With no grace a restart and a stop do not wait for ten minutes; who watches sees the grace period change."""
    vm = await created(suite, terminationGracePeriodSeconds=600)
    await vm.ready()
    first = await suite.get(vm.instance)
    assert await vm.act("restart", {"gracePeriodSeconds": 0}) == ""

    async def without_pod() -> bool:
        pods = await suite.items(PODS, f"kubevirt.io/created-by={first['metadata']['uid']}")
        return not [pod for pod in pods if pod["status"].get("phase") == "Running"]

    await suite.eventually(without_pod, 120)
    await vm.replaced(first["metadata"]["uid"])
    await vm.ready()
    seen: list[Object] = []

    async def watch() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.get(suite.url + VMIS, params={"watch": "true"}) as answer,
        ):
            async for line in answer.content:
                seen.append(json.loads(line)["object"])  # noqa: PERF401 - it is cancelled

    watching = asyncio.ensure_future(watch())
    await asyncio.sleep(0.05)
    assert await vm.act("stop", {"gracePeriod": 0}) == ""
    await vm.gone()
    watching.cancel()
    assert 0 in [one["spec"]["terminationGracePeriodSeconds"] for one in seen]


async def test_pausing(suite: Suite) -> None:
    """The machine says that it is paused; a restart ends that."""
    vm = await created(suite)
    await vm.ready()
    kind = "virtualmachineinstances"
    assert await vm.act("pause", kind=kind) == ""
    await vm.paused()
    assert await vm.act("unpause", kind=kind) == ""
    await vm.paused(False)
    assert await vm.act("pause", kind=kind) == ""
    await vm.paused()
    first = await suite.get(vm.instance)
    assert await vm.act("restart") == ""
    await vm.replaced(first["metadata"]["uid"])
    await vm.paused(False)


async def test_started_paused(suite: Suite) -> None:
    """A machine that starts paused counts as running: it cannot be started, but stopped, once."""
    vm = await created(suite, startStrategy="Paused")
    await vm.paused(seconds=300)
    assert "VM is already running" in await vm.act("start")
    assert await vm.act("stop") == ""
    await vm.gone()
    await vm.ready(False)
    assert "VM is not running" in await vm.act("stop")


async def test_stopped_in_a_crash_loop(suite: Suite) -> None:
    """A machine whose launcher fails every time can be stopped, and is in no loop any more."""
    vm = await created(suite, "Halted")
    fails = {"metadata": {"annotations": {"kubevirt.io/func-test-virt-launcher-fail-fast": ""}}}
    await suite.patch(vm.path, {"spec": {"runStrategy": "Always", "template": fails}}, MERGE_PATCH)

    async def loops(wanted: bool) -> bool:
        status = (await vm.get())["status"]
        return (status.get("printableStatus") == "CrashLoopBackOff") is wanted

    await suite.eventually(lambda: loops(True), 60, 5)
    assert await vm.act("stop") == ""
    await suite.eventually(lambda: loops(False), 120, 5)
