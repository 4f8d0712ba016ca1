"""Memory dumps: the steps of a request, and what they leave behind."""

import pytest

from fakekube.virt.controller import hotplug, memory_dump, restart_required, vmi_template

DUMP = {"name": "d", "memoryDump": {"claimName": "d", "hotpluggable": True}}
DISK = {"name": "disk", "containerDisk": {"image": "x"}}


def vm(phase="", *volumes, **request):
    template = {"metadata": {}, "spec": {"domain": {}, "volumes": [DISK, *volumes]}}
    status = {"memoryDumpRequest": {"claimName": "d", "phase": phase, **request}} if phase else {}
    meta = {"name": "vm", "namespace": "ns", "uid": "u", "generation": 1}
    return {"metadata": meta, "spec": {"template": template}, "status": status}


def vmi(*volumes, **entry):
    status = {"phase": "Running", "volumeStatus": [{"name": "d", "target": "", **entry}] if entry else []}
    return {"metadata": {"name": "vm"}, "spec": {"domain": {}, "volumes": [DISK, *volumes]}, "status": status}


def phase_after(machine, instance):
    request = memory_dump.next_request(machine, instance)
    return None if request is None else request["phase"]


@pytest.mark.parametrize(
    ("machine", "instance", "wanted"),
    [
        (vm("Associating"), vmi(), "Associating"),
        (vm("Associating", DUMP), vmi(), "InProgress"),
        (vm("InProgress", DUMP), vmi(DUMP, phase="Bound", memoryDumpVolume={}), "InProgress"),
        (vm("InProgress", DUMP), vmi(DUMP, phase="MemoryDumpCompleted", memoryDumpVolume={}), "Unmounting"),
        (vm("InProgress", DUMP), vmi(DUMP, phase="MemoryDumpFailed", memoryDumpVolume={}), "Failed"),
        (vm("Unmounting", DUMP), vmi(phase="Detaching"), "Unmounting"),
        (vm("Unmounting", DUMP), vmi(), "Completed"),
        (vm("Unmounting", DUMP), None, "Completed"),
        (vm("Completed", DUMP), vmi(), "Completed"),
        (vm("Completed", DUMP, remove=True), vmi(), "Dissociating"),
        (vm("InProgress", DUMP, remove=True), vmi(DUMP), "Dissociating"),
        (vm("Dissociating", DUMP), vmi(), "Dissociating"),
        (vm("Dissociating"), vmi(), None),
    ],
)
def test_steps(machine, instance, wanted):
    """Each step waits for what it needs: the volume in the template, its entry in the VMI's status, or its going."""
    assert phase_after(machine, instance) == wanted


def test_a_failure_is_told():
    """What went wrong is kept in the request, and marked on the claim."""
    entry = {"phase": "MemoryDumpFailed", "message": "no room", "memoryDumpVolume": {"endTimestamp": "t"}}
    failed = memory_dump.next_request(vm("InProgress", DUMP), vmi(DUMP, **entry))
    assert (failed["message"], failed["endTimestamp"]) == ("no room", "t")
    claim = {"metadata": {"annotations": {}}}
    assert memory_dump.claim_mark(vm("Failed"), claim) == "Memory dump failed"
    assert memory_dump.claim_mark(vm("Completed"), claim) == ""


def test_a_dump_is_no_disk_of_the_machine():
    """No VMI is made with it, plugging leaves it alone, and it needs no restart."""
    with_it = vm("Completed", DUMP)
    assert vmi_template.build(with_it)["spec"]["volumes"] == [DISK]
    assert hotplug.template_changes(with_it, vmi()) == []
    assert hotplug.template_changes(vm(), vmi(DUMP)) == []
    assert restart_required.message(vm()["spec"], with_it["spec"], vmi()) == ""
