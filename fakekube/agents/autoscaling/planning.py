"""What an autoscaler wants of its target, and what it says of itself, from values alone. Pure.

    forced(…)      without asking for metrics: disabled, outside of its bounds
    proposed(…)    from the readings of all its metrics: the highest proposal counts
    Plan           how many, why, and the metrics as the status shows them

Upstream: k8s: pkg/controller/podautoscaler/horizontal.go (reconcileAutoscaler, computeReplicasForMetrics)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from fakekube.agents.autoscaling import limits, metric_specs
from fakekube.agents.autoscaling.counting import Tolerances
from fakekube.agents.autoscaling.limits import History
from fakekube.agents.autoscaling.metric_specs import NoProposal, Reading, Scene
from fakekube.agents.autoscaling.status import ABLE, ACTIVE, LIMITED, Draft
from fakekube.machinery import quantities
from fakekube.machinery.wire import Object

_BILLION = 10**9


class Plan(Struct, frozen=True):
    """`reason` is why the target is to have another size, as the event says it."""

    replicas: int
    reason: str = ""
    metrics: Sequence[Object] | None = None


def least(spec: Mapping[str, Any]) -> int:
    found = spec.get("minReplicas")
    return 1 if found is None else int(found)


def tolerances(spec: Mapping[str, Any]) -> Tolerances:
    """Those of the behaviour, or a tenth."""
    behavior = spec.get("behavior") or {}
    usual = Tolerances()
    given = [(behavior.get(side) or {}).get("tolerance") for side in ("scaleUp", "scaleDown")]
    up, down = (None if one is None else quantities.parse(str(one))[0] / _BILLION for one in given)
    return Tolerances(usual.up if up is None else up, usual.down if down is None else down)


def forced(spec: Mapping[str, Any], current: int, draft: Draft) -> Plan | None:
    """The plan where no metric has a say; None where they have."""
    if current == 0 and least(spec) != 0:
        said = "scaling is disabled since the replica count of the target is zero"
        draft.say(ACTIVE, False, "ScalingDisabled", said)
        return Plan(0)
    if current > spec["maxReplicas"]:
        return Plan(spec["maxReplicas"], "Current number of replicas above Spec.MaxReplicas")
    if current < least(spec):
        return Plan(least(spec), "Current number of replicas below Spec.MinReplicas")
    return None


def proposed(
    spec: Mapping[str, Any],
    readings: Sequence[Reading],
    scene: Scene,
    history: History,
    draft: Draft,
) -> tuple[Plan | None, History]:
    """The plan the metrics lead to; None where they lead nowhere, which the draft then tells."""
    metrics: list[Object] = []
    best: metric_specs.Proposal | None = None
    failures: list[NoProposal] = []
    for one, reading in zip(spec["metrics"], readings, strict=True):
        try:
            found = metric_specs.propose(one, reading, scene)
        except NoProposal as failure:
            failures.append(failure)
            draft.warn(failure.reason, failure.text)
            metrics.append({"type": ""})
            continue
        metrics.append(found.status)
        if best is None or not best.replicas or found.replicas > best.replicas:
            best = found
    current = scene.spec_replicas
    if failures and (best is None or best.replicas < current):  # nobody shrinks on half the truth
        first = failures[0]
        said = f"the HPA was unable to compute the replica count: {first.text}"
        draft.say(ACTIVE, False, first.reason, said)
        draft.finish(current, None, metrics)
        of = f"{len(failures)} invalid out of {len(metrics)}"
        draft.warn("FailedComputeMetricsReplicas", f"invalid metrics ({of}), first error is: {first.outer}")
        return None, history
    assert best is not None
    said = f"the HPA was able to successfully calculate a replica count from {best.name}"
    draft.say(ACTIVE, True, "ValidMetricFound", said)
    reason = ""
    if best.replicas > current:
        reason = f"{best.name} above target"
    elif best.replicas < current:
        reason = "All metrics below target"
    bounds = {**spec, "minReplicas": least(spec)}
    normal = limits.normalize(bounds, current, best.replicas, history, scene.now, window=scene.window)
    draft.say(ABLE, True, *normal.able)
    draft.say(LIMITED, normal.limited, *normal.limits)
    return Plan(normal.replicas, reason, metrics), normal.history


def recorded(draft: Draft, plan: Plan, current: int) -> None:
    """The draft once the target has the size of the plan."""
    rescaled = plan.replicas != current
    if rescaled:
        said = f"the HPA controller was able to update the target scale to {plan.replicas}"
        draft.say(ABLE, True, "SucceededRescale", said)
        draft.tell("SuccessfulRescale", f"New size: {plan.replicas}; reason: {plan.reason}")
    draft.finish(current, plan.replicas, plan.metrics, rescaled=rescaled)


def refused(draft: Draft, plan: Plan, current: int, error: str) -> None:
    """The draft once the target has refused the size of the plan."""
    said = f"New size: {plan.replicas}; reason: {plan.reason}; error: {error}"
    draft.warn("FailedRescale", said)
    draft.say(
        ABLE, False, "FailedUpdateScale", f"the HPA controller was unable to update the target scale: {error}"
    )
    draft.finish(current, None, plan.metrics)


def unscalable(draft: Draft, error: str) -> None:
    """The draft where the size of the target cannot be read."""
    draft.warn("FailedGetScale", error)
    said = f"the HPA controller was unable to get the target's current scale: {error}"
    draft.say(ABLE, False, "FailedGetScale", said)


def unselectable(draft: Draft, current: int, reason: str, said: str, condition: str = "") -> None:
    """The draft where it cannot be told which pods are the target's."""
    draft.warn("SelectorRequired" if condition else reason, said)
    draft.say(ACTIVE, False, reason, condition or said)
    draft.finish(current, None, None)
    draft.warn("FailedComputeMetricsReplicas", said)
