"""One metric of an autoscaler: what it asks for, what its readings propose, and the words for both. Pure.

Upstream: k8s: pkg/controller/podautoscaler/horizontal.go (computeReplicasForMetric and what it calls)
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from fakekube.agents.autoscaling import counting
from fakekube.agents.autoscaling.counting import Count, Measured, Samples, Tolerances, Uncountable
from fakekube.machinery.objects import Obj
from fakekube.machinery.wire import Object

RESOURCE, CONTAINER, PODS, OBJECT, EXTERNAL = "Resource", "ContainerResource", "Pods", "Object", "External"
MEMBERS: Mapping[str, str] = {
    RESOURCE: "resource",
    CONTAINER: "containerResource",
    PODS: "pods",
    OBJECT: "object",
    EXTERNAL: "external",
}


class Unreadable(Struct, frozen=True):
    """No reading; the text is the metrics API's, or of the client that asked it."""

    text: str


Reading = Samples | int | Unreadable  # per pod, or of something all share


class Scene(Struct, frozen=True):
    """What is counted against."""

    namespace: str
    spec_replicas: int
    status_replicas: int
    pods: Sequence[Obj]
    tolerances: Tolerances
    now: datetime
    window: float  # in which shrinking waits, where the autoscaler does not say
    initialization: timedelta  # of pods, in which unready ones do not count


class Proposal(Struct, frozen=True):
    """What one metric proposes. `name` is what messages call the metric."""

    replicas: int
    name: str
    status: Object


class NoProposal(Exception):
    """A metric that proposes nothing: a reason and a text for event and condition, another text for the sum of all."""

    def __init__(self, reason: str, text: str, outer: str) -> None:
        super().__init__(outer)
        self.reason = reason
        self.text = text
        self.outer = outer


def source_of(spec: Obj) -> Mapping[str, Any]:
    """The member of a metric spec that its type names."""
    found: Mapping[str, Any] = spec[MEMBERS[spec["type"]]]
    return found


def propose(spec: Obj, reading: Reading, scene: Scene) -> Proposal:
    """Raises NoProposal."""
    kind = spec["type"]
    if kind in (RESOURCE, CONTAINER):
        return _of_resource(spec, reading, scene)
    if kind == PODS:
        return _of_pods(spec, reading, scene)
    if kind == OBJECT:
        return _of_object(spec, reading, scene)
    return _of_external(spec, reading, scene)


def _of_resource(spec: Obj, reading: Reading, scene: Scene) -> Proposal:
    kind, source = spec["type"], source_of(spec)
    name, container, target = source["name"], source.get("container", ""), source["target"]
    average = target.get("averageValue")
    try:
        samples = _samples(reading, f"unable to get metrics for resource {name}")
        measured = Measured(samples, scene.pods, scene.now, name, container, scene.initialization)
        if average is not None:
            goal = counting.milli(average)
            count = counting.by_average(scene.spec_replicas, measured, goal, scene.tolerances)
        else:
            goal = int(target.get("averageUtilization") or 0)
            count = counting.by_utilization(scene.spec_replicas, measured, goal, scene.tolerances)
    except Uncountable as error:
        text = f"failed to get {name} {'utilization' if average is None else 'usage'}: {error}"
        if kind == CONTAINER:
            outer = f"failed to get {container} container metric value: {text}"
            raise NoProposal("FailedGetContainerResourceMetric", text, outer) from None
        outer = f"failed to get {name} resource metric value: {text}"
        raise NoProposal("FailedGetResourceMetric", text, outer) from None
    current: Object = {"averageValue": counting.quantity(count.usage)}
    called = f"{name} resource"
    if average is None:
        current["averageUtilization"] = count.percent
        what = "container resource" if kind == CONTAINER else "resource"
        called = f"{name} {what} utilization (percentage of request)"
    own: Object = {"name": name, "current": current}
    if kind == CONTAINER:
        own["container"] = container
    return Proposal(count.replicas, called, {"type": kind, MEMBERS[kind]: own})


def _of_pods(spec: Obj, reading: Reading, scene: Scene) -> Proposal:
    source = source_of(spec)
    name = source["metric"]["name"]
    try:
        samples = _samples(reading, f"unable to get metric {name}")
        goal = counting.milli(source["target"]["averageValue"])
        measured = Measured(samples, scene.pods, scene.now)
        count = counting.by_average(scene.spec_replicas, measured, goal, scene.tolerances)
    except Uncountable as error:
        outer = f"failed to get pods metric value: {error}"
        raise NoProposal("FailedGetPodsMetric", str(error), outer) from None
    return Proposal(count.replicas, f"pods metric {name}", _status(spec, averageValue=count.usage))


