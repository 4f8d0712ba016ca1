"""VMs from creation to deletion: the sequences of values, events and texts recorded from the real virt-controller."""

import pytest

from fakekube.machinery.errors import Forbidden
from fakekube.machinery.objects import annotations, condition, dig, finalizers, uid
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    VMI_REPLICA_SETS,
)

NS = "default"
STARTED = "Started the virtual machine by creating the new virtual machine instance vm"
NOT_RUNNING, MISSING = ("False", "GuestNotRunning"), ("False", "VMIConditionMissing")
NO_VMI, ENDING, READY = ("False", "VMINotExists"), ("False", "PodTerminating"), ("True", "")


def stopped(vmi):
    return f"Stopped the virtual machine by deleting the virtual machine instance {uid(vmi)}"


async def test_start(world):
    """V-044, V-063, V-068, V-242: Stopped, Starting, Running, ready, in this order, and then silence."""
    await world.running_vm()
    assert world.statuses() == [None, "Stopped", "Starting", "Running"]
    assert world.ready_history(VIRTUAL_MACHINES) == [None, NO_VMI, MISSING, NOT_RUNNING, READY]
    assert world.history(VIRTUAL_MACHINES, "vm", "status", "created") == [None, True]
    assert world.history(VIRTUAL_MACHINES, "vm", "status", "runStrategy") == [None, "Always"]
    assert world.events("vm", "VirtualMachine") == [("Normal", "SuccessfulCreate", STARTED, 1)]
    written = world.api.store.revision
    await world.elapse(30)
    assert world.api.store.revision == written


def first(world, kind, shown):
    """The version of the first object of a kind that shows something."""
    versions = [
        int(new["metadata"]["resourceVersion"])
        for _, of, _, new in world.changes
        if of == kind and new is not None and shown(new)
    ]
    assert versions, "it never does"
    return min(versions)


def says(kind, status, reason=""):
    """Whether an object has a condition that says so."""
    return lambda obj: (
        (told := condition(obj, kind)) is not None
        and (told["status"], told.get("reason", "")) == (status, reason)
    )


async def test_every_step_of_a_start(world):
    """V-242: from the VM to its ready guest, every step is seen, in the order in which one causes the next."""
    await world.running_vm()
    vm, vmi, pod = VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES, PODS
    steps = [
        (vm, lambda obj: finalizers(obj) and "kubevirt.io/latest-observed-api-version" in annotations(obj)),
        (vmi, lambda obj: dig(obj, "status", "phase") == "Pending"),
        (pod, lambda obj: dig(obj, "status", "phase") == "Pending"),
        (vmi, lambda obj: dig(obj, "status", "phase") == "Scheduling"),
        (pod, lambda obj: dig(obj, "spec", "nodeName")),
        (pod, lambda obj: dig(obj, "status", "phase") == "Running"),
        (vmi, lambda obj: dig(obj, "status", "phase") == "Scheduled" and dig(obj, "status", "nodeName")),
        (vmi, lambda obj: dig(obj, "status", "phase") == "Running" and condition(obj, "LiveMigratable")),
        (vmi, says("Ready", "True")),
        (vm, says("Ready", "True")),
    ]
    seen = [first(world, kind, shown) for kind, shown in steps]
    assert seen == sorted(set(seen))
    gate = first(world, pod, says("kubevirt.io/virtual-machine-unpaused", "True", "NotPaused"))
    assert gate < first(world, pod, says("Ready", "True")) < first(world, vmi, says("Ready", "True"))
    running = first(world, vm, lambda obj: dig(obj, "status", "printableStatus") == "Running")
    assert running < seen[-1], "it runs before it is ready"


async def test_marks(world):
    """V-045, V-046: both observed versions and the finalizer are on the VM."""
    await world.running_vm()
    assert annotations(world.vm()) == {
        "kubevirt.io/latest-observed-api-version": "v1",
        "kubevirt.io/storage-observed-api-version": "v1",
    }
    assert finalizers(world.vm()) == ["kubevirt.io/virtualMachineControllerFinalize"]


