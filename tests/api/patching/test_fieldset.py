"""Field sets: the wire format is the representation, and the algebra is that of sets of paths."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.patching import fieldset
from fakekube.api.patching.fieldset import FieldSet

ELEMENTS = st.sampled_from(["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'v:"y"', "v:1", "i:0"])
PATHS = st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple)
SETS = st.sets(PATHS, max_size=12)


def members(fields: FieldSet) -> set[tuple[str, ...]]:
    return set(fieldset.paths(fields))


@settings(deadline=None)
@given(SETS)
def test_a_set_holds_exactly_its_paths(paths):
    """Building a set from paths and listing its members gives the same paths, whatever leads to whatever."""
    fields = fieldset.from_paths(paths)
    assert members(fields) == paths
    assert all(fieldset.has(fields, path) for path in paths)


@settings(deadline=None)
@given(SETS)
def test_parsing_what_was_written_changes_nothing(paths):
    """A set survives the way over the wire."""
    fields = fieldset.from_paths(paths)
    assert fieldset.parse(orjson.loads(orjson.dumps(fields))) == fields


@settings(deadline=None)
@given(SETS, SETS)
def test_union_difference_and_intersection_are_those_of_sets(one, other):
    """The three operations agree with Python's sets, and equal sets have equal tries."""
    a, b = fieldset.from_paths(one), fieldset.from_paths(other)
    assert fieldset.union(a, b) == fieldset.from_paths(one | other)
    assert fieldset.difference(a, b) == fieldset.from_paths(one - other)
    assert fieldset.intersection(a, b) == fieldset.from_paths(one & other)


@settings(deadline=None)
@given(SETS, SETS)
def test_nothing_is_changed_in_place(one, other):
    """Operations leave their arguments as they were."""
    a, b = fieldset.from_paths(one), fieldset.from_paths(other)
    for operation in (fieldset.union, fieldset.difference, fieldset.intersection, fieldset.without):
        operation(a, b)
    assert members(a) == one
    assert members(b) == other


@settings(deadline=None)
@given(SETS, SETS)
def test_without_takes_everything_below_along(one, other):
    """`without` removes a member and all that lies below it."""
    left = fieldset.without(fieldset.from_paths(one), fieldset.from_paths(other))
    assert members(left) == {path for path in one if not any(path[: len(gone)] == gone for gone in other)}


@settings(deadline=None)
@given(SETS, SETS)
def test_an_untouched_set_is_handed_back_itself(one, other):
    """A difference that removes nothing is the very same object, so callers can tell cheaply."""
    fields = fieldset.from_paths(one)
    rest = fieldset.difference(fields, fieldset.from_paths(other))
    assert (rest is fields) == (not one & other)


def test_a_member_with_members_below_carries_a_dot():
    """The wire tells a container that is owned itself from one that only leads to owned fields."""
    owned = fieldset.from_paths([("f:data",), ("f:data", "f:k")])
    assert owned == {"f:data": {".": {}, "f:k": {}}}
    assert fieldset.from_paths([("f:data", "f:k")]) == {"f:data": {"f:k": {}}}


def test_paths_come_members_first_and_sorted():
    """At each level first the members in order of fields, keys, values, indices; then what lies below."""
    fields = {
        "f:z": {},
        "f:a": {"f:x": {}},
        'k:{"port":9}': {},
        'k:{"port":80}': {},
        'v:"b"': {},
        "i:10": {},
        "i:9": {},
    }
    texts = [fieldset.path_text(path) for path in fieldset.paths(fields)]
    assert texts == [".z", "[port=9]", "[port=80]", '[="b"]', "[9]", "[10]", ".a.x"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", 'k:{"name":"c1"}', "f:image"), '.spec[name="c1"].image'),
        (("f:ports", 'k:{"port":80,"protocol":"TCP"}'), '.ports[port=80,protocol="TCP"]'),
        (("f:finalizers", 'v:"a/b"'), '.finalizers[="a/b"]'),
        (("f:flags", "v:true"), ".flags[=true]"),
        (("f:ids", "v:1000000"), ".ids[=1e+06]"),
        (("f:ids", "v:0.00001"), ".ids[=1e-05]"),
        (("f:names", 'v:"a\\u003cb\\u007f"'), r'.names[="a<b\x7f"]'),
        (("f:names", 'k:{"a":null,"b":[1,{"c":2}]}'), ".names[a=null,b=[1,c=2]]"),
    ],
)
def test_paths_read_as_in_error_texts(path, text):
    """Keys, values and names of a path are shown as the real server shows them."""
    assert fieldset.path_text(path) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ("<é&\u2028>", '"\\u003cé\\u0026\\u2028\\u003e"'),
        (1.0, "1"),
        (1.5, "1.5"),
        (-0.0, "-0"),
        (1e20, "100000000000000000000"),
        ({"b": 2.0, "a": "<"}, '{"a":"\\u003c","b":2}'),
    ],
)
def test_values_in_elements_are_written_as_go_writes_them(value, text):
    """Whole numbers without a point, and what HTML might misread escaped."""
    assert fieldset.key_text(value) == text


def test_parsing_makes_canonical():
    """Key order, spaces and a lone dot make no difference; elements of a kind nobody knows are passed over."""
    raw = {"f:a": {".": {}}, 'k:{"b": 1, "a": 2}': {}, "x:new": {}, "f:b": {"x:new": {}}, "v:1.0": None}
    assert fieldset.parse(raw) == {"f:a": {}, 'k:{"a":2,"b":1}': {}, "f:b": {}, "v:1": {}}


@pytest.mark.parametrize(
    "raw", [{"nope": {}}, {"f": {}}, {"f:a": 1}, [], {"k:[1]": {}}, {"v:{": {}}, {"i:x": {}}, {"i:1_0": {}}]
)
def test_parsing_refuses_what_is_no_set(raw):
    """Malformed sets raise ValueError."""
    with pytest.raises(ValueError):
        fieldset.parse(raw)
