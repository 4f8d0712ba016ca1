"""Server-side apply: merging, owning, letting go, and refusing."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.patching import fieldset, managed_fields, server_side_apply
from fakekube.api.patching.compare import fields_of
from fakekube.api.patching.reconcile import reconciled
from fakekube.api.patching.typed import Type, root_type
from fakekube.api.patching.validate import faults
from fakekube.api.schema.model import Schema
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, BadRequest, Conflict

START = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = {"type": "string"}
MAP = {"type": "object", "additionalProperties": TEXT}
KEYED = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": MAP}
KEYS = {'k:{"k":"a"}': {".": {}, "f:k": {}}}
CONFIG_MAP = Schema(
    {"type": "object", "properties": {"data": {"type": "object", "additionalProperties": TEXT}}}
)
ITEM = Schema(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "n": {"type": "integer"},
                    "plain": {"type": "array", "items": TEXT},
                    "set": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
                    "map": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": {
                            "type": "object",
                            "properties": {"k": TEXT, "v": {"type": "integer"}, "w": {"type": "integer"}},
                        },
                    },
                    "atomic": {"type": "object", "x-kubernetes-map-type": "atomic"},
                    "gran": {"type": "object", "additionalProperties": TEXT},
                    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
)


def config_map(data=None, **metadata):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}}
    return obj if data is None else {**obj, "data": data}


def item(spec, **more):
    return {"apiVersion": "x/v1", "kind": "Item", "metadata": {"name": "a"}, "spec": spec, **more}


def apply(
    live, applied, manager, *, force=False, seconds=0, subresource="", reset=managed_fields.NO_FIELDS, kind=""
):
    return server_side_apply.apply(
        live,
        applied,
        manager=manager,
        force=force,
        api_version="v1" if applied["kind"] in {"ConfigMap", "Secret"} else "x/v1",
        subresource=subresource,
        now=START + timedelta(seconds=seconds),
        schema=ITEM if applied["kind"] == "Item" else CONFIG_MAP,
        kind=kind,
        reset=reset,
    )


def update(old, new, manager, *, seconds=0):
    schema = ITEM if new["kind"] == "Item" else CONFIG_MAP
    return managed_fields.record_update(
        old,
        new,
        manager=manager,
        api_version=new["apiVersion"],
        subresource="",
        now=START + timedelta(seconds=seconds),
        schema=schema,
    )


def owners(obj):
    """(Manager, operation) → what it owns."""
    entries = obj["metadata"].get("managedFields", ())
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


def refusal(*arguments, **options):
    with pytest.raises(Conflict) as caught:
        apply(*arguments, **options)
    return caught.value


def test_the_first_apply_creates():
    """Applying to nothing gives the configuration, and the manager owns what it mentions but not the containers."""
    obj = apply(None, config_map({"k": "v"}, labels={"l": "1"}), "one")
    assert obj == config_map(
        {"k": "v"},
        labels={"l": "1"},
        managedFields=[
            {
                "manager": "one",
                "operation": "Apply",
                "apiVersion": "v1",
                "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": {"f:k": {}}, "f:metadata": {"f:labels": {"f:l": {}}}},
            }
        ],
    )


def test_applying_the_same_again_changes_nothing():
    """Not even the time moves."""
    obj = apply(None, config_map({"k": "v"}), "one")
    assert apply(obj, config_map({"k": "v"}), "one", seconds=60) == obj


def test_what_is_left_out_goes():
    """Fields applied last time and not now are removed, containers that nobody needs as well."""
    obj = apply(None, config_map({"k": "v", "m": "n"}, labels={"l": "1"}), "one")
    obj = apply(obj, config_map({"k": "w"}), "one", seconds=60)
    assert obj["data"] == {"k": "w"}
    assert "labels" not in obj["metadata"]
    assert owners(obj) == {("one", "Apply"): {"f:data": {"f:k": {}}}}
    assert obj["metadata"]["managedFields"][0]["time"] == "2026-01-01T00:01:00Z"


def test_agreeing_shares_a_field_without_a_time():
    """Applying the value that is there makes a second owner whose entry has no time."""
    obj = apply(None, config_map({"k": "v"}), "one")
    obj = apply(obj, config_map({"k": "v"}), "two", seconds=60)
    assert owners(obj) == {
        ("two", "Apply"): {"f:data": {"f:k": {}}},
        ("one", "Apply"): {"f:data": {"f:k": {}}},
    }
    assert [entry.get("time") for entry in obj["metadata"]["managedFields"]] == [None, "2026-01-01T00:00:00Z"]


def test_a_shared_field_stays_until_the_last_owner_leaves():
    """Who leaves a shared field out only gives it up."""
    obj = apply(None, config_map({"k": "v", "x": "y"}), "one")
    obj = apply(obj, config_map({"k": "v"}), "two")
    obj = apply(obj, config_map({"x": "y"}), "one")
    assert obj["data"] == {"k": "v", "x": "y"}
    obj = apply(obj, config_map(), "two")
    assert obj["data"] == {"x": "y"}


def test_another_owners_value_is_a_conflict():
    """Changing what another applier owns is refused, with owner and field as cause."""
    obj = apply(None, config_map({"k": "v"}), "one")
    status = refusal(obj, config_map({"k": "z"}), "two").status()
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.k'
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["details"] == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.k"}]
    }


def test_several_conflicts_are_listed_by_owner():
    """Updaters are named with the version they used, subresources too; fields come members first."""
    obj = apply(None, item({"n": 1, "map": [{"k": "a", "v": 1}], "atomic": {"a": "x"}}), "one")
    new = copy_of(obj)
    new["spec"]["plain"] = ["p"]
    obj = update(obj, new, "editor")
    error = refusal(obj, item({"n": 2, "map": [{"k": "a", "v": 2}], "atomic": {}, "plain": []}), "two")
    assert error.message == (
        'Apply failed with 4 conflicts: conflicts with "editor" using x/v1:\n'
        "- .spec.plain\n"
        'conflicts with "one":\n'
        "- .spec.atomic\n"
        "- .spec.n\n"
        '- .spec.map[k="a"].v'
    )
    obj = apply(obj, item({}, status={"a": 1}), "stat", subresource="status")
    error = refusal(obj, item({}, status={"a": 2}), "two")
    assert (
        error.message
        == 'Apply failed with 1 conflict: conflict with "stat" with subresource "status": .status.a'
    )


def test_owners_of_conflicts_stand_in_the_order_of_their_entries():
    """Of two entries by one name the one with a subresource comes first, as their JSON sorts."""
    obj = apply(None, item({"n": 1}), "one")
    entry = obj["metadata"]["managedFields"][0]
    obj["metadata"]["managedFields"].append({**entry, "subresource": "status"})
    assert refusal(obj, item({"n": 2}), "two").message == (
        'Apply failed with 2 conflicts: conflicts with "one" with subresource "status":\n'
        "- .spec.n\n"
        'conflicts with "one":\n'
        "- .spec.n"
    )


def test_fields_owned_through_another_version_are_compared_as_they_stand():
    """Nothing is converted to the version an owner used."""
    obj = apply(None, item({"n": 1}), "one")
    obj["metadata"]["managedFields"][0]["apiVersion"] = "x/v0"
    assert refusal(obj, item({"n": 2}), "two").message.endswith('"one": .spec.n')
    assert owners(apply(obj, item({"n": 2}), "two", force=True)).keys() == {("two", "Apply")}


def test_force_takes_over():
    """A forced apply changes the value and becomes its only owner; the loser now conflicts."""
    obj = apply(None, config_map({"k": "v", "l": "1"}), "one")
    obj = apply(obj, config_map({"k": "z"}), "two", force=True)
    assert obj["data"] == {"k": "z", "l": "1"}
    assert owners(obj) == {
        ("one", "Apply"): {"f:data": {"f:l": {}}},
        ("two", "Apply"): {"f:data": {"f:k": {}}},
    }
    assert refusal(obj, config_map({"k": "v", "l": "1"}), "one").message.endswith('with "two": .data.k')


def test_a_lost_owner_vanishes():
    """Who has no field left has no entry."""
    obj = apply(None, config_map({"k": "v"}), "one")
    obj = apply(obj, config_map({"k": "z"}), "two", force=True)
    assert set(owners(obj)) == {("two", "Apply")}


def test_the_same_name_as_updater_is_another_owner():
    """Apply and update by one name are two owners."""
    obj = update(None, config_map({"k": "v"}), "m")
    obj = apply(obj, config_map({"k": "v"}), "m")
    assert set(owners(obj)) == {("m", "Apply"), ("m", "Update")}
    assert refusal(obj, config_map({"k": "w"}), "m").message == (
        'Apply failed with 1 conflict: conflict with "m" using v1: .data.k'
    )


def test_updates_take_from_appliers():
    """A plain write never conflicts; it takes the field."""
    obj = apply(None, config_map({"k": "v"}), "one")
    new = copy_of(obj)
    new["data"]["k"] = "w"
    assert owners(update(obj, new, "u")) == {("u", "Update"): {"f:data": {"f:k": {}}}}


def test_untracked_objects_belong_to_before_first_apply():
    """When nobody is recorded, everything that is there is recorded first."""
    live = config_map({"k": "v", "m": "1"}, uid="u", labels={"l": "1"})
    obj = apply(live, config_map({"k": "v", "extra": "1"}), "one")
    assert owners(obj) == {
        ("one", "Apply"): {"f:data": {"f:k": {}, "f:extra": {}}},
        ("before-first-apply", "Update"): {
            "f:data": {".": {}, "f:k": {}, "f:m": {}},
            "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
        },
    }


def test_keyed_lists_merge_item_by_item():
    """Each manager has its items; leaving removes only one's own, and fields in shared items are owned apart."""
    obj = apply(None, item({"map": [{"k": "a", "v": 1}]}), "one")
    obj = apply(obj, item({"map": [{"k": "b", "v": 2}, {"k": "a", "w": 3}]}), "two")
    assert obj["spec"]["map"] == [{"k": "b", "v": 2}, {"k": "a", "v": 1, "w": 3}]
    obj = apply(obj, item({"map": [{"k": "b", "v": 2}]}), "two")
    assert obj["spec"]["map"] == [{"k": "b", "v": 2}, {"k": "a", "v": 1}]
    nothing = item({})
    del nothing["spec"]
    obj = apply(obj, nothing, "two")
    assert obj["spec"]["map"] == [{"k": "a", "v": 1}]
    assert owners(obj) == {
        ("one", "Apply"): {"f:spec": {"f:map": {'k:{"k":"a"}': {".": {}, "f:k": {}, "f:v": {}}}}}
    }


