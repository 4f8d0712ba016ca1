"""What listens on ports: SSH that lets nobody in, a page that tells who answered, an echo. Pure but for `converse`.

A service is a function from the bytes so far to what it answers.
SSH: RFC 4253, sections 4.2 (who speaks), 6 (packets), 11.1 (farewell).
"""

import struct
from collections.abc import Awaitable, Callable

from msgspec import Struct

from fakekube.machinery.objects import Obj, dig, name
from fakekube.machinery.wire import WebSocket

SSH, WEB = 22, (80, 8080)
_BANNER = b"SSH-2.0-OpenSSH_9.9\r\n"
_END = b"\r\n\r\n"
_LONGEST_HEAD = 65536
_HANDSHAKE = b"\x16\x03"  # how TLS begins
_DISCONNECT, _BY_APPLICATION = 1, 11
_BLOCK, _LEAST_PADDING = 8, 4

Serve = Callable[[WebSocket], Awaitable[None]]


class Said(Struct, frozen=True):
    """What a service has to say, what it has not understood yet, and whether it hangs up."""

    output: bytes = b""
    rest: bytes = b""
    ends: bool = False


Answer = Callable[[bytes], Said]
Respond = Callable[[bytes], tuple[bytes, bytes, bytes]]  # a request's target → status, content type, body


class Service(Struct, frozen=True):
    """Something that listens: what it says first, and how it answers."""

    greeting: bytes
    answer: Answer


ECHO = Service(b"", Said)


def _farewell(text: bytes) -> bytes:
    """The packet that ends a conversation before anything is encrypted, with its reason."""
    payload = struct.pack(f">BII{len(text)}sI", _DISCONNECT, _BY_APPLICATION, len(text), text, 0)
    padding = _BLOCK - (5 + len(payload)) % _BLOCK
    padding += _BLOCK if padding < _LEAST_PADDING else 0
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


_FAREWELL = _farewell(b"nobody can log in here: nothing runs behind this port")


def _refuse(data: bytes) -> Said:
    return Said(_FAREWELL, ends=True) if b"\n" in data else Said(rest=data)


NO_SHELL = Service(_BANNER, _refuse)  # a client that has said who it is is told why it has to go


def page(hostname: str) -> Service:
    """HTTP/1.1: the same page for every request, however many are sent at once. Bodies of requests are not read."""
    hello = (b"200 OK", b"text/plain", f"Hello from {hostname}\n".encode())
    return Service(b"", lambda data: http(data, lambda _: hello))


def saying(text: str) -> Service:
    """The same to everybody, who then may go."""
    return Service(text.encode(), lambda _: Said(ends=True))


def of_pod(pod: Obj, port: int) -> Service | None:
    """What listens in a pod that is no virtual machine: a page on every port its containers declare, and on 80 and 8080."""
    declared = {
        int(one["containerPort"])
        for container in dig(pod, "spec", "containers", default=())
        for one in container.get("ports") or ()
        if one.get("protocol", "TCP") == "TCP"
    }
    if port == SSH and port in declared:
        return NO_SHELL
    return page(name(pod)) if port in declared or port in WEB else None


async def converse(service: Service, socket: WebSocket) -> None:
    """Talk until the peer goes, or the service hangs up."""
    if service.greeting:
        await socket.send(service.greeting)
    rest = b""
    while (data := await socket.receive()) is not None:
        said = service.answer(rest + (data.encode() if isinstance(data, str) else data))
        rest = said.rest
        if said.output:
            await socket.send(said.output)
        if said.ends:
            await socket.close()
            return


def http(data: bytes, respond: Respond, *, hangs_up: bool = False) -> Said:
    """HTTP/1.1, as far as `data` goes. Bodies of requests are not read; with `hangs_up` only one is answered."""
    if data.startswith(_HANDSHAKE):
        return Said(_page(b"400 Bad Request", b"text/plain", b"", close=True), ends=True)
    output = bytearray()
    while _END in data:
        head, _, data = data.partition(_END)
        first, *headers = head.split(b"\r\n")
        words = first.split()
        if len(words) != 3:
            return Said(bytes(output) + _page(b"400 Bad Request", b"text/plain", b"", close=True), ends=True)
        lowered = [header.lower().replace(b" ", b"") for header in headers]
        close = hangs_up or b"connection:close" in lowered or words[2] == b"HTTP/1.0"
        body = _page(*respond(words[1]), close=close)
        output += body if words[0] != b"HEAD" else body.partition(_END)[0] + _END
        if close:
            return Said(bytes(output), ends=True)
    return Said(bytes(output), data, ends=len(data) > _LONGEST_HEAD)


def _page(status: bytes, kind: bytes, body: bytes, *, close: bool) -> bytes:
    manner = b"close" if close else b"keep-alive"
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: %b\r\n\r\n"
    return head % (status, kind, len(body), manner) + body
