"""Which pods of a StatefulSet to make and delete next, in which order, and what its status says. Pure.

Upstream: k8s: pkg/controller/statefulset/{stateful_set_control,stateful_set_utils}.go
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from fakekube.agents.workloads import pods
from fakekube.agents.workloads.counts import scaled
from fakekube.agents.workloads.pod_control import pod_of
from fakekube.agents.workloads.revisions import POD_LABEL
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


class Step(Struct, frozen=True):
    """One thing to do: make the pod of an ordinal at a revision, or delete a pod and perhaps say why."""

    what: Literal["create", "delete"]
    ordinal: int
    revision: str = ""
    pod: Object | None = None
    reason: str = ""


def ordinal_of(set_: Object, pod: Object) -> int | None:
    match = _NAME.fullmatch(objects.name(pod))
    return int(match[2]) if match and match[1] == objects.name(set_) else None


def ordinals(set_: Object) -> range:
    start = int(dig(set_, "spec", "ordinals", "start", default=0))
    return range(start, start + int(dig(set_, "spec", "replicas", default=1)))


def is_parallel(set_: Object) -> bool:
    return bool(dig(set_, "spec", "podManagementPolicy") == "Parallel")


def is_rolling(set_: Object) -> bool:
    return bool(dig(set_, "spec", "updateStrategy", "type", default="RollingUpdate") == "RollingUpdate")


def partition(set_: Object) -> int:
    return int(dig(set_, "spec", "updateStrategy", "rollingUpdate", "partition", default=0))


def revision_of(pod: Object) -> str:
    return objects.labels(pod).get(POD_LABEL, "")


class Revisions(Struct, frozen=True):
    """The names of the revision pods are at, and of the one they are to get."""

    current: str
    update: str

    def at(self, set_: Object, ordinal: int) -> str:
        """The revision a pod made now gets."""
        kept = is_rolling(set_) and ordinal < ordinals(set_).start + partition(set_)
        return self.current if kept else self.update


def steps(set_: Object, owned: Iterable[Object], revisions: Revisions, now: datetime) -> list[Step]:
    """What to do now. In order: each pod waits for the one before it, in parallel for nobody."""
    by_ordinal: dict[int, Object] = {}
    for pod in owned:
        ordinal = ordinal_of(set_, pod)
        if ordinal is not None:
            by_ordinal[ordinal] = pod
    wanted, ordered = ordinals(set_), not is_parallel(set_)
    min_ready = dig(set_, "spec", "minReadySeconds", default=0)
    found: list[Step] = []

    def well(pod: Object) -> bool:
        return (
            not objects.is_terminating(pod)
            and pods.phase(pod) == "Running"
            and pods.is_available(pod, min_ready, now)
        )

    for ordinal in wanted:
        pod_or_none = by_ordinal.get(ordinal)
        step = _upkeep(set_, ordinal, pod_or_none, revisions)
        if step is not None:
            found.append(step)
        settled = step is None and pod_or_none is not None and well(pod_or_none)
        if ordered and not settled:
            return found
    condemned = sorted((number for number in by_ordinal if number not in wanted), reverse=True)
    for ordinal in condemned:
        pod = by_ordinal[ordinal]
        if not objects.is_terminating(pod):
            found.append(Step("delete", ordinal, pod=pod))
        if ordered:
            return found
    if not is_rolling(set_) or (found and ordered):
        return found
    return found + _updates(set_, by_ordinal, revisions, now)


def _upkeep(set_: Object, ordinal: int, pod: Object | None, revisions: Revisions) -> Step | None:
    if pod is None:
        return Step("create", ordinal, revisions.at(set_, ordinal))
    if objects.is_final(pod) and not objects.is_terminating(pod):
        reason = "RecreatingFailedPod" if pods.phase(pod) == "Failed" else "RecreatingTerminatedPod"
        return Step("delete", ordinal, pod=pod, reason=reason)
    return None


def _updates(
    set_: Object, by_ordinal: Mapping[int, Object], revisions: Revisions, now: datetime
) -> list[Step]:
    """Outdated pods to delete, the highest ordinal first, as many as may be missing."""
    wanted = ordinals(set_)
    min_ready = dig(set_, "spec", "minReadySeconds", default=0)
    given = dig(set_, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable")
    most = max(1, scaled(given, len(wanted), up=True, default=1))
    missing = sum(
        1
        for ordinal in wanted
        if (pod := by_ordinal.get(ordinal)) is None
        or objects.is_terminating(pod)
        or not pods.is_available(pod, min_ready, now)
    )
    found: list[Step] = []
    for ordinal in reversed(wanted[partition(set_) :]):
        if missing + len(found) >= most:
            break
        outdated = by_ordinal.get(ordinal)
        if (
            outdated is not None
            and revision_of(outdated) != revisions.update
            and not objects.is_terminating(outdated)
        ):
            found.append(Step("delete", ordinal, pod=outdated))
    return found


def status(set_: Object, owned: Sequence[Object], revisions: Revisions, now: datetime) -> dict[str, Any]:
    old = set_.get("status") or {}
    min_ready = dig(set_, "spec", "minReadySeconds", default=0)
    running = [pod for pod in owned if pods.is_ready(pod) and pods.phase(pod) == "Running"]
    alive = [pod for pod in owned if not objects.is_terminating(pod)]
    new = {
        **old,
        "observedGeneration": objects.generation(set_),
        "replicas": len(owned),
        "readyReplicas": len(running),
        "availableReplicas": sum(1 for pod in running if pods.is_available(pod, min_ready, now)),
        "currentReplicas": sum(1 for pod in alive if revision_of(pod) == revisions.current),
        "updatedReplicas": sum(1 for pod in alive if revision_of(pod) == revisions.update),
        "currentRevision": revisions.current,
        "updateRevision": revisions.update,
    }
    wanted = len(ordinals(set_))
    if is_rolling(set_) and new["updatedReplicas"] == new["readyReplicas"] == new["replicas"] == wanted:
        new["currentReplicas"], new["currentRevision"] = new["updatedReplicas"], revisions.update
    keep = ("replicas", "availableReplicas", "collisionCount")
    return {member: value for member, value in new.items() if value or member in keep}


# --- pods and their claims ---------------------------------------------------------------------------------------


def claim_name(set_: Object, template: Mapping[str, Any], ordinal: int) -> str:
    return f"{objects.name(template)}-{objects.name(set_)}-{ordinal}"


def claim_templates(set_: Object) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = dig(set_, "spec", "volumeClaimTemplates", default=())
    return found


def build_claims(set_: Object, ordinal: int) -> list[Object]:
    """The claims of one pod's volumes."""
    found = []
    for template in claim_templates(set_):
        meta = copy_of(dict(template.get("metadata") or {}))
        labels = {**(meta.get("labels") or {}), **dig(set_, "spec", "selector", "matchLabels", default={})}
        meta |= {
            "name": claim_name(set_, template, ordinal),
            "namespace": objects.namespace(set_),
            "labels": labels,
        }
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta}
        found.append({**claim, "spec": copy_of(template.get("spec") or {})})
    return found


