"""From a definition to served resources."""

from typing import Any

import orjson
import pytest

from fakekube.api.extend import custom_resources, versions
from fakekube.api.extend.custom_resources import Definition
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest

CRD: dict[str, Any] = {
    "metadata": {"name": "items.ver.example.com"},
    "spec": {
        "group": "ver.example.com",
        "scope": "Namespaced",
        "names": {
            "plural": "items",
            "kind": "Item",
            "singular": "item",
            "listKind": "ItemList",
            "shortNames": ["it"],
        },
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": False,
                "deprecated": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            },
            {
                "name": "v1alpha1",
                "served": True,
                "deprecated": True,
                "deprecationWarning": "use the new one, please",
            },
            {
                "name": "v2",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "selectableFields": [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.on"}],
                "additionalPrinterColumns": [
                    {"name": "Text", "type": "string", "jsonPath": ".spec.text", "description": "Some text."},
                    {"name": "Num", "type": "integer", "jsonPath": ".spec.num"},
                    {
                        "name": "Ready",
                        "type": "string",
                        "jsonPath": ".status.conditions[?(@.type=='Ready')].status",
                    },
                    {"name": "All", "type": "string", "priority": 1, "jsonPath": ".spec.list[*]"},
                    {"name": "Obj", "type": "string", "jsonPath": ".spec.obj"},
                    {"name": "Then", "type": "date", "jsonPath": ".spec.then"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            },
            {"name": "v3", "served": False},
        ],
    },
}
BETA, ALPHA, V2 = custom_resources.served(Definition.of(CRD))


def test_what_is_served() -> None:
    """Every served version is a resource, all stored in the one storage version."""
    assert [one.api_version for one in (BETA, ALPHA, V2)] == [
        "ver.example.com/v1beta1",
        "ver.example.com/v1alpha1",
        "ver.example.com/v2",
    ]
    assert {one.storage_api_version for one in (BETA, ALPHA, V2)} == {"ver.example.com/v2"}
    assert V2.schema_name == "com.example.ver.v2.Item"
    assert [(sub.name, sub.kind) for sub in V2.subresources] == [("status", "Item"), ("scale", "Scale")]
    assert V2.short_names == ("it",)
    assert not V2.strategy.unconditional_update


def test_deprecation() -> None:
    """A deprecated version says its own words, or names the newest version that is not deprecated."""
    assert BETA.deprecation == "ver.example.com/v1beta1 Item is deprecated; use ver.example.com/v2 Item"
    assert ALPHA.deprecation == "use the new one, please"
    assert V2.deprecation == ""


def test_version_order() -> None:
    """Stable before beta before alpha, newer before older, strangers last and by name."""
    names = ["v1alpha1", "foo", "v1", "v2beta1", "v10", "v2", "bar", "v1beta2", "v2beta2"]
    ordered = sorted(names, key=versions.priority, reverse=True)
    assert ordered == ["v10", "v2", "v1", "v2beta2", "v2beta1", "v1beta2", "v1alpha1", "bar", "foo"]


@pytest.mark.parametrize(
    ("obj", "cells"),
    [
        (
            {
                "metadata": {"name": "full"},
                "spec": {
                    "text": "hi",
                    "num": 5,
                    "list": ["a", "b"],
                    "obj": {"k": "v"},
                    "then": "2000-01-01T00:00:00Z",
                },
                "status": {
                    "conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]
                },
            },
            ["full", "hi", 5, "True", "a", '{"k":"v"}', "2000-01-01T00:00:00Z"],
        ),
        ({"metadata": {"name": "none"}}, ["none", None, None, None, None, None, None]),
        (
            {
                "metadata": {"name": "odd"},
                "spec": {"text": 5, "num": "word", "list": "x", "obj": True, "then": "never"},
            },
            ["odd", "5", None, None, None, "true", "never"],
        ),
    ],
)
def test_cells(obj: dict[str, Any], cells: list[Any]) -> None:
    """Cells have the type their column declares; what does not fit is empty, and text columns print anything."""
    assert [column.cell(obj) for column in V2.columns] == cells


def test_default_columns() -> None:
    """Without declared columns a table shows name and age."""
    assert [column.name for column in BETA.columns] == ["Name", "Age"]


def test_selectable_fields() -> None:
    """Selectable fields read as text; what is missing is empty."""
    get = V2.strategy.selectable
    assert (get["spec.color"]({"spec": {"color": "red"}}), get["spec.on"]({"spec": {"on": True}})) == (
        "red",
        "true",
    )
    assert get["spec.on"]({}) == ""


def item(**parts: Any) -> dict[str, Any]:
    return {"apiVersion": "ver.example.com/v2", "kind": "Item", "metadata": {"name": "a"}, **parts}


def test_status_belongs_to_its_subresource() -> None:
    """Creating drops status, updating keeps the old one; only spec counts for generation."""
    obj = item(spec={"n": 1}, status={"n": 1})
    V2.strategy.prepare_create(obj)
    assert "status" not in obj
    old = item(spec={"n": 1}, status={"n": 1})
    new = item(spec={"n": 1}, status={"n": 2})
    V2.strategy.prepare_update(new, old)
    assert new == old
    assert not V2.strategy.changes_generation(item(status={"n": 2}), item())
    assert V2.strategy.changes_generation(item(spec={"n": 2}), item())
    assert BETA.strategy.changes_generation(item(status={"n": 2}), item())


def test_kind_and_scale_are_checked() -> None:
    """The kind must be the resource's, and replicas are no negative numbers."""
    wrong = copy_of(item()) | {"kind": "Other"}
    assert [str(error) for error in V2.strategy.validate_create(wrong)] == [
        'kind: Invalid value: "Other": must be Item'
    ]
    assert [str(error) for error in V2.strategy.validate_create(item(spec={"replicas": -1}))] == [
        ".spec.replicas: Invalid value: -1: should be a non-negative integer"
    ]


def test_metadata_must_decode() -> None:
    """Labels that are not text are refused while decoding, in Go's words."""
    with pytest.raises(BadRequest) as refused:
        V2.strategy.prune(item(metadata={"labels": {"x": 5}}))
    assert refused.value.message == (
        'Item in version "v2" cannot be handled as a Item: json: cannot unmarshal number into Go struct field'
        " ObjectMeta.labels of type string"
    )


def test_patches_know_the_metadata() -> None:
    """The schema for patches names what CRDs leave unsaid."""
    schema = V2.strategy.schema
    assert schema is not None
    owners = schema.properties["metadata"].properties["ownerReferences"]
    assert (owners.list_type, owners.list_map_keys) == ("map", ("uid",))


def test_versions_share_one_store() -> None:
    """What a version writes is pruned by the stored version's schema, and what it reads by its own."""
    crd = copy_of(CRD)
    old, _, new = crd["spec"]["versions"][:3]
    for version, name in ((old, "old"), (new, "new")):
        fields = {"both": {"type": "string"}, name: {"type": "string"}}
        spec = {"type": "object", "properties": fields}
        version["schema"] = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    beta, _, v2 = custom_resources.served(Definition.of(crd))
    assert (v2.to_storage, v2.from_storage) == (None, None)
    assert beta.to_storage is not None
    assert beta.from_storage is not None
    given = item(spec={"old": "1", "both": "2"})
    assert beta.to_storage(given)["spec"] == {"both": "2"}
    assert given["spec"] == {"old": "1", "both": "2"}
    assert beta.from_storage(item(spec={"new": "4", "both": "2"}))["spec"] == {"both": "2"}


def test_objects_follow_an_edited_definition() -> None:
    """Once a definition was edited, objects are read through its present schema: new defaults appear."""
    crd = copy_of(CRD)
    crd["metadata"]["generation"] = 2
    spec = {"type": "object", "default": {}, "properties": {"c": {"type": "string", "default": "new"}}}
    crd["spec"]["versions"][2]["schema"] = {
        "openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}
    }
    v2 = custom_resources.served(Definition.of(crd))[2]
    assert v2.from_storage is not None
    assert v2.from_storage(item(spec={"gone": 1}))["spec"] == {"c": "new"}


def test_a_schema_that_is_kept_as_text_is_read_when_it_is_asked_for():
    """What is served is the same; the definition that is held has no schemas any more."""
    held = Definition.kept_as(orjson.dumps(CRD), CRD)
    assert [list(one) for one in held.crd["spec"]["versions"]] == [
        [name for name in version if name != "schema"] for version in CRD["spec"]["versions"]
    ]
    beta, alpha, v2 = custom_resources.served(held)
    assert (beta.version, alpha.storage_version) == (BETA.version, ALPHA.storage_version)
    assert "raw" not in vars(v2.strategy)
    assert v2.strategy.raw == V2.strategy.raw
    assert beta.to_storage is not None
    assert BETA.to_storage is not None
    obj = item(spec={"a": 1, "gone": 2})
    assert beta.to_storage(obj) == BETA.to_storage(obj)
