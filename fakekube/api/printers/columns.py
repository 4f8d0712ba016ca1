"""Columns and the small texts rows are made of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from fakekube.api.ages import since
from fakekube.api.types import describe
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

Row = Callable[[Object, datetime], Sequence[Any]]


class Header(Struct, frozen=True):
    """A column. A text like `@core.v1.PodSpec.nodeName` stands for what that type's documentation says of the field."""

    name: str
    text: str = ""
    type: str = "string"
    priority: int = 0
    format: str = ""

    def definition(self) -> Object:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": documented(self.text),
            "priority": self.priority,
        }


class Printer(Struct, frozen=True):
    """The columns of a kind and the cells of one object; `conditions` are those of its row, if any."""

    headers: tuple[Header, ...]
    row: Row
    conditions: Callable[[Object], list[Object]] | None = None


def documented(text: str) -> str:
    if not text.startswith("@"):
        return text
    owner, _, field = text[1:].rpartition(".")
    return describe(_META if owner == "meta" else f"io.k8s.api.{owner}", field)


NAME = Header("Name", "@meta.name", format="name")
AGE = Header("Age", "@meta.creationTimestamp")
CONTAINERS = Header("Containers", "Names of each container in the template.", priority=1)
IMAGES = Header("Images", "Images referenced by each container in the template.", priority=1)


def integer(name: str, text: str, priority: int = 0) -> Header:
    return Header(name, text, "integer", priority)


def boolean(name: str, text: str, priority: int = 0) -> Header:
    return Header(name, text, "boolean", priority)


def wide(name: str, text: str) -> Header:
    """Shown with `-o wide` only."""
    return Header(name, text, priority=1)


def name(obj: Object) -> str:
    return str(obj["metadata"].get("name") or "")


def age(obj: Object, now: datetime) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def text(obj: Any, *path: str | int, default: str = "") -> str:
    found = dig(obj, *path)
    return default if found is None or found == "" else str(found)


def number(obj: Any, *path: str | int, default: int = 0) -> int:
    found = dig(obj, *path)
    return int(found) if found is not None else default


def flag(value: bool | None) -> str:
    return UNSET if value is None else "True" if value else "False"


def containers(pod_spec: Any) -> tuple[str, str]:
    """Names and images of the containers of a template, each joined by commas."""
    found = dig(pod_spec, "containers", default=[])
    return ",".join(str(one.get("name", "")) for one in found), ",".join(
        str(one.get("image", "")) for one in found
    )


def labels(found: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((found or {}).items())) or NONE


_OPERATORS = {"In": "in", "NotIn": "notin"}


def selector(found: Mapping[str, Any] | None, *, empty: str = NONE) -> str:
    """A label selector as one line, requirements sorted by key."""
    parts = [(key, f"{key}={value}") for key, value in ((found or {}).get("matchLabels") or {}).items()]
    for one in (found or {}).get("matchExpressions") or ():
        key, operator = one["key"], one["operator"]
        if operator in _OPERATORS:
            parts.append((key, f"{key} {_OPERATORS[operator]} ({','.join(sorted(one.get('values') or ()))})"))
        else:
            parts.append((key, key if operator == "Exists" else f"!{key}"))
    return ",".join(part for _, part in sorted(parts)) or empty


def some(items: Sequence[str], most: int = 3, *, empty: str = UNSET) -> str:
    """The first few, and how many more there are."""
    shown = ",".join(items[:most])
    if len(items) > most:
        return f"{shown} + {len(items) - most} more..."
    return shown or empty


def condition_true(obj: Object, type_: str) -> bool:
    return any(one.get("type") == type_ and one.get("status") == "True" for one in conditions(obj))


def conditions(obj: Object) -> Iterable[Object]:
    found: Iterable[Object] = dig(obj, "status", "conditions", default=())
    return found


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def access_modes(modes: Iterable[str] | None) -> str:
    given = set(modes or ())
    return ",".join(short for mode, short in _MODES.items() if mode in given)
