"""What mutations may make: `Object{…}`, an apply configuration without a schema, and `JSONPatch{…}`, one operation.

The names of object types spell the path they stand at: `Object.spec.template{…}` is what belongs into `spec.template`.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/cel/mutation/{typeresolver,jsonpatch}.go, mutation/dynamic/objects.go
"""

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from fakekube.api.schema.cel import times
from fakekube.api.schema.cel.library import LIBRARY, Environment
from fakekube.api.schema.cel.making import Struct
from fakekube.api.schema.cel.types import DYN, STRING, Type, object_of
from fakekube.api.schema.cel.values import CelError, Optional, type_name

_ROOT = "Object"
_EXACT = 2**53  # whole numbers beyond are texts in JSON


class _AnyField(Mapping[str, Type]):
    """The fields of an object nobody knows the schema of: all there could be."""

    def __getitem__(self, name: str) -> Type:
        return DYN

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class ObjectValue(dict[str, Any]):
    """A value of an `Object` type."""

    def __init__(self, cel_type: str, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.cel_type = cel_type


class PatchValue(dict[str, Any]):
    """One operation of a JSON patch."""

    cel_type = "JSONPatch"


OBJECT = object_of(_ROOT, _AnyField())
JSON_PATCH = object_of("JSONPatch", {**dict.fromkeys(("op", "path", "from"), STRING), "value": DYN})


def _structs(name: str) -> Struct | None:
    if name == "JSONPatch":
        return Struct(JSON_PATCH, PatchValue)
    if name == _ROOT or name.startswith(f"{_ROOT}."):
        return Struct(object_of(name, _AnyField()), lambda fields: ObjectValue(name, fields))
    return None


def _escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


_LIBRARY = LIBRARY.copy()
_LIBRARY.add("jsonpatch.escapeKey", (STRING,), STRING, _escape_key)
MUTATING = Environment(_LIBRARY, _structs)


def misplaced(value: Any, path: str = "") -> Iterator[str]:
    """Objects inside `value` whose types belong elsewhere. Lists and maps in between have no names."""
    if isinstance(value, ObjectValue):
        path = path or value.cel_type
        if value.cel_type != path:
            yield (
                f'unexpected type name "{value.cel_type}", expected "{path}", which matches field name path from root '
                "Object type"
            )
        for name, content in value.items():
            yield from misplaced(content, f"{path}.{name}")
    elif path and isinstance(value, (list, dict)):
        for content in value if isinstance(value, list) else value.values():
            yield from misplaced(content, path)


def plain(value: Any, *, as_json: bool = False) -> Any:
    """The value as part of an object. In JSON numbers are doubles, as in a patch. Raises CelError."""
    match value:
        case None | bool() | str():
            return value
        case float():
            return int(value) if as_json and value.is_integer() else value
        case int():
            return str(int(value)) if as_json and abs(value) >= _EXACT else int(value)
        case list():
            return [plain(item, as_json=as_json) for item in value]
        case dict():
            return {_key(key): plain(item, as_json=as_json) for key, item in value.items()}
        case Optional():
            return plain(value.content, as_json=as_json) if value.present else None
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return times.timestamp_text(value)
        case timedelta():
            return times.duration_text(value)
    raise CelError(f"unsupported type: {type_name(value)}")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise CelError(f'map key "{key}" is of type {type_name(key)}, not string')
    return key
