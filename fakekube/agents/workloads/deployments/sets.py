"""The ReplicaSets of a Deployment as values: which is the new one, their revisions and the numbers noted on them. Pure.

Upstream: k8s: pkg/controller/deployment/util/deployment_util.go
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fakekube.agents.workloads import hashing
from fakekube.agents.workloads.counts import scaled
from fakekube.machinery import digits, objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
        "deprecated.deployment.rollback.to",
    }
)
_LONGEST_HISTORY = 2000

Sets = Sequence[Object]


def size(rs: Object) -> int:
    return int(dig(rs, "spec", "replicas", default=1))


def wanted(deployment: Object) -> int:
    return int(dig(deployment, "spec", "replicas", default=1))


def is_rolling(deployment: Object) -> bool:
    return bool(dig(deployment, "spec", "strategy", "type", default="RollingUpdate") == "RollingUpdate")


def bounds(deployment: Object) -> tuple[int, int]:
    """(how many pods more than wanted there may be, how many fewer may be available)."""
    total, rolling = wanted(deployment), dig(deployment, "spec", "strategy", "rollingUpdate", default={})
    if not is_rolling(deployment) or total == 0:
        return (0, 0) if not is_rolling(deployment) else (_surge(rolling, total), 0)
    surge = _surge(rolling, total)
    unavailable = scaled(rolling.get("maxUnavailable"), total, up=False, default="25%")
    if surge == 0 and unavailable == 0:
        unavailable = 1  # else nothing could ever move
    return surge, min(unavailable, total)


def _surge(rolling: Mapping[str, Any], total: int) -> int:
    return scaled(rolling.get("maxSurge"), total, up=True, default="25%")


def oldest_first(sets: Iterable[Object]) -> list[Object]:
    return sorted(
        sets, key=lambda rs: (dig(rs, "metadata", "creationTimestamp", default=""), objects.name(rs))
    )


def bare_template(template: Mapping[str, Any]) -> Object:
    """A template without the hash a ReplicaSet's has."""
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    kept = {key: value for key, value in meta.items() if key != "labels" and value}
    return {**template, "metadata": {**kept, **({"labels": labels} if labels else {})}}


def newest(deployment: Object, sets: Iterable[Object]) -> Object | None:
    """The set with the Deployment's template; of several, the one that was there first."""
    template = bare_template(deployment["spec"]["template"])
    return next((rs for rs in oldest_first(sets) if bare_template(rs["spec"]["template"]) == template), None)


def revision(obj: Object) -> int:
    return digits.integer(objects.annotations(obj).get(REVISION, "")) or 0


def next_revision(others: Iterable[Object]) -> str:
    return str(max((revision(rs) for rs in others), default=0) + 1)


def copied_annotations(deployment: Object) -> dict[str, str]:
    return {key: v for key, v in objects.annotations(deployment).items() if key not in _NOT_COPIED}


def annotated(deployment: Object, rs_annotations: Mapping[str, str], number: str) -> dict[str, str]:
    """A set's annotations once it has this revision; the one it had before goes to its history."""
    notes = {**rs_annotations, **copied_annotations(deployment)}
    before = rs_annotations.get(REVISION, "")
    if int(number) > (digits.number(before) or 0):
        notes[REVISION] = number
        if before:
            past = [*filter(None, notes.get(HISTORY, "").split(",")), before]
            while len(past) > 1 and len(",".join(past)) > _LONGEST_HISTORY:
                del past[0]
            notes[HISTORY] = ",".join(past)
    return notes


def sizes_noted(deployment: Object) -> dict[str, str]:
    total = wanted(deployment)
    return {DESIRED: str(total), MAXIMUM: str(total + bounds(deployment)[0])}


def noted(rs: Object, name: str) -> int | None:
    text = objects.annotations(rs).get(name, "")
    found = digits.number(text.removeprefix("-"))
    return -found if found is not None and text.startswith("-") else found


def build(deployment: Object, others: Sets, replicas: int) -> Object:
    """The set a Deployment makes for its template."""
    spec = deployment["spec"]
    template = copy_of(spec["template"])
    hash_ = hashing.of_template(bare_template(template), dig(deployment, "status", "collisionCount"))
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels[HASH] = hash_
    selector = copy_of(spec.get("selector") or {})
    selector.setdefault("matchLabels", {})[HASH] = hash_
    notes = {**annotated(deployment, {}, next_revision(others)), **sizes_noted(deployment)}
    made: Object = {"replicas": replicas, "selector": selector, "template": template}
    if spec.get("minReadySeconds"):
        made["minReadySeconds"] = spec["minReadySeconds"]
    meta = {
        "name": f"{objects.name(deployment)}-{hash_}",
        "namespace": objects.namespace(deployment),
        "labels": dict(labels),
        "annotations": notes,
        "ownerReferences": [objects.owner_reference(deployment)],
    }
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": made}


def total(sets: Iterable[Object]) -> int:
    return sum(size(rs) for rs in sets)


def counted(sets: Iterable[Object], member: str) -> int:
    return sum(int(dig(rs, "status", member, default=0)) for rs in sets)


def active(sets: Iterable[Object]) -> list[Object]:
    return [rs for rs in sets if size(rs) > 0]
