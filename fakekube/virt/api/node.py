"""The seam to the nodes: what virt-api asks of virt-handler, which alone can reach a guest."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

from fakekube.machinery.wire import WebSocket

Kind = Literal["console", "vnc", "portforward", "usbredir", "vsock"]

Verb = Literal[
    "pause",
    "unpause",
    "freeze",
    "unfreeze",
    "reset",
    "softreboot",
    "guestosinfo",
    "userlist",
    "filesystemlist",
    "screenshot",
    "backup",
    "redefine-checkpoint",
]


class Node(Protocol):
    """Whoever plays virt-handler for instances that run.

    virt-api has checked the instance's state before; the node acts on the guest and lets the effect show in the
    instance's status (Paused condition, `fsFreezeStatus`, …) before it returns. The three reading verbs answer with the
    object to send, `screenshot` with the bytes of a PNG as `image`, the others with None. A refusal is an `ApiError`.
    """

    async def command(
        self, namespace: str, name: str, verb: Verb, options: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Carry out `verb` on the instance `namespace/name`."""
        ...

    async def open(
        self, namespace: str, name: str, kind: Kind, port: int = 0, protocol: str = "tcp"
    ) -> Callable[[WebSocket], Awaitable[None]]:
        """How to talk to the console, screen, port, USB or VSOCK of the instance; an `ApiError` when nobody is there to talk to."""
        ...
