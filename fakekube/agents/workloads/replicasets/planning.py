"""How many pods to make, which to delete, and what the status says. Pure.

Upstream: k8s: pkg/controller/replicaset/{replica_set,replica_set_utils}.go
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from fakekube.agents.workloads import conditions, pods
from fakekube.clock import rfc3339
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

BURST = 500


class Plan(Struct, frozen=True):
    """So many pods to make, or these to delete."""

    create: int = 0
    delete: tuple[Object, ...] = ()


def replicas_of(obj: Object) -> int:
    return int(dig(obj, "spec", "replicas", default=1))


def plan(wanted: int, active: Sequence[Object], family: Iterable[Object], now: datetime) -> Plan:
    """`family`: the active pods of all sets of the same owner; where they crowd, one may go first."""
    missing = wanted - len(active)
    if missing > 0:
        return Plan(create=min(missing, BURST))
    if missing == 0:
        return Plan()
    crowd = Counter(pod["spec"].get("nodeName") or "" for pod in family)
    surplus = min(-missing, BURST)
    return Plan(delete=tuple(pods.first_to_go(active, crowd, now)[:surplus]))


def status(
    owner: Object, owned: Iterable[Object], failure: tuple[str, str] | None, now: datetime
) -> dict[str, Any]:
    """The status after a pass; `failure` is (reason, message) of what went wrong in it."""
    old = owner.get("status") or {}
    owned = list(owned)
    active = [pod for pod in owned if pods.is_active(pod)]
    labels = dig(owner, "spec", "template", "metadata", "labels", default={}).items()
    min_ready = dig(owner, "spec", "minReadySeconds", default=0)
    counts = {
        "fullyLabeledReplicas": sum(1 for pod in active if labels <= objects.labels(pod).items()),
        "readyReplicas": sum(1 for pod in active if pods.is_ready(pod)),
        "availableReplicas": sum(1 for pod in active if pods.is_available(pod, min_ready, now)),
    }
    listed = list(old.get("conditions") or ())
    if failure is None:
        listed = conditions.without(listed, "ReplicaFailure")
    elif conditions.find(listed, "ReplicaFailure") is None:
        made = conditions.make("ReplicaFailure", "True", *failure, rfc3339(now))
        listed = conditions.put(listed, made)
    new = {**old, **counts, "replicas": len(active), "conditions": listed}
    new["observedGeneration"] = objects.generation(owner)
    if owner["kind"] == "ReplicaSet":
        new["terminatingReplicas"] = sum(
            1 for pod in owned if objects.is_terminating(pod) and not objects.is_final(pod)
        )
    return {member: value for member, value in new.items() if value or member in _ALWAYS}


_ALWAYS = ("replicas", "terminatingReplicas")
