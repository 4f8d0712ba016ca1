"""Observed → Plan: the order of concerns on one screen. Pure; what each concern decides is its own module's.

    terminating    let every VM go, then the pool, then the revisions
    otherwise      heal · give up VMs the selector lost · let detached VMs go · hold the pool
                   unless paused: let terminating VMs go · create or delete, or else update VMs, then VMIs, then prune

Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

from collections.abc import Sequence

from msgspec.structs import replace

from controller import healing, revisions, scaling, selection, spec, updating
from controller.actions import (
    Action,
    AddPoolFinalizer,
    CreateRevision,
    CreateVM,
    DeleteRevision,
    DeleteVM,
    DisownVM,
    Failure,
    Plan,
    ReleaseVM,
    RemovePoolFinalizer,
    Stage,
    UpdateVM,
)
from controller.observe import Observed
from controller.spec import FINALIZER, SpecError
from fakekube.machinery import objects
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object

SCALE_OUT = Failure("FailedScaleOut", "error during scale out")
SCALE_IN = Failure("FailedScaleIn", "error during scale in")
RELEASE = Failure("FailedScaleIn", "error during opportunistic scale in")
SELECT = Failure("FailedUpdate", "failed to filter VMs based on ordered policies")
UPDATE_VMS = Failure("FailedUpdate", "error during VM update")
UPDATE_VMIS = Failure("FailedUpdate", "error during VMI update")
PRUNE = Failure("FailedRevisionPruning", "error while pruning vmpool revisions")

AT_ONCE = 0.01  # seconds: a burst is done, and more is waiting


def decide(seen: Observed, selector: Selector, *, burst: int = scaling.BURST) -> Plan:
    """What to do for a pool that is to live. Raises SpecError where nothing can be decided."""
    seen, strangers = _without_strangers(seen, selector)
    criteria = spec.healing(seen.pool)
    failing = healing.failing(seen.owned, criteria, seen.now) if criteria else []
    # The scale-in policy's selectors protect VMs from healing too.
    healed = selection.selected(failing, spec.scale_in_policy(seen.pool)) if failing else []
    upkeep = [
        _stage([DeleteVM(vm, spec.preserves_state(seen.pool)) for vm in healed]),
        _stage([DisownVM(vm) for vm in strangers]),
        _stage([ReleaseVM(vm) for vm in seen.detached]),
        _stage([] if FINALIZER in objects.finalizers(seen.pool) else [AddPoolFinalizer()]),
    ]
    work, revisit = _paused(seen), None
    if not spec.paused(seen.pool):
        work, revisit = _working(seen, healed, burst)
    alarm = healing.next_due(seen.owned, criteria, seen.now) if criteria else None
    return Plan(
        tuple(stage for stage in (*upkeep, *work) if stage.actions or stage.mistake),
        min((moment for moment in (alarm, revisit) if moment is not None), default=None),
    )


def farewell(seen: Observed, selector: Selector | None) -> Plan:
    """What to do for a pool that is to go. Its VMs are the garbage collector's; only what holds them is taken off.

    Besides the pool's own VMs these are VMs of nobody that match its selector, or once were its own.
    """
    held = [vm for vm in seen.owned if FINALIZER in objects.finalizers(vm)]
    once_ours = {objects.uid(vm) for vm in seen.detached}
    others = [
        vm
        for vm in seen.bystanders
        if objects.uid(vm) in once_ours or (selector and selector.matches(objects.labels(vm)))
    ]
    stages = (
        _stage([ReleaseVM(vm) for vm in (*held, *others)]),
        _stage([RemovePoolFinalizer()] if FINALIZER in objects.finalizers(seen.pool) else []),
        _stage(_prunable(seen), PRUNE),
    )
    return Plan(tuple(stage for stage in stages if stage.actions))


def _without_strangers(seen: Observed, selector: Selector) -> tuple[Observed, list[Object]]:
    """The snapshot without owned VMs that do not match the selector, and those."""
    strangers = [vm for vm in seen.owned if not selector.matches(objects.labels(vm))]
    if not strangers:
        return seen, []
    ours = tuple(vm for vm in seen.owned if selector.matches(objects.labels(vm)))
    return replace(seen, owned=ours), strangers


def _paused(seen: Observed) -> list[Stage]:
    """While paused only what was begun is finished: VMs that healing has deleted are let go."""
    begun = [vm for vm in seen.owned if objects.uid(vm) in seen.condemned]
    return [_stage(_releases(seen, begun), RELEASE)]


def _working(seen: Observed, healed: Sequence[Object], burst: int) -> tuple[list[Stage], float | None]:
    release = _stage(_releases(seen, seen.owned), RELEASE)
    surplus = scaling.surplus(seen)
    if surplus < 0:
        name = revisions.current_name(seen.pool, seen.revisions)
        ordinals = scaling.new_ordinals(seen, burst)
        return [
            _stage(_needed_revision(seen, name), SCALE_OUT),
            _stage([CreateVM(name, ordinal) for ordinal in ordinals], SCALE_OUT, calm=True),
            release,
        ], AT_ONCE if -surplus > burst else None
    if surplus > 0:
        try:
            victims = scaling.victims(seen, healed, burst)
        except SpecError as error:
            return [Stage(failure=SCALE_IN, mistake=error), release], None
        preserve = spec.preserves_state(seen.pool)
        # No look planned: VMs that go wake the pool, and until one has gone no more of a burst may go.
        return [_stage([DeleteVM(vm, preserve) for vm in victims], SCALE_IN), release], None
    stages, revisit = _updating(seen, healed)
    return [release, *stages], revisit


def _updating(seen: Observed, healed: Sequence[Object]) -> tuple[list[Stage], float | None]:
    strategy = spec.update_strategy(seen.pool)
    if strategy == spec.UNMANAGED:
        return [_stage(_prunable(seen), PRUNE, calm=True)], None
    try:
        allowed = updating.allowed(seen)
    except SpecError as error:
        return [Stage(failure=SELECT, mistake=error, calm=True)], None
    going = {objects.uid(vm) for vm in healed}
    vms = [vm for vm in allowed if not objects.is_terminating(vm) and objects.uid(vm) not in going]
    outdated = revisions.outdated(seen.pool, vms, seen.revisions)
    stages, revisit = [], None
    if outdated:
        name = revisions.current_name(seen.pool, seen.revisions)
        stages += [
            _stage(_needed_revision(seen, name), UPDATE_VMS, calm=True),
            _stage([UpdateVM(vm, name) for vm in outdated], UPDATE_VMS, calm=True),
        ]
    if strategy == spec.PROACTIVE:
        behind = {objects.uid(vm) for vm in outdated}
        try:
            rollout = updating.rollout(seen, [vm for vm in vms if objects.uid(vm) not in behind], allowed)
        except SpecError as error:
            return [*stages, Stage(failure=UPDATE_VMIS, mistake=error, calm=True)], None
        stages.append(_stage(rollout.actions, UPDATE_VMIS, calm=True, sequential=True))
        # A VMI that was only relabelled wakes nobody, yet it may be the last that held an old revision.
        revisit = updating.RECHECK if rollout.waiting or rollout.actions else None
    if not outdated:
        stages.append(_stage(_prunable(seen), PRUNE, calm=True))
    return stages, revisit


def _releases(seen: Observed, vms: Sequence[Object]) -> list[Action]:
    """Let terminating VMs go. The storage of one that is replaced because its storage changed is not kept."""
    preserve = spec.preserves_state(seen.pool)
    found: list[Action] = []
    for vm in vms:
        if objects.is_terminating(vm) and FINALIZER in objects.finalizers(vm):
            vmi = seen.vmis.get(objects.name(vm))
            renewed = (
                preserve
                and vmi is not None
                and updating.kind(vm, vmi, seen.revisions) is updating.Kind.REPLACEMENT
            )
            found.append(ReleaseVM(vm, preserve and not renewed))
    return found


def _needed_revision(seen: Observed, name: str) -> list[Action]:
    return [] if name in seen.revisions.known else [CreateRevision(name)]


def _prunable(seen: Observed) -> list[Action]:
    users = (*seen.owned, *seen.vmis.values())
    return [DeleteRevision(revision) for revision in revisions.unused(seen.pool, users, seen.revisions)]


def _stage(
    actions: Sequence[Action], failure: Failure | None = None, *, calm: bool = False, sequential: bool = False
) -> Stage:
    return Stage(tuple(actions), failure, sequential, calm)
