"""What a kubelet makes of a pod: conditions, and the reports its stages write. Pure but for the address, which is asked
for only when a pod starts. Containers are ready as soon as they run: probes are not carried out.

Names for stages (`stages/pod.yaml`); those that say nothing now are absent:

    node        the pod's node, if a kubelet runs there              startable   containers can be started now
    alive       some container runs                                  starting    the containers about to start
    ends        `here`, or `elsewhere`: who decides the end          stopping    the containers that run
    outcome     Succeeded or Failed: the end was reported            restarting  ended containers that are wanted back
    debugging   the ephemeral containers that were added and not yet started
    creating · running · completed · stopped · killed · ended · restarted · debugged   the status to write for each of these
    host · address   of the pod's node, and of the pod: its own, or the next that is free
    outdated    conditions to write, where they differ from what containers and readiness gates say
    fate        how the start goes wrong, if it is to (`fates`)      unpullable  the container whose image is not found
    pulling     the containers whose image could not be pulled       unpulled · crashed   the status to write when it has gone wrong

Upstream: k8s: pkg/kubelet/status/generate.go, pkg/kubelet/kubelet_pods.go
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fakekube.agents import containers, fates
from fakekube.agents.containers import Status
from fakekube.lifecycle.view import View
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

NAMES = frozenset(
    f"pod.{name}"
    for name in [
        "node",
        "alive",
        "ends",
        "outcome",
        "startable",
        "starting",
        "stopping",
        "restarting",
        "debugging",
        "creating",
        "running",
        "completed",
        "stopped",
        "killed",
        "ended",
        "restarted",
        "debugged",
        "outdated",
        "host",
        "address",
        "fate",
        "unpullable",
        "pulling",
        "unpulled",
        "crashed",
    ]
)

_KILLED = 137  # 128 + SIGKILL
_PULL_TROUBLE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


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
    ) -> None:
        self._pod = pod
        self._now = now
        self._node = node
        self._ends_elsewhere = ends_elsewhere
        self._address = address
        self._status: dict[str, Any] = pod.get("status") or {}

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
        if self._final() or self._status.get("phase") == "Running":
            return None
        if self.pulling():
            return None  # whoever said so decides when that is over
        return True

    def pulling(self) -> list[dict[str, str]] | None:
        found = [
            self._item(field, container)
            for field in ("initContainers", "containers")
            for one in containers.present_statuses(self._pod, field)
            if objects.dig(one, "state", "waiting", "reason") in _PULL_TROUBLE
            for container in self._pod["spec"].get(field) or ()
            if container["name"] == one["name"]
        ]
        return found or None

    def starting(self) -> list[dict[str, str]]:
        spec = self._pod["spec"]
        return [
            self._item(field, container)
            for field in ("initContainers", "containers")
            for container in spec.get(field) or ()
        ]

    def stopping(self) -> list[dict[str, str]]:
        return [self._item(field, container) for field, container, _ in self._running()]

    def restarting(self) -> list[dict[str, str]] | None:
        policy = self._pod["spec"].get("restartPolicy") or "Always"
        if self._final() or policy == "Never" or (self._ends_elsewhere and policy != "Always"):
            return None
        ended = {
            one["name"]
            for one in containers.present_statuses(self._pod, "containers")
            if (end := containers.termination(one)) is not None
            and (policy == "Always" or end.get("exitCode"))
        }
        found = [container for container in self._pod["spec"]["containers"] if container["name"] in ended]
        return [self._item("containers", container) for container in found] or None

    def debugging(self) -> list[dict[str, str]] | None:
        added = self._pod["spec"].get("ephemeralContainers")
        if not added or self._final():
            return None
        known = {one["name"] for one in containers.present_statuses(self._pod, "ephemeralContainers")}
        return [self._item("ephemeralContainers", one) for one in added if one["name"] not in known] or None

    def creating(self) -> Object:
        first = "PodInitializing" if self._pod["spec"].get("initContainers") else "ContainerCreating"
        status = self._base() | {
            "phase": "Pending",
            "startTime": self._now,
            "containerStatuses": containers.statuses(
                self._pod, "containers", lambda one, _: containers.waiting(one, reason=first)
            ),
        }
        if self._pod["spec"].get("initContainers"):
            status["initContainerStatuses"] = containers.statuses(
                self._pod, "initContainers", lambda one, _: containers.waiting(one, reason="PodInitializing")
            )
        return self._with_conditions(status)

    def running(self) -> Object:
        pod, now = self._pod, self._now
        assert self._node is not None
        address = self.address()
        status = self._base() | {
            "phase": "Running",
            "startTime": self._status.get("startTime") or now,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": containers.statuses(
                pod, "containers", lambda one, _: containers.running(pod, one, now)
            ),
        }
        if pod["spec"].get("initContainers"):
            status["initContainerStatuses"] = containers.statuses(
                pod,
                "initContainers",
                lambda one, _: (
                    containers.running(pod, one, now)
                    if containers.is_sidecar(one)
                    else containers.completed(pod, one, now)
                ),
            )
        return self._with_conditions(status)

    def restarted(self) -> Object:
        pod, now = self._pod, self._now
        wanted = {item["name"] for item in self.restarting() or ()}

        def again(container: containers.Container, before: Status | None) -> Status:
            if before is not None and container["name"] not in wanted:
                return before
            return containers.running(pod, container, now, before)

        return self._with_conditions({"containerStatuses": containers.statuses(pod, "containers", again)})

    def debugged(self) -> Object:
        """Ephemeral containers are started once, whatever the others do, and count for nothing the pod says of itself."""
        pod, now = self._pod, self._now
        started = containers.statuses(
            pod,
            "ephemeralContainers",
            lambda one, before: before or containers.unprobed(containers.running(pod, one, now)),
        )
        return {"observedGeneration": objects.generation(pod), "ephemeralContainerStatuses": started}

    def completed(self) -> Object:
        """The work is done, with the exit code the pod's fate tells; a failure may be tried again."""
        code = fates.of(self._pod).exit
        if code and self._pod["spec"].get("restartPolicy") != "Never":
            return self.crashed()
        return self._after_end(code)

    def stopped(self) -> Object:
        return self._after_end(0)

    def killed(self) -> Object:
        return self._after_end(_KILLED)

    def ended(self) -> Object:
        outcome = self.outcome()
        return self._after_end(1 if outcome == "Failed" else 0, outcome)

    def outdated(self) -> Object | None:
        found = {one.get("type"): one for one in self._status.get("conditions") or ()}
        changed = []
        for kind, good, reason, message in self._findings(self._status):
            one = found.get(kind) or {}
            if (
                one.get("status") != ("True" if good else "False")
                or (one.get("reason") or "") != reason
                or (one.get("message") or "") != message
            ):
                changed.append(kind)
        if not changed:
            return None
        return {"conditions": [one for one in self._conditions(self._status) if one["type"] in changed]}

    def fate(self) -> str | None:
        return fates.of(self._pod).start or None

    def unpullable(self) -> list[dict[str, str]]:
        """The first image of a container that is no sidecar: init containers before the others."""
        spec = self._pod["spec"]
        for field in ("initContainers", "containers"):
            for one in spec.get(field) or ():
                if not containers.is_sidecar(one):
                    image = one.get("image") or ""
                    error = f'failed to resolve reference "{image}": {image}: not found'
                    return [{**self._item(field, one), "field": field, "error": error}]
        return []

    def unpulled(self) -> Object:
        (missing,) = self.unpullable()
        reason, text = (
            "ErrImagePull",
            f'failed to pull and unpack image "{missing["image"]}": {missing["error"]}',
        )
        if self.fate() == "image-pull-backoff":
            reason, text = (
                "ImagePullBackOff",
                f'Back-off pulling image "{missing["image"]}": ErrImagePull: {text}',
            )
        status = self.creating()
        member = "containerStatuses" if missing["field"] == "containers" else "initContainerStatuses"
        waiting = {"waiting": {"reason": reason, "message": text}}
        status[member] = [
            {**one, "state": waiting} if one["name"] == missing["name"] else one for one in status[member]
        ]
        return status

    def crashed(self) -> Object:
        """Every container has exited with 1. Where that is not the end, they wait to be started again, for ever."""
        pod, now = self._pod, self._now
        again = (pod["spec"].get("restartPolicy") or "Always") != "Never"

        def crash(container: containers.Container, _before: Status | None) -> Status:
            end = containers.ended(pod, container, containers.running(pod, container, now), now, 1)
            if not again:
                return end
            text = f"back-off 10s restarting failed container={container['name']} pod={objects.name(pod)}"
            waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
            return {**end, "state": waiting, "lastState": end["state"], "restartCount": 1}

        status = self.running() | {"containerStatuses": containers.statuses(pod, "containers", crash)}
        status["phase"] = "Running" if again else "Failed"
        return self._with_conditions(status)

    def _base(self) -> dict[str, Any]:
        """What every report of a kubelet holds."""
        base: dict[str, Any] = {"observedGeneration": objects.generation(self._pod)}
        address = host_address(self._node) if self._node is not None else ""
        if address:
            base |= {"hostIP": address, "hostIPs": [{"ip": address}]}
        return base

    def _after_end(self, exit_code: int, outcome: str | None = None) -> Object:
        """The status once nothing runs any more. Containers that had ended before keep how they did."""
        pod, now = self._pod, self._now

        def end(container: containers.Container, before: Status | None) -> Status:
            return containers.ended(pod, container, before, now, exit_code)

        status: dict[str, Any] = {
            "observedGeneration": objects.generation(pod),
            "containerStatuses": containers.statuses(pod, "containers", end),
        }
        if pod["spec"].get("initContainers"):
            status["initContainerStatuses"] = containers.statuses(pod, "initContainers", end)
        if containers.present_statuses(pod, "ephemeralContainers"):
            status["ephemeralContainerStatuses"] = containers.statuses(
                pod, "ephemeralContainers", lambda one, before: containers.unprobed(end(one, before))
            )
        ends = [containers.termination(one) for one in status["containerStatuses"]]
        failed = any(one is None or one.get("exitCode") for one in ends)
        status["phase"] = outcome or ("Failed" if failed else "Succeeded")
        return self._with_conditions(status)

    def _with_conditions(self, status: Object) -> Object:
        status["conditions"] = self._conditions({**self._status, **status})
        return status

    def _conditions(self, status: Mapping[str, Any]) -> list[Object]:
        """The kubelet's conditions for a status, in its order. It vouches for PodScheduled, too: the pod is on its node."""
        found = {one.get("type"): one for one in self._status.get("conditions") or ()}
        generation = objects.generation(self._pod)
        wanted = []
        for kind, good, reason, message in self._findings(status):
            value = "True" if good else "False"
            before = found.get(kind)
            same = before is not None and before.get("status") == value
            since = before.get("lastTransitionTime") if before is not None and same else self._now
            one = {
                "type": kind,
                "status": value,
                "lastProbeTime": None,
                "lastTransitionTime": since,
                "observedGeneration": generation,
            }
            # Null takes an outdated text away: a strategic merge keeps what it is not told about.
            for part, text in (("reason", reason), ("message", message)):
                if text:
                    one[part] = text
                elif before is not None and before.get(part):
                    one[part] = None
            wanted.append(one)
        return wanted

    def _findings(self, status: Mapping[str, Any]) -> Iterator[tuple[str, bool, str, str]]:
        """(type, whether it holds, reason, message)."""
        phase = status.get("phase")
        final = phase in ("Succeeded", "Failed")
        yield "PodReadyToStartContainers", phase == "Running", "", ""
        over = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        waiting = [
            one["name"]
            for one in status.get("initContainerStatuses") or ()
            if (one.get("state") or {}).get("waiting")
        ]
        if waiting and not final:
            said = f"containers with incomplete status: [{' '.join(waiting)}]"
            yield "Initialized", False, "ContainersNotInitialized", said
        else:
            yield "Initialized", True, "PodCompleted" if phase == "Succeeded" else "", ""
        unready = [one["name"] for one in status.get("containerStatuses") or () if not one.get("ready")]
        gates = self._failed_gates()
        if final:
            yield "Ready", False, over, ""
            yield "ContainersReady", False, over, ""
        elif unready:
            said = f"containers with unready status: [{' '.join(unready)}]"
            yield "Ready", False, "ContainersNotReady", said
            yield "ContainersReady", False, "ContainersNotReady", said
        else:
            yield "Ready", not gates, "ReadinessGatesNotReady" if gates else "", ", ".join(gates)
            yield "ContainersReady", True, "", ""
        yield "PodScheduled", True, "", ""

    def _failed_gates(self) -> list[str]:
        said = []
        for gate in self._pod["spec"].get("readinessGates") or ():
            kind = gate["conditionType"]
            condition = objects.condition(self._pod, kind)
            if condition is None:
                said.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
            elif (status := condition.get("status")) != "True":
                said.append(f'the status of pod readiness gate "{kind}" is not "True", but {status}')
        return said

    def _final(self) -> bool:
        return self._status.get("phase") in ("Succeeded", "Failed")

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

    @staticmethod
    def _item(field: str, container: containers.Container) -> dict[str, str]:
        name = container["name"]
        return {"name": name, "image": container.get("image") or "", "path": f"spec.{field}{{{name}}}"}


PodView.computed = {
    name.removeprefix("pod."): getattr(PodView, name.removeprefix("pod.")) for name in sorted(NAMES)
}


def host_address(node: Object) -> str:
    """The address a node is reached at."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((one["address"] for one in addresses if one.get("type") == "InternalIP"), "")
