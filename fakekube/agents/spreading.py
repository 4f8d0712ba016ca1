"""Where a pod may go for the sake of others: spread over topologies, and host ports that are free. Pure.

Only constraints that forbid count (`DoNotSchedule`); what is merely preferred is left to the scores.
Upstream: k8s: pkg/scheduler/framework/plugins/{podtopologyspread,nodeports}
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from fakekube.agents import scheduling
from fakekube.machinery import objects, selectors
from fakekube.machinery.wire import Object

_ANYWHERE = "0.0.0.0"  # noqa: S104 - as ports without an address are meant

Placed = Iterable[tuple[str, Object]]  # name of a node, and a pod on it


class Rule(Struct, frozen=True):
    """One constraint, and how the pods it is about are spread now."""

    key: str
    allowed: int  # so many pods in one topology are just not too many
    counts: Mapping[str, int]


def constraints(pod: Object) -> list[Mapping[str, Any]]:
    """The constraints that forbid."""
    listed = pod["spec"].get("topologySpreadConstraints") or ()
    return [one for one in listed if one.get("whenUnsatisfiable") != "ScheduleAnyway"]


def rules(pod: Object, nodes: Iterable[Object], placed: Placed) -> list[Rule]:
    """What the pod's constraints come down to, given all nodes and all pods on them."""
    wanted = constraints(pod)
    if not wanted:
        return []
    keys = [one["topologyKey"] for one in wanted]
    eligible = {
        objects.name(node): objects.labels(node)
        for node in nodes
        if scheduling.selected(pod["spec"], node) and all(key in objects.labels(node) for key in keys)
    }
    there = [
        (node, other) for node, other in placed if node in eligible and not objects.is_terminating(other)
    ]
    return [_rule(one, pod, eligible, there) for one in wanted]


def _rule(
    constraint: Mapping[str, Any], pod: Object, nodes: Mapping[str, Mapping[str, str]], placed: Placed
) -> Rule:
    key, own = constraint["topologyKey"], objects.labels(pod)
    selector = dict(constraint.get("labelSelector") or {})
    same = {name: own[name] for name in constraint.get("matchLabelKeys") or () if name in own}
    if same:
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **same}
    about = selectors.from_object(selector)
    counts = Counter({labels[key]: 0 for labels in nodes.values()})
    for node, other in placed:
        if objects.namespace(other) == objects.namespace(pod) and about.matches(objects.labels(other)):
            counts[nodes[node][key]] += 1
    enough = len(counts) >= (constraint.get("minDomains") or 1)
    smallest = min(counts.values(), default=0) if enough else 0
    itself = 1 if about.matches(own) else 0
    return Rule(key, smallest + int(constraint["maxSkew"]) - itself, counts)


def too_uneven(node: Object, found: Iterable[Rule]) -> tuple[str, ...]:
    """Why the pod cannot be on this node; empty when it can."""
    labels = objects.labels(node)
    for rule in found:
        if rule.key not in labels:
            return (scheduling.UNLABELLED,)
        if rule.counts.get(labels[rule.key], 0) > rule.allowed:
            return (scheduling.UNEVEN,)
    return ()


def ports(pod: Object) -> list[tuple[str, str, int]]:
    """The ports of its node a pod takes: address, protocol, number."""
    return list(_ports(pod["spec"]))


def _ports(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            if number := port.get("hostPort"):
                yield port.get("hostIP") or _ANYWHERE, port.get("protocol") or "TCP", number


def taken(wanted: Iterable[tuple[str, str, int]], others: Iterable[Object]) -> bool:
    """Whether pods on a node have one of the ports already."""
    used = [one for other in others for one in ports(other)]
    return any(
        (protocol, number) == (its_protocol, its_number) and (address == its or _ANYWHERE in (address, its))
        for address, protocol, number in wanted
        for its, its_protocol, its_number in used
    )