def _of_object(spec: Obj, reading: Reading, scene: Scene) -> Proposal:
    source = source_of(spec)
    name, described = source["metric"]["name"], source["describedObject"]
    where = f"{described['kind']} on {scene.namespace} {described['name']}"  # upstream's words, out of order
    per_pod = _per_pod(source["target"])
    try:
        usage = _value(reading, f"unable to get metric {name}: {where}/")
        count = _count(source["target"], usage, scene, per_pod=per_pod)
    except Uncountable as error:
        inner = f"failed to get {name} object metric: {error}" if per_pod else str(error)
        outer = f"failed to get object metric value: {inner}"
        raise NoProposal("FailedGetObjectMetric", str(error), outer) from None
    if per_pod:
        called = f"external metric {name}({selector_text(source['metric'].get('selector'))})"
        return Proposal(count.replicas, called, _status(spec, averageValue=count.usage))
    called = f"{described['kind']} metric {name}"
    return Proposal(count.replicas, called, _status(spec, value=count.usage))


def _of_external(spec: Obj, reading: Reading, scene: Scene) -> Proposal:
    source = source_of(spec)
    name, selector = source["metric"]["name"], selector_text(source["metric"].get("selector"))
    per_pod = source["target"].get("averageValue") is not None
    try:
        usage = _value(reading, f"unable to get external metric {scene.namespace}/{name}/{selector}: ")
        count = _count(source["target"], usage, scene, per_pod=per_pod)
    except Uncountable as error:
        inner = (
            f"failed to get {name} external metric" if per_pod else f"failed to get external metric {name}"
        )
        outer = f"failed to get {name} external metric value: {inner}: {error}"
        raise NoProposal("FailedGetExternalMetric", str(error), outer) from None
    current = {"averageValue" if per_pod else "value": count.usage}
    return Proposal(count.replicas, f"external metric {name}({selector})", _status(spec, **current))


def _count(target: Obj, usage: int, scene: Scene, *, per_pod: bool) -> Count:
    if per_pod:
        goal = counting.milli(target["averageValue"])
        return counting.by_total_per_pod(scene.status_replicas, usage, goal, scene.tolerances)
    goal = counting.milli(target["value"])
    return counting.by_total(scene.spec_replicas, usage, scene.pods, goal, scene.tolerances)


def _per_pod(target: Obj) -> bool:
    if target.get("type") == "Value" and target.get("value") is not None:
        return False
    if target.get("type") == "AverageValue" and target.get("averageValue") is not None:
        return True
    text = "invalid object metric source: neither a value target nor an average value target was set"
    raise NoProposal("FailedGetObjectMetric", text, f"failed to get object metric value: {text}")


def _status(spec: Obj, **current: int) -> Object:
    """The part of `currentMetrics` that tells of a metric with a name of its own."""
    source = source_of(spec)
    shown: Object = {"metric": dict(source["metric"])}
    if "describedObject" in source:
        shown["describedObject"] = dict(source["describedObject"])
    shown["current"] = {name: counting.quantity(value) for name, value in current.items()}
    return {"type": spec["type"], MEMBERS[spec["type"]]: shown}


def _samples(reading: Reading, failing: str) -> Samples:
    if isinstance(reading, Unreadable):
        raise Uncountable(f"{failing}: {reading.text}")
    assert not isinstance(reading, int)
    return reading


def _value(reading: Reading, failing: str) -> int:
    if isinstance(reading, Unreadable):
        raise Uncountable(f"{failing}{reading.text}")
    assert isinstance(reading, int)
    return reading


def selector_text(selector: Obj | None) -> str:
    """A label selector as Go prints it."""
    if selector is None:
        return "nil"
    labels = selector.get("matchLabels")
    pairs = "".join(f"{key}: {value}," for key, value in sorted((labels or {}).items()))
    terms = "".join(
        "LabelSelectorRequirement{"
        f"Key:{one['key']},Operator:{one['operator']},Values:[{' '.join(one.get('values') or ())}],"
        "},"
        for one in selector.get("matchExpressions") or ()
    )
    return f"&LabelSelector{{MatchLabels:map[string]string{{{pairs}}},MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
