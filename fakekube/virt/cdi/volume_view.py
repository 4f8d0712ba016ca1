"""A DataVolume as its source, its claim and its fate determine it. Pure.

Names for stages (`stages/datavolume.yaml`); those that say nothing now are absent:

    state       where it stands, see below                       ends        `fail`, `error`, `stuck`: how it is to end otherwise
    beginsAfter · endsAfter   seconds its fate gives the two parts of a transfer
    pending · waiting · scheduled · inProgress · succeeded · failed   the status to write for each of these
    outdated    the status for the present phase, where it differs from what is there
    verb · running   words: Import, ImportInProgress
    beginning · goingOn · done · failure   messages: `Import into x scheduled`, `Successfully imported into PVC x`
    populator   what fills the claim in CDI's place
    binding     what there is to tell of the claim: once for Pending, once for Bound
    warning · refusing   what there is to tell of a claim that cannot be made: at once what it is about, and why
    lacking     what there is to tell of a source that is not there: its kind and name
    restarted   the status once the importer has been restarted · restartsAfter   seconds until then
    failing     what there is to tell of an importer that has just failed

States:
    overQuota · invalid      no claim can be made of it
    sourceless               none is made yet: what it is to be a clone of is not there
    adopted                  it has a claim that was there before, or whose volume was
    populated                somebody else fills its claim
    unbound · waits          its claim is not bound; it waits for a consumer
    new · bound              its claim is, before anything was told of it; after that
    scheduled                nothing is moved yet
    held                     until nobody uses a claim any more, and what the importer needs is there, or who receives an upload
    unpulled                 the node has not got its image yet
    transferring             something is moved
    awaiting · uploaded      an upload, and that it has come
    over                     it has ended, well or badly
    lost                     its claim has gone after all, and another one is to be filled
    unfillable               the claim's volume has gone
Origin: cdi: pkg/controller/datavolume/controller-base.go, conditions.go
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fakekube.lifecycle.view import View
from fakekube.machinery.objects import FINAL, Obj, annotations, dig, is_terminating, key, name
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import fates, needs, reaching
from fakekube.virt.cdi.claims import CREATED_FOR, PRE_POPULATED, USES_POPULATOR, came_filled
from fakekube.virt.cdi.sources import POPULATION, READY, Origin, populator_of, transfer_of, uploaded

_WAITING = ("WaitForFirstConsumer", "PendingPopulation")  # without a populator, and with one
_NO_VDDK = "AwaitingVDDK"
_BINDING = ("Pending", "Bound", "ClaimLost", _NO_VDDK)  # reasons that are told of
OVER_QUOTA = "ErrExceededQuota"
NOT_VALID = "ErrClaimNotValid"
NOT_RENDERED, NO_CLAIM = "NotFound", "No PVC found"

_BAD_DATA = "Unable to process data: exit status 1"


class Refusal(Struct, frozen=True):
    """Why a DataVolume has no claim: OVER_QUOTA, NOT_VALID or NOT_RENDERED; what is told at once, and the reason in full."""

    reason: str
    told: str
    why: str


class VolumeView(View):
    """The names above for one DataVolume, each computed when it is asked for. `claim`: its own, if there is one; `gone`: there
    is not even somebody else's; `held`: nothing may be moved yet; `lacks_vddk`: nobody has said which image has VDDK;
    `trouble`: why its image could not be had; `missing`, `origin`: what it is a clone of."""

    def __init__(
        self,
        volume: Object,
        claim: Obj | None,
        now: str,
        *,
        binds_late: bool,
        gone: bool = False,
        missing: Origin | None = None,
        origin: Origin | None = None,
        held: bool = False,
        lacks_vddk: bool = False,
        trouble: str = "",
        refusal: Refusal | None = None,
    ) -> None:
        self.volume = volume
        self._claim = claim
        self._now = now
        self._binds_late = binds_late
        self._gone = gone and PRE_POPULATED not in annotations(volume)
        self._missing = missing
        self._origin = origin or missing
        self._held = held
        self._lacks_vddk = lacks_vddk
        self._refusal = refusal
        self._status: dict[str, Any] = volume.get("status") or {}
        self._phase = str(self._status.get("phase") or "")
        self.transfer = transfer_of(volume, claim, self._origin)
        self.fate = fates.of(volume)
        self.error = trouble or reaching.failure(reaching.endpoint_of(volume))
        if self.fate.ends == "quota":
            text = f'persistentvolumeclaims "{name(volume)}" is forbidden: exceeded quota'
            self._refusal = Refusal(OVER_QUOTA, text, text)
        self._why = "Error"
        if self.error and not self.fate.ends:
            self.fate = replace(self.fate, ends="error")
            self._why = "ImagePullFailed" if _registry(volume) else "Error"
        self.error = self.error or reaching.NOT_FOUND

    def state(self) -> str | None:
        if is_terminating(self.volume):
            return None
        if self._phase in FINAL:
            if self._claim is not None:
                return "over"
            return "lost" if self._gone and self._phase == "Succeeded" else None
        if self._refusal is not None:
            return "overQuota" if self._refusal.reason == OVER_QUOTA else "invalid"
        if self._claim is None:
            return "sourceless" if self._missing is not None else None
        if came_filled(self._claim, self.volume):
            return "adopted"
        if self._is_lost():
            return "unfillable"
        waits = self._phase in ("Pending", *_WAITING)
        if dig(self._claim, "status", "phase") != "Bound":
            return "waits" if self._binds_late and waits else "unbound"
        if self.transfer is POPULATION:
            return "populated"
        if self._phase == "":
            return "new"
        if waits:
            return "bound"
        if self._held:
            return "held"
        if self._phase == self.transfer.scheduled:
            if not self.transfer.ends and READY not in annotations(self._claim):
                return "held"
            return "unpulled" if self._is_unpulled() else "scheduled"
        if self.transfer.ends:
            return "transferring"
        return "uploaded" if uploaded(self._claim) else "awaiting"

    def waiting(self) -> str:
        """The phase while nobody asks for its claim."""
        return _WAITING[annotations(self._claim or {}).get(USES_POPULATOR) == "true"]

    def part(self, share: float) -> float | None:
        return None if self.fate.takes is None else self.fate.takes * share

    def restarted(self) -> Object:
        made = self.status(self._phase)
        return {**made, "restartCount": int(made["restartCount"]) + 1}

    def restarts_after(self) -> float:
        return reaching.restarts_after(int(self._status.get("restartCount") or 1))

    def outdated(self) -> Object | None:
        state = self.state()
        if state in (None, "lost") or not (self._phase or state in ("invalid", "sourceless")):
            return None
        fresh = self.status(self._phase)
        return fresh if fresh != self._status else None

    def binding(self) -> list[dict[str, str]]:
        now, old = self._bound(), self._told("Bound")
        if now["reason"] == old.get("reason") or not (now["reason"] in _BINDING or self._is_unrendered()):
            return []
        return [{"reason": now["reason"], "message": now["message"]}]

    def _is_unrendered(self) -> bool:
        return self._refusal is not None and self._refusal.reason == NOT_RENDERED

    def refusing(self) -> list[dict[str, str]]:
        if self._refusal is None or self._is_unrendered():
            return []
        why = self._refusal.why
        told = {"reason": self._refusal.reason, "about": self._refusal.told, "message": why}
        return [told] if self._told("Bound").get("message") != why else []

    def warning(self) -> list[dict[str, str]]:
        return [one for one in self.refusing() if one["about"]]

    def lacking(self) -> list[dict[str, str]]:
        if self._missing is None or self._status.get("conditions"):
            return []
        return [{"kind": self._missing.kind, "name": self._missing.key.partition("/")[2]}]

    def failing(self) -> list[dict[str, str]]:
        old = self._told("Running")
        begun = self._phase in (self.transfer.scheduled, self.transfer.in_progress)
        fails = self.fate.ends == "error" and begun and old.get("reason") != self._why
        return [{"reason": self._why, "message": self.error}] if fails else []

    def status(self, phase: str) -> Object:
        """`status` in a phase."""
        made: Object = dict(self._status)
        if phase:
            made |= {"phase": phase, "claimName": name(self.volume)}
        if phase not in ("Failed", self._phase):  # how far it had come, or stages have said since
            made["progress"] = self._progress(phase)
        if (self._fails(phase) and not self._is_unpulled()) or (phase == "Failed" and not self._is_lost()):
            made["restartCount"] = int(made.get("restartCount") or 0) or 1
        bound, running = self._bound(), self._running(phase)
        ready = {**bound, "type": "Ready"} if self._refusal is not None else _ready(phase, running)
        wanted = [bound, ready, running]
        old = {one["type"]: one for one in made.get("conditions") or ()}
        made["conditions"] = [_timed(one, old.get(one["type"]), self._now) for one in wanted]
        return made

    def _told(self, kind: str) -> dict[str, Any]:
        """The condition of that type as it stands; empty if there is none."""
        return next((one for one in self._status.get("conditions") or () if one["type"] == kind), {})

    def _is_lost(self) -> bool:
        """Whether the volume of its claim has gone."""
        return bool(dig(self._claim, "status", "phase") == "Lost")

    def _was_plain(self) -> bool:
        """Whether its claim is one that CDI has not filled."""
        return self._claim is not None and CREATED_FOR not in annotations(self._claim)

    def _fails(self, phase: str) -> bool:
        if self._is_unpulled():
            return phase == self._phase == self.transfer.scheduled
        return self.fate.ends == "error" and phase == self.transfer.in_progress

    def _is_unpulled(self) -> bool:
        """Whether a node is to pull what is not there: the importer does not even begin."""
        return self._why == "ImagePullFailed" and _registry(self.volume).get("pullMethod") == "node"

    def _progress(self, phase: str) -> str:
        if self.transfer is POPULATION or self.state() == "adopted":
            return "N/A"
        if phase == "Succeeded":
            return "100.0%"
        return "42.00%" if phase == self.transfer.in_progress and self.transfer.tells_progress else "N/A"

    def text(self, template: str) -> str:
        """A message of its transfer."""
        origin = self._origin.key if self._origin is not None else "/"
        return template.format(name=name(self.volume), target=key(self.volume), origin=origin)

    def _bound(self) -> dict[str, Any]:
        own = name(self.volume)
        if self._refusal is not None:
            said = {"reason": self._refusal.reason, "message": self._refusal.why}
            return {"type": "Bound", "status": "False", **said}
        if self._claim is None:
            return {"type": "Bound", "status": "False", "reason": NOT_RENDERED, "message": NO_CLAIM}
        if self._is_lost():
            return {"type": "Bound", "status": "False", "reason": "ClaimLost", "message": "Claim Lost"}
        if self._lacks_vddk:
            return {"type": "Bound", "status": "False", "reason": _NO_VDDK, "message": needs.NO_VDDK}
        bound = dig(self._claim, "status", "phase") == "Bound"
        word = "Bound" if bound else "Pending"
        return {"type": "Bound", "status": str(bound), "reason": word, "message": f"PVC {own} {word}"}

    def _running(self, phase: str) -> dict[str, Any]:
        status, reason, message = "False", "", ""
        if self.transfer is POPULATION or self._was_plain():
            pass  # there has been no pod
        elif self._fails(phase):
            reason, message = self._why, self.error
        elif phase == "Failed" and not self._is_lost():
            reason, message = "Error", _BAD_DATA
        elif phase == self.transfer.in_progress:
            status, reason = "True", self.transfer.runs
        elif phase == "Succeeded":
            reason, message = "Completed", f"{self.transfer.verb} Complete"
        return {"type": "Running", "status": status, "reason": reason, "message": message}


VolumeView.computed = {
    "state": VolumeView.state,
    "ends": lambda view: view.fate.ends or None,
    "beginsAfter": lambda view: view.part(0.25),
    "endsAfter": lambda view: view.part(0.75),
    "pending": lambda view: view.status("Pending"),
    "waiting": lambda view: view.status(view.waiting()),
    "scheduled": lambda view: view.status(view.transfer.scheduled),
    "inProgress": lambda view: view.status(view.transfer.in_progress),
    "succeeded": lambda view: view.status("Succeeded"),
    "failed": lambda view: view.status("Failed"),
    "restarted": VolumeView.restarted,
    "restartsAfter": VolumeView.restarts_after,
    "outdated": VolumeView.outdated,
    "verb": lambda view: view.transfer.verb,
    "beginning": lambda view: view.text(view.transfer.beginning),
    "goingOn": lambda view: view.text(view.transfer.going_on),
    "done": lambda view: view.text(view.transfer.done),
    "failure": lambda view: view.text(view.transfer.failed),
    "running": lambda view: view.transfer.in_progress,
    "populator": lambda view: populator_of(view.volume) or None,
    "binding": VolumeView.binding,
    "failing": VolumeView.failing,
    "warning": VolumeView.warning,
    "refusing": VolumeView.refusing,
    "lacking": VolumeView.lacking,
}

NAMES = frozenset(f"volume.{key}" for key in VolumeView.computed)


def _registry(volume: Obj) -> dict[str, Any]:
    found: dict[str, Any] = dig(volume, "spec", "source", "registry", default={})
    return found


def _ready(phase: str, running: Obj) -> dict[str, Any]:
    reason = "TransferRunning" if running["status"] == "True" else ""
    return {"type": "Ready", "status": str(phase == "Succeeded"), "reason": reason}


def _timed(new: dict[str, Any], old: dict[str, Any] | None, now: str) -> dict[str, Any]:
    same = old is not None and all(old.get(member) == value for member, value in new.items())
    if same and old is not None:
        return old
    changed = old is None or old.get("status") != new["status"]
    moved = now if changed or old is None else old.get("lastTransitionTime", now)
    return {**new, "lastHeartbeatTime": now, "lastTransitionTime": moved}
