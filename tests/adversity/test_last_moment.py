"""Somebody else acts at the last moment: after the controller has decided, before its request arrives.

Each test is about one request of the controller, and does something to its very object first. What guards it is a
precondition of the request, or the look at what is there now when the server refused.
"""

import orjson
import pytest
import pytest_asyncio

from fakekube.machinery import objects
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from tests.controller.cluster import NS, POOL_FINALIZER, VM_FINALIZER, Cluster, refusal
from tests.controller.conftest import World

HELD = "example.org/hold"
FROM_THE_TOP = {"selectionPolicy": {"sortPolicy": "DescendingOrder"}}


class Moment:
    """A cluster, its one controller, and what is done before a request of it arrives."""

    def __init__(self):
        self.cluster = Cluster()
        self.world = World()
        self.asked = []  # the controller's writes, refused ones included, as `VERB path`
        self.came = False
        self._due = None

    async def start(self):
        await self.cluster.start()
        self.wire = await self.cluster.control()
        self._api = self.wire.api
        self.wire.api = self._passed_on

    def before(self, method, path, do):
        """Before the first request of this kind, do something."""
        self._due = method, path, do

    async def _passed_on(self, request):
        if request.method != "GET" and "/events" not in request.path:
            self.asked.append(f"{request.method} {request.path}")
        if self._due is not None and request.method == self._due[0] and request.path.endswith(self._due[1]):
            do, self._due, self.came = self._due[2], None, True
            await do(request)
        return await self._api(request)

    async def pool_of(self, replicas, **spec):
        strategy = {"proactive": FROM_THE_TOP}
        await self.cluster.create_pool(
            self.world.pool(replicas=replicas, **({"scaleInStrategy": strategy} | spec))
        )
        await self.cluster.pass_time(10)

    async def vm(self, name):
        return (await self.cluster.vms()).get(name)

    async def warnings(self):
        return [text for kind, _, text in await self.cluster.events() if kind == "Warning"]


@pytest_asyncio.fixture
async def moment():
    found = Moment()
    await found.start()
    yield found
    assert found.came, "the moment never came"
    await found.cluster.stop()


def memory(vm):
    return vm["spec"]["template"]["spec"]["domain"]["memory"]["guest"]


async def test_a_vm_taken_out_is_not_deleted(moment):
    """A surplus VM that a person takes out of the pool before its DELETE arrives lives on."""
    await moment.pool_of(3)

    async def take_out(_):
        await moment.cluster.change_vm("p-2", {"metadata": {"ownerReferences": None}})

    moment.before("DELETE", "/p-2", take_out)
    await moment.cluster.change_pool(replicas=2)
    await moment.cluster.pass_time(10)
    assert not objects.is_terminating(await moment.vm("p-2"))
    assert set(await moment.cluster.vms()) == {"p-0", "p-1", "p-2"}


async def test_a_vm_taken_out_keeps_its_storage(moment):
    """Where storage is kept, a VM that is taken out before its DELETE arrives still owns its own."""
    volume = {"metadata": {"name": "d"}, "spec": {"source": {"blank": {}}}}
    await moment.pool_of(
        2,
        template=moment.world.template(dataVolumeTemplates=[volume]),
        scaleInStrategy={"proactive": {"statePreservation": "Offline", **FROM_THE_TOP}},
    )

    async def take_out(_):
        await moment.cluster.change_vm("p-1", {"metadata": {"ownerReferences": None}})

    moment.before("DELETE", "/p-1", take_out)
    await moment.cluster.change_pool(replicas=1)
    await moment.cluster.pass_time(10)
    assert "d-1" in await moment.cluster.listed(DATA_VOLUMES)
    assert not [line for line in moment.asked if "/datavolumes/" in line]


