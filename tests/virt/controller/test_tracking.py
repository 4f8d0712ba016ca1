"""Whose changed blocks are recorded, as functions of configuration, machine and guest."""

import pytest

from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import tracking
from fakekube.virt.controller.tracking import Wish

CHOSEN, LEFT = Wish(gate=True, chosen=True), Wish(gate=True)
SHUT = Wish(chosen=True)


def told(state):
    return {"status": {"changedBlockTracking": {"state": state}}}


@pytest.mark.parametrize(
    ("was", "guest", "wish", "becomes"),
    [
        # Chosen, while its guest runs.
        ("", "", CHOSEN, "PendingRestart"),
        ("FGDisabled", "", CHOSEN, "PendingRestart"),
        ("PendingRestart", "", CHOSEN, "PendingRestart"),
        ("PendingRestart", "Initializing", CHOSEN, "Initializing"),
        ("Disabled", "Enabled", CHOSEN, "Enabled"),
        ("Disabled", "Disabled", CHOSEN, "PendingRestart"),
        ("Initializing", "Initializing", CHOSEN, "Initializing"),
        ("Initializing", "Enabled", CHOSEN, "Enabled"),
        ("Enabled", "Initializing", CHOSEN, "Initializing"),
        # Chosen, and stopped.
        ("", None, CHOSEN, "Initializing"),
        ("Disabled", None, CHOSEN, "Initializing"),
        ("Enabled", None, CHOSEN, "Enabled"),
        # Not chosen any more.
        ("", "", LEFT, ""),
        ("Disabled", "Enabled", LEFT, "Disabled"),
        ("Enabled", "Enabled", LEFT, "PendingRestart"),
        ("Enabled", None, LEFT, "Disabled"),
        ("PendingRestart", "Disabled", LEFT, "Disabled"),
        # The gate is shut.
        ("", None, SHUT, "FGDisabled"),
        ("FGDisabled", "Enabled", SHUT, "FGDisabled"),
        ("Enabled", "Enabled", SHUT, "PendingRestart"),
        ("PendingRestart", "Enabled", SHUT, "PendingRestart"),
        ("Enabled", None, Wish(), ""),
        ("", None, Wish(), ""),
    ],
)
def test_of_a_machine(was, guest, wish, becomes):
    """What a machine tells follows from what it told, what its guest tells, and whether it is chosen."""
    vmi = None if guest is None else told(guest)
    found = tracking.of_machine(told(was) if was else {}, vmi, wish)
    assert (found or {"state": ""})["state"] == becomes


@pytest.mark.parametrize(
    ("was", "wish", "begins"),
    [
        ("", CHOSEN, "Initializing"),
        ("", LEFT, ""),
        ("PendingRestart", LEFT, "Disabled"),
        ("Enabled", SHUT, ""),
    ],
)
def test_of_an_instance(was, wish, begins):
    """A guest begins to record if its machine is chosen, and says that it does not if this was told before."""
    assert tracking.of_instance(told(was), wish) == begins


def test_selectors():
    """Labels of the machine or of its namespace choose it; a selector nobody can read chooses nothing."""
    labels = {"metadata": {"labels": {"cbt": "yes"}}}
    other = {"metadata": {"name": "x"}}

    def chosen(vm, space, **said):
        raw = {"changedBlockTrackingLabelSelectors": said}
        return tracking.wish(vm, space, ClusterConfig(raw=raw)).chosen

    by_label = {"matchLabels": {"cbt": "yes"}}
    assert chosen(labels, other, virtualMachineLabelSelector=by_label)
    assert not chosen(other, labels, virtualMachineLabelSelector=by_label)
    assert chosen(other, labels, namespaceLabelSelector=by_label)
    assert not chosen(other, None, namespaceLabelSelector=by_label)
    wrong = {"matchExpressions": [{"key": "cbt", "operator": "Like", "values": []}]}
    assert not chosen(labels, labels, virtualMachineLabelSelector=wrong)