@pytest.mark.parametrize(
    ("live", "config", "expected"),
    [
        ("ab", "c", "abc"),
        ("ab", "ba", "ba"),
        ("abc", "cxa", "bcxa"),
        ("abc", "xb", "axbc"),
        ("", "ba", "ba"),
    ],
)
def test_sets_come_in_the_configurations_order(live, config, expected):
    """Shared items follow the configuration; items of others stay before what they stood before."""
    obj = apply(None, item({"set": list(live)}), "one")
    assert "".join(apply(obj, item({"set": list(config)}), "two")["spec"]["set"]) == expected


def test_sets_are_shared_value_by_value():
    """Leaving a set takes out only the values nobody else holds."""
    obj = apply(None, item({"set": ["a", "b"]}), "one")
    obj = apply(obj, item({"set": ["b", "c"]}), "two")
    assert apply(obj, item({}), "one")["spec"]["set"] == ["b", "c"]


def test_unowned_fields_stay():
    """What a server or an untracked write put beside an applied field is not touched."""
    obj = apply(None, item({"gran": {"a": "1"}, "n": 1}), "one")
    new = copy_of(obj)
    new["spec"]["gran"]["b"] = "2"
    obj = update(obj, new, "editor")
    assert apply(obj, item({"n": 1}), "one")["spec"] == {"gran": {"b": "2"}, "n": 1}


