"""Nodes in trouble, played in virtual time: taints, evictions, and what a lost node leaves behind."""

from fakekube.agents.node_lifecycle import planning
from fakekube.machinery.resources import NODES


async def taints(shop, name="node01"):
    listed = (await shop.get("nodes", name))["spec"].get("taints", [])
    return {(one["key"].removeprefix("node.kubernetes.io/"), one["effect"]) for one in listed}


async def test_taints_follow_conditions(shop):
    """A node that is not ready, under pressure or cordoned is tainted, and no longer once that is over."""
    await shop.nodes_ready(False, "node01")
    assert await taints(shop) == {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}
    await shop.nodes_ready("Unknown", "node01")
    assert await taints(shop) == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
    await shop.nodes_ready(True, "node01")
    assert await taints(shop) == set()
    await shop.patch("nodes", "node01", {"spec": {"unschedulable": True}})
    assert await taints(shop) == {("unschedulable", "NoSchedule")}
    await shop.patch("nodes", "node01", {"spec": {"unschedulable": None}})
    assert await taints(shop) == set()


async def test_pods_leave_a_node_that_is_lost(shop):
    """Pods there are not ready at once, deleted after five minutes, and made elsewhere; when the node goes they go for good."""
    await shop.workload("replicasets", replicas=3)
    (lost,) = [pod for pod in await shop.all("pods") if pod["spec"]["nodeName"] == "node01"]
    name = lost["metadata"]["name"]
    await shop.nodes_ready("Unknown", "node01")
    await shop.advance(1)
    assert (await shop.status("replicasets"))["readyReplicas"] == 2
    await shop.advance(290)
    assert "deletionTimestamp" not in (await shop.get("pods", name))["metadata"]
    await shop.advance(15)
    pod = await shop.get("pods", name)
    assert "deletionTimestamp" in pod["metadata"]
    assert [one["reason"] for one in pod["status"]["conditions"] if one["type"] == "DisruptionTarget"] == [
        "DeletionByTaintManager"
    ]
    assert ("TaintManagerEviction", f"Marking for deletion Pod default/{name}") in await shop.events(name)
    assert (await shop.status("replicasets"))["readyReplicas"] == 3
    await shop.client.delete(NODES, "node01")
    await shop.advance(41)
    assert await shop.get("pods", name) is None


async def test_a_node_that_recovers_keeps_its_pods(shop):
    """Back within five minutes: nothing is deleted, and the pod is ready again."""
    await shop.workload("replicasets", replicas=3)
    before = await shop.names()
    await shop.nodes_ready("Unknown", "node01")
    await shop.advance(200)
    await shop.nodes_ready(True, "node01")
    await shop.advance(600)
    assert await shop.names() == before
    assert (await shop.status("replicasets"))["readyReplicas"] == 3


def test_how_long_a_pod_bears_it():
    """The shortest toleration counts; without one the pod goes at once, without seconds never."""
    now = planning.parse_rfc3339("2026-01-01T00:01:00Z")
    taint = {"key": "k", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}
    node = {"spec": {"taints": [taint, {"key": "other", "effect": "NoSchedule"}]}}

    def left(*tolerations):
        return planning.until_evicted({"spec": {"tolerations": list(tolerations)}}, node, now)

    assert left() == 0
    assert left({"key": "k", "operator": "Exists"}) is None
    assert left({"key": "k", "operator": "Exists", "tolerationSeconds": 90}) == 30
    assert left({"operator": "Exists", "tolerationSeconds": 90}, {"key": "k", "tolerationSeconds": 70}) == 10
