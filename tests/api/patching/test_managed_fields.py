"""Ownership by plain writes: who gains, who loses, and what clients may set themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from fakekube.api.patching import fieldset, managed_fields
from fakekube.api.schema.model import ANYTHING, Definitions, Schema
from fakekube.machinery.copying import copy_of

START = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = {"type": "string"}
MAP = {"type": "object", "additionalProperties": TEXT}
CONFIG_MAP = Schema({"type": "object", "properties": {"data": MAP, "binaryData": MAP}})


def ref(name):
    return {"$ref": f"#/definitions/{name}"}


DEPLOYMENT = Definitions(
    {
        "Deployment": {
            "type": "object",
            "properties": {"spec": ref("Spec"), "status": ref("Status")},
            "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v1", "kind": "Deployment"}],
        },
        "Spec": {
            "type": "object",
            "required": ["selector", "template"],
            "properties": {
                "replicas": {"type": "integer"},
                "selector": {"type": "object", "x-kubernetes-map-type": "atomic"},
                "strategy": ref("Strategy"),
                "template": ref("Template"),
            },
        },
        "Strategy": {"type": "object", "properties": {"type": TEXT, "rollingUpdate": {"type": "object"}}},
        "Template": {"type": "object", "properties": {"metadata": ref("ObjectMeta"), "spec": ref("PodSpec")}},
        "ObjectMeta": {
            "type": "object",
            "properties": {"labels": MAP, "creationTimestamp": {"type": "string", "format": "date-time"}},
        },
        "PodSpec": {
            "type": "object",
            "required": ["containers"],
            "properties": {
                "containers": {
                    "type": "array",
                    "items": ref("Container"),
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                }
            },
        },
        "Container": {
            "type": "object",
            "properties": {
                "name": TEXT,
                "args": {"type": "array", "items": TEXT},
                "resources": {"type": "object"},
            },
        },
        "Status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
    }
)["Deployment"]


def config_map(data=None, **metadata):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}}
    return obj if data is None else {**obj, "data": data}


def deployment(containers):
    spec = {"selector": {"a": "b"}, "template": {"spec": {"containers": containers}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}


def write(old, new, manager, *, schema=CONFIG_MAP, subresource="", seconds=0, reset=managed_fields.NO_FIELDS):
    return managed_fields.record_update(
        old,
        new,
        manager=manager,
        api_version="v1",
        subresource=subresource,
        now=START + timedelta(seconds=seconds),
        schema=schema,
        reset=reset,
    )


def owners(obj):
    """Manager → what it owns."""
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", ())}


def changed(obj, **data):
    """The object with other data, as a client that read it would send it."""
    new = copy_of(obj)
    for name, value in data.items():
        if value is None:
            del new["data"][name]
        else:
            new["data"][name] = value
    return new


def test_a_creator_owns_all_it_sets():
    """Leaves, list items and the containers they brought along belong to who created the object."""
    new = config_map({"k": "v"}, labels={"l": "1"}, finalizers=["x/y"])
    assert write(None, new, "poster")["metadata"]["managedFields"] == [
        {
            "manager": "poster",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:data": {".": {}, "f:k": {}},
                "f:metadata": {
                    "f:labels": {".": {}, "f:l": {}},
                    "f:finalizers": {".": {}, 'v:"x/y"': {}},
                },
            },
        }
    ]


def test_what_identifies_an_object_is_nobodys():
    """Names, versions and times of the server are in nobody's set; generateName is."""
    new = config_map(
        None,
        namespace="ns",
        uid="u",
        resourceVersion="1",
        generation=1,
        creationTimestamp="2026-01-01T00:00:00Z",
        selfLink="/x",
        generateName="a-",
    )
    assert owners(write(None, new, "m")) == {"m": {"f:metadata": {"f:generateName": {}}}}


def test_a_write_that_owns_nothing_leaves_no_entry():
    """Without a field to own there are no managedFields."""
    assert "managedFields" not in write(None, config_map(), "m")["metadata"]


