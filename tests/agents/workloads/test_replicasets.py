"""ReplicaSets and ReplicationControllers, played in a whole cluster; which pods go first, on values."""

from datetime import UTC, datetime

import pytest

from fakekube.agents.workloads import pods


@pytest.mark.parametrize("kind", ["replicasets", "replicationcontrollers"])
async def test_as_many_as_wanted(shop, kind):
    """It makes what is missing, deletes what is too much, and tells both."""
    await shop.workload(kind, replicas=3)
    assert len(await shop.names()) == 3
    await shop.change(kind, replicas=1)
    await shop.advance(5)
    assert len(await shop.names()) == 1
    reasons = [reason for reason, _ in await shop.events()]
    assert (reasons.count("SuccessfulCreate"), reasons.count("SuccessfulDelete")) == (3, 2)
    status = await shop.status(kind)
    assert (status["replicas"], status["readyReplicas"], status["fullyLabeledReplicas"]) == (1, 1, 1)


async def test_adopting_and_letting_go(shop):
    """It adopts a pod it selects, and lets go and replaces one that no longer carries its labels."""
    await shop.create("pods", "stray", labels={"app": "a"}, containers=[{"name": "c", "image": "x"}])
    await shop.workload("replicasets", replicas=2)
    assert "stray" in await shop.names()
    assert len(await shop.names()) == 2
    await shop.patch("pods", "stray", {"metadata": {"labels": {"app": "b"}}})
    stray = await shop.get("pods", "stray")
    assert "ownerReferences" not in stray["metadata"]
    assert len(await shop.names()) == 3


async def test_failed_pods_are_replaced(shop):
    """A pod that has failed no longer counts; it stays, and another is made."""
    await shop.workload("replicasets", replicas=1)
    (first,) = await shop.names()
    await shop.end(first)
    assert len(await shop.names()) == 2
    assert (await shop.status("replicasets"))["replicas"] == 1


async def test_a_refusal_is_met_once_not_a_hundred_times(shop):
    """Pods are made in batches that double: where the first is refused, no other is tried."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"},
        "spec": {"hard": {"pods": "0"}},
    }
    await shop.cluster.apply([quota])
    before = shop.cluster.requests.count
    await shop.workload("replicasets", replicas=100)
    assert shop.cluster.requests.count - before < 40
    assert (await shop.conditions("replicasets"))["ReplicaFailure"][1] == "FailedCreate"


def pod(name, *, node="n", ready=True, phase="Running", cost=None, restarts=0, since="2026-01-01T00:00:00Z"):
    notes = {pods.DELETION_COST: str(cost)} if cost is not None else {}
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since}
    return {
        "metadata": {"name": name, "uid": name, "annotations": notes, "creationTimestamp": since},
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "conditions": [condition],
            "containerStatuses": [{"restartCount": restarts}],
        },
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("x", node=""), pod("a")),
        (pod("x", phase="Pending"), pod("a")),
        (pod("x", ready=False), pod("a")),
        (pod("x", cost=-1), pod("a")),
        (pod("x", node="crowded"), pod("a", node="n")),
        (pod("x", since="2026-01-01T09:59:00Z"), pod("a")),
        (pod("x", restarts=3), pod("a")),
    ],
)
def test_who_goes_first(first, second):
    """Not placed, not running, not ready, cheap, crowded, young, restarted: each of these goes first."""
    now = datetime(2026, 1, 1, 10, tzinfo=UTC)
    order = pods.first_to_go([second, first], {"crowded": 2, "n": 1}, now)
    assert [one["metadata"]["name"] for one in order] == ["x", "a"]
