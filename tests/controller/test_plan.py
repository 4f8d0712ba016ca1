"""The plan as a whole: which actions a snapshot leads to, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import plan, spec
from controller.actions import (
    AddPoolFinalizer,
    CreateRevision,
    CreateVM,
    DeleteRevision,
    DeleteVM,
    DisownVM,
    RelabelVMI,
    ReleaseVM,
    RemovePoolFinalizer,
    ReplaceVM,
    RestartVMI,
    UpdateVM,
)
from controller.updating import RECHECK
from fakekube.machinery import selectors

SELECTOR = selectors.from_object({"matchLabels": {"app": "p"}})


def actions(seen, kind=object, **more):
    todo = plan.decide(seen, SELECTOR, **more)
    return [action for stage in todo.stages for action in stage.actions if isinstance(action, kind)]


def names(actions):
    return [getattr(action, "vm", None)["metadata"]["name"] for action in actions]


# Scale-out


def test_an_empty_pool_gets_a_revision_and_then_its_vms(world):
    """P-044, P-066: the revision first, then the VMs naming it."""
    found = actions(world.seen(world.pool(), stored=[]))
    assert found == [CreateRevision("p-1"), *(CreateVM("p-1", i) for i in range(3))]


def test_missing_vms_take_free_names(world):
    """P-045, P-047, P-076: only what is missing, under names nobody has."""
    pool = world.pool(replicas=5)
    seen = world.seen(pool, [world.vm(pool, 1), world.vm(pool, 3)], taken={1, 2, 3})
    assert actions(seen) == [CreateVM("p-1", 0), CreateVM("p-1", 4), CreateVM("p-1", 5)]


def test_at_most_a_burst_at_a_time(world):
    """P-078, P-089: 250 in one pass, and the next pass follows at once."""
    todo = plan.decide(world.seen(world.pool(replicas=300), stored=[]), SELECTOR)
    assert sum(isinstance(one, CreateVM) for stage in todo.stages for one in stage.actions) == 250
    assert todo.revisit == plan.AT_ONCE
    pool = world.pool(replicas=0)
    seen = world.seen(pool, [world.vm(pool, i) for i in range(25)])
    assert len(actions(seen, DeleteVM, burst=10)) == 10


def test_scaling_out_has_priority_over_updates(world):
    """P-083, P-141: new VMs come from the new template; the old ones wait until the number is right."""
    old, new = world.pool(), world.pool(template=world.template("2Gi"), generation=2)
    seen = world.seen(new, [world.vm(old, 0)], stored=[world.revision(old)])
    assert actions(seen) == [CreateRevision("p-2"), CreateVM("p-2", 1), CreateVM("p-2", 2)]


def test_terminating_vms_are_present(world):
    """P-048, P-119: no replacement before the VM is gone; it is let go."""
    pool = world.pool()
    vms = [world.vm(pool, 0), world.vm(pool, 1), world.vm(pool, 2, terminating=True)]
    assert actions(world.seen(pool, vms)) == [ReleaseVM(vms[2])]


# Scale-in


def test_scaling_in_deletes_the_difference(world):
    """P-086, P-087, P-092: exactly as many as are too many, in the policy's order."""
    policy = {"proactive": {"selectionPolicy": {"sortPolicy": "DescendingOrder"}}}
    pool = world.pool(replicas=2, scaleInStrategy=policy)
    vms = [world.vm(pool, i) for i in range(5)]
    assert names(actions(world.seen(pool, vms), DeleteVM)) == ["p-4", "p-3", "p-2"]


@pytest.mark.parametrize("strategy", ["unmanaged", "opportunistic"])
def test_cautious_strategies_delete_nothing(world, strategy):
    """P-103, P-104: lowering replicas alone deletes nothing."""
    pool = world.pool(replicas=1, scaleInStrategy={strategy: {}})
    assert actions(world.seen(pool, [world.vm(pool, i) for i in range(3)])) == []


def test_terminating_vms_cover_the_surplus(world):
    """P-090, P-124, P-125: with enough on their way out none is added, and those are let go."""
    pool = world.pool(replicas=1)
    vms = [world.vm(pool, 0), world.vm(pool, 1, terminating=True)]
    assert actions(world.seen(pool, vms)) == [ReleaseVM(vms[1])]
    pool = world.pool(replicas=0)
    ten = [world.vm(pool, i, terminating=i < 5) for i in range(10)]
    assert sorted(names(actions(world.seen(pool, ten), DeleteVM))) == ["p-5", "p-6", "p-7", "p-8", "p-9"]


