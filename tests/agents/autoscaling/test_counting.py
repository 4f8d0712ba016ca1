"""How many replicas usage leads to: upstream's documented examples, and its rules for pods of which little is known."""

from datetime import UTC, datetime, timedelta

import pytest

from fakekube.agents.autoscaling import counting
from fakekube.agents.autoscaling.counting import Measured, Sample, Tolerances, Uncountable
from fakekube.clock import rfc3339

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = rfc3339(NOW - timedelta(hours=1))


def pod(
    number, *, phase="Running", ready="True", since=LONG_AGO, started=LONG_AGO, request="1000m", gone=False
):
    meta = {"name": f"p{number}", "namespace": "default"}
    if gone:
        meta["deletionTimestamp"] = LONG_AGO
    resources = {"requests": {"cpu": request}} if request else {}
    status = {"phase": phase, "startTime": started}
    if ready:
        status["conditions"] = [{"type": "Ready", "status": ready, "lastTransitionTime": since}]
    return {
        "metadata": meta,
        "spec": {"containers": [{"name": "main", "resources": resources}]},
        "status": status,
    }


def measured(usages, pods=None, *, resource="cpu", container="", window=60, at=NOW):
    """`usages`: one per pod, None where it is not known."""
    samples = {f"p{n}": Sample(one, at, window) for n, one in enumerate(usages) if one is not None}
    return Measured(samples, pods or [pod(n) for n in range(len(usages))], NOW, resource, container)


@pytest.mark.parametrize(
    ("current", "usages", "target", "wanted"),
    [
        (2, [200, 200], 100, 4),  # the ratio is 2.0: twice as many
        (2, [50, 50], 100, 1),  # it is 0.5: half as many
        (3, [105, 105, 105], 100, 3),  # within a tenth: as many
        (3, [111, 111, 111], 100, 4),
        (4, [91, 91, 91, 91], 100, 4),
        (4, [74, 74, 74, 74], 100, 3),  # rounded up
        (1, [0], 100, 0),
    ],
)
def test_the_documented_rule(current, usages, target, wanted):
    """desired = ceil(current × usage / target), and nothing within the tolerance."""
    assert counting.by_average(current, measured(usages), target, Tolerances()).replicas == wanted


@pytest.mark.parametrize(
    ("usages", "target", "wanted", "percent"),
    [
        ([300, 500, 700], 30, 5, 50),
        ([1020, 1020, 1020], 100, 3, 102),
        ([100, 300, 500, 250, 250], 50, 3, 28),
        ([650, 650], 50, 3, 65),
    ],
)
def test_utilization_is_of_what_is_requested(usages, target, wanted, percent):
    """The percentage is of all requests together, in whole percents, and so the ratio is made."""
    found = counting.by_utilization(len(usages), measured(usages), target, Tolerances())
    assert (found.replicas, found.percent) == (wanted, percent)


def test_tolerances_may_differ_by_direction():
    """A tolerance of its own for growing and for shrinking; zero lets nothing pass."""
    grow, shrink = Tolerances(up=0.0, down=0.5), Tolerances(up=0.5, down=0.0)
    assert counting.by_average(2, measured([101, 101]), 100, grow).replicas == 3
    assert counting.by_average(2, measured([60, 60]), 100, grow).replicas == 2
    assert counting.by_average(2, measured([140, 140]), 100, shrink).replicas == 2
    assert counting.by_average(4, measured([75] * 4), 100, shrink).replicas == 3


@pytest.mark.parametrize(
    ("usages", "current", "wanted"),
    [
        ([200, 200, None, None], 4, 4),  # as if the others used nothing: 400/400
        ([400, 400, None, None], 4, 8),
        ([50, 50, None, None], 4, 3),  # as if the others used all of the target: 300/400
        ([90, 90, 90, None], 4, 4),
    ],
)
def test_missing_pods_hold_back_both_ways(usages, current, wanted):
    """Pods without metrics count as using nothing when growing, as using the target when shrinking."""
    assert counting.by_average(current, measured(usages), 100, Tolerances()).replicas == wanted


def test_missing_pods_of_a_utilization_are_taken_to_use_their_request():
    """When shrinking: all of it, or the target where that is higher."""
    assert counting.by_utilization(4, measured([100, 100, 100, None]), 50, Tolerances()).replicas == 3
    high = counting.by_utilization(4, measured([1000, 1000, 1000, None]), 200, Tolerances())
    assert high.replicas == 3, "(3000 + 2000) / 4000 is 125 of 200"


def test_unready_pods_do_not_drive_growth():
    """Pods that start count as using nothing when growing, and not at all when shrinking."""
    early = rfc3339(NOW - timedelta(seconds=30))
    pods = [pod(0), pod(1), pod(2, ready="False", since=early, started=early)]
    grown = counting.by_average(3, measured([200, 200, 900], pods), 100, Tolerances())
    assert (grown.replicas, grown.usage) == (4, 200), "400 / 3 pods"
    shrunk = counting.by_average(3, measured([30, 30, 900], pods), 100, Tolerances())
    assert shrunk.replicas == 1


