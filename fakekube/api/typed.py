"""Decoding into a built-in type: what Go's struct decoding does to JSON, told by its schema.

One walk drops unknown members (and tells their paths), nulls, and what re-encoding leaves out when empty; it spells
quantities and times canonically, and refuses wrong types in Go's words. Each definition becomes closures once.
k8s: staging/src/k8s.io/apimachinery/pkg/runtime/serializer/json, sigs.k8s.io/json
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import orjson

from fakekube.api.protobuf.tables import omitted
from fakekube.api.schema.model import reference
from fakekube.api.types import definitions
from fakekube.machinery import quantities
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.wire import Object

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_SAID = {bool: "bool", str: "string", list: "array", dict: "object"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_MICRO_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_TIME, _MICRO_TIME = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"

Unknown = list[str]
Decode = Callable[[Any, Unknown, str], Any]  # (value, unknown paths found, own path) → the decoded value


class _Mismatch(Exception):
    """A wrong type, on its way up to learn where it stands. Go names the innermost struct and the whole path."""

    def __init__(self, said: str, wanted: str) -> None:
        super().__init__(said, wanted)
        self.said = said
        self.wanted = wanted
        self.struct = ""
        self.path: list[str] = []

    def text(self) -> str:
        where = f"struct field {self.struct}.{'.'.join(reversed(self.path))}" if self.struct else "value"
        return f"json: cannot unmarshal {self.said} into Go {where} of type {self.wanted}"


def decode(obj: Object, definition: str) -> list[str]:
    """Normalise `obj`, in place; the paths of unknown members, in order. Raises BadRequest for a wrong type."""
    unknown: Unknown = []
    meta = obj.get("metadata")
    untracked = type(meta) is dict and meta.get("managedFields") == []
    try:
        _struct(definition)(obj, unknown, "")
    except (_Mismatch, ValueError) as error:
        why = error.text() if isinstance(error, _Mismatch) else str(error)
        kind, version = definition.rsplit(".", 1)[-1], str(obj.get("apiVersion") or "").rpartition("/")[2]
        raise BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}') from None
    if untracked:  # the one empty list that says something: no list would leave the owners as they are
        obj["metadata"]["managedFields"] = []
    return unknown


def decode_metadata(metadata: Any, before: Mapping[str, Any]) -> list[str]:
    """As `decode`, for the metadata of an object of any type, of which members that are those of `before` have been decoded.
    Raises ValueError, which names the first fault by name."""
    walk, unknown = _struct(f"{_META}ObjectMeta"), Unknown()
    if type(metadata) is not dict:
        raise ValueError(_mismatch(metadata, "v1.ObjectMeta").text())
    changed = {name: one for name, one in metadata.items() if one is None or before.get(name) is not one}
    names = list(changed)
    try:
        walk(changed, unknown, "metadata")
    except (_Mismatch, ValueError):
        try:
            walk(json.loads(json.dumps(metadata, sort_keys=True)), [], "")
        except _Mismatch as wrong:
            raise ValueError(wrong.text()) from None
    for name in names:
        if name in changed:
            metadata[name] = changed[name]
        else:
            del metadata[name]
    return sorted(unknown)


def _go_name(definition: str) -> str:
    return ".".join(definition.rsplit(".", 2)[-2:])


def _mismatch(value: Any, wanted: str, *, literal: bool = False) -> _Mismatch:
    said = _SAID.get(type(value), "number")
    if literal and said == "number":
        said = f"number {orjson.dumps(value).decode()}"
    return _Mismatch(said, wanted)


@cache
def _struct(definition: str) -> Decode:
    raw = definitions().raw[definition]
    name, wanted = definition.rsplit(".", 1)[-1], _go_name(definition)
    properties: Mapping[str, Any] = raw.get("properties") or {}
    required = frozenset(raw.get("required") or ())
    fields: dict[str, Decode] = {}
    # Members that are text or truth: most of any object, and mostly as they should be.
    plain: dict[str, type] = {}
    lists = {field for field, one in properties.items() if field not in required and _omits_empty(one)}
    sparse = frozenset(lists) | omitted(definition)

    def walk(value: Any, unknown: Unknown, path: str) -> Any:
        if type(value) is not dict:
            raise _mismatch(value, wanted)
        drop: list[str] = []
        for key, member in value.items():
            if member and plain.get(key) is member.__class__:
                continue
            field = fields.get(key)
            if field is None:
                if key not in properties:
                    unknown.append(f"{path}.{key}" if path else key)
                    drop.append(key)
                    continue
                field = fields[key] = _value(properties[key])
                if field in (_string, _boolean):
                    plain[key] = str if field is _string else bool
            if member is None:
                drop.append(key)
                continue
            try:
                decoded = field(member, unknown, f"{path}.{key}" if path else key)
            except _Mismatch as wrong:
                wrong.struct = wrong.struct or name
                wrong.path.append(key)
                raise
            if decoded is not member:
                value[key] = decoded
            if not decoded and key in sparse and (key in lists or type(decoded) is not dict):
                drop.append(key)  # structs are printed even when they are empty
        for key in drop:
            del value[key]
        return value

    return walk


def _omits_empty(raw: Mapping[str, Any]) -> bool:
    """Whether an empty value of this optional member is left out: lists and maps, not structs."""
    return raw.get("type") == "array" or isinstance(raw.get("additionalProperties"), dict)


def _value(raw: Mapping[str, Any]) -> Decode:
    name = reference(raw)
    if name is not None:
        return _referenced(name)
    match raw.get("type"):
        case "array":
            return _list(raw["items"])
        case "object" if isinstance(raw.get("additionalProperties"), dict):
            return _map(raw["additionalProperties"])
        case "object" | None:
            return _anything
        case "string":
            return _bytes if raw.get("format") == "byte" else _string
        case "boolean":
            return _boolean
        case "integer":
            return _integer(str(raw.get("format") or "int64"))
        case _:
            return _number


def _referenced(name: str) -> Decode:
    if name == _QUANTITY:
        return _quantity
    if name == _INT_OR_STRING:
        return _int_or_string
    if name == f"{_META}Time":
        return _time
    if name == f"{_META}MicroTime":
        return _micro_time
    raw = definitions().raw[name]
    if raw.get("properties") is not None:
        return _struct(name)
    if raw.get("type") == "object":
        return _json_object(_go_name(name))
    return _value(raw)


def _list(items: Mapping[str, Any]) -> Decode:
    element, wanted = _value(items), f"[]{_go_type(items)}"
    struct = element is not _anything and reference(items) is not None

    def walk(value: Any, unknown: Unknown, path: str) -> Any:
        if type(value) is not list:
            raise _mismatch(value, wanted)
        for index, one in enumerate(value):
            if one is None:
                value[index] = {} if struct else ""
                continue
            decoded = element(one, unknown, f"{path}[{index}]")
            if decoded is not one:
                value[index] = decoded
        return value

    return walk


def _map(values: Mapping[str, Any]) -> Decode:
    wanted = f"map[string]{_go_type(values)}"
    element = _capacity if reference(values) == _QUANTITY else _value(values)
    zero: Any = "" if values.get("type") == "string" else None
    texts = element is _string

    def walk(value: Any, unknown: Unknown, path: str) -> Any:
        if type(value) is not dict:
            raise _mismatch(value, wanted)
        for key, one in value.items():
            if texts and one.__class__ is str:
                continue
            if one is None:
                value[key] = zero
                continue
            decoded = element(one, unknown, f"{path}.{key}")
            if decoded is not one:
                value[key] = decoded
        return value

    return walk


def _go_type(raw: Mapping[str, Any]) -> str:
    name = reference(raw)
    if name is not None:
        return _go_name(name)
    match raw.get("type"):
        case "array":
            return f"[]{_go_type(raw['items'])}"
        case "object":
            return f"map[string]{_go_type(raw.get('additionalProperties') or {})}"
        case "string":
            return "[]uint8" if raw.get("format") == "byte" else "string"
        case "boolean":
            return "bool"
        case "integer":
            return str(raw.get("format") or "int64")
        case "number":
            return "float64"
        case _:
            return "interface {}"


def _anything(value: Any, _unknown: Unknown, _path: str) -> Any:
    return value


def _json_object(wanted: str) -> Decode:
    def walk(value: Any, _unknown: Unknown, _path: str) -> Any:
        if type(value) is not dict and not wanted.endswith(".RawExtension"):
            raise _mismatch(value, wanted)
        return value

    return walk


def _string(value: Any, _unknown: Unknown, _path: str) -> Any:
    if type(value) is not str:
        raise _mismatch(value, "string")
    return value


def _boolean(value: Any, _unknown: Unknown, _path: str) -> Any:
    if type(value) is not bool:
        raise _mismatch(value, "bool")
    return value


def _integer(wanted: str) -> Decode:
    low, high = _RANGES.get(wanted, _RANGES["int64"])

    def walk(value: Any, _unknown: Unknown, _path: str) -> Any:
        if type(value) is not int or not low <= value <= high:
            raise _mismatch(value, wanted, literal=True)
        return value

    return walk


def _number(value: Any, _unknown: Unknown, _path: str) -> Any:
    if type(value) not in (int, float):
        raise _mismatch(value, "float64")
    return value


def _int_or_string(value: Any, _unknown: Unknown, _path: str) -> Any:
    if type(value) not in (int, str):
        raise _mismatch(value, "int32", literal=True)
    return value


def _bytes(value: Any, _unknown: Unknown, _path: str) -> Any:
    if type(value) is not str:
        raise _mismatch(value, "[]uint8")
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        good = re.match(r"[A-Za-z0-9+/]*", value)
        end = good.end() if good else 0
        # What ends too early is told where its last group begins.
        at = end if end < len(value) else end // 4 * 4
        raise ValueError(f"illegal base64 data at input byte {at}") from None
    return value


def _quantity(value: Any, _unknown: Unknown, _path: str) -> Any:
    text = value if type(value) is str else orjson.dumps(value).decode()
    quantities.parse(text)
    return text


def _capacity(value: Any, _unknown: Unknown, _path: str) -> Any:
    """A quantity in a resource list: rounded up to thousandths and spelled anew."""
    return quantities.canonical(value if type(value) is str else orjson.dumps(value).decode(), milli=True)


def _moment(value: str, layout: str, shape: re.Pattern[str]) -> datetime:
    if not shape.fullmatch(value):
        raise ValueError(_unparsable(value, layout))
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:
        raise ValueError(f'parsing time "{value}": value out of range') from None


def _unparsable(value: str, layout: str) -> str:
    """Go walks its layout; the first piece that does not fit is the one it names."""
    rest = value
    seconds = [(r"\d\d", "05"), (r"\.\d{6}", ".000000")] if ".0" in layout else [(r"\d\d(\.\d+)?", "05")]
    for pattern, piece in (
        (r"\d{4}", "2006"), ("-", "-"), (r"\d\d", "01"), ("-", "-"), (r"\d\d", "02"), ("T", "T"), (r"\d\d", "15"),
        (":", ":"), (r"\d\d", "04"), (":", ":"), *seconds, (r"Z|[+-]\d\d:\d\d", "Z07:00"),
    ):  # fmt: skip
        match = re.match(pattern, rest)
        if match is None:
            return f'parsing time "{value}" as "{layout}": cannot parse "{rest}" as "{piece}"'
        rest = rest[match.end() :]
    return f'parsing time "{value}": extra text: "{rest}"'


def _time(value: Any, _unknown: Unknown, _path: str) -> Any:
    if type(value) is not str:
        raise _mismatch(value, "string")
    return _canonical_time(value)


def _micro_time(value: Any, _unknown: Unknown, _path: str) -> Any:
    if type(value) is not str:
        raise _mismatch(value, "string")
    return _moment(value, _MICRO_TIME, _MICRO_MOMENT).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@lru_cache(maxsize=1024)
def _canonical_time(value: str) -> str:
    """Cached: what happens together bears the same second."""
    return _moment(value, _TIME, _MOMENT).strftime("%Y-%m-%dT%H:%M:%SZ")
