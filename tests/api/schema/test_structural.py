"""Prune, default and validate, with the answers a real server gave."""

from typing import Any

import pytest

from fakekube.api.schema.model import Schema
from fakekube.api.schema.structural import Structural

SPEC: dict[str, Any] = {
    "type": "object",
    "required": ["must"],
    "properties": {
        "must": {"type": "string"},
        "str": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
        "enum": {"type": "string", "enum": ["one", "two"]},
        "int": {"type": "integer", "minimum": 1, "maximum": 10, "multipleOf": 2},
        "int32": {"type": "integer", "format": "int32"},
        "num": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
        "nul": {"type": "string", "nullable": True},
        "ios": {"x-kubernetes-int-or-string": True},
        "date": {"type": "string", "format": "date-time"},
        "ip": {"type": "string", "format": "ipv4"},
        "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {
                "type": "object",
                "required": ["k"],
                "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
            },
        },
        "dict": {"type": "object", "maxProperties": 2, "additionalProperties": {"type": "integer"}},
        "emb": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "choice": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        "some": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        "never": {"type": "object", "properties": {"a": {"type": "string"}}, "not": {"required": ["a"]}},
    },
}
TYPES = Structural(Schema({"type": "object", "properties": {"spec": SPEC}}))


def complaints(spec: Any, old: Any = None) -> list[str]:
    return [
        str(error) for error in TYPES.validate({"spec": spec}, {"spec": old} if old is not None else None)
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["spec.must: Required value"]),
        ([], ['spec: Invalid value: "array": spec in body must be of type object: "array"']),
        (
            {"must": 5},
            ['spec.must: Invalid value: "integer": spec.must in body must be of type string: "integer"'],
        ),
        (
            {"must": "x", "str": "a"},
            ['spec.str: Invalid value: "a": spec.str in body should be at least 2 chars long'],
        ),
        ({"must": "x", "str": "abcde"}, ["spec.str: Too long: may not be more than 4 bytes"]),
        (
            {"must": "x", "str": "A1"},
            ["""spec.str: Invalid value: "A1": spec.str in body should match '^[a-z]+$'"""],
        ),
        ({"must": "x", "enum": "z"}, ['spec.enum: Unsupported value: "z": supported values: "one", "two"']),
        (
            {"must": "x", "int": 99},
            [
                "spec.int: Invalid value: 99: spec.int in body should be a multiple of 2",
                "spec.int: Invalid value: 99: spec.int in body should be less than or equal to 10",
            ],
        ),
        ({"must": "x", "num": 0}, ["spec.num: Invalid value: 0: spec.num in body should be greater than 0"]),
        (
            {"must": "x", "int32": 2**31},
            [
                '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.int32'
            ],
        ),
        (
            {"must": "x", "ios": 1.5},
            ['spec.ios: Invalid value: "number": spec.ios in body must be of type integer,string: "number"'],
        ),
        (
            {"must": "x", "date": "yesterday"},
            [
                'spec.date: Invalid value: "yesterday": spec.date in body must be of type date-time: "yesterday"'
            ],
        ),
        (
            {"must": "x", "ip": "300.0.0.1"},
            ['spec.ip: Invalid value: "300.0.0.1": spec.ip in body must be of type ipv4: "300.0.0.1"'],
        ),
        (
            {"must": "x", "list": []},
            ["spec.list: Invalid value: 0: spec.list in body should have at least 1 items"],
        ),
        ({"must": "x", "list": ["a"] * 3}, ["spec.list: Too many: 3: must have at most 2 items"]),
        (
            {"must": "x", "list": ["a", None]},
            ['spec.list[1]: Invalid value: "null": spec.list[1] in body must be of type string: "null"'],
        ),
        ({"must": "x", "set": ["a", "a"]}, ['spec.set[1]: Duplicate value: "a"']),
        ({"must": "x", "map": [{"k": "a", "v": 1}, {"k": "a"}]}, ['spec.map[1]: Duplicate value: {"k":"a"}']),
        ({"must": "x", "map": [{"v": 1}]}, ["spec.map[0].k: Required value"]),
        (
            {"must": "x", "dict": {"a": "b"}},
            ['spec.dict.a: Invalid value: "string": spec.dict.a in body must be of type integer: "string"'],
        ),
        (
            {"must": "x", "dict": {"a": 1, "b": 2, "c": 3}},
            ["spec.dict: Too many: 3: must have at most 2 items"],
        ),
        (
            {"must": "x", "emb": {"data": {}}},
            [
                "spec.emb.apiVersion: Required value: must not be empty",
                "spec.emb.kind: Required value: must not be empty",
            ],
        ),
        (
            {"must": "x", "choice": {"a": "x", "b": "y"}},
            [
                '<nil>: Invalid value: "": "spec.choice" must validate one and only one schema (oneOf). Found 2 valid alternatives'
            ],
        ),
        (
            {"must": "x", "some": {}},
            [
                '<nil>: Invalid value: "": "spec.some" must validate at least one schema (anyOf)',
                "spec.some.a: Required value",
            ],
        ),
        (
            {"must": "x", "never": {"a": "x"}},
            ['<nil>: Invalid value: "": "spec.never" must not validate the schema (not)'],
        ),
    ],
)
def test_texts(spec: Any, expected: list[str]) -> None:
    """Every kind of fault is worded and placed as the real server words and places it."""
    assert complaints(spec) == expected


