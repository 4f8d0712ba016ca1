"""What a pod's containers and a node use: by annotation, else by default. Pure.

    fakekube.io/cpu, fakekube.io/memory     a profile, see `profiles`
    metrics.fakekube.io/NAME                the same for a custom metric

A pod is asked for itself: its VirtualMachine, that one's instance, then the pod, whose annotations are copies of the
instance's. If none of them says anything its groups are asked, the nearest first: pool, ReplicaSet, Deployment, ….
Amounts are the main container's; of percentages each container uses its part.

Upstream: metrics-server: pkg/storage/{types,pod,node}.go, for which containers count
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects, quantities
from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.profiles import CPU, MEMORY, BadProfile, Profile, annotation, read
from fakekube.machinery.wire import Object

SELVES = frozenset(("VirtualMachine", "VirtualMachineInstance"))
WINDOW = 15  # seconds an amount is the mean of, says the API; it is one of that moment

_BILLION = 10**9
_IDLE = {CPU: (read("10%"), 10.0), MEMORY: (read("60%"), 60.0)}  # where nobody says anything
_UNREQUESTED = {CPU: 10**8, MEMORY: 64 * 2**20 * _BILLION}  # what a container without one is taken to request
_SYSTEM = {CPU: "100m", MEMORY: "512Mi"}  # what a node uses beside its pods

Members = Callable[[Obj], int]

log = logging.getLogger("fakekube.agents.metrics")


def containers_used(
    pod: Object, owners: Sequence[Object], now: datetime, members: Members
) -> dict[str, dict[str, int]]:
    """Container → resource → billionths. `members`: how many ready pods belong to an object of `owners`."""
    found: dict[str, dict[str, int]] = {}
    containers = running(pod)
    main = objects.annotations(pod).get("kubectl.kubernetes.io/default-container") or ""
    if main not in {container["name"] for container in containers}:
        main = containers[0]["name"] if containers else ""
    for resource in (CPU, MEMORY):
        said = _said(pod, owners, annotation(resource), now, members)
        profile, value = said if said is not None else _IDLE[resource]
        for container in containers:
            name = container["name"]
            if profile.percent:
                amount = round(value * requested(container, resource) / 100)
            else:
                amount = round(value * _BILLION) if name == main else 0
            found.setdefault(name, {})[resource] = amount
    return found


def pod_metric(
    pod: Object, owners: Sequence[Object], name: str, now: datetime, members: Members
) -> int | None:
    """A custom metric of a pod in billionths; None where nobody says anything of it."""
    said = _said(pod, owners, annotation(name), now, members)
    if said is None:
        return None
    return round(said[1] * _BILLION)


def object_metric(obj: Object, name: str, now: datetime) -> int | None:
    """A custom metric of any object, which says it of itself, in billionths."""
    text = objects.annotations(obj).get(annotation(name))
    return None if text is None else metric_of(text, obj, now)


def metric_of(text: str, obj: Obj, now: datetime) -> int | None:
    """What a profile that stands on an object says now, in billionths; None if the text is none."""
    profile = _profile(text)
    return None if profile is None else round(profile.at(_since(profile, obj, now)) * _BILLION)


def node_used(node: Object, pods: Iterable[Mapping[str, int]], now: datetime) -> dict[str, int]:
    """Resource → billionths: what its pods use, and what the node uses itself."""
    used: dict[str, int] = {}
    for resource in (CPU, MEMORY):
        text = objects.annotations(node).get(annotation(resource))
        profile = (_profile(text) if text else None) or read(_SYSTEM[resource])
        value = profile.at(_since(profile, node, now))
        if profile.percent:
            allocatable = str(dig(node, "status", "allocatable", resource, default="0"))
            used[resource] = round(value * quantities.parse(allocatable)[0] / 100)
        else:
            used[resource] = round(value * _BILLION)
    for pod in pods:
        for resource in used:
            used[resource] += pod.get(resource, 0)
    return used


def running(pod: Obj) -> list[Object]:
    """The containers that run now: those of the pod, and init containers that go on beside them."""
    if dig(pod, "status", "phase") != "Running":
        return []
    spec = pod["spec"]
    beside = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    return [*spec.get("containers", ()), *beside]


def requested(container: Obj, resource: str) -> int:
    """What a container requests, in billionths, or is taken to request."""
    text = dig(container, "resources", "requests", resource)
    try:
        return quantities.parse(str(text))[0] if text is not None else _UNREQUESTED[resource]
    except ValueError:
        return 0


def groups(owners: Iterable[Object]) -> list[Object]:
    """Of the owners of a pod those that own many like it, the nearest first."""
    return [one for one in owners if one.get("kind") not in SELVES]


def _said(
    pod: Object, owners: Sequence[Object], key: str, now: datetime, members: Members
) -> tuple[Profile, float] | None:
    """The profile that counts for a pod, and its value for it now."""
    selves = [one for one in owners if one.get("kind") in SELVES]
    order = (*reversed(selves), pod, *groups(owners))
    holder = next((one for one in order if key in objects.annotations(one)), None)
    profile = _profile(objects.annotations(holder)[key]) if holder is not None else None
    if holder is None or profile is None:
        return None
    value = profile.at(_since(profile, holder, now))
    if profile.shared:
        above = groups(owners)
        among = next((one for one in above if one is holder), above[0] if above else None)
        value /= max(1, members(among)) if among is not None else 1
    return profile, value


def _since(profile: Profile, obj: Obj, now: datetime) -> float:
    """Seconds since the profile began."""
    created = dig(obj, "metadata", "creationTimestamp")
    began = profile.since or (parse_rfc3339(created) if created else now)
    return (now - began).total_seconds()


@lru_cache(maxsize=4096)
def _profile(text: str) -> Profile | None:
    try:
        return read(text)
    except BadProfile as error:
        log.warning("%s; the annotation is ignored", error)
        return None
