"""How deep values may be nested: as deep as the JSON encoder can write again, with room for what is put around an object.

kube-apiserver's decoder goes to 10,000; here whoever sends more than this is told what is said there beyond that.
"""

import re
from contextlib import suppress
from typing import Any

import orjson

DEEPEST = 200
TOO_DEEP = "exceeded max depth"
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_BRACES = bytes.maketrans(b"[]", b"{}")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


def is_too_deep(value: Any, text: bytes | None = None) -> bool:
    """Whether there are more containers in each other than can be handled. `text` is the JSON it came from, if it did."""
    if text is None:
        with suppress(TypeError):  # what cannot be written is looked at
            text = orjson.dumps(value)
    if text is not None and (text.count(b"{") + text.count(b"[") <= DEEPEST or _is_flat(text)):
        return False  # almost always, and told at once
    level = [value]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for one in level:
            if type(one) is dict:
                below += [child for child in one.values() if type(child) is dict or type(child) is list]
            elif type(one) is list:
                below += [child for child in one if type(child) is dict or type(child) is list]
        if not below:
            return False
        level = below
    return True


def _is_flat(text: bytes) -> bool:
    """Whether JSON is nested no deeper than that, told by its brackets: each turn takes out the innermost."""
    left = _STRINGS.sub(b"", text).translate(_BRACES, _OTHERS)
    for _ in range(DEEPEST + 1):
        left = left.replace(b"{}", b"")
        if not left:
            break
    return not left
