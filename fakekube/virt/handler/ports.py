"""What listens inside a guest: SSH on 22 as far as its banner, HTTP on 80 and 8080, an echo on the ports its spec declares.

Pure: a service is a function from the bytes so far to what it answers.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fakekube.machinery.objects import Obj, dig

_SSH, _WEB = 22, (80, 8080)
_BANNER = b"SSH-2.0-OpenSSH_9.9\r\n"
_END = b"\r\n\r\n"
_LONGEST_HEAD = 65536


@dataclass(frozen=True, slots=True)
class Said:
    """What a service has to say, what it has not understood yet, and whether it hangs up."""

    output: bytes = b""
    rest: bytes = b""
    ends: bool = False


Answer = Callable[[bytes], Said]


@dataclass(frozen=True, slots=True)
class Service:
    """Something that listens: what it says first, and how it answers."""

    greeting: bytes
    answer: Answer


def service(vmi: Obj, hostname: str, port: int, protocol: str) -> Service | None:
    """What listens on a port; None: the connection is refused."""
    if protocol == "udp":
        return Service(b"", Said)
    if port == _SSH:
        return Service(_BANNER, Said)
    if port in _WEB:
        return Service(b"", lambda data: _hello(data, hostname))
    return Service(b"", Said) if port in _declared(vmi) else None


def _declared(vmi: Obj) -> set[int]:
    interfaces = dig(vmi, "spec", "domain", "devices", "interfaces", default=())
    return {int(one["port"]) for interface in interfaces for one in interface.get("ports") or ()}


def _hello(data: bytes, hostname: str) -> Said:
    """HTTP/1.1: the same page for every request, however many are sent at once. Bodies of requests are not read."""
    output = bytearray()
    while _END in data:
        head, _, data = data.partition(_END)
        first, *headers = head.split(b"\r\n")
        if len(first.split()) != 3:
            return Said(bytes(output) + _page(b"400 Bad Request", b"", close=True), ends=True)
        lowered = [header.lower().replace(b" ", b"") for header in headers]
        close = b"connection:close" in lowered or first.endswith(b"HTTP/1.0")
        page = _page(b"200 OK", f"Hello from {hostname}\n".encode(), close=close)
        body = page if not first.startswith(b"HEAD ") else page.partition(_END)[0] + _END
        output += body
        if close:
            return Said(bytes(output), ends=True)
    return Said(bytes(output), data, ends=len(data) > _LONGEST_HEAD)


def _page(status: bytes, body: bytes, *, close: bool) -> bytes:
    manner = b"close" if close else b"keep-alive"
    head = b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: %b\r\n\r\n"
    return head % (status, len(body), manner) + body
