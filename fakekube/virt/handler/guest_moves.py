"""What a guest that migrates does next, as the node it is on sees it: the step, when it is due, and what goes wrong. Pure.

What is written at each step is `migration`'s, and `two_sides`' where the guest is to go to another instance.
Origin: kubevirt: pkg/virt-handler/migration-source.go, migration-target.go
"""

from msgspec import Struct

from fakekube.machinery.objects import annotations, dig
from fakekube.machinery.wire import Object
from fakekube.virt import changed_blocks, sides
from fakekube.virt.handler import copying, two_sides
from fakekube.virt.handler.fates import BLOCKED_TARGET, FAILED_MIGRATION, NONE, Fate
from fakekube.virt.handler.migration import Step, next_step

_BROKEN = (
    "Live migration failed error encountered during MigrateToURI3 libvirt api call: "
    "virError(Code=1, Domain=7, Message='internal error: client socket is closed')"
)


class Launchers(Struct, frozen=True):
    """The launcher pods of a guest, as far as they run: where it is, and where it migrates to."""

    here: Object | None
    target: Object | None = None
    ended: bool = False  # the one here has ended
    address: str = ""  # the target's node, on the network for migrations, if there is one


class Origin(Struct, frozen=True):
    """The instance a guest comes from, as far as there is one, and what it has in store."""

    vmi: Object | None = None
    fate: Fate = NONE


class Moves:
    """One look at a migration that was handed over to the nodes. `step` is what comes next."""

    def __init__(self, vmi: Object, now: str, *, fate: Fate, launchers: Launchers, origin: Origin) -> None:
        self._vmi, self._now = vmi, now
        self._fate = fate
        self._launchers = launchers
        self._origin = origin
        self.step = self._next()

    def how(self) -> str | None:
        """`step`, or `copied` when the memory has to be copied before it; None while there is nothing to do."""
        if self.step is None or (self.step.name == "prepare" and self._waits()):
            return None
        if self.step.copies:
            return None if self._fate.target_dies else "copied"
        return "step"

    def _waits(self) -> bool:
        """Whether it cannot begin: for want of a target, or while the guest is backed up."""
        blocked = BLOCKED_TARGET in annotations(self._vmi)
        return self._launchers.target is None or blocked or changed_blocks.job(self._vmi) is not None

    def _next(self) -> Step | None:
        target = self._launchers.target
        own = dig(target, "status", "hostIP") or dig(target, "status", "podIP", default="")
        address = self._launchers.address or own
        if sides.receives(self._vmi):
            source = two_sides.Source(self._origin.vmi, self._comes_through)
            return two_sides.coming(self._vmi, self._now, address, source)
        if sides.sends(self._vmi):
            return two_sides.leaving(self._vmi, self._of(self._vmi, self._fate))
        return self._of(self._vmi, self._fate, address)

    def _of(self, vmi: Object, fate: Fate, address: str = "") -> Step | None:
        return next_step(
            vmi,
            self._now,
            address=address,
            fails=_failure(vmi, fate),
            stuck=fate.stuck_migration,
            takes=fate.migration_takes,
        )

    def _comes_through(self) -> bool:
        """Whether the guest leaves the other instance, as things are there."""
        step = self._of(self._origin.vmi, self._origin.fate) if self._origin.vmi is not None else None
        return step is not None and step.name == "arrive"


def _failure(vmi: Object, fate: Fate) -> str:
    """What goes wrong with the copying of a guest's memory."""
    if FAILED_MIGRATION in annotations(vmi):
        return "Failed migration to satisfy functional test condition"
    return _BROKEN if fate.fail_migration else ""


def copying_takes(fate: Fate, vmi: Object, origin: Origin | None = None) -> float | None:
    """How long its fate, or else the migration's settings, have a guest's memory be copied; None: as the pace has it."""
    if origin is not None and origin.vmi is not None:
        return copying_takes(origin.fate, origin.vmi)
    if fate.stuck_migration:
        return float(copying.patience(vmi))
    return copying.seconds(vmi, fate.migration_takes)
