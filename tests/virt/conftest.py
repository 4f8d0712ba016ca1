"""A cluster small enough to watch everything: the real API server in memory, KubeVirt's actors, and a scripted kubelet.

Time stands still until a test lets it pass. `World.history` tells the sequence of values of one member of one object,
which is what recordings of the real controllers are compared by.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakekube.agents.garbage_collector import GarbageCollector
from fakekube.agents.kubelet import Kubelet as RealKubelet
from fakekube.agents.scheduler import Scheduler
from fakekube.agents.volume_contents import VolumeContents
from fakekube.agents.volume_objects import default_class
from fakekube.agents.volumes import Volumes
from fakekube.api.apiserver import ApiServer
from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.clock import ManualClock, rfc3339
from fakekube.ids import Ids
from fakekube.lifecycle.stage import PACES
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import annotations, condition, dig, is_terminating, name, namespace
from fakekube.machinery.resources import (
    EVENTS,
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Resource,
)
from fakekube.machinery.wire import Request, Response
from fakekube.store.memory import MemoryStore
from fakekube.virt.cdi.app import Cdi
from fakekube.virt.controller.app import VirtController
from fakekube.virt.handler.guest import VirtHandler
from fakekube.virt.operator.crds import crds

NS = "default"
DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
_GATE = "kubevirt.io/virtual-machine-unpaused"
_DIGEST = "sha256:" + "0" * 64


def admit(api: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """The one thing virt-api's webhook does that controllers depend on: new VMIs are Pending and held by a finalizer."""

    async def handler(request: Request) -> Response:
        if request.method == "POST" and request.path.endswith("/virtualmachineinstances"):
            vmi = json.loads(request.body)
            held = vmi["metadata"].setdefault("finalizers", [])
            held.append("kubevirt.io/foregroundDeleteVirtualMachine")
            entered = {"phase": "Pending", "phaseTransitionTimestamp": rfc3339(api.clock.now())}
            vmi.setdefault("status", {}).update(
                phase="Pending", phaseTransitionTimestamps=[entered], runtimeUser=107
            )
            request.body = json.dumps(vmi).encode()
        return await api(request)

    return handler


