"""On which nodes a DaemonSet's pod belongs, which pods to make and delete, and what the status says. Pure.

Upstream: k8s: pkg/controller/daemon/{daemon_controller,update}.go, pkg/controller/daemon/util/daemonset_util.go
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from fakekube.agents import scheduling
from fakekube.agents.workloads import pods
from fakekube.agents.workloads.counts import scaled
from fakekube.agents.workloads.pod_control import pod_of
from fakekube.agents.workloads.revisions import POD_LABEL
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

TEMPLATE_GENERATION = "pod-template-generation"
_DEPRECATED_GENERATION = "deprecated.daemonset.template.generation"
_EVICTING = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_REFUSING = (
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
)
_NETWORK = "node.kubernetes.io/network-unavailable"


class Plan(Struct):
    """Nodes that get a pod; pods to delete, with the event that says why where there is one."""

    create: list[str] = field(default_factory=list)
    delete: list[tuple[Object, str]] = field(default_factory=list)


def tolerations(spec: Mapping[str, Any]) -> list[Object]:
    """The template's, and those that keep a daemon on a node in trouble."""
    found = list(spec.get("tolerations") or ())
    wanted = [(key, "NoExecute") for key in _EVICTING] + [(key, "NoSchedule") for key in _REFUSING]
    if spec.get("hostNetwork"):
        wanted.append((_NETWORK, "NoSchedule"))
    for key, effect in wanted:
        one = {"key": key, "operator": "Exists", "effect": effect}
        if one not in found:
            found.append(one)
    return found


def build(daemon_set: Object, node: str, revision: str) -> Object:
    """The pod for one node: bound to it by affinity, placed there by the scheduler."""
    pod = pod_of(daemon_set["spec"]["template"], daemon_set)
    marks = {POD_LABEL: revision}
    if generation := objects.annotations(daemon_set).get(_DEPRECATED_GENERATION):
        marks[TEMPLATE_GENERATION] = generation
    pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **marks}
    spec = pod["spec"]
    spec["tolerations"] = tolerations(spec)
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    required = affinity.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms") or [{}]
    required["nodeSelectorTerms"] = [{**one, **term} for one in terms]
    return pod


def belongs(daemon_set: Object, node: Object) -> tuple[bool, bool]:
    """(whether a pod is to run there, whether one that does may stay)."""
    spec = daemon_set["spec"]["template"].get("spec") or {}
    if spec.get("nodeName") not in (None, "", objects.name(node)) or not scheduling.selected(spec, node):
        return False, False
    tolerated = tolerations(spec)
    taints = [
        taint
        for taint in dig(node, "spec", "taints", default=())
        if not scheduling.tolerated(taint, tolerated) and taint.get("effect") != "PreferNoSchedule"
    ]
    return not taints, all(taint.get("effect") != "NoExecute" for taint in taints)


def node_of(pod: Object) -> str:
    """The pod's node; while it is not placed yet, the one its affinity names."""
    if node := pod["spec"].get("nodeName"):
        return str(node)
    terms = dig(
        pod,
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
        default=(),
    )
    for term in terms:
        for one in term.get("matchFields") or ():
            if one.get("key") == "metadata.name" and one.get("values"):
                return str(one["values"][0])
    return ""


def by_node(owned: Iterable[Object]) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for pod in owned:
        found.setdefault(node_of(pod), []).append(pod)
    for listed in found.values():
        listed.sort(
            key=lambda pod: (dig(pod, "metadata", "creationTimestamp", default=""), objects.name(pod))
        )
    return found


def _surge(daemon_set: Object, total: int) -> int:
    given = dig(daemon_set, "spec", "updateStrategy", "rollingUpdate", "maxSurge")
    return scaled(given, total, up=True)


def is_rolling(daemon_set: Object) -> bool:
    return bool(dig(daemon_set, "spec", "updateStrategy", "type") == "RollingUpdate")


