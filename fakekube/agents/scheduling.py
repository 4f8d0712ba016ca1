"""Where a pod fits: requests, filters and scores, as pure functions of pods and nodes, with the real scheduler's reasons.

Upstream: k8s: pkg/scheduler/framework/plugins/*, framework/types.go (FitError), apis/core/v1/helper
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct, field

from fakekube.agents.quantities import amount
from fakekube.machinery import objects, selectors
from fakekube.machinery.wire import Object

UNSCHEDULABLE = "node(s) were unschedulable"
TAINTED = "node(s) had untolerated taint(s)"
AFFINITY = "node(s) didn't match Pod's node affinity/selector"
POD_AFFINITY = "node(s) didn't match pod affinity rules"
POD_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"
UNEVEN = "node(s) didn't match pod topology spread constraints"
UNLABELLED = f"{UNEVEN} (missing required label)"
PORTS = "node(s) didn't have free ports for the requested pod ports"
TOO_MANY_PODS = "Too many pods"

NO_NODES = "no nodes available to schedule pods"
UNBOUND_CLAIMS = "pod has unbound immediate PersistentVolumeClaims"

# What removing other pods could change; for these the scheduler looks for victims, and we know there are none.
_RESOLVABLE = frozenset(
    {
        TOO_MANY_PODS,
        POD_ANTI_AFFINITY,
        EXISTING_ANTI_AFFINITY,
        UNEVEN,
        PORTS,
    }
)
# What a container without requests counts as when nodes are compared, so that such pods spread, too.
_USUAL_CPU, _USUAL_MEMORY = 100, 200 * 2**20

Requests = Mapping[str, int]


class NodeState(Struct):
    """A node and what is placed on it."""

    node: Object
    allocatable: dict[str, int]
    used: Counter[str] = field(default_factory=Counter)
    usual: Counter[str] = field(
        default_factory=Counter
    )  # cpu and memory with the usual for what asks for nothing
    pods: int = 0

    @property
    def name(self) -> str:
        return objects.name(self.node)


class Demand(Struct, frozen=True):
    """What a pod asks of a node, read from it once."""

    requests: Requests
    usual: Requests


def demand_of(pod: Object) -> Demand:
    """The pod's requests: its containers' and sidecars' together, or its largest init step where that is more."""
    spec = pod["spec"]
    total: Counter[str] = Counter()
    for container in spec.get("containers") or ():
        total.update(_requests(container))
    sidecars: Counter[str] = Counter()
    peak: Counter[str] = Counter()
    for container in spec.get("initContainers") or ():
        asked = _requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars.update(asked)
            step = sidecars
        else:
            step = sidecars + asked
        peak |= step
    requests = (total + sidecars) | peak
    requests.update(_amounts(spec.get("overhead") or {}))
    empty = sum(
        1
        for container in spec.get("containers") or ()
        if not (container.get("resources") or {}).get("requests")
    )
    cpu, memory = requests["cpu"] + empty * _USUAL_CPU, requests["memory"] + empty * _USUAL_MEMORY
    return _demand(tuple(requests.items()), cpu, memory)


@lru_cache(maxsize=512)
def _demand(requests: tuple[tuple[str, int], ...], usual_cpu: int, usual_memory: int) -> Demand:
    """One for all that ask for the same: it is remembered of every pod that has a node."""
    return Demand(dict(requests), {"cpu": usual_cpu, "memory": usual_memory})


def place(state: NodeState, demand: Demand, sign: int = 1) -> None:
    """Count a pod on a node, or with sign -1 no longer."""
    for name, value in demand.requests.items():
        state.used[name] += sign * value
    for name, value in demand.usual.items():
        state.usual[name] += sign * value
    state.pods += sign


def allocatable(node: Object) -> dict[str, int]:
    status = node.get("status") or {}
    return _amounts(status.get("allocatable") or status.get("capacity") or {})


def reasons(pod: Object, demand: Demand, state: NodeState) -> tuple[str, ...]:
    """Why the pod cannot be on the node: the first filter's reasons; empty when it fits."""
    node, spec = state.node, pod["spec"]
    tolerations = spec.get("tolerations") or ()
    node_spec = node.get("spec") or {}
    if node_spec.get("unschedulable") and not tolerated(_CORDON, tolerations):
        return (UNSCHEDULABLE,)
    for taint in node_spec.get("taints") or ():
        if taint.get("effect") != "PreferNoSchedule" and not tolerated(taint, tolerations):
            return (TAINTED,)
    if not selected(spec, node):
        return (AFFINITY,)
    short = []
    if state.pods + 1 > state.allocatable.get("pods", 0):
        short.append(TOO_MANY_PODS)
    for name, wanted in demand.requests.items():
        if wanted > state.allocatable.get(name, 0) - state.used[name] and wanted > 0:
            short.append(f"Insufficient {name}")
    return tuple(short)


