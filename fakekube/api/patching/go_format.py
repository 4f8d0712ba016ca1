"""Values as Go prints them, because error texts of the real server show them that way.

Origin: go: fmt (verbs %v, %#v, %T) over what encoding/json decodes into
"""

from typing import Any

import orjson


def plain(value: Any) -> str:
    """The verb `%v`: `map[a:1 b:[x y]]`, strings bare, null as `<nil>`."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{plain(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(plain, value)) + "]"
    return value if isinstance(value, str) else _scalar(value)


def syntax(value: Any) -> str:
    """The verb `%#v`: the value as Go source."""
    if isinstance(value, dict):
        inside = ", ".join(f"{quoted(key)}:{syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inside}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(syntax, value)) + "}"
    return quoted(value) if isinstance(value, str) else _scalar(value, exact=True)


def type_name(value: Any) -> str:
    """The verb `%T`."""
    if value is None:
        return "<nil>"
    names: dict[type, str] = {
        dict: "map[string]interface {}",
        list: "[]interface {}",
        str: "string",
        bool: "bool",
        int: "int64",
        float: "float64",
    }
    return names[type(value)]


def kind_name(value: Any) -> str:
    """What reflection calls the value's kind."""
    return {dict: "map", list: "slice", type(None): "invalid"}.get(type(value)) or type_name(value)


def quoted(text: str) -> str:
    """The verb `%q`."""
    return orjson.dumps(text).decode()


def _scalar(value: Any, *, exact: bool = False) -> str:
    if value is None:
        return "interface {}(nil)" if exact else "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return str(value)


def _float(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value)