def test_structs_held_by_value_belong_to_nobody():
    """Built-in structs are there before anybody sets them: only what is below is owned. Pointers are owned themselves."""
    new = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "template": {
                "metadata": {"creationTimestamp": None, "labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "args": ["x"], "resources": {}}]},
            },
        },
        "status": {},
    }
    assert owners(write(None, new, "m", schema=DEPLOYMENT))["m"] == {
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:strategy": {"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"c"}': {".": {}, "f:name": {}, "f:args": {}, "f:resources": {}},
                    }
                },
            },
        }
    }


def test_custom_resources_own_their_structs():
    """A custom resource has nothing before it is set, so its structs are owned like maps."""
    schema = Schema({"type": "object", "properties": {"spec": {"type": "object", "properties": {"n": TEXT}}}})
    new = {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "a"}, "spec": {"n": "1"}}
    assert owners(write(None, new, "m", schema=schema)) == {"m": {"f:spec": {".": {}, "f:n": {}}}}


@pytest.mark.parametrize("schema", [None, ANYTHING])
def test_without_a_schema_ownership_is_deduced(schema):
    """Maps are owned member by member, lists as a whole; metadata has its own schema all the same."""
    new = {
        "apiVersion": "x/v1",
        "kind": "X",
        "metadata": {"name": "a", "finalizers": ["f"]},
        "a": {"b": [{"c": 1}]},
    }
    assert owners(write(None, new, "m", schema=schema)) == {
        "m": {
            "f:a": {".": {}, "f:b": {}},
            "f:metadata": {"f:finalizers": {".": {}, 'v:"f"': {}}},
        }
    }


def test_a_change_moves_the_field_to_the_writer():
    """Who changes a field owns it, the owner before loses it and keeps the container it made."""
    old = write(None, config_map({"k": "v"}), "creator")
    new = write(old, changed(old, k="w", n="o"), "putter", seconds=60)
    assert owners(new) == {"creator": {"f:data": {}}, "putter": {"f:data": {"f:k": {}, "f:n": {}}}}
    assert [entry["time"] for entry in new["metadata"]["managedFields"]] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:01:00Z",
    ]


def test_removal_takes_from_everybody_and_gives_to_nobody():
    """A removed field is nobody's; who only removed is not recorded; who has nothing left vanishes."""
    old = write(None, config_map({"k": "v"}), "creator")
    old = write(old, changed(old, n="1"), "adder")
    new = write(old, changed(old, n=None), "remover", seconds=5)
    assert owners(new) == {"creator": {"f:data": {".": {}, "f:k": {}}}}
    assert new["metadata"]["managedFields"][0]["time"] == "2026-01-01T00:00:00Z"


def test_a_manager_gathers_its_writes_in_one_entry():
    """The same manager writing again has one entry with all its fields and the last time."""
    old = write(None, config_map({"k": "v"}), "m")
    new = write(old, changed(old, n="1"), "m", seconds=5)
    assert owners(new) == {"m": {"f:data": {".": {}, "f:k": {}, "f:n": {}}}}
    assert new["metadata"]["managedFields"][0]["time"] == "2026-01-01T00:00:05Z"


def test_subresources_have_entries_of_their_own():
    """A manager's status writes are kept apart from its other writes."""
    old = write(None, config_map({"k": "v"}), "m")
    new = write(old, {**copy_of(old), "status": {"ok": True}}, "m", subresource="status", schema=None)
    assert [entry.get("subresource") for entry in new["metadata"]["managedFields"]] == [None, "status"]


def test_a_write_without_change_keeps_everything():
    """Times and owners stay when nothing changes."""
    old = write(None, config_map({"k": "v"}), "m")
    assert write(old, copy_of(old), "other", seconds=5) == old


