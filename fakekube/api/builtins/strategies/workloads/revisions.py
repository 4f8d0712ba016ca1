"""ControllerRevisions, whose data is written once, and PodTemplates.

Origin: k8s: pkg/apis/apps/validation/validation.go, pkg/registry/apps/controllerrevision, pkg/registry/core/podtemplate
"""

from fakekube.api.builtins.strategies.checks import Causes, immutable, not_negative
from fakekube.api.builtins.strategies.workloads import templates
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery.field_errors import required
from fakekube.machinery.wire import Object


class ControllerRevisionStrategy(BuiltinStrategy):
    def validate_create(self, obj: Object) -> Causes:
        found = [] if obj.get("data") is not None else [required("data", "data is mandatory")]
        return found + not_negative(obj.get("revision"), "revision")

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new) + immutable(new.get("data"), old.get("data"), "data")


class PodTemplateStrategy(BuiltinStrategy):
    def default(self, obj: Object) -> None:
        super().default(obj)
        templates.default(obj["template"])

    def validate_create(self, obj: Object) -> Causes:
        return templates.template(obj["template"], "template")

    def validate_update(self, new: Object, old: Object) -> Causes:
        return [] if new["template"] == old["template"] else self.validate_create(new)

    def warnings(self, obj: Object, old: Object | None) -> list[str]:
        if old is not None and old["template"] == obj["template"]:
            return []
        return templates.remarks(obj["template"], "template")
