"""Jobs: a selector made of their own uid, unless they say they know better, and an end that is not undone.

Origin: k8s: pkg/apis/batch/v1/defaults.go, pkg/registry/batch/job/strategy.go, pkg/apis/batch/validation
"""

from typing import Any

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategies.workloads import job_indexes, job_rules, statuses, templates
from fakekube.api.builtins.strategies.workloads.workload import WorkloadStrategy
from fakekube.machinery import names
from fakekube.machinery.field_checks import label_selector
from fakekube.machinery.field_errors import OMITTED, invalid, required
from fakekube.machinery.wire import Object

Spec = dict[str, Any]

CONTROLLER_UID, JOB_NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_OLD_UID, _OLD_NAME = "controller-uid", "job-name"
_UNLIMITED = 2**31 - 1
_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


class JobStrategy(WorkloadStrategy):
    propagation_warning = _ORPHANS
    condition_times = ("lastProbeTime", "lastTransitionTime")

    def default_spec(self, spec: Spec) -> None:
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = 1
        spec.setdefault("parallelism", 1)
        spec.setdefault("backoffLimit", _UNLIMITED if "backoffLimitPerIndex" in spec else 6)
        for member, value in (
            ("completionMode", "NonIndexed"),
            ("suspend", False),
            ("manualSelector", False),
        ):
            spec.setdefault(member, value)
        default_policies(spec)
        spec.setdefault(
            "podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
        )

    def complete_create(self, obj: Object) -> None:
        spec, meta = obj["spec"], obj["metadata"]
        template = spec["template"].setdefault("metadata", {})
        if not spec.get("manualSelector"):
            # Of a generated name and uid nobody can know before; so what is there is from an earlier attempt.
            again, name = bool(meta.get("generateName")), meta.get("name") or ""
            labels = template.setdefault("labels", {})
            for key, value in (
                (CONTROLLER_UID, meta["uid"]),
                (JOB_NAME, name),
                (_OLD_UID, meta["uid"]),
                (_OLD_NAME, name),
            ):
                labels[key] = value if again else labels.get(key, value)
            if again or "selector" not in spec:
                spec["selector"] = {"matchLabels": {CONTROLLER_UID: meta["uid"]}}
        if template.get("labels") and (not meta.get("labels") or CONTROLLER_UID in meta["labels"]):
            meta["labels"] = dict(template["labels"])

    def validate_create(self, obj: Object) -> Causes:
        spec, name = obj["spec"], obj["metadata"].get("name") or ""
        found = _generated(obj) + _with_selector(spec)
        completions = spec.get("completions") or 0
        if spec.get("completionMode") == "Indexed" and completions > 0:
            longest = f"{name}-{completions - 1}"
            if names.label(longest):
                said = f"will not able to create pod with invalid DNS label: {longest}"
                found.append(invalid("metadata.name", name, said))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        if new["spec"] == old["spec"]:
            return []
        started = bool((old.get("status") or {}).get("startTime"))
        return _with_selector(new["spec"]) + job_rules.change(new["spec"], old["spec"], started=started)

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        now, before = new.get("status") or {}, old.get("status") or {}
        found = statuses.counts(now, ("active", "succeeded", "failed", "ready", "terminating"))
        if now == before:
            return found
        return found + _finish(now, before, new["spec"]) + job_indexes.of_status(now, before, new["spec"])


def default_policies(spec: Spec) -> None:
    """Patterns of a failure policy ask for conditions that are true, in place."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"


def _generated(obj: Object) -> Causes:
    """Whether the labels the server generates are the ones that stand there."""
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector") or "selector" not in spec:
        return []
    labels = templates.labels_of(spec["template"])
    wanted = {
        _OLD_UID: meta["uid"],
        _OLD_NAME: meta.get("name") or "",
        CONTROLLER_UID: meta["uid"],
        JOB_NAME: meta.get("name") or "",
    }
    at = "spec.template.metadata.labels"
    found: Causes = []
    for key, value in wanted.items():
        if key not in labels:
            found.append(required(f"{at}[{key}]", f"must be '{value}'"))
        elif labels[key] != value:
            found.append(invalid(f"{at}[{key}]", dict(sorted(labels.items())), f"must be '{value}'"))
    if templates.fits(spec["selector"], {"metadata": {"labels": wanted}}, "spec", broken=None):
        found.append(invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))
    return found


def _with_selector(spec: Spec) -> Causes:
    found = job_rules.spec(spec, "spec")
    if "selector" not in spec:
        found.append(required("spec.selector"))
    found += label_selector(spec.get("selector"), "spec.selector")
    return found + templates.fits(spec.get("selector"), spec["template"], "spec", broken=None)


def _finish(now: Spec, before: Spec, spec: Spec) -> Causes:
    """The end of a Job leaves a consistent record, and is not undone."""

    def holds(status: Spec, type_: str) -> bool:
        return any(
            one.get("type") == type_ and one.get("status") == "True" for one in status.get("conditions") or ()
        )

    complete, failed = holds(now, "Complete"), holds(now, "Failed")
    target, met = holds(now, "FailureTarget"), holds(now, "SuccessCriteriaMet")
    texts = [
        (complete and failed, "cannot set Complete=True and Failed=true conditions"),
        (complete and target, "cannot set Complete=True and FailureTarget=true conditions"),
        (failed and not target, "cannot set Failed=True condition without the FailureTarget=true condition"),
        (
            complete and not met,
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
        ),
        (met and failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
        (met and target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
    ]
    for type_ in ("Failed", "Complete", "FailureTarget"):
        undone = holds(before, type_) and not holds(now, type_)
        texts.append((undone, f"cannot disable the terminal {type_}=True condition"))
    undone = holds(before, "SuccessCriteriaMet") and not met
    texts.append((undone, "cannot disable the SuccessCriteriaMet=True condition"))
    found = [invalid("status.conditions", OMITTED, said) for wrong, said in texts if wrong]
    return found + _times(now, before, spec, complete=complete, finished=complete or failed)


def _times(now: Spec, before: Spec, spec: Spec, *, complete: bool, finished: bool) -> Causes:
    done, began = now.get("completionTime"), now.get("startTime")
    found: Causes = []
    if done and not complete:
        said = "cannot set completionTime when there is no Complete=True condition"
        found.append(invalid("status.completionTime", done, said))
    if complete and not done:
        found.append(required("status.completionTime", "completionTime is required for Complete jobs"))
    if done and began and done < began:
        found.append(invalid("status.completionTime", done, "must be equal to or after `startTime`"))
    active = now.get("active") or 0
    if finished and active > 0:
        found.append(invalid("status.active", active, "active>0 is invalid for finished job"))
    if finished and not began:
        found.append(required("status.startTime", "startTime is required for finished job"))
    ready = now.get("ready") or 0
    if ready > active:
        found.append(invalid("status.ready", ready, "cannot set more ready pods than active"))
    for member in ("failed", "succeeded"):
        if (now.get(member) or 0) < (before.get(member) or 0):
            said = f"cannot decrease the {member} counter"
            found.append(invalid(f"status.{member}", now.get(member) or 0, said))
    if done and before.get("completionTime") and done != before["completionTime"]:
        found.append(invalid("status.completionTime", done, "field is immutable"))
    if before.get("startTime") and before["startTime"] != began and not spec.get("suspend"):
        found.append(required("status.startTime", "startTime cannot be removed for unsuspended job"))
    return found
