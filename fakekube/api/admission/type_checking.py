"""Whether a policy's expressions fit the types it is about: warnings for its status, which stop nobody.

Types come as OpenAPI v3 has them, with references.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakekube.api.admission import expressions
from fakekube.api.admission.composition import Variables
from fakekube.api.schema.cel import types
from fakekube.api.schema.cel.types import Type
from fakekube.machinery.wire import Object

Schemas = Mapping[str, Object]  # definitions by name

_COMPILATION = "compilation failed: "
_SCALARS = {"boolean": types.BOOL, "integer": types.INT, "number": types.DOUBLE}
_FORMATS = {
    "byte": types.BYTES,
    "date": types.TIMESTAMP,
    "date-time": types.TIMESTAMP,
    "duration": types.DURATION,
}


def check(
    spec: Object, about: Sequence[tuple[str, Schemas, str]], params: tuple[Schemas, str] | None
) -> list[dict[str, str]]:
    """The warnings. `about` holds what a kind is called in them, and where its schema is."""
    declared = [
        (title, _declared(spec, type_of(schemas, name), params and type_of(*params)))
        for title, schemas, name in about
    ]
    found = []
    for path, source in _sources(spec):
        issues = [
            f"{title}: {one.error.removeprefix(_COMPILATION)}\n"
            for title, known in declared
            if (one := expressions.expression(source, known)).program is None
        ]
        if issues:
            found.append({"fieldRef": path, "warning": "\n".join(issues)})
    return found


def _sources(spec: Object) -> Iterator[tuple[str, str]]:
    for index, one in enumerate(spec.get("validations") or ()):
        yield f"spec.validations[{index}].expression", str(one.get("expression") or "")
        if one.get("messageExpression"):
            yield f"spec.validations[{index}].messageExpression", str(one["messageExpression"])


def _declared(spec: Object, about: Type, params: Type | None) -> Mapping[str, Type]:
    known = dict(expressions.variables(params=bool(spec.get("paramKind"))))
    known["object"] = known["oldObject"] = about
    if params is not None:
        known["params"] = params
    return Variables(spec.get("variables") or (), known).declared


def type_of(schemas: Schemas, name: str) -> Type:
    """The type of a kind's objects; anything goes where nobody knows it."""
    return _type(schemas.get(name, {}), schemas, (name,)) or types.DYN


def _type(schema: Object, schemas: Schemas, within: tuple[str, ...]) -> Type | None:
    """None for values expressions cannot see. Types within themselves are not followed for ever."""
    for one in (schema, *(schema.get("allOf") or ())):
        if "$ref" in one:
            name = one["$ref"].rpartition("/")[2]
            return types.DYN if name in within else _type(schemas.get(name, {}), schemas, (*within, name))
    kind, form = schema.get("type"), schema.get("format")
    if (
        form == "int-or-string"
        or schema.get("x-kubernetes-int-or-string")
        or (not kind and "oneOf" in schema)
    ):
        return types.DYN
    if schema.get("nullable") and kind:
        return types.DYN
    if kind == "string":
        return _FORMATS.get(form or "", types.STRING)
    if kind == "array":
        element = _type(schema.get("items") or {}, schemas, within)
        return types.list_of(element) if element is not None else None
    if kind == "object":
        return _object(schema, schemas, within)
    return _SCALARS.get(str(kind))


def _object(schema: Object, schemas: Schemas, within: tuple[str, ...]) -> Type | None:
    rest: Any = schema.get("additionalProperties")
    if isinstance(rest, dict):
        value = _type(rest, schemas, within)
        return types.map_of(types.STRING, value) if value is not None else None
    fields = {
        name: found
        for name, child in (schema.get("properties") or {}).items()
        if (found := _type(child, schemas, within)) is not None
    }
    return types.object_of("object", fields)
