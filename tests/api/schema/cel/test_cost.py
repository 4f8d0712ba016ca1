"""Estimated costs: against limits measured on a real validator, and rule by rule."""

from typing import Any

import pytest

from fakekube.api.schema import bounds, declarations
from fakekube.api.schema.cel import cost
from fakekube.api.schema.model import Schema

LIMIT = 10_000_000


def price(source: str, schema: dict[str, Any]) -> int:
    node = Schema(schema)
    self_type, bound = declarations.type_of(node), bounds.of(node)
    assert self_type is not None
    assert bound is not None
    return cost.estimate(source, {"self": self_type, "oldSelf": self_type}, bound)


def texts(length: int, items: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": items, "items": {"type": "string", "maxLength": length}}


@pytest.mark.parametrize(("length", "items"), [(16, 909_090), (63, 333_333), (253, 94_339), (1024, 24_154)])
def test_the_measured_limits_are_met_exactly(length: int, items: int):
    """A rule over a list of texts is accepted up to the very length the real validator accepts."""
    source = "self.all(x, x.contains('gpu'))"
    assert price(source, texts(length, items)) <= LIMIT
    assert price(source, texts(length, items + 1)) > LIMIT


OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "s": {"type": "string", "maxLength": 10},
        "free": {"type": "string"},
        "one": {"type": "string", "enum": ["a", "long"]},
        "list": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}},
        "map": {
            "type": "object",
            "maxProperties": 3,
            "additionalProperties": {"type": "string", "maxLength": 10},
        },
    },
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("true", 0),
        ("self.n < 5", 3),
        ("has(self.n)", 1),
        ("self.n == 5", 2),
        ("self.s == 'abc'", 2 + 1),
        ("self.s == self.free", 4 + 4),
        ("self.one == self.free", 4 + 1),
        ("self.s.startsWith('ab')", 2 + 1),
        ("self.s.matches('^[a-z]+$')", 2 + 5 * 2),
        ("self.s.lowerAscii() == 'x'", 2 + 4 + 1),
        ("'a' in self.list", 2 + 5),
        ("'a' in self.map", 2 + 1),
        ("size(self.free) > 3", 2 + 1 + 1),
        ("self.n > 1 && self.n < 9", 6),
        ("self.n > 1 ? self.s == 'a' : self.s.matches('ab')", 3 + 7),
        ("self.list.exists(x, x == 'a')", 2 + 5 * (1 + 1 + 4) + 1),
        ("self.list.exists_one(x, x == 'a')", 2 + 5 * (1 + 1 + 2) + 2),
        ("self.list.filter(x, x == 'a').size() == 1", 2 + 10 + 5 * (2 + 13) + 1 + 1 + 1),
        ("self.list.map(x, x).size() == 1", 2 + 10 + 5 * (1 + 12) + 1 + 1 + 1),
        ("self.map.all(k, self.map[k] == 'a')", 2 + 3 * (2 + 1 + 1 + 1 + 3) + 1),
        ("cel.bind(x, self.s, x == 'a')", 10 + 2 + 1 + 1),
        ("(self.s + self.s) == 'a'", 4 + 8 + 1),
        ("cidr(self.free) == cidr(self.free).masked()", 3 + 4 + 1),
        ("quantity(self.free) == quantity('1')", 3 + 1 + 1),
        ("cidr(self.s).containsIP(self.s)", 3 + 2 + 4 + 4),
        ("cidr(self.s).containsIP(ip(self.s))", 3 + 3 + 4),
        ("cidr(self.s).containsCIDR(cidr(self.s))", 3 + 3 + 4 + 2 + 1),
        ("url(self.s) == url(self.s)", 2 * (2 + 4) + 4),
        ("sets.contains(self.list, ['a', 'b'])", 2 + 10 + 5 * 2 + 1),
        ("ip.isCanonical(self.s)", 2 + 1),
        ("format.uuid().validate(self.s).hasValue()", 1 + 2 + 4 * 32 + 1),
    ],
)
def test_what_things_cost(source: str, expected: int):
    """Looking costs one, texts a tenth per byte, loops as often as the schema allows; presence is free."""
    assert price(source, OBJECT) == expected


@pytest.mark.parametrize(
    "source", ["'n is ' + string(self.n)", "self.free.split(',').all(x, x.contains(self.free))"]
)
def test_unknown_lengths_cost_without_end(source: str):
    """A number turned into text has no known length, and unbounded texts against each other are too much."""
    assert price(source, OBJECT) > LIMIT


def test_nested_choices_are_estimated_once():
    """The estimate grows with the expression, not with the ways through it."""
    source = "true"
    for _ in range(40):
        source = f"self.n > 1 ? ({source}) : false"
    assert price(source, OBJECT) == 40 * 3


@pytest.mark.parametrize(
    ("schema", "most", "least"),
    [
        ({"type": "string"}, 3 * 1024 * 1024 - 2, 2),
        ({"type": "string", "maxLength": 7}, 28, 2),
        ({"type": "string", "format": "date-time"}, 32, 21),
        ({"type": "array", "items": {"type": "integer"}}, (3 * 1024 * 1024 - 2) // 2, 2),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, (3 * 1024 * 1024 - 2) // 10, 2),
        ({"type": "object", "required": ["ab"], "properties": {"ab": {"type": "string"}}}, 0, 2 + 2 + 2 + 4),
        ({"x-kubernetes-int-or-string": True, "maxLength": 5}, 20, 1),
    ],
)
def test_bounds_come_from_limits_or_from_the_size_of_a_request(schema: dict[str, Any], most: int, least: int):
    """What a schema does not limit is limited by what three megabytes hold."""
    bound = bounds.of(Schema(schema))
    assert bound is not None
    assert (bound.most, bound.least) == (most, least)
