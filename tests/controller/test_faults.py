"""What must hold whatever goes wrong: never a VM too many, never an ordinal twice, nothing deleted that is not ours."""

import asyncio
import random

import pytest

from fakekube.client.http import Unreachable
from fakekube.machinery import objects
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from tests.controller.cluster import NS, POOL_FINALIZER, refusal

DESCENDING = {"proactive": {"selectionPolicy": {"sortPolicy": "DescendingOrder"}}}


def is_write(request):
    return request.method != "GET" and "/events" not in request.path


def lively(vms):
    return sorted(name for name, vm in vms.items() if not objects.is_terminating(vm))


async def life(cluster, world, checkpoint):
    """A pool is created, grows, is updated, shrinks and goes; `checkpoint` is awaited after each of these."""
    await cluster.create_pool(world.pool(replicas=3, scaleInStrategy=DESCENDING))
    await checkpoint(["p-0", "p-1", "p-2"])
    await cluster.change_pool(replicas=5)
    await checkpoint([f"p-{i}" for i in range(5)])
    await cluster.change_pool(virtualMachineTemplate=world.template("2Gi"))
    await checkpoint([f"p-{i}" for i in range(5)])
    await cluster.change_pool(replicas=2)
    await checkpoint(["p-0", "p-1"])
    await cluster.admin.delete(VIRTUAL_MACHINE_POOLS, "p", NS)
    await checkpoint([])


def checked(cluster, wait=25):
    async def checkpoint(expected):
        cluster.most_alive = 0
        before = len(await cluster.vms())
        await cluster.pass_time(wait)
        assert sorted(await cluster.vms()) == expected
        assert cluster.most_alive <= max(before, len(expected))

    return checkpoint


async def mortal(cluster, committed, longest=7):
    """A controller that is killed at a write, as are its successors: the first at its first, the next at its second, … up to `longest`.

    `committed`: whether the write at which one is killed has happened. The deaths so far, a list that grows.
    """
    names = iter(range(10_000))
    deaths = []

    async def replace(old):
        await cluster.kill(old)
        await start()

    async def start():
        name = str(next(names))
        wire = await cluster.control(name)
        done = 0
        limit = 1 + int(name) % longest

        def dies(request):
            nonlocal done
            if is_write(request):
                done += 1
                if done == limit:
                    deaths.append(asyncio.create_task(replace(name)))
                    raise Unreachable("killed")

        if committed:
            wire.after = lambda request, _: dies(request)
        else:
            wire.refuse = dies

    await start()
    return deaths


@pytest.mark.parametrize("committed", [True, False], ids=["after", "before"])
async def test_a_restart_at_every_write(bare_cluster, world, committed):
    """P-205, P-206: killed at its n-th write, with or without it having happened, a successor brings it to the same end."""
    deaths = await mortal(bare_cluster, committed)
    await life(bare_cluster, world, checked(bare_cluster))
    assert len(deaths) >= 5
    await asyncio.gather(*deaths)


