"""allOf, anyOf, oneOf and not: what they say, and which of the inner problems they pass on.

Of failed alternatives the one that got furthest is reported, and its problems belong to the node of the junctor: ratcheting
does not look inside. kube-openapi: pkg/validation/validate/schema_props.go
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakekube.api.schema.leaves import Check
from fakekube.api.schema.model import Schema
from fakekube.api.schema.problems import PATH, Problem, Problems
from fakekube.machinery import field_errors

Compile = Callable[[Schema], Check | None]


def checks(node: Schema, compile_: Compile) -> list[Check]:
    """The node's junctors in the order they report."""
    found: list[Check] = []
    for name, make in (("anyOf", _any_of), ("oneOf", _one_of), ("allOf", _all_of)):
        raws = node.raw.get(name)
        if raws:
            found.append(make([_Part(Schema(raw, node.definitions), compile_) for raw in raws]))
    if isinstance(node.raw.get("not"), Mapping):
        found.append(_not(_Part(Schema(node.raw["not"], node.definitions), compile_)))
    return found


class _Part:
    """One alternative, compiled on first use."""

    def __init__(self, node: Schema, compile_: Compile) -> None:
        self.node = node
        self._compile = compile_
        self._check: Check | None = None
        self._ready = False

    def __call__(self, value: Any) -> Problems:
        if not self._ready:
            self._check, self._ready = self._compile(self.node), True
        return self._check(value) if self._check is not None else None


def _said(what: str) -> Problem:
    return Problem(field_errors.INVALID, f'"{PATH}" {what}', "", nowhere=True)


def _owned(problems: list[Problem]) -> list[Problem]:
    for problem in problems:
        problem.tail = len(problem.path)
    return problems


def _best(parts: Sequence[_Part], failures: Sequence[list[Problem]], value: Any) -> list[Problem]:
    """The failure of the alternative that checked most; the first among equals."""
    weights = [_weight(part.node, value) for part in parts]
    return _owned(failures[weights.index(max(weights))])


def _weight(node: Schema, value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(
            _weight(child, value[name]) for name, child in node.properties.items() if name in value
        )
    return 1


def _any_of(parts: Sequence[_Part]) -> Check:
    def check(value: Any) -> Problems:
        failures = []
        for part in parts:
            problems = part(value)
            if not problems:
                return None
            failures.append(problems)
        return [_said("must validate at least one schema (anyOf)"), *_best(parts, failures, value)]

    return check


def _one_of(parts: Sequence[_Part]) -> Check:
    def check(value: Any) -> Problems:
        failures = [problems for part in parts if (problems := part(value))]
        valid = len(parts) - len(failures)
        if valid == 1:
            return None
        text = "must validate one and only one schema (oneOf). Found "
        if valid:
            return [_said(f"{text}{valid} valid alternatives")]
        return [_said(f"{text}none valid"), *_best(parts, failures, value)]

    return check


def _all_of(parts: Sequence[_Part]) -> Check:
    def check(value: Any) -> Problems:
        failures = [problems for part in parts if (problems := part(value))]
        if not failures:
            return None
        found = [problem for problems in failures for problem in _owned(problems)]
        none = ". None validated" if len(failures) == len(parts) else ""
        return [*found, _said(f"must validate all the schemas (allOf){none}")]

    return check


def _not(part: _Part) -> Check:
    def check(value: Any) -> Problems:
        return None if part(value) else [_said("must not validate the schema (not)")]

    return check
