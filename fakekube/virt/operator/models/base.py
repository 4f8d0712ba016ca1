"""The vocabulary of the models: scalar types with their formats, and the annotations Kubernetes adds to OpenAPI.

A member is required when it has no default; `opt` makes it optional and may carry what the type cannot say.
Names are written in Python's way and leave as camelCase; the few that do not follow the rule name themselves.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_EITHER = [{"type": "integer"}, {"type": "string"}]


class Model(BaseModel):
    """One object schema. Its docstring is the description, wherever a member does not bring its own."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Empty(Model):
    """No settings: its presence is the choice."""


Int32 = Annotated[int, WithJsonSchema({"type": "integer", "format": "int32"})]
Int64 = Annotated[int, WithJsonSchema({"type": "integer", "format": "int64"})]
UInt32 = Int32  # CRDs know no unsigned formats
Natural32 = Annotated[int, Field(ge=0), WithJsonSchema({"type": "integer", "format": "int32", "minimum": 0})]
Natural64 = Annotated[int, Field(ge=0), WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0})]
Positive32 = Annotated[int, Field(ge=1), WithJsonSchema({"type": "integer", "format": "int32", "minimum": 1})]
Positive64 = Annotated[int, Field(ge=1), WithJsonSchema({"type": "integer", "format": "int64", "minimum": 1})]
Checksum = Annotated[
    int,
    Field(ge=0, le=4294967295),
    WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0, "maximum": 4294967295}),
]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Duration = str
Quantity = Annotated[
    int | str,
    WithJsonSchema({"anyOf": _EITHER, "pattern": QUANTITY_PATTERN, "x-kubernetes-int-or-string": True}),
]
IntOrString = Annotated[int | str, WithJsonSchema({"anyOf": _EITHER, "x-kubernetes-int-or-string": True})]
ResourceList = dict[str, Quantity]
Labels = dict[str, str]
AnyObject = Annotated[
    dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
]
# The metadata of an object inside an object: anything goes, null too.
TemplateMetadata = Annotated[
    dict[str, Any] | None,
    WithJsonSchema({"type": "object", "nullable": True, "x-kubernetes-preserve-unknown-fields": True}),
]


def _annotations(
    *,
    nullable: bool = False,
    preserve: bool = False,
    list_type: str = "",
    list_keys: tuple[str, ...] = (),
    map_type: str = "",
    **more: Any,
) -> dict[str, Any]:
    extra: dict[str, Any] = dict(more)
    if nullable:
        extra["nullable"] = True
    if preserve:
        extra["x-kubernetes-preserve-unknown-fields"] = True
    if list_keys:
        extra |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(list_keys)}
    elif list_type:
        extra["x-kubernetes-list-type"] = list_type
    if map_type:
        extra["x-kubernetes-map-type"] = map_type
    return extra


def opt(description: str = "", *, name: str | None = None, **annotations: Any) -> Any:
    """An optional member."""
    return Field(
        default=None,
        alias=name,
        description=description or None,
        json_schema_extra=_annotations(**annotations) or None,
    )


def req(description: str = "", *, name: str | None = None, **annotations: Any) -> Any:
    """A required member that has something to say beyond its type."""
    return Field(
        alias=name, description=description or None, json_schema_extra=_annotations(**annotations) or None
    )


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules the server checks, each with its message."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


class Condition(Model):
    """One observed aspect of an object: its type, whether it holds, and why."""

    type: str
    status: str
    last_probe_time: Time | None = opt("When it was last looked at.", nullable=True)
    last_transition_time: Time | None = opt("When its status last changed.", nullable=True)
    reason: str | None = opt("A word for machines.")
    message: str | None = opt("A sentence for people.")


class Resource(Model):
    """The envelope of every custom resource."""

    api_version: str | None = opt("Version of the schema this object is written in.")
    kind: str | None = opt("What this object is.")
    metadata: Annotated[dict[str, Any] | None, WithJsonSchema({"type": "object"})] = None
