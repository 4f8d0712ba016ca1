"""Faults as clients outside the process meet them: on a socket."""

import pytest

from fakekube.client.client import Client
from fakekube.client.http import HttpTransport, Unreachable
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import CONFIG_MAPS
from fakekube.server import Server


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1, only=["api"]) as running:
        yield running


@pytest.fixture
async def client(cluster):
    async with Server(cluster) as server:
        transport = HttpTransport(server.url)
        yield Client(transport, user_agent="outside/1")
        await transport.close()


async def test_a_reset_breaks_the_connection(cluster, client):
    """No answer, no Status: the socket is gone, and the next request finds a new one."""
    cluster.faults.add(verb="create", client="outside", reset=True, after_commit=True)
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    with pytest.raises(Unreachable):
        await client.create(CONFIG_MAPS, made)
    assert (await client.get(CONFIG_MAPS, "a", "default"))["metadata"]["name"] == "a"
    assert [one.status for one in cluster.requests.find(client="outside")] == [0, 200]


async def test_streams_of_outsiders_are_counted(cluster, client):
    """Time does not jump ahead of somebody outside who watches: `followed` tells of them, for as long as they do."""
    assert not cluster.followed
    stream = client.watch(CONFIG_MAPS, "default", resource_version="0", send_initial_events=True)
    assert (await anext(stream))[0] == "BOOKMARK"
    assert cluster.followed
    cluster.faults.add(watch="close", client="outside")
    assert [event async for event in stream] == []
    assert not cluster.followed
