"""Migrations of which there is no recording: two at once, too early, in vain, cancelled, as policies want it."""

from tests.recordings import facts
from tests.recordings.scene import Scene

MOVABLE = [{"name": "default", "masquerade": {}}]
ALL = ["Pending", "Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running", "Succeeded"]
WHOLE = {
    "Migration target pod is ready for preparation by virt-handler.": 1,
    "Source node reported migration succeeded": 1,
}


def machine():
    return Scene().vm("Always", interfaces=MOVABLE)


def phases(seen, own="a"):
    return seen.values(f"vmim/{own}", "status.phase")


def told(seen, own="a"):
    return seen.events(f"VirtualMachineInstanceMigration/{own}")


async def test_two_at_once():
    """Of two that are created together the second waits until the first has ended, and then moves the guest back."""
    scene = machine().wait(2).create("vmim", "a", {"vmiName": "vm"}).create("vmim", "b", {"vmiName": "vm"})
    seen = await scene.wait(8).play()
    assert phases(seen) == phases(seen, "b") == ALL
    assert told(seen) == {"Created migration target pod virt-launcher-vm-$2": 1, **WHOLE}
    assert told(seen, "b") == {"Created migration target pod virt-launcher-vm-$3": 1, **WHOLE}
    assert seen.values("vmi/vm", "status.nodeName") == ["node01", "node02", "node01"]
    assert "vmi/vm#2" not in seen.facts.lives
    assert seen.statuses()[2:] == ["Running", "Migrating", "Running", "Migrating", "Running"]
    assert seen.values("vmim/b", "status.migrationState.sourcePod")[-1] == "virt-launcher-vm-$2"


async def test_one_beside_another():
    """One that comes while the nodes are at another fails at once, and knows nothing of the guest."""
    scene = machine().wait(2).create("vmim", "a", {"vmiName": "vm"}).wait(1.2)
    seen = await scene.create("vmim", "b", {"vmiName": "vm"}).wait(4).play()
    assert phases(seen) == ALL
    assert phases(seen, "b") == ["Failed"]
    reason = "VMI is not eligible for migration because another migration job is in progress."
    assert told(seen, "b") == {reason: 1}
    assert seen.values("vmim/b", "status.migrationState.sourcePod") == []
    assert seen.values("vmim/b", "metadata.finalizers")[-1] == facts.ABSENT


async def test_before_the_guest_runs():
    """One that comes too early is Pending until the guest runs."""
    seen = await machine().wait(0.3).create("vmim", "a", {"vmiName": "vm"}).wait(5).play()
    assert phases(seen) == ALL
    life, vmi = seen.facts.lives["vmim/a"], seen.facts.lives["vmi/vm"]
    waited = life.moments["status.phase"][life.fields["status.phase"].index("Scheduling")]
    assert waited >= vmi.moments["status.phase"][vmi.fields["status.phase"].index("Running")]


async def test_the_instance_goes():
    """Migrations go with the instance they are about, those that have ended too."""
    scene = machine().wait(2).create("vmim", "a", {"vmiName": "vm"}).wait(3).delete("vm", "vm")
    seen = await scene.wait(3).play()
    assert phases(seen) == ALL
    assert not seen.there("vmim")


async def test_the_instance_ends_meanwhile():
    """A guest that ends while its target is awaited fails the migration."""
    scene = machine().wait(2).node("behaviour", match="vm$", schedule=None)
    scene.create("vmim", "a", {"vmiName": "vm"}).wait(1).node("guest ends: VMI Succeeded")
    seen = await scene.wait(0.1).play()
    assert phases(seen) == ["Pending", "Scheduling", "Failed"]
    assert told(seen)["Migration failed vmi shutdown during migration."] == 1


async def test_cancelled_before_it_has_a_place():
    """Cancelled while its pod has no node it fails, says so and what became of the pod, and goes."""
    scene = machine().wait(2).node("behaviour", match="vm$", schedule="unschedulable")
    seen = await scene.create("vmim", "a", {"vmiName": "vm"}).wait(1).delete("vmim", "a").wait(3).play()
    assert phases(seen) == ["Pending", "Scheduling", "Failed"]
    pod = "virt-launcher-vm-$2"
    counts = told(seen)
    assert counts.pop("Migration target pod for VMI [$ns/vm] is currently unschedulable.") >= 1
    assert counts == {
        f"Created migration target pod {pod}": 1,
        f"migration canceled and pod $ns/{pod} is deleted": 1,
        "Migration failed due to being canceled": 1,
    }
    (asked,) = seen.values("vmim/a", "status.conditions[migrationAbortRequested]")
    assert asked == {"status": "True", "lastProbeTime": "$t", "lastTransitionTime": None}
    assert not seen.there("vmim")
    assert seen.there("pod") == {"virt-launcher-vm-$1"}
    assert seen.statuses()[-1] == "Running"


