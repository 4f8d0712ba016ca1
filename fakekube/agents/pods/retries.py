"""When a kubelet tries again: images that could not be pulled, containers that have ended. Pure.

Both are put off for 10 s, then for twice as long each time, at most five minutes. All follows from what the pod says of
itself, so nothing is to be remembered: pulls from its start, restarts from their number and the last end.

Upstream: k8s: pkg/kubelet/images/image_manager.go, pkg/kubelet/kuberuntime/kuberuntime_manager.go (doBackOff)
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from fakekube.agents.containers import Container, image_names, termination
from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects
from fakekube.machinery.durations import spelled

PULL, BACK_OFF = "ErrImagePull", "ImagePullBackOff"
CRASHING = "CrashLoopBackOff"
_FIRST, _LONGEST = 10, 300
_HEEDED_FIRST, _HEEDED = 2, 10  # how long a failed pull is told of: at first the new sandbox has it look soon
_FORGIVEN = 2 * _LONGEST  # who has run for so long begins anew
_LATE = 320  # into a story whose waits are the longest


def not_found(image: str) -> str:
    """What the runtime says of an image that its registry does not have."""
    full = image_names(image)[0]
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )


def unpulled(image: str, reason: str) -> dict[str, str]:
    """Why a container waits whose image cannot be pulled, or is not tried to be at present."""
    text = not_found(image)
    if reason == BACK_OFF:
        text = f'Back-off pulling image "{image}": {PULL}: {text}'
    return {"reason": reason, "message": text}


def next_pull(started: str, now: str, reason: str, *, late: bool) -> tuple[str, datetime]:
    """What comes after this reason, and when: to back off a moment after a pull has failed, then the next pull."""
    begin = parse_rfc3339(started) - timedelta(seconds=_LATE if late else 0)
    passed = (parse_rfc3339(now) - begin).total_seconds()
    for noticed, again in _pulls():
        if reason == PULL and passed < again:
            return BACK_OFF, begin + timedelta(seconds=noticed)
        if reason == BACK_OFF and passed < again + _HEEDED:
            return PULL, begin + timedelta(seconds=again)
    raise AssertionError("there is always a next pull")


def _pulls() -> Iterator[tuple[int, int]]:
    """For each pull, in seconds: when the kubelet looks at the pod again, and when the next pull is due."""
    pulled, wait = 0, _FIRST
    while True:
        yield pulled + (_HEEDED if pulled else _HEEDED_FIRST), pulled + wait
        pulled, wait = pulled + wait, min(2 * wait, _LONGEST)


def put_off(status: Mapping[str, Any]) -> int:
    """Seconds a container stays down that has ended: none the first time, and after it has run for long."""
    end = termination(dict(status)) or objects.dig(status, "lastState", "terminated") or {}
    count = int(status.get("restartCount") or 0)
    if not count or _seconds(end.get("startedAt"), end.get("finishedAt")) >= _FORGIVEN:
        return 0
    return min(_FIRST << min(count - 1, 8), _LONGEST)


def restart_at(status: Mapping[str, Any]) -> datetime | None:
    """When a container that waits for its back-off to be over is started again; None: nobody knows when it ended."""
    finished = objects.dig(status, "lastState", "terminated", "finishedAt")
    if objects.dig(status, "state", "waiting", "reason") != CRASHING or not finished:
        return None
    return parse_rfc3339(finished) + timedelta(seconds=put_off(status))


def crash_loop(pod: objects.Obj, container: Container, seconds: int) -> dict[str, str]:
    """Why a container waits that ends too often."""
    text = f"back-off {spelled(seconds)} restarting failed container={container['name']} pod={full_name(pod)}"
    return {"reason": CRASHING, "message": text}


def full_name(pod: objects.Obj) -> str:
    return f"{objects.name(pod)}_{objects.namespace(pod)}({objects.uid(pod)})"


def _seconds(begin: str | None, end: str | None) -> float:
    return (parse_rfc3339(end) - parse_rfc3339(begin)).total_seconds() if begin and end else 0.0
