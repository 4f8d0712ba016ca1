"""Sessions end with what they are in."""

import asyncio
import json

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import PODS
from tests.agents.node_server.test_server import Pod, Socket

V5 = "v5.channel.k8s.io"


@pytest.fixture
async def pod():
    async with Cluster(only=["kubernetes"], without=["workloads"], clock=ManualClock(), seed=1) as cluster:
        yield await Pod(cluster).make()


async def begun(pod, subresource, query):
    """A conversation that is under way: its socket, and the task that serves it."""
    upgrade = await pod.open(subresource, query, **{"sec-websocket-protocol": V5})
    socket = Socket(V5)
    return socket, asyncio.ensure_future(upgrade.serve(socket))


async def ends(socket, serving):
    """What it says of the end, which comes by itself."""
    await asyncio.wait_for(serving, 30)
    assert socket.closed.is_set()
    return json.loads(socket.channel(3))


async def restart(pod):
    """Whoever is attached ends the container, which is started again."""
    await pod.run(subresource="attach", query="stdin=true", typed=[b"\x00exit 1\n", b"\xff\x00"])


@pytest.mark.parametrize("tty", ["false", "true"])
@pytest.mark.parametrize("started_again", [False, True])
async def test_a_shell_ends_with_its_container(pod, tty, started_again):
    """A shell in a container that ends is killed with it, and neither lives on in the next run nor writes there."""
    socket, serving = await begun(pod, "exec", f"command=sh&stdin=true&stdout=true&tty={tty}")
    socket.came.put_nowait(b"\x00echo 1 > /f; echo hi\n")
    await socket.told(1, b"hi")
    if started_again:
        await restart(pod)
        await pod.cluster.advance(30)
    else:
        await pod.client.delete(PODS, "p", "default", grace_seconds=0)
    told = await ends(socket, serving)
    assert told["message"] == "command terminated with non-zero exit code: exit status 137"
    assert told["details"]["causes"] == [{"reason": "ExitCode", "message": "137"}]
    if started_again:
        assert (await pod.run("cat", "/f")).channel(2) == b"cat: can't open '/f': No such file or directory\n"


async def test_a_command_that_takes_time(pod):
    """A command that waits is killed with its container, too; one that is done before has its own exit code."""
    socket, serving = await begun(pod, "exec", "command=sleep&command=3600&stdout=true")
    early = await pod.run("sh", "-c", "exit%204")
    assert json.loads(early.channel(3))["details"]["causes"][0]["message"] == "4"
    await restart(pod)
    assert (await ends(socket, serving))["details"]["causes"][0]["message"] == "137"


@pytest.mark.parametrize("broken", ["drop", "expire"])
async def test_watches_that_break(pod, broken):
    """A command outlives the watches of its pod, which break, and is killed with its container all the same."""
    socket, serving = await begun(pod, "exec", "command=sh&stdin=true&stdout=true")
    socket.came.put_nowait(b"\x00echo hi\n")
    await socket.told(1, b"hi\n")
    pod.cluster.faults.add(kind="Pod", name="p", watch=broken, times=None)
    for number in range(2):
        patch = {"metadata": {"labels": {"a": f"{number}"}}}
        await pod.client.patch(PODS, "p", "default", patch, type="merge")
        socket.came.put_nowait(f"\x00echo still{number}\n".encode())
        await socket.told(1, f"still{number}\n".encode())
    pod.cluster.faults.clear()
    await restart(pod)
    assert (await ends(socket, serving))["details"]["causes"][0]["message"] == "137"


async def test_whoever_else_is_attached(pod):
    """Who is attached to a container that somebody else ends is let go without a word of how."""
    socket, serving = await begun(pod, "attach", "stdin=true&stdout=true")
    await restart(pod)
    assert (await ends(socket, serving))["status"] == "Success"


async def test_forwarded_ports_end_with_their_pod(pod):
    """A connection to a port of a pod outlives its containers, and ends with the pod."""
    upgrade = await pod.open("portforward", "ports=7000", **{"sec-websocket-protocol": "v4.channel.k8s.io"})
    socket = Socket("v4.channel.k8s.io")
    serving = asyncio.ensure_future(upgrade.serve(socket))
    await restart(pod)
    await pod.cluster.advance(30)
    socket.came.put_nowait(b"\x00GET / HTTP/1.1\r\n\r\n")
    await socket.told(0, b"Hello from p")
    await pod.client.delete(PODS, "p", "default", grace_seconds=0)
    await asyncio.wait_for(serving, 30)
    assert socket.closed.is_set()
