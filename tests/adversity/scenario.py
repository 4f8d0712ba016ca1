"""One life of a pool, and faults at chosen writes of its controller.

Time is played by hand and every choice comes from the fault's seed, so each run can be repeated exactly. The patterns
are those by which controllers are known to fail: a crash between two writes, events that were missed, a view that is
stale - and answers that are lost, conflicts in series, and refusals. (Sun et al., Sieve, OSDI 2022.)
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass

import orjson

from fakekube.client.http import Unreachable
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Response
from tests.controller.cluster import DEFINITIONS, NS, Cluster, refusal

KINDS = (
    "crash-after",  # it was done, and the controller is no more
    "crash-before",  # it was not
    "lost",  # it was done, but no answer came
    "cut",  # the same, and for some seconds no news either
    "conflicts",
    "errors",
    "missed",  # watches break, and cannot be taken up where they ended
    "stale",  # for some seconds no news
    "detached",  # the same, while a person takes a VM out of the pool
    "rival",  # a second controller begins to work
)
STRAYS = ("p-3", "stray")  # VMs of nobody: one has a name the pool would use, both match its selector
_EXPIRED = orjson.dumps(
    {
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "status": "Failure",
            "code": 410,
            "reason": "Expired",
            "message": "too old",
        },
    }
)


@dataclass(frozen=True)
class Fault:
    """Something that happens at the `at`-th write of the controllers in a life."""

    kind: str
    at: int
    length: int = 4  # how many requests a storm lasts, or how many seconds a view is stale

    def __str__(self):
        return f"{self.kind}-{self.at}"


def drawn(seed):
    """A handful of faults in one life."""
    dice = random.Random(seed)
    return [
        Fault(dice.choice(KINDS), dice.randint(1, WRITES), dice.randint(1, 9))
        for _ in range(dice.randint(2, 5))
    ]


WRITES = 34  # of an undisturbed life; a test makes sure


class Life(Cluster):
    """See the module text. `violations` collects what must never happen."""

    def __init__(self, world, faults=()):
        super().__init__()
        self.world = world
        self.faults = sorted(faults, key=lambda fault: fault.at)
        self.writes = 0
        self.made, self.went, self.restarted = [], [], []
        self.violations = []
        self.allowed = 0  # how many VMs there may be
        self.updating = False
        self.detached = {}  # name → uid of VMs taken out by a person
        self._tasks = []
        self._names = iter(range(10_000))
        self._storms = {}  # name of a controller → [kind, requests left]

    async def start(self):
        await self.api.start()
        await self.api.preload_crds(map(copy_of, DEFINITIONS))
        for name in STRAYS:
            template = self.world.template()
            template["spec"]["runStrategy"] = "Halted"
            meta = {"name": name, "namespace": NS, "labels": {"app": "p"}}
            body = {
                "apiVersion": "kubevirt.io/v1",
                "kind": "VirtualMachine",
                "metadata": meta,
                "spec": template["spec"],
            }
            await self.admin.create(VIRTUAL_MACHINES, body)
        self.strays = {name: (vm["metadata"]["uid"], vm["spec"]) for name, vm in (await self.vms()).items()}
        for resource, note in (
            (VIRTUAL_MACHINES, self._note_vm),
            (VIRTUAL_MACHINE_INSTANCES, self._note_vmi),
        ):
            self._tasks.append(asyncio.create_task(self._watch(resource, note)))
        await self.enter()

    async def stop(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().stop()

    async def live(self):
        """Created, grown, updated, shrunk, deleted; at each step it must come to the wanted end by itself."""
        self.allowed = 3
        await self.create_pool(self.world.pool(replicas=3))
        await self.reached(3)
        self.allowed += 2
        await self.change_pool(replicas=5)
        await self.reached(5)
        self.updating = True
        await self.change_pool(virtualMachineTemplate=self.world.template("2Gi"))
        await self.reached(5)
        self.updating = False
        await self.change_pool(replicas=2)
        await self.reached(2)
        surplus = 3 if not self.detached else len(self.went)
        assert len(self.went) == surplus <= 3, "the surplus goes, and nothing else"
        self.allowed -= 3
        await self.admin.delete(VIRTUAL_MACHINE_POOLS, "p", NS)
        await self.reached(0)
        if not self.detached:
            assert sorted(self.made) == ["p-0", "p-1", "p-2", "p-4", "p-5"], "nothing is made in vain"
            assert sorted(self.restarted) == sorted(self.made), "each guest restarts once"
        assert len(self.made) <= 5 + len(self.detached), "whoever was taken out is replaced, and nobody else"
        assert not self.violations

    async def reached(self, count):
        """Within two minutes, so many VMs are the pool's, the status says so, and others are as they were."""
        for _ in range(12):
            await self.pass_time(10)
            vms = await self.vms()
            mine = sorted(name for name, vm in vms.items() if objects.controller_of(vm))
            if len(mine) == count and await self._is_told(mine):
                break
        else:
            raise AssertionError(f"{sorted(vms)} where {count} are wanted: {await self.events()}")
        others = {name: vm for name, vm in vms.items() if name not in mine}
        assert {name: objects.uid(vm) for name, vm in others.items()} == {
            **{name: uid for name, (uid, _) in self.strays.items()},
            **self.detached,
        }
        assert all(others[name]["spec"] == spec for name, (_, spec) in self.strays.items())
        assert not any(objects.is_terminating(vm) for vm in vms.values())

    async def _is_told(self, mine):
        """Whether the pool's status tells the truth, and every guest is what its VM wants."""
        if not mine:
            return not (await self.listed(VIRTUAL_MACHINE_POOLS))
        pool = await self.pool()
        vmis = await self.listed(VIRTUAL_MACHINE_INSTANCES)
        status = pool.get("status") or {}
        memory = pool["spec"]["virtualMachineTemplate"]["spec"]["template"]["spec"]["domain"]["memory"]
        return (
            status.get("replicas") == status.get("readyReplicas") == len(mine)
            and not status.get("conditions")
            and all(name in vmis and vmis[name]["spec"]["domain"]["memory"] == memory for name in mine)
        )

    # What happens to controllers

    async def enter(self):
        """Start a controller, with all that may befall it."""
        name = str(next(self._names))
        wire = await self.control(name)
        wire.epoch = 0
        wire._held = lambda stream: _held(wire, stream)
        wire.refuse = lambda request: self._before(name, wire, request)
        wire.after = lambda request, response: self._after(name, wire, request)
        return wire

    def _before(self, name, wire, request):
        storm = self._storms.get(name)
        if request.method == "GET":
            return self._expired(name, request)
        if "/events" in request.path:
            return None
        if storm and storm[0] in ("conflicts", "errors") and storm[1] > 0:
            storm[1] -= 1
            return refusal(409, "Conflict") if storm[0] == "conflicts" else refusal(500, "InternalError")
        fault = self._due(self.writes + 1, ("crash-before", "conflicts", "errors"))
        if fault is None:
            return None
        if fault.kind == "crash-before":
            self._crash(name)
        self._storms[name] = [fault.kind, fault.length - 1]
        return refusal(409, "Conflict") if fault.kind == "conflicts" else refusal(500, "InternalError")

    def _after(self, name, wire, request):
        self.writes += 1
        fault = self._due(self.writes, ("crash-after", "lost", "cut", "missed", "stale", "detached", "rival"))
        if fault is None:
            return
        match fault.kind:
            case "crash-after":
                self._crash(name)
            case "lost":
                raise Unreachable("the answer was lost")
            case "missed":
                self._storms[name] = ["missed", 4]
                wire.epoch += 1
            case "cut":
                self._blind(name, wire, fault)
                raise Unreachable("the answer was lost")
            case "stale":
                self._blind(name, wire, fault)
            case "detached":
                self._blind(name, wire, fault)
                self._tasks.append(asyncio.create_task(self._detach()))
            case "rival":
                self._tasks.append(asyncio.create_task(self.enter()))

    def _due(self, write, kinds):
        for fault in self.faults:
            if fault.at <= write and fault.kind in kinds:
                self.faults.remove(fault)
                return fault
        return None

    def _crash(self, name):
        self._tasks.append(asyncio.create_task(self._succeed(name)))
        raise Unreachable("killed")

    async def _succeed(self, name):
        if name in self.controllers:
            await self.kill(name)
            await self.enter()

    def _blind(self, name, wire, fault):
        wire.flowing.clear()
        self._tasks.append(asyncio.create_task(self._wakes(name, wire, fault.length)))

    async def _detach(self):
        """A person takes out the first of the pool's VMs that nobody deletes."""
        for name, vm in (await self.vms()).items():
            if objects.controller_of(vm) and not objects.is_terminating(vm):
                with contextlib.suppress(ApiError):
                    guard = {"resourceVersion": objects.resource_version(vm)}
                    await self.change_vm(name, {"metadata": {"ownerReferences": None, **guard}})
                    self.detached[name] = objects.uid(vm)
                    self.allowed += 1
                    return

    async def _wakes(self, name, wire, seconds):
        """While its view is stale, the controller is made to look at the pool again and again."""
        for _ in range(seconds):
            await self.clock.sleep(1)
            if name in self.controllers:
                self.controllers[name][2].controller.queue.add(f"{NS}/p")
        wire.flowing.set()

    def _expired(self, name, request):
        """After events were missed, a watch cannot be taken up where it ended: it has to be begun from a new list."""
        storm = self._storms.get(name)
        if (
            storm
            and storm[0] == "missed"
            and storm[1] > 0
            and "watch=" in request.query
            and "resourceVersion=" in request.query
        ):
            storm[1] -= 1

            async def stream():
                yield _EXPIRED + b"\n"

            return Response(200, b"", "application/json", [], stream())
        return None

    # What must never happen

    async def _watch(self, resource, note):
        with contextlib.suppress(asyncio.CancelledError):
            async for type_, obj in self.admin.watch(resource, NS):
                note(type_, obj)

    def _note_vm(self, type_, vm):
        name = objects.name(vm)
        if name in STRAYS:
            if type_ == "DELETED" or objects.is_terminating(vm) or objects.owners(vm):
                self.violations.append(f"{name} was touched")
            return
        if self.detached.get(name) == objects.uid(vm) and (type_ == "DELETED" or objects.is_terminating(vm)):
            self.violations.append(f"{name} was touched, though nobody's")
        if type_ == "ADDED":
            self.made.append(name)
        if type_ == "DELETED":
            self.went.append(name)
        alive = len(self.made) - len(self.went)
        if alive > self.allowed:
            self.violations.append(f"{alive} VMs where {self.allowed} are allowed")

    def _note_vmi(self, type_, vmi):
        if type_ == "DELETED" and self.updating:
            self.restarted.append(objects.name(vmi))


async def _held(wire, stream):
    """A watch that can be held back, and be broken with what it was about to say."""
    epoch = wire.epoch
    async for chunk in stream:
        await wire.flowing.wait()
        if wire.epoch != epoch:
            return
        yield chunk
