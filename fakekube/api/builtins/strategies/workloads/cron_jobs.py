"""CronJobs: a schedule, and a template for the Jobs it makes.

Origin: k8s: pkg/apis/batch/v1/defaults.go, pkg/registry/batch/cronjob/strategy.go, pkg/apis/batch/validation
"""

import re
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, not_negative
from fakekube.api.builtins.strategies.workloads import job_rules, templates
from fakekube.api.builtins.strategies.workloads.jobs import default_policies
from fakekube.api.builtins.strategies.workloads.workload import WorkloadStrategy
from fakekube.machinery import cron
from fakekube.machinery.field_checks import one_of
from fakekube.machinery.field_errors import invalid, not_supported, required
from fakekube.machinery.wire import Object

Spec = dict[str, Any]

_LONGEST_NAME = 63 - 11  # the controller appends a dash and ten digits
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}").fullmatch


class CronJobStrategy(WorkloadStrategy):
    """Its template is a Job's, whose own defaults come when the Job is made."""

    def default(self, obj: Object) -> None:
        super(WorkloadStrategy, self).default(obj)
        spec = obj["spec"]
        for member, value in (
            ("concurrencyPolicy", "Allow"),
            ("suspend", False),
            ("successfulJobsHistoryLimit", 3),
            ("failedJobsHistoryLimit", 1),
        ):
            if spec.get(member) in (None, ""):
                spec[member] = value
        job = spec["jobTemplate"]["spec"]
        templates.default(job.setdefault("template", {}))
        default_policies(job)

    def validate_create(self, obj: Object) -> Causes:
        name = obj["metadata"].get("name") or ""
        found = _cron(obj["spec"], None)
        if len(name) > _LONGEST_NAME:
            said = f"must be no more than {_LONGEST_NAME} characters"
            found.append(invalid("metadata.name", name, said))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return [] if new["spec"] == old["spec"] else _cron(new["spec"], old["spec"])

    def warnings(self, obj: Object, old: Object | None) -> list[str]:
        spec = obj["spec"]
        if old is not None and old["spec"] == spec:
            return []
        found = templates.name_warning(obj) if old is None else []
        found += templates.remarks(spec["jobTemplate"]["spec"]["template"], "spec.jobTemplate.spec.template")
        if "TZ" in spec.get("schedule", ""):
            found.append(
                "CRON_TZ or TZ used in spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )
        return found


def _cron(spec: Spec, old: Spec | None) -> Causes:
    at, when, zone = "spec.schedule", spec.get("schedule") or "", spec.get("timeZone")
    found: Causes = []
    if not when:
        found.append(required(at))
    else:
        wrong = cron.problem(when)
        if wrong:
            found.append(invalid(at, when, wrong))
        if "TZ" in when:
            if old is None or "TZ" not in (old.get("schedule") or ""):
                said = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
                found.append(invalid(at, when, said))
            elif zone is not None:
                said = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
                found.append(invalid(at, when, said))
    found += not_negative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds")
    if zone is not None and (old is None or old.get("timeZone") != zone):
        found += _zone(zone, "spec.timeZone")
    found += one_of(spec.get("concurrencyPolicy"), "spec.concurrencyPolicy", ("Allow", "Forbid", "Replace"))
    job = spec["jobTemplate"]["spec"]
    found += job_rules.spec(job, "spec.jobTemplate.spec")
    if "selector" in job:
        found.append(
            invalid("spec.jobTemplate.spec.selector", job["selector"], "`selector` will be auto-generated")
        )
    if job.get("manualSelector"):
        manual = not_supported(
            "spec.jobTemplate.spec.manualSelector", job["manualSelector"], ["nil", "false"]
        )
        found.append(manual)
    for member in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        found += not_negative(spec.get(member), f"spec.{member}")
    return found


def _zone(name: str, path: str) -> Causes:
    if not name:
        return [invalid(path, name, "timeZone must be nil or non-empty string")]
    if any(part in (".", "..") or part.startswith("-") or not _ZONE_PART(part) for part in name.split("/")):
        return [invalid(path, name, f"unknown time zone {name}")]
    if name.lower() == "local":
        said = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [invalid(path, name, said)]
    return [] if _is_known(name) else [invalid(path, name, f"unknown time zone {name}")]


def _is_known(name: str) -> bool:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - only CronJobs with a zone need it

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
