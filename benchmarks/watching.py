"""Watches: how quickly one hears of a write, and how many can be told of every write."""

import asyncio
import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.asking import call
from benchmarks.load import Target
from benchmarks.records import Record

PATH = "/api/v1/namespaces/default/configmaps"
WRITERS = 8
WATCHERS = {1: 2_000, 100: 500, 1_000: 60}  # and how many writes each is told of
_GOAL = 2 * 85_000  # events per second; kube-apiserver reached 85,000 with 100 watchers
_LATENCIES = 300


def measure(target: Target) -> Iterator[Record]:
    """Latency of one watch, then ever more of them."""
    found = sorted(asyncio.run(_latencies(target)))
    p50, p99 = (found[int(len(found) * share)] * 1000 for share in (0.5, 0.99))
    yield Record("write to watch event, one watcher, p50", p50, "ms", remark=f"p99 {p99:.2f} ms")
    for watchers, writes in WATCHERS.items():
        events, seconds = asyncio.run(fan_out(target, watchers, writes))
        goal = _GOAL if watchers == 100 else None
        remark = f"{events:,} events in {seconds:.2f} s"
        yield Record(
            f"watch events, {watchers:,} watchers", events / seconds, "/s", goal, most=False, remark=remark
        )


async def fan_out(target: Target, watchers: int, writes: int) -> tuple[int, float]:
    """Events delivered, and the seconds from the first write to the last delivery."""
    version = _version(target)
    connections = await asyncio.gather(*(_watch(target, version) for _ in range(watchers)))
    readers = [asyncio.create_task(_count(reader, writes)) for reader, _ in connections]
    began = time.perf_counter()
    each = writes // WRITERS
    shares = [each + (number < writes % WRITERS) for number in range(WRITERS)]
    await asyncio.gather(*(_write(target, share) for share in shares))
    counts = await asyncio.wait_for(asyncio.gather(*readers), 120)
    seconds = time.perf_counter() - began
    for _, writer in connections:
        writer.close()
    return sum(counts), seconds


async def _latencies(target: Target) -> list[float]:
    """Seconds from sending a write until its event is here, one after the other."""
    reader, writer = await _watch(target, _version(target))
    found = []
    for _ in range(_LATENCIES):
        began = time.perf_counter()
        told = asyncio.create_task(_count(reader, 1))
        await _write(target, 1)
        await told
        found.append(time.perf_counter() - began)
    writer.close()
    return found


async def _open(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(target.url)
    return await asyncio.open_connection(where.hostname, where.port, ssl=target.context)


def _head(target: Target, line: str) -> str:
    headers = "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
    return f"{line} HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\n{headers}"


def _version(target: Target) -> str:
    found: str = call(target, "GET", f"{PATH}?limit=1")["metadata"]["resourceVersion"]
    return found


async def _watch(target: Target, version: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await _open(target)
    writer.write(f"{_head(target, f'GET {PATH}?watch=true&resourceVersion={version}')}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def _count(reader: asyncio.StreamReader, wanted: int) -> int:
    """ADDED events of this benchmark's own objects, until all have come; a marker cut in two is counted once whole."""
    seen, rest = 0, b""
    marker = b'"name":"event-'
    while seen < wanted:
        data = await reader.read(1 << 18)
        if not data:
            raise SystemExit("a watch ended before all events had come")
        rest += data
        seen += rest.count(marker)
        cut = rest.rfind(marker)
        rest = rest[cut + len(marker) :][-len(marker) :] if cut >= 0 else rest[-len(marker) :]
    return seen


async def _write(target: Target, count: int) -> None:
    reader, writer = await _open(target)
    for _ in range(count):
        body = json.dumps(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "event-"}}
        ).encode()
        head = f"{_head(target, f'POST {PATH}')}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 201"):
            raise SystemExit(f"a create was refused: {answer[:80]!r}")
        length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()
