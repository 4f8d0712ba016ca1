"""A server in a process of its own, reached by its address alone; its clock is moved over HTTP."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from fakekube.clock import parse_rfc3339
from tests.upstream.conftest import Suite

_ROOT = Path(__file__).parents[2]
_ADDRESS = re.compile(r"http://[0-9.:]+")


class Elsewhere:
    """What a Suite asks of its cluster, asked over HTTP."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = f"{url}/fakekube/clock", session
        self.clock = self
        self._now = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The time after the last advance."""
        return self._now

    async def settle(self) -> None:
        await self.advance(0)

    async def advance(self, span: float) -> None:
        async with self._session.post(f"{self._url}/advance", json={"span": span}) as answer:
            assert answer.status == 200, await answer.text()
            self._now = parse_rfc3339((await answer.json())["now"])


@contextlib.asynccontextmanager
async def up(*flags: str) -> AsyncIterator[Suite]:
    """A client of `fakekube up` with these flags, whose time stands still until it is moved."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fakekube", "up", "--clock", "manual", *flags),
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
    )
    try:
        assert process.stdout is not None
        said = (await process.stdout.readline()).decode()
        url = _ADDRESS.search(said)
        assert url is not None, said
        async with aiohttp.ClientSession() as session:
            cluster = Elsewhere(url[0], session)
            await cluster.settle()
            yield Suite(cluster, url[0], session)  # type: ignore[arg-type]
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
