"""Upstream's functional specs of changes that reach running guests: CPUs, memory, instance types, placement, roll-out.

Origin: kubevirt: tests/hotplug/{cpu,memory,instancetype,affinity,tolerations,rolloutstrategy}.go
"""

from typing import Any

import pytest

from fakekube.virt import quantities
from tests.upstream import guests
from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, Make, Object, Refused, Suite, conditions
from tests.upstream.guests import MIGRATIONS, NS, Guest, Migration, guest

NO_MORE_MEMORY = "kubevirt.io/func-test-memory-hotplug-fail"
ABORTED = "kubevirt.io/workloadUpdateMigrationAbortion"
INSTANCETYPES = f"/apis/instancetype.kubevirt.io/v1beta1/namespaces/{NS}/virtualmachineinstancetypes"
PREFERENCES = f"/apis/instancetype.kubevirt.io/v1beta1/namespaces/{NS}/virtualmachinepreferences"
SOCKETS, CORES, MEMORY = "/domain/cpu/sockets", "/domain/cpu/cores", "/domain/memory/guest"
GIB = 2**30


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.live_updated(await guests.a_namespace(await suite_of(pace="realistic")))


async def update_migration(vm: Guest) -> Migration:
    """The migration that was made to bring a guest its change."""

    async def look() -> Object | None:
        found = await vm.suite.items(MIGRATIONS)
        running = [one for one in found if one.get("status", {}).get("phase") not in ("Succeeded", "Failed")]
        return running[0] if running else None

    return Migration(vm.suite, await vm.suite.eventually(look, 30))


async def request(vm: Guest, resource: str) -> str:
    (compute,) = [one for one in (await vm.pod())["spec"]["containers"] if one["name"] == "compute"]
    return str(compute["resources"]["requests"][resource])


async def set_by_test(vm: Guest, path: str, old: Any, new: Any) -> None:
    """How the specs write: only if it is what they know."""
    await vm.change(("test", path, old), ("replace", path, new))


async def test_sockets(suite: Suite) -> None:
    """[10811] A second socket comes by a migration, to guest and launcher; more cores need a restart, which clears that."""
    cpu = {"sockets": 1, "cores": 2, "threads": 1, "maxSockets": 2}
    vm = await guests.machine(suite, guest(domain={"cpu": cpu}))
    assert await request(vm, "cpu") == "200m"
    await set_by_test(vm, SOCKETS, 1, 2)
    await vm.has("HotVCPUChange")
    await (await update_migration(vm)).succeeds()
    assert (await vm.vmi())["status"]["currentCPUTopology"] == {"sockets": 2, "cores": 2, "threads": 1}
    assert await request(vm, "cpu") == "400m"
    await vm.has("RestartRequired", "", 240, of_vm=True)
    await set_by_test(vm, CORES, 2, 4)
    await vm.has("RestartRequired", seconds=240, of_vm=True)
    assert await vm.act("restart", kind="virtualmachines") == ""
    await vm.has("RestartRequired", "", 240, of_vm=True)


async def test_starting_beyond_limits(suite: Suite) -> None:
    """Five CPUs that are only requested, and three sockets where the cluster allows two, start all the same."""
    spec = guest()
    spec["domain"]["resources"]["requests"]["cpu"] = "5000m"
    await guests.machine(suite, spec, "requested")
    await guests.configure(suite, liveUpdateConfiguration={"maxCpuSockets": 2})
    await guests.machine(suite, guest(domain={"cpu": {"cores": 1, "sockets": 3, "threads": 1}}), "sockets")


