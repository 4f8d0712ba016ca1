"""What nodes do about a guest that migrates from one instance to another."""

import pytest

from fakekube.machinery.objects import annotations, labels
from fakekube.virt.handler import migration, two_sides
from fakekube.virt.handler.two_sides import Source

NOW = "2026-01-01T00:00:00Z"
TARGET_NODE = "kubevirt.io/migrationTargetNodeName"
BOTH = {
    "sourceState": {"migrationUID": "s", "virtualMachineInstanceUID": "left"},
    "targetState": {"migrationUID": "t", "syncAddress": "10.0.0.1:9185"},
}


def receiving(**state):
    meta = {
        "name": "vm",
        "labels": {TARGET_NODE: "n2", "own": "1"},
        "annotations": {"kubevirt.io/create-migration-target": "true"},
    }
    told = {"migrationUid": "t", "targetPod": "p2", "targetNode": "n2", **BOTH, **state}
    return {"metadata": meta, "status": {"phase": "Scheduled", "migrationState": told}}


def left(phase="Running", **state):
    told = {"migrationUid": "s", "targetNodeAddress": "10.0.0.2", "startTimestamp": NOW, **BOTH, **state}
    return {"metadata": {"name": "vm", "uid": "left"}, "status": {"phase": phase, "migrationState": told}}


def source(vmi, arrives=True):
    return Source(vmi, lambda: arrives)


def test_the_target_is_prepared_once_its_launcher_runs():
    """Its address is told for both sides."""
    assert two_sides.coming(receiving(), NOW, "", source(left())) is None
    step = two_sides.coming(receiving(), NOW, "10.0.0.2", source(left()))
    assert step.name == "prepare"
    state = step.vmi["status"]["migrationState"]
    assert state["targetNodeAddress"] == state["targetState"]["nodeAddress"] == "10.0.0.2"
    assert state["targetDirectMigrationNodePorts"] == state["targetState"]["directMigrationNodePorts"]


def test_the_guest_comes_when_the_other_side_lets_it():
    """It arrives after the copying; then that is over, and the instance is like any other once the other one has ended."""
    ready = receiving(targetNodeAddress="10.0.0.2")
    assert two_sides.coming(ready, NOW, "10.0.0.2", source(left())) is None
    started = receiving(targetNodeAddress="10.0.0.2", startTimestamp=NOW)
    assert two_sides.coming(started, NOW, "10.0.0.2", source(left(), arrives=False)) is None
    step = two_sides.coming(started, NOW, "10.0.0.2", source(left()))
    assert (step.name, step.copies) == ("arrive", True)
    state = step.vmi["status"]["migrationState"]
    assert (state["endTimestamp"], state["targetState"]["domainDetected"]) == (NOW, True)
    step = two_sides.coming(step.vmi, NOW, "10.0.0.2", source(left()))
    assert (step.name, step.vmi["status"]["migrationState"]["completed"]) == ("complete", True)
    assert two_sides.coming(step.vmi, NOW, "10.0.0.2", source(left())) is None
    for over in (left("Succeeded"), None):
        done = two_sides.coming(step.vmi, NOW, "10.0.0.2", source(over))
        assert done.name == "clean"
        assert (labels(done.vmi), annotations(done.vmi)) == ({"own": "1"}, {})
        assert not BOTH.keys() & done.vmi["status"]["migrationState"].keys()


@pytest.mark.parametrize(
    ("state", "other", "reason"),
    [
        ({"abortRequested": True}, left(), migration.ABORTED),
        ({"startTimestamp": NOW}, None, "source domain was lost during the migration"),
        ({"startTimestamp": NOW}, left("Failed"), "source domain was lost during the migration"),
        ({"startTimestamp": NOW, "abortRequested": True}, left(failed=True, failureReason="x"), "x"),
        ({"startTimestamp": NOW}, left(failed=True), "source domain was lost during the migration"),
    ],
)
def test_the_target_fails_with_the_source(state, other, reason):
    """Also when it is asked to stop before anything began."""
    step = two_sides.coming(
        receiving(targetNodeAddress="10.0.0.2", **state), NOW, "10.0.0.2", source(other, False)
    )
    told = step.vmi["status"]["migrationState"]
    assert (step.name, told["failed"], told["completed"], told["failureReason"]) == (
        "fail",
        True,
        True,
        reason,
    )
    assert TARGET_NODE not in labels(step.vmi)
    assert (told.get("abortStatus") == "Succeeded") == bool(state.get("abortRequested"))
    assert two_sides.coming(step.vmi, NOW, "10.0.0.2", source(other)) is None


def test_who_is_asked_to_stop_awaits_the_source():
    """Only the node that has the guest can stop the copying; what it told of an earlier migration does not count."""
    asked = receiving(targetNodeAddress="10.0.0.2", startTimestamp=NOW, abortRequested=True)
    assert two_sides.coming(asked, NOW, "10.0.0.2", source(left())) is None
    asked = receiving(targetNodeAddress="10.0.0.2", startTimestamp=NOW)
    earlier = left(failed=True, migrationUid="earlier")
    assert two_sides.coming(asked, NOW, "10.0.0.2", source(earlier, False)) is None


def test_not_handed_over():
    """Before that, nodes have nothing to do."""
    assert two_sides.coming(receiving(targetPod=""), NOW, "10.0.0.2", source(left())) is None


@pytest.mark.parametrize("own", ["prepare", "arrive", "complete"])
def test_the_source_leaves_to_the_other_side(own):
    """What is the target's business."""
    assert two_sides.leaving(left(), migration.Step(own, {})) is None


def test_the_source():
    """It begins, fails and hastens as any migration does, and ends once the guest has been seen on the other side."""
    step = migration.Step("start", {})
    assert two_sides.leaving(left(), step) is step
    assert two_sides.leaving(left(), None) is None
    assert two_sides.leaving(left(completed=True), None) is None
    seen = {**BOTH, "targetState": {**BOTH["targetState"], "domainDetected": True}}
    assert two_sides.leaving({**left(completed=True, **seen)}, None).name == "leave"
