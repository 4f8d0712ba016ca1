"""A launcher pod as its guest determines it: how it ends, whether it is ready. Pure.

Guests end when they want to, not when the kubelet says so; hence the node side of KubeVirt tells how a launcher ended.

Names for stages (`stages/launcher.yaml`); those that say nothing now are absent:

    state       running, with its guest · over: its guest is gone · target: a guest is copied to it, and it is to die of it
    ended       the status to write when it is over: Succeeded, or Failed with its guest
    failed · killed · outOfMemory           the same for an end of its own
    outOfMemoryAt · unhealthyAt · copying   when that is to happen, where the guest's fate says
    flapping    ready or unready, where its readiness is to turn over; period: after how many seconds
    unready · ready                         what to write then
    readiness   `gained` or `lost`: where the outcome of its readiness probe is not yet the container's readiness
    readyAt     when probing begins, which it may be ready from on; lostIn: seconds until it is taken for unready
    dyingIn     seconds until a liveness probe that fails has failed often enough
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from fakekube.clock import rfc3339
from fakekube.lifecycle.view import View
from fakekube.machinery.objects import FINAL, Obj, dig, labels, name
from fakekube.machinery.objects import generation as generation_of
from fakekube.machinery.wire import Object
from fakekube.virt.handler import probing
from fakekube.virt.handler.fates import Fate
from fakekube.virt.handler.guest_moves import copying_takes
from fakekube.virt.handler.guest_view import Memory, moment

_TARGET_NODE = "kubevirt.io/migrationTargetNodeName"
_KEPT = "--keep-after-failure"
_OF_KUBELETS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")

Exit = tuple[int, str]  # exit code and reason of a container

COMPLETED: Exit = (0, "Completed")
FAILED: Exit = (1, "Error")
KILLED: Exit = (137, "Error")
OUT_OF_MEMORY: Exit = (137, "OOMKilled")


def ended(pod: Obj, how: Exit, now: str) -> Object:
    """The pod's status after its containers have exited: all there is to say, so that its kubelet has nothing to add.

    What runs beside the guest ends with it, in good order unless the guest did not.
    """
    code, reason = how
    failed = code != 0
    generation = generation_of(pod)
    status: Object = dict(pod.get("status") or {})
    status["phase"] = "Failed" if failed else "Succeeded"
    status["observedGeneration"] = generation
    status["containerStatuses"] = [
        _exited(one, code, reason, now) for one in status.get("containerStatuses") or ()
    ]
    if beside := status.get("initContainerStatuses"):
        end = FAILED if failed else COMPLETED
        status["initContainerStatuses"] = [
            _exited(one, *end, now) if dig(one, "state", "running") else one for one in beside
        ]
    status["conditions"] = [
        _over(one, now, generation, failed=failed) for one in status.get("conditions") or ()
    ]
    return status


def _exited(status: dict[str, Any], code: int, reason: str, now: str) -> dict[str, Any]:
    if dig(status, "state", "terminated"):
        return status
    terminated = {"exitCode": code, "reason": reason, "finishedAt": now}
    terminated["startedAt"] = dig(status, "state", "running", "startedAt") or now
    if identity := status.get("containerID"):
        terminated["containerID"] = identity
    return {**status, "state": {"terminated": terminated}, "ready": False, "started": False}


def _over(condition: dict[str, Any], now: str, generation: int, *, failed: bool) -> dict[str, Any]:
    """One of the kubelet's conditions of a pod that has ended; others stay as they are."""
    kind = condition.get("type")
    if kind not in _OF_KUBELETS:
        return condition
    told = {**condition, "observedGeneration": generation}
    if kind == "Initialized" and not failed:
        told["reason"] = "PodCompleted"
    if kind in ("Ready", "ContainersReady"):
        told.pop("message", None)
        told |= {"status": "False", "reason": "PodFailed" if failed else "PodCompleted"}
    if kind == "PodReadyToStartContainers":
        told["status"] = "False"
    if told["status"] != condition.get("status"):
        told["lastTransitionTime"] = now
    return told


