"""Types: how a schema's places are owned, and what is deduced where it says nothing."""

import gc
import weakref

import pytest

from fakekube.api.patching.typed import DEDUCED, ElementError, Type, root_type
from fakekube.api.patching.validate import faults
from fakekube.api.schema.model import ANYTHING, Definitions, Schema

TEXT = {"type": "string"}
KEYED = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["protocol", "port"],
    "items": {
        "type": "object",
        "required": ["port"],
        "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}},
    },
}


def kind(raw):
    return Type(Schema(raw))


@pytest.mark.parametrize(
    ("raw", "scalar", "list_kind", "map_kind"),
    [
        (TEXT, "string", "", ""),
        ({"type": "string", "format": "byte"}, "string", "", ""),
        ({"type": "string", "format": "date-time"}, "untyped", "", ""),
        ({"type": "string", "format": "int-or-string"}, "untyped", "atomic", "granular"),
        ({"type": "integer"}, "number", "", ""),
        ({"type": "boolean"}, "boolean", "", ""),
        ({"type": "object"}, "", "", "granular"),
        ({"type": "object", "x-kubernetes-map-type": "atomic"}, "", "", "atomic"),
        ({"type": "array", "items": TEXT}, "", "atomic", ""),
        ({"type": "array", "x-kubernetes-list-type": "set"}, "", "set", ""),
        ({"type": "array", "x-kubernetes-patch-strategy": "merge"}, "", "set", ""),
        (
            {"type": "array", "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "n"},
            "",
            "map",
            "",
        ),
        ({}, "untyped", "atomic", "granular"),
        ({"x-kubernetes-int-or-string": True}, "untyped", "atomic", "granular"),
    ],
)
def test_kinds_follow_the_schema(raw, scalar, list_kind, map_kind):
    """Every schema says which shapes a place may have and how each is owned."""
    found = kind(raw)
    assert (found.scalar, found.list, found.map) == (scalar, list_kind, map_kind)


def test_quantities_may_be_numbers():
    """A built-in quantity is declared as text, but numbers are applied to it all the time."""
    quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity"
    root = Definitions(
        {
            "A": {"type": "object", "properties": {"cpu": {"$ref": f"#/definitions/{quantity}"}}},
            quantity: TEXT,
        }
    )["A"]
    assert faults({"cpu": 1}, root_type(root)) == ""


def test_types_go_with_their_schemas():
    """What ownership makes of a schema keeps no definition of a server that has been closed."""
    definitions = Definitions({"A": {"type": "object"}})
    assert root_type(definitions["A"]) is root_type(definitions["A"])
    known = weakref.ref(definitions)
    del definitions
    gc.collect()
    assert known() is None


def test_undeclared_members():
    """Structs refuse unknown members unless they preserve them; maps and free-form objects take any."""
    assert kind({"type": "object", "properties": {"a": TEXT}}).member("b") is None
    assert kind({"type": "object"}).member("b") is DEDUCED
    free = {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": TEXT}}},
        "x-kubernetes-preserve-unknown-fields": True,
    }
    assert kind(free).member("z") is DEDUCED
    inner = kind(free).member("a")
    assert inner is not None
    assert inner.member("z") is DEDUCED  # what is below a preserving place preserves, too
    element = kind({"type": "object", "additionalProperties": TEXT}).member("b")
    assert element is not None
    assert element.scalar == "string"


def test_every_root_has_resource_fields():
    """apiVersion, kind and metadata are typed at the root, whatever the schema says or leaves out."""
    for schema in (None, ANYTHING, Schema({"type": "object", "properties": {"spec": {"type": "object"}}})):
        root = root_type(schema)
        finalizers = root.fields["metadata"].fields["finalizers"]
        assert finalizers.list == "set"
        assert root.fields["kind"].scalar == "string"


def test_root_types_are_made_once():
    """The same schema gives the same type: walking it is paid for once."""
    schema = Schema({"type": "object"})
    assert root_type(schema) is root_type(schema)


@pytest.mark.parametrize(
    ("item", "element"),
    [
        ({"port": 80, "protocol": "UDP"}, 'k:{"port":80,"protocol":"UDP"}'),
        ({"port": 80}, 'k:{"port":80,"protocol":"TCP"}'),
    ],
)
def test_keys_are_sorted_and_defaulted(item, element):
    """A list item is addressed by all its keys in order of their names; left-out keys take their default."""
    assert kind(KEYED).element_of(item) == element


@pytest.mark.parametrize(
    ("raw", "item", "message"),
    [
        (KEYED, {"protocol": "TCP"}, 'omits key field "port" (and doesn\'t have default value)'),
        (KEYED, None, "may not have a null element"),
        (KEYED, "x", "may not have non-map elements"),
        ({"type": "array", "x-kubernetes-list-type": "set"}, {}, "an element that's a map type"),
        ({"type": "array", "x-kubernetes-list-type": "set"}, [], "associative list with lists as elements"),
        ({"type": "array", "x-kubernetes-list-type": "set"}, None, "an element that's an explicit null"),
    ],
)
def test_items_without_address(raw, item, message):
    """Items that cannot be told apart are refused."""
    with pytest.raises(ElementError, match="associative list") as caught:
        kind(raw).element_of(item)
    assert message in str(caught.value)


STRUCT = {
    "type": "object",
    "properties": {
        "s": TEXT,
        "n": {"type": "integer"},
        "b": {"type": "boolean"},
        "t": {"type": "string", "format": "date-time"},
        "m": {"type": "object", "additionalProperties": TEXT},
        "l": {"type": "array", "items": TEXT},
        "ports": KEYED,
    },
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"s": 1}, ".s: expected string, got &value.valueUnstructured{Value:1}"),
        (
            {"s": ["x", None]},
            '.s: expected string, got &value.valueUnstructured{Value:[]interface {}{"x", interface {}(nil)}}',
        ),
        (
            {"s": {"a": 1.5}},
            '.s: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":1.5}}',
        ),
        ({"n": "x"}, ".n: expected numeric (int or float), got string"),
        ({"n": True}, ".n: expected numeric (int or float), got bool"),
        ({"b": "yes"}, ".b: expected boolean, got &{yes}"),
        ({"t": {"a": "b"}}, ".t: expected any scalar, got &{map[a:b]}"),
        ({"m": "x"}, ".m: expected map, got &{x}"),
        ({"m": ["x", "y"]}, ".m: expected map, got &{[x y]}"),
        ({"l": {"a": 1}}, ".l: expected list, got &{map[a:1]}"),
        ({"l": ["a", 2]}, ".l[1]: expected string, got &value.valueUnstructured{Value:2}"),
        ({"dada": 1}, ".dada: field not declared in schema"),
        (
            {"ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]},
            '.ports: duplicate entries for key [port=1,protocol="TCP"]',
        ),
        (
            {"ports": [{}]},
            '.ports: element 0: associative list with keys has an element that omits key field "port" (and doesn\'t have default value)',
        ),
        (
            {"s": 1, "n": "x"},
            "errors:\n  .s: expected string, got &value.valueUnstructured{Value:1}\n  .n: expected numeric (int or float), got string",
        ),
    ],
)
def test_what_does_not_fit_is_named(value, text):
    """Faults carry the path and the words of the real server; several are listed."""
    assert faults(value, kind(STRUCT)) == text


def test_null_fits_everywhere():
    """Null is a value of every type."""
    assert faults(dict.fromkeys(STRUCT["properties"]), kind(STRUCT)) == ""
