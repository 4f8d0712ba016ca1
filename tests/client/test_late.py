"""A cache of what may be defined later."""

import pytest

from fakekube.client.late import LateInformer
from fakekube.machinery import objects
from fakekube.machinery.resources import CRDS, NODES


def definition(**status):
    names = {"plural": "nodes", "kind": "Node"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "nodes."},
        "spec": {"group": "", "names": names, "scope": "Cluster", "versions": [version]},
    } | status


def node(own):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": own}}


ESTABLISHED = definition(status={"conditions": [{"type": "Established", "status": "True"}]})


@pytest.fixture
def informer(client, clock, background):
    informer = LateInformer(client, NODES, clock=clock)
    background(informer.run())
    return informer


async def test_without_a_definition(api, client, informer, turns):
    """Nothing is asked of a resource that is not established, and the empty cache counts as synced."""
    await client.create(NODES, node("a"))
    await client.create(CRDS, definition())
    await informer.wait_synced()
    await turns()
    assert (informer.established, list(informer.objects())) == (False, [])
    assert not [one for one in api.requests if one.method == "GET" and one.path.endswith("/nodes")]


async def test_the_definition_comes_and_goes(client, informer, turns):
    """With its definition the resource is listed and watched; when that goes, the cache is empty, until it is back."""
    await client.create(NODES, node("a"))
    await informer.wait_synced()
    for _ in range(2):
        await client.create(CRDS, ESTABLISHED)
        await turns()
        assert [objects.name(one) for one in informer.objects()] == ["a"]
        await client.create(NODES, node("b"))
        await turns()
        assert [objects.name(one) for one in informer.objects()] == ["a", "b"]
        await client.delete(NODES, "b")
        await client.delete(CRDS, "nodes.")
        await turns()
        assert (informer.established, list(informer.objects())) == (False, [])