@pytest.mark.parametrize("committed", [True, False], ids=["after", "before"])
async def test_a_restart_at_every_write_of_care(bare_cluster, world, committed):
    """P-109, P-111, P-143, P-163, P-041: so it is with storage that is kept, labels, healing, and VMs that are lost or taken out."""
    cluster = bare_cluster
    deaths = await mortal(cluster, committed, longest=3)
    template = world.template(
        dataVolumeTemplates=[{"metadata": {"name": "d"}, "spec": {"source": {"blank": {}}}}]
    )
    kept = {"proactive": {"statePreservation": "Offline", **DESCENDING["proactive"]}}
    checkpoint = checked(cluster)
    await cluster.create_pool(world.pool(replicas=3, template=template, scaleInStrategy=kept, autohealing={}))
    await checkpoint(["p-0", "p-1", "p-2"])
    disks = uids(await cluster.listed(DATA_VOLUMES))
    await cluster.change_pool(replicas=1)
    await checkpoint(["p-0"])
    assert uids(await cluster.listed(DATA_VOLUMES)) == disks
    await cluster.change_pool(replicas=3)
    await checkpoint(["p-0", "p-1", "p-2"])
    assert uids(await cluster.listed(DATA_VOLUMES)) == disks

    guests = uids(await cluster.listed(VIRTUAL_MACHINE_INSTANCES))
    template["metadata"]["labels"]["more"] = "label"
    await cluster.change_pool(virtualMachineTemplate=template)
    await checkpoint(["p-0", "p-1", "p-2"])
    assert uids(await cluster.listed(VIRTUAL_MACHINE_INSTANCES)) == guests
    assert len(await cluster.listed(CONTROLLER_REVISIONS)) == 1, "the others are named by nobody"

    before = uids(await cluster.vms())
    await cluster.change_vm(
        "p-1", {"status": {"startFailure": {"consecutiveFailCount": 3}}}, subresource="status"
    )
    await checkpoint(["p-0", "p-1", "p-2"])
    after = uids(await cluster.vms())
    assert [name for name in before if before[name] != after[name]] == ["p-1"]
    assert uids(await cluster.listed(DATA_VOLUMES)) == disks

    await cluster.change_vm("p-0", {"metadata": {"labels": {"app": "other"}}})
    await checkpoint(["p-0", "p-1", "p-2", "p-3"])
    await cluster.change_vm("p-1", {"metadata": {"ownerReferences": None}})
    await checkpoint(["p-0", "p-1", "p-2", "p-3", "p-4"])
    for name, vm in (await cluster.vms()).items():
        assert (
            (POOL_FINALIZER in objects.finalizers(vm))
            == bool(objects.controller_of(vm))
            == (name in ("p-2", "p-3", "p-4"))
        )
    await cluster.admin.delete(VIRTUAL_MACHINE_POOLS, "p", NS)
    await checkpoint(["p-0", "p-1"])
    assert len(deaths) > 10
    await asyncio.gather(*deaths)


def uids(found):
    return {name: objects.uid(one) for name, one in found.items()}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fault", ["lost", "429", "500", "409"])
async def test_answers_that_go_wrong(bare_cluster, world, fault, seed):
    """P-082, P-085, P-204: a third of all writes is refused, or done without an answer; the end is the same."""
    cluster = bare_cluster
    wire = await cluster.control()
    dice = random.Random(seed)

    def refuse(request):
        if is_write(request) and dice.random() < 0.33:
            reason = {"429": "TooManyRequests", "500": "InternalError", "409": "Conflict"}[fault]
            return refusal(int(fault), reason)
        return None

    def lose(request, _):
        if dice.random() < 0.33:
            raise Unreachable("the answer was lost")

    if fault == "lost":
        wire.after = lose
    else:
        wire.refuse = refuse
    await life(cluster, world, checked(cluster, wait=60))


REFUSALS = (
    (429, "TooManyRequests"),
    (500, "InternalError"),
    (503, "ServiceUnavailable"),
    (504, "Timeout"),
)


@pytest.mark.parametrize("seed", range(12))
async def test_any_request_may_fail(bare_cluster, world, seed):
    """P-204: lists, watches, looks and events fail like writes, in every way, and watches break; the end is the same."""
    cluster = bare_cluster
    dice = random.Random(seed)
    failed, broken = set(), []

    def refuse(request):
        if wire is not None and dice.random() >= 0.25:
            return None
        failed.add("watch" if "watch=" in request.query else request.method)
        if dice.random() < 0.3:
            raise Unreachable("nobody answers")
        if is_write(request) and dice.random() < 0.3:
            return refusal(409, "Conflict")
        return refusal(*dice.choice(REFUSALS))

    async def breaking(stream):
        async for chunk in stream:
            if dice.random() < 0.5:
                broken.append(chunk)
                return
            yield chunk

    wire = None  # until then nothing is answered
    wire = await cluster.control(refuse=refuse)
    wire._held = breaking
    await cluster.pass_time(60)
    await life(cluster, world, checked(cluster, wait=120))
    assert {"GET", "POST"} <= failed
    assert len(broken) > 2


