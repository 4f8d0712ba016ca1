"""Label selectors: parse the query text and the object form, match, print canonically.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/labels/selector.go, and apis/meta/v1/helpers.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class SelectorError(ValueError):
    """A selector that cannot be read; the text is the real parser's."""


IN, NOT_IN, EXISTS, DOES_NOT_EXIST, GT, LT = "in", "notin", "exists", "!", "gt", "lt"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term: a key, an operator and the values it looks for."""

    key: str
    operator: str
    values: tuple[str, ...] = ()
    bare: bool = False  # written `k=v` rather than `k in (v)`

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == IN:
            return value is not None and value in self.values
        if self.operator == NOT_IN:
            return value is None or value not in self.values
        if self.operator == EXISTS:
            return value is not None
        if self.operator == DOES_NOT_EXIST:
            return value is None
        try:
            number, bound = int(value or ""), int(self.values[0])
        except ValueError:
            return False
        return number > bound if self.operator == GT else number < bound

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == DOES_NOT_EXIST:
            return f"!{self.key}"
        if self.operator in (GT, LT):
            return f"{self.key}{'>' if self.operator == GT else '<'}{self.values[0]}"
        if self.bare:
            return f"{self.key}{'=' if self.operator == IN else '!='}{self.values[0]}"
        return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements together. Without any it matches everything, unless it is NOTHING."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.nothing and all(one.matches(labels) for one in self.requirements)

    @property
    def everything(self) -> bool:
        return not self.nothing and not self.requirements

    def __str__(self) -> str:
        """The canonical text: requirements sorted by key, as `status.labelSelector` holds it."""
        return ",".join(str(one) for one in sorted(self.requirements, key=lambda one: one.key))


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)

_OBJECT_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": DOES_NOT_EXIST}


def from_object(selector: Mapping[str, Any] | None) -> Selector:
    """A `metav1.LabelSelector`. Null matches nothing, `{}` everything. Raises SelectorError."""
    if selector is None:
        return NOTHING
    found = [Requirement(key, IN, (value,), bare=True) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise SelectorError(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        values = tuple(expression.get("values") or ())
        key = expression.get("key", "")
        if operator in (IN, NOT_IN) and not values:
            raise SelectorError(f"values: Invalid value: {_go_list(values)}: for 'in', 'notin' operators, values set can't be empty")
        if operator in (EXISTS, DOES_NOT_EXIST) and values:
            raise SelectorError(f"values: Invalid value: {_go_list(values)}: values set must be empty for exists and does not exist")
        found.append(Requirement(key, operator, values))
    return Selector(tuple(found))


def _go_list(values: tuple[str, ...]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"
