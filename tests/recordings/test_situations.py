"""Situations of which there is no recording, but a description of what the real controllers did.

Each is played like a recording, with the same node side, and what comes of it is compared with the description.
"""

from itertools import pairwise

from tests.recordings import facts
from tests.recordings.scene import FINALIZER, LABELS, OTHERS, Scene

# Run strategies.


async def test_manual():
    """V-156: a Manual VM starts when asked, keeps its final VMI, and then starts only after a Stop."""
    scene = Scene().vm("Manual").wait(2).request("Start").wait(2).node("guest ends: VMI Succeeded").wait(2)
    seen = await scene.request("Start").wait(3).play()
    assert seen.statuses() == ["Stopped", "Starting", "Running", "Stopped"]
    assert seen.values("vmi/vm", "status.phase")[-1] == "Succeeded"
    assert seen.values("vm/vm", "status.stateChangeRequests")[-1] == [{"action": "Start"}]
    seen = await scene.request("Stop", "Start").wait(3).play()
    assert seen.statuses() == ["Stopped", "Starting", "Running", "Stopped", "Starting", "Running"]
    assert seen.values("vm/vm", "status.stateChangeRequests")[-1] == facts.ABSENT
    assert seen.values("vm/vm", "status.startFailure.consecutiveFailCount") == []


async def test_halted_and_asked_to_start():
    """A Start request makes a Halted VM an Always one, which runs; no failure is told but to the log."""
    seen = await Scene().vm("Halted").wait(1).request("Start").wait(3).play()
    assert seen.values("vm/vm", "status.conditions[Failure]") == []
    assert seen.values("vm/vm", "spec.runStrategy") == ["Halted", "Always"]
    assert seen.statuses() == ["Stopped", "Starting", "Running"]
    assert "vmi/vm#2" not in seen.facts.lives
    assert seen.values("vm/vm", "status.stateChangeRequests")[-1] == facts.ABSENT


async def test_a_vmi_deleted_by_hand():
    """Always and Once make a new VMI, RerunOnFailure and Manual stay stopped."""
    again = ["Stopped", "Starting", "Running", "Stopping", "Stopped"]
    for strategy, more in (
        ("Always", ["Starting", "Running"]),
        ("Once", ["Starting", "Running"]),
        ("RerunOnFailure", []),
    ):
        seen = await Scene().vm(strategy).wait(2).delete("vmi", "vm").wait(3).play()
        assert (strategy, seen.statuses()) == (strategy, [*again, *more])
        assert ("vm" in seen.there("vmi")) is bool(more)
    seen = await Scene().vm("Manual").request("Start").wait(2).delete("vmi", "vm").wait(3).play()
    assert seen.statuses() == again
    assert not seen.there("vmi")


async def test_an_unknown_strategy():
    """A strategy nobody knows is a Failure, and nothing starts."""
    seen = await Scene().vm("Sometimes").wait(2).play()
    assert not seen.facts.lives or seen.values("vm/vm", "status.conditions[Failure]")[-1]["message"] == (
        "unknown runstrategy: Sometimes"
    )
    assert not seen.there("vmi")


async def test_a_migration_is_cancelled():
    """Deleting a migration under way asks the nodes to abort; the guest stays, and runs."""
    scene = Scene().node("behaviour", match="vm$", mig="slow")
    scene.vm("Always", interfaces=[{"name": "default", "masquerade": {}}]).wait(2)
    seen = await scene.create("vmim", "mig", {"vmiName": "vm"}).wait(3).delete("vmim", "mig").wait(3).play()
    assert seen.values("vmi/vm", "status.migrationState.abortRequested") == [True]
    assert seen.values("vmim/mig", "status.phase")[-1] == "Failed"
    told = seen.values("vmim/mig", "status.conditions[migrationAbortRequested]")
    assert [one["status"] for one in told] == ["True"]
    assert seen.facts.lives["vmim/mig"].gone is not None
    assert seen.events("VirtualMachineInstanceMigration/mig", "SuccessfulAbortMigration")
    assert seen.statuses()[-3:] == ["Running", "Migrating", "Running"]
    assert seen.values("vmi/vm", "status.nodeName") == ["node01"]


# Pools.


async def test_a_halted_pool_is_idle():
    """VMs without instances are counted and left alone: one status, one event for each, then silence."""
    seen = await Scene().pool(3).wait(20).play()
    pool = seen.facts.lives["vmpool/seed"]
    assert seen.values("vmpool/seed", "status.replicas") == [3]
    assert seen.values("vmpool/seed", "status.readyReplicas") == []
    assert max(moment for moments in pool.moments.values() for moment in moments) < 2
    assert seen.events("VirtualMachinePool/seed") == {f"Created VM $ns/seed-{n}": 1 for n in range(3)}
    assert seen.statuses("vm/seed-0") == ["Stopped"]
    assert seen.values("vm/seed-0", "metadata.generation") == [1, 2]


