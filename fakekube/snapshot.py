"""A whole cluster in a file: what is in the store, the moment, and how to go on from it. Objects, not processes: actors
begin anew, as after a restart.

    {"fakekube": 1, "revision": 512, "time": "2026-01-01T00:10:00Z", "kubernetes": "v1.36.0"}
    {"key": "/registry/pods/default/a", "created": 311, "modified": 498, "value": {…}}
    …

Lines of JSON, one object each: made to be read, compared and kept under version control. What happened before the
snapshot is not part of it: watches from then get 410.
"""

import gzip
import zlib
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import orjson

from fakekube.clock import parse_rfc3339, rfc3339_micro
from fakekube.store.interface import Entry, Store
from fakekube.store.memory import MemoryStore

VERSION = 1
_MAGIC = b"\x1f\x8b"  # of gzip
_START = b'{"fakekube":'
_LIMIT = 1 << 30  # bytes of lines, unpacked


class BadSnapshot(ValueError):
    """A file that is no snapshot of ours; the text says what to do."""


async def dump(store: Store, now: datetime) -> bytes:
    """Everything the store holds, as lines."""
    page = await store.list("")
    head = {"fakekube": VERSION, "revision": page.revision, "time": rfc3339_micro(now)}
    lines = [orjson.dumps(head)]
    lines += [_line(entry) for entry in page.entries]
    return b"\n".join(lines) + b"\n"


def parse(
    data: bytes, where: str = "the snapshot", *, retention: int = 50_000
) -> tuple[MemoryStore, datetime]:
    """A store with what the lines say, and the moment they were taken. Raises BadSnapshot."""
    head, found = _lines(data, where)
    return MemoryStore.of(found, int(head["revision"]), retention), parse_rfc3339(head["time"])


def entries(data: bytes, where: str = "the snapshot") -> list[Entry]:
    """What the lines say is in the store. Raises BadSnapshot."""
    return _lines(data, where)[1]


def write(path: str | PathLike[str], data: bytes) -> None:
    """To a file, which is compressed when its name ends in `.gz`."""
    file = Path(path)
    file.write_bytes(packed(data) if file.suffix == ".gz" else data)


def is_one(path: str | PathLike[str]) -> bool:
    """Whether this file is a snapshot, rather than manifests. A file that cannot be read is left to whoever reads it."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(len(_START))
    except OSError:
        return False
    return start.startswith(_MAGIC) or start == _START


def read(path: str | PathLike[str]) -> bytes:
    """The lines of a file, packed or not. Raises BadSnapshot."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadSnapshot(f"{path}: {error.strerror}") from error


def packed(data: bytes) -> bytes:
    """A tenth of the bytes, the same ones every time."""
    return gzip.compress(data, 6, mtime=0)


def unpacked(data: bytes, where: str) -> bytes:
    """The lines behind `packed`; lines as they are. Raises BadSnapshot."""
    if not data.startswith(_MAGIC):
        return data
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        lines = unpacking.decompress(data, _LIMIT)
    except zlib.error as error:
        raise BadSnapshot(f"{where}: damaged: {error}") from error
    if not unpacking.eof:
        raise BadSnapshot(f"{where}: cut off, or larger than {_LIMIT >> 20} MiB when unpacked")
    return lines


def _line(entry: Entry) -> bytes:
    head = orjson.dumps({"key": entry.key, "created": entry.created, "modified": entry.modified})
    return b'%b,"value":%b}' % (head[:-1], entry.value)


def _lines(data: bytes, where: str) -> tuple[dict[str, Any], list[Entry]]:
    lines = unpacked(data, where).split(b"\n")
    head = _head(lines[0], where)
    found = [_entry(line, f"{where}:{number}") for number, line in enumerate(lines[1:], 2) if line.strip()]
    return head, found


def _head(line: bytes, where: str) -> dict[str, Any]:
    try:
        head = orjson.loads(line)
    except orjson.JSONDecodeError:
        head = None
    if not isinstance(head, dict) or "fakekube" not in head:
        raise BadSnapshot(
            f"{where} is no snapshot of fakekube; manifests and `kubectl get -o yaml` are for apply"
        )
    if head["fakekube"] != VERSION:
        raise BadSnapshot(
            f"{where} was written in format {head['fakekube']}, and this fakekube reads {VERSION}; "
            "load it with the version that wrote it, and take it over with `kubectl get -o yaml`"
        )
    return head


def _entry(line: bytes, where: str) -> Entry:
    try:
        one = orjson.loads(line)
        value = line[line.index(b'"value":') + 8 : line.rindex(b"}")]
        return Entry(one["key"], value, one["created"], one["modified"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadSnapshot(f"{where}: damaged: {error}") from error
