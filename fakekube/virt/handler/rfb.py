"""A guest's screen over RFB 3.8, the protocol of VNC: the handshake, then one black picture. Pure: bytes in → bytes out.

Enough for viewers to connect, stay connected and show something; keys and the pointer are taken and forgotten.
Origin: RFC 6143
"""

import struct
import zlib

from msgspec import Struct
from msgspec.structs import replace

WIDTH, HEIGHT = 720, 400  # a VGA text screen

_VERSION = b"RFB 003.008\n"
_NO_SECURITY = b"\x01\x01"  # one kind is offered, number 1: none
# Bits per pixel, depth, big-endian, true colour, maxima and shifts of red, green and blue, three bytes of padding.
_PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_SET_PIXEL_FORMAT, _SET_ENCODINGS, _UPDATE, _KEY, _POINTER, _CUT_TEXT = 0, 2, 3, 4, 5, 6
_LENGTHS = {_SET_PIXEL_FORMAT: 20, _UPDATE: 10, _KEY: 8, _POINTER: 6}
_MOST = 1 << 20  # bytes a viewer may leave unfinished


class NotRfb(Exception):
    """The viewer said something no viewer says; the conversation is over."""


class Viewer(Struct, frozen=True):
    """Where the conversation with a viewer stands."""

    name: str
    stage: str = "version"  # version → security → init → talking
    rest: bytes = b""
    pixel_bytes: int = 4


def opened(name: str) -> tuple[Viewer, bytes]:
    """A viewer has connected to the screen of the guest `name`."""
    return Viewer(name), _VERSION


def fed(viewer: Viewer, data: bytes) -> tuple[Viewer, bytes]:
    """The answer to what a viewer sent, in however many pieces. Raises NotRfb."""
    rest, answer = viewer.rest + data, bytearray()
    while (length := _length(viewer.stage, rest)) and len(rest) >= length:
        message, rest = rest[:length], rest[length:]
        viewer, said = _answered(viewer, message)
        answer += said
    if len(rest) > _MOST:
        raise NotRfb("a message does not end")
    return replace(viewer, rest=rest), bytes(answer)


def _length(stage: str, rest: bytes) -> int:
    """How long the first message is; 0 while that cannot be known."""
    if stage == "version":
        return len(_VERSION)
    if stage in ("security", "init"):
        return 1
    if not rest:
        return 0
    kind = rest[0]
    if kind == _SET_ENCODINGS:
        return 4 + 4 * int.from_bytes(rest[2:4], "big") if len(rest) >= 4 else 0
    if kind == _CUT_TEXT:
        return 8 + int.from_bytes(rest[4:8], "big") if len(rest) >= 8 else 0
    if kind not in _LENGTHS:
        raise NotRfb(f"no message has the number {kind}")
    return _LENGTHS[kind]


def _answered(viewer: Viewer, message: bytes) -> tuple[Viewer, bytes]:
    if viewer.stage == "version":
        if not message.startswith(b"RFB 003.00"):
            raise NotRfb("not a viewer")
        return replace(viewer, stage="security"), _NO_SECURITY
    if viewer.stage == "security":
        if message != b"\x01":
            raise NotRfb("a kind of security that was not offered")
        return replace(viewer, stage="init"), bytes(4)
    if viewer.stage == "init":
        name = viewer.name.encode()
        told = struct.pack(">HH", WIDTH, HEIGHT) + _PIXELS + struct.pack(">I", len(name)) + name
        return replace(viewer, stage="talking"), told
    if message[0] == _SET_PIXEL_FORMAT:
        return replace(viewer, pixel_bytes=max(1, message[4] // 8)), b""
    if message[0] == _UPDATE and not message[1]:  # an incremental update comes when something changes: never
        return viewer, _picture(viewer, *struct.unpack(">HHHH", message[2:]))
    return viewer, b""


def _picture(viewer: Viewer, x: int, y: int, width: int, height: int) -> bytes:
    """One rectangle in the raw encoding: zeros, which are black in every pixel format."""
    width, height = max(0, min(width, WIDTH - x)), max(0, min(height, HEIGHT - y))
    head = struct.pack(">BxHHHHHi", 0, 1, x, y, width, height, 0)
    return head + bytes(width * height * viewer.pixel_bytes)


def screenshot() -> bytes:
    """The same picture as PNG: 8 bits of grey."""
    lines = (b"\0" + bytes(WIDTH)) * HEIGHT
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
