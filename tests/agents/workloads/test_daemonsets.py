"""DaemonSets, played in a cluster of three nodes."""

from .conftest import KINDS, template


async def where(shop):
    return sorted(pod["spec"]["nodeName"] for pod in await shop.all("pods") if pod["spec"].get("nodeName"))


async def test_a_pod_on_every_node(shop):
    """One pod runs on every node, and on nodes that join; its status counts them."""
    await shop.workload("daemonsets")
    assert await where(shop) == ["node01", "node02", "node03"]
    assert await shop.status("daemonsets") == {
        "observedGeneration": 1,
        "currentNumberScheduled": 3,
        "desiredNumberScheduled": 3,
        "numberReady": 3,
        "numberAvailable": 3,
        "updatedNumberScheduled": 3,
        "numberMisscheduled": 0,
    }
    await shop.client.delete(KINDS["nodes"], "node02")
    await shop.advance(60)
    assert await where(shop) == ["node01", "node03"]


async def test_only_on_nodes_that_suit(shop):
    """nodeSelector chooses nodes; a node that loses its label loses the pod."""
    await shop.patch("nodes", "node02", {"metadata": {"labels": {"disk": "ssd"}}})
    spec = template(nodeSelector={"disk": "ssd"})
    await shop.workload("daemonsets", template=spec)
    assert await where(shop) == ["node02"]
    await shop.patch("nodes", "node02", {"metadata": {"labels": {"disk": None}}})
    await shop.advance(5)
    assert await where(shop) == []


async def test_taints(shop):
    """A taint keeps new pods off; those that run stay, unless it is NoExecute. Cordons do not count."""
    await shop.patch("nodes", "node03", {"spec": {"unschedulable": True}})
    await shop.workload("daemonsets")
    assert await where(shop) == ["node01", "node02", "node03"]
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    await shop.patch("nodes", "node01", {"spec": {"taints": [taint]}})
    await shop.advance(5)
    assert await where(shop) == ["node01", "node02", "node03"]
    assert (await shop.status("daemonsets"))["numberMisscheduled"] == 1
    await shop.patch("nodes", "node01", {"spec": {"taints": [{**taint, "effect": "NoExecute"}]}})
    await shop.advance(5)
    assert await where(shop) == ["node02", "node03"]


async def test_rolling_update(shop):
    """A new template replaces pods node by node; with maxSurge new pods come before the old ones go."""
    await shop.workload("daemonsets")
    await shop.image("daemonsets", "example.com/app:2")
    await shop.advance(5)
    assert await shop.images() == ["example.com/app:2"] * 3
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    await shop.change("daemonsets", updateStrategy={"rollingUpdate": rolling})
    await shop.image("daemonsets", "example.com/app:3")
    await shop.advance(5)
    assert await shop.images() == ["example.com/app:3"] * 3
    assert await where(shop) == ["node01", "node02", "node03"]
    assert [one["revision"] for one in await shop.all("controllerrevisions")].count(3) == 1


async def test_failed_daemons_are_replaced(shop):
    """A daemon that failed is deleted with a word about it, and made anew."""
    await shop.workload("daemonsets")
    first = (await shop.names())[0]
    await shop.end(first)
    await shop.advance(5)
    assert first not in await shop.names()
    assert len(await where(shop)) == 3
    assert "FailedDaemonPod" in [reason for reason, _ in await shop.events()]
