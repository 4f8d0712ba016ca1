"""A pod as its kubelet sees it: what is to become of it, and the reports (`reports`, `conditions`) its stages write.

Names for stages (`stages/pod.yaml`); those that say nothing now are absent:

    unmounted   what there is to tell of volumes that cannot be mounted (`mounts`); remount: seconds until it is tried again
    unattached  what there is to tell of networks it cannot be attached to (`attachments`); reattach: seconds until it is tried
    attached    the annotation that tells what networks it is attached to, as long as it does not have it
    node        the pod's node, if a kubelet runs there              startable   containers can be started now
    alive       some container runs                                  starting    the containers about to start
    ends        `here`, or `elsewhere`: who decides the end          stopping    the containers that run
    outcome     Succeeded or Failed: the end was reported            restarting  ended containers that are wanted back
    kills       the processes of its node it kills, of a pod that does (`killers`)
    servesUntil when its program ends, of a pod that is told (`servers`)
    debugging   the ephemeral containers that were added and not yet started
    creating · running · completed · stopped · killed · ended · restarted · debugged   the status to write for each of these
    host · address   of the pod's node, and of the pod: its own, or the next that is free
    outdated    conditions to write, where they differ from what containers and readiness gates say
    working     some main container runs                             putOff      those of them that have to wait for it
    finite      the same, and its work ends by itself: a Job's, or a script's that does at once (`scripts`)
    restartAt   when those are started again that waited for it      delayed     the status that says so
    deadline    when it has been active for too long                 overdue     the status that says so
    fate        how the start goes wrong, if it is to (`fates`)      unpullable  the container whose image is not found
    pulling     the containers whose image could not be pulled       unpulled · crashed   the status to write when it has gone wrong
    pull        what is next with it: fails, backs-off, succeeds     pullAt      when, if not at once

Upstream: k8s: pkg/kubelet/status/generate.go, pkg/kubelet/kubelet_pods.go
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

from fakekube.agents import containers, fates, killers, servers
from fakekube.agents.containers import Status
from fakekube.agents.node_server import scripts
from fakekube.agents.pods import conditions, networks, retries, starts
from fakekube.agents.pods.reports import KILLED, Reports
from fakekube.clock import parse_rfc3339
from fakekube.lifecycle.view import View
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

_REMOUNTED = 122.0  # the longest of the waits that double, as most are
_REATTACHED = 15.0  # the longest a kubelet waits after a pass that failed


def _mountable(_pod: Object) -> list[dict[str, str]]:
    return []


class Attachable(Protocol):
    """Who knows of a pod's networks; see `attachments`."""

    def unattached(self, pod: Object, /) -> list[dict[str, str]] | None: ...
    def status(self, pod: Object, address: str, /) -> str: ...


class _Attached:
    def unattached(self, _pod: Object) -> list[dict[str, str]] | None:
        return []

    def status(self, pod: Object, address: str) -> str:
        return networks.status(pod, address, {}, lambda _key: None)


_ATTACHED = _Attached()


