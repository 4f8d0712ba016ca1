"""Strategic merge patch: lists merge by the schema's keys, and directives are obeyed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.patching import strategic_merge
from fakekube.api.schema.model import Definitions
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, BadRequest, Invalid


def by(key, item, **more):
    return {
        "type": "array",
        "items": item,
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": key,
        **more,
    }


TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
MAP = {"type": "object", "additionalProperties": TEXT}
POD = Definitions(
    {
        "Pod": {
            "type": "object",
            "properties": {
                "finalizers": {**TEXTS, "x-kubernetes-patch-strategy": "merge"},
                "labels": MAP,
                "replaced": {**MAP, "x-kubernetes-patch-strategy": "replace"},
                "args": TEXTS,
                "containers": by("name", {"$ref": "#/definitions/Container"}),
                "volumes": by(
                    "name", {"type": "object"}, **{"x-kubernetes-patch-strategy": "merge,retainKeys"}
                ),
                "strategy": {"$ref": "#/definitions/Strategy", "x-kubernetes-patch-strategy": "retainKeys"},
                "keyless": {**by("", {"type": "object"}), "x-kubernetes-patch-merge-key": ""},
            },
        },
        "Container": {
            "type": "object",
            "properties": {
                "name": TEXT,
                "image": TEXT,
                "args": TEXTS,
                "env": by("name", {"type": "object"}),
                "ports": by("containerPort", {"type": "object"}),
            },
        },
        "Strategy": {"type": "object", "properties": {"type": TEXT, "rolling": {"type": "object"}}},
    }
)["Pod"]


def patched(obj, patch):
    return strategic_merge.apply(obj, patch, POD)


def names(obj, field="containers"):
    return [item["name"] for item in obj[field]]


TWO = {"containers": [{"name": "c1", "image": "x:1", "args": ["a", "b"]}, {"name": "c2", "image": "y:1"}]}


def test_items_merge_by_key():
    """A patch for one item changes only that item, in its place."""
    result = patched(TWO, {"containers": [{"name": "c2", "image": "y:2"}]})
    assert result == {"containers": [TWO["containers"][0], {"name": "c2", "image": "y:2"}]}


def test_new_items_go_first():
    """An item the object does not have comes before those it has."""
    assert names(patched(TWO, {"containers": [{"name": "c3"}]})) == ["c3", "c1", "c2"]


def test_known_and_new_items_keep_the_patch_order_and_the_rest_their_neighbours():
    """Items of the patch come in its order; an untouched one stays before what it stood before."""
    env = {"containers": [{"name": "c", "env": [{"name": "A"}, {"name": "B", "value": "2"}]}]}
    patch = {"containers": [{"name": "c", "env": [{"name": "B", "value": "3"}, {"name": "C"}]}]}
    assert patched(env, patch)["containers"][0]["env"] == [
        {"name": "A"},
        {"name": "B", "value": "3"},
        {"name": "C"},
    ]


def test_keys_may_be_numbers():
    """Ports merge by number; what a merged port has beside stays."""
    before = {
        "containers": [{"name": "c", "ports": [{"containerPort": 80, "name": "web", "protocol": "TCP"}]}]
    }
    patch = {
        "containers": [{"name": "c", "ports": [{"containerPort": 81}, {"containerPort": 80, "name": "http"}]}]
    }
    assert patched(before, patch)["containers"][0]["ports"] == [
        {"containerPort": 81},
        {"containerPort": 80, "name": "http", "protocol": "TCP"},
    ]


def test_lists_without_strategy_are_replaced():
    """Only lists the schema says so merge."""
    result = patched(TWO, {"containers": [{"name": "c1", "args": ["c"]}]})
    assert result["containers"][0] == {"name": "c1", "image": "x:1", "args": ["c"]}


def test_maps_merge_and_null_removes():
    """Members merge, null removes, null for an absent member is nothing, and new maps lose their nulls."""
    assert patched({"labels": {"a": "1", "b": "2"}}, {"labels": {"a": None, "c": "3", "d": None}}) == {
        "labels": {"b": "2", "c": "3"}
    }
    assert patched({}, {"labels": {"a": None, "c": "3"}}) == {"labels": {"c": "3"}}


def test_a_map_may_be_replaced_by_its_strategy():
    """The strategy `replace` takes the patch's map whole."""
    assert patched({"replaced": {"a": "1"}}, {"replaced": {"b": "2"}}) == {"replaced": {"b": "2"}}


