"""Reading objects: what counts as the same."""

import pytest

from fakekube.machinery.objects import alike


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, True, False),
        (0, False, False),
        (1, 1.0, True),
        ("1", 1, False),
        (None, None, True),
        ({"a": [1, {"b": 0}]}, {"a": [1, {"b": False}]}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1.0], [1], True),
        ({"a": None}, {}, False),
    ],
)
def test_values_are_compared_as_json(one: object, other: object, same: bool) -> None:
    """Numbers are equal by value, a boolean is no number, and the order of members says nothing."""
    assert alike(one, other) is same
    assert alike(other, one) is same
