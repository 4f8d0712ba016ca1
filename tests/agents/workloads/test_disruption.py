"""PodDisruptionBudgets, played in a whole cluster: what they allow, and evictions by them."""

import pytest

from fakekube.machinery.errors import TooManyRequests
from fakekube.machinery.resources import PODS


async def budget(shop, **spec):
    return await shop.create("poddisruptionbudgets", "b", selector={"matchLabels": {"app": "a"}}, **spec)


def counts(status):
    return tuple(
        status[one] for one in ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed")
    )


async def evict(shop, name):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    await shop.client.create(PODS, body, name=name, subresource="eviction")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (4, 4, 2, 2)),
        ({"minAvailable": "60%"}, (4, 4, 3, 1)),
        ({"maxUnavailable": 1}, (4, 4, 3, 1)),
        ({"maxUnavailable": "30%"}, (4, 4, 2, 2)),
        ({"minAvailable": 9}, (4, 4, 9, 0)),
    ],
)
async def test_what_is_allowed(shop, spec, expected):
    """Numbers and percentages, of what stays and of what may go, against what the pods' Deployment wants."""
    await shop.workload("deployments", replicas=4)
    await budget(shop, **spec)
    status = await shop.status("poddisruptionbudgets", "b")
    assert counts(status) == expected
    reason = "SufficientPods" if expected[-1] else "InsufficientPods"
    assert [one["reason"] for one in status["conditions"]] == [reason]


async def test_evictions_by_a_budget(shop):
    """One pod may go, the next not before there is another; nobody had to write the budget's status."""
    await shop.workload("deployments", replicas=2)
    await budget(shop, minAvailable=1)
    first, second = await shop.names()
    await evict(shop, first)
    with pytest.raises(TooManyRequests, match="violate the pod's disruption budget"):
        await evict(shop, second)
    await shop.advance(5)
    assert counts(await shop.status("poddisruptionbudgets", "b")) == (2, 2, 1, 1)
    await evict(shop, second)


async def test_what_cannot_be_told(shop):
    """Pods of something without a scale: nothing may go, and the condition says why."""
    await shop.workload("daemonsets")
    await budget(shop, maxUnavailable=1)
    status = await shop.status("poddisruptionbudgets", "b")
    assert status["disruptionsAllowed"] == 0
    (condition,) = status["conditions"]
    assert (condition["reason"], condition["message"]) == (
        "SyncFailed",
        "daemonsets.apps does not implement the scale subresource",
    )
