"""Pods that mount Secrets and ConfigMaps."""

import pytest

from fakekube.agents.kubelet import Kubelet
from fakekube.lifecycle.stage import REALISTIC
from fakekube.machinery.resources import CONFIG_MAPS, EVENTS, PODS, SECRETS

SECRET = {"name": "key", "secret": {"secretName": "s"}}
CONFIG = {"name": "conf", "configMap": {"name": "c"}}
NO_SECRET = ("FailedMount", 'MountVolume.SetUp failed for volume "key" : secret "s" not found')
NO_CONFIG = ("FailedMount", 'MountVolume.SetUp failed for volume "conf" : configmap "c" not found')


@pytest.fixture
async def running(world):
    await world.node("n1")
    world.start(Kubelet)
    await world.settle()
    return world


async def secret(world):
    meta = {"name": "s", "namespace": "default"}
    await world.client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta})


async def phase(world):
    await world.settle()
    return (await world.find(PODS, "p"))["status"]["phase"]


async def test_what_is_missing_is_waited_for(running):
    """A pod is not started before all it mounts is there; each volume that is not is told, and why its containers wait."""
    await running.pod(nodeName="n1", volumes=[SECRET, CONFIG])
    assert await phase(running) == "Pending"
    [container] = (await running.find(PODS, "p"))["status"]["containerStatuses"]
    assert container["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert await running.events("p") == [NO_SECRET, NO_CONFIG]
    await secret(running)
    assert await phase(running) == "Pending"
    await running.config_map("c")
    assert await phase(running) == "Running"
    assert [reason for reason, _ in await running.events("p")][2:] == ["Pulled", "Created", "Started"]


async def test_it_is_told_again(running):
    """As long as it is missing, every two minutes; not what is there by then."""
    await running.pod(nodeName="n1", volumes=[SECRET, CONFIG])
    await running.settle()
    await running.config_map("c")
    await running.advance(123)
    listed = (await running.client.list(EVENTS, "default")).items
    [told] = [one for one in listed if one["message"] == NO_SECRET[1]]
    assert told["count"] == 2
    await running.client.delete(PODS, "p", "default", grace_seconds=0)
    await running.advance(1000)


@pytest.mark.parametrize("kind", ["secret", "configMap"])
async def test_what_may_be_missing(running, kind):
    """Optional volumes keep nobody from starting."""
    volume = {"secret": SECRET, "configMap": CONFIG}[kind]
    await running.pod(nodeName="n1", volumes=[{**volume, kind: {**volume[kind], "optional": True}}])
    assert await phase(running) == "Running"


async def test_what_is_there(running):
    """A pod whose Secret is there starts, the first that mounts one as well."""
    await secret(running)
    await running.pod(nodeName="n1", volumes=[SECRET])
    assert await phase(running) == "Running"
    assert "FailedMount" not in [reason for reason, _ in await running.events("p")]


async def test_realistic(world):
    """At a pace that takes its time the containers are told to be made first, and the start keeps its moment."""
    await world.node("n1")
    world.start(Kubelet, pace=REALISTIC)
    await world.pod(nodeName="n1", volumes=[CONFIG])
    await world.settle()
    await world.advance(1)
    begun = (await world.find(PODS, "p"))["status"]["startTime"]
    await world.advance(10)
    assert await world.events("p") == [NO_CONFIG]
    await world.config_map("c")
    await world.settle()
    await world.advance(5)
    status = (await world.find(PODS, "p"))["status"]
    assert (status["phase"], status["startTime"]) == ("Running", begun)
    assert await world.names(CONFIG_MAPS, "default") == ["c"]


async def test_missing_keys(running):
    """A volume that names keys waits until they are there, too."""
    items = {"items": [{"key": "token", "path": "token"}]}
    await running.pod(nodeName="n1", volumes=[{"name": "key", "secret": {"secretName": "s", **items}}])
    await secret(running)
    assert await phase(running) == "Pending"
    text = 'MountVolume.SetUp failed for volume "key" : references non-existent secret key: token'
    assert ("FailedMount", text) in await running.events("p")
    await running.client.patch(SECRETS, "s", "default", {"stringData": {"token": "t"}}, type="merge")
    assert await phase(running) == "Running"


async def test_projected(running):
    """Of a projected volume all that is missing is told at once; what is optional or everywhere is not."""
    sources = [
        {"configMap": {"name": "kube-root-ca.crt"}},
        {"secret": {"name": "s"}},
        {"secret": {"name": "other", "optional": True}},
        {"configMap": {"name": "c", "items": [{"key": "conf", "path": "conf"}]}},
        {"downwardAPI": {"items": []}},
    ]
    await running.config_map("c")
    await running.pod(nodeName="n1", volumes=[{"name": "all", "projected": {"sources": sources}}])
    assert await phase(running) == "Pending"
    text = (
        'MountVolume.SetUp failed for volume "all" : '
        '[secret "s" not found, configmap references non-existent config key: conf]'
    )
    assert await running.events("p") == [("FailedMount", text)]
    await secret(running)
    await running.client.patch(CONFIG_MAPS, "c", "default", {"data": {"conf": "x"}}, type="merge")
    assert await phase(running) == "Running"
