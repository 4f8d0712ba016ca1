"""Which nodes affinity between pods leaves: the rules a pod has for its neighbours, and those they have. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from fakekube.agents import scheduling
from fakekube.agents.placements import Books
from fakekube.machinery import objects
from fakekube.machinery.wire import Object


class Rule(Struct, frozen=True):
    """What a node has to have, or must not have: one of these values under a label. `reason` is what it lacks else."""

    reason: str
    topology: str
    values: frozenset[str]
    must: bool


def rules(pod: Object, books: Books) -> list[Rule]:
    """Those that are about the pod, as pods are placed now."""
    found = []
    for term in scheduling.required_terms(pod, "podAffinity"):
        near = _topologies(term, pod, books)
        if near or not scheduling.term_matches(term, pod, pod):  # the first of its kind may go anywhere
            found.append(Rule(scheduling.POD_AFFINITY, term["topologyKey"], near, must=True))
    for term in scheduling.required_terms(pod, "podAntiAffinity"):
        values = _topologies(term, pod, books)
        found.append(Rule(scheduling.POD_ANTI_AFFINITY, term["topologyKey"], values, must=False))
    for key, other in books.repelling.items():
        node = books.states.get(books.placed[key][0])
        for term in scheduling.required_terms(other, "podAntiAffinity") if node else ():
            if node and scheduling.term_matches(term, other, pod):
                value = objects.labels(node.node).get(term["topologyKey"])
                if value is not None:
                    reason, values = scheduling.EXISTING_ANTI_AFFINITY, frozenset({value})
                    found.append(Rule(reason, term["topologyKey"], values, must=False))
    return found


def _topologies(term: Mapping[str, Any], pod: Object, books: Books) -> frozenset[str]:
    """The values of the term's topology key where pods it is about are."""
    found = set()
    for node, _, other in books.placed.values():
        state = books.states.get(node)
        if state is not None and scheduling.term_matches(term, pod, other):
            value = objects.labels(state.node).get(term["topologyKey"])
            if value is not None:
                found.add(value)
    return frozenset(found)


def unmet(node: Object, wanted: Iterable[Rule]) -> tuple[str, ...]:
    """Why the node does not do, by the first rule it breaks."""
    labels = objects.labels(node)
    for one in wanted:
        if (labels.get(one.topology) in one.values) is not one.must:
            return (one.reason,)
    return ()
