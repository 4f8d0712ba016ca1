"""Copies that nobody else's changes reach, but for what is shared on purpose."""

from typing import Any

from fakekube.machinery.copying import copy_beside


def test_what_both_have_stays_shared() -> None:
    """Members that are the other object's are not copied, nor what members of members have of its: all, or some items."""
    other: dict[str, Any] = {"spec": {"a": [1]}, "status": {"same": [1], "equal": [2], "plain": 3}}
    obj = {
        "spec": other["spec"],
        "status": {**other["status"], "equal": [2], "more": [4]},
        "list": [5],
        "text": "t",
    }
    copied = copy_beside(obj, other)
    assert copied == obj
    assert copied["spec"] is other["spec"]
    assert copied["status"]["same"] is other["status"]["same"]
    for mine, its in ((copied, obj), (copied["status"], obj["status"])):
        assert mine is not its
    assert copied["status"]["equal"] is other["status"]["equal"]
    assert copied["status"]["more"] is not obj["status"]["more"]
    assert copied["list"] is not obj["list"]


def test_items_of_the_other_stay_shared() -> None:
    """A list that has changed has the other's items wherever they stand, and copies of all else; 1 is not true."""
    one, two, new = {"n": 1}, {"n": 2}, {"n": True}
    other: dict[str, Any] = {"status": {"list": [one, two, "text"], "flag": {"n": 1}}}
    obj: dict[str, Any] = {"status": {"list": [new, two, "more", one], "flag": new}}
    copied = copy_beside(obj, other)["status"]
    assert copied == obj["status"]
    assert copied["list"][1] is two
    assert copied["list"][3] is one
    for mine in (copied["list"][0], copied["flag"]):
        assert mine is not new
        assert mine["n"] is True
