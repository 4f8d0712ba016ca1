"""Prices of CEL rules: what each may cost at worst, what all of a schema may cost together, and the refusals in between.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/{validation,cel_validation}.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.api.schema import bounds, declarations
from fakekube.api.schema.cel import cost, types
from fakekube.api.schema.model import Schema
from fakekube.machinery.field_errors import FieldError, forbidden

RULE, SCHEMA = 10_000_000, 100_000_000
_NAMED = 4  # so many of the most expensive rules are named
_TOTAL = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"


class Prices:
    """The prices of one schema's rules, added up."""

    def __init__(self) -> None:
        self._total = 0
        self._expensive: list[tuple[int, str]] = []

    def rule(
        self, node: Schema, raw: Mapping[str, Any], path: str, occurs: int | None, *, root: bool
    ) -> Iterator[FieldError]:
        """A rule counts as often as the value it stands beside can occur."""
        often = bounds.most_often(node, root=root) if occurs is None else occurs
        price = min(cost.MOST, _price(node, str(raw["rule"]), raw, root=root) * often)
        if price > RULE:
            yield forbidden(path, _too_much("estimated rule cost", price, RULE))
        self._note(price, path)

    def message(self, node: Schema, raw: Mapping[str, Any], path: str, *, root: bool) -> Iterator[FieldError]:
        price = _price(node, str(raw["messageExpression"]), raw, root=root)
        if price > RULE:
            yield forbidden(path, _too_much("estimated messageExpression cost", price, RULE))
        self._note(price, path)

    def _note(self, price: int, path: str) -> None:
        self._total = min(cost.MOST, self._total + price)
        if price >= SCHEMA // 100:
            self._expensive.append((price, path))

    def verdict(self, path: str) -> list[FieldError]:
        """What is said of all rules together; `path` is the schema's."""
        if self._total <= SCHEMA:
            return []
        text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        worst = sorted(self._expensive, key=lambda one: -one[0])[:_NAMED]
        found = [forbidden(one, text) for _, one in worst]
        return [*found, forbidden(path, _too_much(_TOTAL, self._total, SCHEMA))]


def _price(node: Schema, source: str, raw: Mapping[str, Any], *, root: bool) -> int:
    self_type = declarations.type_of(node, root=root) or types.DYN
    old_type = types.optional_of(self_type) if raw.get("optionalOldSelf") else self_type
    bound = bounds.of(node, root=root) or bounds.Bound()
    return cost.estimate(source, {"self": self_type, "oldSelf": old_type}, bound)


def _too_much(what: str, price: int, limit: int) -> str:
    factor = price / limit
    said = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return (
        f"{what} exceeds budget by factor of {said} (try simplifying the rule, or adding maxItems, maxProperties, and"
        " maxLength where arrays, maps, and strings are declared)"
    )
