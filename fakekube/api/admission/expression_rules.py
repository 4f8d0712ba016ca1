"""Expressions inside webhook configurations and policies, checked when they are written. The rest of these objects is
checked by their strategies. Brings in the CEL engine: callers import it where they have expressions to check.

Origin: k8s: pkg/apis/admissionregistration/validation/validation.go
"""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from fakekube.api.admission.composition import Variables
from fakekube.api.admission.expressions import Expression, expression, variables
from fakekube.api.admission.mutation_types import MUTATING
from fakekube.api.admission.mutations import MEMBERS, compiled
from fakekube.api.schema.cel.library import PLAIN, Environment
from fakekube.api.schema.cel.parser import RESERVED
from fakekube.api.schema.cel.types import BOOL, NULL, STRING, Type
from fakekube.machinery import names
from fakekube.machinery.field_errors import FieldError, duplicate, invalid, not_supported, required, too_many

Raw = Mapping[str, Any]

_MOST_CONDITIONS = 64
_MOST_AUDITS, _LONGEST_AUDIT = 20, 5 * 1024
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_WORDS = RESERVED | {"true", "false", "null", "in"}
_IDENTIFIER = re.compile("[_a-zA-Z][_a-zA-Z0-9]*").fullmatch
_LINES = re.compile(r"[\n\r]").search


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
        source = str(raw.get("expression") or "").strip()
        if not source:
            yield required(f"{path}.expression")
        else:
            yield from _compiles(expression(source, declared, (BOOL,)), f"{path}.expression")
        name = str(raw.get("name") or "")
        if not name:
            yield required(f"{path}.name")
        else:
            yield from (invalid(f"{path}.name", name, text) for text in names.qualified_name(name))
            if name in seen:
                yield duplicate(f"{path}.name", name)
        seen.add(name)


def validating(spec: Raw, policy: str) -> Iterator[FieldError]:
    """All expressions of a ValidatingAdmissionPolicy of this name."""
    known = yield from _conditions_and_variables(spec, PLAIN)
    validations, audits = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not audits:
        said = "validations or auditAnnotations must contain at least one item"
        yield required("spec.validations", said)
        yield required("spec.auditAnnotations", said)
    for index, raw in enumerate(validations):
        yield from _validation(raw, f"spec.validations[{index}]", known.declared)
    if len(audits) > _MOST_AUDITS:
        said = f"must not have more than {_MOST_AUDITS} auditAnnotations"
        yield invalid("spec.auditAnnotations", audits, said)
    keys: set[str] = set()
    for index, raw in enumerate(audits):
        yield from _audit(raw, f"spec.auditAnnotations[{index}]", policy, known.declared)
        key = str(raw.get("key") or "")
        if key in keys:
            yield duplicate(f"spec.auditAnnotations[{index}].key", key)
        keys.add(key)


def mutating(spec: Raw) -> Iterator[FieldError]:
    """All expressions of a MutatingAdmissionPolicy."""
    known = yield from _conditions_and_variables(spec, MUTATING)
    mutations = spec.get("mutations") or []
    if not mutations:
        yield required("spec.mutations", "mutations must contain at least one item")
    for index, raw in enumerate(mutations):
        yield from _mutation(raw, f"spec.mutations[{index}]", known)


def _conditions_and_variables(spec: Raw, environment: Environment) -> Generator[FieldError, None, Variables]:
    params = spec.get("paramKind") is not None
    yield from match_conditions(spec.get("matchConditions"), "spec.matchConditions", params=params)
    known = Variables(spec.get("variables") or (), variables(params=params), environment)
    seen: set[str] = set()
    for index, (name, one) in enumerate(known.expressions):
        at = f"spec.variables[{index}]"
        if not name.strip():
            yield required(f"{at}.name", "name is not specified")
        elif not _IDENTIFIER(name) or name in _WORDS:
            yield invalid(f"{at}.name", name, "name is not a valid CEL identifier")
        elif name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        if not one.source.strip():
            yield required(f"{at}.expression", "expression is not specified")
        else:
            yield from _compiles(one, f"{at}.expression")
    return known


def _validation(raw: Raw, at: str, declared: Mapping[str, Type]) -> Iterator[FieldError]:
    source, message, text = (
        str(raw.get(name) or "") for name in ("expression", "messageExpression", "message")
    )
    if not source.strip():
        yield required(f"{at}.expression", "expression is not specified")
    else:
        yield from _compiles(expression(source, declared, (BOOL,)), f"{at}.expression")
    if message and not message.strip():
        yield invalid(f"{at}.messageExpression", message, "must be non-empty if specified")
    elif message:
        silent = {name: one for name, one in declared.items() if not name.startswith("authorizer")}
        yield from _compiles(expression(message, silent, (STRING,)), f"{at}.messageExpression")
    if text and not text.strip():
        yield invalid(f"{at}.message", text, "message must be non-empty if specified")
    elif _LINES(text.strip()):
        yield invalid(f"{at}.message", text, "message must not contain line breaks")
    reason = raw.get("reason")
    if reason is not None and reason not in _REASONS:
        yield not_supported(f"{at}.reason", reason, list(_REASONS))


def _audit(raw: Raw, at: str, policy: str, declared: Mapping[str, Type]) -> Iterator[FieldError]:
    key, source = (str(raw.get(name) or "") for name in ("key", "valueExpression"))
    if policy:
        full = f"{policy}/{key}"
        yield from (invalid(f"{at}.key", full, text) for text in names.qualified_name(full))
    else:
        yield invalid(f"{at}.key", key, "requires metadata.name be non-empty")
    at = f"{at}.valueExpression"
    if not source.strip():
        yield required(at, "valueExpression is not specified")
    elif len(source.strip().encode()) > _LONGEST_AUDIT:
        yield required(at, f"must not exceed {_LONGEST_AUDIT} bytes in length")
    else:
        found = expression(source.strip(), declared, (STRING, NULL))
        if found.error:
            yield invalid(at, source, found.error)


def _mutation(raw: Raw, at: str, known: Variables) -> Iterator[FieldError]:
    kind = str(raw.get("patchType") or "")
    if not kind:
        yield required(f"{at}.patchType")
        return
    if kind not in MEMBERS:
        yield not_supported(f"{at}.patchType", kind, sorted(MEMBERS))
        return
    (other,) = (member for one, member in MEMBERS.items() if one != kind)
    if raw.get(MEMBERS[kind]) is None:
        yield required(f"{at}.{MEMBERS[kind]}", f"must be specified when patchType is {kind}")
    else:
        one = compiled(raw, kind, known)
        path = f"{at}.{MEMBERS[kind]}.expression"
        if not one.source.strip():
            yield required(path)
        else:
            yield from _compiles(one, path)
    if raw.get(other) is not None:
        yield invalid(f"{at}.{other}", f"{{{other}}}", f"must not be specified when patchType is {kind}")


def _compiles(one: Expression, at: str) -> Iterator[FieldError]:
    if one.error:
        yield invalid(at, one.source, one.error)
