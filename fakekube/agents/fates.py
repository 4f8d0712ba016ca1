"""What is to become of a pod or a claim, told by its annotation `fakekube.io/fate`. Pure.

Comma-separated words; durations are seconds, or written as `90s`, `1m30s`:

    unschedulable           no node fits; unschedulable=30s: for so long
    target-unschedulable    the same, only for the pod a live migration goes to
    image-pull-error        an image cannot be pulled: ErrImagePull, ImagePullBackOff and so on; =30s: for so long
    image-pull-backoff      the same, later: ImagePullBackOff, for five minutes between pulls; =10m: for so long
    fail-to-start           the containers exit with 1 as soon as they start
    exit=3                  the work of a Job's pod ends with that code

On a PersistentVolumeClaim: `unbound`, for as long as the annotation is there. Whoever takes the annotation off a pod takes
that fate off it, too. Other words are not for pods: a launcher pod carries the annotation of its
VirtualMachineInstance. So it does carry those by which KubeVirt's own functional specs have a launcher crash, or its image not be found.
"""

from functools import lru_cache

from msgspec import Struct

from fakekube.machinery import digits
from fakekube.machinery.durations import parse
from fakekube.machinery.objects import Obj, annotations

ANNOTATION = "fakekube.io/fate"
FOR_EVER = float("inf")

_FAIL_FAST = "kubevirt.io/func-test-virt-launcher-fail-fast"  # --simulate-crash
_NO_SUCH_IMAGE = "kubevirt.io/func-test-migration-target-image-override"  # they name one that nobody has
_MIGRATION = "kubevirt.io/migrationJobName"  # pods that are the target of a live migration carry it
PULLS = ("image-pull-error", "image-pull-backoff")
_STARTS = (*PULLS, "fail-to-start")
WORDS = frozenset(("unschedulable", "target-unschedulable", "exit", *_STARTS))


class Fate(Struct, frozen=True):
    """What happens to one pod."""

    unschedulable: float = 0.0  # seconds after its creation
    start: str = ""  # the word that says how its start goes wrong
    mends: float = FOR_EVER  # seconds after its start when its image is there
    exit: int | None = None  # what its work ends with, whatever it is


NONE = Fate()
_CRASHING = Fate(start="fail-to-start")
_NOT_PULLED = Fate(start="image-pull-error")


def of(pod: Obj) -> Fate:
    own = annotations(pod)
    if _FAIL_FAST in own:
        return _CRASHING
    if _NO_SUCH_IMAGE in own:
        return _NOT_PULLED
    text = own.get(ANNOTATION)
    return read(text, target=_MIGRATION in own) if text else NONE


@lru_cache(maxsize=256)
def read(text: str, *, target: bool = False) -> Fate:
    """The fate an annotation describes; `target`: of the pod a live migration goes to."""
    waits, start, mends = 0.0, "", FOR_EVER
    code: int | None = None
    for word in (part.strip() for part in text.split(",")):
        key, _, value = word.partition("=")
        if key == "unschedulable" or (target and key == "target-unschedulable"):
            waits = FOR_EVER if not value else _seconds_or_never(value)
        elif key in PULLS:
            start, mends = key, FOR_EVER if not value else _seconds_or_never(value)
        elif word in _STARTS:
            start = word
        elif key == "exit" and (told := digits.number(value)) is not None:
            code = told & 0xFF
    return Fate(waits, start, mends, code)


def stays_unbound(claim: Obj) -> bool:
    return "unbound" in annotations(claim).get(ANNOTATION, "").split(",")


def seconds(text: str) -> float:
    """A duration, in seconds if it has no unit. Raises ValueError when it is none."""
    found = parse(text, bare=1.0)
    if found < 0:
        raise ValueError(f"{text} is less than nothing")
    return found


def _seconds_or_never(text: str) -> float:
    try:
        return seconds(text)
    except ValueError:
        return 0.0
