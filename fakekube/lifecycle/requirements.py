"""One of a stage's matchExpressions as a test of an object and its context, put together once: stages are held against every
change there is."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, Protocol

from msgspec import Struct

from fakekube.lifecycle.expressions import Expression
from fakekube.lifecycle.templates import Context, follow, path_of
from fakekube.machinery.wire import Object

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
Test = Callable[[Object, Context], bool]


class Program(Protocol):
    """A compiled CEL expression. What cannot be evaluated for an object is None."""

    text: str

    def __call__(self, obj: Object, context: Context, /) -> Any: ...


Key = Expression | Program | str  # a path in the object, something computed of it, or a name of the context


class Requirement(Struct, frozen=True, dict=True):
    """One of matchExpressions."""

    key: Key
    operator: Operator
    values: frozenset[str] = frozenset()

    @property
    def effort(self) -> int:
        """How much there is to do: a path is followed, a name may have to be worked out."""
        return (
            0 if isinstance(self.key, Expression) and self.key.path else 1 if isinstance(self.key, str) else 2
        )

    @cached_property
    def holds(self) -> Test:
        key, values, wanted = self.key, self.values, self.operator in ("Exists", "In")
        if isinstance(key, str):
            path, named = path_of(key), True
        elif isinstance(key, Expression):
            if not key.path:
                return self._of_several(lambda obj, _: key.values(obj))
            path, named = key.path, False
        else:
            return self._of_several(lambda *both: [one for one in (key(*both),) if one is not None])
        if not values:
            return lambda obj, context: (follow(context if named else obj, path) is not None) is wanted

        def holds(obj: Object, context: Context) -> bool:
            value = follow(context if named else obj, path)
            return (value is not None and text_of(value) in values) is wanted

        return holds

    def _of_several(self, find: Callable[[Object, Context], list[Any]]) -> Test:
        values, wanted = self.values, self.operator in ("Exists", "In")
        if not values:
            return lambda obj, context: bool(find(obj, context)) is wanted
        return lambda obj, context: any(text_of(one) in values for one in find(obj, context)) is wanted


def text_of(value: Any) -> str:
    """A value as stage files write it."""
    if value.__class__ is str:
        return str(value)
    if value is True:
        return "true"
    return "false" if value is False else str(value)
