"""What a pod merely prefers: nodes with certain labels, the company of certain pods, or their absence. Pure.

Each kind of wish is worth twice as much as what is free on a node, as with the real scheduler's weights. What pods that are
placed already would prefer of the new one does not count here.
Upstream: k8s: pkg/scheduler/framework/plugins/{nodeaffinity,interpodaffinity}/scoring.go
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fakekube.agents import scheduling
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

_WEIGHT = 2.0
_KINDS = (("podAffinity", 1), ("podAntiAffinity", -1))


def has_any(pod: Object) -> bool:
    """Whether there is anything to reckon; mostly there is not."""
    affinity = pod["spec"].get("affinity")
    return bool(affinity) and any(_preferred(pod, kind) for kind in affinity)


def values(pod: Object, nodes: Sequence[Object], placed: Iterable[tuple[str, Object]]) -> dict[str, float]:
    """By node, how far it is what the pod prefers. `placed`: nodes' names and the pods on them."""
    labels = {objects.name(node): objects.labels(node) for node in nodes}
    wanted = {objects.name(node): _by_labels(pod, node) for node in nodes}
    company = dict.fromkeys(labels, 0)
    others = list(placed)
    for kind, sign in _KINDS:
        for one in _preferred(pod, kind):
            term, weight = one["podAffinityTerm"], sign * int(one["weight"])
            key = term["topologyKey"]
            for where, other in others:
                place = labels.get(where, {}).get(key)
                if place is not None and scheduling.term_matches(term, pod, other):
                    for node, marks in labels.items():
                        company[node] += weight if marks.get(key) == place else 0
    most, least = max(company.values(), default=0), min(company.values(), default=0)
    best = max(wanted.values(), default=0)
    return {
        node: _WEIGHT * (wanted[node] / best if best else 0.0)
        + _WEIGHT * ((company[node] - least) / (most - least) if most > least else 0.0)
        for node in labels
    }


def _by_labels(pod: Object, node: Object) -> int:
    return sum(
        int(one["weight"])
        for one in _preferred(pod, "nodeAffinity")
        if scheduling.term_admits(one["preference"], node)
    )


def _preferred(pod: Object, kind: str) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = objects.dig(
        pod, "spec", "affinity", kind, "preferredDuringSchedulingIgnoredDuringExecution", default=()
    )
    return found
