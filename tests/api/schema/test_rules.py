"""CEL rules of schemas, with the answers a real server gave."""

from typing import Any

import pytest

from fakekube.api.schema.model import Schema
from fakekube.api.schema.rules import Rules

SCHEMA: dict[str, Any] = {
    "type": "object",
    "x-kubernetes-validations": [
        {"rule": "self.metadata.name.startsWith('a')", "message": "name must start with a"}
    ],
    "properties": {
        "spec": {
            "type": "object",
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "message": "min must not be above max"},
                {"rule": "!has(oldSelf.fixed) || has(self.fixed)", "message": "fixed may not be removed"},
            ],
            "properties": {
                "min": {"type": "integer"},
                "max": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 100"}]},
                "fixed": {
                    "type": "string",
                    "x-kubernetes-validations": [
                        {
                            "rule": "self == oldSelf",
                            "message": "fixed is immutable",
                            "reason": "FieldValueForbidden",
                        }
                    ],
                },
                "text": {
                    "type": "string",
                    "x-kubernetes-validations": [
                        {"rule": "self.matches('^[a-z]*$')", "messageExpression": "'got ' + self"}
                    ],
                },
                "path": {
                    "type": "object",
                    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                    "x-kubernetes-validations": [
                        {
                            "rule": "!has(self.a) || !has(self.b)",
                            "fieldPath": ".b",
                            "reason": "FieldValueDuplicate",
                        }
                    ],
                },
                "map": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "integer",
                        "x-kubernetes-validations": [{"rule": "self > 0", "message": "must be positive"}],
                    },
                },
                "when": {
                    "type": "string",
                    "format": "date-time",
                    "x-kubernetes-validations": [
                        {"rule": "self > timestamp('2000-01-01T00:00:00Z')", "message": "too early"}
                    ],
                },
                "ratio": {"type": "number", "x-kubernetes-validations": [{"rule": "self / 2.0 < 1.0"}]},
                "set": {
                    "type": "array",
                    "x-kubernetes-list-type": "set",
                    "items": {"type": "string"},
                    "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "set is immutable"}],
                },
                "qty": {
                    "x-kubernetes-int-or-string": True,
                    "x-kubernetes-validations": [
                        {
                            "rule": "type(self) == int ? self > 0 : isQuantity(self)",
                            "message": "not a quantity",
                        }
                    ],
                },
                "first": {
                    "type": "integer",
                    "x-kubernetes-validations": [
                        {
                            "rule": "oldSelf.hasValue() || self == 1",
                            "optionalOldSelf": True,
                            "message": "must begin at 1",
                        }
                    ],
                },
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                    "items": {
                        "type": "object",
                        "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
                        "x-kubernetes-validations": [
                            {"rule": "self.v >= oldSelf.v", "message": "v only grows"}
                        ],
                    },
                },
                "broken": {"type": "integer", "x-kubernetes-validations": [{"rule": "1 / self > 0"}]},
            },
        }
    },
}
RULES = Rules.of(Schema(SCHEMA))


def item(name: str = "a", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"min": 1, "max": 2, **spec}}


def failed(new: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    assert RULES is not None
    return [str(error) for error in RULES.validate(new, old)]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (item(fixed="x", text="abc", when="2020-01-01T00:00:00Z", qty="5Gi", first=1, ratio=1), []),
        (item("b"), ["<nil>: Invalid value: name must start with a"]),
        (item(min=3), ["spec: Invalid value: min must not be above max"]),
        (item(max=200), ["spec.max: Invalid value: 200: failed rule: self < 100"]),
        (item(text="ABC"), ['spec.text: Invalid value: "ABC": got ABC']),
        (item(path={"a": 1, "b": 2}), ["spec.path.b: Duplicate value"]),
        (item(map={"k": -1}), ["spec.map[k]: Invalid value: -1: must be positive"]),
        (item(when="1999-01-01T00:00:00Z"), ['spec.when: Invalid value: "1999-01-01T00:00:00Z": too early']),
        (item(qty="lots"), ['spec.qty: Invalid value: "lots": not a quantity']),
        (item(qty=-5), ["spec.qty: Invalid value: -5: not a quantity"]),
        (item(first=2), ["spec.first: Invalid value: 2: must begin at 1"]),
        (
            item(broken=0),
            ['spec.broken: Invalid value: "integer": division by zero evaluating rule: 1 / self > 0'],
        ),
    ],
)
def test_create(obj: dict[str, Any], expected: list[str]) -> None:
    """Each failed rule is told at its value, in its own words or with the rule itself."""
    assert failed(obj) == expected


def test_transition_rules_need_an_old_value() -> None:
    """Rules that read oldSelf run only where both objects have the value."""
    assert failed(item(fixed="x")) == []
    assert failed(item(fixed="x"), item()) == []
    assert failed(item(fixed="y"), item(fixed="x")) == ["spec.fixed: Forbidden: fixed is immutable"]
    assert failed(item(), item(fixed="x")) == ["spec: Invalid value: fixed may not be removed"]
    assert failed(item(first=2), item(first=1)) == []


def test_unchanged_values_are_not_judged() -> None:
    """A rule that an unchanged value breaks does not stop an update elsewhere."""
    assert failed(item(text="ABC", min=2), item(text="ABC")) == []
    assert failed(item(text="ABCD"), item(text="ABC")) == ['spec.text: Invalid value: "ABCD": got ABCD']


def test_what_is_shared_with_the_old_object_meets_rules_about_changes_alone() -> None:
    """A part that is the stored object's own was judged with it, unless a rule compares it with what it was."""
    raw = {
        "type": "object",
        "properties": {
            name: {
                "type": "object",
                "properties": {"a": {"type": "integer"}},
                "x-kubernetes-validations": [rule],
            }
            for name, rule in (
                ("plain", {"rule": "self.a / 0 > 0"}),
                ("change", {"rule": "self.a > oldSelf.a"}),
            )
        },
    }
    rules = Rules.of(Schema(raw))
    assert rules is not None
    part = {"a": 1}
    assert len(rules.validate({"plain": part})) == 1
    assert rules.validate({"plain": part}, {"plain": part}) == []
    assert len(rules.validate({"change": part}, {"change": part})) == 1


def test_items_meet_their_old_selves() -> None:
    """Items of a list map are compared with the old item of the same key, wherever it stood."""
    old = item(items=[{"k": "a", "v": 5}, {"k": "b", "v": 1}])
    assert failed(item(items=[{"k": "b", "v": 2}, {"k": "a", "v": 5}]), old) == []
    assert failed(item(items=[{"k": "c", "v": 0}, {"k": "a", "v": 4}]), old) == [
        "spec.items[1]: Invalid value: v only grows"
    ]


def test_sets_have_no_order() -> None:
    """A set that only changed its order is the same set."""
    assert failed(item(set=["b", "a"]), item(set=["a", "b"])) == []
    assert failed(item(set=["a"]), item(set=["a", "b"])) == ["spec.set: Invalid value: set is immutable"]


def test_schemas_without_rules_cost_nothing() -> None:
    """Nothing is built for a schema that mentions no rule."""
    assert Rules.of(Schema({"type": "object", "properties": {"a": {"type": "string"}}})) is None
