"""Services on the loopback: real connections, spread over emulated pods."""

import asyncio
import contextlib
from collections import Counter

import pytest

from fakekube.actors import KUBELET
from fakekube.cluster import Cluster
from fakekube.guest_ports import ANNOTATION, GuestPorts
from fakekube.machinery.resources import SERVICES

POD = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 7000}]}]},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": POD},
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "web"},
        "ports": [
            {"name": "http", "port": 80, "targetPort": 7000},
            {"name": "none", "port": 81, "targetPort": 7001},
        ],
    },
}


@pytest.fixture
async def cluster():
    async with Cluster(only=["kubernetes"]) as cluster:
        ports = GuestPorts(cluster.client(), cluster.clock, cluster.services.find(*KUBELET).dial)
        task = asyncio.create_task(ports.run())
        yield cluster
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def addresses(cluster):
    """name → port on this machine, once it is told."""

    async def told():
        notes = (await cluster.client().get(SERVICES, "web", "default"))["metadata"].get("annotations", {})
        return notes.get(ANNOTATION)

    said = await cluster.run_until(told, timeout=10)
    return {name: int(at.rpartition(":")[2]) for name, at in (one.split("=") for one in said.split(","))}


async def fetch(port):
    """The page; nothing where the connection is cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        answer = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer.rpartition(b"\r\n\r\n")[2].decode().strip()


async def test_connections_are_spread(cluster):
    """Connections to a Service reach all of its pods in turn; a port nobody answers on closes at once."""
    await cluster.apply([DEPLOYMENT, SERVICE])
    ports = await addresses(cluster)

    async def all_answer():
        return len({await fetch(ports["http"]) for _ in range(3)} - {""}) == 3

    await cluster.run_until(all_answer, timeout=10)
    answers = Counter([await fetch(ports["http"]) for _ in range(30)])
    assert len(answers) == 3
    assert set(answers.values()) == {10}
    assert all(text.startswith("Hello from web-") for text in answers)
    assert await fetch(ports["none"]) == ""


async def test_a_service_that_goes_listens_no_more(cluster):
    """With the Service its ports go."""
    await cluster.apply([SERVICE])
    ports = await addresses(cluster)
    await cluster.client().delete(SERVICES, "web", "default")

    async def refused():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", ports["http"])
        except OSError:
            return True
        writer.close()
        await writer.wait_closed()
        return False

    assert await cluster.run_until(refused, timeout=10)
