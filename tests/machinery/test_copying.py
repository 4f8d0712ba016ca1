"""Copies that nobody else's changes reach, but for what is shared on purpose."""

from typing import Any

from fakekube.machinery.copying import copy_beside


def test_what_both_have_stays_shared() -> None:
    """Members that are the other object's, and members of members, are not copied; equal ones that are not its are."""
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
    for name in ("equal", "more"):
        assert copied["status"][name] is not obj["status"][name]
    assert copied["list"] is not obj["list"]