class PodView(View):
    """The names above for one pod, each computed when it is asked for."""

    def __init__(
        self,
        pod: Object,
        now: str,
        *,
        node: Object | None,
        ends_elsewhere: bool,
        address: Callable[[Object, Object], str],
        mounts: Callable[[Object], list[dict[str, str]] | None] = _mountable,
        attachments: Attachable = _ATTACHED,
    ) -> None:
        self._pod = pod
        self._now = now
        self._node = node
        self._ends_elsewhere = ends_elsewhere
        self._address = address
        self._mountable = mounts
        self._attachments = attachments
        self._status: dict[str, Any] = pod.get("status") or {}

    @property
    def pod(self) -> Object:
        return self._pod

    @cached_property
    def _missing(self) -> list[dict[str, str]] | None:
        """What cannot be mounted; None: it cannot be told yet."""
        return self._mountable(self._pod)

    @property
    def reports(self) -> Reports:
        return Reports(self._pod, self._now, host=self.host() or "", address=self.address)

    def node(self) -> str | None:
        return objects.name(self._node) if self._node is not None else None

    def host(self) -> str | None:
        return host_address(self._node) if self._node is not None else None

    def address(self) -> str | None:
        if self._node is None:
            return None
        if self._pod["spec"].get("hostNetwork"):
            return self.host()
        return self._address(self._pod, self._node)

    def ends(self) -> str:
        return "elsewhere" if self._ends_elsewhere else "here"

    def alive(self) -> bool | None:
        return True if self._running() else None

    def outcome(self) -> str | None:
        """How the pod ended, where that has been reported but not yet been seen through."""
        if self._final():
            return str(self._status["phase"]) if self._running() else None
        reported = containers.present_statuses(self._pod, "containers")
        exits = [end for one in reported if (end := containers.termination(one)) is not None]
        if not exits:
            return None
        if len(exits) < len(self._pod["spec"]["containers"]) and not self._ends_elsewhere:
            return None
        policy = self._pod["spec"].get("restartPolicy") or "Always"
        failed = any(end.get("exitCode") for end in exits)
        if not objects.is_terminating(self._pod) and (
            policy == "Always" or (policy == "OnFailure" and failed)
        ):
            return None
        return "Failed" if failed else "Succeeded"

    def startable(self) -> bool | None:
        if self._has_started():
            return None
        if self.pulling():
            return None  # whoever said so decides when that is over
        mounted = self._missing == []
        return True if mounted and self._attachments.unattached(self._pod) == [] else None

    def unmounted(self) -> list[dict[str, str]] | None:
        return None if self._has_started() else self._missing or None

    def unattached(self) -> list[dict[str, str]] | None:
        if self._has_started() or self._missing != []:
            return None
        return self._attachments.unattached(self._pod) or None

    def attached(self) -> str | None:
        if not networks.wanted(self._pod) or networks.there(self._pod) or not self.startable():
            return None
        return self._attachments.status(self._pod, self.address() or "")

    def pulling(self) -> list[dict[str, str]] | None:
        return starts.pulling(self._pod) or None

    @cached_property
    def _next_pull(self) -> tuple[str, datetime | None] | None:
        if self._has_started():
            return None
        if self.pulling() is None and (self.fate() not in fates.PULLS or not self.startable()):
            return None
        return starts.pull(self._pod, self._now)

    def pull(self) -> str | None:
        return self._next_pull[0] if self._next_pull else None

    def pull_at(self) -> datetime | None:
        return self._next_pull[1] if self._next_pull else None

    def stopping(self) -> list[dict[str, str]]:
        return [starts.item(field, container) for field, container, _ in self._running()]

    @cached_property
    def _restarting(self) -> tuple[list[dict[str, str]], datetime | None] | None:
        return starts.restarting(self._pod) if self._restarts() else None

    def _restarts(self) -> bool:
        """Whether containers that have ended are started again."""
        policy = self._pod["spec"].get("restartPolicy") or "Always"
        return not (self._final() or policy == "Never" or (self._ends_elsewhere and policy != "Always"))

    def restarting(self) -> list[dict[str, str]] | None:
        return self._restarting[0] if self._restarting else None

    def restart_at(self) -> datetime | None:
        return self._restarting[1] if self._restarting else None

    def deadline(self) -> datetime | None:
        begun, seconds = self._status.get("startTime"), self._pod["spec"].get("activeDeadlineSeconds")
        return parse_rfc3339(begun) + timedelta(seconds=seconds) if begun and seconds is not None else None

    def put_off(self) -> list[dict[str, str]] | None:
        return (starts.put_off(self._pod) or None) if self._restarts() else None

    def debugging(self) -> list[dict[str, str]] | None:
        added = self._pod["spec"].get("ephemeralContainers")
        if not added or self._final():
            return None
        known = {one["name"] for one in containers.present_statuses(self._pod, "ephemeralContainers")}
        return [starts.item("ephemeralContainers", one) for one in added if one["name"] not in known] or None

    def finite(self) -> bool | None:
        if not starts.working(self._pod):
            return None
        owners = objects.dig(self._pod, "metadata", "ownerReferences", default=())
        of_job = any(one.get("kind") == "Job" for one in owners)
        return True if of_job or scripts.ends(self._pod) else None

    def completed(self) -> Object:
        """The work is done, with the exit code the pod's fate tells, or its script; a failure may be tried again."""
        code = fates.of(self._pod).exit
        if code is None:
            done = scripts.done(self._pod, parse_rfc3339(self._now))
            code = done.code if done is not None else 0
        if code and self._pod["spec"].get("restartPolicy") != "Never":
            return self.reports.crashed(code)
        return self.reports.after_end(code)

    def ended(self) -> Object:
        outcome = self.outcome()
        return self.reports.after_end(1 if outcome == "Failed" else 0, outcome)

    def outdated(self) -> Object | None:
        return conditions.outdated(self._pod, self._now)

    def fate(self) -> str | None:
        return fates.of(self._pod).start or None

    def unpullable(self) -> list[dict[str, str]] | None:
        missing = starts.unpullable(self._pod)
        return [missing] if missing else None

    def unpulled(self) -> Object | None:
        """At pace chaos nobody says what is next with it: the pull fails."""
        missing, (following, _) = starts.unpullable(self._pod), self._next_pull or (starts.FAILS, None)
        reason = retries.BACK_OFF if following == starts.BACKS_OFF else retries.PULL
        return self.reports.unpulled(missing, reason) if missing else None

    def _has_started(self) -> bool:
        return self._final() or self._status.get("phase") == "Running"

    def _final(self) -> bool:
        return self._status.get("phase") in objects.FINAL

    def _running(self) -> list[tuple[str, containers.Container, Status]]:
        spec = self._pod["spec"]
        return [
            (field, container, one)
            for field in ("containers", "initContainers", "ephemeralContainers")
            for one in containers.present_statuses(self._pod, field)
            if containers.is_running(one)
            for container in spec.get(field) or ()
            if container["name"] == one["name"]
        ]


