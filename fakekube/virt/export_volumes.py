"""What an exporter serves of a volume: its image whole, in part or packed, its files one by one or as an archive. Pure.

Upstream: kubevirt: pkg/storage/export/virt-exportserver/exportserver.go, Go: net/http (FileServer, ServeContent)
"""

import re
import zlib
from collections.abc import AsyncIterator, Iterator
from html import escape
from urllib.parse import quote

from fakekube.agents.node_server import volume_images
from fakekube.agents.node_server.place import FOLDER, bytes_of, is_below
from fakekube.agents.node_server.volume_images import Claimed
from fakekube.agents.volume_contents import Files, Held
from fakekube.machinery.wire import Request, Response

_PLAIN, _BYTES, _HTML = "text/plain; charset=utf-8", "application/octet-stream", "text/html; charset=utf-8"
_GZIP = "application/x-gzip"
_PIECE = 1024 * 1024
_BLANK = bytes(_PIECE)
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")  # the rest may be answered with the whole, and is
_NONE = Response(404, b"404 page not found\n", _PLAIN)


def image(held: Held, on: Claimed, request: Request, *, compressed: bool = False) -> Response:
    """The image on it, which is as large as its claim."""
    found = volume_images.files(held, on).get(volume_images.FILE)
    if found is None:
        return Response(500, content_type="")
    data = volume_images.image(held)
    size = max(on.size, len(data))
    if compressed:
        return Response(200, content_type=_GZIP, stream=_packed_pieces(data, size))
    return _part(data, size, request.headers.get("range") or "")


def archive(held: Held, on: Claimed) -> Response:
    return Response(200, volume_images.packed(volume_images.files(held, on), compressed=True), _GZIP)


def below(held: Held, on: Claimed, path: str, request: Request) -> Response:
    """What is at a path on it: a file, or a page that lists a folder."""
    there = {own: text for own, text in volume_images.files(held, on).items() if text is not None}
    own = path.strip("/")
    if path.endswith("/index.html") or path == "index.html":
        return _elsewhere("./", request)
    if own in there:
        if path.endswith("/"):
            return _elsewhere(f"../{own.rpartition('/')[2]}", request)
        return _file(held, on, own, there[own], request)
    if own and not any(is_below(one, own) for one in there):
        return _NONE
    if path and not path.endswith("/"):
        return _elsewhere(f"{own.rpartition('/')[2]}/", request)
    inside = f"{own}/" if own else ""
    if (page := there.get(f"{inside}index.html")) is not None:
        return Response(200, bytes_of(page), _HTML)
    return Response(200, bytes_of(_listing(there, inside)), _HTML)


def _file(held: Held, on: Claimed, own: str, text: str, request: Request) -> Response:
    if own == volume_images.FILE:
        return image(held, on, request)
    data = bytes_of(text)
    return _part(data, len(data), request.headers.get("range") or "", _BYTES if "\0" in text else _PLAIN)


def _elsewhere(where: str, request: Request) -> Response:
    asked = f"?{request.query}" if request.query else ""
    return Response(301, content_type="", headers=[("Location", where + asked)])


def _listing(there: Files, inside: str) -> str:
    found = set[str]()
    for one in there:
        if one.startswith(inside):
            own, slash, _ = one.removeprefix(inside).partition("/")
            found.add(own + slash)
    lines = [f'<a href="{quote(one)}">{escape(one)}</a>\n' for one in sorted(found - {FOLDER, ""})]
    return f"<!doctype html>\n<pre>\n{''.join(lines)}</pre>\n"


def _part(data: bytes, size: int, asked: str, kind: str = _BYTES) -> Response:
    """What is asked for of a file: one range of it, or the whole."""
    found = _RANGE.fullmatch(asked)
    begin, end, status, told = 0, size, 200, [("Accept-Ranges", "bytes")]
    if found is not None and any(found.groups()):
        first, last = found.groups()
        begin = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if begin >= end:
            return Response(416, content_type=_PLAIN, headers=[("Content-Range", f"bytes */{size}")])
        status = 206
        told.append(("Content-Range", f"bytes {begin}-{end - 1}/{size}"))
    told.append(("Content-Length", str(end - begin)))
    return Response(status, content_type=kind, headers=told, stream=_pieces(data, begin, end))


async def _pieces(data: bytes, begin: int, end: int) -> AsyncIterator[bytes]:
    for piece in _cut(data, begin, end):
        yield piece


async def _packed_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    """The same as gzip has it: one member after the other, of which a whole blank one is packed once."""
    blank = _packed(_BLANK)
    for piece in _cut(data, 0, size):
        yield blank if piece is _BLANK else _packed(piece)
    if not size:
        yield _packed(b"")


def _cut(data: bytes, begin: int, end: int) -> Iterator[bytes]:
    """From one place to another of what is zeros after `data`, piece by piece."""
    while begin < end:
        size = min(_PIECE, end - begin)
        if begin >= len(data):
            yield _BLANK if size == _PIECE else _BLANK[:size]
        else:
            yield data[begin : begin + size].ljust(size, b"\0")
        begin += size


def _packed(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()
