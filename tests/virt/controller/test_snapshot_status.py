"""What a VirtualMachineSnapshot says of itself, told from its status, its content and its source."""

from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest

from fakekube.virt.controller.storage import snapshot_status

Object = dict[str, Any]
MADE = "2026-01-01T00:00:00Z"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def snapshot(deadline: str | None = None, **status: Any) -> Object:
    spec = {} if deadline is None else {"failureDeadline": deadline}
    return {"metadata": {"creationTimestamp": MADE, "uid": "u"}, "spec": spec, "status": status}


def content(*backed_up: str, tpm: bool = False) -> Object:
    """What is kept of a machine with a claim, a DataVolume and a container disk."""
    listed = [
        {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "volume", "dataVolume": {"name": "v"}},
        {"name": "boot", "containerDisk": {"image": "i"}},
    ]
    devices = {"tpm": {"persistent": True}} if tpm else {}
    template = {"spec": {"volumes": listed, "domain": {"devices": devices}}}
    vm = {"metadata": {"name": "vm"}, "spec": {"template": template}}
    return {
        "spec": {
            "source": {"virtualMachine": vm},
            "volumeBackups": [{"volumeName": one} for one in backed_up],
        }
    }


def running(**conditions: str) -> Object:
    return {"status": {"conditions": [{"type": one, "status": status} for one, status in conditions.items()]}}


@pytest.mark.parametrize(
    ("deadline", "seconds"),
    [(None, 300), ("1m0s", 60), ("-1m", -60), ("0s", inf), ("0", inf)],
)
def test_deadlines(deadline: str | None, seconds: float) -> None:
    """Five minutes unless said otherwise, and none at all where it is 0."""
    assert snapshot_status.left(snapshot(deadline), AT) == seconds


@pytest.mark.parametrize(
    ("phase", "late"),
    [(None, True), ("InProgress", True), ("Deleting", True), ("Failed", True), ("Succeeded", False)],
)
def test_what_has_succeeded_is_never_late(phase: str | None, late: bool) -> None:
    """What is neither done nor failed when its deadline is over has failed; what is done stays so (F-52)."""
    stored = snapshot("10s", **({"phase": phase} if phase else {}))
    assert snapshot_status.is_late(stored, AT + timedelta(seconds=11)) is late
    assert snapshot_status.is_late(stored, AT) is (phase == "Failed")


@pytest.mark.parametrize(
    ("status", "late", "phase", "said"),
    [
        ({"error": {"message": "m"}}, False, "InProgress", ("In error state", "Not ready")),
        ({"error": {"message": "m"}}, True, "Failed", ("In error state", "Not ready")),
        ({}, True, "Failed", ("Operation failed", "Not ready")),
        ({"creationTime": MADE}, False, "Succeeded", ("Operation complete", "Not ready")),
        ({"creationTime": MADE, "readyToUse": True}, False, "Succeeded", ("Operation complete", "Ready")),
        (
            {"creationTime": MADE, "error": {"message": "m"}},
            False,
            "Succeeded",
            ("In error state", "Not ready"),
        ),
    ],
)
def test_errors_and_ends(status: Object, late: bool, phase: str, said: tuple[str, str]) -> None:
    """An error is told whatever else is; it ends nothing, neither what goes on nor what is done."""
    stored = snapshot(phase="InProgress")
    told = snapshot_status.said(stored, status, source=True, locked=True, obstacle="", late=late)
    reasons = {type_: reason for type_, _, reason in told}
    assert (reasons["Progressing"], reasons["Ready"]) == said
    assert reasons.get("Failure") == ("snapshot deadline exceeded" if late else None)
    assert snapshot_status.phase(stored, status, late=late) == phase
    assert snapshot_status.is_progressing({**stored, "status": {"phase": phase}}) is (phase == "InProgress")


def test_indications() -> None:
    """They are sorted, and what was so once stays while the machine runs; one that is off has none."""
    found = snapshot_status.indications([], running())
    assert found == ["NoGuestAgent", "Online"]
    found = snapshot_status.indications(found, running(AgentConnected="True"))
    assert found == ["GuestAgent", "NoGuestAgent", "Online"]
    paused = running(AgentConnected="True", Paused="True")
    assert snapshot_status.indications([], paused) == ["Online", "Paused"]
    assert snapshot_status.indications(found, None) == []
    assert [one["indication"] for one in snapshot_status.explained(found)] == found


@pytest.mark.parametrize(
    ("backed_up", "tpm", "included", "excluded", "partial"),
    [
        (["claim", "volume"], False, ["claim", "volume"], ["boot"], False),
        (["claim"], False, ["claim"], ["volume", "boot"], True),
        ([], False, [], ["claim", "volume", "boot"], True),
        (["claim", "volume"], True, ["claim", "volume"], ["boot", "persistent-state-for-vm"], True),
        (
            ["claim", "volume", "persistent-state-for-vm"],
            True,
            ["claim", "volume", "persistent-state-for-vm"],
            ["boot"],
            False,
        ),
    ],
)
def test_partial_snapshots(
    backed_up: list[str], tpm: bool, included: list[str], excluded: list[str], partial: bool
) -> None:
    """A snapshot is partial when a volume is missing that can be snapshotted; container disks never can (F-54)."""
    kept = content(*backed_up, tpm=tpm)
    split = snapshot_status.volumes(kept)
    assert (split.get("includedVolumes", []), split.get("excludedVolumes", [])) == (included, excluded)
    once = snapshot_status.with_partial(["Online"], kept)
    assert once == (["Online", "PartialSnapshot"] if partial else ["Online"])
    assert snapshot_status.with_partial(once, kept) == once


def test_indications_of_others() -> None:
    """What somebody else has written to a status is told without words, and ends no pass."""
    assert snapshot_status.explained(["Mine"]) == [{"indication": "Mine", "message": ""}]
