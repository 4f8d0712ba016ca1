"""What the scheduler knows by heart: which pod is where, and what that leaves of each node. Kept by what caches tell."""

from fakekube.agents import scheduling
from fakekube.agents.scheduling import Demand, NodeState
from fakekube.machinery import objects
from fakekube.machinery.wire import Object


class Books:
    """See the module text. To be told of every change before anybody asks."""

    def __init__(self) -> None:
        self.states: dict[str, NodeState] = {}
        self.placed: dict[
            str, tuple[str, Demand, Object]
        ] = {}  # pod → its node, also for nodes that are gone
        self.repelling: dict[str, Object] = {}  # placed pods with required anti-affinity

    def count_node(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self.states.pop(objects.name(old or {}), None)
            return
        name = objects.name(new)
        state = self.states.get(name)
        if state is not None:
            state.node, state.allocatable = new, scheduling.allocatable(new)
            return
        state = self.states[name] = NodeState(new, scheduling.allocatable(new))
        for node, demand, _ in self.placed.values():
            if node == name:
                scheduling.place(state, demand)

    def count_pod(self, old: Object | None, new: Object | None) -> None:
        key = objects.key(new or old or {})
        if new is None or objects.is_final(new):
            self.unplace(key)
        elif node := new["spec"].get("nodeName"):
            self.place(key, new, node)

    def place(self, key: str, pod: Object, node: str) -> None:
        known = self.placed.get(key)
        if known is not None and known[0] == node:
            self.placed[key] = (node, known[1], pod)
            return
        self.unplace(key)
        demand = scheduling.demand_of(pod)
        self.placed[key] = (node, demand, pod)
        if scheduling.required_terms(pod, "podAntiAffinity"):
            self.repelling[key] = pod
        state = self.states.get(node)
        if state is not None:
            scheduling.place(state, demand)

    def unplace(self, key: str) -> None:
        known = self.placed.pop(key, None)
        self.repelling.pop(key, None)
        if known is not None and (state := self.states.get(known[0])) is not None:
            scheduling.place(state, known[1], -1)