def score(demand: Demand, state: NodeState) -> float:
    """How much of CPU and memory would be left, from 0 to 1: the emptier node is the better one."""
    free = 0.0
    for name in ("cpu", "memory"):
        total = state.allocatable.get(name, 0)
        if total:
            free += max(0.0, (total - state.usual[name] - demand.usual[name]) / total)
    return free / 2


_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def tolerated(taint: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> bool:
    for one in tolerations:
        if one.get("effect") and one["effect"] != taint.get("effect"):
            continue
        if one.get("key") and one["key"] != taint.get("key"):
            continue
        operator = one.get("operator") or "Equal"
        if operator == "Exists":
            return True
        if one.get("key") and operator == "Equal" and (one.get("value") or "") == (taint.get("value") or ""):
            return True
    return False


def selected(spec: Mapping[str, Any], node: Object) -> bool:
    """Whether nodeSelector and required node affinity admit the node."""
    labels = objects.labels(node)
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    required = objects.dig(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(term_admits(term, node) for term in required.get("nodeSelectorTerms") or ())


def term_admits(term: Mapping[str, Any], node: Object) -> bool:
    """Whether a term of node affinity is about the node; an empty one is about none."""
    labels, name = objects.labels(node), {"metadata.name": objects.name(node)}
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_admits(one, labels) for one in expressions) and all(_admits(one, name) for one in fields)


def _admits(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    operator = _OPERATORS.get(expression.get("operator") or "")
    if operator is None:
        return False
    values = tuple(expression.get("values") or ())
    return selectors.Requirement(expression.get("key") or "", operator, values).matches(labels)


_OPERATORS = {
    "In": selectors.IN,
    "NotIn": selectors.NOT_IN,
    "Exists": selectors.EXISTS,
    "DoesNotExist": selectors.DOES_NOT_EXIST,
    "Gt": selectors.GT,
    "Lt": selectors.LT,
}


def required_terms(pod: Object, kind: str) -> Sequence[Mapping[str, Any]]:
    """The required terms of `podAffinity` or `podAntiAffinity`."""
    found: Sequence[Mapping[str, Any]] = objects.dig(
        pod, "spec", "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution", default=()
    )
    return found


def term_matches(term: Mapping[str, Any], owner: Object, other: Object) -> bool:
    """Whether an affinity term of pod `owner` is about pod `other`.

    A namespaceSelector is read as "every namespace": {} is its only form in use that names no namespaces.
    """
    spaces = term.get("namespaces") or ()
    everywhere = term.get("namespaceSelector") is not None and not spaces
    if not everywhere and objects.namespace(other) not in (spaces or (objects.namespace(owner),)):
        return False
    return selectors.from_object(term.get("labelSelector")).matches(objects.labels(other))


def explain(rejected: Mapping[str, tuple[str, ...]], general: str = "") -> str:
    """The message of condition and event: how many nodes failed for which reason, or one reason for all of them."""
    total = len(rejected)
    head = f"0/{total} nodes are available"
    counts = Counter(reason for found in rejected.values() for reason in found)
    said = general or ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    hopeless = sum(1 for found in rejected.values() if general or not _resolvable(found))
    victims = []
    if total - hopeless:
        victims.append(f"{total - hopeless} No preemption victims found for incoming pod")
    if hopeless:
        victims.append(f"{hopeless} Preemption is not helpful for scheduling")
    return f"{head}: {said}. preemption: {head}: {', '.join(sorted(victims))}."


def _resolvable(found: tuple[str, ...]) -> bool:
    return all(reason in _RESOLVABLE or reason.startswith("Insufficient ") for reason in found)


def _requests(container: Mapping[str, Any]) -> Counter[str]:
    return Counter(_amounts((container.get("resources") or {}).get("requests") or {}))


def _amounts(quantities: Mapping[str, Any]) -> dict[str, int]:
    return {name: amount(name, value) for name, value in quantities.items()}
