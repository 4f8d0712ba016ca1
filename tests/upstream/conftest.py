"""What upstream's functional specs are to a cluster: Go's verbs over HTTP, and Gomega's waits, in the cluster's own time.

The specs look every so many seconds for so long, until something is so (`eventually`) or whether it stays so
(`consistently`). Here the cluster's clock is moved by hand from one look to the next: minutes cost milliseconds.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.server import Server
from fakekube.testing import templates
from fakekube.testing.options import Options

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
_AGENT = "tests.test/v0.0.0 (linux/amd64) kubernetes/$Format"

Object = dict[str, Any]


class Refused(AssertionError):
    """An answer other than the expected one; carries the Status."""

    def __init__(self, request: str, status: int, body: Any) -> None:
        self.status, self.body = status, body
        super().__init__(f"{request}: {status} {body}")


class Suite:
    """A client like the specs' own."""

    def __init__(
        self, cluster: Cluster, url: str, session: aiohttp.ClientSession, token: str | None = None
    ) -> None:
        self.cluster, self.url, self._session, self._token = cluster, url, session, token

    async def as_component(self, component: str) -> "Suite":
        """A client with the token of the service account one of KubeVirt's components runs under."""
        account = f"/api/v1/namespaces/kubevirt/serviceaccounts/kubevirt-{component}"
        made = await self.create(f"{account}/token", {"spec": {"expirationSeconds": 86_400}})
        return Suite(self.cluster, self.url, self._session, made["status"]["token"])

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = JSON,
        accept: str = "application/json, */*",
        **query: str,
    ) -> tuple[int, Any]:
        """One request and its answer, decoded where it is JSON. `content` may be empty: Go says nothing of raw bytes."""
        headers = {"Accept": accept, "User-Agent": _AGENT}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None and content:
            headers["Content-Type"] = content
        async with self._session.request(
            method,
            f"{self.url}{path}",
            data=data,
            headers=headers,
            params=query,
            skip_auto_headers=["Content-Type"],
        ) as answer:
            raw = await answer.read()
            kind = answer.headers.get("Content-Type", "")
            return answer.status, json.loads(raw) if raw and kind.startswith(JSON) else raw

    async def done(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        status, answer = await self.call(method, path, body, **more)
        if status >= 400:
            raise Refused(f"{method} {path}", status, answer)
        return answer

    async def get(self, path: str, **query: str) -> Object:
        return await self.done("GET", path, **query)

    async def items(self, path: str, selector: str = "", **query: str) -> list[Object]:
        if selector:
            query["labelSelector"] = selector
        return (await self.get(path, **query))["items"]

    async def create(self, path: str, obj: Object) -> Object:
        return await self.done("POST", path, obj)

    async def patch(self, path: str, change: Any, content: str = JSON_PATCH) -> Object:
        return await self.done("PATCH", path, change, content=content)

    async def delete(self, path: str, options: Object | None = None, **query: str) -> Any:
        return await self.done("DELETE", path, options, **query)

    async def gone(self, path: str, options: Object | None = None) -> bool:
        """Delete, and tell whether it was gone already."""
        status, answer = await self.call("DELETE", path, options)
        if status >= 400 and status != 404:
            raise Refused(f"DELETE {path}", status, answer)
        return status == 404

    async def refused(self, method: str, path: str, body: Any = None, **more: str) -> Object:
        """The Status of a request that must not succeed."""
        status, answer = await self.call(method, path, body, **more)
        assert status >= 400, f"{method} {path}: {status}"
        return answer

    # Waiting.

    async def eventually(self, look: Callable[[], Awaitable[Any]], seconds: float, every: float = 1.0) -> Any:
        """What `look` finds once it finds something. Assertions that fail count as nothing, and so does what is not there yet,
        be it a member, an item, or the one that was to be unpacked. Fails after `seconds`, and says why it last did."""
        left, last = seconds, None
        while True:
            await self.cluster.settle()
            try:
                if found := await look():
                    return found
                last = found
            except (AssertionError, LookupError, ValueError) as error:
                last = error
            if left <= 0:
                raise AssertionError(f"not so within {seconds:g} s: {last!r}")
            await self.cluster.advance(every)
            left -= every

    async def consistently(
        self, look: Callable[[], Awaitable[bool]], seconds: float, every: float = 1.0
    ) -> None:
        """`look` finds the same good state for all that time."""
        for _ in range(int(seconds / every) + 1):
            await self.cluster.settle()
            assert await look()
            await self.cluster.advance(every)


Make = Callable[..., Awaitable[Suite]]


@pytest.fixture
async def suite_of() -> AsyncIterator[Make]:
    """How to have a served cluster with chosen settings and a client of it."""
    closing: list[Callable[[], Awaitable[Any]]] = []

    async def make(*, rbac: bool = False, service_accounts: bool = False, **options: Any) -> Suite:
        if rbac or service_accounts:  # which no template has
            cluster = Cluster(
                clock=ManualClock(), nodes=2, rbac=rbac, service_accounts=service_accounts, **options
            )
        else:
            cluster = await templates.cluster(Options(nodes=2).with_(**options), "manual")
        await cluster.start()
        server = Server(cluster)
        await server.start()
        session = aiohttp.ClientSession()
        closing.extend((cluster.close, server.stop, session.close))
        await cluster.settle()
        return Suite(cluster, server.url, session)

    yield make
    for close in reversed(closing):
        await close()


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    """Two nodes, everything installed, at pace instant."""
    return await suite_of()


def conditions(obj: Mapping[str, Any]) -> dict[str, str]:
    """Type → status."""
    return {one["type"]: one["status"] for one in obj.get("status", {}).get("conditions", ())}
