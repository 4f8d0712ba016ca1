"""Lists and sets: Kubernetes' list functions and cel-go's sets.

k8s: staging/src/k8s.io/apiserver/pkg/cel/library/lists.go; cel-go: ext/sets.go
"""

from functools import reduce
from itertools import pairwise
from typing import Any

from fakekube.api.schema.cel.operators import OPERATORS, add
from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import BOOL, DOUBLE, DURATION, INT, UINT, A, list_of
from fakekube.api.schema.cel.values import CelError, UInt, contains, equal

_LESS = OPERATORS["_<_"]


def _is_sorted(values: list[Any]) -> bool:
    return not any(_LESS(later, earlier) for earlier, later in pairwise(values))


def _least(values: list[Any]) -> Any:
    if not values:
        raise CelError("min called on empty list")
    return reduce(lambda one, other: other if _LESS(other, one) else one, values)


def _most(values: list[Any]) -> Any:
    if not values:
        raise CelError("max called on empty list")
    return reduce(lambda one, other: other if _LESS(one, other) else one, values)


def _sum(zero: Any) -> Any:
    return lambda values: reduce(add, values) if values else zero


def _index_of(values: list[Any], wanted: Any) -> int:
    return next((at for at, value in enumerate(values) if equal(value, wanted)), -1)


def _last_index_of(values: list[Any], wanted: Any) -> int:
    return next((at for at in range(len(values) - 1, -1, -1) if equal(values[at], wanted)), -1)


def _contains_all(values: list[Any], wanted: list[Any]) -> bool:
    return all(contains(values, one) for one in wanted)


def install(library: Library) -> None:
    anything = list_of(A)
    library.member("isSorted", (anything,), BOOL, _is_sorted)
    library.member("min", (anything,), A, _least)
    library.member("max", (anything,), A, _most)
    for one, zero in ((INT, 0), (UINT, UInt(0)), (DOUBLE, 0.0)):
        library.member("sum", (list_of(one),), one, _sum(zero))
    library.member("sum", (list_of(DURATION),), DURATION, _sum(None))
    library.member("indexOf", (anything, A), INT, _index_of)
    library.member("lastIndexOf", (anything, A), INT, _last_index_of)
    pair = (anything, anything)
    library.add("sets.contains", pair, BOOL, _contains_all)
    library.add(
        "sets.equivalent",
        pair,
        BOOL,
        lambda one, other: _contains_all(one, other) and _contains_all(other, one),
    )
    library.add(
        "sets.intersects", pair, BOOL, lambda one, other: any(contains(one, value) for value in other)
    )
