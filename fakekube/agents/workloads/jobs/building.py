"""The pods of a Job: held until their end has been counted; of an indexed Job each knows its index. Pure.

Upstream: k8s: pkg/controller/job/{job_controller,indexed_job_utils}.go
"""

from collections.abc import Iterable
from typing import Any

from fakekube.agents.workloads.jobs import indexes, policies
from fakekube.agents.workloads.pod_control import pod_of
from fakekube.machinery import digits, objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"


def build(job: Object, ended: Iterable[Object], index: int | None) -> Object:
    """A new pod; `ended` are those that failed before."""
    name = objects.name(job)
    template = job["spec"].get("template") or {}
    if index is None:
        pod = pod_of(template, job)
    else:
        pod = pod_of(template, job, generate_name=f"{name}-{index}-")
        _mark_index(job, pod, ended, index)
    pod["metadata"].setdefault("finalizers", []).append(FINALIZER)
    return pod


def _mark_index(job: Object, pod: Object, ended: Iterable[Object], index: int) -> None:
    text = str(index)
    notes = pod["metadata"].setdefault("annotations", {})
    notes[indexes.ANNOTATION] = text
    pod["metadata"].setdefault("labels", {})[indexes.ANNOTATION] = text
    if dig(job, "spec", "backoffLimitPerIndex") is not None:
        before = [one for one in ended if indexes.of(one) == index]
        counted = [one for one in before if policies.judge(job, one).action != "Ignore"]
        notes[INDEX_FAILURES] = str(max((failures_of(one) + 1 for one in counted), default=0))
    pod["spec"].setdefault("hostname", f"{objects.name(job)}-{index}")
    field_ref = {"fieldRef": {"fieldPath": f"metadata.labels['{indexes.ANNOTATION}']"}}
    variable: dict[str, Any] = {"name": "JOB_COMPLETION_INDEX", "valueFrom": field_ref}
    for member in ("initContainers", "containers"):
        for container in pod["spec"].get(member) or ():
            listed = container.setdefault("env", [])
            if all(one.get("name") != variable["name"] for one in listed):
                listed.append(variable)


def failures_of(pod: Object) -> int:
    """How often the pod's index had failed before it."""
    return digits.number(objects.annotations(pod).get(INDEX_FAILURES, "")) or 0