async def test_no_place_in_time():
    """A pod that gets no node within the time allowed is deleted, with a word, and the migration fails."""
    scene = machine().wait(2).node("behaviour", match="vm$", schedule="unschedulable")
    marks = {"kubevirt.io/migrationUnschedulablePodTimeoutSeconds": "10"}
    seen = await scene.create("vmim", "a", {"vmiName": "vm"}, annotations=marks).wait(15).play()
    assert phases(seen) == ["Pending", "Scheduling", "Failed"]
    pod = seen.facts.lives["pod/virt-launcher-vm-$2"]
    assert 9 < pod.gone - pod.born <= 11
    assert told(seen)["unschedulable pod $ns/virt-launcher-vm-$2 timeout period exceeded"] == 1
    assert told(seen)["Migration target pod was removed during active migration."] == 1


async def test_the_most_detailed_policy_decides():
    """A policy whose labels fit changes what the nodes are told, and is named; one that fits less is not asked."""
    few = {"selectors": {"virtualMachineInstanceSelector": {"kind": "big"}}, "allowPostCopy": True}
    many = {
        "selectors": {
            "virtualMachineInstanceSelector": {"kind": "big"},
            "namespaceSelector": {"kubernetes.io/metadata.name": "recorded"},
        },
        "bandwidthPerMigration": "64Mi",
        "allowPostCopy": True,
    }
    scene = machine().create("policy", "few", few).create("policy", "many", many).wait(2)
    scene.patch("vmi", "vm", {"metadata": {"labels": {"kind": "big"}}})
    seen = await scene.create("vmim", "a", {"vmiName": "vm"}).wait(4).play()
    state = "status.migrationState"
    assert seen.values("vmi/vm", f"{state}.migrationPolicyName") == ["many"]
    told = {one: seen.values("vmi/vm", f"{state}.migrationConfiguration.{one}") for one in many | few}
    assert told["bandwidthPerMigration"] == ["64Mi"]
    assert told["allowPostCopy"] == [True]
    assert seen.values("vmi/vm", f"{state}.migrationConfiguration.allowWorkloadDisruption") == [True]
    assert seen.values("vmim/a", f"{state}.migrationPolicyName") == ["many"]


async def test_a_guest_is_to_leave():
    """Marked as to leave its node it is moved if its strategy says so; if it cannot move, that is told, not tried."""

    def marked(strategy, interfaces):
        scene = Scene().vm("Always", interfaces=interfaces).wait(2)
        scene.patch("vmi", "vm", {"spec": {"evictionStrategy": strategy}})
        return scene.patch("vmi", "vm", {"status": {"evacuationNodeName": "node01"}}).wait(4)

    seen = await marked("LiveMigrate", MOVABLE).play()
    own = "vmim/kubevirt-evacuation-$1"
    assert phases(seen, "kubevirt-evacuation-$1") == ALL
    assert seen.values(own, "metadata.annotations.kubevirt.io/evacuationMigration") == ["node01"]
    assert seen.events("VirtualMachineInstance/vm", "SuccessfulCreate") == {
        "Created virtual machine pod virt-launcher-vm-$1": 1,
        "Created Migration kubevirt-evacuation-$1": 1,
    }
    (asked,) = seen.values("vmi/vm", "status.conditions[EvictionRequested]")
    assert (asked["status"], asked["message"]) == ("True", "VMI is marked for eviction")
    seen = await marked("LiveMigrate", None).play()
    assert not seen.there("vmim")
    assert set(seen.events("VirtualMachineInstance/vm", "FailedCreate")) == {
        "VirtualMachineInstance is not migrateable"
    }
    for strategy in ("None", "External"):
        assert not (await marked(strategy, MOVABLE).play()).there("vmim")
    assert not (await marked("LiveMigrateIfPossible", None).play()).there("vmim")


async def test_a_guest_that_cannot_leave_is_tried_again():
    """After a failed evacuation the next one is there at once, and waits; the instance is told so."""
    scene = Scene().node("behaviour", match="vm$", mig="fail").vm("Always", interfaces=MOVABLE).wait(2)
    scene.patch("vmi", "vm", {"spec": {"evictionStrategy": "LiveMigrate"}})
    seen = await scene.patch("vmi", "vm", {"status": {"evacuationNodeName": "node01"}}).wait(15).play()
    assert phases(seen, "kubevirt-evacuation-$1") == [*ALL[:-1], "Failed"]
    assert phases(seen, "kubevirt-evacuation-$2") == ["Pending"]
    assert seen.events("VirtualMachineInstance/vm", "MigrationBackoff").keys() == {
        "backoff migrating vmi $ns/vm"
    }
