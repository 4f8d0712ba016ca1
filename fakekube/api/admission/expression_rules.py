"""Expressions inside webhook configurations and policies, checked when they are written. The rest of these objects is
checked by their strategies. Brings in the CEL engine: callers import it where they have expressions to check.

Origin: k8s: pkg/apis/admissionregistration/validation/validation.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakekube.api.admission.expressions import expression, variables
from fakekube.api.admission.validations import Variables
from fakekube.api.registry import names
from fakekube.api.schema.cel.types import BOOL, NULL, STRING, Type
from fakekube.machinery.field_errors import FieldError, duplicate, invalid, required, too_many

Raw = Mapping[str, Any]

_MOST_CONDITIONS = 64


def match_conditions(raws: Sequence[Raw] | None, at: str, *, params: bool = False) -> Iterator[FieldError]:
    """Named conditions of a webhook or a policy."""
    if not raws:
        return
    if len(raws) > _MOST_CONDITIONS:
        yield too_many(at, len(raws), _MOST_CONDITIONS)
    declared = variables(params=params)
    seen: set[str] = set()
    for index, raw in enumerate(raws):
        path = f"{at}[{index}]"
        yield from _expression(raw, "expression", path, declared, (BOOL,))
        name = str(raw.get("name") or "")
        if not name:
            yield required(f"{path}.name")
        else:
            yield from (invalid(f"{path}.name", name, text) for text in names.qualified_name(name))
            if name in seen:
                yield duplicate(f"{path}.name", name)
        seen.add(name)


def policy(spec: Raw) -> Iterator[FieldError]:
    """All expressions of a ValidatingAdmissionPolicy."""
    params = spec.get("paramKind") is not None
    yield from match_conditions(spec.get("matchConditions"), "spec.matchConditions", params=params)
    raws = spec.get("variables") or []
    known = Variables(raws, variables(params=params))
    seen: set[str] = set()
    for index, (name, one) in enumerate(known.expressions):
        at = f"spec.variables[{index}]"
        if not name:
            yield required(f"{at}.name", "name is not specified")
        elif not name.isidentifier():
            yield invalid(f"{at}.name", name, "name is not a valid CEL identifier")
        elif name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        if not one.source.strip():
            yield required(f"{at}.expression", "expression is not specified")
        elif one.error:
            yield invalid(f"{at}.expression", one.source, one.error)
    declared = known.declared
    silent = {name: one for name, one in declared.items() if not name.startswith("authorizer")}
    for index, raw in enumerate(spec.get("validations") or ()):
        at = f"spec.validations[{index}]"
        if str(raw.get("expression") or "").strip():
            yield from _expression(raw, "expression", at, declared, (BOOL,))
        if raw.get("messageExpression"):
            yield from _expression(raw, "messageExpression", at, silent, (STRING,))
    for index, raw in enumerate(spec.get("auditAnnotations") or ()):
        at = f"spec.auditAnnotations[{index}]"
        yield from _expression(raw, "valueExpression", at, declared, (STRING, NULL))


def _expression(
    raw: Raw, member: str, at: str, declared: Mapping[str, Type], wanted: tuple[Type, ...]
) -> Iterator[FieldError]:
    source = str(raw.get(member) or "")
    if not source.strip():
        yield required(f"{at}.{member}", "expression is not specified" if member == "expression" else "")
        return
    found = expression(source.strip(), declared, wanted)
    if found.error:
        yield invalid(f"{at}.{member}", source.strip(), found.error)
