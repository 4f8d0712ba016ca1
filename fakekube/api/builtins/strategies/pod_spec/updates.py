"""What may change on a pod that exists: images, tolerations (more of them), deadlines (earlier ones), gates (fewer).

Origin: k8s: pkg/apis/core/validation/validation.go (ValidatePodUpdate, ValidatePodStatusUpdate, ValidatePodResize …)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fakekube.api.builtins.strategies import go_diff
from fakekube.api.builtins.strategies.checks import Causes, parse_ip, valid_ip
from fakekube.api.builtins.strategies.pod_spec import internal, resources
from fakekube.api.builtins.strategies.pod_spec.spec import MIRROR
from fakekube.machinery import names
from fakekube.machinery.field_checks import qualified
from fakekube.machinery.field_errors import forbidden, invalid
from fakekube.machinery.wire import Object

Member = Mapping[str, Any]

_CHANGEABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_LISTS = ("containers", "initContainers")
_COMPUTE = ("cpu", "memory")


def annotations(new: Mapping[str, str], old: Mapping[str, str]) -> Causes:
    """Annotations that are part of what a pod is: they neither come, go nor change."""
    found: Causes = []
    for key in [*old, *(key for key in new if key not in old)]:
        if new.get(key) == old.get(key):
            continue
        verb = "remove or update" if key in old else "add"
        what = "mirror pod annotation" if key == MIRROR else "AppArmor annotations"
        if key == MIRROR or key.startswith(_APP_ARMOR):
            found.append(forbidden(f"metadata.annotations[{key}]", f"may not {verb} {what}"))
    return found


def spec(new: Member, old: Member) -> Causes:
    """The difference of two specs, which each are sound by themselves."""
    for name in _LISTS:
        if len(new.get(name) or ()) != len(old.get(name) or ()):
            return [forbidden(f"spec.{name}", "pod updates may not add or remove containers")]
    found, stop = _deadline(new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    if stop:
        return found
    found += _tolerations(new.get("tolerations") or (), old.get("tolerations") or ())
    had = {one.get("name") for one in old.get("schedulingGates") or ()}
    for index, gate in enumerate(new.get("schedulingGates") or ()):
        if gate.get("name") not in had:
            said = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            found.append(forbidden(f"spec.schedulingGates[{index}].name", said))
    munged = _without_changeable(new, old)
    if old.get("schedulingGates"):
        found += _gated(munged, old)
    if munged != old:
        shown = go_diff.diff(internal.pod_spec(old), internal.pod_spec(munged))
        found.append(forbidden("spec", f"{_CHANGEABLE}\n{shown}"))
    return found


def _deadline(new: int | None, old: int | None) -> tuple[Causes, bool]:
    at = "spec.activeDeadlineSeconds"
    if new is None:
        said = "must not update from a positive integer to nil value"
        return ([] if old is None else [invalid(at, None, said)]), False
    if old is not None and old < new:
        return [invalid(at, new, "must be less than or equal to previous value")], True
    return [], False


def _tolerations(new: Sequence[Member], old: Sequence[Member]) -> Causes:
    def timeless(one: Member) -> Member:
        return {key: value for key, value in one.items() if key != "tolerationSeconds"}

    kept = [timeless(one) for one in new]
    if all(timeless(one) in kept for one in old):
        return []
    said = "existing toleration can not be modified except its tolerationSeconds"
    return [forbidden("spec.tolerations", said)]


def _without_changeable(new: Member, old: Member) -> dict[str, Any]:
    """The new spec with the old values of everything that may change."""
    munged = dict(new)
    for name in _LISTS:
        if name in new:
            munged[name] = [
                {**one, "image": before.get("image")}
                for one, before in zip(new[name], old[name], strict=True)
            ]
    for member in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _restore(munged, old, member)
    if (old.get("terminationGracePeriodSeconds") or 0) < 0 and new.get("terminationGracePeriodSeconds") == 1:
        _restore(munged, old, "terminationGracePeriodSeconds")
    return munged


def _restore(munged: dict[str, Any], old: Member, member: str) -> None:
    munged.pop(member, None)
    if member in old:
        munged[member] = old[member]


def _gated(munged: dict[str, Any], old: Member) -> Causes:
    """While a pod is held back by gates its node selector and node affinity may become narrower."""
    found: Causes = []
    wanted, had = munged.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if wanted != had:
        if any(wanted.get(key) != value for key, value in had.items()):
            said = "only additions are allowed (no mutations or deletions)"
            found.append(invalid("spec.nodeSelector", dict(wanted), said))
        _restore(munged, old, "nodeSelector")
    new_node = (munged.get("affinity") or {}).get("nodeAffinity")
    old_node = (old.get("affinity") or {}).get("nodeAffinity")
    if new_node != old_node:
        found += _narrower(new_node, old_node, "spec.affinity.nodeAffinity")
        affinity = {
            key: value for key, value in (munged.get("affinity") or {}).items() if key != "nodeAffinity"
        }
        if old_node is not None:
            affinity["nodeAffinity"] = old_node
        munged.pop("affinity", None)
        if affinity or "affinity" in old:
            munged["affinity"] = affinity
    return found


def _narrower(new: Member | None, old: Member | None, path: str) -> Causes:
    member = "requiredDuringSchedulingIgnoredDuringExecution"
    had = ((old or {}).get(member) or {}).get("nodeSelectorTerms")
    if had is None:
        return []
    at = f"{path}.{member}"
    wanted = ((new or {}).get(member) or {}).get("nodeSelectorTerms")
    if wanted is None or len(wanted) != len(had):
        said = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [invalid(f"{at}.nodeSelectorTerms", wanted, said)]
    found: Causes = []
    for index, (one, before) in enumerate(zip(wanted, had, strict=True)):
        for part in ("matchExpressions", "matchFields"):
            if any(term not in (one.get(part) or ()) for term in before.get(part) or ()):
                said = "only additions are allowed (no mutations or deletions)"
                found.append(invalid(f"{at}.nodeSelectorTerms[{index}].{part}", one.get(part), said))
    return found


def ephemeral(new: Object, old: Object) -> Causes:
    """Ephemeral containers come and stay as they are."""
    if MIRROR in (old["metadata"].get("annotations") or {}):
        return [forbidden("[]", "static pods do not support ephemeral containers")]
    found: Causes = []
    after = {one.get("name"): one for one in new["spec"].get("ephemeralContainers") or ()}
    for one in old["spec"].get("ephemeralContainers") or ():
        name = one.get("name")
        said = f'existing ephemeral containers "{name}" may not be'
        if name not in after:
            found.append(forbidden("spec.ephemeralContainers", f"{said} removed\n"))
        elif after[name] != one:
            shown = go_diff.diff(internal.container(one), internal.container(after[name]))
            found.append(forbidden("spec.ephemeralContainers", f"{said} changed\n{shown}"))
    return found


def resize(new: Object, old: Object) -> Causes:
    """CPU and memory of running containers."""
    if MIRROR in (old["metadata"].get("annotations") or {}):
        return [forbidden("[]", "static pods cannot be resized")]
    wanted, had = new["spec"], old["spec"]
    if (had.get("os") or {}).get("name") == "windows":
        return [forbidden("[]", "windows pods cannot be resized")]
    found: Causes = []
    qos = (old.get("status") or {}).get("qosClass")
    if resources.qos_class(wanted) != (qos or resources.qos_class(had)):
        found.append(invalid("spec", qos, "Pod QOS Class may not change as a result of resizing"))
    for name in _LISTS:
        misfit = _reordered(name, wanted.get(name) or (), had.get(name) or ())
        if misfit:
            return found + misfit
    for name in _LISTS:
        for index, (one, before) in enumerate(zip(wanted.get(name) or (), had.get(name) or (), strict=True)):
            if name == "initContainers" and one.get("restartPolicy") != "Always":
                if one != before:
                    found.append(forbidden("spec", "resources for non-sidecar init containers are immutable"))
                continue
            found += _removed(one["resources"], before["resources"], f"spec.{name}[{index}].resources")
            if _beyond_compute(one["resources"]) != _beyond_compute(before["resources"]):
                whom = " for sidecar containers" if name == "initContainers" else ""
                found.append(forbidden("spec", f"only cpu and memory resources{whom} are mutable"))
    return found


def _reordered(name: str, new: Sequence[Member], old: Sequence[Member]) -> Causes:
    if len(new) != len(old):
        return [forbidden(f"spec.{name}", f"{name} may not be added or removed on resize")]
    said = f"{name} may not be renamed or reordered on resize"
    return [
        forbidden(f"spec.{name}[{index}].name", said)
        for index, (one, before) in enumerate(zip(new, old, strict=True))
        if one.get("name") != before.get("name")
    ]


def _removed(new: Member, old: Member, path: str) -> Causes:
    return [
        forbidden(f"{path}.{kind}", f"resource {kind} cannot be removed")
        for kind in ("requests", "limits")
        if not (old.get(kind) or {}).keys() <= (new.get(kind) or {}).keys()
    ]


def _beyond_compute(given: Member) -> list[Any]:
    lists = [
        {key: value for key, value in (given.get(kind) or {}).items() if key not in _COMPUTE}
        for kind in ("limits", "requests")
    ]
    return [*lists, given.get("claims") or []]


def status(new: Object, old: Object) -> Causes:
    """What a writer of `/status` may not say."""
    now, before = new.get("status") or {}, old.get("status") or {}
    found: Causes = []
    for index, one in enumerate(now.get("conditions") or ()):
        type_ = one.get("type") or ""
        if type_ not in ("PodScheduled", "Ready", "Initialized"):
            found += qualified(type_, f"status.conditions[{index}].Type")
    node = now.get("nominatedNodeName") or ""
    if node and node != before.get("nominatedNodeName"):
        found += [invalid("status.nominatedNodeName", node, text) for text in names.subdomain(node)]
    if (now.get("observedGeneration") or 0) < 0:
        said = "must be a non-negative integer"
        found.append(invalid("status.observedGeneration", now["observedGeneration"], said))
    if now.get("qosClass") != before.get("qosClass"):
        found.append(invalid("status.qosClass", now.get("qosClass") or "", "field is immutable"))
    found += _revived(now, before, old.get("spec") or {})
    return found + _addresses(now, before)


def _revived(now: Member, before: Member, spec: Member) -> Causes:
    """A container that has ended for good stays ended."""
    policy = spec.get("restartPolicy")
    found: Causes = []
    for member, containers in (
        ("containerStatuses", spec.get("containers") or ()),
        ("initContainerStatuses", spec.get("initContainers") or ()),
    ):
        after = {one.get("name"): one for one in now.get(member) or ()}
        own = {one.get("name"): one.get("restartPolicy") for one in containers}
        for index, one in enumerate(before.get(member) or ()):
            ended, name = (one.get("state") or {}).get("terminated"), one.get("name")
            if not ended or name not in after or (after[name].get("state") or {}).get("terminated"):
                continue
            rule = own.get(name) or policy
            if rule == "Always" or (rule == "OnFailure" and ended.get("exitCode")):
                continue
            said = "may not be transitioned to non-terminated state"
            found.append(forbidden(f"status.{member}[{index}].state", said))
    return found


def _addresses(now: Member, before: Member) -> Causes:
    found: Causes = []
    for member in ("podIPs", "hostIPs"):
        given = [one.get("ip") or "" for one in now.get(member) or ()]
        if member == "hostIPs" and given and given[0] != now.get("hostIP"):
            found.append(invalid("status.hostIPs[0].ip", given[0], "must be equal to `hostIP`"))
        known = [one.get("ip") for one in before.get(member) or ()]
        for index, ip in enumerate(given):
            if ip not in known:
                found += valid_ip(ip, f"status.{member}[{index}]")
        families = [address.version for address in map(parse_ip, given) if address is not None]
        if len(given) > 2 or (len(given) == 2 and len(set(families)) < 2):
            said = "may specify no more than one IP for each IP family"
            found.append(invalid(f"status.{member}", now[member], said))
    return found
