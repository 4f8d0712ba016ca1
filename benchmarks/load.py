"""Requests per second: by wrk where it is installed, else by a small generator over raw sockets."""

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from typing import TypedDict
from urllib.parse import urlsplit


class Load(TypedDict):
    """How hard and how long."""

    seconds: float
    connections: int


def rate(
    url: str, path: str, *, seconds: float, connections: int, method: str = "GET", body: bytes = b""
) -> float:
    """Answers per second of one request, repeated on keep-alive connections. Refusals end the benchmark."""
    if shutil.which("wrk"):
        return _wrk(url + path, seconds, connections, method, body)
    until = time.perf_counter() + seconds
    return asyncio.run(_own(url, _request(url, path, method, body), until, connections))


def _wrk(url: str, seconds: float, connections: int, method: str, body: bytes) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f'wrk.method = "{method}"\n')
        if body:
            script.write(
                f'wrk.body = [==[{body.decode()}]==]\nwrk.headers["Content-Type"] = "application/json"\n'
            )
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", script.name, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if refused:
        raise SystemExit(f"{method} {url}: {refused.group(1)} requests were refused")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return float(found.group(1))


def _request(url: str, path: str, method: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _own(url: str, request: bytes, until: float, connections: int) -> float:
    where = urlsplit(url)

    async def one() -> int:
        reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 24)
        done = 0
        while time.perf_counter() < until:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 2"):
                raise SystemExit(f"{request[:80]!r} was refused: {answer[:80]!r}")
            length = re.search(rb"(?i)content-length: (\d+)", answer)
            assert length is not None, answer
            await reader.readexactly(int(length.group(1)))
            done += 1
        writer.close()
        return done

    began = time.perf_counter()
    counts = await asyncio.gather(*(one() for _ in range(connections)))
    return sum(counts) / (time.perf_counter() - began)
