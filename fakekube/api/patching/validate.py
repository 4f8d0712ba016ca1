"""Whether a configuration fits its type, in the words of structured-merge-diff. Apply refuses what does not fit.

This is not the validation of the kind: ranges, formats and required fields are judged later, on the merged object.

Origin: structured-merge-diff: typed/{validate,helpers}.go
"""

from collections.abc import Iterator
from typing import Any

from fakekube.api.patching import go_format
from fakekube.api.patching.fieldset import element_text
from fakekube.api.patching.typed import ElementError, Type

_REPEATED = "duplicate entries for key "


def faults(value: Any, kind: Type, *, repeated: bool = False) -> str:
    """What is wrong with `value`, as one text; empty when nothing is. `repeated`: whether keyed items may be."""
    found = [
        f"{path}: {text}" if path else text
        for path, text in _walk(value, kind, "")
        if not (repeated and text.startswith(_REPEATED))
    ]
    return found[0] if len(found) == 1 else "\n  ".join(["errors:", *found]) if found else ""


def _walk(value: Any, kind: Type, path: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, dict) and kind.map:
        yield from _walk_map(value, kind, path)
    elif isinstance(value, list) and kind.list:
        yield from _walk_list(value, kind, path)
    elif isinstance(value, (dict, list)) or not kind.scalar:
        yield path, _wrong_shape(value, kind)
    elif kind.scalar == "string" and not isinstance(value, str):
        yield path, f"expected string, got &value.valueUnstructured{{Value:{go_format.syntax(value)}}}"
    elif kind.scalar == "boolean" and not isinstance(value, bool):
        yield path, f"expected boolean, got {_boxed(value)}"
    elif kind.scalar == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        yield path, f"expected numeric (int or float), got {go_format.type_name(value)}"


def _wrong_shape(value: Any, kind: Type) -> str:
    """The type decides what was expected: map before scalar before list."""
    if kind.map:
        return f"expected map, got {_boxed(value)}"
    match kind.scalar:
        case "":
            return f"expected list, got {_boxed(value)}"
        case "string":
            return f"expected string, got &value.valueUnstructured{{Value:{go_format.syntax(value)}}}"
        case "number":
            return f"expected numeric (int or float), got {go_format.type_name(value)}"
        case "boolean":
            return f"expected boolean, got {_boxed(value)}"
        case _:
            return f"expected any scalar, got {_boxed(value)}"


def _boxed(value: Any) -> str:
    return f"&{{{go_format.plain(value)}}}"


def _walk_map(value: dict[str, Any], kind: Type, path: str) -> Iterator[tuple[str, str]]:
    for name, child in value.items():
        below = kind.member(name)
        if below is None:
            yield f"{path}.{name}", "field not declared in schema"
            return
        yield from _walk(child, below, f"{path}.{name}")


def _walk_list(value: list[Any], kind: Type, path: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for index, child in enumerate(value):
        if not kind.keyed:
            yield from _walk(child, kind.item, f"{path}[{index}]")
            continue
        try:
            element = kind.element_of(child)
        except ElementError as error:
            yield path, f"element {index}: {error}"
            return
        text = element_text(element)
        if element in seen:
            yield path, f"{_REPEATED}{text}"
        seen.add(element)
        yield from _walk(child, kind.item, path + text)
