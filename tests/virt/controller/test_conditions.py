"""Conditions of a VM beside its VMI."""

from fakekube.virt.controller import conditions
from fakekube.virt.controller.conditions import Failure

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z"


def vmi(*listed):
    return {"status": {"conditions": list(listed)}}


def one(kind, status="True", reason="", message=""):
    return conditions.make(kind, status, reason, message)


def told(listed):
    return {each["type"]: (each["status"], each.get("reason"), each.get("message")) for each in listed}


def test_without_vmi():
    """V-043: without a VMI the VM is not ready, for VMINotExists."""
    assert told(conditions.of_vm([], None, None, NOW)) == {
        "Ready": ("False", "VMINotExists", "VMI does not exist")
    }


def test_vmi_without_ready():
    """A VMI that says nothing about Ready leaves VMIConditionMissing on the VM."""
    listed = conditions.of_vm([], vmi(), None, NOW)
    assert told(listed)["Ready"] == ("False", "VMIConditionMissing", "VMI is missing the Ready condition")


def test_ready_is_copied_with_its_times():
    """The VM's Ready is the VMI's, times included."""
    ready = {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": NOW}
    assert conditions.of_vm([], vmi(ready), None, LATER) == [ready]


def test_copied_and_removed():
    """V-088: the VM has the VMI's conditions, and loses what the VMI loses."""
    connected = conditions.of_vm([], vmi(one("Ready"), one("AgentConnected")), None, NOW)
    assert "AgentConnected" in told(connected)
    assert "AgentConnected" not in told(conditions.of_vm(connected, vmi(one("Ready")), None, NOW))


def test_kept_after_the_vmi():
    """V-089: a stopped VM still shows what was copied from its last VMI, until the next one comes without it."""
    before = conditions.of_vm([], vmi(one("Ready"), one("LiveMigratable"), one("AgentConnected")), None, NOW)
    stopped = conditions.of_vm(before, None, None, LATER)
    assert told(stopped)["Ready"] == ("False", "VMINotExists", "VMI does not exist")
    assert {"LiveMigratable", "AgentConnected"} <= told(stopped).keys()
    assert told(conditions.of_vm(stopped, vmi(), None, LATER)).keys() == {"Ready"}


def test_message_alone_is_not_news():
    """V-090: a new message under the same status and reason does not reach the VM."""
    before = conditions.of_vm([], vmi(one("Synchronized", "False", "ErrImagePull", "first")), None, NOW)
    after = conditions.of_vm(before, vmi(one("Synchronized", "False", "ErrImagePull", "second")), None, LATER)
    assert told(after)["Synchronized"] == ("False", "ErrImagePull", "first")


def test_failure_comes_and_goes():
    """V-091: an error of the pass is the Failure condition until a pass without one; the VM's own conditions stay."""
    failed = conditions.of_vm([one("RestartRequired")], vmi(), Failure("FailedCreate", "no"), NOW)
    assert told(failed)["Failure"] == ("True", "FailedCreate", "no")
    assert told(conditions.of_vm(failed, vmi(), None, NOW)).keys() == {"RestartRequired", "Ready"}


def test_places_are_kept():
    """A renewed condition keeps its place in the list."""
    before = [one("Ready"), one("LiveMigratable"), one("Paused")]
    after = conditions.put(before, one("LiveMigratable", "False", "Because"))
    assert [each["type"] for each in after] == ["Ready", "LiveMigratable", "Paused"]


def test_as_go_writes_it():
    """Times are always there, reason and message only when they say something."""
    assert one("Provisioning") == {
        "type": "Provisioning",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": None,
    }
