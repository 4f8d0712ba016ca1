"""How jq puts filters together: pipes, alternatives, comparisons, reckoning."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fakekube.lifecycle.jq.functions import Filter, JqError, kind, order, plus, true

Computes = Callable[[Any, Any], Any]


def itself(value: Any) -> Iterator[Any]:
    yield value


def constant(constant: Any) -> Filter:
    return lambda _: iter([constant])


def piped(first: Filter, then: Filter) -> Filter:
    return lambda value: (found for one in first(value) for found in then(one))


def both_of(first: Filter, then: Filter) -> Filter:
    def both(value: Any) -> Iterator[Any]:
        yield from first(value)
        yield from then(value)

    return both


def or_else(first: Filter, otherwise: Filter) -> Filter:
    def found(value: Any) -> Iterator[Any]:
        good = [one for one in forgiving(first)(value) if true(one)]
        return iter(good) if good else otherwise(value)

    return found


def joined(first: Filter, then: Filter, *, stops: bool) -> Filter:
    """`or` and `and`: what decides alone need not ask the other."""
    return lambda value: (
        stops if true(one) is stops else true(other)
        for one in first(value)
        for other in ((None,) if true(one) is stops else then(value))
    )


def computed(left: Filter, right: Filter, does: Computes) -> Filter:
    return lambda value: (does(one, other) for other in right(value) for one in left(value))


def forgiving(inner: Filter) -> Filter:
    def found(value: Any) -> Iterator[Any]:
        try:
            yield from inner(value)
        except JqError:
            return

    return found


def _counted(does: Computes) -> Computes:
    def counted(left: Any, right: Any) -> Any:
        if kind(left) != "number" or kind(right) != "number":
            raise JqError(f"cannot reckon with {kind(left)} and {kind(right)}")
        try:
            return does(left, right)
        except ArithmeticError as error:
            raise JqError(str(error)) from None

    return counted


COMPARISONS: Mapping[str, Computes] = {
    "==": lambda left, right: order(left) == order(right),
    "!=": lambda left, right: order(left) != order(right),
    "<=": lambda left, right: order(left) <= order(right),
    ">=": lambda left, right: order(left) >= order(right),
    "<": lambda left, right: order(left) < order(right),
    ">": lambda left, right: order(left) > order(right),
}
SUMS: Mapping[str, Computes] = {"+": plus, "-": _counted(lambda left, right: left - right)}
PRODUCTS: Mapping[str, Computes] = {
    "*": _counted(lambda left, right: left * right),
    "/": _counted(lambda left, right: left / right),
    "%": _counted(lambda left, right: int(left) % int(right)),
}
