"""Replica sets of instances: no recording shows them, so they are held against what was observed of them."""

from itertools import pairwise

from tests.recordings import facts
from tests.recordings.scene import LABELS, SPEC, Scene

STARTED = "Started the virtual machine by creating the new virtual machine instance rs$"
SET = "VirtualMachineInstanceReplicaSet/rs"


def replica_set(replicas, **more):
    template = {"metadata": {"labels": LABELS}, "spec": SPEC}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template, **more}
    return Scene().create("vmirs", "rs", spec)


def status(seen, member):
    return seen.values("vmirs/rs", f"status.{member}")


async def test_a_finished_instance_is_replaced():
    """What has ended is replaced in the same moment, and told of by its uid; it counts as no replica."""
    seen = await replica_set(2).wait(3).node("guest ends: VMI Failed").wait(3).play()
    assert seen.events(SET) == {
        **{f"{STARTED}{number}": 1 for number in (1, 2, 3)},
        "Deleted finished virtual machine: $uid(vmi/rs$1)": 1,
    }
    assert status(seen, "replicas") == [2, 1, 2]
    assert status(seen, "readyReplicas")[-3:] == [2, 1, 2]
    assert status(seen, "labelSelector") == ["kubevirt.io/vmpool=seed"]
    assert seen.values("vmi/rs$1", "metadata.finalizers") == [["kubevirt.io/foregroundDeleteVirtualMachine"]]
    assert seen.there("vmi") == {"rs$2", "rs$3"}


async def test_scaled_in():
    """Those that are too many are stopped; while they end they are no replicas any more."""
    seen = (
        await replica_set(3).wait(3).patch("vmirs", "rs", {"spec": {"replicas": 1}}, "scale").wait(3).play()
    )
    told = seen.events(SET, "SuccessfulDelete")
    stopped = "Stopped the virtual machine by deleting the virtual machine instance $uid(vmi/rs$"
    assert len(told) == 2
    assert all(message.startswith(stopped) for message in told)
    assert (status(seen, "replicas"), status(seen, "readyReplicas")[-1]) == ([3, 1], 1)
    assert len(seen.there("vmi")) == 1


async def test_paused_and_resumed():
    """Paused it follows, and does nothing; the condition says so, and goes."""
    scene = replica_set(1).wait(2).patch("vmirs", "rs", {"spec": {"paused": True, "replicas": 2}}).wait(2)
    seen = await scene.patch("vmirs", "rs", {"spec": {"paused": False}}).wait(2).play()
    paused, gone = status(seen, "conditions[ReplicaPaused]")
    assert paused == {
        "status": "True",
        "reason": "Paused",
        "message": "Controller got paused",
        "lastProbeTime": None,
        "lastTransitionTime": "$t",
    }
    assert gone == facts.ABSENT
    assert seen.events(SET, "SuccessfulPaused") == {"Paused": 1}
    assert seen.events(SET, "SuccessfulResumed") == {"Resumed": 1}
    assert status(seen, "replicas") == [1, 2]


async def test_an_instance_loses_its_label():
    """What matches no more is let go and replaced; given the label back it is taken in again, and one is too many."""
    scene = (
        replica_set(1).wait(2).patch("vmi", "$vmi", {"metadata": {"labels": {"kubevirt.io/vmpool": None}}})
    )
    scene.wait(2)
    seen = await scene.play()
    assert seen.values("vmi/rs$1", "metadata.ownerReferences")[-1] == facts.ABSENT
    assert seen.there("vmi") == {"rs$1", "rs$2"}
    assert status(seen, "replicas") == [1, facts.ABSENT, 1]
    seen = await scene.patch("vmi", "$vmi", {"metadata": {"labels": LABELS}}).wait(3).play()
    assert len(seen.there("vmi")) == 1
    assert status(seen, "replicas")[-2:] == [2, 1]


async def test_creation_is_refused():
    """Each that is refused is told of, the condition says why as long as it lasts, and then they are made."""
    scene = Scene().node("policy: CREATE of VMIs denied")
    scene.steps += replica_set(2).steps
    seen = await scene.wait(1).node("policy gone").wait(4).play()
    told = seen.events(SET, "FailedCreate")
    assert all("Error creating virtual machine instance: virtualmachineinstances.kub" in one for one in told)
    assert sum(told.values()) % 2 == 0, "both are tried each time"
    failed, gone = status(seen, "conditions[ReplicaFailure]")
    assert (failed["status"], failed["reason"], failed["lastProbeTime"]) == ("True", "FailedCreate", None)
    assert failed["message"].endswith("denied request: no instances")
    assert gone == facts.ABSENT
    assert status(seen, "replicas") == [2]


async def test_deletions():
    """With Foreground it goes last and says that nothing is left, with Orphan its instances run on."""
    seen = await replica_set(2).wait(2).delete("vmirs", "rs", "Foreground").wait(3).play()
    assert not seen.there("vmirs") | seen.there("vmi") | seen.there("pod")
    assert status(seen, "replicas") == [2, facts.ABSENT]
    ends = [seen.facts.lives[own].gone for own in ("vmi/rs$1", "vmi/rs$2", "vmirs/rs")]
    assert all(earlier <= later for earlier, later in pairwise(sorted(ends[:2]) + ends[2:]))
    seen = await replica_set(2).wait(2).delete("vmirs", "rs", "Orphan").wait(3).play()
    assert (seen.there("vmirs"), seen.there("vmi")) == (set(), {"rs$1", "rs$2"})
    assert seen.values("vmi/rs$1", "metadata.ownerReferences")[-1] == facts.ABSENT
    assert seen.values("vmi/rs$1", "status.phase")[-1] == "Running"


async def test_a_selector_that_does_not_match(caplog):
    """A set whose template does not match its selector does nothing, and says so in the log only."""
    seen = await replica_set(2, selector={"matchLabels": {"other": "label"}}).wait(2).play()
    assert not seen.there("vmi")
    assert not [path for path in seen.facts.lives["vmirs/rs"].fields if path.startswith("status")]
    assert seen.events(SET) == {}
    assert "Selector does not match template labels, will not re-enqueue." in caplog.text
