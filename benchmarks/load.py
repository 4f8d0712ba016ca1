"""Requests per second and their latency: by wrk where it is installed, else by a small generator over raw sockets.

`@N@` in a body stands for a number that is another one in every request.
"""

import asyncio
import re
import shutil
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and what to show it to be let in."""

    url: str
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def context(self) -> ssl.SSLContext | None:
        """Whoever measures does not check certificates."""
        return ssl._create_unverified_context() if self.url.startswith("https:") else None  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, to be repeated."""

    path: str
    method: str = "GET"
    body: str = ""
    content: str = "application/json"


@dataclass(frozen=True, slots=True)
class Load:
    """How hard and how long."""

    seconds: float = 3.0
    connections: int = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """Answers per second, and milliseconds until half of them, and all but a hundredth, were there."""

    rate: float
    p50: float
    p99: float


def measure(target: Target, ask: Ask, load: Load) -> Measured:
    """Refusals end the benchmark."""
    if shutil.which("wrk"):
        return _wrk(target, ask, load)
    return asyncio.run(_Own(target, ask, load).run())


def _wrk(target: Target, ask: Ask, load: Load) -> Measured:
    lines = [f'wrk.method = "{ask.method}"']
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in target.headers.items()]
    if ask.body:
        lines += [f'wrk.headers["Content-Type"] = "{ask.content}"', f"local body = [==[{ask.body}]==]"]
        lines += ["local number = 0", "function request()", "  number = number + 1"]
        lines += ['  return wrk.format(nil, nil, nil, (body:gsub("@N@", number)))', "end"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{load.connections}",
            f"-d{load.seconds:.0f}s",
            "--latency",
            "--timeout",
            "30s",
        ]
        command += ["-s", script.name, target.url + ask.path]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if refused:
        raise SystemExit(f"{ask.method} {target.url}{ask.path}: {refused.group(1)} requests were refused")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return Measured(float(found.group(1)), _latency(said, 50), _latency(said, 99))


def _latency(said: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)", said)
    return float(found.group(1)) * _UNITS[found.group(2)] if found else float("nan")


@dataclass
class _Own:
    target: Target
    ask: Ask
    load: Load
    latencies: list[float] = field(default_factory=list)
    sent: int = 0

    async def run(self) -> Measured:
        began = time.perf_counter()
        until = began + self.load.seconds
        await asyncio.gather(*(self._one(until) for _ in range(self.load.connections)))
        seconds = time.perf_counter() - began
        self.latencies.sort()
        return Measured(len(self.latencies) / seconds, self._at(0.5), self._at(0.99))

    def _at(self, share: float) -> float:
        return self.latencies[int(len(self.latencies) * share)] * 1000 if self.latencies else float("nan")

    def _request(self) -> bytes:
        self.sent += 1
        body = self.ask.body.replace("@N@", str(self.sent)).encode()
        head = [f"{self.ask.method} {self.ask.path} HTTP/1.1", f"Host: {urlsplit(self.target.url).netloc}"]
        head += [f"{name}: {value}" for name, value in self.target.headers.items()]
        if body:
            head.append(f"Content-Type: {self.ask.content}")
        head.append(f"Content-Length: {len(body)}")
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body

    async def _one(self, until: float) -> None:
        where = urlsplit(self.target.url)
        reader, writer = await asyncio.open_connection(
            where.hostname, where.port, limit=1 << 24, ssl=self.target.context
        )
        while (began := time.perf_counter()) < until:
            request = self._request()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 2"):
                raise SystemExit(f"{request[:80]!r} was refused: {head[:80]!r}")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length is not None:
                await reader.readexactly(int(length.group(1)))
            else:
                await _chunks(reader)
            self.latencies.append(time.perf_counter() - began)
        writer.close()


async def _chunks(reader: asyncio.StreamReader) -> None:
    while (size := int(await reader.readline(), 16)) > 0:
        await reader.readexactly(size + 2)
    await reader.readline()
