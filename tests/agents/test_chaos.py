"""Pods and nodes at the pace at which things go wrong by themselves."""

from fakekube.agents.kubelet import Kubelet, standard_stages
from fakekube.agents.nodes import Nodes, shapes
from fakekube.lifecycle.stage import CHAOS, INSTANT
from fakekube.machinery.objects import annotations, condition, condition_is, dig
from fakekube.machinery.resources import EVENTS, NODES, PODS


async def _pods(world, count):
    await world.node("n1")
    world.start(Kubelet, pace=CHAOS)
    for number in range(count):
        await world.pod(f"p{number}", nodeName="n1")
    await world.settle()


async def _told(world):
    return {
        (one["involvedObject"]["name"], one["reason"], one["message"].partition(":")[0])
        for one in (await world.client.list(EVENTS)).items
    }


async def test_starts_go_wrong_once_and_then_succeed(world):
    """Some pods are late for want of a sandbox, some images are not found at first; in the end all run."""
    await _pods(world, 24)
    stuck = set()
    for _ in range(40):
        await world.advance(0.25)
        for pod in (await world.client.list(PODS)).items:
            for one in dig(pod, "status", "containerStatuses", default=()):
                if dig(one, "state", "waiting", "reason") == "ErrImagePull":
                    stuck.add(pod["metadata"]["name"])
    told = await _told(world)
    late = {name for name, reason, _ in told if reason == "FailedCreatePodSandBox"}
    assert {name for name, reason, _ in told if reason == "Failed"} == stuck
    assert 0 < len(stuck) < 12
    assert 0 < len(late) < 12
    assert {name for name, reason, _ in told if reason == "Started"} == {f"p{number}" for number in range(24)}


async def test_running_pods_are_evicted_unless_they_are_critical(world):
    """A pod is Failed with the kubelet's reason, message and condition, and nothing of it runs on; a critical one stays."""
    await world.node("n1")
    world.start(Kubelet, pace=CHAOS)
    await world.pod("p", nodeName="n1")
    await world.pod("critical", nodeName="n1", priorityClassName="system-node-critical")
    await world.settle()
    for _ in range(30):
        await world.advance(60)
    status = (await world.find(PODS, "p"))["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert status["message"].startswith("The node was low on resource: memory. ")
    target = condition({"status": status}, "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
    assert [one["state"]["terminated"]["exitCode"] for one in status["containerStatuses"]] == [137]
    assert ("p", "Evicted", "The node was low on resource") in await _told(world)
    assert (await world.find(PODS, "critical"))["status"]["phase"] == "Running"


async def test_a_fate_is_not_lifted(world):
    """An image that is not found by somebody's wish is not found for ever."""
    await world.node("n1")
    world.start(Kubelet, pace=CHAOS)
    await world.pod("p", nodeName="n1", metadata={"annotations": {"fakekube.io/fate": "image-pull-error"}})
    for _ in range(10):
        await world.advance(60)
    [container] = (await world.find(PODS, "p"))["status"]["containerStatuses"]
    assert container["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")
    assert "Started" not in {reason for _, reason, _ in await _told(world)}


async def test_nodes_go_and_come_back(world):
    """Nodes are unready or silent for some seconds, and then as they were; a node somebody took down stays down."""
    world.start(Nodes, nodes=shapes(6), pace=CHAOS)
    await world.settle()
    down = {"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]}
    await world.client.patch(NODES, "node06", None, {"status": down}, type="strategic", subresource="status")
    seen = set()
    for _ in range(600):
        await world.advance(1)
        for node in (await world.client.list(NODES)).items:
            ready, marks = condition(node, "Ready"), annotations(node)
            if node["metadata"]["name"] != "node06":
                seen.add(
                    (
                        ready["status"],
                        ready["reason"],
                        marks.get("fakekube.io/chaos"),
                        "fakekube.io/fate" in marks,
                    )
                )
    assert seen == {
        ("True", "KubeletReady", None, False),
        ("False", "KubeletNotReady", "unready", False),
        ("Unknown", "NodeStatusUnknown", "lost", True),
    }
    six = await world.find(NODES, "node06")
    assert not condition_is(six, "Ready")
    assert annotations(six).get("fakekube.io/chaos") is None
    told = {(reason, message) for name, reason, message in await _told(world) if name == "node01"}
    assert {reason for reason, _ in told} == {"NodeNotReady", "NodeReady"}


def test_other_paces_do_not_read_what_goes_wrong():
    """The stages of chaos are there at pace chaos only."""
    assert {one.paces for one in standard_stages(CHAOS)} - {
        one.paces for one in standard_stages(INSTANT)
    } == {frozenset({"chaos"})}
