"""What becomes of an object that a program in Go reads into its types and writes again.

Optional members that are empty disappear, required ones appear with their zero value, `metav1.Time` is null or whole
seconds, quantities are spelled canonically. Controllers compare what they read with what is stored (`test` in JSON patches):
whatever does not come out as it went in keeps them from ever getting on. Types are taken from the served definitions.
"""

import re
from collections.abc import Mapping
from typing import Any

from fakekube.machinery import quantities
from tests.upstream.conftest import Object, Suite

_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_TIMES = ("lastProbeTime", "lastTransitionTime")  # of conditions; times elsewhere are pointers
_POINTERS = ("migrationConfiguration",)  # members below are pointers: false and 0 say something


class Types:
    """The types of one API, by resource."""

    def __init__(self, definitions: list[Object]) -> None:
        self._schemas = {
            (one["spec"]["names"]["plural"], version["name"]): version["schema"]["openAPIV3Schema"]
            for one in definitions
            for version in one["spec"]["versions"]
        }

    @classmethod
    async def of(cls, suite: Suite) -> "Types":
        return cls(await suite.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"))

    def again(self, plural: str, version: str, obj: Object) -> Object:
        """The object with its status as Go writes it; the rest is the user's."""
        schema = self._schemas[plural, version]["properties"]["status"]
        return {**obj, "status": _again(schema, obj.get("status") or {})}


def _again(schema: Mapping[str, Any], value: Any, *, pointers: bool = False) -> Any:
    if isinstance(value, list):
        return [_again(schema.get("items") or {}, one, pointers=pointers) for one in value]
    if isinstance(value, dict):
        properties = schema.get("properties")
        if properties is None:
            inner = schema.get("additionalProperties")
            inner = inner if isinstance(inner, dict) else {}
            return {key: _again(inner, one, pointers=pointers) for key, one in value.items()}
        return _struct(schema, properties, value, pointers=pointers)
    if schema.get("format") == "date-time" and isinstance(value, str):
        return f"{_SECONDS.match(value)[0]}Z"  # type: ignore[index]
    if schema.get("x-kubernetes-int-or-string") and isinstance(value, str) and "%" not in value:
        return quantities.canonical(value)
    return value


def _struct(
    schema: Mapping[str, Any], properties: Mapping[str, Any], value: Object, *, pointers: bool
) -> Object:
    made: Object = {}
    required = set(schema.get("required") or ())
    for key, inner in properties.items():
        below = pointers or key in _POINTERS
        one = _again(inner, value[key], pointers=below) if key in value else None
        kept = key in required or key in _TIMES or not _empty(inner, one, pointers=pointers)
        if key in value and kept:
            made[key] = one
        elif key in required:
            made[key] = {"string": "", "array": None, "object": {}, "boolean": False}.get(inner["type"], 0)
        elif key in _TIMES and inner.get("nullable"):
            made[key] = None
    return made


def _empty(schema: Mapping[str, Any], value: Any, *, pointers: bool) -> bool:
    if value is None:
        return True
    if value in (False, 0) and not isinstance(value, (str, list, dict)):
        return not pointers
    if isinstance(value, dict):
        return not value and "properties" not in schema
    return value in ("", [])
