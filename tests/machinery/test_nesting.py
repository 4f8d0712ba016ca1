"""How deep values may be nested is told alike by their text and by themselves."""

from typing import Any

import orjson
import pytest

from fakekube.machinery.nesting import DEEPEST, is_too_deep

_UNLIKELY = '}]"{\\[{['  # brackets in texts say nothing


def _nested(depth: int) -> Any:
    value: Any = _UNLIKELY
    for level in range(depth):
        value = [value, _UNLIKELY] if level % 2 else {_UNLIKELY: value, "more": _UNLIKELY}
    return value


@pytest.mark.parametrize(("depth", "deep"), [(3, False), (DEEPEST + 1, False), (DEEPEST + 2, True)])
def test_depth_is_told_with_and_without_text(depth: int, deep: bool) -> None:
    """A value is too deep by its own look, and by the JSON it came from."""
    value = _nested(depth)
    assert is_too_deep(value) is deep
    assert is_too_deep(value, orjson.dumps(value)) is deep
    assert is_too_deep(value, b"[" * 1_000) is deep  # a text that is no JSON does not count


def test_many_brackets_are_not_many_levels() -> None:
    """What is long need not be deep."""
    assert not is_too_deep({"items": [{"a": [_UNLIKELY]}] * 1_000})


@pytest.mark.parametrize("innermost", [{}, [], _UNLIKELY, 2**70, None])
def test_the_limit_is_the_same_whatever_is_innermost(innermost: Any) -> None:
    """What cannot be written at all is judged as what can be: an encoder that gives up earlier or later would show here."""
    containers = DEEPEST + 1 - isinstance(innermost, (dict, list))
    value = innermost
    for _ in range(containers):
        value = [value]
    assert not is_too_deep(value)
    assert not is_too_deep({"a": innermost, "b": value[0]})
    assert is_too_deep([value])
    assert is_too_deep({"a": [1], "b": value})
