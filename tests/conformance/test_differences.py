"""The list of accepted differences can be read, and says why."""

import tomllib
from pathlib import Path

FILE = Path(__file__).parents[2] / "conformance" / "differences.toml"
AREAS = {
    "discovery", "crud-core", "validation", "conflicts", "delete", "list", "watch", "patch", "apply", "subresources",
    "crds", "kubevirt", "controllers", "admission", "auth",
}  # fmt: skip


def test_every_difference_has_its_reason() -> None:
    """Each entry has an id of its own within a known area, and a reason in a sentence."""
    with FILE.open("rb") as file:
        found = tomllib.load(file)
    assert found.keys() == {"difference"}
    listed = found["difference"]
    for one in listed:
        assert one.keys() == {"id", "area", "reason"}, one
        assert one["area"] in AREAS, one
        assert one["id"].startswith(f"{one['area']}/"), one
        assert one["reason"].endswith("."), one
    ids = [one["id"] for one in listed]
    assert len(ids) == len(set(ids))
