from fakekube.agents.api_services import MANAGED, ApiServices
from fakekube.machinery.objects import condition
from fakekube.machinery.resources import API_SERVICES, CRDS
from fakekube.machinery.wire import Response


def definition():
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    meta = {"name": "things.example.com"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": meta,
        "spec": spec,
    }


async def available(world, name):
    one = condition(await world.find(API_SERVICES, name), "Available")
    return one["status"], one["reason"]


async def test_what_the_server_serves_is_local(world):
    """Built-in group versions have APIServices that are always available, and get them back."""
    world.start(ApiServices)
    await world.settle()
    assert {"v1.", "v1.apps", "v2.autoscaling"} <= set(await world.names(API_SERVICES))
    apps = await world.find(API_SERVICES, "v1.apps")
    assert apps["metadata"]["labels"] == {MANAGED: "onstart"}
    assert apps["spec"] == {
        "group": "apps",
        "version": "v1",
        "groupPriorityMinimum": 17800,
        "versionPriority": 15,
    }
    assert await available(world, "v1.apps") == ("True", "Local")
    await world.client.delete(API_SERVICES, "v1.apps")
    await world.settle()
    assert await available(world, "v1.apps") == ("True", "Local")


async def test_definitions_bring_theirs(world):
    """A CustomResourceDefinition's group version appears with it and goes with it."""
    world.start(ApiServices)
    await world.client.create(CRDS, definition())
    await world.settle()
    assert await available(world, "v1.example.com") == ("True", "Local")
    await world.client.delete(CRDS, "things.example.com")
    await world.settle()
    assert await world.find(API_SERVICES, "v1.example.com") is None


async def test_aggregated_services_are_asked(world):
    """Whether an aggregated API is available shows by asking it; a silent one is asked again."""
    world.start(ApiServices)
    spec = {
        "group": "pets.example.com",
        "version": "v1",
        "groupPriorityMinimum": 1,
        "versionPriority": 1,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "default", "name": "pets"},
    }
    meta = {"name": "v1.pets.example.com"}
    await world.client.create(
        API_SERVICES,
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": meta, "spec": spec},
    )
    await world.settle()
    assert await available(world, "v1.pets.example.com") == ("False", "FailedDiscoveryCheck")

    async def pets(request):
        return Response(body=b'{"resources": []}')

    world.api.services.set("default", "pets", pets)
    await world.advance(31)
    assert await available(world, "v1.pets.example.com") == ("True", "Passed")
