r"""Protobuf bodies → objects, by the generated tables, as if the client had sent the JSON of the same object.

A body is `k8s\0` and a runtime.Unknown: the type's name and the message itself.
k8s: staging/src/k8s.io/apimachinery/pkg/runtime/serializer/protobuf/protobuf.go
"""

import base64
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from fakekube.api.protobuf import tables
from fakekube.api.types import definitions
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.wire import Object

MAGIC = b"k8s\x00"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_RUNTIME = "io.k8s.apimachinery.pkg.runtime."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_END = "unexpected EOF"

Read = Callable[[bytes], Any]  # the content of a length-delimited field → JSON


class _Malformed(ValueError):
    """The bytes are no such message; the text is Go's."""


def decode(body: bytes, kind: str = "") -> Object:
    """The object in a body; `kind` is what was expected, for the error text. Raises BadRequest."""
    try:
        return _decode(body)
    except _Malformed as error:
        wanted = f" (must be of type {kind})" if kind else ""
        raise BadRequest(
            f"the object provided is unrecognized{wanted}: {error} ({body.hex()[:60] or '<empty>'})"
        ) from None


def _decode(body: bytes) -> Object:
    if not body:
        raise _Malformed("empty data")
    if not body.startswith(MAGIC):
        raise _Malformed(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    type_meta, raw = {"apiVersion": "", "kind": ""}, b""
    for number, wire, value in _parse(body[4:]):
        if wire == _BYTES and number == 1:
            type_meta |= {
                ("apiVersion", "kind")[n - 1]: v.decode()
                for n, w, v in _parse(value)
                if w == _BYTES and n < 3
            }
        elif wire == _BYTES and number == 2:
            raw = value
    api_version, kind = type_meta["apiVersion"], type_meta["kind"]
    message = tables.by_kind().get((api_version, kind))
    if message is None and f"{_META}{kind}" in tables.messages():
        message = f"{_META}{kind}"  # options may come in any group's name
    if message is None:
        if not kind:
            raise BadRequest(f"Object 'Kind' is missing in '{raw.decode('utf-8', 'replace')}'")
        raise BadRequest(
            f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
    members: Object = _reader(message)(raw)
    return {"apiVersion": api_version, "kind": kind, **members}


# ── the wire ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parse(data: bytes) -> list[tuple[int, int, Any]]:
    """(number, wire type, value) of every field in order: bytes, or the unsigned number."""
    found = []
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        value: Any
        if wire == _BYTES:
            size, at = _varint(data, at)
            if at + size > end:
                raise _Malformed(_END)
            value = data[at : at + size]
            at += size
        elif wire == _VARINT:
            value, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            if at + size > end:
                raise _Malformed(_END)
            value = data[at : at + size]
            at += size
        else:
            raise _Malformed(f"proto: illegal wireType {wire}")
        if key < 8:
            raise _Malformed(f"proto: illegal tag {key >> 3} (wire type {wire})")
        found.append((key >> 3, wire, value))
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise _Malformed(_END)
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift >= 64:
            raise _Malformed("proto: integer overflow")


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _reader(message: str) -> Read:
    """The function that reads one message; made when the first comes."""
    special = _SPECIAL.get(message)
    if special is not None:
        return special
    rows = tables.messages()[message]
    if message not in definitions() and [(name, type_) for _, name, type_, _ in rows] == [
        ("items", "*string")
    ]:
        return _texts  # a list with a name, like authentication's ExtraValue
    fields = {number: _Field(name, type_, omit=bool(omit)) for number, name, type_, omit in rows}

    def read(data: bytes) -> Object:
        found: Object = {}
        for number, wire, value in _parse(data):
            field = fields.get(number)
            if field is not None:
                field.put(found, wire, value)
        return found

    return read


class _Field:
    """One field: where it goes, and what becomes of its value."""

    __slots__ = ("inline", "map", "name", "omit", "repeated", "type")

    def __init__(self, name: str, type_: str, *, omit: bool) -> None:
        self.name = name
        self.inline = not name
        self.repeated = type_[0] == "*"
        self.map = type_[0] == "%"
        self.type = type_.lstrip("*%")
        self.omit = omit

    def put(self, found: Object, wire: int, value: Any) -> None:
        if self.map:
            self._entry(found.setdefault(self.name, {}), value)
        elif self.repeated:
            items = found.setdefault(self.name, [])
            if wire == _BYTES and self.type in ("int", "bool"):
                items.extend(_packed(self.type, value))
            else:
                items.append(_value(self.type, wire, value, self.name))
        else:
            one = _value(self.type, wire, value, self.name)
            if self.inline:
                found.update(one)
            elif self.omit and (one is None or one == "" or one is False or one == 0):
                found.pop(self.name, None)
            else:
                found[self.name] = one

    def _entry(self, found: Object, data: bytes) -> None:
        key, value = "", _ZEROS.get(self.type)
        for number, wire, part in _parse(data):
            if number == 1:
                key = part.decode("utf-8", "replace")
            elif number == 2:
                value = _value(self.type, wire, part, self.name)
        found[key] = {} if value is None and "." in self.type else value


_ZEROS = {"string": "", "bytes": "", "int": 0, "bool": False, "double": 0.0}
_WIRES = {"int": _VARINT, "bool": _VARINT, "double": _FIXED64}


def _value(type_: str, wire: int, value: Any, name: str) -> Any:
    if wire != _WIRES.get(type_, _BYTES):
        raise _Malformed(f"proto: wrong wireType = {wire} for field {name[:1].upper()}{name[1:]}")
    match type_:
        case "string":
            return value.decode("utf-8", "replace")
        case "int":
            return value - (1 << 64) if value >> 63 else value
        case "bool":
            return value != 0
        case "bytes":
            return base64.b64encode(value).decode()
        case "double":
            return struct.unpack("<d", value)[0]
        case _:
            return _reader(type_)(value)


def _packed(type_: str, data: bytes) -> list[Any]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(_value(type_, _VARINT, value, ""))
    return found


# ── messages JSON writes otherwise ───────────────────────────────────────────────────────────────────────────────────


def _moment(data: bytes) -> datetime | None:
    """Seconds and nanoseconds since 1970; an empty message is no time at all."""
    parts = {number: value for number, wire, value in _parse(data) if wire == _VARINT}
    if not any(parts.values()):
        return None
    seconds = parts.get(1, 0)
    seconds -= (1 << 64) if seconds >> 63 else 0
    return _EPOCH + timedelta(seconds=seconds, microseconds=parts.get(2, 0) // 1000)


def _time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _quantity(data: bytes) -> str:
    return next(
        (value.decode() for number, wire, value in _parse(data) if (number, wire) == (1, _BYTES)), "0"
    )


def _int_or_string(data: bytes) -> int | str:
    parts = {number: value for number, _, value in _parse(data)}
    if parts.get(1):
        return str(parts.get(3, b"").decode("utf-8", "replace"))
    number: int = _value("int", _VARINT, parts.get(2, 0), "")
    return number


def _embedded(data: bytes) -> Any:
    """JSON inside bytes: free-form data, and the field sets of managed fields."""
    raw = next((value for number, wire, value in _parse(data) if (number, wire) == (1, _BYTES)), b"")
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError as error:
        raise _Malformed(str(error)) from None


def _texts(data: bytes) -> list[str]:
    return [value.decode("utf-8", "replace") for _, wire, value in _parse(data) if wire == _BYTES]


_SPECIAL: dict[str, Read] = {
    f"{_META}Time": _time,
    f"{_META}MicroTime": _micro_time,
    f"{_META}FieldsV1": _embedded,
    f"{_RUNTIME}RawExtension": _embedded,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
}
