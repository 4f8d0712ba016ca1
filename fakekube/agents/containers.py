"""Container statuses: waiting, running, ended, started again. Pure functions from a pod to what its kubelet reports.

Upstream: k8s: pkg/kubelet/kubelet_pods.go (convertToAPIContainerStatuses)
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fakekube.machinery import objects
from fakekube.machinery.wire import Object

Container = Mapping[str, Any]
Status = dict[str, Any]
Report = Callable[[Container, Status | None], Status]

STATUSES = {
    "containers": "containerStatuses",
    "initContainers": "initContainerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}  # which member of the status tells of which of the spec
_RUNTIME = "containerd"


def statuses(pod: Object, field: str, report: Report) -> list[Status]:
    """One status per container of a member of the spec, in its order."""
    present = {one["name"]: one for one in present_statuses(pod, field)}
    return [report(container, present.get(container["name"])) for container in pod["spec"].get(field) or ()]


def present_statuses(pod: Object, field: str) -> list[Status]:
    """What the status says now of the containers of a member of the spec."""
    status = pod.get("status") or {}
    return status.get(STATUSES[field]) or []


def is_sidecar(container: Container) -> bool:
    return container.get("restartPolicy") == "Always"


def waiting(container: Container, *, reason: str) -> Status:
    return {
        "name": container["name"],
        "state": {"waiting": {"reason": reason}},
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": container.get("image") or "",
        "imageID": "",
        "started": False,
    }


def running(pod: Object, container: Container, now: str, before: Status | None = None) -> Status:
    """Started now. `before` is the status of the run that ended, or since waits, for its count and last state."""
    count = int(before.get("restartCount") or 0) + 1 if before else 0
    last: dict[str, Any] = (before.get("lastState") or {}) if before else {}
    if before and (ended := (before.get("state") or {}).get("terminated")):
        last = {"terminated": ended}
    return {
        **_identity(pod, container, count),
        "state": {"running": {"startedAt": now}},
        "lastState": last,
        "ready": not _is_probed_elsewhere(pod, container),
        "restartCount": count,
        "started": True,
    }


def _is_probed_elsewhere(pod: Object, container: Container) -> bool:
    """Probes are for the guest in a launcher; who plays it says when they pass. Others are ready when they run."""
    return "readinessProbe" in container and objects.labels(pod).get("kubevirt.io") == "virt-launcher"


def completed(pod: Object, container: Container, now: str) -> Status:
    """An init container that has done its work."""
    status = running(pod, container, now)
    return _ended(status, now, exit_code=0) | {"ready": True}


def unprobed(status: Status) -> Status:
    """The same of an ephemeral container: nobody probes it, so nothing is said of its start, and ready it never is."""
    return {key: value for key, value in status.items() if key != "started"} | {"ready": False}


def ended(pod: Object, container: Container, before: Status | None, now: str, exit_code: int) -> Status:
    """Ended now, unless it had ended before; one that never ran has no exit code of its own."""
    if before is None or "waiting" in (before.get("state") or {}):
        return {
            **(before or waiting(container, reason="ContainerCreating")),
            "ready": False,
            "started": False,
        }
    if "terminated" in before["state"]:
        return {**before, "started": False}
    if not before.get("containerID"):
        before = {**_identity(pod, container, int(before.get("restartCount") or 0)), **before}
    return _ended(before, now, exit_code)


def is_running(status: Status) -> bool:
    return bool((status.get("state") or {}).get("running"))


def termination(status: Status) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (status.get("state") or {}).get("terminated")
    return found


def _ended(status: Status, now: str, exit_code: int) -> Status:
    reason = "Completed" if exit_code == 0 else "Error"
    terminated = {
        "exitCode": exit_code,
        "reason": reason,
        "startedAt": (status["state"].get("running") or {}).get("startedAt") or now,
        "finishedAt": now,
        "containerID": status.get("containerID") or "",
    }
    return {**status, "state": {"terminated": terminated}, "ready": False, "started": False}


def _identity(pod: Object, container: Container, count: int) -> Status:
    image, image_id = image_names(container.get("image") or "")
    text = f"{objects.uid(pod)}/{container['name']}/{count}"
    return {
        "name": container["name"],
        "image": image,
        "imageID": image_id,
        "containerID": f"{_RUNTIME}://{hashlib.sha256(text.encode()).hexdigest()}",
    }


@lru_cache(maxsize=1024)
def image_names(image: str) -> tuple[str, str]:
    """The full name of an image, and the same with a digest: the one it names, or one that follows from the name."""
    name, _, digest = image.partition("@")
    head, slash, tail = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in head and ":" not in head and head != "localhost":
        name = f"docker.io/{head}/{tail}"
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, "latest"
    if digest:
        return f"{repository}@{digest}", f"{repository}@{digest}"
    full = f"{repository}:{tag}"
    return full, f"{repository}@sha256:{hashlib.sha256(full.encode()).hexdigest()}"
