"""The expressions of one ValidatingAdmissionPolicy, compiled, and what they decide about a write.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/validator.go
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from fakekube.api.admission import expressions
from fakekube.api.admission.composition import Variables
from fakekube.api.admission.expressions import (
    BUDGET,
    Bindings,
    Conditions,
    Expression,
    Failed,
    expression,
)
from fakekube.api.schema.cel.types import BOOL, NULL, STRING

INVALID = "Invalid"
_LONGEST_MESSAGE = 5 * 1024


class Decision(Struct, frozen=True):
    """One reason to object. Faults of configuration deny whatever the binding's actions are."""

    message: str
    reason: str = INVALID
    part: str = ""  # what is set up wrong: the policy or the binding


class _Validation(Struct, frozen=True):
    raw: Mapping[str, Any]
    test: Expression
    message: Expression | None


class Validations:
    """Conditions, variables, validations and audit annotations of one policy."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        has_params = spec.get("paramKind") is not None
        self._fails_open = spec.get("failurePolicy") == "Ignore"
        self._conditions = Conditions(
            spec.get("matchConditions") or (), expressions.variables(params=has_params)
        )
        self._variables = Variables(spec.get("variables") or (), expressions.variables(params=has_params))
        declared = self._variables.declared
        silent = {name: one for name, one in declared.items() if not name.startswith("authorizer")}
        self._validations = [
            _Validation(
                raw,
                expression(str(raw.get("expression") or ""), declared, (BOOL,)),
                expression(str(raw["messageExpression"]), silent, (STRING,))
                if raw.get("messageExpression")
                else None,
            )
            for raw in spec.get("validations") or ()
        ]
        self._audit = [
            expression(str(raw.get("valueExpression") or ""), declared, (STRING, NULL))
            for raw in spec.get("auditAnnotations") or ()
        ]

    def evaluate(self, values: Bindings) -> list[Decision]:
        """What speaks against the write, nothing if all is well."""
        try:
            if not self._conditions.hold(values):
                return []
        except Failed as failed:
            return self._failure(str(failed))
        bound = self._variables.bind(values)
        budget = BUDGET
        found: list[Decision] = []
        for one in self._validations:
            try:
                passed = one.test(bound) is True
            except Failed as failed:
                found += self._failure(str(failed))
                continue
            budget -= one.test.program.spent if one.test.program is not None else 0
            if budget < 0:
                text = "validation failed due to running out of cost budget, no further validation rules will be run"
                return self._failure(text)
            if not passed:
                found.append(Decision(_message(one, bound), str(one.raw.get("reason") or INVALID)))
        for audit in self._audit:
            try:
                audit(bound)
            except Failed as failed:
                found += self._failure(str(failed))
        return found

    def _failure(self, text: str) -> list[Decision]:
        return [] if self._fails_open else [Decision(text)]


def _message(one: _Validation, values: Bindings) -> str:
    """The message expression's text if it is fit to print, else the message, else the expression itself."""
    if one.message is not None:
        try:
            said = one.message(values)
        except Failed:
            said = ""
        said = said.strip() if isinstance(said, str) else ""
        if said and "\n" not in said and len(said.encode()) <= _LONGEST_MESSAGE:
            return said
    message = str(one.raw.get("message") or "").strip()
    return message or f"failed expression: {one.test.source.strip()}"
