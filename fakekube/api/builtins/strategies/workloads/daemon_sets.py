"""DaemonSets: a pod per node. How often the template changed stands in an annotation the server keeps.

Origin: k8s: pkg/apis/apps/{v1/{defaults,conversion}.go,validation/validation.go}, pkg/registry/apps/daemonset/strategy.go
"""

from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, immutable, not_negative
from fakekube.api.builtins.strategies.workloads import numbers, statuses, templates
from fakekube.api.builtins.strategies.workloads.workload import WorkloadStrategy, rolling
from fakekube.machinery.field_errors import not_supported
from fakekube.machinery.wire import Object

Spec = dict[str, Any]

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSetStrategy(WorkloadStrategy):
    names_pods = False  # upstream does not remark on these names

    def default_spec(self, spec: Spec) -> None:
        rolling(spec.setdefault("updateStrategy", {}), maxUnavailable=1, maxSurge=0)
        spec.setdefault("revisionHistoryLimit", 10)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"

    def prepare_update(self, new: Object, old: Object) -> None:
        before = int((old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION) or 1)
        changed = new["spec"]["template"] != old["spec"]["template"]
        new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(before + changed)

    def validate_create(self, obj: Object) -> Causes:
        return _spec(obj["spec"])

    def validate_update(self, new: Object, old: Object) -> Causes:
        if new["spec"] == old["spec"]:
            return []
        spec = new["spec"]
        return _spec(spec) + immutable(spec.get("selector"), old["spec"].get("selector"), "spec.selector")

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        now = new.get("status") or {}
        members = (
            "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
            "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
        )  # fmt: skip
        return statuses.counts(now, members) + statuses.collisions(now, old.get("status") or {})


def _spec(spec: Spec) -> Causes:
    template = spec["template"]
    found = templates.selector(spec, "daemonset")
    found += templates.fits(spec.get("selector"), template, "spec", broken=None)
    found += templates.template(template, "spec.template")
    found += templates.always_restarting(template, "spec.template", "DaemonSet")
    found += not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "RollingUpdate":
        found += numbers.of_daemons(strategy.get("rollingUpdate") or {}, "spec.updateStrategy.rollingUpdate")
    elif strategy.get("type") != "OnDelete":
        found.append(not_supported("spec.updateStrategy", strategy, ["RollingUpdate", "OnDelete"]))
    return found + not_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
