"""What a node makes of a guest: where it stands, and what is to become of it; the statuses its stages write are of
`guest_reports`. Pure.

Names for stages (`stages/guest.yaml`); those that say nothing now are absent:

    state       starting: its launcher runs, the guest does not yet · running · stopping: told to shut down ·
                cancelled: the same, before it ran · lost: its launcher has ended without it ·
                receiving: its launcher runs, the guest comes from another instance
    running · talking                       the status to write when it runs; the same, its agent connected at once
    failed · succeeded                      … when it has ended
    stranded    one item if it was about to leave for another instance when it was lost
    boot        `fails` or `refused`: what goes wrong with its start
    untold      exists until the refusal has been told; unsynced: the status that tells it; refusal: its text;
                retry: seconds until it is tried again
    bootAfter · agentAt · agentLostAt · crashAt · shutdownAt · errorAt     when that is to happen, where its fate says
    agent       `awaited` or `connected`, of a guest that has one; agentLater: exists if its fate has it come later
    connected · disconnected · paused       the status to write when its agent comes, when it goes, at a disk error
    unanswered  seconds until its agent will not have answered a ping, where a probe sends such
    disk        the name of its first disk, the one that has errors
    thawAt      when frozen file systems thaw by themselves; thawed: the status then
    plugged     the status in which plugged volumes have got one step further; plugging: what to tell of it
    left        the status in which volumes have gone that its spec has no more; leaving: what to tell of it;
                leaves: seconds until then, unless somebody says that they are detaching
    reconsidered    the status in which it can migrate, or cannot any more, since its claims are others
    rewired     the status in which links are up or down, and interfaces unplugged, as its spec says
    migration   the next step: `step`, or `copied` when the memory has to be copied before it; copying: for how long
    moved       metadata and status after that step; moveNotes · moveWarnings: what to tell of it
    grace       its grace period, unless there is none; hurry: exists in place of it
    obeys       it reacts to the signal to shut down
    deletion    one item if the instance is being deleted, none if only its launcher is

Origin: kubevirt: pkg/virt-handler/vm.go
"""

from datetime import datetime, timedelta

from msgspec import Struct

from fakekube.clock import rfc3339, rfc3339_micro
from fakekube.lifecycle.view import View
from fakekube.machinery.objects import condition_is, dig, is_terminating
from fakekube.machinery.wire import Object
from fakekube.virt import sides
from fakekube.virt.handler import domain, guest_moves, migratability, plugging, probing, systems
from fakekube.virt.handler.fates import Fate
from fakekube.virt.handler.guest_moves import Launchers, Moves, Origin
from fakekube.virt.handler.guest_reports import SYNC_ERROR, Reports
from fakekube.virt.handler.plugging import Step as Volumes

_SYNC_RETRY = 10.0  # seconds
_REFRESH = 1.0  # seconds, after which plugged volumes are looked at again
_STRANDED = "The VirtualMachineInstance's decentralized migration failed due to the source VMI being failed."


class Memory(Struct):
    """What the node remembers of one guest."""

    uid: str
    started: datetime | None = None
    boot_fails: bool = False
    killed: bool = False  # its QEMU, from the node
    agent_stopped: bool = False  # by somebody in the guest
    thaws: datetime | None = None  # when a freeze of its file systems is to end by itself


