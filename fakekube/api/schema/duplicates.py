"""Members that a JSON body names twice. Decoders keep the last one silently; strict decoding tells the client.

Almost no body has any, so the question is first answered by counting: as many keys must end in the text as in the text
written anew from what was decoded. Only a body that fails the count is parsed with every pair kept.
sigs.k8s.io/json: internal/golang/encoding/json/kubernetes_patch.go
"""

import json
import re
from typing import Any

import orjson

_KEY_END = b'":'  # inside a string a quote is escaped, so this ends a key (or follows a backslash, on both sides alike)
_SPACED_KEY_END = re.compile(rb'"[ \t\r\n]+:')
_ESCAPED_QUOTE = re.compile(rb"\\u0022", re.IGNORECASE)
_FILLED_IN = (
    b'"kind"',
    b'"apiVersion"',
    b'"metadata"',
)  # members that may have come to what was decoded since
_MOST = 100  # upstream stops collecting there


class _Pairs(list[tuple[str, Any]]):
    """An object with every pair it was written with."""


def duplicate_fields(body: bytes, decoded: Any = None) -> list[str]:
    """The paths of repeated members, `spec.list[0].name`, in the order of the text. Empty for text that is not JSON.

    Whoever has decoded the body already may pass what came of it.
    """
    if not _suspicious(body, decoded):
        return []
    try:
        tree = json.loads(body, object_pairs_hook=_Pairs)
    except ValueError:
        return []
    found: dict[str, None] = {}
    _walk(tree, "", found)
    return list(found)[:_MOST]


def _suspicious(body: bytes, decoded: Any) -> bool:
    try:
        written = orjson.dumps(orjson.loads(body) if decoded is None else decoded)
    except orjson.JSONDecodeError:
        return False
    if body.count(_KEY_END) != written.count(_KEY_END):
        return True
    if decoded is not None and any(written.count(member) > body.count(member) for member in _FILLED_IN):
        return True
    return _SPACED_KEY_END.search(body) is not None or (
        b"\\u" in body and _ESCAPED_QUOTE.search(body) is not None
    )


def _walk(value: Any, path: str, found: dict[str, None]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, member in value:
            where = f"{path}.{name}" if path else name
            if name in seen:
                found[where] = None
            seen.add(name)
            _walk(member, where, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _walk(item, f"{path}[{index}]", found)
