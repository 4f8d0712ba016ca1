"""virt-handler and the guests of all nodes as one actor: a VMI that is Scheduled boots, runs and ends here.

The order of writes is the contract real controllers rely on: Running comes with its entry in phaseTransitionTimestamps,
events follow the write they tell of, no finalizer is ever touched. What is to happen when is decided by `due`, from the
fate (`fates`) and the pace (`paces`); how a guest looks is `domain`'s, live migration `migration`'s.
Origin: kubevirt: pkg/virt-handler/vm.go
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.clock import Clock, parse_rfc3339, rfc3339
from fakekube.ids import Ids
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import (
    condition_is,
    conditions,
    controller_of,
    dig,
    is_terminating,
    key,
    name,
    namespace,
    uid,
)
from fakekube.machinery.resources import PODS, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt.handler import commands, domain, fates, launcher, migration, plugging, rfb, shell, streams
from fakekube.virt.handler.fates import Fate
from fakekube.virt.handler.nodes import Heartbeats
from fakekube.virt.handler.paces import PACES, Pace, PaceName

_FINAL = ("Succeeded", "Failed")
_ATTEMPTS = 5
_SYNC_RETRY = 10.0  # seconds
_SYNC_ERROR = (
    "server error. command SyncVMI failed: \"LibvirtError(Code=1, Domain=10, Message='internal error: "
    "process exited while connecting to monitor')\""
)
_DUE = 1e-6  # seconds: "due" must not hang on the last bit of a difference of floats


@dataclass(slots=True)
class _Guest:
    """What the node remembers of one guest."""

    uid: str
    scheduled: float  # clock.monotonic() when the node saw it first
    started: float | None = None
    signalled: float | None = None  # when the guest was told to shut down
    flips: int = 0
    errored: bool = False
    failing_boot: bool = False
    next_try: float = 0.0  # to define its domain, after that has failed
    moving: migration.Progress = field(default_factory=migration.Progress)


class VirtHandler:
    """See the module text."""

    name = "virt-handler"

    def __init__(
        self, client: Client, *, clock: Clock, ids: Ids, pace: PaceName = "instant", workers: int = 1
    ) -> None:
        self._client = client
        self._clock = clock
        self._ids = ids
        self._pace: Pace = PACES[pace]
        self._guests: dict[str, _Guest] = {}
        self._failed_boots: dict[str, int] = {}  # per VMI key, over all its incarnations
        self._recorders: dict[tuple[str, str], Recorder] = {}  # by node and component
        self._tasks: asyncio.TaskGroup | None = None
        self._vmis = Informer(client, VIRTUAL_MACHINE_INSTANCES, clock=clock)
        self._pods = Informer(client, PODS, clock=clock, label_selector="kubevirt.io=virt-launcher")
        self._pods.add_index("owner", _owner_uid)
        self.controller = Controller(self.name, self._reconcile, clock=clock, workers=workers)
        self.controller.source(self._vmis)
        self.controller.source(self._pods, _vmi_key)
        self._heartbeats = Heartbeats(client, clock=clock)
        self._heartbeats.on_change(self._wake)
        self._streams = streams.Streams(clock, self._act_inside)

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on, and every event has been sent."""
        idle = self.controller.idle and self._heartbeats.controller.idle
        return idle and all(one.idle for one in self._recorders.values())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for recorder in self._recorders.values():
                tasks.create_task(recorder.run())
            tasks.create_task(self._heartbeats.controller.run())
            tasks.create_task(self.controller.run())

    # One look at one VMI.

    async def _reconcile(self, own: str) -> Result | None:
        vmi = self._vmis.get(own)
        guest = self._guests.get(own)
        if vmi is None:
            gone = self._guests.pop(own, None)
            if gone is not None:
                await self._streams.hang_up(gone.uid)
            return None
        phase = dig(vmi, "status", "phase", default="")
        if phase in _FINAL:
            await self._streams.hang_up(uid(vmi))
            await self._end_launchers(vmi)
            return None
        node = dig(vmi, "status", "nodeName", default="")
        if phase not in ("Scheduled", "Running") or not self._heartbeats.beats_on(node):
            return None
        if guest is None or guest.uid != uid(vmi):
            guest = self._guests[own] = _Guest(uid(vmi), self._clock.monotonic())
        pod = self._pod_on(vmi, node)
        if pod is None:
            await self._mourn(vmi, node)
            return None
        fate = fates.of(vmi)
        if is_terminating(vmi) or (is_terminating(pod) and phase == "Running"):
            return await self._shut_down(vmi, guest, fate)
        if phase == "Scheduled":
            return await self._boot(vmi, guest, fate, pod)
        return await self._live(vmi, guest, fate, pod)

    def _pod_on(self, vmi: Object, node: str) -> Object | None:
        for pod in self._pods.by_index("owner", uid(vmi)):
            if dig(pod, "spec", "nodeName") == node and dig(pod, "status", "phase") == "Running":
                return pod
        return None

    def _wake(self, node: str) -> None:
        """The virt-handler of a node lives again: look at all its guests."""
        for vmi in self._vmis.objects():
            if dig(vmi, "status", "nodeName") == node:
                self.controller.queue.add(key(vmi))

    async def _mourn(self, vmi: Object, node: str) -> None:
        """A guest whose launcher has ended without it is lost."""
        for pod in self._pods.by_index("owner", uid(vmi)):
            if dig(pod, "spec", "nodeName") == node and dig(pod, "status", "phase") in _FINAL:
                await self._finish(vmi, "Failed")
                return

    async def _boot(self, vmi: Object, guest: _Guest, fate: Fate, pod: Object) -> Result | None:
        wait = guest.scheduled + (self._pace.boot if fate.boot_after is None else fate.boot_after)
        if (left := wait - self._clock.monotonic()) > _DUE:
            return Result(requeue_after=left)
        own = key(vmi)
        if guest.failing_boot or self._failed_boots.get(own, 0) < fate.failed_boots:
            if not guest.failing_boot:
                self._failed_boots[own] = self._failed_boots.get(own, 0) + 1
                guest.failing_boot = True
            await self._finish(vmi, "Failed")
            return None
        if fate.fail_to_sync:
            return await self._fail_to_sync(vmi, guest)
        agent = self._agent_delay(vmi, fate) == 0
        running = self._running(vmi, pod, agent=agent)
        await self._client.update(VIRTUAL_MACHINE_INSTANCES, running)
        guest.started = self._clock.monotonic()
        self._tell(vmi, NORMAL, "Created", "VirtualMachineInstance defined.")
        self._tell(vmi, NORMAL, "Started", "VirtualMachineInstance started.")
        return self._next(running, guest, fate)

    async def _fail_to_sync(self, vmi: Object, guest: _Guest) -> Result:
        """Tell it as often as virt-handler tries again."""
        now = self._clock.monotonic()
        if (left := guest.next_try - now) > _DUE:
            return Result(requeue_after=left)
        guest.next_try = now + _SYNC_RETRY
        told: Object = {
            "type": "Synchronized",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": self._now(),
            "reason": "Synchronizing with the Domain failed.",
            "message": _SYNC_ERROR,
        }
        if not condition_is(vmi, "Synchronized", "False"):
            await self._put(commands.with_condition(vmi, told))
        self._tell(vmi, WARNING, "SyncFailed", _SYNC_ERROR)
        return Result(requeue_after=_SYNC_RETRY)

    def _running(self, vmi: Object, pod: Object, *, agent: bool) -> Object:
        status: Object = dict(vmi.get("status") or {})
        listed = conditions(vmi)
        told = domain.migratability(vmi)
        if dig(vmi, "spec", "startStrategy") == "Paused":
            told.append(commands.paused("PausedByUser", "VMI was paused by user", self._now()))
        kinds = {one["type"] for one in told}
        status["conditions"] = [*(one for one in listed if one["type"] not in kinds), *told]
        status |= {
            "phase": "Running",
            "phaseTransitionTimestamps": self._transitions(vmi, "Running"),
            "interfaces": domain.interfaces(vmi, pod, agent=False),
            "volumeStatus": domain.volume_statuses(vmi),
            "machine": {"type": domain.MACHINE_TYPE},
            "memory": domain.memory(vmi),
            "migrationMethod": domain.migration_method(vmi),
            "selinuxContext": "none",
        }
        status.setdefault("currentCPUTopology", domain.cpu_topology(vmi))
        status.setdefault("guestOSInfo", {})
        made = {**vmi, "status": {member: value for member, value in status.items() if value != []}}
        return self._with_agent(made, pod) if agent else made

    def _with_agent(self, vmi: Object, pod: Object) -> Object:
        status = dict(vmi["status"])
        connected = {
            "type": "AgentConnected",
            "status": "True",
            "lastTransitionTime": None,
            "lastProbeTime": self._now(),
        }
        status["conditions"] = [
            *(one for one in conditions(vmi) if one["type"] != "AgentConnected"),
            connected,
        ]
        status["guestOSInfo"] = domain.guest_os(vmi)
        status["interfaces"] = domain.interfaces(vmi, pod, agent=True)
        return {**vmi, "status": status}

    def _without_agent(self, vmi: Object, pod: Object) -> Object:
        """What it told stays known; addresses are the domain's again."""
        gone = commands.without_condition(vmi, "AgentConnected")
        interfaces = domain.interfaces(vmi, pod, agent=False)
        status = {
            **gone["status"],
            "interfaces": [{k: v for k, v in one.items() if k != "interfaceName"} for one in interfaces],
        }
        return {**gone, "status": status}

    # While it runs.

    async def _live(self, vmi: Object, guest: _Guest, fate: Fate, pod: Object) -> Result | None:
        if guest.started is None:  # it was running before this actor was
            guest.started = self._clock.monotonic() - self._running_for(vmi)
        age = self._clock.monotonic() - guest.started
        if fate.crash_after is not None and age >= fate.crash_after - _DUE:
            await self._finish(vmi, "Failed")
            return None
        if fate.shutdown_after is not None and age >= fate.shutdown_after - _DUE:
            await self._finish(vmi, "Succeeded")
            return None
        if fate.io_error_after is not None and age >= fate.io_error_after - _DUE and not guest.errored:
            guest.errored = True
            reason, text = "PausedIOError", "VMI was paused, low-level IO error detected"
            await self._put(commands.with_condition(vmi, commands.paused(reason, text, self._now())))
            return self._next(vmi, guest, fate)
        if (how := self._launcher_dies(fate, age)) is not None:
            await self._kill_launcher(pod, how)
            return None
        if fate.agent_lost_after is not None and age >= fate.agent_lost_after - _DUE:
            if condition_is(vmi, "AgentConnected"):
                await self._put(self._without_agent(vmi, pod))
                return self._next(vmi, guest, fate)
        elif self._agent_is_due(vmi, fate, age):
            await self._put(self._with_agent(vmi, pod))
            return self._next(vmi, guest, fate)
        if fate.flap_readiness:
            await self._flap(pod, guest, fate.flap_readiness, age)
        if (plugged := plugging.next_step(vmi, self._clock.now())) is not None:
            entries, told = plugged
            changed = await self._put({**vmi, "status": {**vmi["status"], "volumeStatus": entries}})
            for reason, message in told:
                self._tell(changed, NORMAL, reason, message)
            return self._next(vmi, guest, fate)
        return await self._move(vmi, guest, fate, pod) or self._next(vmi, guest, fate)

    def _agent_is_due(self, vmi: Object, fate: Fate, age: float) -> bool:
        agent = self._agent_delay(vmi, fate)
        return agent is not None and age >= agent - _DUE and not condition_is(vmi, "AgentConnected")

    @staticmethod
    def _launcher_dies(fate: Fate, age: float) -> launcher.Exit | None:
        if fate.oom_after is not None and age >= fate.oom_after - _DUE:
            return launcher.OUT_OF_MEMORY
        if fate.liveness_fails_after is not None and age >= fate.liveness_fails_after - _DUE:
            return launcher.KILLED
        return None

    async def _kill_launcher(self, pod: Object, how: launcher.Exit) -> None:
        """As the kubelet does; that the guest is gone shows when the pod has ended."""
        if how is launcher.KILLED:
            kubelet = self.recorder(dig(pod, "spec", "nodeName", default=""), "kubelet")
            kubelet.event(pod, WARNING, "Unhealthy", "Liveness probe failed: ")
            message = "Container compute failed liveness probe, will be restarted"
            kubelet.event(pod, NORMAL, "Killing", message)
        await self.end_launcher(pod, how)

    def _next(self, vmi: Object, guest: _Guest, fate: Fate) -> Result | None:
        """When to look again: at the first thing that has not happened yet."""
        if guest.started is None:
            return None
        age = self._clock.monotonic() - guest.started
        due = [fate.crash_after, fate.shutdown_after, fate.oom_after, fate.liveness_fails_after]
        due.append(fate.agent_lost_after)
        if not guest.errored:
            due.append(fate.io_error_after)
        if not condition_is(vmi, "AgentConnected"):
            due.append(self._agent_delay(vmi, fate))
        if fate.flap_readiness:
            due.append((guest.flips + 1) * fate.flap_readiness)
        left = [moment - age for moment in due if moment is not None and moment > age + _DUE]
        return Result(requeue_after=min(left)) if left else None

    async def _move(self, vmi: Object, guest: _Guest, fate: Fate, pod: Object) -> Result | None:
        """Take the next step of a live migration, once it is due."""
        target = self._pod_on(vmi, dig(vmi, "status", "migrationState", "targetNode", default=""))
        address = dig(target, "status", "hostIP") or dig(target, "status", "podIP", default="")
        step = migration.next_step(
            vmi, self._now(), address=address, fails=fate.fail_migration, stuck=fate.stuck_migration
        )
        if step is None or (step.name == "prepare" and target is None):
            return None
        moment = self._clock.monotonic()
        if guest.moving.step != step.name:
            guest.moving = migration.Progress(step.name, moment)
        takes = self._pace.migration_step
        if step.copies:
            takes = self._pace.migration_copy if fate.migration_takes is None else fate.migration_takes
            takes = migration.STUCK_SECONDS if fate.stuck_migration else takes
        if (left := guest.moving.since + takes - moment) > _DUE:
            return Result(requeue_after=left)
        if step.copies and fate.target_dies:
            if target is not None:
                await self.end_launcher(target, launcher.FAILED)
            return None  # the migration controller sees it
        changed = step.vmi
        if step.name == "complete":
            agent = condition_is(vmi, "AgentConnected")
            changed = {
                **changed,
                "status": {**domain.updated(changed), "interfaces": domain.interfaces(vmi, pod, agent=agent)},
            }
        await self._put(changed)
        for kind, reason, message in step.events:
            self._tell(changed, kind, reason, message)
        if step.ended_pod and (ended := self._pods.get(f"{namespace(vmi)}/{step.ended_pod}")) is not None:
            await self.end_launcher(ended, launcher.COMPLETED)
        return None

    def _agent_delay(self, vmi: Object, fate: Fate) -> float | None:
        if fate.no_agent:
            return None
        if fate.agent_after is not None:
            return fate.agent_after
        return self._pace.agent if domain.has_agent(vmi) else None

    def _running_for(self, vmi: Object) -> float:
        since = next(
            (
                one["phaseTransitionTimestamp"]
                for one in dig(vmi, "status", "phaseTransitionTimestamps", default=())
                if one.get("phase") == "Running"
            ),
            None,
        )
        return max(0.0, (self._clock.now() - parse_rfc3339(since)).total_seconds()) if since else 0.0

    async def _flap(self, pod: Object, guest: _Guest, period: float, age: float) -> None:
        """Turn the launcher's readiness over at the end of each period."""
        turns = int((age + _DUE) / period)
        if turns <= guest.flips:
            return
        guest.flips = turns
        unready = turns % 2 == 1
        ready: Object = {
            "type": "Ready",
            "status": "False" if unready else "True",
            "lastTransitionTime": self._now(),
        }
        ready["reason"] = "ContainersNotReady" if unready else None
        ready["message"] = "containers with unready status: [compute]" if unready else None
        contained = {**ready, "type": "ContainersReady"}
        if unready:
            kubelet = self.recorder(dig(pod, "spec", "nodeName", default=""), "kubelet")
            kubelet.event(pod, WARNING, "Unhealthy", "Readiness probe failed: ")
        patch = {
            "status": {
                "conditions": [ready, contained],
                "containerStatuses": [{"name": "compute", "ready": not unready}],
            }
        }
        await self._client.patch(
            PODS, name(pod), namespace(pod), patch, type="strategic", subresource="status"
        )

    # The end.

    async def _shut_down(self, vmi: Object, guest: _Guest, fate: Fate) -> Result | None:
        """The VMI or its launcher is being deleted: signal the guest, give it its time, then it is gone either way."""
        if fate.stuck_in_deletion:
            return None
        now = self._clock.monotonic()
        grace = float(dig(vmi, "spec", "terminationGracePeriodSeconds", default=30))
        if guest.signalled is None:
            guest.signalled = now
            if grace > 0:
                self._tell(vmi, NORMAL, "ShuttingDown", "Signaled Graceful Shutdown")
        killed = fate.ignore_shutdown or self._pace.shutdown > grace > 0
        takes = min(grace, self._pace.shutdown) if not fate.ignore_shutdown else grace
        if (left := guest.signalled + takes - now) > _DUE:
            return Result(requeue_after=left)
        never_ran = dig(vmi, "status", "phase") == "Scheduled"
        phase = "Failed" if never_ran or (killed and grace > 0) else "Succeeded"
        await self._finish(vmi, phase, deleted=is_terminating(vmi))
        return None

    async def _finish(self, vmi: Object, phase: str, *, deleted: bool = False) -> None:
        status = {**vmi["status"], "phase": phase, "phaseTransitionTimestamps": self._transitions(vmi, phase)}
        await self._client.update(VIRTUAL_MACHINE_INSTANCES, {**vmi, "status": status})
        if deleted:
            self._tell(vmi, NORMAL, "Deleted", "Signaled Deletion")
        if phase == "Failed":
            self._tell(vmi, WARNING, "Stopped", "The VirtualMachineInstance crashed.")
        else:
            self._tell(vmi, NORMAL, "Stopped", "The VirtualMachineInstance was shut down.")

    async def _end_launchers(self, vmi: Object) -> None:
        """The guest is gone, so its launcher exits."""
        how = launcher.FAILED if dig(vmi, "status", "phase") == "Failed" else launcher.COMPLETED
        for pod in self._pods.by_index("owner", uid(vmi)):
            if dig(pod, "status", "phase") == "Running":
                await self.end_launcher(pod, how)

    async def end_launcher(self, pod: Object, how: launcher.Exit) -> None:
        """Report a launcher pod's process as exited."""
        if dig(pod, "status", "phase") in _FINAL:
            return
        body = {**pod, "status": launcher.ended(pod, how, self._now())}
        try:
            await self._client.update(PODS, body, subresource="status")
        except NotFound:
            return

    # Commands from virt-api.

    async def command(self, namespace: str, name: str, verb: str, options: dict[str, Any]) -> Object | None:
        """Carry out what a subresource asks of a guest; answers only the commands that ask something of its agent."""
        del options  # none of the commands known here has any
        if verb == "screenshot":
            return {"image": rfb.screenshot()}
        for attempt in range(_ATTEMPTS):
            vmi = await self._client.get(VIRTUAL_MACHINE_INSTANCES, name, namespace)
            told = commands.answer(vmi, verb)
            if told is not None:
                return told
            changed = commands.applied(vmi, verb, self._now())
            if verb in ("reset", "softreboot"):
                self._streams.rebooted(uid(vmi))
            if changed == vmi:
                return None
            try:
                await self._put(changed)
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return None
        return None

    async def open(
        self, namespace: str, name: str, kind: streams.Kind, port: int = 0, protocol: str = "tcp"
    ) -> streams.Serve:
        """How to talk to a guest's console, screen or port. Raises ApiError."""
        vmi = await self._client.get(VIRTUAL_MACHINE_INSTANCES, name, namespace)
        return self._streams.serve(vmi, kind, port, protocol)

    async def _act_inside(self, vmi: Object, deed: shell.Deed) -> None:
        """What somebody did to a guest from within."""
        if deed == "reboot" and dig(vmi, "spec", "rebootPolicy") != "Terminate":
            return
        for attempt in range(_ATTEMPTS):
            try:
                found = await self._client.get(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi))
                if uid(found) == uid(vmi) and dig(found, "status", "phase") == "Running":
                    await self._finish(found, "Failed" if deed == "panic" else "Succeeded")
            except NotFound:
                return
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    # Small things.

    async def _put(self, vmi: Object) -> Object:
        return await self._client.update(VIRTUAL_MACHINE_INSTANCES, vmi)

    def _transitions(self, vmi: Object, phase: str) -> list[Object]:
        known = list(dig(vmi, "status", "phaseTransitionTimestamps", default=()))
        if any(one.get("phase") == phase for one in known):
            return known
        return [*known, {"phase": phase, "phaseTransitionTimestamp": self._now()}]

    def _now(self) -> str:
        return rfc3339(self._clock.now())

    def _tell(self, vmi: Object, kind: str, reason: str, message: str) -> None:
        self.recorder(dig(vmi, "status", "nodeName", default="")).event(vmi, kind, reason, message)

    def recorder(self, node: str, component: str = name) -> Recorder:
        """The voice of the virt-handler on one node, or of the kubelet beside it."""
        found = self._recorders.get((node, component))
        if found is None:
            found = Recorder(self._client, component, clock=self._clock, ids=self._ids, host=node)
            self._recorders[node, component] = found
            if self._tasks is not None:
                self._tasks.create_task(found.run())
        return found


def _owner_uid(obj: Object) -> Iterable[str]:
    owner = controller_of(obj)
    return (owner["uid"],) if owner else ()


def _vmi_key(old: Object | None, new: Object | None) -> Iterable[str]:
    pod = new or old
    owner = controller_of(pod) if pod else None
    if pod is None or owner is None or owner.get("kind") != "VirtualMachineInstance":
        return ()
    return (f"{namespace(pod)}/{owner['name']}",)