def test_an_emptied_container_that_is_applied_stays():
    """Applying an empty map keeps the map."""
    obj = apply(None, item({"open": {"a": {"b": "c"}}}), "one")
    assert apply(obj, item({"open": {"a": {}}}), "one")["spec"] == {"open": {"a": {}}}


def test_an_emptied_container_stays_while_somebody_owns_it():
    """What is emptied goes with the last who named it, not with its last content."""
    obj = apply(None, item({"gran": {}}), "one")
    obj = apply(obj, item({}), "two")
    obj = apply(obj, {**item({}), "spec": None}, "three")
    kept = {"apiVersion": "x/v1", "kind": "Item", "metadata": {"name": "a"}}
    obj = apply(obj, kept, "one")
    assert obj["spec"] == {}
    assert owners(obj) == {("two", "Apply"): {"f:spec": {}}, ("three", "Apply"): {"f:spec": {}}}
    obj = apply(apply(obj, kept, "two"), kept, "three")
    assert obj == {**kept, "metadata": {"name": "a"}}


def test_an_empty_list_claims_nothing():
    """A keyed list is owned by its items: applying it empty gives up all, and the struct above goes as well."""
    obj = apply(None, item({"set": ["a"]}), "one")
    obj = apply(obj, item({"set": []}), "one")
    assert obj == {"apiVersion": "x/v1", "kind": "Item", "metadata": {"name": "a"}}