def test_reset_fields_are_gained_and_lost_by_nobody():
    """A main-resource write cannot change status, whatever it says: nobody owns it, nobody loses it."""
    status = fieldset.from_names("status")
    old = write(None, {**config_map({"k": "v"}), "status": {"a": "1"}}, "m", schema=None, reset=status)
    assert owners(old) == {"m": {"f:data": {".": {}, "f:k": {}}}}
    old = write(old, {**copy_of(old), "status": {"a": "2"}}, "stat", subresource="status", schema=None)
    new = write(old, {**copy_of(old), "status": {}}, "m", schema=None, reset=status)
    assert new["metadata"]["managedFields"] == old["metadata"]["managedFields"]


@pytest.mark.parametrize("reset", [[], [{}]])
def test_clients_may_stop_tracking(reset):
    """`[]` and `[{}]` clear managedFields, and later writes do not bring them back."""
    old = write(None, config_map({"k": "v"}), "m")
    cleared = write(old, {**old, "metadata": {**old["metadata"], "managedFields": reset}}, "m")
    assert "managedFields" not in cleared["metadata"]
    assert "managedFields" not in write(cleared, changed(cleared, k="w"), "m")["metadata"]


@pytest.mark.parametrize("sent", [None, "absent"])
def test_leaving_managed_fields_out_loses_nothing(sent):
    """Clients that do not know managedFields keep them."""
    old = write(None, config_map({"k": "v"}), "m")
    new = changed(old, k="w")
    if sent == "absent":
        del new["metadata"]["managedFields"]
    else:
        new["metadata"]["managedFields"] = sent
    assert owners(write(old, new, "n")) == {"m": {"f:data": {}}, "n": {"f:data": {"f:k": {}}}}


def entry(**changes):
    return {
        "manager": "x",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:k": {".": {}}}},
        "time": "2020-01-01T01:00:00+01:00",
        **changes,
    }


def test_clients_may_set_managed_fields():
    """Valid entries are taken, in canonical form."""
    old = write(None, config_map({"k": "v"}), "m")
    new = {**old, "metadata": {**old["metadata"], "managedFields": [entry(subresource="")]}}
    assert write(old, new, "m")["metadata"]["managedFields"] == [
        entry(fieldsV1={"f:data": {"f:k": {}}}, time="2020-01-01T00:00:00Z")
    ]


def test_an_owner_of_nothing_is_dropped():
    """A client's entry with an empty set does not stay."""
    old = write(None, config_map({"k": "v"}), "m")
    new = {**old, "metadata": {**old["metadata"], "managedFields": [entry(fieldsV1={}), entry(manager="y")]}}
    assert set(owners(write(old, new, "m"))) == {"y"}


@pytest.mark.parametrize(
    "sent",
    [
        [entry(operation="Bogus")],
        [entry(fieldsType="")],
        [entry(fieldsType="FieldsV2")],
        [entry(apiVersion="")],
        [entry(fieldsV1={"nope": {}})],
        [entry(time="yesterday")],
        [entry(), {}],
        "text",
        [1],
    ],
)
def test_malformed_managed_fields_are_passed_over(sent):
    """One malformed entry makes all of them count for nothing: what is stored stays."""
    old = write(None, config_map({"k": "v"}), "m")
    new = {**old, "metadata": {**old["metadata"], "managedFields": sent}}
    assert write(old, new, "m") == old


def test_subresources_cannot_set_managed_fields():
    """What a status write says about managedFields is ignored, even a reset."""
    old = write(None, config_map({"k": "v"}), "m")
    new = {**old, "metadata": {**old["metadata"], "managedFields": []}}
    assert write(old, new, "m", subresource="status") == old


def test_old_updates_melt_together():
    """At most ten managers of updates are kept; the oldest become ancient-changes with all they owned."""
    obj = write(None, config_map({"k": "v"}), "m0")
    for number in range(1, 13):
        obj = write(obj, changed(obj, **{f"k{number}": "v"}), f"m{number}", seconds=number)
    found = owners(obj)
    assert len(found) == 10
    assert found["ancient-changes"] == {
        "f:data": {".": {}, "f:k": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}},
    }
    assert obj["metadata"]["managedFields"][0]["time"] == "2026-01-01T00:00:03Z"
    assert [name for name in found if name != "ancient-changes"] == [f"m{number}" for number in range(4, 13)]


