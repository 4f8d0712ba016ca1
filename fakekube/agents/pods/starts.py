"""Containers that do not start, or not again, as they should: which they are, and what is next with them. Pure.

Images fail by the fate of their pod (`fates`) and are tried again as `retries` has it. Where somebody else has reported that an
image cannot be pulled, or that a container crashes, they decide when that is over.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from fakekube.agents import containers, fates
from fakekube.agents.pods import retries
from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

FAILS, BACKS_OFF, SUCCEEDS = "fails", "backs-off", "succeeds"
_PULL_TROUBLE = (retries.PULL, retries.BACK_OFF, "InvalidImageName", "ErrImageNeverPull")
_WHOLE = ("initContainers", "containers")  # in the order they are started in

Item = dict[str, str]


def item(field: str, container: containers.Container) -> Item:
    """A container as events tell of it."""
    name = container["name"]
    return {"name": name, "image": container.get("image") or "", "path": f"spec.{field}{{{name}}}"}


def all_of(pod: Object) -> list[Item]:
    return [item(field, one) for field in _WHOLE for one in pod["spec"].get(field) or ()]


def pulling(pod: Object) -> list[Item]:
    """Those whose image could not be pulled."""
    return [
        item(field, container)
        for field in _WHOLE
        for one in containers.present_statuses(pod, field)
        if objects.dig(one, "state", "waiting", "reason") in _PULL_TROUBLE
        for container in pod["spec"].get(field) or ()
        if container["name"] == one["name"]
    ]


def unpullable(pod: Object) -> Item | None:
    """The first whose image is not found if one is not: of no sidecar, init containers before the others."""
    for field in _WHOLE:
        for one in pod["spec"].get(field) or ():
            if not containers.is_sidecar(one):
                made = item(field, one)
                return {**made, "field": field, "error": retries.not_found(made["image"])}
    return None


def pull(pod: Object, now: str) -> tuple[str, datetime | None] | None:
    """What is next with the image that is not found, and when; None: nothing is known of such a one."""
    fate, waiting = fates.of(pod), _waiting(pod)
    reason = waiting.get("reason", "")
    late = fate.start == "image-pull-backoff"
    if fate.start not in fates.PULLS:
        image = (unpullable(pod) or {}).get("image", "")
        ours = reason and waiting == retries.unpulled(image, reason)
        return (SUCCEEDS, None) if ours else None  # the fate was taken off
    if not reason:
        return (BACKS_OFF if late else FAILS), None
    started = objects.dig(pod, "status", "startTime")
    if reason not in (retries.PULL, retries.BACK_OFF) or not started:
        return None
    following, when = retries.next_pull(started, now, reason, late=late)
    if following == retries.BACK_OFF:
        return BACKS_OFF, when
    mended = (when - parse_rfc3339(started)).total_seconds() >= fate.mends
    return (SUCCEEDS if mended else FAILS), when


def _waiting(pod: Object) -> dict[str, str]:
    """Why the first container waits whose image could not be pulled."""
    for field in _WHOLE:
        for one in containers.present_statuses(pod, field):
            waiting: dict[str, str] = objects.dig(one, "state", "waiting", default={})
            if waiting.get("reason") in _PULL_TROUBLE:
                return waiting
    return {}


def working(pod: Object) -> bool:
    """Whether one of its main containers runs."""
    return any(containers.is_running(one) for one in containers.present_statuses(pod, "containers"))


def put_off(pod: Object) -> list[Item]:
    """Those that have ended again, so that they are not started at once."""
    return _items(pod, (one["name"] for one in _wanted_back(pod) if retries.put_off(one)))


def restarting(pod: Object) -> tuple[list[Item], datetime | None] | None:
    """Those that are started again next, and when, if not at once; None: there are none."""
    if now := [one["name"] for one in _wanted_back(pod) if not retries.put_off(one)]:
        return _items(pod, now), None
    due: dict[datetime, list[str]] = {}
    for one in containers.present_statuses(pod, "containers"):
        if when := retries.restart_at(one):
            due.setdefault(when, []).append(one["name"])
    return (_items(pod, due[min(due)]), min(due)) if due else None


def _wanted_back(pod: Object) -> list[dict[str, Any]]:
    policy = pod["spec"].get("restartPolicy") or "Always"
    return [
        one
        for one in containers.present_statuses(pod, "containers")
        if (end := containers.termination(one)) is not None
        and (policy == "Always" or (policy == "OnFailure" and end.get("exitCode")))
    ]


def _items(pod: Object, names: Iterable[str]) -> list[Item]:
    wanted = frozenset(names)
    return [item("containers", one) for one in pod["spec"]["containers"] if one["name"] in wanted]
