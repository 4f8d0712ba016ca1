"""What an instance's migration state tells of the other side."""

import pytest

from fakekube.virt import sides


def instance(receives=False, **state):
    marks = {"kubevirt.io/create-migration-target": "true"} if receives else {}
    return {"metadata": {"annotations": {"own": "1", **marks}}, "status": {"migrationState": state}}


TARGET = {"syncAddress": "10.0.0.1:9185"}
SOURCE = {"migrationUID": "s"}


def test_migrations():
    """Which side a migration is of, and the id both know it by."""
    sends = {"spec": {"sendTo": {"migrationID": "m", "connectURL": "a"}}}
    receives = {"spec": {"receive": {"migrationID": "m"}}}
    usual = {"spec": {"vmiName": "vm"}}
    assert [sides.leaves(one) for one in (sends, receives, usual)] == [True, False, False]
    assert [sides.arrives(one) for one in (sends, receives, usual)] == [False, True, False]
    assert [sides.id_of(one) for one in (sends, receives, usual)] == ["m", "m", ""]


@pytest.mark.parametrize(
    ("vmi", "takes_part", "sends"),
    [
        (instance(), False, False),
        (instance(sourceState=SOURCE, targetState={"node": "n"}), False, False),
        (instance(sourceState=SOURCE, targetState=TARGET), True, True),
        (instance(True, sourceState=SOURCE, targetState=TARGET), True, False),
        (instance(True, targetState=TARGET), False, False),
    ],
)
def test_taking_part(vmi, takes_part, sends):
    """An instance takes part once it knows of both sides, and where they are told of each other."""
    assert (sides.takes_part(vmi), sides.sends(vmi)) == (takes_part, sends)


def test_knowing():
    """How far the sides know each other."""
    vmi = instance(sourceState=SOURCE, targetState=TARGET)
    assert not sides.met(vmi)
    vmi = instance(sourceState=SOURCE, targetState={**TARGET, "migrationUID": "t"})
    assert sides.met(vmi)
    assert not sides.knows_source(vmi)
    assert not sides.knows_target(vmi)
    there = {"migrationUID": "t", "pod": "p", "node": "n"}
    source = {**there, "nodeSelectors": {}}
    assert sides.knows_source(instance(sourceState=source, targetState=TARGET))
    assert sides.knows_target(instance(sourceState=SOURCE, targetState=there))


def test_afterwards():
    """A guest that has come is its instance's own."""
    vmi = instance(True, sourceState=SOURCE, targetState=TARGET, completed=True)
    assert sides.without(vmi) == {"completed": True}
    assert sides.marked_received(vmi) == {"own": "1"}