async def test_dedicated_sockets(suite: Suite) -> None:
    """[10822] CPUs of its own: the condition comes and goes, and the launcher has as many."""
    cpu = {"sockets": 1, "cores": 2, "threads": 1, "maxSockets": 3, "dedicatedCpuPlacement": True}
    for node in await suite.items(guests.NODES):
        await guests.label_node(suite, node["metadata"]["name"], {"kubevirt.io/cpumanager": "true"})
    vm = await guests.machine(suite, guest(domain={"cpu": cpu}))
    assert await request(vm, "cpu") == "2"
    await (await guests.migrate(vm)).succeeds()
    await set_by_test(vm, SOCKETS, 1, 2)
    await vm.has("HotVCPUChange")

    async def over() -> bool:
        return "HotVCPUChange" not in conditions(await vm.vmi())

    await suite.eventually(over, 60, every=2)
    assert await request(vm, "cpu") == "4"


async def test_calling_an_update_off(suite: Suite) -> None:
    """An annotation on the instance: the migration goes, and no other comes."""
    cpu = {"sockets": 1, "cores": 2, "threads": 1, "maxSockets": 2}
    await guests.policy(suite, {"slow": "yes"}, bandwidthPerMigration="1Ki")
    meta = {"labels": {"slow": "yes"}}
    vm = await guests.machine(suite, guest(domain={"cpu": cpu}), template_meta=meta)
    await vm.change(("replace", SOCKETS, 2))
    migration = await update_migration(vm)
    await suite.patch(vm.path, {"metadata": {"annotations": {ABORTED: ""}}}, MERGE_PATCH)
    await migration.disappears(30)

    async def none() -> bool:
        return await suite.items(MIGRATIONS) == []

    await suite.consistently(none, 30)
    assert "SuccessfulChangeAbortion" in await vm.events("Normal")


async def grown(vm: Guest, least: int, seconds: float = 240) -> Object:
    async def look() -> Object | None:
        vmi = await vm.vmi()
        return vmi if quantities.whole(vmi["status"]["memory"]["guestCurrent"]) >= least else None

    return await vm.suite.eventually(look, seconds)


def large(memory: str = "1Gi", **domain: Any) -> Object:
    return guest(memory=memory, domain={"memory": {"guest": memory}, **domain})


async def test_memory_twice(suite: Suite) -> None:
    """[10823] Each time the condition, a migration, more in the guest and in its launcher."""
    vm = await guests.machine(suite, large())
    for old, new in (("1Gi", "2Gi"), ("2Gi", "3Gi")):
        await set_by_test(vm, MEMORY, old, new)
        await vm.has("HotMemoryChange")
        await (await update_migration(vm)).succeeds()
        await grown(vm, quantities.whole(new))
        assert quantities.whole(await request(vm, "memory")) >= quantities.whole(new)


async def test_memory_where_none_was_named(suite: Suite) -> None:
    """What was only requested counts as what the guest has."""
    vm = await guests.machine(suite, guest(memory="1Gi", domain={"memory": {}}))
    await vm.change(("add", MEMORY, "2Gi"))
    await vm.has("HotMemoryChange")
    await (await update_migration(vm)).succeeds()
    await grown(vm, 2 * GIB)