def test_valid_values() -> None:
    """Whole floats are integers, nullable nulls pass, and an int-or-string is either."""
    fine = {
        "must": "x",
        "int": 2.0,
        "nul": None,
        "ios": "50%",
        "set": ["a", "b"],
        "date": "2020-01-01T00:00:00Z",
    }
    assert complaints(fine) == []


def test_unchanged_faults_are_forgiven_on_update() -> None:
    """An update is judged only by what it changes: the old fault beside it stays, a new one is refused."""
    old = {"must": "x", "str": "LOUD!", "int": 4}
    assert complaints({**old, "int": 6}, old) == []
    assert complaints({**old, "str": "LOUDER"}, old) == ["spec.str: Too long: may not be more than 4 bytes"]
    assert complaints({"str": "LOUD!"}, old) == ["spec.must: Required value"]


def test_items_are_matched_by_key_on_update() -> None:
    """A faulty item of a map list is recognised by its key wherever it moved; items of plain lists are not."""
    old = {"must": "x", "map": [{"k": "a", "v": "bad"}]}
    assert complaints({"must": "x", "map": [{"k": "b"}, {"k": "a", "v": "bad"}]}, old) == []
    old = {"must": "x", "list": [5]}
    assert len(complaints({"must": "x", "list": [5, "a"]}, old)) == 1


def test_old_duplicates_are_forgiven() -> None:
    """Duplicates in sets and maps matter only if the old object had none anywhere."""
    old = {"must": "x", "set": ["a", "a"]}
    assert complaints({"must": "x", "set": ["b", "b"]}, old) == []


PRUNING = Structural(
    Schema(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "default": {},
                    "properties": {
                        "keep": {"type": "string"},
                        "def": {"type": "string", "default": "hello"},
                        "nullable": {"type": "string", "nullable": True, "default": "full"},
                        "nested": {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}},
                        "deep": {
                            "type": "object",
                            "default": {"x": 5},
                            "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "default": 7}},
                        },
                        "list": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "n": {"type": "string"},
                                    "port": {"type": "integer", "default": 80},
                                },
                            },
                        },
                        "map": {
                            "type": "object",
                            "additionalProperties": {
                                "type": "object",
                                "properties": {"v": {"type": "integer", "default": 3}},
                            },
                        },
                        "open": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                            "properties": {
                                "closed": {"type": "object", "properties": {"k": {"type": "string"}}}
                            },
                        },
                        "emb": {
                            "type": "object",
                            "x-kubernetes-embedded-resource": True,
                            "properties": {
                                "spec": {"type": "object", "properties": {"k": {"type": "string"}}}
                            },
                        },
                    },
                }
            },
        }
    )
)


def test_unknown_fields_are_named_and_removed() -> None:
    """Paths come metadata first, then the rest sorted; open objects keep what they hold, closed ones inside do not."""
    obj: dict[str, Any] = {
        "apiVersion": "v1",
        "metadata": {"name": "d", "extra": 1},
        "top": 1,
        "spec": {
            "gone": "y",
            "list": [{"x": 1}],
            "map": {"m": {"w": 1}},
            "open": {"any": [{}], "closed": {"k": "v", "gone": 1}},
        },
    }
    assert PRUNING.prune(obj) == [
        "metadata.extra",
        "spec.gone",
        "spec.list[0].x",
        "spec.map.m.w",
        "spec.open.closed.gone",
        "top",
    ]
    assert obj == {
        "apiVersion": "v1",
        "metadata": {"name": "d"},
        "spec": {"list": [{}], "map": {"m": {}}, "open": {"any": [{}], "closed": {"k": "v"}}},
    }


