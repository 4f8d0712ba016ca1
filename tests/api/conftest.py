"""An API server of one's own, with time to move by hand and a fixed seed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Request, Response, whole
from fakekube.store.memory import MemoryStore

Ask = Callable[..., Awaitable[Response]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def api(clock: ManualClock) -> AsyncIterator[ApiServer]:
    server = ApiServer(MemoryStore(), clock=clock, ids=Ids(7))
    await server.start()
    yield server
    server.close()


@pytest.fixture
def ask(api: ApiServer) -> Ask:
    """ask("POST", "/api/v1/…?query", {…}) → the Response, with `.json` as a shortcut on top."""

    async def send(
        method: str, url: str, body: Any = None, media: str = "application/json", **headers: str
    ) -> Response:
        path, _, query = url.partition("?")
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        sent = {"content-type": media, "user-agent": "test/1.0"} if raw else {"user-agent": "test/1.0"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await whole(await api(Request(method, path, query, sent, raw)))

    return send


def json_of(response: Response) -> Any:
    return orjson.loads(response.body)
