"""Equal parts are one, and nothing else changes."""

import json
import sys

import orjson
from hypothesis import given
from hypothesis import strategies as st

from fakekube.machinery.interning import Parts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=12), st.integers(1, 8))
def test_values_stay_what_they_are(values, most):
    """However few parts are kept, each value is to the byte what it was: 1, 1.0 and true are three values."""
    parts = Parts(most)
    texts = [orjson.dumps(value) for value in values]
    shared = [parts.shared(value) for value in values]
    assert [orjson.dumps(one) for one in shared] == texts


def test_equal_parts_are_one():
    """Containers and longer texts that are equal are the same; what they are in need not be alike."""
    parts = Parts(100)
    texts = (f'{{"name": "{name}", "image": "registry/a:1", "env": [{{"name": "A"}}]}}' for name in "ab")
    one, other = (parts.shared(orjson.loads(text)) for text in texts)
    assert one is not other
    assert one["env"] is other["env"]
    assert one["image"] is other["image"]
    assert parts.shared({"env": [{"name": "A"}]})["env"] is one["env"]


def test_large_parts_are_shared_within():
    """A part that is too long to be kept is made of parts that are."""
    parts = Parts(100)
    one, other = (parts.shared({"big": "x" * 5_000, "small": {"a": [1, 2]}}) for _ in range(2))
    assert one is not other
    assert one["small"] is other["small"]


def test_few_are_kept():
    """What has not been met for long is let go of; what is met again and again stays."""
    parts = Parts(10)
    often = parts.shared({"often": True})
    for number in range(100):
        parts.shared({"rare": number})
        assert parts.shared({"often": True}) is often
    assert parts.shared({"rare": 99}) is parts.shared({"rare": 99})
    assert sum(map(len, (parts._young, parts._old))) <= 20


def test_wholes_are_one_however_large():
    """What is kept whole is one beyond the length of parts, up to a length that no set of fields has."""
    parts = Parts(100)
    medium, giant = ({"a": {"b" * length: {}}} for length in (5_000, 50_000))
    assert parts.whole(medium) is parts.whole(orjson.loads(orjson.dumps(medium)))
    assert parts.whole(giant) is giant
    assert len(parts._young) == 1


def test_what_is_ones_own_is_made_of_what_others_have():
    """Names of members, short texts and what is empty are one wherever they are; a dict has no room for more than is in it."""
    parts = Parts(100)
    names = [f"member-{number}" for number in range(12)]
    texts = [
        orjson.dumps({"own": own, "ip": "10.1", "on": {}, "of": [], **dict.fromkeys(names, own)})
        for own in (1, 2)
    ]
    one, other = (parts.shared({"large": "x" * 2_000} | json.loads(text)) for text in texts)
    assert one is not other
    for mine, theirs in zip(one, other, strict=True):
        assert mine is theirs
    for member in ("ip", "on", "of"):
        assert one[member] is other[member]
    assert sys.getsizeof(one) == sys.getsizeof({name: None for name in one})  # noqa: C420 - as it is when made by and by
    assert sys.getsizeof(one) < sys.getsizeof(orjson.loads(orjson.dumps(one)))


@given(VALUES, VALUES, st.integers(1, 8))
def test_the_state_before_changes_nothing(before, value, most):
    """Whatever was there before, a value stays what it is, also where both have parts in common."""
    parts = Parts(most)
    before = parts.shared({"large": "x" * 2_000, "value": before, "both": [value, before]})
    value = {
        "large": "y" * 2_000,
        "value": value,
        "both": [before["value"], *before["both"]],
        "new": before["both"],
    }
    text = orjson.dumps(value)
    assert orjson.dumps(parts.shared(value, before)) == text


def test_what_stays_as_before_is_not_looked_at():
    """Members and items that are those of the state before are kept, though the parts they are of have been forgotten."""
    parts = Parts(1)
    text = orjson.dumps(
        {"large": "x" * 2_000, "same": {"a": "kept-as-it-is"}, "list": [{"b": "is-kept-too"}, 1]}
    )
    before = parts.shared(orjson.loads(text))
    for number in range(9):
        parts.shared({"other": number})
    after = parts.shared({**before, "large": "y" * 2_000, "list": [*before["list"], {"new": True}]}, before)
    assert after["same"] is before["same"]
    assert after["list"][0] is before["list"][0]
    assert parts.shared(orjson.loads(text))["same"] is not before["same"]