class Kubelet:
    """Runs bound pods `delay` seconds later, unless the pod's annotation `pod` says otherwise; never ends one itself."""

    def __init__(self, client: Client, clock: ManualClock, delay: float) -> None:
        self.client, self.clock, self.delay = client, clock, delay
        self.pods = Informer(client, PODS, clock=clock)
        self.seen: dict[str, float] = {}
        self.controller = Controller("kubelet", self.reconcile, clock=clock)
        self.controller.source(self.pods)

    async def reconcile(self, own: str):
        pod = self.pods.get(own)
        if pod is None or not dig(pod, "spec", "nodeName"):
            return
        phase = dig(pod, "status", "phase")
        if is_terminating(pod) and (phase in ("Succeeded", "Failed") or own not in self.seen):
            await self.client.delete(PODS, name(pod), namespace(pod), grace_seconds=0)
            return
        if phase == "Pending":
            placed = condition(pod, "PodScheduled")
            if placed is None or placed["status"] != "True":
                now = rfc3339(self.clock.now())
                new = {
                    "type": "PodScheduled",
                    "status": "True",
                    "lastProbeTime": None,
                    "lastTransitionTime": now,
                }
                listed = [one for one in pod["status"].get("conditions", ()) if one["type"] != "PodScheduled"]
                await self.write(pod, {**pod["status"], "conditions": [*listed, new]})
                return
            if own not in self.seen:
                self.seen[own] = self.clock.monotonic()
                self.controller.queue.add_after(own, self.delay)
            if self.clock.monotonic() - self.seen[own] < self.delay - 1e-6:
                return
            await self.write(pod, getattr(self, annotations(pod).get("pod", "ok"))(pod))
        elif phase == "Running" and condition(pod, "Ready") is not None:
            status = self.ready(pod)
            if status != pod["status"]:
                await self.write(pod, status)

    async def write(self, pod, status):
        try:
            await self.client.update(PODS, {**pod, "status": status}, subresource="status")
        except NotFound:
            return

    def ok(self, pod):
        now = rfc3339(self.clock.now())
        index = len(self.seen)
        status = {
            **pod["status"],
            "phase": "Running",
            "podIP": f"10.244.0.{index}",
            "podIPs": [{"ip": f"10.244.0.{index}"}],
        }
        status |= {"hostIP": "10.0.0.1", "startTime": now}
        running = {
            "state": {"running": {"startedAt": now}},
            "ready": True,
            "restartCount": 0,
            "started": True,
        }
        done = {
            "state": {"terminated": {"exitCode": 0, "startedAt": now, "finishedAt": now}},
            "ready": True,
            "restartCount": 0,
        }
        status["containerStatuses"] = [self.container(one, running) for one in pod["spec"]["containers"]]
        status["initContainerStatuses"] = [
            self.container(one, running if one.get("restartPolicy") else done)
            for one in pod["spec"].get("initContainers", ())
        ]
        listed = [
            one for one in status.get("conditions", ()) if one["type"] not in ("Ready", "ContainersReady")
        ]
        contained = {
            "type": "ContainersReady",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": now,
        }
        status["conditions"] = [*listed, contained]
        return self.ready({**pod, "status": status})

    def container(self, spec, state):
        return {
            "name": spec["name"],
            "image": spec["image"],
            "imageID": f"{spec['image']}@{_DIGEST}",
            **state,
        }

    def ready(self, pod):
        """The Ready condition, from the containers and the readiness gate."""
        gate = condition(pod, _GATE)
        open_ = gate is not None and gate["status"] == "True"
        if not any(one["conditionType"] == _GATE for one in pod["spec"].get("readinessGates", ())):
            open_ = True
        status = copy_of(pod["status"])
        old = condition(pod, "Ready")
        if condition(pod, "ContainersReady")["status"] != "True":
            return status
        new = {"type": "Ready", "status": "True" if open_ else "False"}
        if not open_:
            new |= {
                "reason": "ReadinessGatesNotReady",
                "message": f'corresponding condition of pod readiness gate "{_GATE}" is not "True".',
            }
        if old is not None and all(
            old.get(member) == new.get(member) for member in ("status", "reason", "message")
        ):
            return status
        new |= {"lastProbeTime": None, "lastTransitionTime": rfc3339(self.clock.now())}
        status["conditions"] = [*(one for one in status["conditions"] if one["type"] != "Ready"), new]
        return status

    def fail(self, pod):
        now = rfc3339(self.clock.now())
        ended = {
            "state": {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}}
        }
        statuses = [
            self.container(one, {**ended, "ready": False, "restartCount": 0})
            for one in pod["spec"]["containers"]
        ]
        return {**pod["status"], "phase": "Failed", "containerStatuses": statuses}

    def errimagepull(self, pod):
        waiting = {
            "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}},
            "ready": False,
        }
        statuses = [
            self.container(one, {**waiting, "restartCount": 0, "imageID": ""})
            for one in pod["spec"]["initContainers"]
        ]
        return {**pod["status"], "initContainerStatuses": statuses}


