"""What migrations to another instance write, and how far they get."""

import pytest

from fakekube.virt.controller import migration_sides, vmi_status
from fakekube.virt.controller.migration_phases import (
    PENDING,
    PREPARING,
    SCHEDULED,
    SCHEDULING,
    SYNCHRONIZING,
    TARGET_READY,
    WAITING,
)
from fakekube.virt.controller.vmi_pass import Seen

NOW = "2026-01-01T00:00:00Z"
SENDS = {
    "metadata": {"uid": "s", "name": "a", "namespace": "d"},
    "spec": {"vmiName": "vm", "sendTo": {"migrationID": "m", "connectURL": "a:1"}},
}
RECEIVES = {
    "metadata": {"uid": "t", "name": "b", "namespace": "e"},
    "spec": {"vmiName": "vm", "receive": {"migrationID": "m"}},
}
USUAL = {"metadata": {"uid": "u"}, "spec": {"vmiName": "vm"}}


def instance(phase="Running", receives=False, **state):
    marks = {"kubevirt.io/create-migration-target": "true"} if receives else {}
    status = {"phase": phase, "nodeName": "n1", **({"migrationState": state} if state else {})}
    return {
        "metadata": {"name": "vm", "namespace": "d", "uid": "v", "annotations": marks},
        "spec": {"domain": {}},
        "status": status,
    }


def test_the_first_phase():
    """Migrations with another side wait for it."""
    assert [migration_sides.first(one) for one in (SENDS, RECEIVES, USUAL)] == [
        SYNCHRONIZING,
        WAITING,
        PENDING,
    ]


def test_what_is_told_at_first():
    """Who takes part, and where; what is left of an earlier migration goes."""
    vmi = instance(completed=True, failed=True, sourceState={"migrationUID": "old"})
    made = migration_sides.begun(SENDS, vmi)
    assert made == {
        "sourceState": {"migrationUID": "s", "virtualMachineInstanceUID": "v"},
        "targetState": {"syncAddress": "a:1"},
    }
    assert migration_sides.begun(SENDS, instance(**made)) == made
    assert migration_sides.begun(RECEIVES, vmi) == {"targetState": {"migrationUID": "t"}}


def test_what_the_guest_needs():
    """Its node, its launcher, and the labels a node has to have for it."""
    vmi = instance(**migration_sides.begun(SENDS, instance()))
    marks = {"host-model-cpu.node.kubevirt.io/Skylake": "true", "zone": "z"}
    made = migration_sides.described(SENDS, vmi, "p1", {"metadata": {"labels": marks}})
    assert (made["migrationUid"], made["sourceNode"], made["sourcePod"]) == ("s", "n1", "p1")
    assert made["sourceState"]["nodeSelectors"] == {"host-model-cpu.node.kubevirt.io/Skylake": "true"}
    assert migration_sides.described(SENDS, vmi, "p1", None)["sourceState"]["nodeSelectors"] == {}


SOURCE = {"migrationUID": "s", "pod": "p1", "node": "n1", "nodeSelectors": {}}
TARGET = {"migrationUID": "t", "pod": "p2", "node": "n2", "syncAddress": "a:1"}


@pytest.mark.parametrize(
    ("migration", "was", "state", "then"),
    [
        (RECEIVES, WAITING, {"targetState": TARGET}, WAITING),
        (RECEIVES, WAITING, {"sourceState": SOURCE, "targetState": TARGET}, PENDING),
        (RECEIVES, PENDING, {"sourceState": SOURCE, "targetState": TARGET}, PENDING),
        (RECEIVES, SCHEDULED, {"sourceState": SOURCE, "targetState": TARGET}, PREPARING),
        (SENDS, SYNCHRONIZING, {"sourceState": SOURCE}, SYNCHRONIZING),
        (SENDS, SYNCHRONIZING, {"sourceState": SOURCE, "targetState": TARGET}, PENDING),
        (SENDS, PENDING, {"sourceState": SOURCE, "targetState": TARGET}, SCHEDULING),
        (SENDS, SCHEDULING, {"sourceState": SOURCE, "targetState": {"migrationUID": "t"}}, SCHEDULING),
        (SENDS, SCHEDULING, {"sourceState": SOURCE, "targetState": TARGET}, SCHEDULED),
        (SENDS, SCHEDULED, {"sourceState": SOURCE, "targetState": {"migrationUID": "t"}}, SCHEDULED),
        (SENDS, SCHEDULED, {"sourceState": SOURCE, "targetState": TARGET}, PREPARING),
        (SENDS, PREPARING, {"sourceState": SOURCE, "targetState": TARGET}, PREPARING),
        (
            SENDS,
            PREPARING,
            {"sourceState": SOURCE, "targetState": {**TARGET, "nodeAddress": "x"}},
            TARGET_READY,
        ),
        (SENDS, TARGET_READY, {"sourceState": SOURCE, "targetState": TARGET}, TARGET_READY),
    ],
)
def test_how_far_they_get(migration, was, state, then):
    """A phase follows when the other side has told enough."""
    assert migration_sides.next_phase(migration, instance(**state), was) == then


