"""JSON merge patch."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.patching import merge_patch
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest

SCALARS = st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2)
NAMES = st.sampled_from("abc")
WHOLE = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, WHOLE, max_size=3)
PATCHES = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS | st.none(),
        lambda below: st.lists(SCALARS, max_size=2) | st.dictionaries(NAMES, below, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)


@pytest.mark.parametrize(
    ("obj", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
        ({"a": "x"}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    ],
)
def test_the_rules_of_the_rfc(obj, patch, expected):
    """Objects merge, null removes, all else replaces; nothing of null survives in new objects."""
    assert merge_patch.apply(obj, patch) == expected


def test_nulls_vanish_inside_new_lists():
    """Unlike the RFC, the real server's library also clears objects inside a list that replaces something."""
    assert merge_patch.apply({}, {"a": [{"b": None, "c": 1}, None]}) == {"a": [{"c": 1}, None]}
    assert merge_patch.apply({"a": {}}, {"a": [{"b": None}]}) == {"a": [{"b": None}]}


@settings(deadline=None)
@given(OBJECTS, PATCHES)
def test_twice_is_once(obj, patch):
    """Applying a patch again changes nothing."""
    once = merge_patch.apply(obj, patch)
    assert merge_patch.apply(once, patch) == once


@settings(deadline=None)
@given(OBJECTS)
def test_the_empty_patch_changes_nothing_and_copies_nothing(obj):
    """The result is equal to the object, and what is in it is the object's own."""
    result = merge_patch.apply(obj, {})
    assert result == obj
    assert result is not obj
    assert all(result[name] is value for name, value in obj.items())


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_the_object_stays_as_it_was(obj, patch):
    """A patch makes a new object; the old one may go on being read."""
    before = copy_of(obj)
    merge_patch.apply(obj, patch)
    assert obj == before


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_an_object_as_patch_is_contained_in_the_result(obj, patch):
    """A patch without nulls leaves everything it says in place."""
    assert contains(merge_patch.apply(obj, patch), patch)


@settings(deadline=None)
@given(OBJECTS, PATCHES)
def test_arguments_stay(obj, patch):
    """Neither argument changes."""
    before = copy_of((obj, patch))
    merge_patch.apply(obj, patch)
    assert copy_of((obj, patch)) == before


def contains(whole, part):
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and contains(whole[name], part[name]) for name in part
        )
    return whole == part


def test_patches_nested_too_deep_are_refused():
    """Depth has a limit, so that no request can exhaust the stack."""
    patch: dict[str, object] = {}
    for _ in range(300):
        patch = {"a": patch}
    with pytest.raises(BadRequest, match="exceeded max depth"):
        merge_patch.apply({}, patch)
