"""Conversations with a guest: the node holds them, virt-api only opens the door.

Origin: kubevirt: pkg/virt-api/rest/{console,vnc,portforward,usbredir,vsock,dialers,streamer}.go
"""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from fakekube.machinery import digits
from fakekube.machinery.booleans import FALSE, TRUE
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.objects import condition_is, dig
from fakekube.machinery.wire import Object, Request, Response, Upgrade
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.node import Kind, Node
from fakekube.virt.api.subresources import replies
from fakekube.virt.api.subresources.replies import INSTANCE, NOT_RUNNING, conflicting

Operation = Callable[[Request, str, str], Awaitable[Response]]
PROTOCOL = "plain.kubevirt.io"
BAD_HANDSHAKE = "dialing virt-handler: websocket: bad handshake"
_HIGHEST_PORT, _HIGHEST_OF_VSOCK = 2**16 - 1, 2**32 - 1


class Streams:
    """`virtualmachineinstances/{name}/…`, by method and subresource."""

    def __init__(self, lookups: Lookups, node: Node | None) -> None:
        self._lookups = lookups
        self._node = node
        self.operations: dict[tuple[str, str], Operation] = {
            ("GET", "console"): self._console,
            ("GET", "vnc"): self._vnc,
            ("GET", "vnc/screenshot"): self._screenshot,
            ("GET", "portforward"): self.port_forward,
            ("GET", "usbredir"): self._usb,
            ("GET", "vsock"): self._vsock,
        }

    async def _console(self, _request: Request, namespace: str, own: str) -> Response:
        vmi = await self._instance(namespace, own)
        if dig(vmi, "spec", "domain", "devices", "autoattachSerialConsole") is False:
            raise BadRequest("No serial consoles are present.")
        if dig(vmi, "status", "phase") == "Failed":
            raise conflicting(INSTANCE, own, "VMI is in failed status")
        _check_running(vmi)
        return await self._opened(namespace, own, "console")

    async def _vnc(self, _request: Request, namespace: str, own: str) -> Response:
        _check_screen(await self._instance(namespace, own))
        return await self._opened(namespace, own, "vnc")

    async def _screenshot(self, _request: Request, namespace: str, own: str) -> Response:
        _check_screen(await self._instance(namespace, own))
        shot = await reached(self._node).command(namespace, own, "screenshot", {})
        return Response(200, (shot or {}).get("image", b""), "image/png")

    async def port_forward(self, request: Request, namespace: str, own: str) -> Response:
        """A port of the guest."""
        vmi = await self._instance(namespace, own)
        if condition_is(vmi, "Paused"):
            raise conflicting(INSTANCE, own, "VMI is paused")
        if not dig(vmi, "status", "interfaces"):
            raise BadRequest("no network interfaces are present")
        port, protocol = _port_of(request.path)
        return await self._opened(namespace, own, "portforward", port, protocol)

    async def _usb(self, _request: Request, namespace: str, own: str) -> Response:
        vmi = await self._instance(namespace, own)
        if dig(vmi, "spec", "domain", "devices", "clientPassthrough") is None:
            raise conflicting(INSTANCE, own, "Not configured with USB Redirection")
        _check_running(vmi)
        return await self._opened(namespace, own, "usbredir")

    async def _vsock(self, request: Request, namespace: str, own: str) -> Response:
        """A port without network; spoken to by TLS unless told otherwise. The node finds fault with what is no port."""
        vmi = await self._instance(namespace, own)
        if not dig(vmi, "spec", "domain", "devices", "autoattachVSOCK"):
            raise BadRequest("VSOCK is not attached.")
        phase = dig(vmi, "status", "phase") or ""
        if phase not in ("Running", "Scheduled"):
            raise BadRequest(
                f"Unable to connect to VirtualMachineInstance because phase is {phase} instead of Running or Scheduled"
            )
        query = parse_qs(request.query)
        port, tls = digits.number(query.get("port", [""])[0]), query.get("tls", ["true"])[0]
        if port is None or port > _HIGHEST_OF_VSOCK or tls not in TRUE | FALSE:
            raise replies.internal(BAD_HANDSHAKE)
        return await self._opened(namespace, own, "vsock", port, "tls" if tls in TRUE else "plain")

    async def _instance(self, namespace: str, own: str) -> Object:
        return replies.found(await self._lookups.instance(namespace, own), INSTANCE, own)

    async def _opened(
        self, namespace: str, own: str, kind: Kind, port: int = 0, protocol: str = "tcp"
    ) -> Response:
        """The answer that turns the connection into a conversation. Raises ApiError."""
        serve = await reached(self._node).open(namespace, own, kind, port, protocol)
        return Response(101, upgrade=Upgrade(serve, (PROTOCOL,)))


def reached(node: Node | None) -> Node:
    """Who plays virt-handler. Raises InternalError where nobody does."""
    if node is None:
        raise replies.internal("dial tcp: no virt-handler serves the node of this VirtualMachineInstance")
    return node


def _check_screen(vmi: Object) -> None:
    if dig(vmi, "spec", "domain", "devices", "autoattachGraphicsDevice") is False:
        raise BadRequest("No graphics devices are present.")
    _check_running(vmi)


def _check_running(vmi: Object) -> None:
    if dig(vmi, "status", "phase") != "Running":
        raise BadRequest(NOT_RUNNING)


def _port_of(path: str) -> tuple[int, str]:
    """(port, protocol) of `…/portforward/{port}[/{protocol}]`."""
    text, _, protocol = path.rstrip("/").rpartition("/portforward/")[2].partition("/")
    port = digits.number(text)
    if port is None or not 0 < port <= _HIGHEST_PORT:
        raise BadRequest(f'unable to parse "{text}" as a port number')
    if protocol not in ("", "tcp", "udp"):
        raise BadRequest(f"invalid protocol {protocol}, only tcp and udp are supported")
    return port, protocol or "tcp"