async def test_firmware_makes_generation_two(world):
    """V-049: the derived firmware UUID is written back, so that typically desired is 2 and observed 1."""
    vmi = await world.running_vm()
    derived = "d633a622-2335-5606-93ae-d432b7c7f2d2"
    for spec in (vmi["spec"], world.vm()["spec"]["template"]["spec"]):
        assert spec["domain"]["firmware"]["uuid"] == derived
    status = world.vm()["status"]
    assert (status["desiredGeneration"], status["observedGeneration"]) == (2, 1)
    assert condition(world.vm(), "RestartRequired") is None


async def test_revision(world):
    """V-048: the ControllerRevision the VMI names exists, owned by the VM; the next start replaces it."""
    vmi = await world.running_vm()
    own = f"revision-start-vm-{uid(world.vm())}-1"
    assert vmi["status"]["virtualMachineRevisionName"] == own
    stored = await world.client.get(CONTROLLER_REVISIONS, own, NS)
    assert stored["metadata"]["ownerReferences"][0]["uid"] == uid(world.vm())
    await world.end_guest("Succeeded")
    await world.until(lambda: world.vmi() and uid(world.vmi()) != uid(vmi))
    revisions = await world.client.list(CONTROLLER_REVISIONS, NS)
    assert [one["metadata"]["name"] for one in revisions.items] == [f"revision-start-vm-{uid(world.vm())}-2"]


async def test_snapshot_statuses(world):
    """V-092: a containerDisk cannot be snapshotted, in upstream's words."""
    await world.running_vm()
    reason = "Snapshot is not supported for this volumeSource type [containerdisk]"
    wanted = [{"enabled": False, "name": "containerdisk", "reason": reason}]
    assert world.vm()["status"]["volumeSnapshotStatuses"] == wanted


async def test_halted(world):
    """V-043: a halted VM is only looked at: Stopped, not ready, no VMI, no run strategy in its status."""
    await world.create_vm(strategy="Halted")
    await world.settle()
    assert world.vmi() is None
    status = world.vm()["status"]
    assert (status["printableStatus"], status.keys() & {"created", "ready", "runStrategy"}) == (
        "Stopped",
        set(),
    )
    assert world.ready_history(VIRTUAL_MACHINES) == [None, NO_VMI]


@pytest.mark.parametrize(
    ("phase", "stopped_event"),
    [
        ("Succeeded", ("Normal", "Stopped", "The VirtualMachineInstance was shut down.", 1)),
        ("Failed", ("Warning", "Stopped", "The VirtualMachineInstance crashed.", 1)),
    ],
)
async def test_always_restarts(world, phase, stopped_event):
    """V-050, V-051, V-087: a guest that ends is replaced, never through Stopping, and counts as no failed start."""
    first = await world.running_vm()
    await world.end_guest(phase)
    await world.until(lambda: world.is_ready() and uid(world.vmi()) != uid(first))
    assert world.statuses() == [None, "Stopped", "Starting", "Running", "Stopped", "Starting", "Running"]
    assert world.history(VIRTUAL_MACHINES, "vm", "status", "startFailure") == [None]
    told = [("Normal", "SuccessfulCreate", STARTED, 2), ("Normal", "SuccessfulDelete", stopped(first), 1)]
    assert world.events("vm", "VirtualMachine") == told
    assert stopped_event in world.events("vm", "VirtualMachineInstance")
    assert len(world.pods()) == 1


