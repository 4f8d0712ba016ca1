"""JSON patch: RFC 6902 plus the leniency clients of the real server rely on."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.patching import json_patch
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, Invalid

OBJECT = {
    "metadata": {"annotations": {"a/b": "1", "c~d": "2"}, "finalizers": ["x", "y"]},
    "data": {"k": "v", "null": None},
}


def after(*operations):
    return json_patch.apply(OBJECT, list(operations))


@pytest.mark.parametrize(
    ("operation", "place", "expected"),
    [
        ({"op": "add", "path": "/data/n", "value": "1"}, "data", {"k": "v", "null": None, "n": "1"}),
        ({"op": "add", "path": "/data", "value": {"a": "b"}}, "data", {"a": "b"}),
        ({"op": "remove", "path": "/data/k"}, "data", {"null": None}),
        ({"op": "replace", "path": "/data/k", "value": "w"}, "data", {"k": "w", "null": None}),
        ({"op": "move", "from": "/data/k", "path": "/data/m"}, "data", {"null": None, "m": "v"}),
        ({"op": "copy", "from": "/data/k", "path": "/data/m"}, "data", {"k": "v", "null": None, "m": "v"}),
        ({"op": "add", "path": "/top", "value": 1}, "top", 1),
    ],
)
def test_operations_of_the_rfc(operation, place, expected):
    """add, remove, replace, move and copy do what RFC 6902 says."""
    assert after(operation)[place] == expected


def test_escaped_paths():
    """`~1` is a slash and `~0` a tilde inside a name."""
    patched = after(
        {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "3"},
        {"op": "remove", "path": "/metadata/annotations/c~0d"},
    )
    assert patched["metadata"]["annotations"] == {"a/b": "3"}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/metadata/finalizers/1", "value": "m"}, ["x", "m", "y"]),
        ({"op": "add", "path": "/metadata/finalizers/-", "value": "m"}, ["x", "y", "m"]),
        ({"op": "add", "path": "/metadata/finalizers/2", "value": "m"}, ["x", "y", "m"]),
        ({"op": "add", "path": "/metadata/finalizers/-1", "value": "m"}, ["x", "y", "m"]),
        ({"op": "add", "path": "/metadata/finalizers/-3", "value": "m"}, ["m", "x", "y"]),
        ({"op": "remove", "path": "/metadata/finalizers/-1"}, ["x"]),
        ({"op": "replace", "path": "/metadata/finalizers/-2", "value": "m"}, ["m", "y"]),
    ],
)
def test_list_indices(operation, expected):
    """Indices count from the front, or from the end when negative; `-` is behind the last item."""
    assert after(operation)["metadata"]["finalizers"] == expected


def test_replace_adds_an_absent_member():
    """`replace` of a member that is not there adds it: upstream's finalizer patches rely on it."""
    assert after({"op": "replace", "path": "/data/new", "value": "x"})["data"]["new"] == "x"


@pytest.mark.parametrize("path", ["/data/none", "/data/null"])
@pytest.mark.parametrize("extra", [{"value": None}, {}])
def test_test_for_null_passes_on_an_absent_member(path, extra):
    """Absent, null and no value at all are the same to `test`."""
    assert after({"op": "test", "path": path, **extra}) == OBJECT


def test_copy_of_an_absent_member_is_null():
    """Copying what is not there yields null."""
    assert after({"op": "copy", "from": "/data/none", "path": "/data/m"})["data"]["m"] is None


def test_text_before_the_first_slash_is_ignored():
    """`data/x` names the member x of the whole object."""
    assert after({"op": "add", "path": "data/x", "value": "y"})["x"] == "y"


def test_the_whole_document_can_be_replaced_and_tested():
    """The empty path names the document for `replace` and `test`."""
    assert after({"op": "replace", "path": "", "value": {"only": "me"}}) == {"only": "me"}
    assert after({"op": "test", "path": "", "value": OBJECT}) == OBJECT


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/k", "value": "other"},
        {"op": "test", "path": "/data/none", "value": "x"},
        {"op": "test", "path": "/none/deeper", "value": None},
        {"op": "remove", "path": "/data/none"},
        {"op": "remove", "path": ""},
        {"op": "remove", "path": "/metadata/finalizers/9"},
        {"op": "remove", "path": "/metadata/finalizers/-"},
        {"op": "replace", "path": "/metadata/finalizers/2", "value": "z"},
        {"op": "replace", "path": "", "value": "text"},
        {"op": "replace", "path": "", "value": []},
        {"op": "add", "path": "/none/x", "value": "y"},
        {"op": "add", "path": "/data/k/x", "value": "y"},
        {"op": "add", "path": "", "value": {}},
        {"op": "add", "path": "x", "value": "y"},
        {"op": "add", "path": "/metadata/finalizers/7", "value": "z"},
        {"op": "add", "path": "/metadata/finalizers/-9", "value": "z"},
        {"op": "add", "path": "/metadata/finalizers/first", "value": "z"},
        {"op": "move", "from": "/data/none", "path": "/data/x"},
        {"op": "move", "from": "/data", "path": "/data/x"},
        {"op": "move", "path": "/data/x"},
        {"op": "copy", "from": "", "path": "/data/x"},
        {"op": "frobnicate", "path": "/data/x", "value": "y"},
        {"op": "add", "value": "y"},
        {"path": "/data/x", "value": "y"},
    ],
)
def test_every_failure_is_the_same_refusal(operation):
    """Whatever fails: 422 Invalid with a text that does not say why, and empty details."""
    with pytest.raises(Invalid) as caught:
        after({"op": "add", "path": "/data/first", "value": "x"}, operation)
    status = caught.value.status()
    assert status["message"] == "the server rejected our request due to an error in our request"
    assert (status["code"], status["reason"], status["details"]) == (422, "Invalid", {})


