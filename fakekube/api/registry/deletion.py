"""What a DELETE does to one object: refuse, mark, or remove. Pure.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go, registry/generic/registry/store.go
"""

from datetime import datetime, timedelta

from msgspec import Struct

from fakekube.api.registry.strategy import ServedResource
from fakekube.clock import rfc3339
from fakekube.machinery.errors import conflict
from fakekube.machinery.wire import Object

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


class DeleteOptions(Struct, frozen=True):
    """`metav1.DeleteOptions`, from body and query."""

    grace: int | None = None
    propagation: str = ""
    uid: str = ""
    version: str = ""
    dry_run: bool = False


class Verdict(Struct, frozen=True):
    """`mark` is the object to store first (or None), `remove` whether it goes away now."""

    mark: Object | None
    remove: bool


def check_preconditions(resource: ServedResource, obj: Object, options: DeleteOptions) -> None:
    """Raises Conflict, in whose text the kind stands where elsewhere the resource does."""
    meta = obj["metadata"]
    for what, wanted, present, perhaps in (
        ("UID", options.uid, meta["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.version, meta["resourceVersion"], "modified"),
    ):
        if wanted and wanted != present:
            said = (
                f"the {what} in the precondition ({wanted}) does not match the {what} in record ({present}). "
                f"The object might have been {perhaps}"
            )
            raise conflict(resource.kind, resource.group, meta["name"], said)


def finalizers_after(obj: Object, policy: str) -> list[str]:
    """The object's finalizers once the propagation policy has had its say. Without a policy they stay."""
    have = list(obj["metadata"].get("finalizers") or ())
    if not policy:
        return have
    kept = [one for one in have if one not in (ORPHAN, FOREGROUND)]
    return kept + {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])


def decide(resource: ServedResource, obj: Object, options: DeleteOptions, now: datetime) -> Verdict:
    """The verdict on an existing object whose preconditions hold."""
    strategy = resource.strategy
    policy = options.propagation
    if not policy and not obj["metadata"].get("finalizers"):
        policy = strategy.default_propagation
    finalizers = finalizers_after(obj, policy)
    deleting = "deletionTimestamp" in obj["metadata"]
    grace = strategy.grace_period(obj, options.grace) if strategy.graceful else 0
    if deleting and strategy.graceful:
        current = obj["metadata"].get("deletionGracePeriodSeconds", 0)
        if options.grace is None or grace >= current:
            # A longer wait, or none asked for, changes nothing.
            same = finalizers == list(obj["metadata"].get("finalizers") or ())
            if current > 0 or finalizers:
                return Verdict(
                    None if same else _marked(resource, obj, finalizers, current, now), remove=False
                )
            return Verdict(None, remove=True)
    stays = bool(finalizers) or grace > 0 or strategy.blocks_deletion(obj)
    if (
        deleting
        and stays
        and not strategy.graceful
        and finalizers == (obj["metadata"].get("finalizers") or [])
    ):
        return Verdict(None, remove=False)
    if not stays and not strategy.graceful:
        return Verdict(None, remove=True)
    return Verdict(_marked(resource, obj, finalizers, grace, now), remove=not stays)


def _marked(
    resource: ServedResource, obj: Object, finalizers: list[str], grace: int, now: datetime
) -> Object:
    meta = dict(obj["metadata"])
    new: Object = {**obj, "metadata": meta}  # no more than metadata and whole members are changed
    if "deletionTimestamp" not in meta or resource.strategy.graceful:
        if "deletionTimestamp" not in meta and "generation" in meta:
            meta["generation"] += 1
        begun = now if "deletionTimestamp" not in meta else _begun(meta)
        meta["deletionTimestamp"] = rfc3339(begun + timedelta(seconds=grace))
        meta["deletionGracePeriodSeconds"] = grace
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    resource.strategy.prepare_delete(new)
    return new


def _begun(meta: dict[str, object]) -> datetime:
    stamp = datetime.fromisoformat(str(meta["deletionTimestamp"]))
    return stamp - timedelta(seconds=int(str(meta.get("deletionGracePeriodSeconds") or 0)))


def is_released(resource: ServedResource, obj: Object) -> bool:
    """Whether an object that is being deleted has nothing left to wait for."""
    meta = obj["metadata"]
    return (
        "deletionTimestamp" in meta
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
        and not resource.strategy.blocks_deletion(obj)
    )