async def test_deleted_by_hand(world):
    """V-050: a VMI somebody deletes is made again."""
    first = await world.running_vm()
    await world.client.delete(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
    await world.until(lambda: world.is_ready() and uid(world.vmi()) != uid(first))
    assert world.statuses()[3:] == ["Running", "Stopping", "Stopped", "Starting", "Running"]


async def test_stop_and_start(world):
    """V-058, V-064, V-089: Halted stops through Stopping; what the VMI said last stays; Always starts again."""
    first = await world.running_vm()
    await world.patch_vm({"runStrategy": "Halted"})
    await world.until(lambda: world.vmi() is None)
    await world.settle()
    assert world.statuses()[3:] == ["Running", "Stopping", "Stopped"]
    assert world.ready_history(VIRTUAL_MACHINES)[-3:] == [READY, ENDING, NO_VMI]
    assert condition(world.vm(), "LiveMigratable")["reason"] == "InterfaceNotLiveMigratable"
    assert world.vm()["status"].keys() & {"created", "ready"} == set()
    assert world.vm()["status"]["runStrategy"] == "Halted"
    assert world.events("vm", "VirtualMachine")[1] == ("Normal", "SuccessfulDelete", stopped(first), 1)
    await world.patch_vm({"runStrategy": "Always"})
    await world.until(world.is_ready)
    assert world.statuses()[5:] == ["Stopped", "Starting", "Running"]


async def test_strategy_alone_is_no_new_generation(world):
    """V-064: editing only the strategy of a restarted VM keeps observed and desired generation equal."""
    first = await world.running_vm()
    await world.end_guest("Succeeded")
    await world.until(lambda: world.is_ready() and uid(world.vmi()) != uid(first))
    await world.patch_vm({"runStrategy": "RerunOnFailure"})
    await world.settle()
    status = world.vm()["status"]
    assert (
        status["observedGeneration"]
        == status["desiredGeneration"]
        == world.vm()["metadata"]["generation"]
        == 3
    )
    assert annotations(world.vmi())["kubevirt.io/vm-generation"] == "3"


@pytest.mark.parametrize("mark", [None, "2b3c", "9" * 5000], ids=["none", "no number", "too long"])
@pytest.mark.parametrize(("changes", "observed"), [(False, 3), (True, 2)])
async def test_generation_from_the_revision(world, mark, changes, observed):
    """A guest without the mark of its generation gets it again: the machine's if its template is the same, else its revision's."""
    first = await world.running_vm()
    await world.end_guest("Succeeded")
    await world.until(lambda: world.is_ready() and uid(world.vmi()) != uid(first))
    made_from = world.vm()["metadata"]["generation"]
    mark_of = {"metadata": {"annotations": {"kubevirt.io/vm-generation": mark}}}
    await world.client.patch(VIRTUAL_MACHINE_INSTANCES, "vm", NS, mark_of, type="merge")
    await world.patch_vm(
        {"template": {"spec": {"terminationGracePeriodSeconds": 5}}} if changes else {"runStrategy": "Manual"}
    )
    await world.settle()
    status = world.vm()["status"]
    assert (status["observedGeneration"], status["desiredGeneration"]) == (observed, made_from + 1)
    assert annotations(world.vmi())["kubevirt.io/vm-generation"] == str(observed)


async def test_delete(world):
    """V-072, V-221, V-225: Terminating until the VMI is gone, then the VM; its revisions go with it."""
    await world.running_vm()
    await world.client.delete(VIRTUAL_MACHINES, "vm", NS)
    await world.until(lambda: world.vm() is None)
    assert world.vmi() is None
    assert world.statuses()[3:] == ["Running", "Terminating"]
    gone = [
        resource
        for _, resource, _, new in world.changes
        if new is None and resource in (VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES)
    ]
    assert gone == [VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES]
    await world.until(lambda: not world.pods())
    assert (await world.client.list(CONTROLLER_REVISIONS, NS)).items == []


async def test_what_goes_with_it(world):
    """V-225: the DataVolumes of a VM go with it, and their claims with them."""
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    template = {"metadata": {"name": "root"}, "spec": {"source": {"blank": {}}, "storage": storage}}
    await world.running_vm(
        volumes=[{"name": "root", "dataVolume": {"name": "root"}}], dataVolumeTemplates=[template]
    )
    kinds = (DATA_VOLUMES, PERSISTENT_VOLUME_CLAIMS, CONTROLLER_REVISIONS)
    assert [len((await world.client.list(kind, NS)).items) for kind in kinds] == [1, 1, 1]
    await world.client.delete(VIRTUAL_MACHINES, "vm", NS)
    await world.until(lambda: world.vm() is None and not world.pods())
    await world.elapse(5)
    assert [(await world.client.list(kind, NS)).items for kind in kinds] == [[], [], []]


async def test_collected_data_volumes(world):
    """A DataVolume that was taken away once its claim was filled is not made anew."""
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    template = {"metadata": {"name": "root"}, "spec": {"source": {"blank": {}}, "storage": storage}}
    marks = {"cdi.kubevirt.io/garbageCollected": "true"}
    await world.client.create(
        PERSISTENT_VOLUME_CLAIMS,
        {"metadata": {"name": "root", "namespace": NS, "annotations": marks}, "spec": storage},
    )
    await world.settle()
    await world.running_vm(
        volumes=[{"name": "root", "dataVolume": {"name": "root"}}], dataVolumeTemplates=[template]
    )
    assert (await world.client.list(DATA_VOLUMES, NS)).items == []


async def test_order_of_ending(world):
    """V-131, V-132: pod under deletion, VMI final, pod gone, VMI gone; the foreground finalizer leaves last."""
    await world.running_vm()
    await world.patch_vm({"runStrategy": "Halted"})
    await world.until(lambda: world.vmi() is None)
    held = world.told(VIRTUAL_MACHINE_INSTANCES, "vm", finalizers)
    both = ["kubevirt.io/virtualMachineControllerFinalize", "kubevirt.io/foregroundDeleteVirtualMachine"]
    assert held == [both, both[1:]]
    gone = [
        resource
        for _, resource, _, new in world.changes
        if new is None and resource in (PODS, VIRTUAL_MACHINE_INSTANCES)
    ]
    assert gone == [PODS, VIRTUAL_MACHINE_INSTANCES]


async def test_rerun_on_failure(world):
    """V-053, V-054: the first start needs no request; a crash queues Start and is answered by a new VMI."""
    first = await world.running_vm(strategy="RerunOnFailure")
    await world.end_guest("Failed")
    await world.until(lambda: world.is_ready() and uid(world.vmi()) != uid(first))
    assert world.history(VIRTUAL_MACHINES, "vm", "status", "stateChangeRequests") == [
        None,
        [{"action": "Start"}],
        None,
    ]


async def test_rerun_after_shutdown(world):
    """V-052: a guest that shut down is removed and stays so."""
    await world.running_vm(strategy="RerunOnFailure")
    await world.end_guest("Succeeded")
    await world.until(lambda: world.vmi() is None)
    await world.elapse(60)
    assert (world.vmi(), world.status()) == (None, "Stopped")


async def test_manual(world):
    """V-055, V-056: Manual starts on request, drops it then, and keeps the final VMI."""
    await world.create_vm(strategy="Manual")
    await world.settle()
    assert world.vmi() is None
    request = [{"op": "add", "path": "/status/stateChangeRequests", "value": [{"action": "Start"}]}]
    await world.client.patch(VIRTUAL_MACHINES, "vm", NS, request, type="json", subresource="status")
    await world.until(world.is_ready)
    assert "stateChangeRequests" not in world.vm()["status"]
    await world.end_guest("Succeeded")
    await world.elapse(60)
    assert world.vmi()["status"]["phase"] == "Succeeded"
    assert (world.status(), world.vm()["status"]["created"]) == ("Stopped", True)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_once(world, phase):
    """V-057: Once starts, and whatever comes of it stays."""
    first = await world.running_vm(strategy="Once")
    await world.end_guest(phase)
    await world.elapse(600)
    assert (uid(world.vmi()), world.vmi()["status"]["phase"], world.status()) == (
        uid(first),
        phase,
        "Stopped",
    )


async def test_restart_requests(world):
    """V-062: Stop with the VMI's uid and Start make exactly one new VMI and leave an empty queue."""
    first = await world.running_vm()
    requests = [{"action": "Stop", "uid": uid(first)}, {"action": "Start"}]
    patch = [{"op": "add", "path": "/status/stateChangeRequests", "value": requests}]
    await world.client.patch(VIRTUAL_MACHINES, "vm", NS, patch, type="json", subresource="status")
    await world.until(lambda: world.is_ready() and uid(world.vmi()) != uid(first))
    await world.elapse(30)
    assert len(world.told(VIRTUAL_MACHINE_INSTANCES, "vm", uid)) == 2
    assert "stateChangeRequests" not in world.vm()["status"]


async def test_stop_request_for_another(world):
    """V-061: a Stop for another VMI is dropped, the VMI runs on."""
    first = await world.running_vm()
    patch = [
        {"op": "add", "path": "/status/stateChangeRequests", "value": [{"action": "Stop", "uid": "other"}]}
    ]
    await world.client.patch(VIRTUAL_MACHINES, "vm", NS, patch, type="json", subresource="status")
    await world.elapse(5)
    assert uid(world.vmi()) == uid(first)
    assert "stateChangeRequests" not in world.vm()["status"]


async def test_paused_start(world):
    """V-059: a paused start of a halted VM puts Always into the spec and ends in Paused, the VMI in startStrategy."""
    await world.create_vm(strategy="Halted")
    await world.settle()
    request = {"action": "Start", "data": {"paused": "true"}}
    patch = [{"op": "add", "path": "/status/stateChangeRequests", "value": [request]}]
    await world.client.patch(VIRTUAL_MACHINES, "vm", NS, patch, type="json", subresource="status")
    await world.until(lambda: world.status() == "Paused")
    assert world.vm()["spec"]["runStrategy"] == "Always"
    assert world.vmi()["spec"]["startStrategy"] == "Paused"
    assert condition(world.vm(), "Failure") is None


async def test_crash_loop(world):
    """V-081, V-083, V-084, F-01: failing launchers count, the next try waits; a guest that runs ends the counting."""
    await world.create_vm(marks={"pod": "fail"})
    await world.until(lambda: world.status() == "CrashLoopBackOff")
    await world.until(lambda: world.vmi() is None)
    failure = world.vm()["status"]["startFailure"]
    assert failure["consecutiveFailCount"] == 1
    tried = world.clock.monotonic()
    await world.until(lambda: dig(world.vm(), "status", "startFailure", "consecutiveFailCount") == 2)
    assert 10 <= world.clock.monotonic() - tried <= 16
    await world.patch_vm({"template": {"metadata": {"annotations": {"pod": None}}}})
    await world.until(world.is_ready, seconds=90)
    assert "startFailure" not in world.vm()["status"]
    phases = world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase")
    assert phases == [
        *["Pending", "Scheduling", "Failed"] * 2,
        "Pending",
        "Scheduling",
        "Scheduled",
        "Running",
    ]
    sequence = [None, "Stopped", *["Starting", "CrashLoopBackOff"] * 2, "Starting", "Running"]
    assert world.statuses() == sequence


async def test_crash_loop_forgotten(world):
    """V-085: Halted forgets the failed starts."""
    await world.create_vm(marks={"pod": "fail"})
    await world.until(lambda: world.status() == "CrashLoopBackOff")
    await world.patch_vm({"runStrategy": "Halted"})
    await world.until(lambda: world.status() == "Stopped")
    assert "startFailure" not in world.vm()["status"]


async def test_template_change(world):
    """V-065, V-066: a change that needs a restart is told until the next start, or until it is taken back."""
    await world.running_vm()
    await world.patch_vm({"template": {"spec": {"terminationGracePeriodSeconds": 5}}})
    await world.settle()
    told = condition(world.vm(), "RestartRequired")
    assert (told["status"], told["message"]) == (
        "True",
        "a non-live-updatable field was changed in the template spec",
    )
    assert world.vm()["status"]["desiredGeneration"] > world.vm()["status"]["observedGeneration"]
    await world.patch_vm({"template": {"spec": {"terminationGracePeriodSeconds": 0}}})
    await world.settle()
    assert condition(world.vm(), "RestartRequired") is None
    await world.patch_vm({"template": {"spec": {"domain": {"memory": {"guest": "256Mi"}}}}})
    await world.settle()
    message = "memory updated in template spec. Memory-hotplug is only available for migratable VMs"
    assert condition(world.vm(), "RestartRequired")["message"] == message
    first = world.vmi()
    await world.end_guest("Succeeded")
    await world.until(lambda: world.is_ready() and uid(world.vmi()) != uid(first))
    assert condition(world.vm(), "RestartRequired") is None
    assert world.vmi()["status"]["memory"]["memoryOverhead"] == "288Mi"


async def test_orphan_and_adoption(world):
    """V-222, V-223: deleted with Orphan the VM goes and the VMI runs on; a VM of the same name takes it over."""
    vmi = await world.running_vm()
    await world.client.delete(VIRTUAL_MACHINES, "vm", NS, propagation="Orphan")
    await world.until(lambda: world.vm() is None)
    await world.until(lambda: not world.vmi()["metadata"].get("ownerReferences"))
    await world.elapse(30)
    assert world.vmi()["status"]["phase"] == "Running"
    await world.create_vm()
    await world.until(world.is_ready)
    assert uid(world.vmi()) == uid(vmi)
    assert world.vmi()["metadata"]["ownerReferences"][0]["uid"] == uid(world.vm())


async def test_somebody_elses_vmi(world):
    """V-224: a VMI of the same name that a replica set controls is left alone, whatever the VM's strategy."""
    domain = {"devices": {}, "memory": {"guest": "128Mi"}, "resources": {}}
    template = {"metadata": {"labels": {"set": "rs"}}, "spec": {"domain": domain}}
    sized = {"replicas": 1, "selector": {"matchLabels": {"set": "rs"}}, "template": template}
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceReplicaSet"}
    owning = {**kind, "metadata": {"name": "rs", "namespace": NS}, "spec": {**sized, "paused": True}}
    owning = await world.client.create(VMI_REPLICA_SETS, owning)
    owner = {**kind, "name": "rs", "uid": uid(owning), "controller": True}
    meta = {"name": "vm", "namespace": NS, "labels": {"set": "rs"}, "ownerReferences": [owner]}
    spec = {"domain": {"devices": {}, "memory": {"guest": "128Mi"}, "resources": {}}}
    vmi = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": meta, "spec": spec}
    made = await world.client.create(VIRTUAL_MACHINE_INSTANCES, vmi)
    await world.create_vm(strategy="Halted")
    await world.elapse(5)
    for strategy in ("Halted", "Always"):
        await world.patch_vm({"runStrategy": strategy})
        await world.elapse(30)
        assert uid(world.vmi()) == uid(made)
        assert "deletionTimestamp" not in world.vmi()["metadata"]
        assert [one["kind"] for one in world.vmi()["metadata"]["ownerReferences"]] == [kind["kind"]]
        assert world.vm()["status"].keys() & {"created", "ready"} == set()


async def test_creation_refused(world):
    """V-091, F-12: a refused VMI is told as Failure and event, and tried again."""
    create = world.client.create

    async def refusing(resource, obj, *args, **kwargs):
        if resource == VIRTUAL_MACHINE_INSTANCES:
            raise Forbidden("no VMIs today")
        return await create(resource, obj, *args, **kwargs)

    world.client.create = refusing
    await world.create_vm()
    await world.settle()
    told = condition(world.vm(), "Failure")
    assert (told["reason"], told["message"]) == ("FailedCreate", "Failure while starting VMI: no VMIs today")
    assert world.status() == "Stopped"
    kind, reason, message, _ = world.events("vm", "VirtualMachine")[0]
    assert (kind, reason, message) == (
        "Warning",
        "FailedCreate",
        "Error creating virtual machine instance: no VMIs today",
    )
    world.client.create = create
    await world.until(world.is_ready)
    assert condition(world.vm(), "Failure") is None
