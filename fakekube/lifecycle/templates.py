"""Filling in patch bodies: data in which texts like `{now}` stand for values.

    phase: Running                       as it stands
    startTime: "{now}"                   the text is one name: the value itself, of whatever type
    message: "pod {object.metadata.name} started"    several words: put together as text
    literal: "{{not a name}}"            doubled braces are braces

Names are dotted paths into a context: `now`, `object` (the object as it is), and what the player's owner adds, such as
`pod.ip`. A member whose one name is not found in the context is left out; inside a longer text it is empty.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol

Context = Mapping[str, Any]
Render = Callable[[Context], Any]

_PIECE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w.-]*)\}|[{}]")


class Renders(Protocol):
    """Whatever makes data of a context: a `Template`, or a text of kwok's (`go_templates`)."""

    def render(self, context: Context) -> Any: ...


class Template:
    """Data with names in it, parsed once. Raises ValueError for braces that make no sense."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.names = frozenset(_names(data))
        self.is_one_name = is_one_name(data)
        self._render = _compiled(data)

    def render(self, context: Context) -> Any:
        """The data with every name replaced by its value. Parts without names are shared, not copied."""
        return self._render(context)


def look_up(context: Context, name: str) -> Any:
    """The value of a dotted name, or None."""
    return follow(context, path_of(name))


@lru_cache(maxsize=1024)
def path_of(name: str) -> tuple[str, ...]:
    """The steps of a dotted name."""
    return tuple(name.split("."))


def follow(found: Any, path: tuple[str, ...]) -> Any:
    """What lies at the end of a path, or None."""
    for step in path:
        try:  # nearly always a mapping; asking whether it is one costs more than the look
            found = found.get(step)
        except AttributeError:
            return None
        if found is None:
            return None
    return found


def _compiled(data: Any) -> Render:
    if isinstance(data, str):
        return _compiled_text(data)
    if not any(True for _ in _texts(data)):
        return lambda _: data
    if isinstance(data, Mapping):
        members = [(key, _compiled(value), is_one_name(value)) for key, value in data.items()]

        def mapping(context: Context) -> Any:
            rendered = {}
            for key, render, optional in members:
                value = render(context)
                if value is not None or not optional:
                    rendered[key] = value
            return rendered

        return mapping
    if isinstance(data, list):
        items = [_compiled(value) for value in data]
        return lambda context: [render(context) for render in items]
    return lambda _: data


def _compiled_text(text: str) -> Render:
    pieces: list[str | tuple[str, ...]] = []
    at = 0
    for piece in _PIECE.finditer(text):
        pieces.append(text[at : piece.start()])
        at = piece.end()
        if piece[1]:
            pieces.append(path_of(piece[1]))
        elif len(piece[0]) == 2:
            pieces.append(piece[0][0])
        else:
            raise ValueError(
                f"a single {piece[0]} in {text!r}; write {{name}}, or {piece[0] * 2} for the brace itself"
            )
    pieces.append(text[at:])
    parts = [piece for piece in pieces if piece]
    if all(isinstance(part, str) for part in parts):
        plain = "".join(str(part) for part in parts)
        return lambda _: plain
    if len(parts) == 1:
        path = tuple(parts[0])
        return lambda context: follow(context, path)

    def joined(context: Context) -> str:
        said = []
        for part in parts:
            value = part if isinstance(part, str) else follow(context, part)
            if value is not None:
                said.append(str(value))
        return "".join(said)

    return joined


def is_one_name(value: Any) -> bool:
    """Whether a text is nothing but one name in braces."""
    return isinstance(value, str) and (piece := _PIECE.fullmatch(value)) is not None and bool(piece[1])


def _texts(data: Any) -> Iterator[str]:
    """Every text with a brace in it."""
    if isinstance(data, str):
        if "{" in data or "}" in data:
            yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)


def _names(data: Any) -> Iterator[str]:
    for text in _texts(data):
        for piece in _PIECE.finditer(text):
            if piece[1]:
                yield piece[1]
