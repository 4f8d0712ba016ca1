"""Questions about launcher pods. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vmi/lifecycle.go, pkg/controller/virtinformers.go (CurrentVMIPod).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig, is_final, is_terminating
from fakekube.machinery.wire import Object
from fakekube.virt.controller import names
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.controller.instance import phase

_PULL_ERRORS = frozenset(("ErrImagePull", "ImagePullBackOff"))


def is_temporary(pod: Obj) -> bool:
    """Whether the pod only makes a volume bind."""
    return annotations(pod).get(names.EPHEMERAL_PROVISIONING) == "true"


def is_ending(pod: Obj) -> bool:
    """Finished, about to, or without its compute container."""
    return is_final(pod) or is_terminating(pod) or bool(dig(compute_status(pod), "state", "terminated"))


def compute_status(pod: Obj) -> dict[str, Any]:
    for one in _container_statuses(pod):
        if one.get("name") == "compute":
            return one
    return {}


def is_ready_for_hand_over(pod: Obj) -> bool:
    """Whether the launcher runs, so that the node may take over. The pod's own Ready condition does not matter."""
    if is_final(pod) or is_terminating(pod) or phase(pod) != "Running":
        return False
    for status in _container_statuses(pod):
        if status.get("name") in ("compute", "istio-proxy"):
            if dig(status, "state", "running") is None:
                return False
        elif not status.get("ready"):
            return False
    return True


def current(vmi: Obj, owned: Sequence[Object]) -> Object | None:
    """The pod the guest lives in: the youngest one on the VMI's node; the target of a migration is on another."""
    node = dig(vmi, "status", "nodeName", default="")
    here = [pod for pod in owned if not node or dig(pod, "spec", "nodeName") == node]
    if len(here) < 2:
        return here[0] if here else None
    return max(
        here, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"])
    )


def image_error(pod: Obj) -> Failure | None:
    """Why an image cannot be pulled, of the first container that says so."""
    for status in _all_statuses(pod):
        waiting = dig(status, "state", "waiting", default={})
        if waiting.get("reason") in _PULL_ERRORS:
            return Failure(waiting["reason"], waiting.get("message", ""))
    return None


class NoDigestError(Exception):
    """An image the kubelet has not told the digest of."""


def digests(pod: Obj, volumes: Iterable[Obj]) -> dict[str, str]:
    """ContainerDisk images pinned by the digest the kubelet resolved, by volume name. Raises NoDigestError."""
    found: dict[str, str] = {}
    by_name = {status.get("name"): status for status in _all_statuses(pod)}
    for volume in volumes:
        image = dig(volume, "containerDisk", "image")
        status = by_name.get(f"volume{volume.get('name')}")
        if not image or status is None:
            continue
        resolved = dig(status, "imageID", default="")
        if "sha256:" not in resolved:
            text = f'failed to identify image digest for container "{status.get("image", "")}" with id "{resolved}"'
            raise NoDigestError(text)
        repository = image.split("@")[0]
        head, _, tail = repository.rpartition(":")
        repository = head if head and "/" not in tail else repository
        found[str(volume["name"])] = f"{repository}@sha256:{resolved.rpartition('sha256:')[2]}"
    return found


def _container_statuses(pod: Obj) -> list[dict[str, Any]]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _all_statuses(pod: Obj) -> Iterator[dict[str, Any]]:
    yield from dig(pod, "status", "initContainerStatuses", default=())
    yield from _container_statuses(pod)