@pytest.mark.parametrize("policy", ["Random", "AscendingOrder", "DescendingOrder", "Newest"])
async def test_a_cache_that_lags_behind(cluster, world, policy):
    """P-085, P-207, D10: with watches held back, passes repeated by errors neither create nor delete in addition."""
    wire = cluster.wire
    await cluster.create_pool(
        world.pool(replicas=6, scaleInStrategy={"proactive": {"selectionPolicy": {"sortPolicy": policy}}})
    )
    await cluster.pass_time(0.5)
    wire.flowing.clear()
    await cluster.pass_time(1)
    created = [
        write for write in wire.writes if write.startswith("POST") and write.endswith("virtualmachines")
    ]
    assert len(created) == 6
    _, _, controller = cluster.controllers["a"]
    assert controller._caches.vms.get(f"{NS}/p-0") is None, "it does lag"
    for _ in range(5):
        controller.controller.queue.add(f"{NS}/p")
        await cluster.pass_time(1)
    assert len([write for write in wire.writes if write.endswith("virtualmachines")]) == 6
    wire.flowing.set()
    await cluster.pass_time(3)
    cluster.virt_works = False  # what is deleted stays visible, terminating
    await cluster.change_pool(replicas=4)
    await cluster.pass_time(0.5)
    wire.flowing.clear()
    for _ in range(5):
        controller.controller.queue.add(f"{NS}/p")
        await cluster.pass_time(1)
    assert len(lively(await cluster.vms())) == 4
    wire.flowing.set()
    cluster.virt_works = True
    await cluster.pass_time(5)
    assert len(await cluster.vms()) == 4


@pytest.mark.parametrize("policy", ["Random", "Oldest"])
async def test_deletions_without_answers_are_not_repeated_on_others(cluster, world, policy):
    """P-086: every DELETE is done but not answered, and the cache lags: still exactly the surplus goes."""
    strategy = {"proactive": {"selectionPolicy": {"sortPolicy": policy}}}
    await cluster.create_pool(world.pool(replicas=6, scaleInStrategy=strategy))
    await cluster.pass_time(4)
    cluster.virt_works = False
    await cluster.change_pool(replicas=4)
    await cluster.pass_time(0.5)
    cluster.wire.flowing.clear()

    def lose(request, _):
        if request.method == "DELETE":
            raise Unreachable("the answer was lost")

    cluster.wire.after = lose
    await cluster.pass_time(10)
    assert len(lively(await cluster.vms())) == 4
    cluster.wire.after = None
    cluster.wire.flowing.set()
    cluster.virt_works = True
    await cluster.pass_time(30)
    assert len(await cluster.vms()) == 4


async def test_a_second_replica_does_no_harm(cluster, world):
    """P-084, P-085: two controllers at once, one of them always late, keep exactly the wanted VMs."""
    late = await cluster.control("b")

    async def checkpoint(expected):
        cluster.most_alive = 0
        before = len(await cluster.vms())
        for _ in range(12):
            late.flowing.clear()
            await cluster.pass_time(1.5)
            late.flowing.set()
            await cluster.pass_time(0.5)
        assert sorted(await cluster.vms()) == expected
        assert cluster.most_alive <= max(before, len(expected))

    await life(cluster, world, checkpoint)


async def test_no_vmi_is_restarted_twice(cluster, world):
    """P-142: a replica that is late does not delete the VMI that has come up in the place of the one it knew."""
    await cluster.create_pool(world.pool())
    await cluster.pass_time(4)
    late = await cluster.control("b", reconcile_delay=2.4)
    await cluster.change_pool(virtualMachineTemplate=world.template("2Gi"))
    await cluster.pass_time(
        1.5
    )  # the VMs are updated and both have seen it; only one acts before the VMIs are new
    late.flowing.clear()
    await cluster.pass_time(2)
    late.flowing.set()
    await cluster.pass_time(10)
    restarts = [
        write
        for wire in (cluster.wire, late)
        for write in wire.writes
        if "DELETE" in write and "instances" in write
    ]
    assert len(restarts) == 3
    assert {one["status"]["phase"] for one in (await cluster.listed(VIRTUAL_MACHINE_INSTANCES)).values()} == {
        "Running"
    }