def build(set_: Object, template: Mapping[str, Any], ordinal: int, revision: str) -> Object:
    """The pod of an ordinal."""
    pod = pod_of(template, set_)
    name = f"{objects.name(set_)}-{ordinal}"
    meta, spec = pod["metadata"], pod["spec"]
    del meta["generateName"]
    meta["name"] = name
    marks = {POD_LABEL: revision, POD_NAME: name, POD_INDEX: str(ordinal)}
    meta["labels"] = {**meta.get("labels", {}), **marks}
    spec["hostname"] = name
    if service := dig(set_, "spec", "serviceName"):
        spec["subdomain"] = service
    own = {objects.name(one) for one in claim_templates(set_)}
    volumes: list[dict[str, Any]] = [
        {
            "name": objects.name(one),
            "persistentVolumeClaim": {"claimName": claim_name(set_, one, ordinal)},
        }
        for one in claim_templates(set_)
    ]
    volumes += [one for one in spec.get("volumes") or () if one.get("name") not in own]
    if volumes:
        spec["volumes"] = volumes
    return pod


def keeper(set_: Object, ordinal: int) -> Literal["", "set", "pod"]:
    """Whose end is to be the claims' end, too, by the retention policy."""
    policy = dig(set_, "spec", "persistentVolumeClaimRetentionPolicy", default={})
    if policy.get("whenScaled") == "Delete" and ordinal not in ordinals(set_):
        return "pod"
    return "set" if policy.get("whenDeleted") == "Delete" else ""
