"""What the sides of a migration are told of each other."""

from fakekube.machinery.objects import condition
from fakekube.virt.synchronization import telling

NOW = "2026-01-01T00:00:00Z"
ADDRESS = "10.0.0.9:9185"
SENDING, RECEIVING = ({"metadata": {"uid": own}} for own in ("s", "t"))


def instance(state=None, **status):
    told = {"migrationState": state} if state is not None else {}
    return {"metadata": {"name": "vm"}, "status": {**told, **status}}


def source(**state):
    return instance(
        {
            "migrationUid": "s",
            "sourceNode": "n1",
            "sourcePod": "p1",
            "sourceState": {"migrationUID": "s", "node": "n1"},
            "targetState": {"syncAddress": ADDRESS},
            **state,
        },
        migrationMethod="LiveMigration",
    )


def target(**state):
    return instance({"targetState": {"migrationUID": "t"}, **state})


def test_the_target():
    """It learns where the guest is, when the copying began and how it is done; nothing of how that ended."""
    ended = source(startTimestamp=NOW, endTimestamp=NOW, failed=True, completed=True)
    told = telling.of_source(target(), RECEIVING, ended, SENDING, ADDRESS)["status"]
    state = told["migrationState"]
    assert state["sourceState"] == {"migrationUID": "s", "node": "n1", "syncAddress": ADDRESS}
    assert (state["sourceNode"], state["startTimestamp"], told["migrationMethod"]) == (
        "n1",
        NOW,
        "LiveMigration",
    )
    assert not {"endTimestamp", "failed", "completed"} & state.keys()


def test_the_source():
    """It learns of the target's node, and of the end once there has been one."""
    other = target(targetNode="n2", targetNodeAddress="a", targetState={"migrationUID": "t", "node": "n2"})
    state = telling.of_target(source(), SENDING, other, RECEIVING)["status"]["migrationState"]
    assert state["targetState"] == {"syncAddress": ADDRESS, "migrationUID": "t", "node": "n2"}
    assert (state["targetNode"], state["targetNodeAddress"]) == ("n2", "a")
    done = target(completed=True, endTimestamp=NOW)
    state = telling.of_target(source(), SENDING, done, RECEIVING)["status"]["migrationState"]
    assert (state["completed"], state["endTimestamp"]) == (True, NOW)
    failed = source(completed=True, failed=True, failureReason="own")
    assert telling.of_target(failed, SENDING, done, RECEIVING)["status"]["migrationState"]["failed"]


def test_before_it_is_handed_over_the_source_only_learns_who_receives():
    """Its migration state is not yet of this migration."""
    early = source(migrationUid="earlier")
    other = target(targetNode="n2")
    state = telling.of_target(early, SENDING, other, RECEIVING)["status"]["migrationState"]
    assert state["targetState"]["migrationUID"] == "t"
    assert "targetNode" not in state


def test_what_is_of_other_migrations():
    """Neither side is told what the other still knows of an earlier one."""
    early = source(sourceState={"migrationUID": "earlier"})
    assert telling.of_source(target(), RECEIVING, early, SENDING, ADDRESS) == target()
    late = target(targetState={"migrationUID": "earlier"})
    assert telling.of_target(source(), SENDING, late, RECEIVING) == source()
    assert telling.addressed(late, RECEIVING, ADDRESS) == late
    known = telling.addressed(target(), RECEIVING, ADDRESS)["status"]["migrationState"]["targetState"]
    assert known["syncAddress"] == ADDRESS


def test_warnings():
    """A condition that is told once, changes with its text, and goes."""
    plain = instance(conditions=[{"type": "Ready", "status": "True"}])
    warned = telling.warned(plain, telling.unreachable("a:1"), NOW)
    said = condition(warned, telling.FAILURE)
    assert (said["status"], said["reason"]) == ("True", "DecentralizedNotLiveMigratable")
    assert "dial tcp a:1: connect: connection refused" in said["message"]
    assert telling.warned(warned, telling.unreachable("a:1"), "later") is warned
    other = telling.warned(warned, telling.unknown("m"), NOW)
    assert condition(other, telling.FAILURE)["message"].endswith("unable to locate VMI for migrationID m")
    assert telling.warned(other, "", NOW) == plain
    assert telling.warned(plain, "", NOW) is plain
