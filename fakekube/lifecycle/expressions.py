"""Looking into an object: the small part of jq that stage files need.

    .spec.nodeName                                              a member
    .metadata.annotations["example.com/delay"]                  a member whose name is no word
    .status.containerStatuses[0].ready                          an item
    .metadata.ownerReferences[].kind                            every item (kwok's `.[]` is read as well)
    .status.conditions[] | select(.type == "Ready") | .status   the items that pass a test, == or !=

An expression gives the list of values it finds; what is absent or null is not found.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

Step = Callable[[Iterable[Any]], Iterable[Any]]

_TOKEN = re.compile(
    r"""\s*(?:
      \.?\[\s*"(?P<quoted>[^"]*)"\s*\]            # ["name"]
    | \.?\[\s*(?P<index>-?\d+)\s*\]               # [0]
    | \.?(?P<each>\[\s*\])                        # []
    | \.(?P<name>[A-Za-z_][\w-]*)                 # .name
    | \|\s*select\(\s*(?P<path>[^=!()]+?)\s*(?P<operator>==|!=)\s*(?P<literal>"[^"]*"|[\w.-]+)\s*\)
    | (?P<pipe>\|)(?=\s*\.)                       # | .next
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    text: str
    steps: tuple[Step, ...]
    path: tuple[str, ...] = ()  # where it is nothing but members: their names, which is quicker to follow

    def values(self, obj: Any) -> list[Any]:
        """Everything the expression finds in `obj`."""
        if self.path:
            for name in self.path:
                obj = obj.get(name) if isinstance(obj, dict) else None
                if obj is None:
                    return []
            return [obj]
        found: Iterable[Any] = (obj,)
        for step in self.steps:
            found = step(found)
        return [one for one in found if one is not None]

    def first(self, obj: Any) -> Any:
        """The first value found, or None."""
        return next(iter(self.values(obj)), None)


def parse(text: str) -> Expression:
    """Read an expression. Raises ValueError, saying where it stops making sense."""
    steps: list[Step] = []
    names: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"cannot read {text[at:].strip()!r} in the expression {text!r}")
        at = token.end()
        step = _step(token)
        if step is not None:
            steps.append(step)
        if (name := token["name"] or token["quoted"]) is not None:
            names.append(name)
    if not steps:
        raise ValueError(f"the expression {text!r} names nothing; begin with a dot, as in .spec.nodeName")
    return Expression(text, tuple(steps), tuple(names) if len(names) == len(steps) else ())


def _step(token: re.Match[str]) -> Step | None:
    if (name := token["name"] or token["quoted"]) is not None:
        return lambda values: [one.get(name) for one in values if isinstance(one, dict)]
    if token["index"] is not None:
        index = int(token["index"])
        return lambda values: [
            one[index] for one in values if isinstance(one, list) and -len(one) <= index < len(one)
        ]
    if token["each"]:
        return lambda values: [item for one in values if isinstance(one, list) for item in one]
    if token["pipe"]:
        return None
    path, wanted, negated = parse(token["path"]), _literal(token["literal"]), token["operator"] == "!="
    return lambda values: [one for one in values if (path.first(one) == wanted) != negated]


def _literal(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError(f"{text} is neither a quoted text nor a number, true, false or null") from None
