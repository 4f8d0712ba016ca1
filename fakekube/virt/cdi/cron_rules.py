"""What cdi-apiserver finds wrong with DataImportCrons: the first thing, as upstream stops there. Pure.

Origin: cdi: pkg/apiserver/webhooks/dataimportcron-validate.go
"""

from fakekube.machinery import cron as schedules
from fakekube.machinery.objects import Obj, dig, name
from fakekube.virt.causes import Cause, duplicate
from fakekube.virt.cdi import rules

_UNSETTABLE = ("sourceRef", "contentType", "checkpoints", "finalCheckpoint")


def cron(obj: Obj, old: Obj | None) -> Cause | None:
    """Specs stay."""
    if found := rules.named(name(obj)):
        return found
    spec = obj.get("spec") or {}
    if old is not None:
        same = spec == (old.get("spec") or {})
        return None if same else duplicate("Cannot update DataImportCron Spec", "DataImportCron.Spec")
    template = dig(spec, "template", "spec", default={})
    if all(dig(template, "source", kind) is None for kind in ("registry", "pvc")):
        return Cause("Missing registry source", "spec.Template")
    if any(template.get(one) for one in _UNSETTABLE):
        text = "Unsettable fields: SourceRef, ContentType, Checkpoints, FinalCheckpoint"
        return Cause(text, "spec.Template")
    return rules.spec(template, "Template") or _itself(spec)


def _itself(spec: Obj) -> Cause | None:
    if schedule := spec.get("schedule"):
        try:
            schedules.parse(schedule)
        except schedules.Refused:
            return Cause("Illegal cron schedule", "spec.Schedule")
    if (spec.get("importsToKeep") or 0) < 0:
        return Cause("Illegal ImportsToKeep value", "spec.ImportsToKeep")
    if spec.get("garbageCollect") not in (None, "Never", "Outdated"):
        return Cause("Illegal GarbageCollect value", "spec.Schedule")  # sic
    source = spec.get("managedDataSource")
    if not source:
        return Cause("Illegal ManagedDataSource value", "spec.ManagedDataSource")
    return rules.named(source)
