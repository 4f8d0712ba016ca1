"""The admin API, as tests in other languages use it: over HTTP."""

import aiohttp
import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import CONFIG_MAPS
from fakekube.server import Server
from fakekube.snapshot import parse


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1, only=["scheduler"]) as running:
        yield running


@pytest.fixture
async def ask(cluster):
    """Send a request below /fakekube/; status and decoded answer."""
    async with Server(cluster) as server, aiohttp.ClientSession() as session:

        async def send(method, path, body=None):
            async with session.request(method, f"{server.url}/fakekube/{path}", json=body) as answer:
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
    assert (await late.list(CONFIG_MAPS)).items == []
    assert (await ask("DELETE", f"holds/{made['number']}"))[0] == 200
    assert len((await late.list(CONFIG_MAPS)).items) == 1
    await ask("POST", "holds", {"client": "late"})
    await ask("DELETE", "faults")
    assert (await ask("GET", "faults"))[1] == {"items": [], "holds": [], "unfired": []}


async def test_a_snapshot_can_be_fetched(ask, cluster):
    """What is sent is what `Cluster.load` reads."""
    status, lines = await ask("GET", "snapshot")
    store, moment = parse(lines)
    assert (status, len(store), moment) == (200, len(cluster.store), cluster.clock.now())


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
        (("POST", "clock/advance", []), 400, "must be a JSON object"),
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