async def test_a_vm_that_nothing_holds_is_held_again_before_it_is_deleted(moment):
    """Where storage is kept, a VM whose finalizers a person takes off before its DELETE arrives is held again, and parted
    from its storage when it is going: the VM controller would take it back for one that is not."""
    volume = {"metadata": {"name": "d"}, "spec": {"source": {"blank": {}}}}
    await moment.pool_of(
        2,
        template=moment.world.template(dataVolumeTemplates=[volume]),
        scaleInStrategy={"proactive": {"statePreservation": "Offline", **FROM_THE_TOP}},
    )
    going = []

    async def let_go(_):
        await moment.cluster.change_vm("p-1", {"metadata": {"finalizers": None}})
        moment.before("PATCH", "/d-1", look)

    async def look(_):
        going.append(objects.is_terminating(await moment.vm("p-1")))

    moment.before("DELETE", "/p-1", let_go)
    await moment.cluster.change_pool(replicas=1)
    await moment.cluster.pass_time(10)
    assert going == [True]
    assert set(await moment.cluster.vms()) == {"p-0"}
    assert not (await moment.cluster.listed(DATA_VOLUMES))["d-1"]["metadata"].get("ownerReferences")
    last = [line for line in moment.asked if line.endswith(("/p-1", "/d-1"))][-4:]
    assert [line.split()[0] + line[-4:] for line in last] == [
        "PATCH/p-1",
        "DELETE/p-1",
        "PATCH/d-1",
        "PATCH/p-1",
    ]


async def test_a_vm_taken_out_is_not_changed(moment):
    """A VM that a person takes out before its PUT arrives keeps its template."""
    await moment.pool_of(1)

    async def take_out(_):
        await moment.cluster.change_vm("p-0", {"metadata": {"ownerReferences": None}})

    moment.before("PUT", "/p-0", take_out)
    await moment.cluster.change_pool(virtualMachineTemplate=moment.world.template("2Gi"))
    await moment.cluster.pass_time(10)
    assert memory(await moment.vm("p-0")) == "1Gi"


async def test_a_vm_that_goes_is_not_changed(moment):
    """A VM that is deleted before its PUT arrives goes as it was."""
    await moment.pool_of(1)

    async def delete(_):
        await moment.cluster.change_vm(
            "p-0", {"metadata": {"finalizers": [VM_FINALIZER, POOL_FINALIZER, HELD]}}
        )
        await moment.cluster.admin.delete(VIRTUAL_MACHINES, "p-0", NS)

    moment.before("PUT", "/p-0", delete)
    await moment.cluster.change_pool(virtualMachineTemplate=moment.world.template("2Gi"))
    await moment.cluster.pass_time(10)
    assert objects.is_terminating(await moment.vm("p-0"))
    assert memory(await moment.vm("p-0")) == "1Gi"


async def test_a_vm_that_belongs_again_is_not_given_up(moment):
    """A VM that had lost the selector's label, and gets it back before it is given up, stays the pool's."""
    await moment.pool_of(1)
    mine = objects.owners(await moment.vm("p-0"))
    second = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "c"}

    async def give_back(_):
        await moment.cluster.change_vm(
            "p-0", {"metadata": {"labels": {"app": "p"}, "ownerReferences": [*mine, second]}}
        )

    moment.before("PATCH", "/p-0", give_back)
    await moment.cluster.change_vm("p-0", {"metadata": {"labels": {"app": "another"}}})
    await moment.cluster.pass_time(10)
    assert objects.controller_of(await moment.vm("p-0")) == mine[0]
    assert set(await moment.cluster.vms()) == {"p-0"}


async def test_a_vm_that_is_given_back_stays_held(moment):
    """A VM that had been taken out, and is given back to the pool before it is let go, keeps the pool's finalizer."""
    await moment.pool_of(1)
    mine = objects.owners(await moment.vm("p-0"))

    async def give_back(_):
        held = [*objects.finalizers(await moment.vm("p-0")), HELD]
        await moment.cluster.change_vm("p-0", {"metadata": {"ownerReferences": mine, "finalizers": held}})

    moment.before("PATCH", "/p-0", give_back)
    await moment.cluster.change_vm("p-0", {"metadata": {"ownerReferences": None}})
    await moment.cluster.pass_time(10)
    assert POOL_FINALIZER in objects.finalizers(await moment.vm("p-0"))


async def test_another_vm_of_that_name_is_not_let_go(moment):
    """Where a deleted VM is gone, and a person has made one of its name, that one is not touched, and nothing is wrong."""
    await moment.pool_of(2)
    spec = (await moment.vm("p-1"))["spec"]

    async def succeed(_):
        held = objects.finalizers(await moment.vm("p-1"))
        await moment.cluster.change_vm("p-1", {"metadata": {"finalizers": None}})
        body = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": {"name": "p-1", "namespace": NS, "labels": {"app": "another"}, "finalizers": held},
            "spec": spec,
        }
        await moment.cluster.admin.create(VIRTUAL_MACHINES, body)

    moment.before("PATCH", "/p-1", succeed)
    await moment.cluster.change_pool(replicas=1)
    await moment.cluster.pass_time(10)
    assert POOL_FINALIZER in objects.finalizers(await moment.vm("p-1"))
    assert not await moment.warnings()