class GuestView(View):
    """The names above for one guest, each computed when it is asked for."""

    def __init__(
        self,
        vmi: Object,
        now: datetime,
        *,
        fate: Fate,
        memory: Memory,
        launchers: Launchers,
        origin: Origin | None = None,
        movable: migratability.Movable = migratability.immovable,
    ) -> None:
        self._vmi = vmi
        self._moment = now
        self.fate = fate
        self._memory = memory
        self._launchers = launchers
        self._origin = origin or Origin()
        self._movable = movable
        self._status: Object = vmi.get("status") or {}
        self._migrates: Moves | None = None

    @property
    def reports(self) -> Reports:
        return Reports(self._vmi, self._pod(), self._moment, self._movable)

    def state(self) -> str | None:
        starting = self._status.get("phase") == "Scheduled"
        receives = starting and sides.receives(self._vmi)
        pod = self._launchers.here
        if pod is None:
            return "lost" if self._launchers.ended and not receives else None
        if is_terminating(self._vmi) or (is_terminating(pod) and not starting):
            if self.fate.stuck_in_deletion:
                return None
            return "cancelled" if starting else "stopping"
        if receives:
            return "receiving"
        return "starting" if starting else "running"

    # Starting.

    def boot(self) -> str | None:
        if self._memory.boot_fails:
            return "fails"
        return "refused" if self.fate.fail_to_sync else None

    def untold(self) -> bool | None:
        return None if condition_is(self._vmi, "Synchronized", "False") else True

    # Running.

    def agent(self) -> str | None:
        fate = self.fate
        if condition_is(self._vmi, "AgentConnected"):
            return "connected"
        if (
            self._memory.agent_stopped
            or fate.no_agent
            or (fate.agent_after is None and not systems.has_agent(self._vmi))
        ):
            return None
        lost = fate.agent_lost_after
        return None if lost is not None and self._age() >= lost else "awaited"

    def unanswered(self) -> float | None:
        return probing.unanswered(self._vmi, self._pod(), self._moment)

    def disk(self) -> str | None:
        return str(dig(self._vmi, "spec", "domain", "devices", "disks", 0, "name", default="")) or None

    def crash_at(self) -> str | None:
        return rfc3339_micro(self._moment) if self._memory.killed else self.at(self.fate.crash_after)

    def thaw_at(self) -> str | None:
        frozen = self._status.get("fsFreezeStatus") == "frozen"
        return rfc3339_micro(self._memory.thaws) if frozen and self._memory.thaws else None

    def plugged(self) -> Object | None:
        return self._with_volumes(plugging.next_step(self._vmi, self._moment))

    def plugging(self) -> list[Object]:
        return _told(plugging.next_step(self._vmi, self._moment))

    def left(self) -> Object | None:
        return self._with_volumes(plugging.leave(self._vmi))

    def leaving(self) -> list[Object]:
        return _told(plugging.leave(self._vmi))

    def _with_volumes(self, step: Volumes | None) -> Object | None:
        return None if step is None else {**self._status, "volumeStatus": step[0]}

    def rewired(self) -> Object | None:
        agent = condition_is(self._vmi, "AgentConnected")
        fresh = domain.rewired(self._vmi, self._pod(), agent=agent)
        return None if fresh is None else {**self._status, "interfaces": fresh}

    def reconsidered(self) -> Object | None:
        return migratability.reconsidered(self._vmi, self._movable)

    # Migrating.

    def migration(self) -> str | None:
        moves = self._moves()
        return None if moves is None else moves.how()

    def copying(self) -> float | None:
        return guest_moves.copying_takes(self.fate, self._vmi, self._origin)

    def stranded(self) -> list[Object]:
        return [{"message": _STRANDED}] if self.reports.is_stranded() else []

    def moved(self) -> Object | None:
        moves = self._moves()
        if moves is None or moves.step is None:
            return None
        step = moves.step
        meta, status = step.vmi["metadata"], step.vmi["status"]
        if step.name == "leave":
            status = self.reports.ended("Succeeded")
        elif step.name == "arrive" and sides.receives(self._vmi):
            reports = Reports(step.vmi, self._pod(), self._moment, self._movable)
            status = reports.arrived(self._origin.vmi)
        elif step.name == "complete":
            agent = condition_is(self._vmi, "AgentConnected")
            status = {
                **domain.updated(step.vmi),
                "interfaces": domain.interfaces(self._vmi, self._pod(), agent=agent),
            }
        return {"metadata": meta, "status": status}

    def told_of_step(self, type_: str) -> list[Object]:
        moves = self._moves()
        events = moves.step.events if moves is not None and moves.step is not None else ()
        return [{"reason": reason, "message": text} for kind, reason, text in events if kind == type_]

    def _moves(self) -> Moves | None:
        if self._migrates is None and dig(self._status, "migrationState", "migrationUid"):
            self._migrates = Moves(
                self._vmi, self._now(), fate=self.fate, launchers=self._launchers, origin=self._origin
            )
        return self._migrates

    # Ending.

    def grace(self) -> float | None:
        return self._grace() or None

    def hurry(self) -> float | None:
        return 0.0 if self._grace() == 0 else None

    def obeys(self) -> bool | None:
        return None if self.fate.ignore_shutdown and self._grace() else True

    def _grace(self) -> float:
        return float(dig(self._vmi, "spec", "terminationGracePeriodSeconds", default=30))

    def deletion(self) -> list[Object]:
        return [{}] if is_terminating(self._vmi) else []

    def _pod(self) -> Object:
        return self._launchers.here or {}

    def _age(self) -> float:
        started = self._memory.started
        return (self._moment - started).total_seconds() if started else 0.0

    def at(self, after: float | None) -> str | None:
        return moment(self._memory, after)

    def _now(self) -> str:
        return rfc3339(self._moment)


def _told(step: Volumes | None) -> list[Object]:
    return [{"reason": reason, "message": text} for reason, text in (step[1] if step else ())]


def moment(memory: Memory, after: float | None) -> str | None:
    """When a guest has run for so long."""
    if after is None or memory.started is None:
        return None
    return rfc3339_micro(memory.started + timedelta(seconds=after))


GuestView.computed = {
    **{
        name: getattr(GuestView, name)
        for name in (
            "state",
            "boot",
            "untold",
            "agent",
            "unanswered",
            "plugged",
            "plugging",
            "left",
            "leaving",
            "rewired",
            "reconsidered",
            "disk",
            "migration",
            "copying",
            "stranded",
            "moved",
            "grace",
            "hurry",
            "obeys",
            "deletion",
        )
    },
    "running": lambda view: view.reports.running(),
    "talking": lambda view: view.reports.talking(),
    "unsynced": lambda view: view.reports.unsynced(),
    "connected": lambda view: view.reports.connected(),
    "disconnected": lambda view: view.reports.disconnected(),
    "paused": lambda view: view.reports.paused(),
    "thawed": lambda view: view.reports.thawed(),
    "failed": lambda view: view.reports.ended("Failed"),
    "succeeded": lambda view: view.reports.ended("Succeeded"),
    "thawAt": GuestView.thaw_at,
    "retry": lambda _view: _SYNC_RETRY,
    "leaves": lambda _view: _REFRESH,
    "refusal": lambda _view: SYNC_ERROR,
    "bootAfter": lambda view: view.fate.boot_after,
    "agentLater": lambda view: view.fate.agent_after or None,
    "agentAt": lambda view: view.at(view.fate.agent_after),
    "agentLostAt": lambda view: view.at(view.fate.agent_lost_after),
    "crashAt": GuestView.crash_at,
    "shutdownAt": lambda view: view.at(view.fate.shutdown_after),
    "errorAt": lambda view: view.at(view.fate.io_error_after),
    "moveNotes": lambda view: view.told_of_step("Normal"),
    "moveWarnings": lambda view: view.told_of_step("Warning"),
}

NAMES = frozenset(f"guest.{name}" for name in GuestView.computed)
