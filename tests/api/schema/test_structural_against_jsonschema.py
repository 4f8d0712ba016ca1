"""Random schemas and values: our verdict is jsonschema's."""

from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.schema.model import Schema
from fakekube.api.schema.structural import Structural

# Draft 4, whose keywords CRDs use, except that 2.0 is an integer, as it is to Kubernetes and to later drafts.
VALIDATOR = jsonschema.validators.extend(
    jsonschema.Draft4Validator, type_checker=jsonschema.Draft6Validator.TYPE_CHECKER
)
NAMES = st.sampled_from(["a", "b", "c"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([0.5, 2.0, -1.5])
    | st.text("ab1", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def typed(name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return optional(**fields, enum=st.lists(JSON, min_size=1, max_size=3)).map(
        lambda extra: {"type": name, **extra}
    )


LEAVES = st.one_of(
    typed(
        "string",
        minLength=st.integers(0, 3),
        maxLength=st.integers(1, 4),
        pattern=st.sampled_from(["^a", "b$", "[a1]+b"]),
    ),
    typed(
        "integer",
        minimum=st.integers(-3, 1),
        exclusiveMinimum=st.booleans(),
        maximum=st.integers(0, 4),
        exclusiveMaximum=st.booleans(),
        multipleOf=st.sampled_from([1, 2]),
    ),
    typed(
        "number",
        minimum=st.integers(-3, 1),
        exclusiveMinimum=st.booleans(),
        maximum=st.sampled_from([0.5, 3]),
        exclusiveMaximum=st.booleans(),
    ),
    typed("boolean"),
    st.just({}),
)


def grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    members = {
        "required": st.lists(NAMES, max_size=2, unique=True),
        "minProperties": st.integers(0, 2),
        "maxProperties": st.integers(1, 3),
    }
    return st.one_of(
        typed("object", properties=st.dictionaries(NAMES, inner, max_size=3), **members),
        typed("object", additionalProperties=inner, **members),
        typed(
            "array",
            items=inner,
            minItems=st.integers(0, 2),
            maxItems=st.integers(1, 3),
            uniqueItems=st.booleans(),
        ),
        st.fixed_dictionaries({"anyOf": several}),
        st.fixed_dictionaries({"oneOf": several}),
        st.fixed_dictionaries({"allOf": several}),
        st.fixed_dictionaries({"not": inner}),
    )


SCHEMAS = st.recursive(LEAVES, grown, max_leaves=6)


@settings(max_examples=300, deadline=None)
@given(schema=SCHEMAS, value=JSON)
def test_verdict(schema: dict[str, Any], value: Any) -> None:
    """Whatever the schema and the value, we accept exactly what a JSON Schema validator accepts."""
    wrapped = {"type": "object", "properties": {"spec": schema}}
    expected = VALIDATOR(wrapped).is_valid({"spec": value})
    assert (not Structural(Schema(wrapped)).validate({"spec": value})) == expected


@settings(max_examples=150, deadline=None)
@given(schema=SCHEMAS, value=JSON)
def test_unchanged_is_always_allowed(schema: dict[str, Any], value: Any) -> None:
    """Ratcheting: an update that changes nothing is never refused by the schema."""
    structural = Structural(Schema({"type": "object", "properties": {"spec": schema}}))
    assert structural.validate({"spec": value, "other": 1}, {"spec": value, "other": 2}) == []


PARTS = st.dictionaries(NAMES, JSON, max_size=2)
KEYED = st.lists(
    st.fixed_dictionaries({"k": st.sampled_from("xyz"), "v": JSON}),
    max_size=2,
    unique_by=lambda one: one["k"],
)


@settings(max_examples=80, deadline=None)
@given(schema=SCHEMAS, parts=st.tuples(PARTS, PARTS, PARTS), items=st.tuples(KEYED, KEYED))
def test_forgiving_needs_something_to_forgive(
    schema: dict[str, Any], parts: tuple[dict[str, Any], ...], items: tuple[list[Any], ...]
) -> None:
    """Ratcheting: what the schema refuses of the new object passes only where the old object was refused as well."""
    shared, before, after = parts
    kept, more = items
    item = {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": schema}}
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item}
    properties = {**dict.fromkeys("abc", schema), "list": {"type": "array", **keyed}}
    structural = Structural(Schema({"type": "object", "properties": properties}))
    known = {one["k"] for one in kept}
    old = {**shared, **before, "list": kept}
    new = {**shared, **after, "list": [*kept, *(one for one in more if one["k"] not in known)]}
    if structural.validate(new) and not structural.validate(new, old):
        assert structural.validate(old)


@settings(max_examples=150, deadline=None)
@given(schema=SCHEMAS, value=JSON)
def test_pruning_twice_is_pruning_once(schema: dict[str, Any], value: Any) -> None:
    """What pruning left is known: a second pruning finds nothing."""
    structural = Structural(Schema({"type": "object", "properties": {"spec": schema}}))
    obj = {"spec": value}
    structural.prune(obj)
    assert structural.prune(obj) == []
