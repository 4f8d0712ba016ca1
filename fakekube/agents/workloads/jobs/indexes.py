"""Sets of indexes as Jobs write them: `1,3-5,7`. Pure.

Upstream: k8s: pkg/controller/job/indexed_job_utils.go
"""

from collections.abc import Iterable

from fakekube.machinery import digits, objects
from fakekube.machinery.objects import Obj

_MOST = 1_000_000  # of one Job; as many are more than anybody has waited for
ANNOTATION = "batch.kubernetes.io/job-completion-index"


def parse(text: str, total: int) -> set[int]:
    """Those of `total` that a text names; what is none is passed by."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        words = part.partition("-")
        first = digits.number(words[0])
        last = digits.number(words[2]) if words[1] else first
        if first is not None and last is not None:
            found.update(range(first, min(last + 1, total, _MOST)))
    return found


def render(indexes: Iterable[int]) -> str:
    """Neighbours become ranges, from three on."""
    parts: list[str] = []
    run: list[int] = []
    for index in [*sorted(indexes), None]:
        if run and (index is None or index != run[-1] + 1):
            parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(one) for one in run]
            run = []
        if index is not None:
            run.append(index)
    return ",".join(parts)


def of(pod: Obj) -> int | None:
    return digits.number(objects.annotations(pod).get(ANNOTATION, ""))