async def test_a_vm_detached_at_the_last_moment_is_not_deleted(cluster, world):
    """P-038: the deletion is refused by its precondition, and the VM is recognised as nobody's."""
    await cluster.create_pool(world.pool(replicas=2))
    await cluster.pass_time(4)
    await cluster.change_pool(replicas=0)
    await cluster.pass_time(0.5)
    cluster.wire.flowing.clear()
    await cluster.change_vm("p-0", {"metadata": {"ownerReferences": None}})
    await cluster.pass_time(2)
    vms = await cluster.vms()
    assert lively(vms) == ["p-0"]
    assert not objects.is_terminating(vms["p-0"])
    cluster.wire.flowing.set()
    await cluster.pass_time(3)
    assert sorted(await cluster.vms()) == ["p-0"]


async def test_a_successor_of_the_same_name_is_not_deleted(cluster, world):
    """A VM that was replaced by somebody else's of the same name, unseen, is not mistaken for the old one."""
    await cluster.create_pool(world.pool(replicas=1))
    await cluster.pass_time(4)
    await cluster.change_pool(replicas=0)
    await cluster.pass_time(0.5)
    cluster.wire.flowing.clear()
    await cluster.change_vm("p-0", {"metadata": {"finalizers": None}})
    await cluster.admin.delete(VIRTUAL_MACHINES, "p-0", NS)
    foreign = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "p-0", "namespace": NS},
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    }
    await cluster.admin.create(VIRTUAL_MACHINES, foreign)
    await cluster.pass_time(2)
    cluster.wire.flowing.set()
    await cluster.pass_time(3)
    assert lively(await cluster.vms()) == ["p-0"]


async def test_a_name_lost_to_somebody_else(cluster, world):
    """P-047: a foreign VM that takes a name unseen costs one refused request, and no failure is shown."""
    await cluster.create_pool(world.pool(replicas=2))
    await cluster.pass_time(0.5)
    cluster.wire.flowing.clear()
    foreign = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "p-1", "namespace": NS},
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    }
    await cluster.admin.create(VIRTUAL_MACHINES, foreign)
    await cluster.pass_time(2)
    assert sorted(await cluster.vms()) == ["p-0", "p-1", "p-2"]
    cluster.wire.flowing.set()
    await cluster.pass_time(3)
    assert (await cluster.pool())["status"]["readyReplicas"] == 2
    assert not any(kind == "Warning" for kind, _, _ in await cluster.events())


async def test_a_finalizer_somebody_else_removes_at_the_same_moment(cluster, world):
    """P-107, D6: KubeVirt takes its finalizer off a stopped VM between our DELETE and our patch; no failure, no rest."""
    template = world.template()
    template["spec"]["runStrategy"] = "Halted"
    await cluster.create_pool(world.pool(template=template))
    await cluster.pass_time(4)
    racing = []

    def race(request, response):
        if request.method == "DELETE" and response.status == 200:
            name = request.path.rpartition("/")[2]
            patch = {"metadata": {"finalizers": ["pool.kubevirt.io/finalizer"]}}
            racing.append(name)
            return cluster.change_vm(name, patch)
        return None

    cluster.wire.after = race
    await cluster.change_pool(replicas=1)
    await cluster.pass_time(4)
    assert len(racing) == 2
    assert len(await cluster.vms()) == 1
    assert not any(kind == "Warning" for kind, _, _ in await cluster.events())


async def test_storage_is_safe_when_killed_between_deletion_and_preservation(bare_cluster, world):
    """D11: a successor finishes what was begun, storage first."""
    cluster = bare_cluster
    wire = await cluster.control("a")
    template = world.template(
        dataVolumeTemplates=[{"metadata": {"name": "d"}, "spec": {"source": {"blank": {}}}}]
    )
    strategy = {"proactive": {"statePreservation": "Offline"}}
    await cluster.create_pool(world.pool(replicas=2, template=template, scaleInStrategy=strategy))
    await cluster.pass_time(4)
    before = {name: objects.uid(one) for name, one in (await cluster.listed(DATA_VOLUMES)).items()}

    def die(request, _):
        if request.method == "DELETE":
            wire.refuse = lambda _: refusal(503, "ServiceUnavailable")
            raise Unreachable("killed")

    wire.after = die
    await cluster.change_pool(replicas=0)
    await cluster.pass_time(1.5)
    await cluster.kill("a")
    await cluster.control("b")
    await cluster.pass_time(5)
    assert await cluster.vms() == {}
    assert {name: objects.uid(one) for name, one in (await cluster.listed(DATA_VOLUMES)).items()} == before