async def test_finalizers_of_others_are_not_lost(moment):
    """A finalizer that somebody puts on the pool before the pool's own arrives stays."""

    async def hold(_):
        await moment.cluster.admin.patch(
            VIRTUAL_MACHINE_POOLS, "p", NS, {"metadata": {"finalizers": [HELD]}}, type="merge"
        )

    moment.before("PATCH", "/p", hold)
    await moment.pool_of(1)
    assert set(objects.finalizers(await moment.cluster.pool())) == {HELD, POOL_FINALIZER}


@pytest.mark.parametrize("resource", [VIRTUAL_MACHINES, CONTROLLER_REVISIONS], ids=["VM", "revision"])
async def test_what_is_there_already_is_no_failure(moment, resource):
    """What the controller itself, or a rival, has made already, without its knowledge, is no failure."""

    async def make(request):
        await moment._api(request)

    moment.before("POST", f"/{resource.plural}", make)
    await moment.pool_of(2)
    assert set(await moment.cluster.vms()) == {"p-0", "p-1"}
    assert not await moment.warnings()


async def test_a_blind_controller_does_nothing_twice(moment):
    """While no news arrives, passes that follow a pass ask for nothing that one has asked for, nor are refused anything."""

    async def go_blind(_):
        moment.wire.flowing.clear()

    async def look_again():
        controller = moment.cluster.controllers["a"][2].controller
        for _ in range(5):
            controller.queue.add(f"{NS}/p")
            await moment.cluster.pass_time(1)

    moment.before("PATCH", "/p", go_blind)
    await moment.cluster.create_pool(moment.world.pool(replicas=2))
    await moment.cluster.pass_time(2)
    await look_again()
    asked = moment.asked[:]
    moment.wire.flowing.set()
    await moment.cluster.pass_time(5)
    assert sorted(line.rpartition("/")[2] for line in asked if line.startswith("POST")) == [
        "controllerrevisions",
        "virtualmachines",
        "virtualmachines",
    ]
    assert len([line for line in asked if not line.startswith("POST")]) == 2, "a finalizer, a status"
    moment.asked.clear()

    moment.before("PUT", "/p-0", go_blind)
    await moment.cluster.change_pool(virtualMachineTemplate=moment.world.template("2Gi"))
    await moment.cluster.pass_time(2)
    await look_again()
    asked = moment.asked[:]
    moment.wire.flowing.set()
    await moment.cluster.pass_time(5)
    assert len([line for line in asked if line.startswith("PUT") and line.endswith(("/p-0", "/p-1"))]) == 2


async def test_what_was_refused_is_tried_again(moment):
    """Where a VM could not be made for a minute, it is made soon afterwards, though nothing else has happened."""
    await moment.pool_of(1)

    async def nothing(_):
        """It is about the requests after this one."""

    moment.before("POST", "/virtualmachines", nothing)
    moment.wire.refuse = lambda request: (
        refusal(500, "InternalError")
        if request.method == "POST" and request.path.endswith("/virtualmachines")
        else None
    )
    await moment.cluster.change_pool(replicas=2)
    await moment.cluster.pass_time(60)
    assert set(await moment.cluster.vms()) == {"p-0"}
    moment.wire.refuse = None
    await moment.cluster.pass_time(120)
    assert set(await moment.cluster.vms()) == {"p-0", "p-1"}


async def test_who_is_let_go_is_not_counted(moment):
    """P-041, P-185: The very pass that gives up a VM the selector has lost counts it no more."""
    await moment.pool_of(3)
    counted = []

    async def begin(_):
        """Giving it up is the moment; what counts is what is told after it."""
        moment.wire.after = note

    def note(request, _):
        if request.path.endswith("/virtualmachinepools/p/status"):
            counted.append(orjson.loads(request.body)["status"].get("replicas"))

    moment.before("PATCH", "/p-1", begin)
    await moment.cluster.change_vm("p-1", {"metadata": {"labels": {"app": "mine"}}})
    await moment.cluster.pass_time(4)
    assert counted[0] == 2
    assert counted[-1] == 3
