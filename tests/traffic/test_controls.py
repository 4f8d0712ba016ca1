"""GET /fakekube/requests and POST /fakekube/compact."""

import orjson
import pytest

from fakekube.api.access.authentication import ADMIN, Authentication
from fakekube.cluster import Cluster
from fakekube.machinery.errors import Expired
from fakekube.machinery.resources import CONFIG_MAPS
from fakekube.machinery.wire import Request


async def ask(cluster: Cluster, method: str, url: str, **headers: str):
    path, _, query = url.partition("?")
    response = await cluster(Request(method, path, query, headers))
    return response.status, orjson.loads(response.body)


def config_map(name: str):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


async def test_requests_are_found_by_who_did_what() -> None:
    """Each request shows who asked for what, what came of it, and how long that took."""
    async with Cluster(only=["api"]) as cluster:
        client = cluster.client(user_agent="tool/1.0")
        await client.create(CONFIG_MAPS, config_map("a"))
        await client.get(CONFIG_MAPS, "a", "default")
        status, found = await ask(cluster, "GET", "/fakekube/requests?client=tool&verb=write")
        assert status == 200
        (one,) = found["items"]
        assert (one["verb"], one["resource"], one["namespace"], one["status"]) == (
            "create",
            "configmaps",
            "default",
            201,
        )
        assert (one["user"], one["userAgent"]) == ("kubernetes-admin", "tool/1.0")
        assert 0 <= one["seconds"] < 5
        assert found["count"] >= 2
        _, last = await ask(cluster, "GET", "/fakekube/requests?kind=cm&limit=1")
        assert [one["verb"] for one in last["items"]] == ["get"]


@pytest.mark.parametrize(
    ("method", "url", "status", "said"),
    [
        ("GET", "/fakekube/requests?kind=potato", 400, "serves no kind 'potato'"),
        ("GET", "/fakekube/requests?colour=red", 400, "cannot be found by colour"),
        ("GET", "/fakekube/requests?limit=few", 400, "limit is a number"),
        ("GET", f"/fakekube/requests?limit={'9' * 5000}", 400, "limit is a number"),
        ("GET", "/fakekube/compact", 405, "does not know GET"),
        ("POST", "/fakekube/compact?revision=999999", 400, "has not happened yet"),
        ("GET", "/fakekube/nonsense", 404, "there is no /fakekube/nonsense; GET /fakekube/openapi.json"),
    ],
)
async def test_mistakes_are_told(method: str, url: str, status: int, said: str) -> None:
    """A wrong question is refused with a sentence."""
    async with Cluster(only=["api"]) as cluster:
        answered, body = await ask(cluster, method, url)
        assert answered == status
        assert said in body["message"]


async def test_compaction_forgets_the_past() -> None:
    """After it, a watch from before is too old, as in a cluster whose etcd was compacted."""
    async with Cluster(only=["api"]) as cluster:
        client = cluster.client()
        first = await client.create(CONFIG_MAPS, config_map("a"))
        await client.create(CONFIG_MAPS, config_map("b"))
        status, body = await ask(cluster, "POST", "/fakekube/compact")
        assert status == 200
        assert body["oldest"] == body["revision"]
        version = first["metadata"]["resourceVersion"]
        with pytest.raises(Expired):
            await anext(aiter(client.watch(CONFIG_MAPS, "default", resource_version=version)))


async def test_retention_bounds_the_past() -> None:
    """With a retention of ten writes, the eleventh last is gone by itself."""
    async with Cluster(only=["api"], retention=10) as cluster:
        for number in range(12):
            await cluster.client().create(CONFIG_MAPS, config_map(f"c{number}"))
        store = cluster.api.store
        assert store.revision - store.oldest == 10


async def test_strangers_see_no_requests() -> None:
    """Where access is restricted, the fake's own paths are too."""
    async with Cluster(only=["api"], authentication=Authentication({"secret": ADMIN}), rbac=True) as cluster:
        assert (await ask(cluster, "GET", "/fakekube/requests"))[0] == 403
        assert (await ask(cluster, "GET", "/fakekube/requests", authorization="Bearer secret"))[0] == 200
