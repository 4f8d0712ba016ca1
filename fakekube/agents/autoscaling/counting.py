"""From what pods use to how many there should be: ratios, tolerances, and what is assumed of pods nobody knows of. Pure.

Amounts are thousandths, as upstream's `MilliValue`. Ratios are taken of whole numbers where upstream takes them so.

Upstream: k8s: pkg/controller/podautoscaler/{replica_calculator,metrics/utilization}.go
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field

from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects, quantities
from fakekube.machinery.objects import Obj, dig

CPU = "cpu"
INITIALIZATION = timedelta(minutes=5)  # of pods: while it lasts their CPU counts only once they are ready
INITIAL_READINESS = timedelta(seconds=30)  # unready since then: has never been ready
_MOST = 2**31 - 1
_MILLI = 10**6  # billionths in a thousandth


class Uncountable(Exception):
    """No number can be told; the text is upstream's."""


class Sample(Struct, frozen=True):
    """What one pod used, over the `window` seconds up to `at`."""

    value: int
    at: datetime | None = None
    window: float = 0.0


class Tolerances(Struct, frozen=True):
    """How far the usage may be off its target before anything is done."""

    up: float = 0.1
    down: float = 0.1

    def allow(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Measured(Struct, frozen=True):
    """What is known of the pods of a target. `resource` and `container` where it is a resource they use."""

    samples: Mapping[str, Sample]
    pods: Sequence[Obj]
    now: datetime
    resource: str = ""
    container: str = ""
    initialization: timedelta = INITIALIZATION


class Count(Struct, frozen=True):
    """How many replicas are proposed, and the usage that follows from: its mean and, of a request, its percentage."""

    replicas: int
    usage: int
    percent: int | None = None


class Pods(Struct):
    """The pods of a target, sorted by what can be said of them."""

    ready: int = 0
    unready: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


Samples = Mapping[str, Sample]


def by_utilization(current: int, measured: Measured, target: int, tolerances: Tolerances) -> Count:
    """Replicas for a target in percent of what pods request. Raises Uncountable."""
    pods, known = _known(measured)
    requests = requests_of(measured.pods, measured.container, measured.resource)
    ratio, percent, usage = _utilization(known, requests, target)

    def ratio_of(values: Mapping[str, int]) -> float:
        return _utilization(values, requests, target)[0]

    def assumed(pod: str) -> int:
        return requests[pod] * max(100, target) // 100

    rule = _Rule(current, tolerances, ratio_of, assumed)
    return Count(rule.replicas(ratio, known, pods), usage, percent)


def by_average(current: int, measured: Measured, target: int, tolerances: Tolerances) -> Count:
    """Replicas for a target amount per pod. Raises Uncountable."""
    pods, known = _known(measured)
    usage = _mean(known)
    rule = _Rule(current, tolerances, lambda values: _mean(values) / target, lambda _pod: target)
    return Count(rule.replicas(usage / target, known, pods), usage)


def by_total(current: int, usage: int, pods: Sequence[Obj], target: int, tolerances: Tolerances) -> Count:
    """Replicas for a target value of something the pods share. Raises Uncountable."""
    ratio = usage / target
    if current == 0:
        return Count(_ceil(ratio), usage)
    if tolerances.allow(ratio):
        return Count(current, usage)
    if not pods:
        raise Uncountable(
            "unable to calculate ready pods: no pods returned by selector while calculating replica count"
        )
    ready = sum(_phase(pod) == "Running" and objects.condition_is(pod, "Ready") for pod in pods)
    return Count(_ceil(ratio * ready), usage)


def by_total_per_pod(replicas: int, usage: int, target: int, tolerances: Tolerances) -> Count:
    """Replicas for a target each pod has its part of. `replicas` are those there are."""
    wanted = replicas
    if not replicas or not tolerances.allow(usage / (target * replicas)):
        wanted = _ceil(usage / target)
    return Count(wanted, math.ceil(usage / replicas) if replicas else usage)


def sort(measured: Measured) -> Pods:
    """Which pods count, which are not ready to be judged, of which nothing is known."""
    found, samples = Pods(), measured.samples
    for pod in measured.pods:
        name, phase = objects.name(pod), _phase(pod)
        if objects.is_terminating(pod) or phase == "Failed":
            found.ignored.append(name)
        elif phase == "Pending":
            found.unready.append(name)
        elif name not in samples:
            found.missing.append(name)
        elif measured.resource == CPU and _is_premature(pod, samples[name], measured):
            found.unready.append(name)
        else:
            found.ready += 1
    return found


def requests_of(pods: Iterable[Obj], container: str, resource: str) -> dict[str, int]:
    """What each pod requests, or one container of it. Raises Uncountable."""
    return {objects.name(pod): _request(pod, container, resource) for pod in pods}


def milli(quantity: object) -> int:
    """A quantity in thousandths, rounded up. Raises ValueError."""
    return -(-quantities.parse(str(quantity))[0] // _MILLI)


def quantity(thousandths: int) -> str:
    return quantities.render(thousandths * _MILLI, "decimal")


class _Rule(Struct, frozen=True):
    """What all per-pod metrics share: what is not known is assumed to be so that less is done."""

    current: int
    tolerances: Tolerances
    ratio_of: Callable[[Mapping[str, int]], float]
    assumed: Callable[[str], int]  # of a missing pod, when it is about shrinking

    def replicas(self, ratio: float, known: Mapping[str, int], pods: Pods) -> int:
        growing_unready = bool(pods.unready) and ratio > 1.0
        if not growing_unready and not pods.missing:
            return self.current if self.tolerances.allow(ratio) else _ceil(ratio * pods.ready)
        values = dict(known)
        if ratio < 1.0:
            values |= {pod: self.assumed(pod) for pod in pods.missing}
        elif ratio > 1.0:
            values |= dict.fromkeys(pods.missing, 0)
        if growing_unready:
            values |= dict.fromkeys(pods.unready, 0)
        again = self.ratio_of(values)
        turned = (ratio < 1.0 < again) or (again < 1.0 < ratio)
        if self.tolerances.allow(again) or turned:
            return self.current
        replicas = _ceil(again * len(values))
        against = (again < 1.0 and replicas > self.current) or (again > 1.0 and replicas < self.current)
        return self.current if against else replicas


def _known(measured: Measured) -> tuple[Pods, dict[str, int]]:
    if not measured.pods:
        raise Uncountable("no pods returned by selector while calculating replica count")
    found = sort(measured)
    left_out = {*found.ignored, *found.unready}
    known = {name: sample.value for name, sample in measured.samples.items() if name not in left_out}
    if not known:
        raise Uncountable("did not receive metrics for targeted pods (pods might be unready)")
    return found, known


def _utilization(
    values: Mapping[str, int], requests: Mapping[str, int], target: int
) -> tuple[float, int, int]:
    """(ratio, percent, mean)."""
    counted = [(value, requests[pod]) for pod, value in values.items() if pod in requests]
    used, requested = sum(value for value, _ in counted), sum(request for _, request in counted)
    if not requested:
        raise Uncountable("no metrics returned matched known pods")
    percent = used * 100 // requested
    return percent / target, percent, used // len(counted)


def _mean(values: Mapping[str, int]) -> int:
    return sum(values.values()) // len(values)


def _is_premature(pod: Obj, sample: Sample, measured: Measured) -> bool:
    """Whether a pod's CPU says nothing yet: it starts, or has never been ready."""
    ready, started = objects.condition(pod, "Ready"), dig(pod, "status", "startTime")
    if ready is None or not started:
        return True
    since = parse_rfc3339(ready["lastTransitionTime"]) if ready.get("lastTransitionTime") else None
    start, unready = parse_rfc3339(started), ready.get("status") == "False"
    if start + measured.initialization > measured.now:
        early = (
            since is not None
            and sample.at is not None
            and sample.at < since + timedelta(seconds=sample.window)
        )
        return unready or early
    return unready and (since is None or start + INITIAL_READINESS > since)


def _request(pod: Obj, container: str, resource: str) -> int:
    spec, name = pod["spec"], objects.name(pod)
    if not container and dig(spec, "resources", "requests"):
        whole = spec["resources"]["requests"].get(resource)
        if whole is None:
            raise Uncountable(f"missing pod-level request for {resource} in Pod {name}")
        return milli(whole)
    beside = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    chosen = [one for one in (*spec.get("containers", ()), *beside) if container in ("", one["name"])]
    if container and not chosen:
        raise Uncountable(f"container {container} not found in Pod {name}")
    total = 0
    for one in chosen:
        amount = dig(one, "resources", "requests", resource)
        if amount is None:
            raise Uncountable(f"missing request for {resource} in container {one['name']} of Pod {name}")
        total += milli(amount)
    return total


def _phase(pod: Obj) -> str:
    return str(dig(pod, "status", "phase", default=""))


def _ceil(count: float) -> int:
    return min(math.ceil(count), _MOST)