PodView.computed = {
    "node": PodView.node,
    "kills": lambda view: killers.victims(view.pod),
    "servesUntil": lambda view: servers.until(view.pod),
    "alive": PodView.alive,
    "ends": PodView.ends,
    "outcome": PodView.outcome,
    "startable": PodView.startable,
    "unmounted": PodView.unmounted,
    "remount": lambda _view: _REMOUNTED,
    "unattached": PodView.unattached,
    "reattach": lambda _view: _REATTACHED,
    "attached": PodView.attached,
    "starting": lambda view: starts.all_of(view.pod),
    "stopping": PodView.stopping,
    "restarting": PodView.restarting,
    "restartAt": PodView.restart_at,
    "putOff": PodView.put_off,
    "working": lambda view: starts.working(view.pod) or None,
    "finite": PodView.finite,
    "debugging": PodView.debugging,
    "creating": lambda view: view.reports.creating(),
    "running": lambda view: view.reports.running(),
    "completed": PodView.completed,
    "stopped": lambda view: view.reports.after_end(0),
    "killed": lambda view: view.reports.after_end(KILLED),
    "ended": PodView.ended,
    "restarted": lambda view: view.reports.restarted(item["name"] for item in view.restarting() or ()),
    "deadline": PodView.deadline,
    "overdue": lambda view: view.reports.after_end(KILLED, "Failed"),
    "delayed": lambda view: view.reports.put_off(item["name"] for item in view.put_off() or ()),
    "debugged": lambda view: view.reports.debugged(),
    "outdated": PodView.outdated,
    "host": PodView.host,
    "address": PodView.address,
    "fate": PodView.fate,
    "unpullable": PodView.unpullable,
    "pulling": PodView.pulling,
    "pull": PodView.pull,
    "pullAt": PodView.pull_at,
    "unpulled": PodView.unpulled,
    "crashed": lambda view: view.reports.crashed(),
}

NAMES = frozenset(f"pod.{key}" for key in PodView.computed)


def host_address(node: Object) -> str:
    """The address a node is reached at."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((one["address"] for one in addresses if one.get("type") == "InternalIP"), "")