async def test_memory_and_sockets(suite: Suite) -> None:
    """[10825] [10824] Both at once; what is requested follows, and after a stop it is what the guest begins with."""
    vm = await guests.machine(suite, large(cpu={"sockets": 1, "maxSockets": 2}))
    await vm.change(
        ("test", MEMORY, "1Gi"), ("replace", MEMORY, "2Gi"), ("test", SOCKETS, 1), ("replace", SOCKETS, 2)
    )
    await grown(vm, 2 * GIB, 360)

    async def sockets() -> bool:
        return (await vm.vmi())["status"]["currentCPUTopology"]["sockets"] == 2

    await suite.eventually(sockets, 360)
    requests = (await vm.vmi())["spec"]["domain"]["resources"]["requests"]
    assert quantities.whole(requests["memory"]) == 2 * GIB
    assert await vm.act("stop", {"gracePeriod": 0}, "virtualmachines") == ""
    await vm.gone(120)
    assert await vm.act("start", kind="virtualmachines") == ""
    await vm.ready(480)
    assert (await vm.vm())["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "2Gi"
    assert (await vm.vmi())["status"]["memory"]["guestAtBoot"] == "2Gi"


async def test_memory_that_the_guest_does_not_take(suite: Suite) -> None:
    """The migration succeeds, the condition says that it failed, nobody tries again, and the machine asks for a restart."""
    meta = {"annotations": {NO_MORE_MEMORY: ""}}
    vm = await guests.machine(suite, large(), template_meta=meta)
    await set_by_test(vm, MEMORY, "1Gi", "1042Mi")
    await (await update_migration(vm)).succeeds()

    async def failed() -> Object | None:
        vmi = await vm.vmi()
        listed = [one for one in vmi["status"]["conditions"] if one["type"] == "HotMemoryChange"]
        return vmi if listed and listed[0]["status"] == "False" else None

    vmi = await suite.eventually(failed, 60)
    assert vmi["status"]["memory"]["guestCurrent"] == "1Gi"
    assert [one for one in await vm.events("Warning") if "SyncVirtualMachineMemory failed" in one]
    found = await vm.has("RestartRequired", of_vm=True)
    (told,) = [one for one in found["status"]["conditions"] if one["type"] == "RestartRequired"]
    assert "Memory-hotplug failed" in told["message"]

    async def once() -> bool:
        return len(await suite.items(MIGRATIONS)) == 1 and await failed() is not None

    await suite.consistently(once, 30)


async def test_less_memory(suite: Suite) -> None:
    """[10826] Back to what it began with: by a restart only when that is less than at boot."""
    vm = await guests.machine(suite, large("2Gi"))
    await vm.change(("replace", MEMORY, "1Gi"))
    found = await vm.has("RestartRequired", of_vm=True)
    (told,) = [one for one in found["status"]["conditions"] if one["type"] == "RestartRequired"]
    assert "lower than what the VM started with" in told["message"]


@pytest.mark.parametrize("limits", [True, False])
async def test_instance_types(suite: Suite, limits: bool) -> None:
    """Another instance type with more of both: conditions, a migration, and the new sizes in the instance."""
    for name, cpus, memory in (("original", 1, "1Gi"), ("max", 2, "2Gi")):
        cpu: Object = {"guest": cpus} | ({"maxSockets": 2} if limits else {})
        size: Object = {"guest": memory} | ({"maxGuest": "2Gi"} if limits else {})
        await suite.create(INSTANCETYPES, named("VirtualMachineInstancetype", name, cpu=cpu, memory=size))
    spec = guest()
    del spec["domain"]["resources"]
    kind = {"name": "original", "kind": "VirtualMachineInstancetype"}
    vm = await guests.machine(suite, spec, instancetype=kind)

    change = [
        {"op": "test", "path": "/spec/instancetype/name", "value": "original"},
        {"op": "replace", "path": "/spec/instancetype/name", "value": "max"},
    ]
    await suite.patch(vm.vm_path, change, JSON_PATCH)
    await vm.has("HotVCPUChange")
    await vm.has("HotMemoryChange")
    await (await update_migration(vm)).succeeds()
    await vm.has("HotVCPUChange", "")
    await vm.has("HotMemoryChange", "")
    vmi = await grown(vm, 2 * GIB, 360)
    memory_status = vmi["status"]["memory"]
    assert (vmi["spec"]["domain"]["cpu"]["sockets"], vmi["status"]["currentCPUTopology"]["sockets"]) == (2, 2)
    assert vmi["spec"]["domain"]["memory"]["guest"] == "2Gi"
    assert (memory_status["guestAtBoot"], memory_status["guestRequested"]) == ("1Gi", "2Gi")
    await vm.has("RestartRequired", "", 240, of_vm=True)


def named(kind: str, name: str, **spec: Any) -> Object:
    api = "instancetype.kubevirt.io/v1beta1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("by_type", [True, False])
async def test_what_a_preference_requires(suite: Suite, by_type: bool) -> None:
    """A change to less than that is refused, and the text says who provides too little."""
    needs = {"memory": {"guest": "1Gi"}}
    await suite.create(PREFERENCES, named("VirtualMachinePreference", "wants", requirements=needs))
    preference = {"name": "wants", "kind": "VirtualMachinePreference"}
    halted: Object = {"runStrategy": "Halted", "preference": preference}
    if not by_type:
        vm = await guests.machine(suite, guest(memory="1Gi"), **halted)
        path, value, provider = (
            "/spec/template/spec/domain/resources/requests/memory",
            "512Mi",
            "VirtualMachine",
        )
    else:
        for name, memory in (("large", "1Gi"), ("small", "512Mi")):
            kind = named("VirtualMachineInstancetype", name, cpu={"guest": 1}, memory={"guest": memory})
            await suite.create(INSTANCETYPES, kind)
        spec = guest()
        del spec["domain"]["resources"]
        kind = {"name": "large", "kind": "VirtualMachineInstancetype"}
        vm = await guests.machine(suite, spec, instancetype=kind, **halted)

        async def referenced() -> bool:
            status = (await vm.vm()).get("status", {})
            refs = [status.get(one, {}) for one in ("instancetypeRef", "preferenceRef")]
            return all(one.get("controllerRevisionRef", {}).get("name") for one in refs)

        await suite.eventually(referenced, 60)
        path, value, provider = "/spec/instancetype/name", "small", "instance type"
    text = (
        "failure checking preference requirements: insufficient Memory resources of 512Mi provided by "
        f"{provider}, preference requires 1Gi"
    )
    with pytest.raises(Refused, match=text):
        await suite.patch(vm.vm_path, [{"op": "replace", "path": path, "value": value}])


async def test_placement(suite: Suite) -> None:
    """Selectors, affinity and tolerations: added, changed and removed, all without a migration."""
    vm = await guests.machine(suite, guest())

    async def reaches(member: str, value: Any) -> None:
        async def look() -> bool:
            return ((await vm.vmi())["spec"].get(member) or None) == value

        await suite.eventually(look, 60)

    def on(node: str) -> Object:
        hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}

    first, second = (
        {"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300}
        for key in ("testTaint", "testTaint2")
    )
    steps: list[tuple[str, str, Any, Any]] = [
        ("add", "nodeSelector", {"kubernetes.io/os": "not-existing-os"}, ...),
        ("replace", "nodeSelector", {"kubernetes.io/os": "not-existing-os-updated"}, ...),
        ("remove", "nodeSelector", None, None),
        ("add", "affinity", on("fakeNode_1"), ...),
        ("replace", "affinity", on("fakeNode_2"), ...),
        ("remove", "affinity", None, None),
        ("add", "tolerations", [first], ...),
        ("add", "tolerations/-", second, [first, second]),
        ("remove", "tolerations/1", None, [first]),
        ("remove", "tolerations", None, None),
    ]
    for operation, path, value, expected in steps:
        await vm.change((operation, f"/{path}", value))
        await reaches(path.partition("/")[0], value if expected is ... else expected)
    assert await suite.items(MIGRATIONS) == []


async def test_staged(suite: Suite) -> None:
    """Where changes are staged, one that could be made live needs a restart."""
    change = [{"op": "replace", "path": "/spec/configuration/vmRolloutStrategy", "value": "Stage"}]
    await suite.patch(guests.KUBEVIRT, change)
    cpu = {"sockets": 1, "cores": 2, "threads": 1, "maxSockets": 2}
    vm = await guests.machine(suite, guest("cirros", domain={"cpu": cpu}))
    await set_by_test(vm, SOCKETS, 1, 2)
    await vm.has("RestartRequired", of_vm=True)
    assert (await vm.vmi())["spec"]["domain"]["cpu"]["sockets"] == 1
