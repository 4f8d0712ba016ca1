"""What a Job's spec is held to, alone and inside a CronJob's template.

Origin: k8s: pkg/apis/batch/validation/validation.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, immutable, not_negative
from fakekube.api.builtins.strategies.workloads import job_indexes, templates
from fakekube.machinery.field_checks import one_of, qualified
from fakekube.machinery.field_errors import (
    OMITTED,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)

Spec = Mapping[str, Any]

_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex",
)  # fmt: skip
_MANY = 100_000
_FEWER = 10_000
_LONGEST_INDEXES = 65_536  # bytes
_ACTIONS = ["Count", "FailIndex", "FailJob", "Ignore"]
_INDEXED = "requires indexed completion mode"
_DIRECTIVES = ("nodeSelector", "tolerations", "schedulingGates")


def spec(one: Spec, path: str) -> Causes:
    """Everything but the selector."""
    found: Causes = []
    for member in _COUNTS:
        found += not_negative(one.get(member), f"{path}.{member}")
    if "maxFailedIndexes" in one:
        found += not_negative(one["maxFailedIndexes"], f"{path}.maxFailedIndexes")
        if "backoffLimitPerIndex" not in one:
            found.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if "managedBy" in one:
        found += _managed_by(one["managedBy"], f"{path}.managedBy")
    mode = one.get("completionMode")
    if mode is not None:
        found += one_of(mode, f"{path}.completionMode", ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        found += _indexed(one, path)
    elif mode in (None, "NonIndexed"):
        members = ("backoffLimitPerIndex", "maxFailedIndexes")
        found += [invalid(f"{path}.{member}", one[member], _INDEXED) for member in members if member in one]
    if "podFailurePolicy" in one:
        found += _failure_policy(one, f"{path}.podFailurePolicy.rules")
    if "successPolicy" in one:
        found += _success_policy(one, f"{path}.successPolicy")
    allowed = ("Failed",) if "podFailurePolicy" in one else ("Failed", "TerminatingOrFailed")
    found += one_of(one.get("podReplacementPolicy"), f"{path}.podReplacementPolicy", allowed, missing=None)
    template = one.get("template") or {}
    return found + templates.template(template, f"{path}.template") + _restart(one, template, path)


def _restart(one: Spec, template: Spec, path: str) -> Causes:
    at, policy = f"{path}.template.spec.restartPolicy", (template.get("spec") or {}).get("restartPolicy")
    if policy in (None, "", "Always"):
        return [required(at, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [not_supported(at, policy, ["OnFailure", "Never"])]
    if "podFailurePolicy" in one and policy != "Never":
        return [invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def _managed_by(value: str, path: str) -> Causes:
    if not value:
        return [required(path)]
    domain, slash, name = value.partition("/")
    if not slash or not domain or not name:
        said = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [invalid(path, value, said)]
    return qualified(value, path) if len(value) <= 63 else [too_long(path, 63)]


def _indexed(one: Spec, path: str) -> Causes:
    found: Causes = []
    completions, parallelism, failed = (
        one.get(member) for member in ("completions", "parallelism", "maxFailedIndexes")
    )
    if completions is None:
        found.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > _MANY:
        said = f"must be less than or equal to {_MANY} when completion mode is Indexed"
        found.append(invalid(f"{path}.parallelism", parallelism, said))
    if failed is not None:
        if completions is not None and failed > completions:
            said = "must be less than or equal to completions"
            found.append(invalid(f"{path}.maxFailedIndexes", failed, said))
        if failed > _MANY:
            said = f"must be less than or equal to {_MANY}"
            found.append(invalid(f"{path}.maxFailedIndexes", failed, said))
    if completions is not None and completions > _MANY and "backoffLimitPerIndex" in one:
        if failed is None:
            said = f"must be specified when completions is above {_MANY}"
            found.append(required(f"{path}.maxFailedIndexes", said))
        said = (
            f"must be less than or equal to {_FEWER} when completions are above {_MANY} and used with backoff limit "
            "per index"
        )
        for member in ("parallelism", "maxFailedIndexes"):
            if (one.get(member) or 0) > _FEWER:
                found.append(invalid(f"{path}.{member}", one[member], said))
    return found


def _failure_policy(one: Spec, path: str) -> Causes:
    rules = one["podFailurePolicy"].get("rules") or ()
    found = [too_many(path, len(rules), 20)] if len(rules) > 20 else []
    pod = (one.get("template") or {}).get("spec") or {}
    names = {
        each.get("name") for member in ("containers", "initContainers") for each in pod.get(member) or ()
    }
    for index, rule in enumerate(rules):
        at, action = f"{path}[{index}]", rule.get("action") or ""
        if not action:
            found.append(required(f"{at}.action", f"valid values: {_go_list(_ACTIONS)}"))
        elif action == "FailIndex" and "backoffLimitPerIndex" not in one:
            said = "requires the backoffLimitPerIndex to be set"
            found.append(invalid(f"{at}.action", action, said))
        elif action not in _ACTIONS:
            found.append(not_supported(f"{at}.action", action, _ACTIONS))
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
        if codes is not None:
            found += _exit_codes(codes, names, f"{at}.onExitCodes")
        for position, pattern in enumerate(conditions):
            where = f"{at}.onPodConditions[{position}]"
            found += qualified(pattern.get("type") or "", f"{where}.type")
            found += one_of(pattern.get("status"), f"{where}.status", ("False", "True", "Unknown"))
        if codes is not None and conditions:
            said = "specifying both OnExitCodes and OnPodConditions is not supported"
            found.append(invalid(at, OMITTED, said))
        elif codes is None and not conditions:
            said = "specifying one of OnExitCodes and OnPodConditions is required"
            found.append(invalid(at, OMITTED, said))
    return found


def _exit_codes(codes: Spec, names: set[Any], path: str) -> Causes:
    operator, values = codes.get("operator") or "", list(codes.get("values") or ())
    found: Causes = []
    if operator not in ("In", "NotIn"):
        missing = required(f"{path}.operator", 'valid values: ["In" "NotIn"]')
        unknown = not_supported(f"{path}.operator", operator, ["In", "NotIn"])
        found.append(unknown if operator else missing)
    if "containerName" in codes and codes["containerName"] not in names:
        said = "must be one of the container or initContainer names in the pod template"
        found.append(invalid(f"{path}.containerName", codes["containerName"], said))
    if not values:
        found.append(invalid(f"{path}.values", values, "at least one value is required"))
    elif len(values) > 255:
        found.append(too_many(f"{path}.values", len(values), 255))
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            found.append(invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator"))
        if value in seen:
            found.append(duplicate(f"{path}.values[{index}]", value))
        seen.add(value)
    if values != sorted(values):
        found.append(invalid(f"{path}.values", values, "must be ordered"))
    return found


def _success_policy(one: Spec, path: str) -> Causes:
    if one.get("completionMode") != "Indexed":
        return [invalid(path, one["successPolicy"], _INDEXED)]
    rules = one["successPolicy"].get("rules") or ()
    if not rules:
        said = "at least one rules must be specified when the successPolicy is specified"
        return [required(f"{path}.rules", said)]
    found = [too_many(f"{path}.rules", len(rules), 20)] if len(rules) > 20 else []
    completions = one.get("completions") or 0
    for index, rule in enumerate(rules):
        at, count = f"{path}.rules[{index}]", rule.get("succeededCount")
        if count is None and "succeededIndexes" not in rule:
            said = "at least one of succeededCount or succeededIndexes must be specified"
            found.append(required(at, said))
        listed, total = rule.get("succeededIndexes"), 0
        if listed is not None:
            if len(listed.encode()) > _LONGEST_INDEXES:
                found.append(too_long(f"{at}.succeededIndexes", _LONGEST_INDEXES))
            try:
                total = sum(last - first + 1 for first, last in job_indexes.intervals(listed, completions))
            except ValueError as error:
                said = f"error parsing succeededIndexes: {error}"
                found.append(invalid(f"{at}.succeededIndexes", listed, said))
        found += not_negative(count, f"{at}.succeededCount")
        if count is not None and count > completions:
            said = f"must be less than or equal to {completions} (the number of specified completions)"
            found.append(invalid(f"{at}.succeededCount", count, said))
        if count is not None and listed is not None and count > total:
            said = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
            found.append(invalid(f"{at}.succeededCount", count, said))
    return found


def _go_list(values: list[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"


def change(new: Spec, old: Spec, *, started: bool) -> Causes:
    """What stays as it was. A suspended Job that never started may still be told where its pods run."""
    found = _completions(new, old)
    found += immutable(new.get("selector"), old.get("selector"), "spec.selector")
    template, before = new["template"], old["template"]
    if old.get("suspend") and not started:
        before = _with_directives(before, template)
    found += immutable(template, before, "spec.template")
    for member in (
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ):
        found += immutable(new.get(member), old.get(member), f"spec.{member}")
    return found


def _completions(new: Spec, old: Spec) -> Causes:
    at, wanted = "spec.completions", new.get("completions")
    if new.get("completionMode") != "Indexed":
        return immutable(wanted, old.get("completions"), at)
    if wanted == old.get("completions"):
        return []
    if wanted is None:
        return [required(at, "cannot set completions to nil for Indexed jobs")]
    if wanted != new.get("parallelism"):
        return [invalid(at, wanted, "can only be modified in tandem with spec.parallelism")]
    return []


def _with_directives(old: Spec, new: Spec) -> dict[str, Any]:
    """The old template with the new labels, annotations, node affinity, node selector, tolerations and gates."""
    meta = {
        key: value
        for key, value in (old.get("metadata") or {}).items()
        if key not in ("labels", "annotations")
    }
    wanted = new.get("metadata") or {}
    meta |= {key: wanted[key] for key in ("labels", "annotations") if key in wanted}
    inner, after = dict(old["spec"]), new["spec"]
    for member in _DIRECTIVES:
        inner.pop(member, None)
        if member in after:
            inner[member] = after[member]
    affinity = {
        key: value for key, value in (inner.pop("affinity", None) or {}).items() if key != "nodeAffinity"
    }
    if "nodeAffinity" in (after.get("affinity") or {}):
        affinity["nodeAffinity"] = after["affinity"]["nodeAffinity"]
    if affinity or "affinity" in after:
        inner["affinity"] = affinity
    return {**old, "metadata": meta, "spec": inner}
