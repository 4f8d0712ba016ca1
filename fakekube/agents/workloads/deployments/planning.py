"""How a Deployment moves pods between its ReplicaSets: what each set's size is to be next. Pure.

Every function answers with (set, new size) pairs; an empty list means that this step has nothing to do.
Upstream: k8s: pkg/controller/deployment/{rolling,recreate,sync}.go, util/deployment_util.go
"""

from collections.abc import Iterable

from fakekube.agents.workloads.deployments import sets
from fakekube.agents.workloads.deployments.sets import Sets
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

Sizes = list[tuple[Object, int]]


def size_of_new(deployment: Object, every: Sets, present: int) -> int:
    """How large the new set may be now, at `present` so far."""
    wanted = sets.wanted(deployment)
    if not sets.is_rolling(deployment):
        return wanted
    room = wanted + sets.bounds(deployment)[0] - sets.total(every)
    return present if room <= 0 else present + min(room, wanted - present)


def grow_new(deployment: Object, new: Object, every: Sets) -> Sizes:
    present, wanted = sets.size(new), sets.wanted(deployment)
    if present == wanted:
        return []
    size = wanted if present > wanted else size_of_new(deployment, every, present)
    return [(new, size)] if size != present else []


def shrink_old(deployment: Object, new: Object, old: Sets) -> Sizes:
    """Take from old sets what may be missing: pods that are not available first, then from the oldest set on."""
    if sets.total(old) == 0:
        return []
    every = [*old, new]
    floor = sets.wanted(deployment) - sets.bounds(deployment)[1]
    unavailable = sets.size(new) - int(dig(new, "status", "availableReplicas", default=0))
    spare = sets.total(every) - floor - unavailable
    if spare <= 0:
        return []
    sizes = {objects.name(rs): sets.size(rs) for rs in old}
    for rs in sets.oldest_first(old):
        if spare <= 0:
            break
        broken = sizes[objects.name(rs)] - int(dig(rs, "status", "availableReplicas", default=0))
        taken = min(spare, max(0, broken))
        sizes[objects.name(rs)] -= taken
        spare -= taken
    left = sets.counted(every, "availableReplicas") - floor
    for rs in sets.oldest_first(old):
        taken = min(sizes[objects.name(rs)], max(0, left))
        sizes[objects.name(rs)] -= taken
        left -= taken
    return [(rs, sizes[objects.name(rs)]) for rs in old if sizes[objects.name(rs)] != sets.size(rs)]


def resize(deployment: Object, new: Object | None, old: Sets) -> Sizes:
    """The Deployment was scaled, or is paused: share its size among the sets that have pods, as they are to each other."""
    wanted = sets.wanted(deployment)
    alone = _only_one(new, old)
    if alone is not None:
        return [(alone, wanted)] if sets.size(alone) != wanted else []
    if new is not None and _is_saturated(deployment, new):
        return [(rs, 0) for rs in sets.active(old)]
    if not sets.is_rolling(deployment):
        return []
    live = sets.active([*old, *([new] if new is not None else [])])
    allowed = wanted + sets.bounds(deployment)[0] if wanted > 0 else 0
    missing = allowed - sets.total(live)
    live.sort(key=lambda rs: dig(rs, "metadata", "creationTimestamp", default=""), reverse=missing > 0)
    live.sort(key=sets.size, reverse=True)
    added, sizes = 0, []
    for rs in live:
        share = _share(deployment, rs, missing, added) if missing else 0
        sizes.append(sets.size(rs) + share)
        added += share
    if sizes and missing:
        sizes[0] = max(0, sizes[0] + missing - added)
    return list(zip(live, sizes, strict=True))


def _only_one(new: Object | None, old: Sets) -> Object | None:
    """The set that has all the pods, or would get them; None where several have some."""
    live = sets.active([*old, *([new] if new is not None else [])])
    if len(live) > 1:
        return None
    if live:
        return live[0]
    return new if new is not None else next(reversed(sets.oldest_first(old)), None)


def _is_saturated(deployment: Object, rs: Object) -> bool:
    wanted = sets.wanted(deployment)
    available = dig(rs, "status", "availableReplicas", default=0)
    return sets.size(rs) == wanted == available and sets.noted(rs, sets.DESIRED) == wanted


def _share(deployment: Object, rs: Object, missing: int, added: int) -> int:
    if sets.size(rs) == 0 or missing == added:
        return 0
    wanted = sets.wanted(deployment)
    if wanted == 0:
        fraction = -sets.size(rs)
    else:
        before = sets.noted(rs, sets.MAXIMUM) or int(dig(deployment, "status", "replicas", default=0)) or 1
        grown = sets.size(rs) * (wanted + sets.bounds(deployment)[0]) / before
        fraction = int(grown + 0.5) - sets.size(rs)
    left = missing - added
    return min(fraction, left) if missing > 0 else max(fraction, left)


def was_scaled(deployment: Object, every: Iterable[Object]) -> bool:
    """Whether a set with pods was last sized for another Deployment size."""
    wanted = sets.wanted(deployment)
    return any(
        (noted := sets.noted(rs, sets.DESIRED)) is not None and noted != wanted for rs in sets.active(every)
    )


def forgotten(deployment: Object, old: Sets) -> list[Object]:
    """Old sets beyond the history limit, least revision first. Those that still have pods stay."""
    limit = dig(deployment, "spec", "revisionHistoryLimit")
    if limit is None:
        return []
    alive = [rs for rs in old if not objects.is_terminating(rs)]
    surplus = sorted(alive, key=sets.revision)[: max(0, len(alive) - limit)]
    return [
        rs
        for rs in surplus
        if sets.size(rs) == 0
        and not dig(rs, "status", "replicas", default=0)
        and objects.generation(rs) <= dig(rs, "status", "observedGeneration", default=0)
    ]
