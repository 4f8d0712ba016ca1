import orjson
import pytest

from fakekube.client.client import Client
from fakekube.client.discovery import discover, of_crd
from fakekube.machinery.errors import InternalError
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Response

VERBS = ["list", "watch", "delete"]
AGGREGATED = {
    "/api": {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {},
                "versions": [
                    {
                        "version": "v1",
                        "resources": [
                            {
                                "resource": "pods",
                                "responseKind": {"kind": "Pod"},
                                "scope": "Namespaced",
                                "verbs": VERBS,
                            },
                            {
                                "resource": "nodes",
                                "responseKind": {"kind": "Node"},
                                "scope": "Cluster",
                                "verbs": ["get"],
                            },
                        ],
                    }
                ],
            }
        ],
    },
    "/apis": {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {"name": "example.com"},
                "versions": [
                    {
                        "version": "v2",
                        "resources": [
                            {
                                "resource": "cars",
                                "responseKind": {"kind": "Car"},
                                "scope": "Namespaced",
                                "verbs": VERBS,
                            }
                        ],
                    },
                    {
                        "version": "v1",
                        "freshness": "Stale",
                        "resources": [
                            {
                                "resource": "cars",
                                "responseKind": {"kind": "Car"},
                                "scope": "Namespaced",
                                "verbs": VERBS,
                            }
                        ],
                    },
                ],
            }
        ],
    },
}
LEGACY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": "example.com",
                "versions": [
                    {"groupVersion": "example.com/v1", "version": "v1"},
                    {"groupVersion": "example.com/v2", "version": "v2"},
                ],
                "preferredVersion": {"groupVersion": "example.com/v2", "version": "v2"},
            }
        ],
    },
    "/api/v1": {
        "groupVersion": "v1",
        "resources": [
            {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": VERBS},
            {"name": "pods/status", "kind": "Pod", "namespaced": True, "verbs": ["get"]},
            {"name": "nodes", "kind": "Node", "namespaced": False, "verbs": ["get"]},
        ],
    },
    "/apis/example.com/v2": {
        "groupVersion": "example.com/v2",
        "resources": [{"name": "cars", "kind": "Car", "namespaced": True, "verbs": VERBS}],
    },
}
PODS = Resource("", "v1", "pods", "Pod")
CARS = Resource("example.com", "v2", "cars", "Car")


@pytest.mark.parametrize("documents", [AGGREGATED, LEGACY])
async def test_each_resource_is_found_once_in_its_preferred_version(documents):
    """Both forms of discovery tell the same; versions that do not answer are named."""

    async def server(request):
        if request.path not in documents:
            return Response(500, orjson.dumps(InternalError("down").status()))
        return Response(body=orjson.dumps(documents[request.path]))

    found = await discover(Client(server))
    assert found.with_verbs("list", "delete") == [PODS, CARS]
    assert [one.resource.plural for one in found.served] == ["pods", "nodes", "cars"]
    assert found.failed == ("example.com/v1",)


def _crd(**status):
    return {
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"plural": "cars", "kind": "Car"},
            "versions": [
                {"name": "v3", "served": False, "storage": False},
                {"name": "v1", "served": True, "storage": False},
                {"name": "v2", "served": True, "storage": True},
            ],
        },
        "status": status,
    }


def test_a_definition_serves_once_it_is_established():
    """A CRD's resource is known from the CRD itself, in the stored version, once it is established."""
    assert of_crd(_crd()) is None
    established = [{"type": "Established", "status": "True"}]
    assert of_crd(_crd(conditions=established)) == Resource(
        "example.com", "v2", "cars", "Car", namespaced=False
    )
