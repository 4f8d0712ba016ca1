"""What an update is still refused for: passing over what did not change forgives exactly what judging every problem would."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fakekube.api.schema import problems, ratcheting
from fakekube.api.schema.model import Schema
from fakekube.api.schema.structural import Structural

LEAF = {"type": "integer", "maximum": 1}
ITEM = {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": LEAF}}
LOOSE = {"x-kubernetes-preserve-unknown-fields": True}
INNER = {
    "type": "object",
    "required": ["leaf"],
    "maxProperties": 4,
    "properties": {
        "leaf": LEAF,
        "kind": {"type": "string", "enum": ["a", "b"]},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": LOOSE},
        "map": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": ITEM,
        },
        "list": {"type": "array", "items": LEAF, "maxItems": 2},
        "dict": {"type": "object", "additionalProperties": {**ITEM, "nullable": True}},
        "embedded": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "properties": {"leaf": LEAF},
        },
        "either": {
            "type": "object",
            "properties": {"leaf": LEAF, "k": {"type": "string"}},
            "oneOf": [{"required": ["leaf"]}, {"required": ["k"]}],
        },
        "number": {"x-kubernetes-int-or-string": True},
    },
}
ROOT = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["a"]},
        "spec": {**INNER, "properties": {**INNER["properties"], "deep": INNER}},  # type: ignore[dict-item]
        "other": INNER,
    },
}
NAMES = ["leaf", "kind", "set", "map", "list", "dict", "embedded", "either", "number", "deep", "k", "v"]
VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 2, "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
OBJECTS = st.fixed_dictionaries(
    {}, optional={"kind": st.sampled_from(["a", "b"]), "spec": MEMBERS | VALUES, "other": MEMBERS}
)


def spliced(new: Any, old: Any, keep: "st.DataObject") -> Any:
    """`new`, with some of its members as they are in `old`: the same or a copy."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return new
    out = dict(new)
    for name, before in old.items():
        how = keep.draw(st.sampled_from(["same", "copy", "below", "new"]))
        if how == "same":
            out[name] = before
        elif how == "copy":
            out[name] = copy.deepcopy(before)
        elif how == "below" and name in out:
            out[name] = spliced(out[name], before, keep)
    return out


@given(OBJECTS, OBJECTS, st.data())
def test_a_glance_forgives_what_judging_forgives(old: Any, new: Any, data: "st.DataObject") -> None:
    """For any two objects the answer is that of finding all problems of the new one and judging each."""
    new = spliced(new, old, data)
    structural = Structural(Schema(ROOT))
    judged = ratcheting.remaining(
        structural.problems(new), new, old, structural.schema, structural.problems(old)
    )
    assert structural.validate(new, old) == problems.field_errors_of(judged)


def test_type_is_judged_even_where_it_has_not_changed() -> None:
    """apiVersion and kind are never seen as unchanged, so what is wrong with them counts in every update."""
    wrong = {"kind": "b", "spec": {"leaf": 1}}
    (error,) = Structural(Schema(ROOT)).validate({**wrong, "other": {"leaf": 1}}, wrong)
    assert error.field == "kind"


def test_sets_are_told_apart_by_more_than_equality() -> None:
    """1 is no duplicate of true, though Python calls them equal: a set that had both is refused once it has one of them twice."""
    old = {"other": {"leaf": 1, "set": [1, True]}}
    (error,) = Structural(Schema(ROOT)).validate({"other": {"leaf": 0, "set": [1, 1]}}, old)
    assert error.field == "other.set[1]"
