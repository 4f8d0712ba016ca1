"""Loops: all, exists, exists_one, map, filter and their two-variable relatives.

`all` and `exists` forgive an error when another item decides, as `&&` and `||` do.
cel-go: parser/macro.go, ext/comprehensions.go
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from fakekube.api.schema.cel.types import BOOL, DYN, INT, Type, list_of, map_of
from fakekube.api.schema.cel.values import CelError, CostExceeded, no_such_overload

Frame = list[Any]
Closure = Callable[[Frame], Any]


class Plan(Struct, frozen=True):
    """What a loop runs over and does; `whole_key` is the one-variable form, where a map's items are its keys."""

    over: Closure
    slots: tuple[int, ...]
    predicate: Closure | None
    transform: Closure | None
    whole_key: bool

    def steps(self, frame: Frame) -> Iterator[tuple[Any, Any]]:
        """Sets the variables for each item in turn; the item (key, value) is for the loop's own use."""
        values = self.over(frame)
        if isinstance(values, list):
            pairs: Iterator[tuple[Any, Any]] = iter(enumerate(values))
            shown = 1
        elif isinstance(values, dict):
            pairs = iter(list(values.items()))
            shown = 0
        else:
            raise no_such_overload()
        for pair in pairs:
            if self.whole_key:
                frame[self.slots[0]] = pair[shown]
            else:
                frame[self.slots[0]], frame[self.slots[1]] = pair
            yield pair

    def holds(self, frame: Frame) -> bool:
        if self.predicate is None:
            return True
        verdict = self.predicate(frame)
        if verdict is True or verdict is False:
            return verdict
        raise no_such_overload()


def element_types(over: Type, count: int) -> tuple[Type, ...] | None:
    """The types of the loop's variables; None when there is nothing to loop over."""
    if over == DYN:
        return (DYN,) * count
    if over.name == "list":
        item = over.params[0] if over.params else DYN
        return (item,) if count == 1 else (INT, item)
    if over.name == "map":
        key, value = over.params or (DYN, DYN)
        return (key,) if count == 1 else (key, value)
    return None


def result_type(kind: str, over: Type, transform: Type) -> Type:
    if kind in ("all", "exists", "exists_one"):
        return BOOL
    if kind == "filter":
        return over if over.name == "list" else list_of(over.params[0]) if over.params else DYN
    if kind in ("map", "transformList"):
        return list_of(transform)
    return (
        map_of(over.params[0] if over.name == "map" and over.params else DYN, transform)
        if kind == "transformMap"
        else DYN
    )


def _quantifier(plan: Plan, *, decisive: bool) -> Closure:
    def run(frame: Frame) -> bool:
        failure: CelError | None = None
        for _ in plan.steps(frame):
            try:
                if plan.holds(frame) is decisive:
                    return decisive
            except CostExceeded:
                raise
            except CelError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return not decisive

    return run


def _exists_one(plan: Plan) -> Closure:
    return lambda frame: sum(plan.holds(frame) for _ in plan.steps(frame)) == 1


def _filter(plan: Plan) -> Closure:
    return lambda frame: [frame[plan.slots[0]] for _ in plan.steps(frame) if plan.holds(frame)]


def _map(plan: Plan) -> Closure:
    transform = plan.transform
    assert transform is not None
    return lambda frame: [transform(frame) for _ in plan.steps(frame) if plan.holds(frame)]


def _transform_map(plan: Plan) -> Closure:
    transform = plan.transform
    assert transform is not None
    return lambda frame: {key: transform(frame) for key, _ in plan.steps(frame) if plan.holds(frame)}


def _transform_entry(plan: Plan) -> Closure:
    transform = plan.transform
    assert transform is not None

    def run(frame: Frame) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for _ in plan.steps(frame):
            if not plan.holds(frame):
                continue
            for key, value in transform(frame).items():
                if key in found:
                    raise CelError(f"insert failed: key {key} already exists")
                found[key] = value
        return found

    return run


MAKERS: dict[str, Callable[[Plan], Closure]] = {
    "all": lambda plan: _quantifier(plan, decisive=False),
    "exists": lambda plan: _quantifier(plan, decisive=True),
    "exists_one": _exists_one,
    "filter": _filter,
    "map": _map,
    "transformList": _map,
    "transformMap": _transform_map,
    "transformMapEntry": _transform_entry,
}
