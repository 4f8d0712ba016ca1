"""What a kubelet reports of a pod: the statuses it writes, at a moment. Pure but for the address, which is asked for only
when a pod starts. Containers are ready as soon as they run: probes are not carried out, but for guests (`containers`).

Upstream: k8s: pkg/kubelet/kubelet_pods.go, pkg/kubelet/status/generate.go
"""

from collections.abc import Callable, Iterable
from typing import Any

from fakekube.agents import containers
from fakekube.agents.containers import Status
from fakekube.agents.pods import conditions
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
                lambda one, _: (
                    containers.running(pod, one, now)
                    if containers.is_sidecar(one)
                    else containers.completed(pod, one, now)
                ),
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

    def unpulled(self, missing: dict[str, str], *, backed_off: bool) -> Object:
        """The image of one container is not found."""
        reason, text = (
            "ErrImagePull",
            f'failed to pull and unpack image "{missing["image"]}": {missing["error"]}',
        )
        if backed_off:
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

    def _base(self) -> dict[str, Any]:
        """What every report of a kubelet holds."""
        base: dict[str, Any] = {"observedGeneration": objects.generation(self._pod)}
        if self._host:
            base |= {"hostIP": self._host, "hostIPs": [{"ip": self._host}]}
        return base

    def _with_conditions(self, status: Object) -> Object:
        status["conditions"] = conditions.of(self._pod, {**self._status, **status}, self._now)
        return status