@pytest.mark.parametrize(
    ("made", "counts"),
    [
        ({}, True),
        ({"phase": "Pending"}, False),
        ({"phase": "Failed"}, False),
        ({"gone": True}, False),
        ({"ready": ""}, False),
        ({"ready": "False"}, False),  # unready from its very start on
        ({"ready": "False", "since": rfc3339(NOW - timedelta(minutes=9))}, True),  # has been ready once
        ({"started": rfc3339(NOW - timedelta(minutes=4))}, True),
        (
            {"started": rfc3339(NOW - timedelta(minutes=4)), "since": rfc3339(NOW - timedelta(seconds=59))},
            False,  # no whole window since it became ready
        ),
        (
            {"started": rfc3339(NOW - timedelta(minutes=4)), "since": rfc3339(NOW - timedelta(seconds=60))},
            True,
        ),
        ({"started": rfc3339(NOW - timedelta(minutes=4)), "ready": "False"}, False),
    ],
)
def test_whose_cpu_counts(made, counts):
    """A pod's CPU counts unless it ends, waits, or is still starting; for five minutes every unreadiness is starting."""
    pods = [pod(0), pod(1, **made)]
    assert counting.sort(measured([100, 100], pods)).ready == 1 + counts


def test_other_metrics_do_not_wait_for_readiness():
    """Readiness matters for CPU alone; a pod that is pending never counts."""
    young = pod(0, ready="False", since=rfc3339(NOW), started=rfc3339(NOW))
    assert counting.sort(measured([100], [young], resource="memory")).ready == 1
    assert counting.sort(measured([100], [young], resource="")).ready == 1
    assert counting.sort(measured([100], [pod(0, phase="Pending")], resource="memory")).unready == ["p0"]


def test_a_new_direction_is_not_taken():
    """If what is assumed of unknown pods turns growth into shrinking, everything stays."""
    assert counting.by_average(3, measured([150, None, None]), 100, Tolerances()).replicas == 3
    assert counting.by_average(3, measured([80, None, None]), 100, Tolerances(down=0.0)).replicas == 3


@pytest.mark.parametrize(
    ("current", "usage", "ready", "target", "wanted"),
    [
        (3, 200, 3, 100, 6),
        (3, 200, 2, 100, 4),  # by ready pods, not by replicas
        (3, 105, 3, 100, 3),
        (0, 250, 0, 100, 3),  # from zero: no pods and no tolerance
        (0, 0, 0, 100, 0),
    ],
)
def test_values_of_one_object(current, usage, ready, target, wanted):
    """A value all pods share scales the ready ones by its ratio."""
    pods = [pod(n, ready="True" if n < ready else "False") for n in range(current)]
    assert counting.by_total(current, usage, pods, target, Tolerances()).replicas == wanted


@pytest.mark.parametrize(
    ("there", "usage", "target", "wanted", "mean"),
    [(3, 900, 100, 9, 300), (3, 310, 100, 3, 104), (3, 600, 100, 6, 200), (0, 250, 100, 3, 250)],
)
def test_values_each_pod_has_its_part_of(there, usage, target, wanted, mean):
    """An average of one value over the pods: the value by the target, rounded up."""
    found = counting.by_total_per_pod(there, usage, target, Tolerances())
    assert (found.replicas, found.usage) == (wanted, mean)


@pytest.mark.parametrize(
    ("usages", "pods", "said"),
    [
        ([], [], "no pods returned by selector while calculating replica count"),
        (
            [100],
            [pod(0, phase="Pending")],
            "did not receive metrics for targeted pods (pods might be unready)",
        ),
        ([None], [pod(0)], "did not receive metrics for targeted pods (pods might be unready)"),
        ([100], [pod(0, request="")], "missing request for cpu in container main of Pod p0"),
        ([100], [pod(0, request="0")], "no metrics returned matched known pods"),
    ],
)
def test_what_cannot_be_counted(usages, pods, said):
    """No pods, no metrics, no requests: the texts are upstream's."""
    samples = {f"p{n}": Sample(one, NOW, 60) for n, one in enumerate(usages) if one is not None}
    with pytest.raises(Uncountable) as raised:
        counting.by_utilization(1, Measured(samples, pods, NOW, "cpu"), 50, Tolerances())
    assert str(raised.value) == said


def test_requests_of_one_container_and_of_the_pod():
    """A named container's request counts alone; sidecars count with the pod; a request of the pod goes before all."""
    one = pod(0)
    one["spec"]["initContainers"] = [
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m"}}},
        {"name": "once", "resources": {}},
    ]
    assert counting.requests_of([one], "", "cpu") == {"p0": 1050}
    assert counting.requests_of([one], "side", "cpu") == {"p0": 50}
    with pytest.raises(Uncountable, match="container other not found in Pod p0"):
        counting.requests_of([one], "other", "cpu")
    one["spec"]["resources"] = {"requests": {"cpu": "3"}}
    assert counting.requests_of([one], "", "cpu") == {"p0": 3000}
    with pytest.raises(Uncountable, match="missing pod-level request for memory in Pod p0"):
        counting.requests_of([one], "", "memory")
