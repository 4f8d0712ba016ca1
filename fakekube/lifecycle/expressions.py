"""Looking into an object with jq, the language of stage files. Paths are followed here, all else is the jq library's.

    .spec.nodeName                                              a member
    .metadata.annotations["example.com/delay"]                  a member whose name is no word
    .status.containerStatuses[0].ready                          an item
    .metadata.ownerReferences[].kind                            every item
    .status.conditions[] | select(.type == "Ready") | .status   whatever jq can say

An expression gives the list of values it finds; what is absent or null is not found. Where jq would stop with an error,
nothing is found, as in kwok. Paths are what nearly all stages ask for, of every object that changes: they are followed in
the object as it is, while jq is handed a copy as text.
Origin: https://jqlang.org/manual/
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

Find = Callable[[Any], list[Any]]

_STEP = re.compile(
    r"""\s*(?:
      \.?\[\s*"(?P<quoted>[^"\\]*)"\s*\]   # ["name"]
    | \.?\[\s*(?P<index>-?\d+)\s*\]        # [0]
    | \.?(?P<each>\[\s*\])                 # []
    | \.(?P<name>[A-Za-z_]\w*)             # .name
    )""",
    re.VERBOSE,
)
_REFUSED = re.compile(
    r"jq: error: (?P<why>.+?) at <top-level>(?:, line (?P<line>\d+), column (?P<column>\d+))?"
)


class Expression(Struct, frozen=True):
    """A parsed expression."""

    text: str
    find: Find
    path: tuple[str, ...] = ()  # where it is nothing but members: their names, which is quicker to follow

    def values(self, obj: Any) -> list[Any]:
        """Everything the expression finds in `obj`."""
        if self.path:
            for name in self.path:
                obj = obj.get(name) if isinstance(obj, dict) else None
                if obj is None:
                    return []
            return [obj]
        return [one for one in self.find(obj) if one is not None]

    def first(self, obj: Any) -> Any:
        """The first value found, or None."""
        return next(iter(self.values(obj)), None)


def parse(text: str) -> Expression:
    """Read an expression. Raises ValueError, saying where it stops making sense."""
    steps: list[str | int | None] = []
    at, end = 0, len(text.rstrip())
    while at < end and text[at:].lstrip()[:1] in ".[":
        step = _STEP.match(text, at)
        if step is None:
            break
        at = step.end()
        named = step["name"] if step["name"] is not None else step["quoted"]
        steps.append(named if named is not None else int(step["index"]) if step["index"] else None)
    if at < end or not steps or not text.lstrip().startswith("."):
        return Expression(text, _program(text))
    names = tuple(step for step in steps if isinstance(step, str))
    return Expression(text, _path(steps), names if len(names) == len(steps) else ())


def _path(steps: Iterable[str | int | None]) -> Find:
    """Members by name, items by number, or with None all of them. What has no members has nothing to find."""

    def find(obj: Any) -> list[Any]:
        found = [obj]
        for step in steps:
            if isinstance(step, str):
                found = [one.get(step) for one in found if isinstance(one, dict)]
            elif step is None:
                found = [item for one in found for item in _items(one)]
            else:
                found = [one[step] for one in found if isinstance(one, list) and -len(one) <= step < len(one)]
        return found

    return find


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _program(text: str) -> Find:
    if not text.strip():
        raise ValueError("the expression is empty; begin with a dot, as in .spec.nodeName")
    import jq  # noqa: PLC0415 - stages that come with the package need paths alone, but for pace chaos

    try:
        program = jq.compile(text)
    except ValueError as error:
        said = _REFUSED.search(str(error))
        why = f"{said['why']}, at column {said['column']}" if said and said["column"] else str(error)
        raise ValueError(f"cannot read the expression {text!r}: {why}") from None

    def find(obj: Any) -> list[Any]:
        try:
            return list(program.input_value(obj).all())
        except ValueError:
            return []

    return find
