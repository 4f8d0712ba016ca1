"""Watch fan-out: many watchers of one namespace, each of which must be told of every write."""

import asyncio
import json
import time
from urllib.parse import urlsplit

PATH = "/api/v1/namespaces/default/configmaps"
WRITERS = 8


async def fan_out(url: str, watchers: int, writes: int) -> tuple[int, float]:
    """Events delivered, and the seconds from the first write to the last delivery."""
    where = urlsplit(url)
    connections = await asyncio.gather(*(_watch(where.hostname, where.port) for _ in range(watchers)))
    readers = [asyncio.create_task(_count(reader, writes)) for reader, _ in connections]
    began = time.perf_counter()
    each = writes // WRITERS
    shares = [each + (number < writes % WRITERS) for number in range(WRITERS)]
    await asyncio.gather(*(_write(where.hostname, where.port, share) for share in shares))
    counts = await asyncio.wait_for(asyncio.gather(*readers), 120)
    seconds = time.perf_counter() - began
    for _, writer in connections:
        writer.close()
    return sum(counts), seconds


async def _watch(host: str | None, port: int | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {PATH}?watch=true HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
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


async def _write(host: str | None, port: int | None, count: int) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(count):
        body = json.dumps(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "event-"}}
        ).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 201"):
            raise SystemExit(f"a create was refused: {answer[:80]!r}")
        length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()