def test_entries_come_in_wire_order():
    """Appliers first, then updates by time, then by name."""
    entries = [
        entry(manager="b", time="2026-01-01T00:00:00Z"),
        entry(manager="a", time="2026-01-01T00:00:00Z"),
        entry(manager="z", time="2025-01-01T00:00:00Z"),
        entry(manager="y", operation="Apply", time="2027-01-01T00:00:00Z"),
    ]
    assert [one["manager"] for one in managed_fields.ordered(entries)] == ["y", "z", "a", "b"]


def test_lists_without_keys_do_not_fail_the_write():
    """Ownership cannot be told when items lack their keys; validation speaks of that, ownership stays as it was."""
    schema = Schema(
        {
            "type": "object",
            "properties": {
                "l": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]},
                "data": MAP,
            },
        }
    )
    old = write(None, config_map({"k": "v"}), "m", schema=schema)
    new = write(old, {**copy_of(old), "l": [{"no": "key"}]}, "n", schema=schema)
    assert owners(new) == owners(old)


def test_repeated_list_items_are_owned_as_one():
    """Items that share their key are compared and owned together."""
    schema = Schema(
        {"type": "object", "properties": {"l": {"type": "array", "x-kubernetes-list-type": "set"}}}
    )
    old = write(None, {**config_map(), "l": ["a", "a", "b"]}, "m", schema=schema)
    assert owners(old) == {"m": {"f:l": {".": {}, 'v:"a"': {}, 'v:"b"': {}}}}
    new = write(old, {**copy_of(old), "l": ["a", "b"]}, "n", schema=schema)
    assert owners(new) == {"m": {"f:l": {".": {}, 'v:"b"': {}}}, "n": {"f:l": {'v:"a"': {}}}}


def test_open_places_may_change_their_shape():
    """When a map becomes a text, what was below is gone and the place belongs to the writer; and back."""
    old = write(None, {**config_map(), "open": {"a": "1"}}, "m", schema=None)
    text = write(old, {**copy_of(old), "open": "text"}, "n", schema=None)
    assert owners(text) == {"n": {"f:open": {}}}
    back = write(text, {**copy_of(text), "open": {"b": "2"}}, "o", schema=None)
    assert owners(back) == {"o": {"f:open": {".": {}, "f:b": {}}}}


def test_arguments_stay():
    """Neither the old nor the new object changes."""
    old = write(None, config_map({"k": "v"}), "m")
    new = changed(old, k="w")
    before = copy_of([old, new])
    write(old, new, "n")
    assert [old, new] == before


def test_one_is_not_true():
    """In an open place a number can become a boolean, and whoever wrote it owns it."""
    old = write(None, {**config_map(), "spec": {"a": 1, "b": [0], "c": 1}}, "m", schema=ANYTHING)
    new = {**config_map(), "spec": {"a": True, "b": [False], "c": 1.0}}
    assert owners(write(old, new, "n", schema=ANYTHING))["n"] == {"f:spec": {"f:a": {}, "f:b": {}}}


def test_an_item_that_becomes_several_has_no_fields_any_more():
    """Items with the same keys are owned as one, whoever owned fields of the only one before; and the other way round."""
    key = 'k:{"name":"a"}'
    one = deployment([{"name": "a", "args": ["x"]}])
    two = deployment([{"name": "a", "args": ["x"]}, {"name": "a"}])
    obj = write(write(None, one, "m", schema=DEPLOYMENT), two, "n", schema=DEPLOYMENT)
    template = {"f:template": {"f:spec": {"f:containers": {key: {}}}}}
    assert owners(obj)["n"] == {"f:spec": template}
    assert "f:template" not in owners(obj)["m"]["f:spec"]
    obj = write(obj, one, "o", schema=DEPLOYMENT)
    template = {"f:template": {"f:spec": {"f:containers": {key: {".": {}, "f:args": {}, "f:name": {}}}}}}
    assert owners(obj)["o"] == {"f:spec": template}
    assert "n" not in owners(obj)
