"""The column Status of `kubectl get vm`: every row of the table, and its order."""

from datetime import UTC, datetime

import pytest

from fakekube.virt.controller import printable_status
from fakekube.virt.controller.printable_status import Observed

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def vm(strategy="Always", **status):
    return {
        "metadata": {"name": "vm", "namespace": "ns"},
        "spec": {"runStrategy": strategy},
        "status": status,
    }


def vmi(phase, *conditions, deleting=False, **status):
    meta = {"name": "vm", "uid": "u"} | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {})
    return {"metadata": meta, "status": {"phase": phase, "conditions": list(conditions), **status}}


def condition(kind, status, reason=""):
    return {"type": kind, "status": status, "reason": reason}


def volume(phase, *conditions):
    return {"metadata": {"name": "dv"}, "status": {"phase": phase, "conditions": list(conditions)}}


def status_of(vm_object=None, vmi_object=None, **more):
    return printable_status.of(Observed(vm=vm_object or vm(), now=NOW, vmi=vmi_object, **more))


@pytest.mark.parametrize("phase", ["", "Pending", "Scheduling", "Scheduled"])
def test_before_running_is_starting(phase):
    """V-068: a VMI in Pending, Scheduling or Scheduled without errors shows Starting."""
    assert status_of(vmi_object=vmi(phase)) == "Starting"


def test_running_does_not_wait_for_ready():
    """V-069: a Running VMI shows Running although it is not Ready."""
    assert status_of(vmi_object=vmi("Running", condition("Ready", "False"))) == "Running"


def test_paused():
    """V-070: a Running VMI with Paused True shows Paused."""
    assert status_of(vmi_object=vmi("Running", condition("Paused", "True"))) == "Paused"


def test_migrating_even_when_paused():
    """V-071: a migration that has started and not ended shows Migrating, even for a paused guest."""
    moving = vmi(
        "Running", condition("Paused", "True"), migrationState={"startTimestamp": "2025-12-31T23:59:00Z"}
    )
    assert status_of(vmi_object=moving) == "Migrating"
    moving["status"]["migrationState"]["endTimestamp"] = "2026-01-01T00:00:00Z"
    assert status_of(vmi_object=moving) == "Paused"


def test_terminating_wins():
    """V-072: a VM under deletion shows Terminating whatever its VMI does."""
    dying = vm()
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert status_of(dying, vmi("Running", deleting=True)) == "Terminating"


def test_stopping():
    """V-073: a VMI under deletion that is not final shows Stopping; a final one does not."""
    assert status_of(vmi_object=vmi("Running", deleting=True)) == "Stopping"
    assert status_of(vmi_object=vmi("Running"), deleting=True) == "Stopping"
    assert status_of(vmi_object=vmi("Succeeded", deleting=True)) == "Stopped"


def test_missing_claim_before_unschedulable():
    """V-074: FailedPvcNotFound shows ErrorPvcNotFound, although PodScheduled is False as well."""
    conditions = [
        condition("Synchronized", "False", "FailedPvcNotFound"),
        condition("PodScheduled", "False", "Unschedulable"),
    ]
    assert status_of(vmi_object=vmi("Pending", *conditions)) == "ErrorPvcNotFound"
    assert status_of(vmi_object=vmi("Scheduling", conditions[1])) == "ErrorUnschedulable"  # V-079


def test_provisioning_of_a_halted_vm():
    """V-075: an importing DataVolume shows Provisioning even while the VM is halted."""
    assert status_of(vm("Halted"), data_volumes=[volume("ImportInProgress")]) == "Provisioning"


@pytest.mark.parametrize("reason", ["Error", "ImagePullFailed"])
def test_data_volume_error(reason):
    """V-076: a failing importer shows DataVolumeError, not Provisioning."""
    failing = volume("ImportInProgress", condition("Running", "False", reason))
    assert status_of(data_volumes=[failing]) == "DataVolumeError"


def test_failed_data_volume():
    """F-10: a DataVolume that failed for good shows DataVolumeError, also on a stopped VM."""
    assert status_of(vm("Halted"), data_volumes=[volume("Failed")]) == "DataVolumeError"


def test_waiting_for_volume_binding():
    """V-077: a started VM with an unbound claim waits for its binding; a halted one does not."""
    claim = {"metadata": {"name": "dv"}, "status": {"phase": "Pending"}}
    waiting = volume("WaitForFirstConsumer", condition("Bound", "False"))
    assert status_of(claims=[claim], data_volumes=[waiting]) == "WaitingForVolumeBinding"
    assert status_of(vm("Halted"), claims=[claim], data_volumes=[waiting]) == "Stopped"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_image_errors(reason):
    """V-078: what the kubelet says about images shows under its own name."""
    assert status_of(vmi_object=vmi("Scheduling", condition("Synchronized", "False", reason))) == reason


@pytest.mark.parametrize("strategy", ["Always", "RerunOnFailure", "Once"])
def test_crash_loop(strategy):
    """V-080: without a VMI or with a final one, a counted start failure shows CrashLoopBackOff."""
    failing = vm(strategy, startFailure={"consecutiveFailCount": 1})
    assert status_of(failing) == "CrashLoopBackOff"
    assert status_of(failing, vmi("Failed")) == "CrashLoopBackOff"
    assert status_of(failing, vmi("Scheduling")) == "Starting"


def test_manual_vm_does_not_loop():
    """A Manual VM is not tried again, so it is Stopped, not in a crash loop."""
    assert status_of(vm("Manual", startFailure={"consecutiveFailCount": 1}), vmi("Failed")) == "Stopped"


def test_creation_just_requested():
    """A VM whose VMI has been asked for in this pass is Starting already."""
    assert status_of(creating=True) == "Starting"
    assert status_of() == "Stopped"


def test_strange_phase():
    """A phase nobody knows shows Unknown."""
    assert status_of(vmi_object=vmi("Levitating")) == "Unknown"
