"""Status."""

import pytest

from conformance.kube import POOL, VM, Object
from conformance.manifests import LABELS, pool, template, vmi_template
from conformance.world import World, ready, terminating, versions, written

SELECTORS = [
    ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["z", "p"]}]}, "app in (p,z)"),
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["p"]}]}, "app in (p)"),
    ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["y", "x"]}]}, "app notin (x,y)"),
    ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "app"),
    ({"matchExpressions": [{"key": "no", "operator": "DoesNotExist"}]}, "!no"),
    (
        {
            "matchLabels": {"b": "2"},
            "matchExpressions": [
                {"key": "app", "operator": "Exists"},
                {"key": "a", "operator": "In", "values": ["1"]},
            ],
        },
        "a in (1),app,b=2",
    ),
]


@pytest.mark.parametrize(("selector", "text"), SELECTORS, ids=[text for _, text in SELECTORS])
async def test_P_184_the_selector_as_text(world: World, selector: Object, text: str) -> None:
    """P-184, S-10: The status has the selector in its canonical form."""
    manifest = pool(replicas=0, template=template(labels=LABELS | {"a": "1", "b": "2"}))
    manifest["spec"]["selector"] = selector
    await world.create(manifest)
    await world.until(lambda: world.status().get("labelSelector") == text)


@pytest.mark.smoke
async def test_P_185_all_vms_count(world: World) -> None:
    """P-185: replicas counts owned VMs, terminating ones too, and is absent for none."""
    await world.create(pool(replicas=2))
    await world.until(lambda: world.status().get("replicas") == 2)
    await world.hold(VM, "p-0")
    await world.change(replicas=0)
    await world.until(lambda: world.status().get("replicas") == 1)
    assert terminating(world.vms["p-0"])
    await world.let_go(VM, "p-0")
    await world.until(lambda: "replicas" not in world.status())


async def test_P_186_ready_vms_count(world: World) -> None:
    """P-186: readyReplicas counts owned VMs that are ready, and is absent for none."""
    await world.create(pool(replicas=2))
    await world.size(2)
    assert "readyReplicas" not in world.status()
    await world.change_template(template(running=True))
    await world.until(lambda: world.status().get("readyReplicas") == 2)
    assert all(map(ready, world.vms.values()))


async def test_P_187_there_but_not_ready(world: World) -> None:
    """P-187, S-10: Of three VMs of which one is not ready, three are counted and two are ready."""
    await world.create(pool(replicas=2, template=template(running=True)))
    await world.size(2, ready=2)
    nowhere = vmi_template(nodeSelector={"conformance/nowhere": "true"})
    await world.change(updateStrategy={"unmanaged": {}})
    await world.change_template(template(running=True, vmi=nowhere), replicas=3)
    await world.until(lambda: (world.status()["replicas"], world.status()["readyReplicas"]) == (3, 2))
    await world.settled()
    assert (world.status()["replicas"], world.status()["readyReplicas"]) == (3, 2)


async def test_P_188_readiness_is_followed(world: World) -> None:
    """P-188: When a VM stops being ready, or becomes so, the number follows."""
    await world.create(pool(replicas=2, template=template(running=True)))
    await world.size(2, ready=2)
    await world.command("p-1", "pause")
    await world.until(lambda: world.status().get("readyReplicas") == 1)
    await world.command("p-1", "unpause")
    await world.until(lambda: world.status().get("readyReplicas") == 2)


async def test_P_189_a_failure_comes_and_goes(world: World) -> None:
    """P-189: ReplicaFailure is there after a failure, and gone after the first pass without one."""
    async with world.refusing("CREATE", VM):
        await world.create(pool(replicas=1))
        found = await world.until(lambda: world.condition("ReplicaFailure"))
        assert found["status"] == "True"
        assert found["lastTransitionTime"]
    await world.until(lambda: world.status().get("replicas") == 1 and not world.condition("ReplicaFailure"))


async def test_P_190_the_first_failure_stays(world: World) -> None:
    """P-190: While the condition stands, its text is that of the first failure, whatever fails after it."""
    await world.create(pool(replicas=2))
    await world.size(2)
    async with world.refusing("CREATE", VM), world.refusing("DELETE", VM):
        await world.change(replicas=3)
        first = await world.until(lambda: world.condition("ReplicaFailure"))
        assert first["reason"] == "FailedScaleOut"
        await world.change(replicas=1)
        await world.event("FailedDelete", "Error deleting virtual machine", "Warning")
        await world.settled()
        assert world.condition("ReplicaFailure") == first


async def test_P_191_pausing_hides_a_failure(world: World) -> None:
    """P-191: A failing pool that is paused shows the pause instead."""
    async with world.refusing("CREATE", VM):
        await world.create(pool(replicas=1))
        await world.until(lambda: world.condition("ReplicaFailure"))
        await world.change(paused=True)
        await world.until(lambda: world.condition("ReplicaPaused") and not world.condition("ReplicaFailure"))


@pytest.mark.smoke
async def test_P_192_silence(world: World) -> None:
    """P-192: Nothing of a stable pool changes while another one is busy."""
    await world.create(pool("p", replicas=2, template=template(running=True)))
    await world.size(2, ready=2)
    await world.settled()
    await world.create(
        pool("other", replicas=1, labels={"app": "other"}, template=template(labels={"app": "other"}))
    )
    before = versions(world.pools)["p"], written(world.owned()), versions(world.revisions)
    for size in (2, 3):
        await world.change("other", replicas=size)
        await world.size(size, name="other")
        await world.settled("other")
    assert versions(world.pools)["p"] == before[0]
    assert written(world.owned()) == before[1]
    assert before[2].items() <= versions(world.revisions).items()


async def test_P_193_saying_the_same_again(world: World) -> None:
    """P-193: A status written as it is does not become a new version."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.settled()
    current = await world.kube.get(POOL, world.namespace, "p")
    again = await world.kube.replace(POOL, current, "status")
    assert again["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"]
