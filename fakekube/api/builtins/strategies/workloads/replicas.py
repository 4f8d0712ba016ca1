"""Deployments, ReplicaSets and ReplicationControllers: so many of one template.

Origin: k8s: pkg/apis/apps/{v1/defaults.go,validation/validation.go}, pkg/registry/apps/{deployment,replicaset}/strategy.go,
pkg/registry/core/replicationcontroller/strategy.go
"""

from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, immutable, not_negative
from fakekube.api.builtins.strategies.workloads import numbers, statuses, templates
from fakekube.api.builtins.strategies.workloads.workload import ALL_METADATA, WorkloadStrategy, rolling
from fakekube.machinery.field_errors import forbidden, invalid, not_supported, required
from fakekube.machinery.wire import Object

Spec = dict[str, Any]


class DeploymentStrategy(WorkloadStrategy):
    """A change of annotations counts as a change of the spec; `/status` writes leave the labels alone."""

    status_metadata = tuple(member for member in ALL_METADATA if member != "labels")
    condition_times = ("lastUpdateTime", "lastTransitionTime")

    def default_spec(self, spec: Spec) -> None:
        spec.setdefault("replicas", 1)
        strategy = spec.setdefault("strategy", {})
        rolling(strategy, maxUnavailable="25%", maxSurge="25%")
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)

    def changes_generation(self, new: Object, old: Object) -> bool:
        notes, noted = (one["metadata"].get("annotations") or {} for one in (new, old))
        return new["spec"] != old["spec"] or notes != noted

    def validate_create(self, obj: Object) -> Causes:
        return _deployment(obj["spec"])

    def validate_update(self, new: Object, old: Object) -> Causes:
        if new["spec"] == old["spec"]:
            return []
        spec = new["spec"]
        return _deployment(spec) + immutable(
            spec.get("selector"), old["spec"].get("selector"), "spec.selector"
        )

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        now, before = new.get("status") or {}, old.get("status") or {}
        members = ("updatedReplicas", "readyReplicas", "availableReplicas")
        whole = ("observedGeneration", "replicas", *members, "unavailableReplicas", "collisionCount")
        found = statuses.counts(now, whole) + statuses.parts(now, members)
        return found + statuses.collisions(now, before)


def _deployment(spec: Spec) -> Causes:
    found = not_negative(spec.get("replicas"), "spec.replicas") + templates.selector(spec, "deployment")
    found += _template(spec, "ReplicaSet")
    found += _strategy(spec.get("strategy") or {}, "spec.strategy")
    for member in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        found += not_negative(spec.get(member), f"spec.{member}")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        found.append(
            invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
        )
    return found


def _template(spec: Spec, kind: str) -> Causes:
    template = spec["template"]
    found = templates.fits(spec.get("selector"), template, "spec", broken="invalid label selector")
    found += templates.template(template, "spec.template")
    return found + templates.always_restarting(template, "spec.template", kind)


def _strategy(strategy: Spec, path: str) -> Causes:
    kind, numbers_ = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        said = "may not be specified when strategy `type` is 'Recreate'"
        return [] if numbers_ is None else [forbidden(f"{path}.rollingUpdate", said)]
    if kind == "RollingUpdate":
        return numbers.of_deployment(numbers_ or {}, f"{path}.rollingUpdate")
    return [not_supported(path, strategy, ["Recreate", "RollingUpdate"])]


class ReplicaSetStrategy(WorkloadStrategy):
    def default_spec(self, spec: Spec) -> None:
        spec.setdefault("replicas", 1)

    def validate_create(self, obj: Object) -> Causes:
        return _replica_set(obj["spec"])

    def validate_update(self, new: Object, old: Object) -> Causes:
        if new["spec"] == old["spec"]:
            return []
        spec = new["spec"]
        return _replica_set(spec) + immutable(
            spec.get("selector"), old["spec"].get("selector"), "spec.selector"
        )

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        return _replica_status(new.get("status") or {})


def _replica_set(spec: Spec) -> Causes:
    found: Causes = []
    for member in ("replicas", "minReadySeconds"):
        found += not_negative(spec.get(member), f"spec.{member}")
    return found + templates.selector(spec, "deployment") + _template(spec, "ReplicaSet")


def _replica_status(status: Spec) -> Causes:
    members = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    found = statuses.counts(status, ("replicas", *members, "observedGeneration"))
    return found + statuses.parts(status, members)


class ReplicationControllerStrategy(WorkloadStrategy):
    """The elder sibling: its selector is a plain map, and comes from the template where it is missing."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        labels = templates.labels_of(obj["spec"]["template"])
        if labels:
            if not obj["spec"].get("selector"):
                obj["spec"]["selector"] = dict(labels)
            if not obj["metadata"].get("labels"):
                obj["metadata"]["labels"] = dict(labels)

    def default_spec(self, spec: Spec) -> None:
        spec.setdefault("replicas", 1)

    def validate_create(self, obj: Object) -> Causes:
        return _controller(obj["spec"])

    def validate_update(self, new: Object, old: Object) -> Causes:
        return [] if new["spec"] == old["spec"] else _controller(new["spec"])

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        return _replica_status(new.get("status") or {})


def _controller(spec: Spec) -> Causes:
    found: Causes = []
    for member in ("replicas", "minReadySeconds"):
        found += not_negative(spec.get(member), f"spec.{member}")
    selector, template = spec.get("selector") or {}, spec["template"]
    if not selector:
        found.append(required("spec.selector"))
    else:
        found += templates.fits({"matchLabels": selector}, template, "spec", broken=None)
    found += templates.template(template, "spec.template")
    return found + templates.always_restarting(template, "spec.template", "ReplicationController")
