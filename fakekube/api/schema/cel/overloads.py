"""Functions by name and signature, for the checker and, where types are only known at run time, for the call itself."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from fakekube.api.schema.cel.types import DYN, Type, fits, resolved
from fakekube.api.schema.cel.values import no_such_overload, type_name


class Overload(Struct, frozen=True):
    """One signature. For member functions the first parameter is what stands before the dot."""

    params: tuple[Type, ...]
    result: Type
    call: Callable[..., Any]
    member: bool = False


class Library:
    """Functions under their names; namespaced ones under `ip.isCanonical`."""

    def __init__(self) -> None:
        self.functions: dict[str, list[Overload]] = {}

    def add(self, name: str, params: Iterable[Type], result: Type, call: Callable[..., Any]) -> None:
        self.functions.setdefault(name, []).append(Overload(tuple(params), result, call))

    def member(self, name: str, params: Iterable[Type], result: Type, call: Callable[..., Any]) -> None:
        self.functions.setdefault(name, []).append(Overload(tuple(params), result, call, member=True))

    def copy(self) -> "Library":
        """The same functions, to add others to."""
        other = Library()
        other.functions = {name: list(overloads) for name, overloads in self.functions.items()}
        return other

    def candidates(self, name: str, count: int, *, member: bool) -> list[Overload]:
        return [
            one for one in self.functions.get(name, ()) if one.member is member and len(one.params) == count
        ]


def matching(candidates: list[Overload], given: list[Type]) -> tuple[list[Overload], Type]:
    """The overloads that may be meant by arguments of these types, and the type of the answer."""
    found, results = [], []
    for one in candidates:
        bound: dict[str, Type] = {}
        if all(fits(have, want, bound) for have, want in zip(given, one.params, strict=True)):
            found.append(one)
            results.append(resolved(one.result, bound))
    same = all(result == results[0] for result in results)
    return found, (results[0] if results and same else DYN)


def dispatcher(candidates: list[Overload]) -> Callable[..., Any]:
    """One callable for several overloads: the values decide."""
    if len(candidates) == 1:
        only = candidates[0]
        names = tuple(param.name for param in only.params)
        if all(len(name) == 1 or name == "dyn" for name in names):
            return only.call

    def dispatch(*args: Any) -> Any:
        names = [type_name(arg) for arg in args]
        for one in candidates:
            pairs = zip(names, one.params, strict=True)
            if all(have == want.name or want.is_variable or want.name == "dyn" for have, want in pairs):
                return one.call(*args)
        raise no_such_overload()

    return dispatch