def manage(daemon_set: Object, nodes: Iterable[Object], placed: Mapping[str, Sequence[Object]]) -> Plan:
    """A pod where one is missing, none where none belongs; ended ones are made anew."""
    plan, seen = Plan(), set()
    surging = is_rolling(daemon_set) and _surge(daemon_set, 100) > 0
    for node in nodes:
        name = objects.name(node)
        seen.add(name)
        runs, stays = belongs(daemon_set, node)
        here = placed.get(name, ())
        if not stays:
            plan.delete += [(pod, "") for pod in here if not objects.is_terminating(pod)]
            continue
        healthy = []
        for pod in here:
            if objects.is_terminating(pod):
                continue
            if objects.is_final(pod):
                plan.delete.append((pod, pods.phase(pod)))
            else:
                healthy.append(pod)
        if len(healthy) > 1 and not surging:
            plan.delete += [(pod, "") for pod in healthy[1:]]
        if runs and not here:
            plan.create.append(name)
    for name, orphaned in placed.items():
        if name and name not in seen:
            plan.delete += [(pod, "") for pod in orphaned if not objects.is_terminating(pod)]
    return plan


def roll(
    daemon_set: Object,
    nodes: Iterable[Object],
    placed: Mapping[str, Sequence[Object]],
    revision: str,
    now: datetime,
) -> Plan:
    """Outdated pods to replace, as many as may be missing or be there twice."""
    nodes = [node for node in nodes if belongs(daemon_set, node)[0]]
    given = dig(daemon_set, "spec", "updateStrategy", "rollingUpdate", default={})
    surge = _surge(daemon_set, len(nodes))
    most = scaled(given.get("maxUnavailable"), len(nodes), up=True, default=1)
    most = max(most, 1) if surge == 0 else most
    min_ready = dig(daemon_set, "spec", "minReadySeconds", default=0)
    plan, missing, doubled = Plan(), 0, 0
    candidates: list[Object] = []
    for node in nodes:
        live = [pod for pod in placed.get(objects.name(node), ()) if not objects.is_terminating(pod)]
        new = next((pod for pod in live if pods_revision(pod) == revision), None)
        old = next((pod for pod in live if pods_revision(pod) != revision), None)
        if old is None:
            missing += new is None or not pods.is_available(new, min_ready, now)
        elif new is not None:
            if pods.is_available(new, min_ready, now):
                plan.delete.append((old, ""))
            else:
                doubled += 1
        elif not pods.is_available(old, min_ready, now):
            missing += 1
            if surge:
                plan.create.append(objects.name(node))
            else:
                plan.delete.append((old, ""))
        else:
            candidates.append(old)
    if surge:
        room = max(0, surge - doubled - len(plan.create))
        plan.create += [node_of(pod) for pod in candidates[:room]]
    else:
        plan.delete += [(pod, "") for pod in candidates[: max(0, most - missing)]]
    return plan


def pods_revision(pod: Object) -> str:
    return objects.labels(pod).get(POD_LABEL, "")


def status(
    daemon_set: Object,
    nodes: Iterable[Object],
    placed: Mapping[str, Sequence[Object]],
    revision: str,
    now: datetime,
) -> dict[str, Any]:
    min_ready = dig(daemon_set, "spec", "minReadySeconds", default=0)
    counts = dict.fromkeys(
        (
            *("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"),
            *("updatedNumberScheduled", "numberAvailable"),
        ),
        0,
    )
    for node in nodes:
        here = placed.get(objects.name(node), ())
        if not belongs(daemon_set, node)[0]:
            counts["numberMisscheduled"] += bool(here)
            continue
        counts["desiredNumberScheduled"] += 1
        if not here:
            continue
        counts["currentNumberScheduled"] += 1
        counts["numberReady"] += any(pods.is_ready(pod) for pod in here)
        counts["numberAvailable"] += any(pods.is_available(pod, min_ready, now) for pod in here)
        counts["updatedNumberScheduled"] += any(pods_revision(pod) == revision for pod in here)
    new = {**(daemon_set.get("status") or {}), **counts, "observedGeneration": objects.generation(daemon_set)}
    new["numberUnavailable"] = counts["desiredNumberScheduled"] - counts["numberAvailable"]
    return {member: value for member, value in new.items() if value or member in _ALWAYS}


_ALWAYS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