def test_directives_on_maps():
    """`$patch: replace` keeps only what the patch says, `$patch: delete` empties the map."""
    before = {"labels": {"a": "1"}}
    assert patched(before, {"labels": {"$patch": "replace", "o": "3"}}) == {"labels": {"o": "3"}}
    assert patched(before, {"labels": {"$patch": "delete"}}) == {"labels": {}}


def test_directives_in_lists():
    """`$patch: delete` removes the item with its key, `$patch: replace` the whole list."""
    assert names(patched(TWO, {"containers": [{"name": "c1", "$patch": "delete"}]})) == ["c2"]
    replaced = patched(TWO, {"containers": [{"name": "z"}, {"$patch": "replace"}]})
    assert replaced == {"containers": [{"name": "z"}]}


def test_directives_where_nothing_was_leave_no_trace():
    """Without a list to act on, items that are directives disappear."""
    patch = {
        "containers": [{"name": "c1", "$patch": "delete"}, {"name": "c2"}],
        "labels": {"$patch": "delete"},
    }
    assert patched({}, patch) == {"containers": [{"name": "c2"}]}


def test_retain_keys_drops_all_other_members():
    """`$retainKeys` makes a union change its branch; it works on maps and on items of lists."""
    before = {"strategy": {"type": "RollingUpdate", "rolling": {"x": 1}}}
    assert patched(before, {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}) == {
        "strategy": {"type": "Recreate"}
    }
    volumes = {"volumes": [{"name": "v", "emptyDir": {}}]}
    patch = {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}
    assert patched(volumes, patch) == {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}


@pytest.mark.parametrize("directive", [{"$retainKeys": "type"}, {"$retainKeys": ["other"]}])
def test_retain_keys_must_name_what_the_patch_sets(directive):
    """A patch that sets a member it does not retain contradicts itself."""
    with pytest.raises(BadRequest, match="invalid patch format of retainKeys"):
        patched({"strategy": {"type": "a"}}, {"strategy": {"type": "b", **directive}})


def test_primitive_lists_merge_and_delete():
    """Lists of plain values are sets: new values first, `$deleteFromPrimitiveList` removes, repeats melt."""
    before = {"finalizers": ["a", "b"]}
    assert patched(before, {"finalizers": ["c"]})["finalizers"] == ["c", "a", "b"]
    assert patched(before, {"finalizers": ["b"]})["finalizers"] == ["a", "b"]
    assert patched(before, {"$deleteFromPrimitiveList/finalizers": ["a", "z"]})["finalizers"] == ["b"]
    assert patched({}, {"$deleteFromPrimitiveList/finalizers": ["a"]}) == {}


def test_set_element_order_orders_both():
    """`$setElementOrder` puts the merged list in its order; items it does not name stay with their neighbours."""
    patch = {
        "$setElementOrder/containers": [{"name": "c2"}, {"name": "c1"}],
        "containers": [{"name": "c1", "image": "x:5"}],
    }
    result = patched(TWO, patch)
    assert names(result) == ["c2", "c1"]
    assert result["containers"][1]["image"] == "x:5"
    order = {"$setElementOrder/finalizers": ["c", "b"]}
    assert patched({"finalizers": ["a", "b", "c"]}, order) == {"finalizers": ["a", "c", "b"]}


