"""Single requests of the benchmark itself: setting up, looking, cleaning up."""

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Iterable
from typing import Any

import aiohttp

from benchmarks.load import Target

Object = dict[str, Any]
_SECONDS = 120.0
_AT_ONCE = 16


def fetch(target: Target, path: str) -> bytes:
    return _send(target, "GET", path, None)


def call(target: Target, method: str, path: str, body: Object | None = None) -> Any:
    answer = _send(target, method, path, body)
    return json.loads(answer) if answer else None


def _send(target: Target, method: str, path: str, body: Object | None) -> bytes:
    headers = target.headers | {"Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(target.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=_SECONDS, context=target.context) as answer:
        found: bytes = answer.read()
    return found


def fill(target: Target, path: str, objects: Iterable[Object]) -> None:
    """Create all of them, several at once."""
    asyncio.run(_fill(target, path, iter(objects)))


async def _fill(target: Target, path: str, objects: Iterable[Object]) -> None:
    checked: ssl.SSLContext | bool = target.context or True
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=checked, limit=0), headers=target.headers
    ) as session:

        async def some() -> None:
            for one in objects:
                async with session.post(target.url + path, json=one) as answer:
                    if answer.status >= 300:
                        raise SystemExit(f"POST {path}: {await answer.text()}")

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
