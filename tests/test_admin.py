"""The admin API, as tests in other languages use it: over HTTP."""

import asyncio
import io

import aiohttp
import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import CONFIG_MAPS
from fakekube.server import BODY_LIMIT, Server
from fakekube.snapshot import packed, parse


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1, only=["scheduler"]) as running:
        yield running


@pytest.fixture
async def ask(cluster):
    """Send a request below /fakekube/; status and decoded answer."""
    async with Server(cluster) as server, aiohttp.ClientSession() as session:

        async def send(method, path, body=None):
            sent = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
            async with session.request(method, f"{server.url}/fakekube/{path}", **sent) as answer:
                if answer.content_type == "application/json":
                    return answer.status, await answer.json()
                return answer.status, await answer.read()

        yield send


async def test_time_is_told_and_moved(ask):
    """`advance` answers once everything due on the way has happened."""
    status, before = await ask("GET", "clock")
    assert (status, before["now"], before["movable"]) == (200, "2026-01-01T00:00:00.000000Z", True)
    _, after = await ask("POST", "clock/advance", {"span": "10m"})
    assert (after["now"], after["seconds"]) == ("2026-01-01T00:10:00.000000Z", 600)
    assert (await ask("POST", "clock/settle"))[0] == 200


async def test_usage_is_said(ask, cluster):
    """A profile goes onto the object it is said of, begins now if it moves, and can be taken off again."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    await cluster.client().create(CONFIG_MAPS, config)

    async def annotations():
        found = await cluster.client().get(CONFIG_MAPS, "a", "default")
        return found["metadata"].get("annotations", {})

    await ask("POST", "clock/advance", {"span": "10m"})
    moving = {"object": "cm/a", "metric": "cpu", "profile": "ramp 1 2 5m"}
    status, answer = await ask("PUT", "metrics", moving)
    said = "ramp 1 2 5m since 2026-01-01T00:10:00Z"
    assert (status, answer) == (
        200,
        {"object": "configmaps/a", "annotation": "fakekube.io/cpu", "profile": said},
    )
    await ask("PUT", "metrics", {"object": "configmap/a", "metric": "hits", "profile": "3"})
    assert await annotations() == {"fakekube.io/cpu": said, "metrics.fakekube.io/hits": "3"}
    await ask("PUT", "metrics", {"object": "cm/a", "metric": "cpu", "profile": None})
    assert await annotations() == {"metrics.fakekube.io/hits": "3"}


async def test_faults_come_and_go(ask, cluster):
    """A registered fault acts, tells how often, and can be removed whatever it does to other requests."""
    status, made = await ask("POST", "faults", {"status": 503, "times": None})
    assert (status, made["number"], made["status"]) == (201, 1, 503)
    with pytest.raises(ApiError):
        await cluster.client().list(CONFIG_MAPS)
    _, listed = await ask("GET", "faults")
    assert listed["items"][0]["fired"] == 1
    assert (await ask("DELETE", "faults/1"))[0] == 200
    assert (await ask("DELETE", "faults/1"))[0] == 404
    await cluster.client().list(CONFIG_MAPS)


async def test_clients_are_held_and_released(ask, cluster):
    """A hold stands until it is deleted; with `stale` reads stand still, too."""
    _, made = await ask("POST", "holds", {"client": "late", "stale": True})
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    await cluster.client().create(CONFIG_MAPS, config)
    late = cluster.client(user_agent="late")
    assert (await late.list(CONFIG_MAPS, "default")).items == []
    assert (await ask("DELETE", f"holds/{made['number']}"))[0] == 200
    assert len((await late.list(CONFIG_MAPS, "default")).items) == 1
    await ask("POST", "holds", {"client": "late"})
    await ask("DELETE", "faults")
    assert (await ask("GET", "faults"))[1] == {"items": [], "holds": [], "unfired": []}


async def test_a_snapshot_can_be_fetched(ask, cluster):
    """What is sent is what `Cluster.load` reads."""
    status, lines = await ask("GET", "snapshot")
    store, moment = parse(lines)
    assert (status, len(store), moment) == (200, len(cluster.store), cluster.clock.now())


async def test_a_snapshot_can_be_gone_back_to(ask, cluster):
    """What was fetched can be put, packed or not, as often as wanted; damage changes nothing."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    _, lines = await ask("GET", "snapshot")
    for body in (lines, packed(lines)):
        await cluster.client().create(CONFIG_MAPS, config)
        status, answer = await ask("PUT", "snapshot", body)
        assert (status, answer["revision"]) == (200, cluster.store.revision)
        assert (await cluster.client().list(CONFIG_MAPS, "default")).items == []
    await cluster.client().create(CONFIG_MAPS, config)
    for damaged, hint in (
        (b"x", "no snapshot"),
        (packed(lines)[:-9], "cut off"),
        (b"", "must be a snapshot"),
    ):
        status, answer = await ask("PUT", "snapshot", damaged)
        assert (status, hint in answer["message"]) == (400, True)
    assert len((await cluster.client().list(CONFIG_MAPS, "default")).items) == 1


