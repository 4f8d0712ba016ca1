"""The node side of a migration from one instance to another: what the node it leaves does, and the one it comes to. Pure.

Only the node that has the guest knows what becomes of the copying; the other one sees it.
Origin: kubevirt: pkg/virt-handler/migration-source.go, migration-target.go
"""

from collections.abc import Callable

from msgspec import Struct

from fakekube.machinery.objects import dig, is_final, labels
from fakekube.machinery.wire import Object
from fakekube.virt import sides
from fakekube.virt.handler import migration
from fakekube.virt.handler.migration import Step

_OF_OTHER_SIDE = ("prepare", "arrive", "complete")
_LOST = "source domain was lost during the migration"


class Source(Struct, frozen=True):
    """Where a guest comes from, as far as that still exists; `arrives`: whether it gets through, once it is copied."""

    vmi: Object | None
    arrives: Callable[[], bool] = lambda: False


def leaving(vmi: Object, step: Step | None) -> Step | None:
    """What follows where the guest is; `step`: what would, if it went to another node."""
    state = dig(vmi, "status", "migrationState", default={})
    if state.get("completed") and not state.get("failed"):
        there = sides.of(vmi, sides.TARGET).get("domainDetected")
        told = ("Normal", "Stopped", "The VirtualMachineInstance was shut down.")
        return Step("leave", vmi, (told,)) if there else None
    return None if step is None or step.name in _OF_OTHER_SIDE else step


def coming(vmi: Object, now: str, address: str, source: Source) -> Step | None:
    """What follows where the guest goes. `address`: of the node, empty as long as no launcher runs there."""
    state = dig(vmi, "status", "migrationState", default={})
    uid = state.get("migrationUid")
    if not uid or not state.get("targetPod"):
        return None
    if state.get("completed"):
        over = source.vmi is None or is_final(source.vmi)
        return Step("clean", _cleaned(vmi)) if over and not state.get("failed") else None
    if state.get("endTimestamp"):
        return Step("complete", migration.with_state(vmi, completed=True))
    end = _end(vmi, source)
    if end:
        more = {"abortStatus": "Succeeded"} if state.get("abortRequested") else {}
        step = migration.failed(vmi, uid, now, end, more)
        return Step(step.name, _unlabelled(step.vmi), step.events)
    if not address or state.get("abortRequested"):
        return None
    if not state.get("targetNodeAddress"):
        step = migration.prepared(vmi, address)
        there: Object = {"nodeAddress": address, "directMigrationNodePorts": migration.PORTS}
        return Step(step.name, _with_target(step.vmi, there), step.events)
    if not state.get("startTimestamp") or not source.arrives():
        return None
    return _arrived(vmi, state.get("targetNode", ""), now)


def _end(vmi: Object, source: Source) -> str:
    """Why the guest does not come any more."""
    own = dig(vmi, "status", "migrationState", default={})
    if own.get("abortRequested") and not own.get("startTimestamp"):
        return migration.ABORTED
    if source.vmi is None or is_final(source.vmi):
        return _LOST
    state = dig(source.vmi, "status", "migrationState", default={})
    same = state.get("migrationUid") == sides.of(vmi, sides.SOURCE).get("migrationUID")
    return str(state.get("failureReason", _LOST)) if same and state.get("failed") else ""


def _arrived(vmi: Object, node: str, now: str) -> Step:
    moved = migration.with_state(
        vmi, endTimestamp=now, targetNodeDomainDetected=True, targetNodeDomainReadyTimestamp=now
    )
    more = {"domainDetected": True, "domainReadyTimestamp": now}
    return Step("arrive", _with_target(moved, more), (migration.migrated(node),), copies=True)


def _with_target(vmi: Object, more: Object) -> Object:
    return migration.with_state(vmi, **{sides.TARGET: {**sides.of(vmi, sides.TARGET), **more}})


def _cleaned(vmi: Object) -> Object:
    """An instance like any other: it received its guest."""
    plain = _unlabelled(vmi)
    meta = {**plain["metadata"], "annotations": sides.marked_received(vmi)}
    return {**plain, "metadata": meta, "status": {**vmi["status"], "migrationState": sides.without(vmi)}}


def _unlabelled(vmi: Object) -> Object:
    kept = {key: value for key, value in labels(vmi).items() if key != migration.TARGET_NODE}
    return {**vmi, "metadata": {**vmi["metadata"], "labels": kept}}
