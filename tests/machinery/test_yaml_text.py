"""YAML as Kubernetes reads it."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.machinery.yaml_text import YamlError, load, load_all, repeated_keys


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("2024-01-01", "2024-01-01"),
        ("22:22", "22:22"),
        ("=", "="),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_000", 1000),
        ("010", 8),
        ("0o10", 8),
        ("-0x1F", -31),
        ("08", 8.0),
        ("128Mi", "128Mi"),
        ("1.2.3", "1.2.3"),
        ("on", True),
        ("No", False),
        ("y", True),
        ("N", False),
        ("~", None),
        ("", None),
        ('"1"', "1"),
        ("{1: a, true: b, x: }", {"1": "a", "true": "b", "x": None}),
        ("{a: &x {b: 1}, c: {<<: *x, b: 2}}", {"a": {"b": 1}, "c": {"b": 2}}),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    """Bare words mean what they mean to Go's reader, and nothing becomes a date."""
    found = load(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("123456789012345678901234567890", 123456789012345678901234567890.0),
        ("18446744073709551615", 18446744073709551615),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("!!binary aGVsbG8=", "hello"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!omap [a: 1]", [{"a": 1}]),
        ("!!timestamp 2001-12-14", "2001-12-14"),
    ],
)
def test_all_is_json(text: str, value: Any) -> None:
    """What JSON has no type for becomes what Go makes of it: text, floats, objects and lists."""
    found = load(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &a [*a]", "anchor value contains itself"),
        ("a: &a {<<: *a}", "anchor value contains itself"),
        ("{a: " * 300 + "1" + "}" * 300, "exceeded max depth"),
        (
            "a: &a [x, x, x, x, x, x, x, x]\n"
            + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghijklm")),
            "document contains excessive aliasing",
        ),
    ],
)
def test_what_would_be_too_much_is_refused(text: str, problem: str) -> None:
    """Few lines cannot stand for a value without end, nor for one that fills the memory."""
    with pytest.raises(YamlError, match=problem):
        load(text)
    with pytest.raises(YamlError, match=problem):
        list(load_all(text))


@pytest.mark.parametrize(
    "text",
    ["? [x]\n: 1", "a: [", "!!python/object:os.system {}", "a\n\t- b: c:", "!!map [a]", "!!set a"],
)
def test_refused(text: str) -> None:
    """Keys that are no text, syntax errors and foreign tags are refused."""
    with pytest.raises(YamlError):
        load(text)


def test_equal_keys() -> None:
    """The last of equal keys counts; strict readers are told of all of them, and several documents refuse them."""
    text = "a: 1\na: 2\nb: {c: 1, c: 2}\n"
    assert load(text) == {"a": 2, "b": {"c": 2}}
    assert repeated_keys(text) == (
        'yaml: unmarshal errors:\n  line 2: key "a" already set in map\n  line 3: key "c" already set in map'
    )
    assert repeated_keys("a: 1") == ""
    with pytest.raises(YamlError, match='key "a" already set in map'):
        list(load_all(text))


def test_the_first_document() -> None:
    """A reader of one document leaves the others alone."""
    assert load("a: 1\n---\nb: 2\n") == {"a": 1}


def test_documents_know_their_lines() -> None:
    """Several documents come with the line each starts at; empty ones are null."""
    assert list(load_all("# c\na: 1\n---\n---\n\nb: 2\n")) == [(2, {"a": 1}), (4, None), (6, {"b": 2})]


TEXT = st.text(
    st.characters(max_codepoint=0x1FFF, exclude_categories=["Cc", "Cs"])
)  # what needs no escape in either
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    """JSON reads as itself."""
    assert load(json.dumps(value, ensure_ascii=False)) == value
