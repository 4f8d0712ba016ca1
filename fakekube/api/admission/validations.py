"""The expressions of one ValidatingAdmissionPolicy, compiled, and what they decide about a write.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/validator.go, plugin/cel/composition.go
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fakekube.api.admission import expressions
from fakekube.api.admission.expressions import (
    BUDGET,
    Bindings,
    Conditions,
    Expression,
    Failed,
    Lazy,
    expression,
)
from fakekube.api.schema.cel.types import BOOL, NULL, STRING, Type, object_of
from fakekube.api.schema.cel.values import CelError

INVALID = "Invalid"
_LONGEST_MESSAGE = 5 * 1024


@dataclass(frozen=True, slots=True)
class Decision:
    """One reason to object. Faults of configuration deny whatever the binding's actions are."""

    message: str
    reason: str = INVALID
    part: str = ""  # what is set up wrong: the policy or the binding


@dataclass(frozen=True, slots=True)
class _Validation:
    raw: Mapping[str, Any]
    test: Expression
    message: Expression | None


class Variables:
    """`spec.variables`: each may use those before it. `declared` is what expressions of the policy may name."""

    def __init__(self, raws: Iterable[Mapping[str, Any]], declared: Mapping[str, Type]) -> None:
        self.expressions: list[tuple[str, Expression]] = []
        fields: dict[str, Type] = {}
        for raw in raws:
            known = dict(declared) | {"variables": object_of(Lazy.cel_type, dict(fields))}
            one = expression(str(raw.get("expression") or ""), known)
            name = str(raw.get("name") or "")
            self.expressions.append((name, one))
            if one.program is not None:
                fields[name] = one.program.result
        self.declared = dict(declared) | {"variables": object_of(Lazy.cel_type, fields)}

    def bind(self, values: Bindings) -> Bindings:
        """The values with `variables`, which are computed when they are asked for."""
        makers = {}
        bound = dict(values)
        for name, one in self.expressions:
            makers[name] = lambda name=name, one=one: _variable(name, one, bound)
        bound["variables"] = Lazy(makers)
        return bound


def _variable(name: str, one: Expression, values: Bindings) -> Any:
    try:
        if one.program is None:
            raise CelError(one.error)
        return one.program(values)
    except CelError as error:
        raise CelError(f'composited variable "{name}" fails to evaluate: {error}') from None


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