def test_more_terminating_than_too_many(world):
    """P-102, D1: 5→2→4 while three are going deletes nothing more."""
    pool = world.pool(replicas=4)
    vms = [world.vm(pool, i, terminating=i < 3) for i in range(5)]
    assert actions(world.seen(pool, vms), DeleteVM) == []


def test_fewer_selected_than_too_many(world):
    """P-101, D2: only those that match are deleted."""
    selector = {"labelSelector": {"matchLabels": {"zone": "a"}}}
    pool = world.pool(replicas=1, scaleInStrategy={"proactive": {"selectionPolicy": {"selectors": selector}}})
    vms = [world.vm(pool, i) for i in range(4)]
    vms[2]["spec"]["template"]["metadata"]["labels"]["zone"] = "a"
    assert names(actions(world.seen(pool, vms), DeleteVM)) == ["p-2"]


def test_storage_is_kept_where_asked(world):
    """P-109, D11: by the active strategy's setting, for deletions and for VMs deleted by others."""
    keep = {"proactive": {"statePreservation": "Offline"}}
    pool = world.pool(replicas=1, scaleInStrategy=keep)
    vms = [world.vm(pool, 0), world.vm(pool, 1), world.vm(pool, 2, terminating=True)]
    assert [action.preserve for action in actions(world.seen(pool, vms))] == [True, True]


@pytest.mark.parametrize(("strategy", "replicas"), [("unmanaged", 3), ("opportunistic", 2), ("proactive", 3)])
def test_vms_deleted_by_others_are_always_let_go(world, strategy, replicas):
    """P-118, P-122, P-123, D6, D7: whatever the strategy and the numbers are."""
    pool = world.pool(replicas=replicas, scaleInStrategy={strategy: {}})
    vms = [world.vm(pool, 0), world.vm(pool, 1), world.vm(pool, 2, terminating=True)]
    assert actions(world.seen(pool, vms)) == [ReleaseVM(vms[2])]


