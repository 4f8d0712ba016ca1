"""StatefulSets: pods with names and volumes of their own.

Origin: k8s: pkg/apis/apps/{v1/defaults.go,validation/validation.go}, pkg/registry/apps/statefulset/strategy.go
"""

from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, not_negative
from fakekube.api.builtins.strategies.workloads import numbers, statuses, templates
from fakekube.api.builtins.strategies.workloads.workload import WorkloadStrategy
from fakekube.machinery.field_errors import forbidden, invalid, not_supported
from fakekube.machinery.wire import Object

Spec = dict[str, Any]

_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_FORBIDDEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_NEGATIVE_HISTORY = "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"


class StatefulSetStrategy(WorkloadStrategy):
    names_pods = False  # the name rule already asks for a label

    def default_spec(self, spec: Spec) -> None:
        spec.setdefault("podManagementPolicy", "OrderedReady")
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        for member in ("whenDeleted", "whenScaled"):
            if not retention.get(member):
                retention[member] = "Retain"
        spec.setdefault("replicas", 1)
        spec.setdefault("revisionHistoryLimit", 10)
        for claim in spec.get("volumeClaimTemplates") or ():
            claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
            claim.setdefault("metadata", {})
            claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
            claim["spec"].setdefault("resources", {})
            claim.setdefault("status", {}).setdefault("phase", "Pending")

    def validate_create(self, obj: Object) -> Causes:
        return _spec(obj["spec"])

    def validate_update(self, new: Object, old: Object) -> Causes:
        if new["spec"] == old["spec"]:
            return []
        found = _spec(new["spec"])
        fixed, before = (
            {key: value for key, value in one["spec"].items() if key not in _MUTABLE} for one in (new, old)
        )
        return found if fixed == before else [*found, forbidden("spec", _FORBIDDEN)]

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        now, before = new.get("status") or {}, old.get("status") or {}
        members = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        found = statuses.counts(now, ("replicas", *members, "observedGeneration", "collisionCount"))
        found += statuses.parts(now, members, ready="status.readyReplicas")
        return found + statuses.collisions(now, before)

    def warnings(self, obj: Object, old: Object | None) -> list[str]:
        found = super().warnings(obj, old)
        limit = obj["spec"].get("revisionHistoryLimit")
        return [*found, _NEGATIVE_HISTORY] if limit is not None and limit < 0 else found


def _spec(spec: Spec) -> Causes:
    found: Causes = []
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        found.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    found += _strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    for member, value in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
        if value not in ("Retain", "Delete"):
            at = f"spec.persistentVolumeClaimRetentionPolicy.{member}"
            found.append(not_supported(at, value, ["Retain", "Delete"]))
    for member in ("replicas", "minReadySeconds"):
        found += not_negative(spec.get(member), f"spec.{member}")
    found += not_negative((spec.get("ordinals") or {}).get("start"), "spec.ordinals.start")
    found += templates.selector(spec, "statefulset")
    # The template's pods get volumes from the claims: so upstream does not look at the pod spec here.
    template = spec["template"]
    found += templates.fits(spec.get("selector"), template, "spec", broken="")
    found += templates.metadata(template, "spec.template")
    return found + templates.always_restarting(template, "spec.template", "StatefulSet")


def _strategy(strategy: Spec, path: str) -> Causes:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        said = "only allowed for updateStrategy 'RollingUpdate'"
        return [] if rolling is None else [invalid(f"{path}.rollingUpdate", rolling, said)]
    if kind != "RollingUpdate":
        return [invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")]
    if rolling is None:
        return []
    found = not_negative(rolling.get("partition"), f"{path}.rollingUpdate.partition")
    return found + numbers.of_stateful(rolling.get("maxUnavailable"), f"{path}.rollingUpdate.maxUnavailable")
