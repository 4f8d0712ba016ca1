"""How deep values may be nested: as deep as the JSON encoder can write again, with room for what is put around an object.

kube-apiserver's decoder goes to 10,000; here whoever sends more than this is told what is said there beyond that.
"""

from contextlib import suppress
from typing import Any

import orjson

DEEPEST = 200  # containers in a container
TOO_DEEP = "exceeded max depth"
_WRITTEN = 254  # containers in each other that the encoder writes; tests hold it to that
_AROUND = _WRITTEN - DEEPEST - 1


def is_too_deep(value: Any, text: bytes | None = None) -> bool:
    """Whether there are more containers in each other than can be handled. `text` is the JSON it came from, if it did."""
    if text is not None and text.count(b"{") + text.count(b"[") <= DEEPEST:
        return False  # almost always, and told at once
    wrapped = value
    for _ in range(_AROUND):
        wrapped = [wrapped]
    with suppress(TypeError):  # what cannot be written for whatever reason is looked at
        orjson.dumps(wrapped)
        return False
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
