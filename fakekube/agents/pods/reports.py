"""What a kubelet reports of a pod: the statuses it writes, at a moment. Pure but for the address, which is asked for only
when a pod starts. Containers are ready as soon as they run: probes are not carried out, but for guests (`containers`).

Upstream: k8s: pkg/kubelet/kubelet_pods.go, pkg/kubelet/status/generate.go
"""

from collections.abc import Callable, Iterable
from typing import Any

from fakekube.agents import containers
from fakekube.agents.containers import Status
from fakekube.agents.pods import conditions, retries
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

KILLED = 137  # 128 + SIGKILL


class Reports:
    """Statuses of one pod; `host` is the address of its node, `address` finds its own."""

    def __init__(self, pod: Object, now: str, *, host: str, address: Callable[[], str | None]) -> None:
        self._pod = pod
        self._now = now
        self._host = host
        self._address = address
        self._status: dict[str, Any] = pod.get("status") or {}

    def creating(self) -> Object:
        first = "PodInitializing" if self._pod["spec"].get("initContainers") else "ContainerCreating"
        status = self._base() | {
            "phase": "Pending",
            "startTime": self._status.get("startTime") or self._now,
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
        address = self._address()
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
                lambda one, _: self._set_up(one, now),
            )
        return self._with_conditions(status)

    def restarted(self, wanted: Iterable[str]) -> Object:
        """Containers of these names run again."""
        pod, now = self._pod, self._now
        names = frozenset(wanted)

        def again(container: containers.Container, before: Status | None) -> Status:
            if before is not None and container["name"] not in names:
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

    def unpulled(self, missing: dict[str, str], reason: str) -> Object:
        """The image of one container is not found: its sandbox is there, and what comes before it is done."""
        pod, now, address = self._pod, self._now, self._address()
        status = self.creating() | {"podIP": address, "podIPs": [{"ip": address}]}
        member = containers.STATUSES[missing["field"]]
        waiting = {"waiting": retries.unpulled(missing["image"], reason)}
        status[member] = [
            {**one, "state": waiting} if one["name"] == missing["name"] else one for one in status[member]
        ]
        if pod["spec"].get("initContainers") and missing["field"] == "containers":
            status["initContainerStatuses"] = containers.statuses(
                pod,
                "initContainers",
                lambda one, before: before if before and before.get("ready") else self._set_up(one, now),
            )
        return self._with_conditions(status)

    def crashed(self, exit_code: int = 1) -> Object:
        """Every container has exited so. Where that is not the end, they are to be started again."""
        pod, now = self._pod, self._now
        again = (pod["spec"].get("restartPolicy") or "Always") != "Never"
        ran = self._status.get("phase") == "Running"

        def crash(container: containers.Container, before: Status | None) -> Status:
            running = before if ran else containers.running(pod, container, now)
            return containers.ended(pod, container, running, now, exit_code)

        status = self._base() if ran else self.running()
        status["containerStatuses"] = containers.statuses(pod, "containers", crash)
        status["phase"] = "Running" if again else "Failed"
        return self._with_conditions(status)

    def put_off(self, wanted: Iterable[str]) -> Object:
        """Containers of these names have ended too often to be started again at once."""
        pod, names = self._pod, frozenset(wanted)

        def wait(container: containers.Container, before: Status | None) -> Status:
            if before is None or container["name"] not in names:
                return before or containers.waiting(container, reason="ContainerCreating")
            loop = retries.crash_loop(pod, container, retries.put_off(before))
            return {**before, "state": {"waiting": loop}, "lastState": before["state"]}

        return self._with_conditions({"containerStatuses": containers.statuses(pod, "containers", wait)})

    def after_end(self, exit_code: int, outcome: str | None = None) -> Object:
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

    def _set_up(self, container: containers.Container, now: str) -> Status:
        """An init container that has done its work, or a sidecar."""
        make = containers.running if containers.is_sidecar(container) else containers.completed
        return make(self._pod, container, now)

    def _base(self) -> dict[str, Any]:
        """What every report of a kubelet holds."""
        base: dict[str, Any] = {"observedGeneration": objects.generation(self._pod)}
        if self._host:
            base |= {"hostIP": self._host, "hostIPs": [{"ip": self._host}]}
        return base

    def _with_conditions(self, status: Object) -> Object:
        status["conditions"] = conditions.of(self._pod, {**self._status, **status}, self._now)
        return status