class LauncherView(View):
    """The names above for one launcher pod, each computed when it is asked for. `vmi`: its guest, if there is one."""

    def __init__(
        self,
        pod: Object,
        vmi: Object | None,
        moment: datetime,
        *,
        fate: Fate,
        memory: Memory,
        listening: Collection[int] = (),
    ) -> None:
        self._pod = pod
        self.guest: Object = vmi or {}
        self._moment = moment
        self._now = rfc3339(moment)
        self._listening = listening
        self.fate = fate
        self._memory = memory

    def state(self) -> str | None:
        if not self.guest or dig(self._pod, "status", "phase") != "Running":
            return None
        phase = dig(self.guest, "status", "phase")
        if self._was_left():
            return "over"
        if phase in FINAL:
            return None if phase == "Failed" and self._is_kept() else "over"
        if phase != "Running":
            return None
        if dig(self._pod, "spec", "nodeName") == dig(self.guest, "status", "nodeName"):
            return "running"
        return "target" if self.fate.target_dies and self._is_copied_to() else None

    def _was_left(self) -> bool:
        """Whether a migration is over, and has been cleaned up after, which this launcher lost the guest by."""
        state = dig(self.guest, "status", "migrationState", default={})
        if not state.get("completed") or _TARGET_NODE in labels(self.guest):
            return False
        loser = state.get("targetPod" if state.get("failed") else "sourcePod", "")
        return name(self._pod) == str(loser)

    def _is_kept(self) -> bool:
        """Whether somebody wants to look into a launcher whose guest has failed."""
        containers = dig(self._pod, "spec", "containers", default=())
        return any(_KEPT in (one.get("args") or ()) for one in containers)

    def _is_copied_to(self) -> bool:
        state = dig(self.guest, "status", "migrationState", default={})
        begun = state.get("startTimestamp") and not state.get("endTimestamp")
        return bool(begun) and name(self._pod) == str(state.get("targetPod", ""))

    def ended(self) -> Object:
        return self.after(FAILED if dig(self.guest, "status", "phase") == "Failed" else COMPLETED)

    def after(self, how: Exit) -> Object:
        return ended(self._pod, how, self._now)

    def at(self, after: float | None) -> str | None:
        return moment(self._memory, after)

    def flapping(self) -> str | None:
        return self._readiness() if self.fate.flap_readiness else None

    def _readiness(self) -> str | None:
        for one in dig(self._pod, "status", "containerStatuses", default=()):
            if one.get("name") == "compute":
                return "ready" if one.get("ready") else "unready"
        return None

    def probed(self) -> str | None:
        probe = dig(self.guest, "spec", "readinessProbe")
        if probe is None or self.fate.flap_readiness:
            return None
        wanted = "ready" if probing.passes(self.guest, probe, self._listening) else "unready"
        if self._readiness() in (wanted, None):
            return None
        return "gained" if wanted == "ready" else "lost"

    def ready_at(self) -> str | None:
        return probing.succeeds_at(self._pod, dig(self.guest, "spec", "readinessProbe", default={}))

    def lost_in(self) -> float:
        return probing.fails_in(
            self._pod, dig(self.guest, "spec", "readinessProbe", default={}), self._moment
        )

    def dying_in(self) -> float | None:
        probe = dig(self.guest, "spec", "livenessProbe")
        if probe is None or probing.passes(self.guest, probe, self._listening):
            return None
        return probing.fails_in(self._pod, probe, self._moment)

    def readiness(self, ready: bool) -> Object:
        told: Object = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": self._now,
            "reason": None if ready else "ContainersNotReady",
            "message": None if ready else "containers with unready status: [compute]",
        }
        return {
            "conditions": [told, {**told, "type": "ContainersReady"}],
            "containerStatuses": [{"name": "compute", "ready": ready}],
        }


LauncherView.computed = {
    "state": LauncherView.state,
    "ended": LauncherView.ended,
    "failed": lambda view: view.after(FAILED),
    "killed": lambda view: view.after(KILLED),
    "outOfMemory": lambda view: view.after(OUT_OF_MEMORY),
    "outOfMemoryAt": lambda view: view.at(view.fate.oom_after),
    "unhealthyAt": lambda view: view.at(view.fate.liveness_fails_after),
    "copying": lambda view: copying_takes(view.fate, view.guest),
    "flapping": LauncherView.flapping,
    "readiness": LauncherView.probed,
    "readyAt": LauncherView.ready_at,
    "lostIn": LauncherView.lost_in,
    "dyingIn": LauncherView.dying_in,
    "period": lambda view: view.fate.flap_readiness,
    "unready": lambda view: view.readiness(False),
    "ready": lambda view: view.readiness(True),
}

NAMES = frozenset(f"launcher.{key}" for key in LauncherView.computed)
