"""Rows of what runs pods: apps, batch, autoscaling, policy, and the old replication controller."""

from datetime import datetime
from typing import Any

from fakekube.api.ages import human_duration, since
from fakekube.api.printers.columns import (
    AGE,
    CONTAINERS,
    IMAGES,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Header,
    Printer,
    age,
    boolean,
    condition_true,
    containers,
    flag,
    integer,
    labels,
    name,
    number,
    selector,
    text,
    wide,
)
from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import controller_of, dig
from fakekube.machinery.resources import split_api_version
from fakekube.machinery.wire import Object


def _template(obj: Object) -> tuple[str, str]:
    return containers(dig(obj, "spec", "template", "spec"))


def _replicas(obj: Object, now: datetime) -> list[Any]:
    wanted = dig(obj, "spec", "selector")
    chosen = labels(wanted) if obj.get("kind") == "ReplicationController" else selector(wanted)
    return [
        name(obj),
        number(obj, "spec", "replicas"),
        number(obj, "status", "replicas"),
        number(obj, "status", "readyReplicas"),
        age(obj, now),
        *_template(obj),
        chosen,
    ]


def _ready(obj: Object) -> str:
    return f"{number(obj, 'status', 'readyReplicas')}/{number(obj, 'spec', 'replicas')}"


def _deployment(obj: Object, now: datetime) -> list[Any]:
    return [
        name(obj),
        _ready(obj),
        number(obj, "status", "updatedReplicas"),
        number(obj, "status", "availableReplicas"),
        age(obj, now),
        *_template(obj),
        selector(dig(obj, "spec", "selector"), empty=""),
    ]


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    counts = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    return [
        name(obj),
        *(number(obj, "status", count) for count in counts),
        labels(dig(obj, "spec", "template", "spec", "nodeSelector")),
        age(obj, now),
        *_template(obj),
        selector(dig(obj, "spec", "selector")),
    ]


_JOB_STATES = (("Complete", "Complete"), ("Failed", "Failed"))
_JOB_LATER = (("Suspended", "Suspended"), ("FailureTarget", "FailureTarget"))


def _job_state(obj: Object) -> str:
    for type_, word in _JOB_STATES:
        if condition_true(obj, type_):
            return word
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((word for type_, word in _JOB_LATER if condition_true(obj, type_)), "Running")


def _job(obj: Object, now: datetime) -> list[Any]:
    succeeded, wanted = number(obj, "status", "succeeded"), dig(obj, "spec", "completions")
    parallel = number(obj, "spec", "parallelism")
    if wanted is not None:
        completions = f"{succeeded}/{wanted}"
    else:
        completions = f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"
    started, ended = dig(obj, "status", "startTime"), dig(obj, "status", "completionTime")
    took = ""
    if started:
        until = parse_rfc3339(ended) if ended else now
        took = human_duration((until - parse_rfc3339(started)).total_seconds())
    chosen = selector(dig(obj, "spec", "selector"))
    return [name(obj), _job_state(obj), completions, took, age(obj, now), *_template(obj), chosen]


