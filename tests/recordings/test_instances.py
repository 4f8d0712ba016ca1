"""Instances that never get to run: without a claim, without a place, with a launcher that fails; with a machine and without."""

from tests.recordings import facts
from tests.recordings.scene import SPEC, Scene
from tests.recordings.test_machines import with_volumes

HELD = "kubevirt.io/foregroundDeleteVirtualMachine"
NO_CLAIM = {
    **SPEC,
    "domain": {**SPEC["domain"], "devices": {"disks": [{"disk": {"bus": "virtio"}, "name": "root"}]}},
    "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": "nope"}}],
}


def phases(seen):
    return seen.values("vmi/vm", "status.phase")


def reasons(seen, kind):
    listed = seen.values("vmi/vm", f"status.conditions[{kind}]")
    return [one if one == facts.ABSENT else one.get("reason") for one in listed]


async def test_deleted_while_its_claim_is_awaited():
    """It has failed before it goes, its trouble is over, and that it has no place is still said."""
    seen = await Scene().create("vmi", "vm", NO_CLAIM).wait(1).delete("vmi", "vm").wait(1).play()
    assert phases(seen) == ["Pending", "Failed"]
    assert reasons(seen, "Synchronized") == ["FailedPvcNotFound", facts.ABSENT]
    assert reasons(seen, "PodScheduled") == ["Unschedulable"]
    assert reasons(seen, "Ready") == ["PodNotExists"]
    assert not seen.there("vmi")


async def test_machine_stopped_while_its_claim_is_awaited():
    """The machine is Stopped in the end, and counts nothing: it is no longer meant to run."""
    scene = Scene().create("vm", "vm", {"runStrategy": "Always", "template": {"spec": NO_CLAIM}}).wait(1)
    seen = await scene.patch("vm", "vm", {"spec": {"runStrategy": "Halted"}}).wait(2).play()
    statuses = seen.statuses()
    assert statuses[:4] == ["Stopped", "Starting", "ErrorPvcNotFound", "Stopping"]
    assert statuses[-1] == "Stopped"
    assert seen.values("vm/vm", "status.startFailure.consecutiveFailCount") == []


async def test_deleted_without_a_place():
    """An instance on its own that found no node fails, and then goes with its launcher."""
    scene = Scene().node("behaviour", match="vm$", schedule="unschedulable").create("vmi", "vm", SPEC)
    seen = await scene.wait(1).delete("vmi", "vm").wait(1).play()
    assert phases(seen) == ["Pending", "Scheduling", "Failed"]
    assert seen.values("vmi/vm", "status.launcherContainerImageVersion")[0] != facts.ABSENT
    assert not seen.there("vmi") | seen.there("pod")
    assert [one["phase"] for one in seen.values("vmi/vm", "status.phaseTransitionTimestamps")[-1]] == [
        "Pending",
        "Scheduling",
        "Failed",
    ]


async def test_a_launcher_that_fails():
    """A failed instance on its own stays as it is, with its launcher, until somebody deletes it."""
    scene = Scene().node("behaviour", match="vm$", pod="fail").create("vmi", "vm", SPEC).wait(3)
    seen = await scene.play()
    assert (phases(seen), reasons(seen, "Ready")) == (
        ["Pending", "Scheduling", "Failed"],
        ["GuestNotRunning", "PodTerminating"],
    )
    assert (seen.there("vmi"), seen.there("pod")) == ({"vm"}, {"virt-launcher-vm-$1"})
    assert seen.values("vmi/vm", "metadata.finalizers") == [[HELD]]
    seen = await scene.delete("vmi", "vm").wait(1).play()
    assert not seen.there("vmi") | seen.there("pod")


async def test_the_first_consumer_has_no_place():
    """What keeps the pod that only binds a volume from a node is told of the instance, too."""
    scene = Scene().node("behaviour", match="root$", dv="wffc")
    scene.node("behaviour", match="vm$", schedule="unschedulable")
    seen = await scene.create("vm", "vm", with_volumes()).wait(2).play()
    assert phases(seen) == ["Pending"]
    assert reasons(seen, "PodScheduled") == ["Unschedulable"]
    assert seen.statuses() == ["Stopped", "Provisioning", "WaitingForVolumeBinding", "ErrorUnschedulable"]


async def test_the_first_consumer_fails():
    """When the pod that only binds a volume fails, so has the instance, which is still being provisioned."""
    scene = Scene().node("behaviour", match="root$", dv="wffc").node("behaviour", match="vm$", pod="fail")
    seen = await scene.create("vm", "vm", with_volumes()).wait(3).play()
    assert phases(seen) == ["Pending", "Failed"]
    assert [one["status"] for one in seen.values("vmi/vm", "status.conditions[Provisioning]")] == ["True"]
    assert seen.values("vm/vm", "status.startFailure.consecutiveFailCount") == [1]