class World:
    """The cluster, its clock, and everything that has happened in it."""

    def __init__(
        self, *, pace: str = "fast", pod_start: float = 0.3, nodes: int = 2, real_kubelet: bool = False
    ) -> None:
        self.clock, self.ids, self.nodes = ManualClock(), Ids(7), nodes
        self.api = ApiServer(MemoryStore(), clock=self.clock, ids=self.ids)
        self.client = Client(admit(self.api)).as_user("admin", "system:masters")
        self.contents = VolumeContents()
        self.controller = VirtController(self.client, clock=self.clock, ids=self.ids)
        self.handler = VirtHandler(
            self.client, clock=self.clock, ids=self.ids, contents=self.contents, pace=PACES[pace]
        )
        self.kubelet = Kubelet(self.client, self.clock, pod_start)
        self.cdi = Cdi(self.client, clock=self.clock, ids=self.ids, contents=self.contents, pace=PACES[pace])
        self.others = [
            Volumes(
                self.client,
                clock=self.clock,
                ids=self.ids,
                contents=self.contents,
                populators=("cdi.kubevirt.io",),
            ),
            Scheduler(self.client, clock=self.clock, ids=self.ids),
            GarbageCollector(self.client, clock=self.clock, ids=self.ids),
        ]
        if real_kubelet:
            self.kubelet = None
            launchers = lambda pod: pod["metadata"].get("labels", {}).get("kubevirt.io") == "virt-launcher"  # noqa: E731
            wanted = PACES[pace]
            agent = RealKubelet(
                self.client, clock=self.clock, ids=self.ids, pace=wanted, ends_elsewhere=launchers
            )
            self.others.append(agent)
        self.changes: list[tuple[float, Resource, Any, Any]] = []
        self._informers: dict[Resource, Informer] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["World"]:
        await self.api.start()
        await self.api.preload_crds(crds())
        for number in range(1, self.nodes + 1):
            await self.add_node(f"node0{number}")
        await self.api.preload([{**default_class(), "metadata": {"name": "local", "annotations": DEFAULT}}])
        actors = [self.controller, self.handler, self.cdi, *self.others]
        actors += [self.kubelet.controller] if self.kubelet else []
        tasks = [asyncio.create_task(actor.run()) for actor in actors]
        followed = (VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES, PODS, EVENTS)
        tasks += [asyncio.create_task(self.informer(resource).run()) for resource in followed]
        try:
            await self.settle()
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def add_node(self, own: str) -> None:
        amounts = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "500Gi"}
        ready = [{"type": "Ready", "status": "True"}]
        status = {"capacity": amounts, "allocatable": amounts, "conditions": ready}
        meta = {"name": own, "labels": {"kubernetes.io/hostname": own, "kubernetes.io/arch": "amd64"}}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status}
        await self.client.create(NODES, node)

    def informer(self, resource: Resource) -> Informer:
        if resource not in self._informers:
            informer = self._informers[resource] = Informer(self.client, resource, clock=self.clock)
            informer.on_change(
                lambda old, new: self.changes.append((self.clock.monotonic(), resource, old, new))
            )
        return self._informers[resource]

    # Time.

    async def settle(self) -> None:
        """Until nothing has been written for a while, without letting time pass."""
        quiet, revision = 0, -1
        while quiet < 60:
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.api.store.revision == revision else 0
            revision = self.api.store.revision

    async def until(self, reached: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Let time pass from one thing due to the next, until `reached`."""
        end = self.clock.monotonic() + seconds
        await self.settle()
        while not (found := reached()):
            due = self.clock.next_due()
            assert due is not None, "nothing is due any more"
            assert self.clock.monotonic() + due <= end, "not reached in time"
            self.clock.advance(due)
            await self.settle()
        return found

    async def elapse(self, seconds: float) -> None:
        """Let that much time pass, everything due on the way happening in its turn."""
        end = self.clock.monotonic() + seconds
        await self.settle()
        while (due := self.clock.next_due()) is not None and self.clock.monotonic() + due <= end:
            self.clock.advance(due)
            await self.settle()
        self.clock.advance(max(0.0, end - self.clock.monotonic()))
        await self.settle()

    # Objects.

    def vm(self, own: str = "vm"):
        return self.informer(VIRTUAL_MACHINES).get(f"{NS}/{own}")

    def vmi(self, own: str = "vm"):
        return self.informer(VIRTUAL_MACHINE_INSTANCES).get(f"{NS}/{own}")

    def pods(self, vmi: str = "vm"):
        label = "vmi.kubevirt.io/id"
        return [
            one
            for one in self.informer(PODS).objects()
            if one["metadata"].get("labels", {}).get(label) == vmi
        ]

    def status(self, own: str = "vm") -> str:
        return str(dig(self.vm(own), "status", "printableStatus", default=""))

    def is_ready(self, own: str = "vm") -> bool:
        return bool(dig(self.vm(own), "status", "ready", default=False))

    async def create_vm(
        self, own: str = "vm", strategy: str = "Always", *, fate: str = "", marks=None, **spec
    ):
        """A VM as in the recordings: 128Mi, one containerDisk, no grace period."""
        template_marks = {**(marks or {}), **({"fakekube.io/fate": fate} if fate else {})}
        domain = {
            "devices": {"disks": [{"disk": {"bus": "virtio"}, "name": "containerdisk"}]},
            "memory": {"guest": "128Mi"},
            "resources": {},
        }
        templates = spec.pop("dataVolumeTemplates", None)
        for member in ("cpu", "machine"):
            if member in spec:
                domain[member] = spec.pop(member)
        if "interfaces" in spec:
            domain["devices"]["interfaces"] = spec.pop("interfaces")
        if "volumes" in spec:
            domain["devices"]["disks"] = [
                {"disk": {"bus": "virtio"}, "name": one["name"]} for one in spec["volumes"]
            ]
        template_spec = {
            "domain": domain,
            "terminationGracePeriodSeconds": 0,
            "volumes": [
                {"name": "containerdisk", "containerDisk": {"image": "registry.example/cirros:devel"}}
            ],
            **spec,
        }
        template = {
            "metadata": {"annotations": template_marks} if template_marks else {},
            "spec": template_spec,
        }
        body = {"runStrategy": strategy, "template": template}
        if templates:
            body["dataVolumeTemplates"] = templates
        vm = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": {"name": own, "namespace": NS},
            "spec": body,
        }
        return await self.client.create(VIRTUAL_MACHINES, vm)

    async def running_vm(self, own: str = "vm", strategy: str = "Always", **more):
        await self.create_vm(own, strategy, **more)
        await self.until(lambda: self.is_ready(own))
        return self.vmi(own)

    async def patch_vm(self, spec, own: str = "vm"):
        return await self.client.patch(VIRTUAL_MACHINES, own, NS, {"spec": spec}, type="merge")

    async def end_guest(self, phase: str, own: str = "vm") -> None:
        """What virt-handler writes when a guest ends by itself."""
        await self.handler.deeds.end(self.vmi(own), panicked=phase == "Failed")
        await self.settle()

    # History.

    def history(self, resource: Resource, own: str, *path: str | int) -> list[Any]:
        """The values a member of an object has had, repetitions removed; None while it was absent."""
        return self.told(resource, own, lambda obj: dig(obj, *path))

    def told(self, resource: Resource, own: str, read: Callable[[Any], Any]) -> list[Any]:
        values: list[Any] = []
        for _, changed, _old, new in self.changes:
            if changed == resource and new is not None and name(new) == own:
                value = read(new)
                if not values or values[-1] != value:
                    values.append(value)
        return values

    def ready_history(self, resource: Resource, own: str = "vm") -> list[tuple[str, str] | None]:
        """The Ready condition as (status, reason)."""
        return self.told(resource, own, lambda obj: _brief(condition(obj, "Ready")))

    def statuses(self, own: str = "vm") -> list[Any]:
        return self.history(VIRTUAL_MACHINES, own, "status", "printableStatus")

    def events(self, own: str, kind: str) -> list[tuple[str, str, str, int]]:
        """Events about an object: type, reason, message, count; in the order in which they were first told."""
        found = [
            one
            for one in self.informer(EVENTS).objects()
            if one["involvedObject"]["name"] == own and one["involvedObject"]["kind"] == kind
        ]
        found.sort(key=lambda one: int(one["metadata"]["name"].rpartition(".")[2], 16))
        return [(one["type"], one["reason"], one["message"], one["count"]) for one in found]


def _brief(found):
    return None if found is None else (found["status"], found.get("reason", ""))


@pytest.fixture
def make_world():
    """How to make a cluster of another kind."""
    return World


@pytest.fixture
async def world():
    """A cluster with two nodes, at the pace the recordings were made at."""
    async with World().running() as made:
        yield made
