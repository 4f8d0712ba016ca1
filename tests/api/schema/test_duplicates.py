"""Repeated members of JSON bodies."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.api.schema.duplicates import duplicate_fields


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b'{"data":{"k":"1"},"data":{"k":"2"}}', ["data"]),
        (b'{"spec":{"keep":"1","keep":"2","keep":"3"}}', ["spec.keep"]),
        (b'{"spec":{"list":[{"a":1},{"a":1,"a":2}]}}', ["spec.list[1].a"]),
        (b'{"a" : 1, "a" : 2}', ["a"]),
        (b'{"a\\u0022:":1,"b":2,"b":2}', ["b"]),
        (b'{"a":"\\":","b":"\\":"}', []),
        (b'{"a":1,"b":{"a":1}}', []),
        (b'{"a":', []),
        (b"[]", []),
    ],
)
def test_paths(body: bytes, paths: list[str]) -> None:
    """A member is reported once, by its path, wherever it is repeated and however the text is spaced or escaped."""
    assert duplicate_fields(body) == paths


VALUES = st.recursive(
    st.none() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a":\\', max_size=3), inner, max_size=3)
    ),
)


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_no_false_alarm(value: object, indent: int | None, ascii_only: bool) -> None:
    """Whatever a dictionary holds, its JSON has no duplicates."""
    assert duplicate_fields(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()) == []
