import pytest

from fakekube.agents.namespaces import Namespaces, Progress, conditions
from fakekube.machinery.resources import CONFIG_MAPS, NAMESPACES, PODS


@pytest.fixture
async def emptied(world):
    world.start(Namespaces)
    await world.namespace("dying")
    await world.settle()
    return world


async def _delete(world):
    await world.client.delete(NAMESPACES, "dying")
    await world.settle()


async def test_an_emptied_namespace_goes(emptied):
    """Deleting a namespace deletes what is in it, then the namespace."""
    for name in "abc":
        await emptied.config_map(name, namespace="dying")
    await _delete(emptied)
    assert await emptied.find(NAMESPACES, "dying") is None
    assert await emptied.names(CONFIG_MAPS, "dying") == []


async def test_what_is_held_by_finalizers_is_told_in_conditions(emptied, conditions):
    """What stays is named with its finalizers; once it is free, the namespace goes without further ado."""
    await emptied.config_map("plain", namespace="dying")
    await emptied.config_map("held", namespace="dying", finalizers=["example.com/x"])
    await _delete(emptied)
    assert await emptied.names(CONFIG_MAPS, "dying") == ["held"]
    dying = await emptied.find(NAMESPACES, "dying")
    assert dying["status"]["phase"] == "Terminating"
    assert conditions(dying) == {
        "NamespaceDeletionDiscoveryFailure": (
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/x in 1 resource instances",
        ),
    }
    await emptied.client.patch(CONFIG_MAPS, "held", "dying", {"metadata": {"finalizers": None}}, type="merge")
    await emptied.settle()
    assert await emptied.find(NAMESPACES, "dying") is None


async def test_pods_go_before_everything_else(emptied):
    """While a pod is still stopping, what it may need is not deleted."""
    pod = await emptied.pod(metadata={"namespace": "dying", "finalizers": ["example.com/x"]})
    await emptied.config_map("needed", namespace="dying")
    await _delete(emptied)
    assert await emptied.names(CONFIG_MAPS, "dying") == ["needed"]
    await emptied.client.patch(
        PODS, pod["metadata"]["name"], "dying", {"metadata": {"finalizers": None}}, type="merge"
    )
    await emptied.settle()
    assert await emptied.find(NAMESPACES, "dying") is None


async def test_other_namespaces_are_left_alone(emptied):
    """Only what lies in the dying namespace is deleted."""
    await emptied.config_map("here")
    await emptied.config_map("there", namespace="dying")
    await _delete(emptied)
    assert await emptied.names(CONFIG_MAPS, "default") == ["here"]


async def test_waiting_costs_nothing(emptied):
    """While content is held by finalizers nobody asks the server anything, however much time passes."""
    await emptied.config_map("held", namespace="dying", finalizers=["example.com/x"])
    await _delete(emptied)
    asked = []
    handler = emptied.api._handler

    async def counting(request):
        asked.append(request.path)
        return await handler(request)

    emptied.api._handler = counting
    await emptied.advance(3600)
    assert asked == []


def test_transition_times_move_with_the_status():
    """A condition keeps its time while its status stays, and unknown conditions are kept."""
    first = conditions([{"type": "Mine", "status": "True"}], Progress(), "T1")
    stuck = Progress()
    stuck.remaining["configmaps."] = 2
    second = conditions(first, stuck, "T2")
    times = {one["type"]: one.get("lastTransitionTime") for one in second}
    assert times["NamespaceContentRemaining"] == "T2"
    assert times["NamespaceFinalizersRemaining"] == "T1"
    assert second[0] == {"type": "Mine", "status": "True"}


def test_failures_are_told():
    """What could not be discovered or deleted is named."""
    progress = Progress(undiscovered=["metrics.k8s.io/v1"], failures=["pods: no"])
    told = {one["type"]: (one["status"], one["message"]) for one in conditions([], progress, "T")}
    assert told["NamespaceDeletionDiscoveryFailure"][0] == "True"
    assert "metrics.k8s.io/v1" in told["NamespaceDeletionDiscoveryFailure"][1]
    assert told["NamespaceDeletionContentFailure"] == (
        "True",
        "Failed to delete all resource types, 1 remaining: pods: no",
    )
