"""Going back: to the beginning, and to what a snapshot says."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube import snapshot
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery import objects
from fakekube.machinery.resources import (
    CONFIG_MAPS,
    CRDS,
    NAMESPACES,
    NODES,
    PODS,
    VIRTUAL_MACHINES,
    Resource,
)
from fakekube.restoring import CannotReset
from fakekube.testing import templates
from fakekube.testing.options import Options

THINGS = Resource("x.org", "v1", "things", "Thing")
THING_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.x.org"},
    "spec": {
        "group": "x.org",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}
MACHINE = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {
        "runStrategy": "Always",
        "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}},
    },
}


def config(name, **data):
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


async def held(cluster):
    """What the store holds, revisions aside."""
    return {one.key: one.value for one in (await cluster.store.list("")).entries}


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1, only=["api"]) as running:
        await running.keep()
        yield running


async def test_a_reset_leaves_what_was_there_at_the_beginning(cluster):
    """Whatever was made, changed or deleted since: the store holds the same bytes again; versions and time go on."""
    client = cluster.client()
    before, revision = await held(cluster), cluster.store.revision
    await client.create(CONFIG_MAPS, config("a", k="v"))
    await client.create(CRDS, THING_CRD)
    await client.create(
        THINGS, {"apiVersion": "x.org/v1", "kind": "Thing", "metadata": {"name": "t"}}, "default"
    )
    space = await client.get(NAMESPACES, "default")
    await client.update(NAMESPACES, labelled(space))
    await cluster.reset()
    assert await held(cluster) == before
    assert cluster.store.revision > revision
    assert not (await client.list(CONFIG_MAPS, "default")).items
    assert "labelled" not in (await client.get(NAMESPACES, "default"))["metadata"]["labels"]


def labelled(obj):
    meta = {**obj["metadata"], "labels": {**obj["metadata"]["labels"], "labelled": "yes"}}
    return {**obj, "metadata": meta}


async def test_definitions_are_withdrawn_and_served_again(cluster):
    """Discovery follows: a kind that came after the beginning is gone with it, and back with a snapshot that has it."""
    client = cluster.client()
    await client.create(CRDS, THING_CRD)
    await client.create(
        THINGS, {"apiVersion": "x.org/v1", "kind": "Thing", "metadata": {"name": "t"}}, "default"
    )
    lines = await snapshot.dump(cluster.store, cluster.clock.now())
    await cluster.reset()
    assert cluster.api.catalog.find("x.org", "v1", "things") is None
    await cluster.restore(lines)
    assert [objects.name(one) for one in (await client.list(THINGS)).items] == ["t"]


async def test_watches_see_a_reset_as_ordinary_events(cluster):
    """No watch is cut: what goes is DELETED, what comes back is ADDED, versions rise."""
    client = cluster.client()
    await client.create(CONFIG_MAPS, config("kept", k="old"))
    await cluster.keep()
    listed = await client.list(CONFIG_MAPS)
    events = client.watch(CONFIG_MAPS, resource_version=listed.resource_version)
    await client.create(CONFIG_MAPS, config("new"))
    await client.delete(CONFIG_MAPS, "kept", "default")
    await cluster.reset()
    seen = [await asyncio.wait_for(anext(events), 30) for _ in range(4)]
    await events.aclose()
    assert [(kind, objects.name(obj)) for kind, obj in seen] == [
        ("ADDED", "new"),
        ("DELETED", "kept"),
        ("ADDED", "kept"),
        ("DELETED", "new"),
    ]
    versions = [int(objects.resource_version(obj)) for _, obj in seen]
    assert versions == sorted(set(versions))


async def test_actors_rest_in_the_world_they_find_themselves_in():
    """After a reset nothing of a running machine is left, and nobody brings it back; a new one comes up."""
    cluster = await templates.cluster(Options(), "manual")
    async with cluster:
        await cluster.advance("1s")  # the endpoints of Services gather changes for a moment
        await cluster.keep()
        before = await held(cluster)
        for _ in range(2):
            await cluster.apply([MACHINE])
            await cluster.run_until(lambda: ready(cluster))
            await cluster.reset()
            assert (await held(cluster)).keys() == before.keys()
            await cluster.advance("10m")
            assert not (await cluster.client().list(PODS, "default")).items
            node = (await cluster.client().list(NODES)).items[0]
            assert objects.condition_is(node, "Ready"), "its heartbeat has not gone back in time"


async def ready(cluster):
    return objects.condition_is(await cluster.client().get(VIRTUAL_MACHINES, "a", "default"), "Ready")


async def test_faults_and_requests_are_forgotten(cluster):
    """The next test meets no fault and finds no request of the one before."""
    cluster.faults.add(verb="create", kind="cm", status=500, times=None)
    await cluster.reset()
    assert not cluster.faults.armed
    assert not cluster.requests.find()


async def test_without_a_beginning_there_is_nothing_to_go_back_to():
    """The refusal says what to call first."""
    async with Cluster(clock=ManualClock(), only=["api"]) as cluster:
        with pytest.raises(CannotReset, match=r"call keep\(\) first"):
            await cluster.reset()


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete"]), st.sampled_from("abcd"), st.sampled_from("xyz")
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(before=WRITES, after=WRITES)
def test_any_state_leads_back_to_any_other(before, after):
    """Two runs of writes, and back to what was between them: the same bytes, also when asked for twice."""

    async def write(cluster, run):
        client = cluster.client()
        for deed, name, value in run:
            known = name in {objects.name(one) for one in (await client.list(CONFIG_MAPS, "default")).items}
            if deed == "create" and not known:
                await client.create(CONFIG_MAPS, config(name, k=value))
            elif deed == "update" and known:
                await client.update(CONFIG_MAPS, config(name, k=value))
            elif deed == "delete" and known:
                await client.delete(CONFIG_MAPS, name, "default")

    async def play():
        async with Cluster(clock=ManualClock(), seed=1, only=["api"]) as cluster:
            await write(cluster, before)
            lines, wanted = await snapshot.dump(cluster.store, cluster.clock.now()), await held(cluster)
            await write(cluster, after)
            await cluster.restore(lines)
            assert await held(cluster) == wanted
            revision = cluster.store.revision
            await cluster.restore(lines)
            assert cluster.store.revision == revision, "there was nothing left to do"

    asyncio.run(play())
