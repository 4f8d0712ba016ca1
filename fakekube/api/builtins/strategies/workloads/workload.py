"""What the strategies of all workloads share: an empty status to begin with, and a template with its warnings."""

from typing import Any

from fakekube.api.builtins.strategies.workloads import templates
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object

ALL_METADATA: tuple[str, ...] = ("labels", "annotations", "finalizers", "ownerReferences")


class WorkloadStrategy(BuiltinStrategy):
    """A kind whose `spec.template` makes pods."""

    status_metadata = ALL_METADATA
    condition_times: tuple[str, ...] = (
        "lastTransitionTime",
    )  # what conditions show even where they have no time
    names_pods = True  # whether pods are called after its objects, which then had better have host names

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        templates.default(spec.setdefault("template", {}))
        self.default_spec(spec)
        for condition in (obj.get("status") or {}).get("conditions") or ():
            for member in self.condition_times:
                condition.setdefault(member, None)

    def default_spec(self, spec: dict[str, Any]) -> None:
        """Defaults beside the template, in place."""

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = copy_of(dict(self.empty_members.get("status") or {}))

    def warnings(self, obj: Object, old: Object | None) -> list[str]:
        if old is not None and old["spec"] == obj["spec"]:
            return []
        named = templates.name_warning(obj) if old is None and self.names_pods else []
        return named + templates.remarks(obj["spec"]["template"], "spec.template")


def rolling(strategy: dict[str, Any], **members: Any) -> None:
    """Default type and numbers of an update strategy, in place."""
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        numbers = strategy.setdefault("rollingUpdate", {})
        for member, value in members.items():
            numbers.setdefault(member, value)
