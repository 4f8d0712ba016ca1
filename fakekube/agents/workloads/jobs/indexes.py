"""Sets of indexes as Jobs write them: `1,3-5,7`. Pure.

Upstream: k8s: pkg/controller/job/indexed_job_utils.go
"""

from collections.abc import Iterable

from fakekube.machinery import digits, objects
from fakekube.machinery.objects import Obj

ANNOTATION = "batch.kubernetes.io/job-completion-index"


def parse(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if first.isdigit() and (not last or last.isdigit()):
            found.update(range(int(first), int(last or first) + 1))
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
