"""What the nodes know of their guests: caches of instances and launchers, and a memory of what is written nowhere. It is
what stages are told: `guest.…` (`guest_view`) and `launcher.…` (`launcher`).
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock, parse_rfc3339
from fakekube.lifecycle.match import duration
from fakekube.machinery.objects import FINAL, controller_of, dig, key, namespace, uid
from fakekube.machinery.resources import PODS, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt import sides
from fakekube.virt.handler import fates, probing
from fakekube.virt.handler.guest_moves import Launchers, Origin
from fakekube.virt.handler.guest_view import GuestView, Memory
from fakekube.virt.handler.launcher import LauncherView
from fakekube.virt.handler.nodes import Heartbeats

ON_NODE = ("Scheduled", "Running")  # phases in which an instance is a node's
_LEFT, _AWAITED = (
    "left",
    "awaited",
)  # guests that go from one instance to another: by the uid of the one they leave
_MOST_FAILED = 4_096  # machines whose failed boots are counted
_A_SECOND = 1.0  # the resolution of timestamps in objects


class Knowledge:
    """See the module text."""

    def __init__(self, client: Client, heartbeats: Heartbeats, clock: Clock) -> None:
        self._clock = clock
        self._heartbeats = heartbeats
        self._memories: dict[str, Memory] = {}  # by VMI key
        # By the uid of the machine, or the key of an instance that has none: over all its incarnations.
        self._failed_boots: OrderedDict[str, int] = OrderedDict()
        self.listening: Callable[[str], Collection[int]] = lambda _uid: ()  # ports servers in it listen on
        self.vmis = Informer(client, VIRTUAL_MACHINE_INSTANCES, clock=clock)
        self.vmis.on_change(self._forget)
        self.vmis.add_index(_LEFT, _uid_of_left)
        self.vmis.add_index(_AWAITED, _uid_of_awaited)
        self.pods = Informer(client, PODS, clock=clock, label_selector="kubevirt.io=virt-launcher")
        self.pods.add_index("owner", _owner_uid)

    def guest(self, vmi: Object) -> Mapping[str, Any]:
        """What stages of a guest are told; nothing, where no virt-handler looks after it."""
        node = dig(vmi, "status", "nodeName", default="")
        if dig(vmi, "status", "phase") not in ON_NODE or not self._heartbeats.beats_on(node):
            return {}
        now, fate = self._clock.now(), fates.of(vmi)
        here = target = None
        ended = False
        onward = dig(vmi, "status", "migrationState", "targetNode", default="")
        for pod in self.pods.by_index("owner", uid(vmi)):
            where, phase = dig(pod, "spec", "nodeName"), dig(pod, "status", "phase")
            if phase == "Running":
                here = pod if where == node and here is None else here
                target = pod if where == onward and target is None else target
            elif phase in FINAL and where == node:
                ended = True
        address = self._heartbeats.migration_address(onward) if target is not None else ""
        launchers = Launchers(here, target, ended, address)
        memory = self._remember(vmi, now, fate)
        view = GuestView(
            vmi,
            now,
            fate=fate,
            memory=memory,
            launchers=launchers,
            origin=self.origin_of(vmi),
            movable=self._heartbeats.is_movable,
        )
        return {"guest": view}

    def origin_of(self, vmi: Object) -> Origin:
        """Where its guest comes from, if it comes from another instance."""
        for identity in _uid_of_awaited(vmi):
            for one in self.vmis.by_index(_LEFT, identity):
                return Origin(one, fates.of(one))
        return Origin()

    def receivers_of(self, vmi: Object) -> Iterable[Object]:
        """The instances its guest is on the way to."""
        return self.vmis.by_index(_AWAITED, uid(vmi)) if sides.sends(vmi) else ()

    def launcher(self, pod: Object) -> Mapping[str, Any]:
        """What stages of a launcher are told; nothing, where its guest is not known."""
        owner = controller_of(pod)
        vmi = self.vmis.get(f"{namespace(pod)}/{owner['name']}") if owner else None
        if vmi is None or owner is None or uid(vmi) != owner["uid"]:
            return {}
        now, fate = self._clock.now(), fates.of(vmi)
        known = fate is not fates.NONE and dig(vmi, "status", "phase") in ON_NODE
        memory = self._remember(vmi, now, fate) if known else Memory("")
        listening = self.listening(uid(vmi)) if probing.probes(vmi) else ()
        view = LauncherView(pod, vmi, now, fate=fate, memory=memory, listening=listening)
        return {"launcher": view}

    def agent_works(self, vmi: Object, *, works: bool) -> None:
        """Somebody in the guest has started its agent, or stopped it."""
        now = self._clock.now()
        self._remember(vmi, now, fates.of(vmi)).agent_stopped = not works

    def kill(self, vmi: Object) -> None:
        """Its QEMU has been killed."""
        self._remember(vmi, self._clock.now(), fates.of(vmi)).killed = True

    def thaw_later(self, vmi: Object, timeout: Any) -> None:
        """Its file systems are being frozen: for so long, or until somebody thaws them."""
        now = self._clock.now()
        wait = duration(timeout, now) if timeout else None
        self._remember(vmi, now, fates.of(vmi)).thaws = now + timedelta(seconds=wait) if wait else None

    def _remember(self, vmi: Object, now: datetime, fate: fates.Fate) -> Memory:
        own, phase = key(vmi), dig(vmi, "status", "phase")
        memory = self._memories.get(own)
        if memory is None or memory.uid != uid(vmi):
            memory = self._memories[own] = Memory(uid(vmi))
            if phase == "Scheduled" and fate.failed_boots:
                memory.boot_fails = self._fails_again(vmi, fate.failed_boots)
        if memory.started is None and phase == "Running":
            memory.started = _running_since(vmi, now)
        return memory

    def _fails_again(self, vmi: Object, times: int) -> bool:
        """Whether it has not failed that often yet. When a machine goes is not known here: the last ones are remembered."""
        machine = controller_of(vmi)
        own = machine["uid"] if machine else key(vmi)
        before = self._failed_boots.get(own, 0)
        if before >= times:
            return False
        self._failed_boots[own] = before + 1
        self._failed_boots.move_to_end(own)
        if len(self._failed_boots) > _MOST_FAILED:
            self._failed_boots.popitem(last=False)
        return True

    def _forget(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._memories.pop(key(old), None)


def _running_since(vmi: Object, now: datetime) -> datetime:
    """When the guest began to run; timestamps say that only to the second, so `now` stands for one that has just begun."""
    for one in dig(vmi, "status", "phaseTransitionTimestamps", default=()):
        if one.get("phase") == "Running":
            since = parse_rfc3339(one["phaseTransitionTimestamp"])
            return now if 0 <= (now - since).total_seconds() < _A_SECOND else min(since, now)
    return now


def _owner_uid(obj: Object) -> Iterable[str]:
    owner = controller_of(obj)
    return (owner["uid"],) if owner else ()


def _uid_of_left(vmi: Object) -> Iterable[str]:
    return (uid(vmi),) if sides.sends(vmi) else ()


def _uid_of_awaited(vmi: Object) -> Iterable[str]:
    source = sides.of(vmi, sides.SOURCE).get("virtualMachineInstanceUID") if sides.receives(vmi) else None
    return (source,) if source else ()