async def test_a_snapshot_may_be_larger_than_an_object(ask, cluster):
    """The limit of request bodies is that of objects; a cluster has many."""
    _, lines = await ask("GET", "snapshot")
    status, _ = await ask("PUT", "snapshot", lines + b"\n" * (BODY_LIMIT + 1))
    assert status == 200
    assert (await ask("POST", "faults", b" " * (BODY_LIMIT + 1)))[0] == 413


async def test_a_reset_goes_back_to_the_beginning(ask, cluster):
    """Objects, faults and holds go; without a beginning the refusal is a conflict."""
    assert (await ask("POST", "reset"))[0] == 409
    await cluster.keep()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    await cluster.client().create(CONFIG_MAPS, config)
    await ask("POST", "faults", {"status": 503, "times": None, "kind": "pod"})
    await ask("POST", "holds", {"client": "late"})
    assert (await ask("POST", "reset"))[0] == 200
    assert (await cluster.client().list(CONFIG_MAPS, "default")).items == []
    assert (await ask("GET", "faults"))[1] == {"items": [], "holds": [], "unfired": []}


async def test_time_passes_until_something_is_so(ask, cluster):
    """The answer is the object; what never happens is a time-out that says so."""

    async def later():
        await cluster.clock.sleep(30)
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
        await cluster.client().create(CONFIG_MAPS, config)

    task = asyncio.create_task(later())
    status, found = await ask("POST", "clock/run-until", {"object": "cm/a", "until": "create"})
    assert (status, found["metadata"]["name"], cluster.clock.monotonic()) == (200, "a", 30)
    await task
    status, answer = await ask("POST", "clock/run-until", {"object": "cm/b", "until": "create"})
    assert (status, answer["reason"]) == (504, "Timeout")
    assert "configmaps/b: create: not so after" in answer["message"]


async def test_every_path_is_described(ask):
    """The OpenAPI document lists all paths with their methods, and what bodies may say."""
    _, document = await ask("GET", "openapi.json")
    for path, operations in document["paths"].items():
        if "{" not in path and "get" in operations:
            assert (await ask("GET", path.removeprefix("/fakekube/")))[0] == 200
    fault = document["paths"]["/fakekube/faults"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert {"verb", "kind", "after_commit"} <= fault["properties"].keys()


@pytest.mark.parametrize(
    ("request_", "status", "hint"),
    [
        (("POST", "clock/advance", {"span": "-5m"}), 400, "time cannot go back"),
        (("POST", "clock/advance", {}), 400, 'the body must say span, as in {"span": "10m"}'),
        (("POST", "clock/run-until", {"object": "cm/a"}), 400, '{"until": "condition=Ready"}'),
        (("POST", "clock/run-until", {"object": "cm"}), 400, "'cm' is not clear"),
        (
            ("POST", "clock/run-until", {"object": "potato/a", "until": "delete"}),
            400,
            "serves no 'potato'; there are apiservices, ",
        ),
        (("POST", "clock/run-until", {"object": "cm/a", "until": "now"}), 400, "cannot wait for 'now'"),
        (("POST", "clock/run-until", {"objekt": "cm/a"}), 400, "did you mean 'object'"),
        (("POST", "clock/advance", []), 400, "must be a JSON object"),
        (("PUT", "metrics", {"metric": "cpu"}), 400, "the body must say object"),
        (
            ("PUT", "metrics", {"object": "cm/a", "metric": "cpu", "profile": "lots"}),
            400,
            "'lots' is no amount",
        ),
        (
            ("PUT", "metrics", {"object": "cm/no", "metric": "cpu", "profile": "1"}),
            404,
            'configmaps "no" not found',
        ),
        (("PUT", "metrics", {"object": "cm/a", "metrik": "cpu"}), 400, "did you mean 'metric'"),
        (
            ("PUT", "metrics", {"object": "cm/a", "profile": "1"}),
            400,
            'must say metric, as in {"metric": "cpu"}',
        ),
        (
            ("PUT", "metrics", {"object": "ns/default", "metric": "not a name", "profile": "1"}),
            422,
            "Invalid value",
        ),
        (("GET", "clock/advance", None), 405, "knows POST"),
        (("POST", "faults", {"vreb": "get"}), 400, "a fault has no member 'vreb'; did you mean 'verb'"),
        (("POST", "faults", {"kind": "Potato", "status": 500}), 400, "serves no kind 'Potato'"),
        (("POST", "holds", {"clinet": "x"}), 400, "a hold is described by"),
        (("DELETE", "holds/7", None), 404, "there is no /fakekube/holds/7"),
        (("GET", "nonsense", None), 404, "there is no /fakekube/nonsense"),
    ],
)
async def test_mistakes_are_told(ask, request_, status, hint):
    """A Status with a sentence that names the way out."""
    code, answer = await ask(*request_)
    assert code == status
    assert hint in answer["message"]


async def test_the_machines_time_is_not_moved():
    """A cluster on the real clock says how to make one whose time can be moved."""
    async with Cluster(only=["api"]) as cluster:
        with pytest.raises(ApiError, match="ManualClock") as refused:
            await cluster.client().request("POST", "/fakekube/clock/advance", body={"span": 5})
        assert refused.value.code == 409
