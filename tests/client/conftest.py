"""A small API over a MemoryStore: enough of the protocol to test clients without the server's rules."""

import asyncio
from urllib.parse import parse_qs

import orjson
import pytest

from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.machinery import errors
from fakekube.machinery.wire import Request, Response
from fakekube.store.interface import Compacted, Exists, NotFound
from fakekube.store.memory import MemoryStore


class TinyApi:
    """Any path is a key. `requests` remembers what was asked; `fail` is raised by the next requests."""

    def __init__(self):
        self.store = MemoryStore()
        self.requests = []
        self.fail = []
        self.streams = 0

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        if self.fail:
            raise_or_status = self.fail.pop(0)
            if isinstance(raise_or_status, errors.ApiError):
                return Response(raise_or_status.code, orjson.dumps(raise_or_status.status()))
            raise raise_or_status
        try:
            return await getattr(self, "do_" + request.method.lower())(request)
        except Exists:
            error = errors.already_exists("things", "", request.path.rpartition("/")[2])
        except NotFound:
            error = errors.not_found("things", "", request.path.rpartition("/")[2])
        return Response(error.code, orjson.dumps(error.status()))

    async def do_get(self, request):
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        if query.get("watch"):
            return Response(stream=self.watch(request.path + "/", int(query.get("resourceVersion") or 0)))
        entry = await self.store.get(request.path)
        if entry is not None:
            return Response(body=self.encoded(entry))
        if request.path.rpartition("/")[2] in (
            "configmaps",
            "customresourcedefinitions",
            "events",
            "nodes",
            "pods",
        ):
            limit = int(query["limit"]) if "limit" in query else None
            after = query.get("continue", "")
            page = await self.store.list(request.path + "/", after=after, limit=limit)
            meta = {"resourceVersion": str(page.revision)}
            if page.remaining:
                meta |= {"continue": page.entries[-1].key, "remainingItemCount": page.remaining}
            items = [orjson.loads(self.encoded(entry)) for entry in page.entries]
            for item in items:  # as the real server does for built-in kinds
                item.pop("kind", None)
                item.pop("apiVersion", None)
            return Response(body=orjson.dumps({"kind": "List", "metadata": meta, "items": items}))
        raise NotFound(request.path)

    async def do_post(self, request):
        obj = orjson.loads(request.body)
        entry = await self.store.create(f"{request.path}/{obj['metadata']['name']}", request.body)
        return Response(201, self.encoded(entry))

    async def do_put(self, request):
        entry = await self.store.get(request.path)
        if entry is None:
            raise NotFound(request.path)
        return Response(
            body=self.encoded(await self.store.update(request.path, request.body, entry.modified))
        )

    async def do_patch(self, request):
        entry = await self.store.get(request.path)
        if entry is None:
            raise NotFound(request.path)
        merged = orjson.loads(entry.value) | orjson.loads(request.body)
        entry = await self.store.update(request.path, orjson.dumps(merged), entry.modified)
        return Response(body=self.encoded(entry))

    async def do_delete(self, request):
        event = await self.store.delete(request.path)
        return Response(body=self.encoded(event.previous))

    async def watch(self, prefix, after):
        self.streams += 1
        try:
            async for batch in self.store.watch(prefix, after):
                if not isinstance(batch, list):
                    continue
                yield b"".join(self.line(event) for event in batch)
        except Compacted:
            gone = errors.Expired("too old resource version")
            yield orjson.dumps({"type": "ERROR", "object": gone.status()}) + b"\n"
        finally:
            self.streams -= 1

    def line(self, event):
        if event.entry is None:
            kind, body = "DELETED", orjson.loads(self.encoded(event.previous))
            body["metadata"]["resourceVersion"] = str(event.revision)
        else:
            kind = "MODIFIED" if event.previous else "ADDED"
            body = orjson.loads(self.encoded(event.entry))
        return orjson.dumps({"type": kind, "object": body}) + b"\n"

    @staticmethod
    def encoded(entry):
        obj = orjson.loads(entry.value)
        obj.setdefault("metadata", {})["resourceVersion"] = str(entry.modified)
        obj["metadata"].setdefault("uid", f"uid-{entry.created}")
        return orjson.dumps(obj)


@pytest.fixture
def api():
    return TinyApi()


@pytest.fixture
def client(api):
    return Client(api)


@pytest.fixture
def clock():
    return ManualClock()


class Background:
    """Coroutines running beside the test, and turns given to all of them."""

    def __init__(self):
        self.tasks = []

    def __call__(self, coroutine):
        self.tasks.append(asyncio.ensure_future(coroutine))
        return self.tasks[-1]

    async def turns(self, count=50):
        for _ in range(count):
            await asyncio.sleep(0)


@pytest.fixture
async def background():
    """Run coroutines beside the test; whatever still runs at its end is cancelled, what failed fails the test."""
    background = Background()
    yield background
    for task in background.tasks:
        task.cancel()
    for outcome in await asyncio.gather(*background.tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


@pytest.fixture
def turns(background):
    """Give every task that can run the chance to."""
    return background.turns


@pytest.fixture
def config_map():
    def config_map(name, namespace="ns", **fields):
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            **fields,
        }

    return config_map
