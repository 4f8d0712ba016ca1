"""Ports of a pod over SPDY: for every connection a pair of streams, one for data and one for what goes wrong.

Upstream: k8s: staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go, containerd's CRI
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from fakekube.agents.node_server import spdy
from fakekube.agents.node_server.listening import Serve

PROTOCOL = "portforward.k8s.io"
TUNNEL = f"SPDY/3.1+{PROTOCOL}"

Dial = Callable[[int], Awaitable[Serve | None]]


def refused(port: int, pod_uid: str) -> str:
    """The text of what happens where nothing listens."""
    space = f"/var/run/netns/cni-{pod_uid}"
    return (
        f"error forwarding port {port} to pod {pod_uid}, uid : failed to execute portforward in network namespace "
        f'"{space}": failed to connect to localhost:{port} inside namespace "{pod_uid}", IPv4: dial tcp4 127.0.0.1:{port}: '
        f"connect: connection refused IPv6 dial tcp6 [::1]:{port}: connect: connection refused"
    )


async def forward(pipe: spdy.Pipe, dial: Dial, pod_uid: str) -> None:
    """Connect whatever streams the client opens, until it goes."""
    errors: dict[str, spdy.Stream] = {}
    running: set[asyncio.Task[None]] = set()

    def opened(stream: spdy.Stream) -> None:
        own = stream.headers.get("requestid", "")
        if stream.headers.get("streamtype") == "error":
            errors[own] = stream
            return
        task = asyncio.ensure_future(connect(stream, own))
        running.add(task)
        task.add_done_callback(running.discard)

    async def connect(stream: spdy.Stream, own: str) -> None:
        text = stream.headers.get("port", "")
        port = int(text) if text.isdigit() else 0
        serve = await dial(port)
        error = errors.pop(own, None)
        with contextlib.suppress(ConnectionError):  # who has gone need not be told
            if serve is not None:
                await serve(stream)
            elif error is not None:
                await error.send(refused(port, pod_uid))
            await stream.close()
            if error is not None:
                await error.close()

    try:
        await spdy.Session(pipe, opened).run()
    finally:
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