async def test_a_matching_vm_is_not_adopted():
    """VMs of nobody are not the pool's, whatever their labels; names that are taken are passed over."""
    seen = await Scene().vm("Halted", name="seed-0", labels=LABELS).pool(2).wait(5).play()
    assert seen.there("vm") == {"seed-0", "seed-1", "seed-2"}
    assert seen.values("vm/seed-0", "metadata.ownerReferences") == []
    assert seen.values("vmpool/seed", "status.replicas") == [2]


async def test_a_vm_loses_its_label():
    """D4: a VM that no longer matches is let go with all its other finalizers, and replaced."""
    gone = {"metadata": {"labels": {"kubevirt.io/vmpool": None}}}
    seen = await Scene().pool(2).wait(3).patch("vm", "seed-1", gone).wait(5).play()
    assert seen.there("vm") == {"seed-0", "seed-1", "seed-2"}
    assert seen.values("vm/seed-1", "metadata.ownerReferences")[-1] == facts.ABSENT
    assert seen.values("vm/seed-1", "metadata.finalizers")[-1] == [OTHERS]
    assert seen.values("vmpool/seed", "status.replicas")[-1] == 2


async def test_a_selector_that_matches_too_few():
    """D2: scale-in deletes those its selector matches, and no others."""
    policy = {"selectors": {"labelSelector": {"matchLabels": {"goes": "first"}}}}
    scene = Scene().pool(3, scaleInStrategy={"proactive": {"selectionPolicy": policy}}).wait(3)
    scene.patch("vm", "seed-1", {"spec": {"template": {"metadata": {"labels": {"goes": "first"}}}}}).wait(2)
    seen = await scene.scale(1).wait(10).play()
    assert seen.there("vm") == {"seed-0", "seed-2"}


async def test_a_pool_is_orphaned():
    """VMs of a pool deleted with Orphan run on without owner and finalizer; a new pool begins at the next free index."""
    scene = Scene().pool(2, "Always").wait(4).delete("vmpool", "seed", "Orphan").wait(4)
    seen = await scene.pool(1, "Always").wait(4).play()
    assert seen.facts.lives["vmpool/seed"].gone is not None
    assert seen.there("vm") == {"seed-0", "seed-1", "seed-2"}
    for own in ("vm/seed-0", "vm/seed-1"):
        assert seen.values(own, "metadata.ownerReferences")[-1] == facts.ABSENT
        assert seen.values(own, "metadata.finalizers")[-1] == [OTHERS]
        assert seen.statuses(own)[-1] == "Running"
    assert seen.values("vmpool/seed#2", "status.replicas") == [1]
    assert "seed-1" not in seen.there("controllerrevision") or "vmpool/seed#2" in seen.facts.lives


async def test_only_the_labels_of_vms_change():
    """Instances of an equal template are not restarted: their revision label follows, within the budget."""
    more = {"metadata": {"labels": {**LABELS, "tier": "gold"}}}
    scene = Scene().pool(3, "Always", maxUnavailable=1, updateStrategy={"proactive": {}}).wait(5)
    changed = {"spec": {"virtualMachineTemplate": more}}
    seen = await scene.patch("vmpool", "seed", changed).wait(20).play()
    for number in range(3):
        assert seen.values(f"vm/seed-{number}", "metadata.labels.tier") == ["gold"]
        label = seen.values(f"vmi/seed-{number}", "metadata.labels.kubevirt.io/vm-pool-revision-name")
        assert label == ["seed-1", "seed-2"]
        assert seen.statuses(f"vm/seed-{number}") == ["Stopped", "Starting", "Running"]
    path = "metadata.labels.kubevirt.io/vm-pool-revision-name"
    moments = sorted(seen.facts.lives[f"vmi/seed-{n}"].moments[path][-1] for n in range(3))
    assert all(2.5 < later - earlier < 3.5 for earlier, later in pairwise(moments))
    assert "seed-1" not in seen.there("controllerrevision")


async def test_no_more_than_a_burst_at_a_time():
    """A pass makes 250 VMs at most; the others come with the next one."""
    seen = await Scene().pool(260).wait(5).play()
    born = sorted(one.born for one in seen.facts.lives.values() if one.resource == "vm")
    assert len(born) == 260
    assert seen.values("vmpool/seed", "status.replicas")[-1] == 260
    assert FINALIZER in seen.values("vm/seed-259", "metadata.finalizers")[-1]
