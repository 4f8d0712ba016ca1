"""A thousand watchers that are told of ten writes a second each, and some that never read: for as long as one likes.

What must not happen: memory that grows, events that come late, events that do not come.
"""

import asyncio
import contextlib
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.asking import call
from benchmarks.load import Target
from benchmarks.processes import Running, fakekube
from benchmarks.records import Record

_WATCHERS, _DEAF, _WRITES = 1_000, 20, 10  # writes a second
_MARK = b'"type":"MODIFIED"'
_PATH = "/api/v1/namespaces/default/configmaps"
_OBJECTS = 50
_SAMPLES = 40
_PATIENCE = 10.0
# The history is full soon, so that what grows in the second half is not the history.
_FLAGS = ("--only", "api", "--retention", "50")


def measure(seconds: float) -> Iterator[Record]:
    with fakekube(*_FLAGS) as server:
        yield from asyncio.run(_sustained(server, seconds))


class _Watcher(asyncio.Protocol):
    """Counts events, and remembers when they came."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._rest = b""
        self.began = asyncio.get_running_loop().create_future()
        self.came: list[float] = []
        self._wanted, self._all = 0, asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        if not self.began.done():
            self.began.set_result(None)
        data = self._rest + data
        self.came += [time.perf_counter()] * data.count(_MARK)
        self._rest = data[-len(_MARK) + 1 :]
        if self._wanted and len(self.came) >= self._wanted:
            self._all.set()

    async def has(self, count: int) -> None:
        """Return once so many events have come."""
        self._wanted = count
        if len(self.came) < count:
            await self._all.wait()


async def _sustained(server: Running, seconds: float) -> list[Record]:
    target, where, loop = Target(server.url), urlsplit(server.url), asyncio.get_running_loop()
    host, port = where.hostname or "", where.port or 80
    for number in range(_OBJECTS):
        call(target, "POST", _PATH, {"metadata": {"name": f"c-{number}"}, "data": {"pad": "x" * 300}})
    version = call(target, "GET", f"{_PATH}?limit=1")["metadata"]["resourceVersion"]
    query = f"watch=true&resourceVersion={version}"
    head = f"GET {_PATH}?{query} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode()
    watchers = []
    for number in range(_WATCHERS + _DEAF):
        _, watcher = await loop.create_connection(lambda: _Watcher(head), host, port)
        await watcher.began
        if number >= _WATCHERS:
            watcher.transport.pause_reading()
        else:
            watchers.append(watcher)
    memory: list[float] = []
    sent = await _writing(server, seconds, memory)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(one.has(len(sent)) for one in watchers)), _PATIENCE)
    came = sum(len(one.came) for one in watchers)
    late = sorted(
        (there - then) * 1000 for one in watchers for then, there in zip(sent, one.came, strict=False)
    )
    half = memory[len(memory) // 2 :]
    grown = statistics.median(half[-3:]) - statistics.median(half[:3])
    what = f"{_WATCHERS:,} watchers for {seconds:.0f} s"
    missing = len(sent) * _WATCHERS - came
    return [
        Record(
            f"{what}: events",
            came / (sent[-1] - sent[0] + 1 / _WRITES),
            "/s",
            0.99 * _WATCHERS * _WRITES,
            most=False,
            remark=f"{came:,}; {_DEAF} more watchers do not read",
        ),
        Record(f"{what}: events that did not come", missing, "", 0),
        Record(f"{what}: write to event, p99", late[int(len(late) * 0.99)], "ms", 500),
        Record(
            f"{what}: memory in the second half", grown, "MB more", 5, remark=f"{half[-1]:.0f} MB at last"
        ),
    ]


async def _writing(server: Running, seconds: float, memory: list[float]) -> list[float]:
    """When each write was sent; samples of the server's memory by the way."""
    where = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    sent: list[float] = []
    began = time.perf_counter()
    for number in itertools.count():
        due = began + number / _WRITES
        if due > began + seconds:
            break
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        body = json.dumps({"data": {"k": str(number)}}).encode()
        head = f"PATCH {_PATH}/c-{number % _OBJECTS} HTTP/1.1\r\nHost: {where.netloc}\r\n"
        kind = f"Content-Type: application/merge-patch+json\r\nContent-Length: {len(body)}\r\n\r\n"
        sent.append(time.perf_counter())
        writer.write((head + kind).encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        if time.perf_counter() - began >= seconds * len(memory) / _SAMPLES:
            memory.append(server.rss_mb())
    writer.close()
    return sent
