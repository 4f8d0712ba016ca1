"""Which node a pod goes to: the emptiest of those it fits on, or the one it likes best; ties are broken by name. Pure.

Upstream: k8s: pkg/scheduler/schedule_one.go (schedulePod)
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fakekube.agents import company, scheduling, spreading, wishes
from fakekube.agents.placements import Books
from fakekube.machinery.wire import Object

if TYPE_CHECKING:
    from fakekube.agents.devices.reservations import Wanted

Rejections = Mapping[str, tuple[str, ...]]  # by node, what it lacks


def choose(pod: Object, books: Books, claimed: "Wanted | None" = None) -> tuple[str | None, Rejections]:
    """The best node, or what each of them lacks."""
    demand = scheduling.demand_of(pod)
    apart = company.rules(pod, books)
    ports, picky = spreading.ports(pod), wishes.has_any(pod)
    placed: list[tuple[str, Object]] = []
    if ports or picky or spreading.constraints(pod):  # few pods look at all others
        placed = [(node, other) for node, _, other in books.placed.values()]
    spread = spreading.rules(pod, (one.node for one in books.states.values()), placed)
    liked = wishes.values(pod, [one.node for one in books.states.values()], placed) if picky else {}
    best, best_score = None, -1.0
    rejected: dict[str, tuple[str, ...]] = {}
    for name in sorted(books.states):
        state = books.states[name]
        found = scheduling.reasons(pod, demand, state)
        if not found and ports and spreading.taken(ports, (one for node, one in placed if node == name)):
            found = (scheduling.PORTS,)
        if not found and spread:
            found = spreading.too_uneven(state.node, spread)
        if not found and claimed is not None:
            found = claimed.reasons(state.node)
        if not found and apart:
            found = company.unmet(state.node, apart)
        if found:
            rejected[name] = found
        elif (value := scheduling.score(demand, state) + liked.get(name, 0.0)) > best_score:
            best, best_score = name, value
    return best, rejected