def test_only_guests_that_run_leave():
    """Others are waited for."""
    assert migration_sides.next_phase(SENDS, instance("Scheduled"), PENDING) == PENDING


def test_what_is_handed_over():
    """The target's state is that of the side that receives; how an earlier attempt ended is forgotten."""
    vmi = instance(sourceState=SOURCE, targetState={"migrationUID": "old"}, completed=True, failed=True)
    made = migration_sides.received({"targetNode": "n2", "targetPod": "p2"}, RECEIVES, vmi)
    assert (made["sourceNode"], made["sourcePod"]) == ("n1", "p1")
    assert made["targetState"] == {
        "migrationUID": "t",
        "node": "n2",
        "pod": "p2",
        "virtualMachineInstanceUID": "v",
        "domainNamespace": "d",
        "domainName": "vm",
    }
    assert not {"completed", "failed"} & made.keys()


@pytest.mark.parametrize(
    ("migration", "state", "forgotten"),
    [
        (SENDS, {"sourceState": SOURCE}, True),
        (SENDS, {"sourceState": {"migrationUID": "other"}}, False),
        (SENDS, {"sourceState": SOURCE, "startTimestamp": NOW}, False),
        (SENDS, {"sourceState": SOURCE, "completed": True}, False),
        (RECEIVES, {"targetState": TARGET}, True),
        (RECEIVES, {"targetState": TARGET, "migrationUid": "t"}, False),
        (USUAL, {"sourceState": SOURCE}, False),
    ],
)
def test_what_is_forgotten(migration, state, forgotten):
    """What was told of a migration that never began."""
    assert migration_sides.is_forgotten(migration, instance(**state)) is forgotten


def launcher(phase="Running", **meta):
    listed = [{"name": "compute", "ready": True, "state": {"running": {}}}]
    return {
        "metadata": {"name": "p", **meta},
        "spec": {"nodeName": "n2", "containers": [{"name": "compute"}]},
        "status": {"phase": phase, "containerStatuses": listed},
    }


@pytest.mark.parametrize(
    ("was", "pod", "failed", "then"),
    [
        ("", None, False, "WaitingForSync"),
        ("WaitingForSync", None, False, "WaitingForSync"),
        ("WaitingForSync", launcher(), False, "Scheduling"),
        ("Scheduling", launcher("Pending"), False, "Scheduling"),
        ("Scheduling", launcher(), False, "Scheduled"),
        ("Scheduling", None, False, "WaitingForSync"),
        ("Scheduled", launcher(), False, "Scheduled"),
        ("Scheduled", launcher(), True, "WaitingForSync"),
        ("Scheduled", launcher(deletionTimestamp=NOW), False, "WaitingForSync"),
    ],
)
def test_an_instance_that_receives(was, pod, failed, then):
    """It waits for its guest as often as that does not come."""
    vmi = instance(was, receives=True, **({"failed": True} if failed else {}))
    assert vmi_status.next_phase(Seen(vmi, NOW, pod)) == then


def test_an_instance_that_receives_and_is_deleted():
    """It fails, unless a node has it."""
    for was, then in (("WaitingForSync", "Failed"), ("Scheduled", "Scheduled")):
        vmi = instance(was, receives=True)
        vmi["metadata"]["deletionTimestamp"] = NOW
        assert vmi_status.next_phase(Seen(vmi, NOW, launcher())) == then
