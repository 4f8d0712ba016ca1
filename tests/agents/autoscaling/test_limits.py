"""How quickly an autoscaler may follow its metrics: windows, rates, bounds."""

from datetime import UTC, datetime, timedelta

import pytest

from fakekube.agents.autoscaling import limits
from fakekube.agents.autoscaling.limits import History

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


def spec(least=1, most=100, **behavior):
    return {"minReplicas": least, "maxReplicas": most} | ({"behavior": behavior} if behavior else {})


def played(spec, wanted, *, start, every=15):
    """The sizes of a target whose metrics want `wanted`, look by look, and what was said of each."""
    current, history, sizes, said = start, limits.begun(History(), start, at(0)), [], []
    for look, one in enumerate(wanted):
        normal = limits.normalize(spec, current, one, history, at(look * every))
        history = (
            limits.scaled(spec, current, normal.replicas, normal.history, at(look * every))
            if (normal.replicas != current)
            else normal.history
        )
        current = normal.replicas
        sizes.append(current)
        said.append((normal.able[0], normal.limits[0], normal.limited))
    return sizes, said


@pytest.mark.parametrize(
    ("current", "wanted", "replicas", "reason"),
    [
        (3, 5, 5, "DesiredWithinRange"),
        (1, 50, 4, "ScaleUpLimit"),
        (2, 50, 4, "ScaleUpLimit"),
        (3, 50, 6, "ScaleUpLimit"),
        (8, 50, 12, "TooManyReplicas"),
        (3, 1, 3, "DesiredWithinRange"),  # the window's
        (2, 1, 2, "DesiredWithinRange"),
    ],
)
def test_without_behaviour(current, wanted, replicas, reason):
    """At most twice as many, or four; never more than the maximum; what is fewer waits for the window."""
    history = limits.begun(History(), current, at(0))
    found = limits.normalize(spec(2, 12), current, wanted, history, at(0))
    assert (found.replicas, found.limits[0]) == (replicas, reason)
    assert found.limited == (reason != "DesiredWithinRange")


def test_the_window_of_five_minutes():
    """The highest recommendation of the last 300 s counts; that of exactly 300 s ago no longer, as looks come a little late."""
    sizes, said = played(spec(1, 10), [8] + [2] * 22, start=4)
    assert sizes == [8] * 20 + [2] * 3, "recommended at 0 s; at 285 s it still counts, at 300 s no longer"
    assert {one[0] for one in said[1:20]} == {"ScaleDownStabilized"}
    assert said[20][0] == "ReadyForNewScale"


def test_too_few_is_said():
    """A recommendation below the minimum gives the minimum, and is limited."""
    history = limits.begun(History(), 3, at(0))
    found = limits.normalize(spec(3, 10), 3, 1, limits.History(), at(0))
    assert (found.replicas, found.limits[0], found.limited) == (3, "TooFewReplicas", True)
    assert limits.normalize(spec(3, 10), 3, 1, history, at(0)).able[0] == "ScaleDownStabilized"


def pods(value, period=60):
    return {"type": "Pods", "value": value, "periodSeconds": period}


def percent(value, period=60):
    return {"type": "Percent", "value": value, "periodSeconds": period}


@pytest.mark.parametrize(
    ("up", "sizes"),
    [
        ({"policies": [pods(4)]}, [14, 14, 14, 14, 18, 18, 18, 18, 22]),
        ({"policies": [percent(50)]}, [15, 15, 15, 15, 23, 23, 23, 23, 35]),
        ({"policies": [pods(4), percent(50)]}, [15, 15, 15, 15, 23, 23, 23, 23, 35]),
        ({"policies": [pods(4), percent(50)], "selectPolicy": "Min"}, [14, 14, 14, 14, 18, 18, 18, 18, 22]),
        ({"selectPolicy": "Disabled"}, [10] * 9),
        ({}, [20, 40, 80, 100, 100, 100, 100, 100, 100]),
        (
            {"stabilizationWindowSeconds": 30, "policies": [pods(90)]},
            [10, 10, 100, 100, 100, 100, 100, 100, 100],
        ),
    ],
)
def test_how_quickly_it_grows(up, sizes):
    """Policies limit what is added in their period, the highest of them by default; a window waits for the lowest."""
    found, said = played(spec(1, 100, scaleUp=up), [100] * 9, start=10)
    assert found == sizes
    if up and "stabilizationWindowSeconds" not in up:
        assert {one[1:] for one in said} == {("ScaleUpLimit", True)}


@pytest.mark.parametrize(
    ("down", "sizes"),
    [
        ({"policies": [pods(4)]}, [36, 36, 36, 36, 32]),
        ({"policies": [percent(10)]}, [36, 36, 36, 36, 32]),
        ({"policies": [pods(5), percent(10)]}, [35, 35, 35, 35, 30]),
        ({"policies": [pods(5), percent(10)], "selectPolicy": "Min"}, [36, 36, 36, 36, 32]),
        ({"selectPolicy": "Disabled"}, [40] * 5),
        ({"policies": [percent(100, 15)]}, [1] * 5),
    ],
)
def test_how_quickly_it_shrinks(down, sizes):
    """The same downwards, once nothing stands in the window."""
    down = {"stabilizationWindowSeconds": 0} | down
    found, said = played(spec(1, 100, scaleDown=down), [1] * 5, start=40)
    assert found == sizes
    if sizes[-1] > 1:
        assert {one[1:] for one in said} == {("ScaleDownLimit", True)}


def test_a_behaviour_without_window_waits_five_minutes():
    """What a behaviour leaves open is as without one."""
    sizes, said = played(spec(1, 10, scaleUp={"selectPolicy": "Max"}), [8] + [2] * 21, start=4)
    assert sizes == [8] * 20 + [2] * 2, "here what is exactly 300 s old no longer counts"
    assert said[1][0] == "ScaleDownStabilized"


def test_growth_is_steadied_by_the_lowest():
    """With a window upwards a peak shorter than it goes by unseen."""
    sizes, said = played(spec(1, 20, scaleUp={"stabilizationWindowSeconds": 60}), [5, 15, 5, 5, 5], start=5)
    assert sizes == [5] * 5
    assert said[1] == ("ScaleUpStabilized", "DesiredWithinRange", False)