def test_set_element_order_must_cover_the_patch():
    """An item the order does not name, or names earlier, is an error that shows both lists."""
    patch = {"$setElementOrder/containers": [{"name": "c2"}], "containers": [{"name": "c1", "image": "x:6"}]}
    with pytest.raises(ApiError) as caught:
        patched(TWO, patch)
    assert (caught.value.code, caught.value.reason) == (500, "")
    assert caught.value.message == (
        "The order in patch list:\n[map[image:x:6 name:c1]]\n doesn't match $setElementOrder list:\n[map[name:c2]]\n"
    )


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"containers": [{"image": "x:1"}]}, "map: map[image:x:1] does not contain declared merge key: name"),
        (
            {"containers": [{"name": "c1", "$patch": "explode"}]},
            "unknown patch type: explode in map: map[$patch:explode name:c1]",
        ),
        ({"$patch": "explode"}, "unknown patch type: explode in map: map[$patch:explode]"),
        ({"containers": [{"$patch": "merge"}]}, "merging lists cannot yet be specified in the patch"),
        ({"containers": [{"name": "c1"}, "text"]}, "list element types are not identical"),
    ],
)
def test_what_cannot_be_merged_fails_as_upstream(patch, message):
    """These are 500 without a reason, in the library's words."""
    with pytest.raises(ApiError) as caught:
        patched(TWO, patch)
    assert (caught.value.code, caught.value.reason) == (500, "")
    assert caught.value.message.startswith(message)


def test_lists_of_lists_are_refused():
    """Merging knows no lists of lists: 422 with the general text."""
    with pytest.raises(Invalid) as caught:
        patched({"finalizers": ["a"]}, {"finalizers": [["b"]]})
    assert caught.value.message == "the server rejected our request due to an error in our request"


def test_a_list_to_merge_needs_a_key():
    """A schema that merges objects without a key cannot be followed."""
    with pytest.raises(ApiError, match="cannot merge lists without merge key"):
        patched({"keyless": [{"a": 1}]}, {"keyless": [{"a": 2}]})


@pytest.mark.parametrize(
    ("patch", "fault"),
    [
        ({"containers": {"name": "c1"}}, "cannot restore slice from map"),
        ({"containers": "text"}, "cannot restore slice from string"),
        ({"strategy": ["x"]}, "cannot restore struct from: slice"),
        ({"labels": 5}, "cannot restore map from int64"),
    ],
)
def test_a_result_of_another_shape_is_invalid(patch, fault):
    """The cause shows the whole patch as Go prints maps."""
    with pytest.raises(Invalid) as caught:
        patched(TWO, patch)
    status = caught.value.status()
    assert status["message"].startswith(' "" is invalid: patch: Invalid value: "map[')
    assert status["message"].endswith(f']": {fault}')
    assert [cause["field"] for cause in status["details"]["causes"]] == ["patch"]


KEYS = st.sampled_from("abc")
CONTAINERS = (
    st.lists(KEYS, unique=True, max_size=3)
    .flatmap(
        lambda keys: st.tuples(
            *(
                st.sampled_from(["1", "2"]).map(lambda image, key=key: {"name": key, "image": image})
                for key in keys
            )
        )
    )
    .map(list)
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "containers": CONTAINERS,
        "labels": st.dictionaries(KEYS, KEYS, max_size=3),
        "finalizers": st.lists(KEYS, unique=True, max_size=3),
        "args": st.lists(KEYS, max_size=3),
    },
)


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_twice_is_once(obj, patch):
    """A patch without directives, applied again, changes nothing."""
    once = patched(obj, patch)
    assert patched(once, patch) == once


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_nothing_is_lost_and_arguments_stay(obj, patch):
    """Merged lists hold the items of both sides, each once; neither argument changes."""
    before = copy_of([obj, patch])
    result = patched(obj, patch)
    assert copy_of([obj, patch]) == before
    both = [*obj.get("containers", ()), *patch.get("containers", ())]
    assert sorted(names({"containers": result.get("containers", [])})) == sorted(
        {item["name"] for item in both}
    )
    assert set(result.get("finalizers", ())) == {*obj.get("finalizers", ()), *patch.get("finalizers", ())}
    assert result.get("labels", {}) == {**obj.get("labels", {}), **patch.get("labels", {})}