def test_null_empties_a_map_one_applied():
    """Null mentions no member: those applied before go, and the map stays."""
    obj = apply(None, item({"gran": {"a": "x"}}), "one")
    assert apply(obj, item({"gran": None}), "one")["spec"] == {"gran": {}}


def test_an_owned_item_keeps_its_keys():
    """Somebody may own a list item and none of its keys; pruning around it leaves it whole."""
    obj = apply(None, item({}), "one")
    entry = {**obj["metadata"]["managedFields"][0], "manager": "two", "operation": "Update"}
    entry["fieldsV1"] = {"f:spec": {"f:map": {'k:{"k":"a"}': {}}}}
    obj["metadata"]["managedFields"].append(entry)
    obj["spec"]["map"] = [{"k": "a"}]
    obj = apply(obj, {key: value for key, value in item({}).items() if key != "spec"}, "one")
    assert obj["spec"] == {"map": [{"k": "a"}]}
    assert set(owners(obj)) == {("two", "Update")}


def test_one_conflicts_with_true():
    """In an open place a number and a boolean are two values."""
    obj = apply(None, item({"open": {"a": 1}}), "one")
    assert refusal(obj, item({"open": {"a": True}}), "two").message.endswith('"one": .spec.open.a')
    assert apply(obj, item({"open": {"a": 1.0}}), "two")["spec"]["open"] == {"a": 1}


def test_a_missing_key_is_the_first_as_declared():
    """An item without its keys is refused for the first of them in the schema's order."""
    keyed = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "host"],
        "items": {"type": "object", "properties": {"port": TEXT, "host": TEXT}},
    }
    assert faults([{}], Type(Schema(keyed))).startswith(
        'element 0: associative list with keys has an element that omits key field "port"'
    )


@pytest.mark.parametrize(
    ("form", "before", "after"),
    [
        ({**MAP, "x-kubernetes-map-type": "atomic"}, {".": {}, "f:a": {}}, {}),
        ({**MAP, "x-kubernetes-map-type": "atomic"}, {"f:a": {}}, {}),
        (MAP, {"f:a": {}}, {"f:a": {}}),
        (MAP, {}, {}),
        ({"type": "array", "items": TEXT}, {'v:"a"': {}}, {}),
        ({**KEYED, "items": {**MAP, "x-kubernetes-map-type": "atomic"}}, KEYS, {'k:{"k":"a"}': {}}),
        ({"type": "object", "x-kubernetes-map-type": "atomic"}, {"f:a": {}}, {"f:a": {}}),
        ({"type": "string"}, {"f:a": {}}, {"f:a": {}}),
    ],
    ids=["map", "part of a map", "granular", "leaf", "list", "item", "open map", "scalar"],
)
def test_ownership_follows_a_revised_schema(form, before, after):
    """Who owned parts of what is atomic now owns it whole; nothing else changes, and open maps never do."""
    kind = Type(Schema({"type": "object", "properties": {"p": form}}))
    assert reconciled({"f:p": before, "f:gone": {"f:a": {}}}, kind) == {"f:p": after, "f:gone": {"f:a": {}}}


