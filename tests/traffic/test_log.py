"""The request log: what is remembered, how it is asked, and that it stays bounded."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import CONFIG_MAPS
from fakekube.machinery.wire import Request, Response
from fakekube.traffic.log import RequestLog, contains
from fakekube.traffic.seen import BadPattern, seen


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1, only=["api"]) as running:
        yield running


async def test_requests_are_found_by_what_is_said_about_them(cluster):
    """Verb, kind by any of its names, object, client, status and part of the body; all that is given has to fit."""
    client = cluster.client(user_agent="tester/1")
    meta = {"name": "a", "namespace": "default"}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"k": "v", "other": "x"}}
    await client.create(CONFIG_MAPS, made)
    await cluster.advance("5s")
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "b", "default")
    find = cluster.requests.find
    assert [one.verb for one in find(client="tester")] == ["create", "get"]
    assert find(kind="cm", verb="write") == find(kind="ConfigMap", verb="create")
    assert find(body={"data": {"k": "v"}, "metadata": {"name": ...}})[0].verb == "create"
    assert find(body={"data": {"k": "w"}}) == []
    missed = find(status=404)[0]
    assert (missed.name, missed.at, missed.message) == ("b", 5.0, 'configmaps "b" not found')
    assert str(missed) == 'tester: get configmaps default/b → 404 configmaps "b" not found'


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ({"verb": "creat"}, "there is no verb 'creat'; did you mean 'create'"),
        ({"kind": "vmm"}, "the cluster serves no kind 'vmm'"),
        ({"verbs": "create"}, "requests cannot be found by 'verbs'; did you mean 'verb'?"),
    ],
)
async def test_what_no_request_can_be_is_not_looked_for(cluster, asked, hint):
    """A misspelt pattern fits nothing, so an assertion that nothing fits would hold for ever: it is refused."""
    with pytest.raises(BadPattern) as refused:
        cluster.requests.find(**asked)
    assert hint in str(refused.value)


async def test_only_the_newest_requests_are_kept(cluster):
    """Memory stays bounded however long a cluster runs; the count goes on."""
    log = RequestLog(cluster.clock, lambda group, plural: frozenset((plural,)), keep=3)

    async def inner(request, record):
        return await cluster.api(request)

    handler = log.filter(inner)
    for number in range(5):
        await handler(Request("GET", f"/api/v1/namespaces/n{number}"))
    assert [one.name for one in log] == ["n2", "n3", "n4"]
    assert log.count == 5


async def test_large_requests_are_forgotten_sooner(cluster):
    """What is remembered is bounded by the size of bodies, too; the newest request is always there."""
    log = RequestLog(cluster.clock, lambda group, plural: frozenset((plural,)), most_bytes=100)

    async def inner(_request, _record):
        return Response()

    handler = log.filter(inner)
    for number, size in enumerate((40, 40, 40, 0, 1_000, 60)):
        await handler(Request("POST", f"/api/v1/namespaces/n{number}", body=b"x" * size))
        kept = [len(one.request.body) for one in log]
        assert kept[-1] == size
        assert sum(kept) <= 100 or len(kept) == 1
    assert kept == [60]


@pytest.mark.parametrize(
    ("part", "inside"),
    [
        ({"a": {"b": 1}}, True),
        ({"a": ...}, True),
        ({"z": ...}, False),
        ({"l": [1, {"x": 2}]}, True),
        ({"l": [1]}, False),
        ({"a": {"b": 2}}, False),
        (..., True),
    ],
)
def test_containing_compares_what_is_given(part, inside):
    """Members that are not mentioned may be anything; lists have to agree item by item."""
    assert contains({"a": {"b": 1, "c": 2}, "l": [1, {"x": 2, "y": 3}]}, part) is inside


@pytest.mark.parametrize(
    ("query", "verb"),
    [
        ("watch=true", "watch"), ("watch=True", "watch"), ("watch=1", "watch"), ("watch", "watch"), ("watch=", "watch"),
        ("watch=False", "list"), ("watch=0", "list"), ("limit=1", "list"), ("", "list"),
    ],
)  # fmt: skip
def test_what_counts_as_a_watch(query, verb):
    """A watch is what the server takes for one, however its client writes `true`: Python's write `True`."""
    assert seen(Request("GET", "/api/v1/pods", query)).verb == verb
