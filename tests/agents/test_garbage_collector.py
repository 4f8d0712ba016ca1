import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.agents.garbage_collector import GarbageCollector
from fakekube.agents.ownership import Node, Ownership
from fakekube.machinery.resources import CONFIG_MAPS, CRDS, LEASES, NODES, Resource

WIDGETS = Resource("gc.example.com", "v1", "widgets", "Widget")
WIDGET_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.gc.example.com"},
    "spec": {
        "group": "gc.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


@pytest.fixture
async def gc(world):
    world.start(GarbageCollector)
    await world.settle()
    return world


async def _delete(world, name, policy):
    await world.client.delete(CONFIG_MAPS, name, "default", propagation=policy)
    await world.settle()


async def test_background_collects_children_and_grandchildren(gc):
    """When an owner is gone, whatever descended from it goes, and nothing else."""
    owner = await gc.config_map("owner")
    child = await gc.config_map("child", owner)
    await gc.config_map("grandchild", child)
    await gc.config_map("bystander")
    await _delete(gc, "owner", "Background")
    assert await gc.names(CONFIG_MAPS, "default") == ["bystander"]


async def test_foreground_waits_for_dependents_that_block(gc):
    """A foreground deletion keeps the owner until its blocking dependents are gone."""
    owner = await gc.config_map("owner")
    await gc.config_map("blocked", owner, finalizers=["example.com/x"])
    await _delete(gc, "owner", "Foreground")
    owner = await gc.find(CONFIG_MAPS, "owner")
    assert owner["metadata"]["finalizers"] == ["foregroundDeletion"]
    blocked = await gc.find(CONFIG_MAPS, "blocked")
    assert blocked["metadata"]["deletionTimestamp"]
    assert blocked["metadata"]["finalizers"] == ["example.com/x"]
    await gc.client.patch(CONFIG_MAPS, "blocked", "default", {"metadata": {"finalizers": None}}, type="merge")
    await gc.settle()
    assert await gc.names(CONFIG_MAPS, "default") == []


async def test_foreground_does_not_wait_for_others(gc):
    """Dependents without blockOwnerDeletion are deleted, but not waited for."""
    owner = await gc.config_map("owner")
    loose = await gc.config_map("loose", finalizers=["example.com/x"])
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    loose["metadata"]["ownerReferences"] = [reference]
    await gc.client.update(CONFIG_MAPS, loose)
    await gc.settle()
    await _delete(gc, "owner", "Foreground")
    assert await gc.find(CONFIG_MAPS, "owner") is None
    assert (await gc.find(CONFIG_MAPS, "loose"))["metadata"]["deletionTimestamp"]


@pytest.mark.parametrize(("before", "waits"), [(0, True), (5, False)])
async def test_foreground_reaches_what_somebody_else_deletes(gc, before, waits):
    """Deleted by its controller when its owner is, a dependent waits for its own dependents; deleted before that, it does not."""
    owner = await gc.config_map("owner")
    child = await gc.config_map("child", owner, finalizers=["example.com/x"])
    await gc.config_map("grandchild", child, finalizers=["example.com/x"])
    if before:
        await _delete(gc, "child", "Background")
        await gc.advance(before)
    await gc.client.delete(CONFIG_MAPS, "owner", "default", propagation="Foreground")
    await gc.client.delete(CONFIG_MAPS, "child", "default")
    await gc.settle()
    found = (await gc.find(CONFIG_MAPS, "child"))["metadata"]["finalizers"]
    assert ("foregroundDeletion" in found) is waits


async def test_orphaned_dependents_lose_the_reference_and_stay(gc):
    """Orphan takes the owner off its dependents before it goes."""
    owner = await gc.config_map("owner")
    await gc.config_map("child", owner)
    await _delete(gc, "owner", "Orphan")
    assert await gc.find(CONFIG_MAPS, "owner") is None
    assert "ownerReferences" not in (await gc.find(CONFIG_MAPS, "child"))["metadata"]


async def test_an_owner_that_never_was_is_looked_up_before_it_is_believed(gc):
    """A reference to an absent object, or to another object of that name, does not keep anything alive."""
    other = await gc.config_map("other")
    ghost = {**other, "metadata": {"name": "ghost", "uid": "11111111-2222-3333-4444-555555555555"}}
    impostor = {**other, "metadata": {"name": "other", "uid": "11111111-2222-3333-4444-666666666666"}}
    await gc.config_map("lost", ghost)
    await gc.config_map("deceived", impostor)
    await gc.config_map("fine", other)
    await gc.settle()
    assert await gc.names(CONFIG_MAPS, "default") == ["fine", "other"]


async def test_one_living_owner_is_enough(gc):
    """Of several owners the dead ones are taken off; the object goes with the last."""
    one, two = await gc.config_map("one"), await gc.config_map("two")
    await gc.config_map("both", one, two)
    await _delete(gc, "one", "Background")
    both = await gc.find(CONFIG_MAPS, "both")
    assert [owner["name"] for owner in both["metadata"]["ownerReferences"]] == ["two"]
    await _delete(gc, "two", "Background")
    assert await gc.find(CONFIG_MAPS, "both") is None


async def test_a_circle_of_owners_is_opened(gc):
    """Two objects that own each other do not wait for each other for ever."""
    one = await gc.config_map("one")
    two = await gc.config_map("two", one)
    one["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "two",
            "uid": two["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
    ]
    await gc.client.update(CONFIG_MAPS, one)
    await gc.settle()
    await _delete(gc, "one", "Foreground")
    assert await gc.names(CONFIG_MAPS, "default") == []


async def test_custom_resources_own_and_are_owned(gc):
    """Resources that appear at run time take part, in both directions, and go with their definition."""
    await gc.client.create(CRDS, WIDGET_CRD)
    await gc.settle()
    widget = await gc.client.create(
        WIDGETS,
        {
            "apiVersion": "gc.example.com/v1",
            "kind": "Widget",
            "metadata": {"name": "w", "namespace": "default"},
        },
    )
    owned = await gc.config_map("owned", widget)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owned", "uid": owned["metadata"]["uid"]}
    await gc.client.create(
        WIDGETS,
        {
            "apiVersion": "gc.example.com/v1",
            "kind": "Widget",
            "metadata": {"name": "grandchild", "namespace": "default", "ownerReferences": [reference]},
        },
    )
    await gc.settle()
    assert await gc.names(WIDGETS, "default") == ["grandchild", "w"]
    await gc.client.delete(WIDGETS, "w", "default")
    await gc.settle()
    assert await gc.names(CONFIG_MAPS, "default") == []
    assert await gc.names(WIDGETS, "default") == []


async def test_a_kind_nobody_serves_yet_is_waited_for(gc):
    """An owner of an unknown kind condemns nothing; once the kind is served the owner is looked up."""
    ghost = {
        "apiVersion": "gc.example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "uid": "11111111-2222-3333-4444-555555555555"},
    }
    await gc.config_map("early", ghost)
    await gc.settle()
    assert await gc.find(CONFIG_MAPS, "early")
    await gc.client.create(CRDS, WIDGET_CRD)
    await gc.settle()
    assert await gc.find(CONFIG_MAPS, "early") is None


async def test_a_namespaced_owner_in_another_namespace_does_not_count(gc):
    """Owners are looked for in the object's own namespace only."""
    await gc.namespace("elsewhere")
    owner = await gc.config_map("owner", namespace="elsewhere")
    await gc.config_map("child", owner)
    await gc.settle()
    assert await gc.find(CONFIG_MAPS, "child") is None


async def test_what_was_left_behind_is_collected_at_the_start(world):
    """A collector that starts late finds the objects whose owners went while nobody watched."""
    owner = await world.config_map("owner")
    await world.config_map("child", owner)
    await world.client.delete(CONFIG_MAPS, "owner", "default")
    world.start(GarbageCollector)
    await world.settle()
    assert await world.names(CONFIG_MAPS, "default") == []


async def test_cluster_scoped_owners_own_namespaced_objects(gc):
    """A node's lease goes with the node."""
    node = await gc.node("n1")
    reference = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": node["metadata"]["uid"]}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "n1", "namespace": "kube-node-lease", "ownerReferences": [reference]},
        "spec": {},
    }
    await gc.client.create(LEASES, lease)
    await gc.settle()
    await gc.client.delete(NODES, "n1")
    await gc.settle()
    assert await gc.names(LEASES) == []


async def test_a_thousand_dependents_cost_one_request_each(gc):
    """Collecting many dependents of one owner takes one DELETE per dependent: the graph is not asked of the server."""
    owner = await gc.config_map("owner")
    for number in range(300):
        await gc.config_map(f"child-{number}", owner)
    await gc.settle()
    asked = []
    handler = gc.api._handler

    async def counting(request):
        asked.append(request.method)
        return await handler(request)

    gc.api._handler = counting
    await _delete(gc, "owner", "Background")
    assert asked.count("DELETE") == 301
    assert len(asked) == 301


async def test_identity_is_the_controllers_own(gc):
    """The collector acts as its service account, as the real one does."""
    seen = set()
    handler = gc.api._handler

    async def noting(request):
        seen.add(request.user.name if request.user else "")
        return await handler(request)

    owner = await gc.config_map("owner")
    await gc.config_map("child", owner)
    await gc.settle()
    gc.api._handler = noting
    await _delete(gc, "owner", "Background")
    assert "system:serviceaccount:kube-system:generic-garbage-collector" in seen


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.lists(st.integers(0, 5), max_size=3), st.booleans()), max_size=40
    )
)
def test_dependents_are_who_names_the_owner(steps):
    """However objects come, change owners and go: the dependents of a uid are the objects that name it now."""
    graph, present = Ownership(), {}
    for uid, owners, alive in steps:
        if alive:
            references = [
                {"uid": str(owner), "name": str(owner), "apiVersion": "v1", "kind": "ConfigMap"}
                for owner in owners
            ]
            obj = {"metadata": {"name": str(uid), "uid": str(uid), "ownerReferences": references}}
            graph.put(Node(CONFIG_MAPS, obj))
            present[str(uid)] = {str(owner) for owner in owners}
        else:
            graph.remove(str(uid))
            present.pop(str(uid), None)
    for owner in map(str, range(6)):
        assert {node.uid for node in graph.dependents(owner)} == {
            uid for uid, owners in present.items() if owner in owners
        }
    assert {node.uid for node in graph.without_owner()} == {
        uid for uid, owners in present.items() if owners - set(present)
    }


def test_changes_that_are_none_of_ownerships_are_taken_over():
    """An object that keeps its owners is renewed in place, unless it or one of them is on its way out."""

    def made(name, *owners, **meta):
        references = [{"uid": one, "name": one, "apiVersion": "v1", "kind": "ConfigMap"} for one in owners]
        return {"metadata": {"name": name, "uid": name, "ownerReferences": references, **meta}}

    graph, owner, old = Ownership(), made("owner"), made("a", "owner")
    for obj in (owner, old):
        graph.put(Node(CONFIG_MAPS, obj))
    new = made("a", "owner", labels={"l": "v"})
    assert graph.renew(old, new)
    assert [node.obj for node in graph.dependents("owner")] == [new]
    assert not graph.renew(old, made("a", "owner"))  # not what was seen last
    assert not graph.renew(new, made("a"))
    assert not graph.renew(new, made("a", "owner", deletionTimestamp="2026-01-01T00:00:00Z"))
    ending = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}
    graph.put(Node(CONFIG_MAPS, made("owner", **ending)))
    assert not graph.renew(new, made("a", "owner"))
