"""Paths into a schema, as selectable fields and CEL rules name them: `.spec.color`, `.spec['x-y']`.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go (ValidFieldPath)
"""

import re
from collections.abc import Mapping
from typing import Any

_TOKENS = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+")
_NOWHERE = "does not refer to a valid field"


class FieldPathError(ValueError):
    """Why a path is none."""


def resolve(
    path: str, schema: Mapping[str, Any], *, arrays: bool = True
) -> tuple[list[str], Mapping[str, Any]]:
    """The steps of the path and the schema it leads to. Raises FieldPathError with the server's words."""
    steps: list[str] = []
    tokens = iter(_TOKENS.findall(path))
    for token in tokens:
        if token == ".":
            name = _next(tokens)
        elif token == "[":
            if not arrays:
                raise FieldPathError("array notation is not allowed")
            quoted = _next(tokens)
            if len(quoted) < 2 or quoted[0] != "'" or quoted[-1] != "'":
                raise FieldPathError(f"expected single quoted string but got {quoted}")
            name = re.sub(r"\\(.)", r"\1", quoted[1:-1])
            closing = _next(tokens)
            if closing != "]":
                raise FieldPathError(f"expected ] but got {closing}")
        else:
            raise FieldPathError(f"expected [ or . but got: {token}")
        schema = _member(schema, name)
        steps.append(name)
    return steps, schema


def _next(tokens: Any) -> str:
    token = next(tokens, None)
    if token is None:
        raise FieldPathError("unexpected end of JSON path")
    return str(token)


def _member(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    members = schema.get("properties")
    found = members.get(name) if members else schema.get("additionalProperties")
    if not isinstance(found, Mapping):
        raise FieldPathError(_NOWHERE)
    return found
