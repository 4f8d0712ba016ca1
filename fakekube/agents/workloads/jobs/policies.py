"""What a Job's policies make of failed pods and of indexes that succeeded. Pure.

Upstream: k8s: pkg/controller/job/{pod_failure_policy,success_policy}.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from fakekube.agents.workloads.jobs import indexes
from fakekube.machinery import objects
from fakekube.machinery.objects import Obj, dig


class Verdict(Struct, frozen=True):
    """What the first matching rule says of a failed pod; `message` is for FailJob."""

    action: str = "Count"
    message: str = ""


def judge(job: Obj, pod: Obj) -> Verdict:
    for number, rule in enumerate(dig(job, "spec", "podFailurePolicy", "rules", default=())):
        action = str(rule.get("action") or "Count")
        said = _by_exit_code(rule.get("onExitCodes"), pod) or _by_condition(rule.get("onPodConditions"), pod)
        if said:
            return Verdict(action, f"{said} matching {action} rule at index {number}")
    return Verdict()


def _by_exit_code(asked: Mapping[str, Any] | None, pod: Obj) -> str:
    if asked is None:
        return ""
    name, values = asked.get("containerName"), asked.get("values") or ()
    listed = [
        *dig(pod, "status", "initContainerStatuses", default=()),
        *dig(pod, "status", "containerStatuses", default=()),
    ]
    for one in listed:
        code = dig(one, "state", "terminated", "exitCode")
        if not code or (name and one.get("name") != name):
            continue
        if (code in values) == (asked.get("operator") == "In"):
            who = f"{objects.namespace(pod)}/{objects.name(pod)}"
            return f"Container {one.get('name')} for pod {who} failed with exit code {code}"
    return ""


def _by_condition(asked: Iterable[Mapping[str, Any]] | None, pod: Obj) -> str:
    for pattern in asked or ():
        if objects.condition_is(pod, str(pattern.get("type")), str(pattern.get("status") or "True")):
            who = f"{objects.namespace(pod)}/{objects.name(pod)}"
            return f"Pod {who} has condition {pattern.get('type')}"
    return ""


def succeeded_enough(job: Obj, succeeded: set[int]) -> str:
    """The message of the success rule that is met; empty when none is."""
    total = dig(job, "spec", "completions", default=0)
    for number, rule in enumerate(dig(job, "spec", "successPolicy", "rules", default=())):
        listed = rule.get("succeededIndexes")
        wanted = indexes.parse(listed, total) if listed else None
        counted = succeeded if wanted is None else succeeded & wanted
        needed = rule.get("succeededCount")
        if needed is None:
            needed = len(wanted or ()) or 1
        if len(counted) >= needed:
            return f"Matched rules at index {number}"
    return ""
