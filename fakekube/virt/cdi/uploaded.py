"""What an upload leaves on a volume: an image is its disk, an archive its files; what is packed (gzip) is unpacked before.

There is room for as much as a guest may write. Of more than that nothing is kept: the disk is blank, and there are no files.
Origin: cdi: pkg/importer/{upload-datasource,data-processor}.go, pkg/uploadserver/uploadserver.go (formReadCloser)
"""

import gzip
import io
import re
import zlib

from fakekube.agents.node_server import sparse, volume_images
from fakekube.agents.node_server.place import ROOM
from fakekube.agents.node_server.volume_images import Claimed
from fakekube.agents.volume_contents import Held
from fakekube.clock import Clock
from fakekube.machinery.wire import Request

_PIECE = 1 << 20
_MOST_PIECES = 2048  # zeros take time, too
_BOUNDARY = re.compile(r'(?i)multipart/form-data;.*\bboundary="?([^";]+)')
_FILE = re.compile(rb'(?i)\r\ncontent-disposition: *form-data;(?:[^\r\n]*;)? *name="?file"?')
_LONGEST_HEAD, _MOST_PARTS = 4096, 1000
_TO_FILE = "Unable to transfer source data to target file"
_TO_DIRECTORY = "Unable to transfer source data to target directory: unable to untar files from endpoint"


class UnreadableError(Exception):
    """What was sent is not what it should be."""


def in_form(request: Request) -> bytes | None:
    """The file in a form that a page has sent; None: there is none. A body that was too large to be kept is empty."""
    found = _BOUNDARY.match(request.headers.get("content-type") or "")
    if found is None or not request.body:
        return None if found is None else b""
    between = b"\r\n--" + found[1].strip().encode(errors="surrogateescape")
    data = b"\r\n" + request.body
    begin = data.find(between)
    for _ in range(_MOST_PARTS):
        if begin < 0:
            break
        begin += len(between)
        end = data.find(between, begin)
        ends = data.find(b"\r\n\r\n", begin, begin + _LONGEST_HEAD)
        if ends >= 0 and (end < 0 or ends < end) and _FILE.search(data, begin, ends):
            return data[ends + 4 : end if end >= 0 else None]
        begin = end
    return None


async def held(sent: bytes, on: Claimed, *, archive: bool, clock: Clock) -> Held:
    """What is on it then. Raises UnreadableError."""
    try:
        data = await _unpacked(sent, clock) if sent.startswith(sparse.GZIP) else sent
    except sparse.TooLargeError:
        data = b""
    except (EOFError, OSError, zlib.error):
        raise UnreadableError(_TO_DIRECTORY if archive else _TO_FILE) from None
    if len(data.rstrip(b"\0")) > ROOM:
        data = b""
    if not archive:
        return volume_images.held({volume_images.FILE: volume_images.text(data, on.size)}, Held(), on)
    files = volume_images.archived(data)
    if files is None:
        raise UnreadableError(_TO_DIRECTORY)
    return Held(files)


async def _unpacked(packed: bytes, clock: Clock) -> bytes:
    """Others have their turn after each piece."""
    found, pieces = sparse.Data(), 0
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as reader:
        while piece := reader.read(_PIECE):
            pieces += 1
            if pieces > _MOST_PIECES:
                raise sparse.TooLargeError
            found.add(piece)
            await clock.sleep(0)
    return found.kept()
