"""Sessions last as long as what they are in: a command and a terminal as their container's run, forwarded ports as the pod.

Each session watches its own pod: nobody looks at pods that have none.
Upstream: a container's processes are killed with its first one; a pod's network goes with its sandbox
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fakekube.agents.node_server import logs
from fakekube.client.client import Client
from fakekube.clock import RealClock
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object

T = TypeVar("T")
_FOR_EVER = 1 << 28  # seconds of a watch
_ENDED = ("Failed", "Succeeded")
_AGAIN = 0.1  # seconds
_MACHINE = RealClock()


class Killed(Exception):
    """It is over, whatever was going on."""


async def with_run(client: Client, pod: Object, container: str, work: Awaitable[T]) -> T:
    """What comes of something in a container. Raises Killed when this run of it ends before."""
    run = logs.status_of(pod, container).get("containerID")

    def is_over(now: Object) -> bool:
        status = logs.status_of(now, container)
        return status.get("containerID") != run or "running" not in (status.get("state") or {})

    return await _until(_over(client, pod, is_over), work)


async def with_pod(client: Client, pod: Object, work: Awaitable[T]) -> T:
    """What comes of something in a pod. Raises Killed when it ends before."""

    def is_over(now: Object) -> bool:
        return dig(now, "status", "phase") in _ENDED

    return await _until(_over(client, pod, is_over), work)


async def _over(client: Client, pod: Object, is_over: Callable[[Object], bool]) -> None:
    """Return when the pod is so, or has gone. A watch that breaks is taken up again: nothing has ended with it."""
    name, space, own = objects.name(pod), objects.namespace(pod), objects.uid(pod)
    now: Object | None = pod
    while now is not None and objects.uid(now) == own and not is_over(now):
        events = client.watch(
            PODS,
            space,
            resource_version=objects.resource_version(now),
            field_selector=f"metadata.name={name}",
            bookmarks=False,
            timeout_seconds=_FOR_EVER,
        )
        try:
            async for kind, changed in events:
                if kind == "DELETED" or is_over(changed):
                    return
        except ApiError:
            pass  # what it was to go on from is forgotten
        finally:
            await events.aclose()
        await _MACHINE.sleep(_AGAIN)
        now = await client.find(PODS, name, space)


async def _until(over: Awaitable[None], work: Awaitable[T]) -> T:
    working, ending = asyncio.ensure_future(work), asyncio.ensure_future(over)
    try:
        await asyncio.wait((working, ending), return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and ending.exception() is None:
            raise Killed
        return await working
    finally:
        working.cancel()
        ending.cancel()
        await asyncio.gather(working, ending, return_exceptions=True)