def test_embedded_resources_keep_their_meta() -> None:
    """Inside an embedded resource kind, apiVersion and known metadata stay; unknown metadata is named last."""
    obj = {
        "spec": {"emb": {"kind": "X", "metadata": {"name": "n", "gone": 1}, "spec": {"gone": 1}, "gone": 1}}
    }
    assert PRUNING.prune(obj) == ["spec.emb.gone", "spec.emb.spec.gone", "spec.emb.metadata.gone"]
    assert obj == {"spec": {"emb": {"kind": "X", "metadata": {"name": "n"}, "spec": {}}}}


def test_defaults() -> None:
    """Defaults fill what is missing, also inside a default, list items and map values, and are never shared."""
    one: dict[str, Any] = {}
    other: dict[str, Any] = {"spec": {"nested": {}, "deep": {}, "list": [{}, {"port": 1}], "map": {"k": {}}}}
    PRUNING.default(one)
    PRUNING.default(other)
    assert one == {"spec": {"def": "hello", "nullable": "full", "deep": {"x": 5, "y": 7}}}
    assert other["spec"] == {
        "nested": {"a": 1},
        "deep": {"y": 7},
        "list": [{"port": 80}, {"port": 1}],
        "map": {"k": {"v": 3}},
        "def": "hello",
        "nullable": "full",
    }
    one["spec"]["deep"]["x"] = 6
    again: dict[str, Any] = {}
    PRUNING.default(again)
    assert again["spec"]["deep"]["x"] == 5


def test_nulls() -> None:
    """A null that is not allowed gives way to the default or disappears; an allowed one stays, and so do list items."""
    obj: dict[str, Any] = {"spec": {"def": None, "nullable": None, "nested": None, "list": [None]}}
    PRUNING.default(obj)
    assert obj["spec"] == {"def": "hello", "nullable": None, "list": [None], "deep": {"x": 5, "y": 7}}


def test_whole_floats_become_integers() -> None:
    """2.0 is kept as 2, the way the real server prints it; 2.5 stays."""
    obj: dict[str, Any] = {"spec": {"int": 2.0, "num": 2.5}}
    TYPES.default(obj)
    assert repr(obj["spec"]) == "{'int': 2, 'num': 2.5}"


def test_members_shared_with_the_old_object_are_not_looked_at() -> None:
    """An update is judged by what it changes; what is the very same may be as wrong as it was, unless it is embedded."""
    schema = Structural(Schema({"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "required": ["must"]}, "status": {"type": "string"},
        "emb": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    }}))  # fmt: skip
    spec: dict[str, Any] = {}
    assert schema.validate({"spec": spec, "status": "a"}, {"spec": spec}) == []
    assert [one.field for one in schema.validate({"spec": spec, "status": 1}, {"spec": spec})] == ["status"]
    assert [one.field for one in schema.validate({"status": "a"}, {"spec": spec})] == ["spec"]
    emb: dict[str, Any] = {"kind": 1}
    assert schema.validate({"spec": spec, "emb": emb}, {"spec": spec, "emb": emb})


def test_what_is_shared_with_the_stored_object_is_passed_over() -> None:
    """Pruning and defaulting look at what is new, at any depth: what is the stored object's own went through both before."""
    inner = {"type": "object", "properties": {"known": {"type": "string", "default": "d"}}}
    deep = Structural(
        Schema(
            {
                "type": "object",
                "properties": {
                    "a": {"type": "object", "properties": {"b": inner, "c": inner}},
                    "l": {"type": "array", "items": inner},
                },
            }
        )
    )
    kept: dict[str, Any] = {"unknown": 1}  # which a stored object never has: it shows who is looked at
    new: dict[str, Any] = {"a": {"b": kept, "c": {"unknown": 1}}}
    stored = {"a": {"b": kept}}
    assert deep.prune(new, stored) == ["a.c.unknown"]
    deep.default(new, stored)
    assert new == {"a": {"b": {"unknown": 1}, "c": {"known": "d"}}}
    new, stored = {"l": [{"unknown": 1}, kept]}, {"l": [kept, {"known": "e"}]}
    assert deep.prune(new, stored) == ["l[0].unknown"]
    deep.default(new, stored)
    assert new == {"l": [{"known": "d"}, {"unknown": 1}]}
