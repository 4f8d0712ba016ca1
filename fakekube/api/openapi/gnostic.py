"""OpenAPI v2 as protobuf: the form kubectl asks for, and no other, when it wants the whole document at once.

Only what clients read is written: definitions, and for each operation its parameters and extensions.
github.com/google/gnostic-models: openapiv2/OpenAPIv2.proto (field numbers)
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from fakekube.machinery.wire import Object

_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
_PLACES = {"header": 1, "formData": 2, "query": 3, "path": 4}  # in NonBodyParameter
_OFFSETS = {"query": 1, "formData": 1}  # these have allow_empty_value before the type


def encode(document: Object) -> bytes:
    """A `Document` message."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    paths = b"".join(_named(2, name, _path(item)) for name, item in document["paths"].items())
    types = b"".join(_named(1, name, _schema(one)) for name, one in document["definitions"].items())
    return _text(1, document["swagger"]) + _bytes(2, info) + _bytes(8, paths) + _bytes(9, types)


def _varint(value: int) -> bytes:
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode()) if value else b""


def _texts(field: int, values: Iterable[str]) -> bytes:
    return b"".join(_bytes(field, value.encode()) for value in values)


def _flag(field: int, value: Any) -> bytes:
    return _varint(field << 3) + b"\x01" if value else b""


def _named(field: int, name: str, value: bytes) -> bytes:
    return _bytes(field, _text(1, name) + _bytes(2, value))


def _any(value: Any) -> bytes:
    """An `Any` holds YAML, and JSON is YAML."""
    return _bytes(2, orjson.dumps(value) + b"\n")


def _extensions(field: int, raw: Mapping[str, Any]) -> bytes:
    return b"".join(_named(field, key, _any(value)) for key, value in raw.items() if key.startswith("x-"))


def _path(item: Object) -> bytes:
    operations = b"".join(
        _bytes(field, _operation(item[method])) for method, field in _METHODS.items() if method in item
    )
    return operations + b"".join(_bytes(9, _parameter(one)) for one in item.get("parameters", ()))


def _operation(raw: Object) -> bytes:
    return (
        _text(5, raw.get("operationId", ""))
        + _texts(6, raw.get("produces", ()))
        + _texts(7, raw.get("consumes", ()))
        + b"".join(_bytes(8, _parameter(one)) for one in raw.get("parameters", ()))
        + _bytes(
            9, b"".join(_named(1, code, _response(one)) for code, one in raw.get("responses", {}).items())
        )
        + _extensions(13, raw)
    )


def _response(raw: Object) -> bytes:
    schema = _bytes(2, _bytes(1, _schema(raw["schema"]))) if "schema" in raw else b""
    return _bytes(1, _text(1, raw.get("description", "")) + schema)


def _parameter(raw: Object) -> bytes:
    place, text = raw["in"], raw.get("description", "")
    if place == "body":
        required = _flag(4, raw.get("required"))
        return _bytes(
            1,
            _bytes(1, _text(2, raw["name"]) + _text(3, place) + required + _bytes(5, _schema(raw["schema"]))),
        )
    own = _flag(1, raw.get("required")) + _text(2, place) + _text(3, text) + _text(4, raw["name"])
    own += _text(5 + _OFFSETS.get(place, 0), raw["type"])
    return _bytes(1, _bytes(2, _bytes(_PLACES[place], own)))


def _schema(raw: Mapping[str, Any]) -> bytes:
    out = (
        _text(1, raw.get("$ref", "")) + _text(2, raw.get("format", "")) + _text(4, raw.get("description", ""))
    )
    if "default" in raw:
        out += _bytes(5, _any(raw["default"]))
    out += _text(13, raw.get("pattern", "")) + _texts(19, raw.get("required", ()))
    out += b"".join(_bytes(20, _any(value)) for value in raw.get("enum", ()))
    more = raw.get("additionalProperties")
    if isinstance(more, Mapping):
        out += _bytes(21, _bytes(1, _schema(more)))
    elif more is not None:
        out += _bytes(21, _flag(2, more))
    if raw.get("type"):
        out += _bytes(22, _text(1, raw["type"]))
    if isinstance(raw.get("items"), Mapping):
        out += _bytes(23, _bytes(1, _schema(raw["items"])))
    if raw.get("properties"):
        out += _bytes(25, b"".join(_named(1, name, _schema(one)) for name, one in raw["properties"].items()))
    return out + _extensions(31, raw)