@pytest.mark.parametrize(("value", "wanted"), [(1, True), (1, 1.0), (0, False), ("1", 1), (None, 0)])
def test_values_of_unlike_types_are_not_equal(value, wanted):
    """`test` tells 1 from 1.0, from true and from "1"."""
    with pytest.raises(Invalid):
        json_patch.apply({"a": value}, [{"op": "test", "path": "/a", "value": wanted}])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
POINTERS = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-", "-1"]), max_size=3).map(
    lambda parts: "".join("/" + part for part in parts)
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": POINTERS},
    optional={"from": POINTERS, "value": VALUES},
)


@settings(deadline=None)
@given(OBJECTS, st.lists(OPERATIONS, max_size=4))
def test_arguments_stay_and_only_invalid_is_raised(obj, operations):
    """Any patch on any object either works or is refused with Invalid; neither argument changes."""
    before = copy_of(obj), copy_of(operations)
    with suppress(Invalid):
        json_patch.apply(obj, operations)
    assert (obj, operations) == before


@settings(deadline=None)
@given(OBJECTS, st.sampled_from("abc"), VALUES)
def test_add_then_test_passes(obj, name, value):
    """What was added is there."""
    patched = json_patch.apply(
        obj,
        [
            {"op": "add", "path": f"/{name}", "value": value},
            {"op": "test", "path": f"/{name}", "value": value},
        ],
    )
    assert patched == {**obj, name: value}


def test_copies_are_limited():
    """Copying doubles what is there: what all copies add has a limit, and so has how deep they nest."""
    doubling = {"op": "copy", "from": "/l", "path": "/l/-"}
    with pytest.raises(Invalid):
        json_patch.apply({"l": ["x"]}, [doubling] * 100)
    deepening = {"op": "copy", "from": "/d", "path": "/d/d"}
    for times in (220, 400):
        with pytest.raises(BadRequest, match="exceeded max depth"):
            json_patch.apply({"d": {}}, [deepening] * times)
    assert json_patch.apply({"d": {}}, [deepening] * 2) == {"d": {"d": {"d": {}}}}


def test_what_is_put_together_can_be_too_deep():
    """Two values that can each be handled may be none when one is put into the other."""
    nested = {}
    for _ in range(150):
        nested = {"a": nested}
    with pytest.raises(BadRequest, match="exceeded max depth"):
        json_patch.apply(nested, [{"op": "add", "path": "/a" * 150, "value": nested}])


@pytest.mark.parametrize(("levels", "deep"), [(100, False), (101, True)])
def test_what_is_added_lies_as_deep_as_its_place_and_itself(levels, deep):
    """A hundred levels at the end of a path of a hundred can just be handled, one more cannot: in one step or several."""
    value = 1
    for _ in range(levels):
        value = {"a": value}
    obj = {"a": {}}
    down = [{"op": "add", "path": "/a" * depth, "value": {}} for depth in range(2, 101)]
    last = {"op": "add", "path": "/a" * 101, "value": value}
    made = json_patch.apply(obj, down)
    for before, patch in ((obj, [*down, last]), (made, [last])):
        if deep:
            with pytest.raises(BadRequest, match="exceeded max depth"):
                json_patch.apply(before, patch)
        else:
            assert json_patch.apply(before, patch)["a"]["a"]


def test_what_is_moved_is_not_shared_with_what_was_there():
    """At its new place it may be pruned and defaulted by another schema; the object before stays as it was."""
    obj = {"spec": {"here": {"a": {"b": 1}}, "other": [2]}}
    moved = json_patch.apply(obj, [{"op": "move", "from": "/spec/here", "path": "/spec/there"}])
    moved["spec"]["there"]["a"].clear()
    assert obj == {"spec": {"here": {"a": {"b": 1}}, "other": [2]}}
    assert moved["spec"]["other"] is obj["spec"]["other"]


def test_what_comes_to_stand_where_an_item_was_moved_from_is_not_shared():
    """The place a value is moved to is looked for once it has left its own: the next item is there now, and is copied."""
    obj = {"list": [[1], [2]]}
    assert json_patch.apply(obj, [{"op": "move", "from": "/list/0", "path": "/list/0/0"}]) == {
        "list": [[[1], 2]]
    }
    assert obj == {"list": [[1], [2]]}