def test_reset_fields_are_not_owned():
    """Status applied to the main resource, or spec to `/status`, is nobody's and no conflict."""
    status, spec = fieldset.from_names("status"), fieldset.from_names("spec")
    obj = apply(None, item({"n": 1}, status={"a": 1}), "one", reset=status)
    assert owners(obj) == {("one", "Apply"): {"f:spec": {"f:n": {}}}}
    obj = apply(obj, item({"n": 7}, status={"a": 2}), "stat", subresource="status", reset=spec)
    assert owners(obj)["stat", "Apply"] == {"f:status": {"f:a": {}}}
    assert obj["metadata"]["managedFields"][1]["subresource"] == "status"


@pytest.mark.parametrize(
    ("applied", "error", "message"),
    [
        (
            config_map({"k": 1}),
            ApiError,
            "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .data.k: expected string, got &value.valueUnstructured{Value:1}",
        ),
        (
            {**config_map(), "dada": {}},
            ApiError,
            "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .dada: field not declared in schema",
        ),
        (
            config_map({"k": 1}, namespace="ns"),
            ApiError,
            "failed to create typed patch object (ns/a; /v1, Kind=ConfigMap): .data.k: expected string, got &value.valueUnstructured{Value:1}",
        ),
        (
            item({"map": [{"k": "a"}, {"k": "a"}]}),
            ApiError,
            'failed to create typed patch object (/a; x/v1, Kind=Item): .spec.map: duplicate entries for key [k="a"]',
        ),
        (config_map(managedFields=[]), BadRequest, "metadata.managedFields must be nil"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(applied, error, message):
    """A misfit is the server's 500 without a reason; managedFields are not for appliers to say."""
    with pytest.raises(error) as caught:
        apply(None, applied, "m")
    assert caught.value.message == message
    assert (caught.value.code, caught.value.reason) == (
        (400, "BadRequest") if error is BadRequest else (500, "")
    )


def test_another_kind_is_refused():
    """The configuration must be of the kind and version the path names."""
    with pytest.raises(BadRequest, match=r"^invalid object type: /v1, Kind=Secret$"):
        apply(None, {**config_map(), "kind": "Secret"}, "m", kind="ConfigMap")


def test_kubectl_takes_over_from_its_own_client_side_apply():
    """Fields still as the last-applied annotation says are no conflict for kubectl, and the annotation follows."""
    last = orjson.dumps(config_map({"k": "v", "m": "1"})).decode()
    annotation = {"kubectl.kubernetes.io/last-applied-configuration": last}
    live = update(None, config_map({"k": "v", "m": "2"}, annotations=annotation), "kubectl-client-side-apply")
    obj = apply(live, config_map({"k": "w", "m": "2"}), "kubectl")
    assert obj["data"] == {"k": "w", "m": "2"}
    text = obj["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert orjson.loads(text) == config_map({"k": "w", "m": "2"})
    assert refusal(live, config_map({"k": "w", "m": "3"}), "kubectl").message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.m'
    )
    assert refusal(live, config_map({"k": "w"}), "other").message.endswith("using v1: .data.k")


NAMES = st.sampled_from("abc")
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(0, 2),
        "plain": st.lists(NAMES, max_size=2),
        "set": st.lists(NAMES, unique=True, min_size=1, max_size=3),
        "map": st.lists(
            st.fixed_dictionaries({"k": NAMES}, optional={"v": st.integers(0, 2), "w": st.integers(0, 2)}),
            unique_by=lambda one: one["k"],
            min_size=1,
            max_size=3,
        ),
        "atomic": st.dictionaries(NAMES, NAMES, max_size=2),
        "gran": st.dictionaries(NAMES, NAMES, min_size=1, max_size=2),
        "open": st.dictionaries(
            NAMES, st.dictionaries(NAMES, NAMES, max_size=2) | st.just([1]), min_size=1, max_size=2
        ),
    },
)
STEPS = st.lists(st.tuples(st.sampled_from(["one", "two", "update"]), SPECS), max_size=4)


def history(steps):
    """An object several managers have worked on."""
    live = None
    for manager, spec in steps:
        if manager != "update":
            live = apply(live, item(spec), manager, force=True)
        elif live is not None:
            live = update(live, {**copy_of(live), "spec": spec}, manager)
        else:
            live = update(None, item(spec), manager)
    return live


def mentioned(config):
    """The leaves a configuration mentions, as managedFields write them."""
    return fieldset.difference(fields_of(config, root_type(ITEM)), managed_fields.UNOWNED)


def contains(whole, part):
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and contains(whole[name], part[name]) for name in part
        )
    return whole == part