def _cron_job(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    last = dig(obj, "status", "lastScheduleTime")
    job = dig(spec, "jobTemplate", "spec", default={})
    return [
        name(obj),
        spec.get("schedule") or "",
        text(spec, "timeZone", default=NONE),
        flag(spec.get("suspend")),
        len(dig(obj, "status", "active", default=())),
        since(last, now) if last else NONE,
        age(obj, now),
        *containers(dig(job, "template", "spec")),
        selector(job.get("selector")),
    ]


def _revision(obj: Object, now: datetime) -> list[Any]:
    owner = controller_of(obj)
    controller = NONE
    if owner is not None:
        group, _ = split_api_version(owner["apiVersion"])
        kind = f"{owner['kind']}.{group}" if group else owner["kind"]
        controller = f"{kind.lower()}/{owner['name']}"
    return [name(obj), controller, number(obj, "revision"), age(obj, now)]


def _budget(obj: Object, now: datetime) -> list[Any]:
    return [
        name(obj),
        text(obj, "spec", "minAvailable", default="N/A"),
        text(obj, "spec", "maxUnavailable", default="N/A"),
        number(obj, "status", "disruptionsAllowed"),
        age(obj, now),
    ]


def _autoscaler(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    return [
        name(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(spec, status),
        text(spec, "minReplicas", default=UNSET),
        number(spec, "maxReplicas"),
        number(status, "currentReplicas"),
        age(obj, now),
    ]


_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metrics(spec: Object, status: Object) -> str:
    """current/target of each metric; the first two of many."""
    metrics, currents = spec.get("metrics") or [], status.get("currentMetrics") or []
    shown = []
    for index, metric in enumerate(metrics):
        member = _SOURCES.get(metric.get("type"))
        if member is None:
            shown.append("<unknown type>")
            continue
        source = metric.get(member) or {}
        current = dig(currents, index, member, "current", default={})
        shown.append(_metric(member, source, current))
    if not shown:
        return NONE
    line = ", ".join(shown[:2])
    return f"{line} + {len(shown) - 2} more..." if len(shown) > 2 else line


def _metric(member: str, source: Object, current: Object) -> str:
    target = source.get("target") or {}
    average = target.get("averageValue")
    if member == "pods":
        return f"{text(current, 'averageValue', default=UNKNOWN)}/{average}"
    if member in ("external", "object"):
        if average is not None:
            return f"{text(current, 'averageValue', default=UNKNOWN)}/{average} (avg)"
        return f"{text(current, 'value', default=UNKNOWN)}/{target.get('value')}"
    if average is not None:
        return f"{source.get('name')}: {text(current, 'averageValue', default=UNKNOWN)}/{average}"
    now, wanted = current.get("averageUtilization"), target.get("averageUtilization")
    return f"{source.get('name')}: {UNKNOWN if now is None else f'{now}%'}/{'<auto>' if wanted is None else f'{wanted}%'}"


_POD_NUMBER = Header("Ready", "Number of the pod with ready state")


def _counted(kind: str, package: str) -> tuple[Header, ...]:
    return (
        NAME,
        integer("Desired", f"@{package}.{kind}Spec.replicas"),
        integer("Current", f"@{package}.{kind}Status.replicas"),
        integer("Ready", f"@{package}.{kind}Status.readyReplicas"),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", f"@{package}.{kind}Spec.selector"),
    )


_HPA, _HPA_STATUS = (
    "@autoscaling.v2.HorizontalPodAutoscalerSpec.",
    "@autoscaling.v2.HorizontalPodAutoscalerStatus.",
)
_CRON = "@batch.v1.CronJobSpec."

PRINTERS = {
    ("", "ReplicationController"): Printer(_counted("ReplicationController", "core.v1"), _replicas),
    ("apps", "ReplicaSet"): Printer(_counted("ReplicaSet", "apps.v1"), _replicas),
    ("apps", "Deployment"): Printer(
        (
            NAME,
            _POD_NUMBER,
            Header("Up-to-date", "@apps.v1.DeploymentStatus.updatedReplicas"),
            Header("Available", "@apps.v1.DeploymentStatus.availableReplicas"),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "@apps.v1.DeploymentSpec.selector"),
        ),
        _deployment,
    ),
    ("apps", "StatefulSet"): Printer(
        (NAME, _POD_NUMBER, AGE, CONTAINERS, IMAGES),
        lambda obj, now: [name(obj), _ready(obj), age(obj, now), *_template(obj)],
    ),
    ("apps", "DaemonSet"): Printer(
        (
            NAME,
            integer("Desired", "@apps.v1.DaemonSetStatus.desiredNumberScheduled"),
            integer("Current", "@apps.v1.DaemonSetStatus.currentNumberScheduled"),
            integer("Ready", "@apps.v1.DaemonSetStatus.numberReady"),
            integer("Up-to-date", "@apps.v1.DaemonSetStatus.updatedNumberScheduled"),
            integer("Available", "@apps.v1.DaemonSetStatus.numberAvailable"),
            Header("Node Selector", "@core.v1.PodSpec.nodeSelector"),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "@apps.v1.DaemonSetSpec.selector"),
        ),
        _daemon_set,
    ),
    ("apps", "ControllerRevision"): Printer(
        (
            NAME,
            Header("Controller", "Controller of the object"),
            Header("Revision", "@apps.v1.ControllerRevision.revision"),
            AGE,
        ),
        _revision,
    ),
    ("batch", "Job"): Printer(
        (
            NAME,
            Header("Status", "Status of the job."),
            Header("Completions", "@batch.v1.JobStatus.succeeded"),
            Header("Duration", "Time required to complete the job."),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "@batch.v1.JobSpec.selector"),
        ),
        _job,
    ),
    ("batch", "CronJob"): Printer(
        (
            NAME,
            Header("Schedule", f"{_CRON}schedule"),
            Header("Timezone", f"{_CRON}timeZone"),
            boolean("Suspend", f"{_CRON}suspend"),
            integer("Active", "@batch.v1.CronJobStatus.active"),
            Header("Last Schedule", "@batch.v1.CronJobStatus.lastScheduleTime"),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "@batch.v1.JobSpec.selector"),
        ),
        _cron_job,
    ),
    ("policy", "PodDisruptionBudget"): Printer(
        (
            NAME,
            Header("Min Available", "The minimum number of pods that must be available."),
            Header("Max Unavailable", "The maximum number of pods that may be unavailable."),
            integer("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time."),
            AGE,
        ),
        _budget,
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Printer(
        (
            NAME,
            Header("Reference", f"{_HPA}scaleTargetRef"),
            Header("Targets", f"{_HPA}metrics"),
            Header("MinPods", f"{_HPA}minReplicas"),
            Header("MaxPods", f"{_HPA}maxReplicas"),
            Header("Replicas", f"{_HPA_STATUS}currentReplicas"),
            AGE,
        ),
        _autoscaler,
    ),
    ("autoscaling", "Scale"): Printer(
        (
            Header("Name", NAME.text),
            integer("Desired", "@autoscaling.v1.ScaleSpec.replicas"),
            integer("Available", "@autoscaling.v1.ScaleStatus.replicas"),
            AGE,
        ),
        lambda obj, now: [
            name(obj),
            number(obj, "spec", "replicas"),
            number(obj, "status", "replicas"),
            age(obj, now),
        ],
    ),
}
