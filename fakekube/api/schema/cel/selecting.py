"""Fields and elements: what `a.b` and `a[b]` mean for each type, checked and at run time.

Names that CEL could not spell are escaped: `self.foo__dash__bar` reads `foo-bar`, `self.__in__` reads `in`.
k8s: staging/src/k8s.io/apiserver/pkg/cel/escaping.go
"""

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from fakekube.api.schema.cel.types import DYN, INT, STRING, Type, fits
from fakekube.api.schema.cel.values import NONE, CelError, Optional, no_such_overload

Closure = Callable[[list[Any]], Any]

_ESCAPES = {"__underscores__": "__", "__dot__": ".", "__dash__": "-", "__slash__": "/"}
_ESCAPED = re.compile("|".join(_ESCAPES))
_KEYWORD = re.compile(
    r"__(true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var"
    r"|void|while)__"
)


class Field(Struct, frozen=True):
    key: str
    type: Type


def unescaped(name: str) -> str:
    """The JSON name behind a name in an expression."""
    keyword = _KEYWORD.fullmatch(name)
    if keyword is not None:
        return keyword[1]
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], name)


def field(type_: Type, name: str) -> Field | str:
    """What selecting `name` gives, or why it cannot be selected."""
    if type_.name == "optional_type" and type_.params:
        type_ = type_.params[0]
    if type_.fields is not None:
        key = unescaped(name)
        found = type_.fields.get(key)
        return Field(key, found) if found is not None else f"undefined field '{name}'"
    if type_ == DYN:
        return Field(name, DYN)
    if type_.name == "map":
        key_type = type_.params[0] if type_.params else DYN
        if fits(STRING, key_type, {}):
            return Field(name, type_.params[1] if type_.params else DYN)
    return f"type '{type_}' does not support field selection"


def element(type_: Type, index: Type) -> Type | None:
    """What indexing gives; None when it is not allowed."""
    if type_ == DYN:
        return DYN
    if type_.name == "list" and fits(index, INT, {}):
        return type_.params[0] if type_.params else DYN
    if type_.name == "list" and index.name in ("uint", "double"):
        return type_.params[0] if type_.params else DYN
    if type_.name == "map" and (not type_.params or fits(index, type_.params[0], {})):
        return type_.params[1] if type_.params else DYN
    return None


def _member(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        if _is_key(key) and key in value:
            return value[key]
        raise CelError(f"no such key: {key}")
    if isinstance(value, Optional):
        return _maybe(value, key)
    raise no_such_overload()


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, list):
        at = _position(key)
        if 0 <= at < len(value):
            return value[at]
        raise CelError(f"index out of bounds: {at}")
    return _member(value, key)


def _position(key: Any) -> int:
    if isinstance(key, bool) or not isinstance(key, (int, float)) or key != int(key):
        raise no_such_overload()
    return int(key)


def _is_key(key: Any) -> bool:
    return isinstance(key, (str, int, float))


def _maybe(value: Any, key: Any) -> Optional:
    if isinstance(value, Optional):
        if not value.present:
            return NONE
        value = value.content
    if isinstance(value, list):
        at = _position(key)
        return Optional(present=True, content=value[at]) if 0 <= at < len(value) else NONE
    if isinstance(value, dict):
        return Optional(present=True, content=value[key]) if _is_key(key) and key in value else NONE
    raise no_such_overload()


def selector(operand: Closure, key: str) -> Closure:
    def select(frame: list[Any]) -> Any:
        value = operand(frame)
        try:
            return value[key]
        except (KeyError, TypeError):
            return _member(value, key)

    return select


def tester(operand: Closure, key: str) -> Closure:
    def test(frame: list[Any]) -> bool:
        value = operand(frame)
        if isinstance(value, Optional):
            return value.present and isinstance(value.content, dict) and key in value.content
        if not isinstance(value, dict):
            raise no_such_overload()
        return key in value

    return test


def optional_selector(operand: Closure, key: str) -> Closure:
    return lambda frame: _maybe(operand(frame), key)


def indexer(operand: Closure, index: Closure) -> Closure:
    return lambda frame: _item(operand(frame), index(frame))


def optional_indexer(operand: Closure, index: Closure) -> Closure:
    return lambda frame: _maybe(operand(frame), index(frame))
