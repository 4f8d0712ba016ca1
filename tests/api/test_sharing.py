"""What readers of the server's own process are handed: the same objects for all, cheap, and never a torn list."""

import asyncio
import gc
import weakref

import orjson
import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import Invalid
from fakekube.machinery.resources import CONFIG_MAPS, CRDS, PODS, Resource
from fakekube.machinery.wire import Object, User
from fakekube.store.memory import MemoryStore
from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"
POD: Object = {
    "metadata": {"name": "p", "labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
WIDGETS = Resource("example.com", "v1", "widgets", "Widget")
DEFINITION: Object = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}
ADMIN = User("admin", ("system:masters", "system:authenticated"))


async def test_caches_hold_the_same_object(api: ApiServer, clock: ManualClock) -> None:
    """Two caches of one resource hold one object, equal to what a GET shows but for managedFields."""
    client = Client(api, user=ADMIN)
    caches = [Informer(client, PODS, clock=clock) for _ in range(2)]
    running = [asyncio.create_task(cache.run()) for cache in caches]
    for cache in caches:
        await cache.wait_synced()
    seen = asyncio.Event()
    caches[1].on_change(lambda _old, _new: seen.set())
    await client.create(PODS, copy_of(POD), "default")
    await asyncio.wait_for(seen.wait(), 30)
    one, other = (cache.get("default/p") for cache in caches)
    assert one is other
    shown = await client.get(PODS, "p", "default")
    assert shown["metadata"].pop("managedFields")
    assert one == shown
    for task in running:
        task.cancel()


async def test_what_is_listed_is_held_once(api: ApiServer, clock: ManualClock) -> None:
    """Caches that list what is there hold one object, too, but for those of another form; one that is transformed is made of it."""
    client = Client(api, user=ADMIN)
    await client.create(PODS, copy_of(POD), "default")
    first, second = Informer(client, PODS, clock=clock), Informer(client.as_user("b"), PODS, clock=clock)
    metas = Informer(client.metadata_only(), PODS, clock=clock)
    named = Informer(client, PODS, clock=clock, transform=lambda pod: {"metadata": pod["metadata"]})
    held = []
    for cache in (first, second, metas, named):
        running = asyncio.create_task(cache.run())
        await cache.wait_synced()
        held.append(cache.get("default/p"))
        running.cancel()
    whole, other, meta, part = held
    assert whole is other
    assert whole is not None
    assert meta is not None
    assert part is not None
    assert "spec" not in meta
    assert part["metadata"] is whole["metadata"]


async def test_servers_are_forgotten(clock: ManualClock) -> None:
    """Nothing keeps a server that has been closed: not its caches, which know each other, and not what was made of its events."""
    server = ApiServer(MemoryStore(), clock=clock, ids=Ids(7))
    await server.start()
    client = Client(server, user=ADMIN)
    await client.create(CRDS, DEFINITION)
    cache = Informer(client, WIDGETS, clock=clock)
    seen = asyncio.Event()
    cache.on_change(lambda _old, _new: seen.set())
    running = asyncio.create_task(cache.run())
    await cache.wait_synced()
    await client.create(
        WIDGETS, {"kind": "Widget", "apiVersion": "example.com/v1", "metadata": {"name": "w"}}, "default"
    )
    await asyncio.wait_for(seen.wait(), 30)
    running.cancel()
    await asyncio.wait([running])
    server.close()
    definition = server.catalog.by_kind(WIDGETS.group, WIDGETS.version, WIDGETS.kind)
    assert definition is not None
    known = [weakref.ref(one) for one in (server, cache, definition.strategy)]
    del client, server, cache, running, definition
    gc.collect()
    assert [one() for one in known] == [None] * 3


async def test_what_has_changed_is_held_anew(api: ApiServer, clock: ManualClock) -> None:
    """A cache that has not heard of a change does not pass on what it has."""
    client = Client(api, user=ADMIN)
    made = await client.create(PODS, copy_of(POD), "default")
    late, early = Informer(client, PODS, clock=clock), Informer(client, PODS, clock=clock)
    running = asyncio.create_task(late.run())
    await late.wait_synced()
    running.cancel()
    await client.patch(PODS, "p", "default", {"metadata": {"labels": {"a": "c"}}}, type="merge")
    running = asyncio.create_task(early.run())
    await early.wait_synced()
    running.cancel()
    held, now = late.get("default/p"), early.get("default/p")
    assert held is not None
    assert now is not None
    assert (held["metadata"]["resourceVersion"], held["metadata"]["labels"]) == (
        made["metadata"]["resourceVersion"],
        {"a": "b"},
    )
    assert now["metadata"]["labels"] == {"a": "c"}


async def test_caches_of_metadata_share_it(api: ApiServer, clock: ManualClock) -> None:
    """A cache of metadata alone holds the very metadata of the objects in other caches, under one key, whoever was told first."""
    client = Client(api, user=ADMIN)
    metas, wholes = Informer(client.metadata_only(), PODS, clock=clock), Informer(client, PODS, clock=clock)
    running = [asyncio.create_task(cache.run()) for cache in (metas, wholes)]
    for cache in (metas, wholes):
        await cache.wait_synced()
    seen = asyncio.Event()
    wholes.on_change(lambda _old, _new: seen.set())
    await client.create(PODS, copy_of(POD), "default")
    await asyncio.wait_for(seen.wait(), 30)
    one, other = (cache.get("default/p") for cache in (metas, wholes))
    assert one is not None
    assert other is not None
    assert one["metadata"] is other["metadata"]
    (mine,), (theirs,) = metas._objects, wholes._objects
    assert mine is theirs
    for task in running:
        task.cancel()


async def test_who_shares_is_answered_with_the_object(api: ApiServer) -> None:
    """A sharing client gets what others get, without managedFields; its writes keep them all the same."""
    client = Client(api, user=ADMIN)
    made = await client.sharing().create(PODS, copy_of(POD), "default")
    changed = {**made, "metadata": {**made["metadata"], "labels": {"a": "c"}}}
    answered = await client.sharing().update(PODS, changed)
    shown = await client.get(PODS, "p", "default")
    assert shown["metadata"].pop("managedFields")
    assert answered == shown


async def test_an_update_leaves_earlier_answers_alone(api: ApiServer) -> None:
    """What was handed out stays as it was, whatever later writes make of the object."""
    sharing = Client(api, user=ADMIN).sharing()
    made = await sharing.create(PODS, copy_of(POD), "default")
    before = copy_of(made)
    await sharing.patch(PODS, "p", "default", {"metadata": {"labels": {"x": "y"}}}, type="strategic")
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await sharing.patch(PODS, "p", "default", {"status": status}, type="strategic", subresource="status")
    assert made == before


async def test_what_a_writer_changes_after_the_answer_is_its_own(api: ApiServer) -> None:
    """An update keeps parts of the stored object that it was sent, and nothing that the writer made itself."""
    sharing = Client(api, user=ADMIN).sharing()
    made = await sharing.create(PODS, copy_of(POD), "default")
    labels, finalizers = {"x": "y"}, ["a.b/c"]
    meta = {**made["metadata"], "labels": labels, "finalizers": finalizers}
    answered = await sharing.update(PODS, {**made, "metadata": meta})
    assert answered["spec"] is made["spec"]
    labels["x"] = "z"
    finalizers.clear()
    shown = await sharing.get(PODS, "p", "default")
    assert shown["metadata"]["labels"] == {"x": "y"}
    assert shown["metadata"]["finalizers"] == ["a.b/c"]


async def test_a_refused_update_leaves_what_is_stored_alone(api: ApiServer) -> None:
    """A pod that is to be on its host's network has its ports defaulted anew; refused, it has not touched the ports there are."""
    sharing = Client(api, user=ADMIN).sharing()
    ported = copy_of(POD)
    ported["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    made = await sharing.create(PODS, ported, "default")
    changed = {**made["spec"], "hostNetwork": True}
    with pytest.raises(Invalid):
        await sharing.update(PODS, {**made, "spec": changed})
    with pytest.raises(Invalid):
        await sharing.patch(PODS, "p", "default", {"spec": {"hostNetwork": True}}, type="merge")
    shown = await sharing.get(PODS, "p", "default")
    assert shown["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


async def test_a_deletion_leaves_earlier_answers_alone(api: ApiServer) -> None:
    """An object that waits for its end is another state, as is one a finalizer holds; who holds the one before sees no change."""
    sharing = Client(api, user=ADMIN).sharing()
    held = {**copy_of(POD), "metadata": {**POD["metadata"], "finalizers": ["a.b/c"]}}
    made = await sharing.create(PODS, held, "default")
    before = copy_of(made)
    await sharing.delete(PODS, "p", "default")
    going = await sharing.get(PODS, "p", "default")
    assert going["metadata"]["deletionTimestamp"]
    known = copy_of(going)
    await sharing.delete(PODS, "p", "default", grace_seconds=0)
    assert made == before
    assert going == known


async def test_a_long_list_lets_others_have_their_turn(api: ApiServer, ask: Ask) -> None:
    """While it is being answered other requests are; it shows the moment it began at."""
    for number in range(2_001):
        await ask("POST", CM, {"metadata": {"name": f"c-{number}"}})
    before = api.store.revision
    listed = asyncio.ensure_future(ask("GET", CM))
    await asyncio.sleep(0)
    await Client(api, user=ADMIN).create(
        CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}, "default"
    )
    assert not listed.done()
    found = json_of(await listed)
    assert (found["metadata"]["resourceVersion"], len(found["items"])) == (str(before), 2_001)
    assert orjson.dumps(found).find(b'"new"') < 0
