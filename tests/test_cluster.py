"""The composition root: which actors run, what happens when one dies, and how it ends."""

import asyncio
import gc
from collections.abc import Callable

import pytest

from fakekube import actors
from fakekube.actors import ACTORS, ActorSpec, Made, Setting, UnknownActor, choose
from fakekube.apply_files import ManifestError
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import CONFIG_MAPS, NAMESPACES, NODES, PODS, VIRTUAL_MACHINE_POOLS
from fakekube.machinery.wire import Object, Request, Response


def names(specs: list[ActorSpec]) -> list[str]:
    return [spec.name for spec in specs]


def test_choice() -> None:
    """All actors by default; names and groups choose or leave out, always in the order of the table."""
    assert names(choose()) == list(ACTORS)
    assert names(choose(only=["api"])) == []
    assert names(choose(only=["scheduler", "nodes"])) == ["nodes", "scheduler"]
    without = names(choose(without=["kubevirt"]))
    assert without == [name for name in ACTORS if ACTORS[name].group != "kubevirt"]
    assert names(choose(only=["kubevirt"], without=["cdi"])) == [
        name for name in ACTORS if ACTORS[name].group == "kubevirt" and name != "cdi"
    ]


@pytest.mark.parametrize(
    ("name", "hint"), [("kubelt", "did you mean kubelet"), ("xyzzy", "there are nodes, ")]
)
def test_unknown_actor(name: str, hint: str) -> None:
    """A name nobody has is refused with the nearest ones, before anything starts."""
    for wrong in ({"only": [name]}, {"without": [name]}):
        with pytest.raises(UnknownActor, match=f"no actor named '{name}'; {hint}"):
            Cluster(**wrong)  # type: ignore[arg-type]


async def test_bare() -> None:
    """The bare API holds what every cluster has, and nobody acts."""
    async with Cluster(only=["api"]) as cluster:
        found = await cluster.client().list(NAMESPACES)
        assert [one["metadata"]["name"] for one in found.items] == [
            "default",
            "kube-node-lease",
            "kube-public",
            "kube-system",
        ]
        assert (await cluster.client().list(NODES)).items == []
        with pytest.raises(NotFound):
            await cluster.client().list(VIRTUAL_MACHINE_POOLS)
        assert cluster.actors == {}


async def test_everything() -> None:
    """With all actors there are nodes and KubeVirt's types from the first request on, and every actor runs."""
    async with Cluster(nodes=2) as cluster:
        assert len((await cluster.client().list(NODES)).items) == 2
        assert (await cluster.client().list(VIRTUAL_MACHINE_POOLS)).items == []
        assert list(cluster.actors) == list(ACTORS)
        assert cluster.failures == {}


@pytest.mark.parametrize("name", ACTORS)
async def test_each_alone(name: str) -> None:
    """Every actor can run without the others: it may find nothing to do, but it does not die."""
    async with Cluster(only=[name]) as cluster:
        for _ in range(20):
            await asyncio.sleep(0)
        assert cluster.failures == {}


async def test_pod_runs() -> None:
    """A pod is scheduled, runs, and is seen to by a watch that began before it."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    async with Cluster(without=["kubevirt"]) as cluster:
        start = (await cluster.client().list(PODS, "default")).resource_version
        await cluster.apply([pod])
        phase = await first(cluster, start, lambda obj: obj.get("status", {}).get("phase") == "Running")
        assert phase["spec"]["nodeName"] == "node01"


async def first(cluster: Cluster, start: str, wanted: Callable[[Object], bool]) -> Object:
    async with asyncio.timeout(30):
        async for _, obj in cluster.client().watch(PODS, "default", resource_version=start):
            if wanted(obj):
                return obj
    raise AssertionError("the watch ended")


async def test_apply_refused() -> None:
    """What the server refuses is told."""
    async with Cluster(only=["api"]) as cluster:
        with pytest.raises(ManifestError, match=r"^object: nonsense/x was refused: no matches for kind"):
            await cluster.apply([{"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "x"}}])


async def test_same_seed() -> None:
    """The same seed gives the same uids."""
    uids = []
    for seed in (7, 7, 8):
        async with Cluster(only=["api"], seed=seed) as cluster:
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}
            created = await cluster.client().create(CONFIG_MAPS, made, "default")
            uids.append((created["metadata"]["uid"], created["metadata"]["name"]))
    assert uids[0] == uids[1] != uids[2]


class Mortal:
    """An actor that does what its test wants."""

    name = "mortal"

    def __init__(self) -> None:
        self.fate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = False

    async def run(self) -> None:
        try:
            await self.fate
        finally:
            self.ended = True


@pytest.fixture
def mortals(monkeypatch: pytest.MonkeyPatch) -> list[Mortal]:
    """Two mortal actors instead of all others."""
    made: list[Mortal] = []

    def make(_: Setting) -> Made:
        made.append(Mortal())
        return Made(made[-1])

    specs = {name: ActorSpec(name, "test", "lives until told", make) for name in ("first", "second")}
    monkeypatch.setattr(actors, "ACTORS", specs)
    return made


async def test_death(mortals: list[Mortal], caplog: pytest.LogCaptureFixture) -> None:
    """An actor that dies is reported loudly, and the others go on."""
    async with Cluster() as cluster:
        await asyncio.sleep(0)
        mortals[0].fate.set_exception(ZeroDivisionError("by zero"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert [repr(error) for error in cluster.failures.values()] == ["ZeroDivisionError('by zero')"]
        assert "first died; the other actors go on" in caplog.text
        assert [one.ended for one in mortals] == [True, False]
        assert (await cluster(Request("GET", "/version"))).status == 200
    assert [one.ended for one in mortals] == [True, True]


async def test_close_is_prompt(mortals: list[Mortal], caplog: pytest.LogCaptureFixture) -> None:
    """Closing ends actors and watches at once, and does not wait for one that will not end."""
    cluster = Cluster()
    await cluster.start()
    await asyncio.sleep(0)
    watch = cluster.client().watch(PODS)
    waiting = asyncio.ensure_future(anext(watch, None))
    await asyncio.sleep(0)
    async with asyncio.timeout(3):
        await cluster.close()
        await waiting
    assert all(one.ended for one in mortals)
    assert caplog.text == ""


async def test_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """An actor that answers requests is found under its service's name."""

    async def answer(_: Request) -> Response:
        return Response(body=b"here")

    def make(_: Setting) -> Made:
        return Made(Mortal(), services={("space", "name"): answer})

    monkeypatch.setattr(actors, "ACTORS", {"a": ActorSpec("a", "test", "answers", make)})
    async with Cluster() as cluster:
        assert cluster.services.find("space", "name") is answer
        assert cluster.services.find("space", "other") is None


async def test_a_cluster_that_ends_while_it_starts_is_silent() -> None:
    """Its actors are cut short wherever they are, and nothing of that reaches anybody as an error nobody fetched."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))
    for turns in (0, 5, 20, 40):
        async with Cluster(clock=ManualClock(), seed=1):
            for _ in range(turns):
                await asyncio.sleep(0)
    gc.collect()
    assert told == []
