"""Names of CustomResourceDefinitions: who may have which, and the conditions that tell. Pure functions.

Within a group, plural, singular and short names share one space, kind and list kind another; first come, first served.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/controller/{status,establish,apiapproval}
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.machinery import objects
from fakekube.machinery.wire import Object

Condition = dict[str, Any]

_CONFLICTS = {
    "plural": "PluralConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
}
_KINDS = ("kind", "listKind")


def accepted_names(crd: Object, others: Iterable[Object]) -> tuple[dict[str, Any], Condition]:
    """The names the CRD has now, and its NamesAccepted condition (without its time)."""
    wanted = crd["spec"]["names"]
    had = objects.dig(crd, "status", "acceptedNames", default={})
    resources, kinds = _taken(crd, others)
    names: dict[str, Any] = {"kind": had.get("kind") or "", "plural": had.get("plural") or "", **had}
    verdict = _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
    for member, reason in _CONFLICTS.items():
        asked, owned = wanted.get(member), had.get(member)
        if asked == owned:
            continue
        taken = kinds if member in _KINDS else resources
        used = [name for name in _each(asked) if name in taken and name not in _each(owned)]
        if used:
            verdict = _condition("NamesAccepted", "False", reason, _in_use(used))
        elif asked:
            names[member] = asked
        else:
            names.pop(member, None)
    if wanted.get("categories"):
        names["categories"] = wanted["categories"]
    else:
        names.pop("categories", None)
    return names, verdict


def _taken(crd: Object, others: Iterable[Object]) -> tuple[set[str], set[str]]:
    """Names of resources and of kinds that other CRDs of the group were granted."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        if other["spec"]["group"] != crd["spec"]["group"] or objects.name(other) == objects.name(crd):
            continue
        names = objects.dig(other, "status", "acceptedNames", default={})
        for member in _CONFLICTS:
            (kinds if member in _KINDS else resources).update(_each(names.get(member)))
    return resources, kinds


def _each(names: str | list[str] | None) -> list[str]:
    if isinstance(names, str):
        return [names] if names else []
    return names or []


def _in_use(names: list[str]) -> str:
    said = list(dict.fromkeys(f'"{name}" is already in use' for name in names))
    return said[0] if len(said) == 1 else f"[{', '.join(said)}]"


def _condition(type_: str, status: str, reason: str, message: str) -> Condition:
    return {"lastTransitionTime": None, "message": message, "reason": reason, "status": status, "type": type_}


def established(crd: Object, names_accepted: Condition) -> Condition:
    """The Established condition: once true it stays true, whatever becomes of the names."""
    if objects.condition_is(crd, "Established"):
        return dict(objects.condition(crd, "Established") or {})
    if names_accepted["status"] == "True":
        said = "the initial names have been accepted"
        return _condition("Established", "True", "InitialNamesAccepted", said)
    return _condition("Established", "False", "NotAccepted", "not all names are accepted")


def approval(crd: Object) -> Condition | None:
    """KubernetesAPIApprovalPolicyConformant, which only CRDs of protected groups carry."""
    if not is_protected(crd["spec"]["group"]):
        return None
    state, why = approval_state(crd["metadata"].get("annotations") or {})
    status = {"Approved": "True", "Bypassed": "False"}.get(state, "False")
    reason = {
        "Approved": "ApprovedAnnotation",
        "Bypassed": "UnapprovedAnnotation",
        "Missing": "MissingAnnotation",
    }
    return _condition(
        "KubernetesAPIApprovalPolicyConformant", status, reason.get(state, "InvalidAnnotation"), why
    )


APPROVAL_ANNOTATION = "api-approved.kubernetes.io"


def is_protected(group: str) -> bool:
    """Groups of the Kubernetes community."""
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def approval_state(annotations: Mapping[str, str]) -> tuple[str, str]:
    """`Approved`, `Bypassed`, `Missing` or `Invalid`, and why."""
    said = annotations.get(APPROVAL_ANNOTATION) or ""
    if not said:
        return "Missing", (
            f'protected groups must have approval annotation "{APPROVAL_ANNOTATION}", see'
            " https://github.com/kubernetes/enhancements/pull/1111"
        )
    if said.startswith("unapproved"):
        return "Bypassed", f'not approved: "{said}"'
    scheme, _, rest = said.partition("://")
    if scheme and rest:
        return "Approved", f"approved in {said}"
    return "Invalid", (
        f'protected groups must have approval annotation "{APPROVAL_ANNOTATION}" with either a URL or a reason starting'
        ' with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111'
    )


def with_conditions(status: Mapping[str, Any], conditions: Iterable[Condition], now: str) -> dict[str, Any]:
    """The status with these conditions; a condition whose status did not change keeps its time and place."""
    kept = {one["type"]: one for one in status.get("conditions") or ()}
    for condition in conditions:
        old = kept.get(condition["type"])
        same = old is not None and old["status"] == condition["status"]
        kept[condition["type"]] = {
            **condition,
            "lastTransitionTime": old["lastTransitionTime"] if old and same else now,
        }
    return {**status, "conditions": list(kept.values())}