def test_a_mistake_in_a_selector_is_reported(world):
    """An operator nobody knows becomes a failure of scaling in, not a crash."""
    bad = {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Foo"}]}}
    pool = world.pool(replicas=0, scaleInStrategy={"proactive": {"selectionPolicy": {"selectors": bad}}})
    (stage,) = plan.decide(world.seen(pool, [world.vm(pool, 0)]), SELECTOR).stages
    assert stage.failure.message(stage.mistake) == (
        'error during scale in: failed to parse label selector from pool: "Foo" is not a valid label selector operator'
    )


# Ownership, holding and letting go


def test_vms_the_selector_lost_are_given_up_and_replaced(world):
    """P-041, D4: the VM is disowned, and one is missing."""
    pool = world.pool()
    vms = [world.vm(pool, i) for i in range(3)]
    vms[1]["metadata"]["labels"]["app"] = "other"
    assert actions(world.seen(pool, vms)) == [DisownVM(vms[1]), CreateVM("p-1", 3)]


def test_detached_vms_are_let_go(world):
    """D8: a VM nobody owns any more loses the pool's finalizer."""
    pool = world.pool(replicas=0)
    vm = world.vm(pool, 0)
    assert actions(world.seen(pool, stored=[], detached=(vm,))) == [ReleaseVM(vm)]


def test_a_pool_is_held_first(world):
    """P-030: the finalizer comes before VMs, also when paused or empty."""
    for pool in (world.pool(), world.pool(replicas=0), world.pool(paused=True)):
        del pool["metadata"]["finalizers"]
        assert actions(world.seen(pool))[0] == AddPoolFinalizer()


def test_a_terminating_pool_only_lets_go(world):
    """P-194, P-199, P-201, P-042, P-175: VMs, then the pool, then revisions; nothing is created, healed or given up."""
    pool = world.pool(autohealing={})
    pool["metadata"]["deletionTimestamp"] = "2026-01-01T11:59:00Z"
    sick = world.vm(pool, 0, startFailure={"consecutiveFailCount": 9})
    lost = world.vm(pool, 1)
    lost["metadata"]["labels"]["app"] = "other"
    matching, other = world.vm(pool, 2), world.vm(pool, 3)
    other["metadata"]["labels"]["app"] = "other"
    seen = world.seen(
        pool,
        [sick, lost],
        stored=[world.revision(pool, 7), world.revision(pool)],
        bystanders=(matching, other),
    )
    todo = plan.farewell(seen, SELECTOR)
    found = [action for stage in todo.stages for action in stage.actions]
    assert found == [
        *(ReleaseVM(vm) for vm in (sick, lost, matching)),
        RemovePoolFinalizer(),
        DeleteRevision(world.revision(pool, 7)),
    ]


def test_a_pool_with_a_broken_selector_can_go(world):
    """D13: its own VMs are let go even so."""
    pool = world.pool()
    vm, stranger = world.vm(pool, 0), world.vm(pool, 1)
    todo = plan.farewell(world.seen(pool, [vm], bystanders=(stranger,)), None)
    assert [stage.actions for stage in todo.stages][:2] == [(ReleaseVM(vm),), (RemovePoolFinalizer(),)]


# Pause


def test_a_paused_pool_does_nothing(world):
    """P-126, P-179, P-180: no scaling, no update, no letting go."""
    old = world.pool()
    pool = world.pool(replicas=9, paused=True, template=world.template("2Gi"), generation=2)
    vms = [world.vm(old, 0), world.vm(old, 1, terminating=True)]
    assert actions(world.seen(pool, vms, stored=[world.revision(old)])) == []


def test_a_paused_pool_still_heals(world):
    """P-176: failing VMs are deleted, and what healing has begun is finished; replacements wait."""
    pool = world.pool(paused=True, autohealing={})
    sick = world.vm(pool, 0, ready=False, startFailure={"consecutiveFailCount": 3})
    begun = world.vm(pool, 1, terminating=True)
    seen = world.seen(pool, [sick, begun], condemned=frozenset({"vm-p-1"}))
    assert actions(seen) == [DeleteVM(sick), ReleaseVM(begun)]


# Healing


def test_failing_vms_are_replaced_together(world):
    """P-163, P-172: all at once, not limited by maxUnavailable; and not again by scaling in."""
    pool = world.pool(replicas=2, autohealing={}, maxUnavailable=1)
    vms = [world.vm(pool, i, ready=False, startFailure={"consecutiveFailCount": 3}) for i in range(2)]
    vms.append(world.vm(pool, 2))
    assert names(actions(world.seen(pool, vms))) == ["p-0", "p-1"]


@pytest.mark.parametrize("strategy", ["unmanaged", "opportunistic", "proactive"])
def test_healing_works_under_every_strategy(world, strategy):
    """P-171."""
    pool = world.pool(
        replicas=1, autohealing={}, scaleInStrategy={strategy: {}}, updateStrategy={strategy: {}}
    )
    sick = world.vm(pool, 0, ready=False, startFailure={"consecutiveFailCount": 3})
    assert actions(world.seen(pool, [sick])) == [DeleteVM(sick)]


def test_vms_that_are_given_up_are_not_healed(world):
    """P-174, D3: what is not the pool's any more is not the pool's to delete."""
    pool = world.pool(replicas=0, autohealing={})
    sick = world.vm(pool, 0, ready=False, startFailure={"consecutiveFailCount": 3})
    sick["metadata"]["labels"]["app"] = "other"
    assert actions(world.seen(pool, [sick])) == [DisownVM(sick)]


def test_healing_sets_a_timer(world):
    """P-177: the pass asks to be repeated when the next VM will have looked bad for long enough."""
    pool = world.pool(replicas=1, autohealing={"minFailingToStartDuration": "10m"})
    ready = {"type": "Ready", "status": "False", "lastProbeTime": "2026-01-01T11:55:00Z"}
    vm = world.vm(pool, 0, printableStatus="ErrImagePull", conditions=[ready])
    assert plan.decide(world.seen(pool, [vm]), SELECTOR).revisit == 300


# Updates


def rollout_of(world, template, *, count=3, vms=None, **more):
    """A pool whose VMs have been updated to `template`, and whose VMIs have not."""
    old = world.pool(replicas=count)
    new = world.pool(replicas=count, template=template, generation=2, **more)
    vms = vms or [world.vm(new, i, revision="p-2") for i in range(count)]
    vmis = [world.vmi(vm, revision="p-1") for vm in vms]
    return world.seen(new, vms, vmis=vmis, stored=[world.revision(old), world.revision(new)])


def test_outdated_vms_are_updated_at_once(world):
    """P-128, P-147: all of them, stopped ones too; the revision first, and pruning waits."""
    old, new = world.pool(), world.pool(template=world.template("2Gi"), generation=2)
    vms = [world.vm(old, i) for i in range(3)]
    seen = world.seen(
        new, vms, vmis=[world.vmi(vms[0])], stored=[world.revision(old), world.revision(old, 7)]
    )
    assert actions(seen) == [CreateRevision("p-2"), *(UpdateVM(vm, "p-2") for vm in vms)]


def test_changed_vmi_templates_restart_vmis(world):
    """P-142, P-151: without maxUnavailable all at once."""
    found = actions(rollout_of(world, world.template("2Gi")))
    assert [type(action) for action in found] == [RestartVMI] * 3


def test_other_changes_only_relabel_vmis(world):
    """P-143: the VMI template is the same, so the VMI only names the new revision."""
    template = world.template()
    template["metadata"]["annotations"] = {"a": "b"}
    found = actions(rollout_of(world, template))
    assert [(type(action), action.revision) for action in found] == [(RelabelVMI, "p-2")] * 3


def test_changed_storage_replaces_vms(world):
    """P-145: dataVolumeTemplates cannot change under a VM, so it is made anew; P-146: without VMI it is only updated."""
    template = world.template(dataVolumeTemplates=[{"metadata": {"name": "d"}, "spec": {}}])
    assert [type(action) for action in actions(rollout_of(world, template))] == [ReplaceVM] * 3
    seen = rollout_of(world, template)
    stopped = world.seen(seen.pool, seen.owned, vmis=[], stored=list(seen.revisions.known.values()))
    assert actions(stopped, ReplaceVM) == []


def test_storage_of_replaced_vms_is_not_kept(world):
    """P-145: a VM going because its storage changed takes the old storage with it, whatever is preserved else."""
    template = world.template(dataVolumeTemplates=[{"metadata": {"name": "d"}, "spec": {}}])
    seen = rollout_of(world, template, scaleInStrategy={"proactive": {"statePreservation": "Offline"}})
    for vm in seen.owned:
        vm["metadata"]["deletionTimestamp"] = "2026-01-01T11:59:00Z"
    assert [action.preserve for action in actions(seen, ReleaseVM)] == [False] * 3


def test_vmis_of_unknown_origin_are_restarted(world):
    """P-144: no revision label, or an unknown revision."""
    pool = world.pool(replicas=2)
    vms = [world.vm(pool, i) for i in range(2)]
    vmis = [world.vmi(vms[0], revision="none"), world.vmi(vms[1], revision="p-0")]
    assert [type(action) for action in actions(world.seen(pool, vms, vmis=vmis))] == [RestartVMI] * 2


def test_the_budget_limits_restarts(world):
    """P-149, P-153: one at a time, and another look in three seconds."""
    todo = plan.decide(rollout_of(world, world.template("2Gi"), count=4, maxUnavailable="25%"), SELECTOR)
    assert [len(stage.actions) for stage in todo.stages] == [1]
    assert todo.revisit == RECHECK


def test_others_who_are_down_use_up_the_budget(world):
    """P-152: an up-to-date VMI that is not ready keeps the others from being restarted."""
    seen = rollout_of(world, world.template("2Gi"), count=4, maxUnavailable=1)
    down = seen.owned[0]
    down["status"]["conditions"][0]["status"] = "False"
    seen.vmis["p-0"]["metadata"]["labels"]["kubevirt.io/vm-pool-revision-name"] = "p-2"
    seen.vmis["p-0"]["status"]["conditions"][0]["status"] = "False"
    todo = plan.decide(seen, SELECTOR)
    assert (todo.stages, todo.revisit) == ((), RECHECK)


def test_outdated_vmis_that_do_not_serve_are_restarted_at_once(world):
    """P-154: whatever the budget is, and they use it up themselves."""
    seen = rollout_of(world, world.template("2Gi"), count=4, maxUnavailable=1)
    for vm in seen.owned[:2]:
        vm["status"]["conditions"][0]["status"] = "False"
    assert names(actions(seen)) == ["p-0", "p-1"]


def test_unready_current_vmis_need_nothing(world):
    """D9: nothing is done to them, so nothing is told."""
    pool = world.pool(replicas=1)
    vm = world.vm(pool, 0, ready=False)
    assert actions(world.seen(pool, [vm], vmis=[world.vmi(vm, ready=False)])) == []


def test_terminating_vmis_are_left_alone(world):
    """A restart under way is not begun again, and counts as unavailable."""
    seen = rollout_of(world, world.template("2Gi"), count=2, maxUnavailable=1)
    seen.vmis["p-0"]["metadata"]["deletionTimestamp"] = "2026-01-01T11:59:00Z"
    assert actions(seen) == []


@pytest.mark.parametrize(
    ("policy", "first"), [("DescendingOrder", "p-3"), ("AscendingOrder", "p-0"), ("Oldest", "p-2")]
)
def test_the_order_of_restarts(world, policy, first):
    """P-155: by the update strategy's sort policy."""
    strategy = {"proactive": {"selectionPolicy": {"sortPolicy": policy}}}
    seen = rollout_of(world, world.template("2Gi"), count=4, maxUnavailable=1, updateStrategy=strategy)
    seen.owned[2]["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
    assert names(actions(seen)) == [first]


def test_opportunistic_updates_leave_vmis_alone(world):
    """P-137: VMs change, VMIs do not."""
    assert actions(rollout_of(world, world.template("2Gi"), updateStrategy={"opportunistic": {}})) == []


def test_unmanaged_updates_change_nothing(world):
    """P-136: neither VMs nor VMIs; revisions nobody uses still go."""
    old, new = (
        world.pool(),
        world.pool(template=world.template("2Gi"), generation=2, updateStrategy={"unmanaged": {}}),
    )
    vms = [world.vm(old, i) for i in range(3)]
    stored = [world.revision(old), world.revision(old, 7)]
    assert actions(world.seen(new, vms, stored=stored)) == [DeleteRevision(stored[1])]


def test_selectors_restrict_updates(world):
    """P-156, P-157: VMs that do not match are left out of both halves."""
    strategy = {
        "proactive": {"selectionPolicy": {"selectors": {"labelSelector": {"matchLabels": {"zone": "a"}}}}}
    }
    old = world.pool()
    new = world.pool(template=world.template("2Gi"), generation=2, updateStrategy=strategy)
    vms = [world.vm(old, i) for i in range(3)]
    vms[1]["spec"]["template"]["metadata"]["labels"]["zone"] = "a"
    assert names(actions(world.seen(new, vms, stored=[world.revision(old)]), UpdateVM)) == ["p-1"]
    for vm in vms:
        vm["spec"]["template"]["metadata"]["labels"].pop("zone", None)
    assert actions(world.seen(new, vms, stored=[world.revision(old)])) == []


def test_a_mistake_in_max_unavailable_is_reported(world):
    """Where the webhook was bypassed the failure is shown with Go's text."""
    todo = plan.decide(rollout_of(world, world.template("2Gi"), maxUnavailable="many"), SELECTOR)
    (stage,) = todo.stages
    assert stage.failure.reason == "FailedUpdate"
    assert stage.failure.message(stage.mistake) == (
        "error during VMI update: invalid maxUnavailable percentage: "
        'strconv.ParseInt: parsing "many": invalid syntax'
    )


def test_a_quiet_pool_needs_nothing(world):
    """P-192, P-205: no action, no timer."""
    pool = world.pool()
    todo = plan.decide(world.seen(pool, [world.vm(pool, i) for i in range(3)]), SELECTOR)
    assert (todo.stages, todo.revisit) == ((), None)


# Properties


@st.composite
def snapshots(draw, world):
    """A pool of any size amid VMs in any state."""
    strategy = draw(st.sampled_from(["unmanaged", "opportunistic", "proactive"]))
    policy = draw(st.sampled_from(["AscendingOrder", "DescendingOrder", "Newest", "Oldest", "Random"]))
    scale_in = {strategy: {"selectionPolicy": {"sortPolicy": policy}} if strategy == "proactive" else {}}
    more = {"maxUnavailable": draw(st.sampled_from([1, 2, "25%", "100%"]))}
    if draw(st.booleans()):
        more["autohealing"] = {}
    pool = world.pool(
        replicas=draw(st.integers(0, 8)),
        template=world.template(draw(st.sampled_from(["1Gi", "2Gi"]))),
        generation=2,
        scaleInStrategy=scale_in,
        **more,
    )
    vms, vmis = [], []
    for ordinal in sorted(draw(st.sets(st.integers(0, 10), max_size=9))):
        vm = world.vm(
            pool,
            ordinal,
            revision=draw(st.sampled_from(["p-1", "p-2"])),
            ready=draw(st.booleans()),
            terminating=draw(st.booleans()),
            startFailure={"consecutiveFailCount": draw(st.sampled_from([0, 0, 3]))},
        )
        vms.append(vm)
        if draw(st.booleans()):
            vmis.append(
                world.vmi(
                    vm,
                    revision=draw(st.sampled_from(["p-1", "p-2", "none"])),
                    ready=draw(st.booleans()),
                    terminating=draw(st.booleans()),
                )
            )
    foreign = draw(st.sets(st.integers(0, 12), max_size=4))
    taken = foreign | {int(vm["metadata"]["name"].rpartition("-")[2]) for vm in vms}
    return world.seen(
        pool, vms, vmis=vmis, stored=[world.revision(world.pool(), 1), world.revision(pool)], taken=taken
    )


@given(data=st.data())
def test_never_more_vms_than_wanted(world, data):
    """P-084: owned VMs never outnumber replicas through creation, and no name is taken twice."""
    seen = data.draw(snapshots(world))
    created = [action.ordinal for action in actions(seen, CreateVM)]
    assert not created or len(seen.owned) + len(created) == spec.replicas(seen.pool)
    assert not set(created) & seen.taken
    assert len(created) == len(set(created))


@given(data=st.data())
def test_never_fewer_vms_than_wanted(world, data):
    """P-086: scaling in and healing leave no fewer than replicas, except for VMs that fail."""
    seen = data.draw(snapshots(world))
    failing = {
        vm["metadata"]["uid"]
        for vm in seen.owned
        if "autohealing" in seen.pool["spec"] and vm["status"]["startFailure"]["consecutiveFailCount"] >= 3
    }
    deleted = {action.vm["metadata"]["uid"] for action in actions(seen, DeleteVM)}
    terminating = {vm["metadata"]["uid"] for vm in seen.owned if "deletionTimestamp" in vm["metadata"]}
    assert not deleted & terminating
    if deleted - failing:
        assert len(seen.owned) - len(terminating) - len(deleted) >= spec.replicas(seen.pool)


@given(data=st.data())
def test_the_budget_is_never_exceeded(world, data):
    """P-149: VMIs that serve are taken away only as far as maxUnavailable allows, all that are down counted."""
    seen = data.draw(snapshots(world))
    taken_away = {
        name
        for name in names(actions(seen, (RestartVMI, ReplaceVM)))
        if seen.vmis[name]["status"]["conditions"][0]["status"] == "True"
    }
    ready = {vm["metadata"]["name"] for vm in seen.owned if vm["status"]["conditions"][0]["status"] == "True"}
    down = {vm["metadata"]["name"] for vm in seen.owned if not _serves(seen, vm)}
    if taken_away & ready:
        assert len(down | taken_away) <= spec.max_unavailable(seen.pool)


def _serves(seen, vm):
    vmi = seen.vmis.get(vm["metadata"]["name"])
    return (
        vmi is not None
        and "deletionTimestamp" not in vmi["metadata"]
        and vmi["status"]["conditions"][0]["status"] == "True"
    )


@given(data=st.data())
def test_a_plan_is_a_function_of_what_is_seen(world, data):
    """Two replicas, or one before and after a restart, decide alike."""
    seen = data.draw(snapshots(world))
    assert plan.decide(seen, SELECTOR) == plan.decide(seen, SELECTOR)


def test_a_thousand_vms_are_planned_in_milliseconds(world):
    """A pool of 1,000 is looked through once: the work grows with the pool, not with its square."""
    import time

    pool = world.pool(replicas=1000)
    vms = [world.vm(pool, i) for i in range(1000)]
    seen = world.seen(pool, vms)
    started = time.process_time()
    for _ in range(10):
        assert plan.decide(seen, SELECTOR).stages == ()
    assert (time.process_time() - started) / 10 < 0.05
