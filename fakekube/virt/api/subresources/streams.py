"""Conversations with a guest: the node holds them, virt-api only opens the door."""

from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Response, Upgrade
from fakekube.virt.api.node import Kind, Node

PROTOCOL = "plain.kubevirt.io"


async def opened(
    node: Node, namespace: str, own: str, kind: Kind, *, port: int = 0, protocol: str = "tcp"
) -> Response:
    """The answer that turns the connection into a conversation. Raises ApiError."""
    serve = await node.open(namespace, own, kind, port, protocol)
    return Response(101, upgrade=Upgrade(serve, (PROTOCOL,)))


def not_emulated(what: str) -> ApiError:
    """An honest no: 501 rather than a stream that never speaks."""
    return ApiError(f"the {what} of guests are not emulated", code=501, reason="NotImplemented")


def port_of(path: str) -> tuple[int, str]:
    """(port, protocol) of `…/portforward/{port}[/{protocol}]`, which has been checked."""
    port, _, protocol = path.rstrip("/").rpartition("/portforward/")[2].partition("/")
    return int(port), protocol or "tcp"