@settings(deadline=None)
@given(STEPS, SPECS)
def test_an_applier_owns_exactly_what_it_mentions(steps, spec):
    """Whatever happened before: after a forced apply the manager's set is that of its configuration."""
    obj = apply(history(steps), item(spec), "one", force=True)
    assert owners(obj).get(("one", "Apply"), {}) == mentioned(item(spec))


@settings(deadline=None)
@given(STEPS, SPECS)
def test_the_result_contains_the_configuration(steps, spec):
    """Everything applied is there afterwards: scalars, atomic places, members and list items."""
    result = apply(history(steps), item(spec), "one", force=True)["spec"] if spec else {}
    for name, value in spec.items():
        if name == "map":
            by_key = {one["k"]: one for one in result["map"]}
            assert all(contains(by_key[one["k"]], one) for one in value)
        elif name == "set":
            assert set(value) <= set(result["set"])
            assert [one for one in result["set"] if one in value] == value
        else:
            assert contains(result[name], value)


@settings(deadline=None)
@given(STEPS, SPECS)
def test_twice_is_once(steps, spec):
    """Applying the same again, even later and without force, changes nothing at all."""
    once = apply(history(steps), item(spec), "one", force=True)
    assert apply(once, item(spec), "one", seconds=99) == once


@settings(deadline=None)
@given(STEPS, SPECS)
def test_nobody_owns_what_is_not_there(steps, spec):
    """Every path in managedFields leads to a value."""
    obj = apply(history(steps), item(spec), "one", force=True)
    for owned in owners(obj).values():
        for path in fieldset.paths(owned):
            assert place(obj, path) is not None, fieldset.path_text(path)


def place(obj, path):
    """The value a path leads to, None when it leads nowhere."""
    value = obj
    for element in path:
        body = element[2:]
        if element.startswith("f:"):
            value = value.get(body) if isinstance(value, dict) else None
        elif element.startswith("k:"):
            keys = orjson.loads(body)
            value = next((one for one in value or () if keys.items() <= one.items()), None)
        else:
            value = orjson.loads(body) if orjson.loads(body) in (value or ()) else None
    return value


@settings(deadline=None)
@given(STEPS, SPECS)
def test_without_conflict_force_makes_no_difference(steps, spec):
    """Force only matters where an unforced apply is refused."""
    live = history(steps)
    forced = apply(live, item(spec), "one", force=True)
    try:
        assert apply(live, item(spec), "one") == forced
    except Conflict as conflict:
        causes = conflict.status()["details"]["causes"]
        assert causes
        assert {cause["reason"] for cause in causes} == {"FieldManagerConflict"}


@settings(deadline=None)
@given(STEPS, SPECS)
def test_arguments_stay_and_nothing_is_shared(steps, spec):
    """The live object and the configuration stay as they are, also when the result is changed in place."""
    live, config = history(steps), item(spec)
    before = copy_of([live, config])
    result = apply(live, config, "one", force=True)
    result["spec"] = None
    for entry in result["metadata"].get("managedFields", ()):
        entry["fieldsV1"].clear()
    assert [live, config] == before
