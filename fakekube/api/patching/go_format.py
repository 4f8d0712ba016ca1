"""Values as Go prints them, because error texts of the real server show them that way.

Origin: go: fmt (verbs %v, %#v, %T) over what encoding/json decodes into
"""

from typing import Any

_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


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
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_quoted_character, text)) + '"'


def _quoted_character(one: str) -> str:
    known = _SHORT.get(one)
    if known or one.isprintable():
        return known or one
    code = ord(one)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _scalar(value: Any, *, exact: bool = False) -> str:
    if value is None:
        return "interface {}(nil)" if exact else "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return str(value)


def _float(value: float) -> str:
    """The shortest digits that say it; with an exponent below 0.0001 and from a million on."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return repr(value).removesuffix(".0")
    return next(text for text in (f"{value:.{digits}e}" for digits in range(17)) if float(text) == value)
