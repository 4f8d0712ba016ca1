"""Whom virt-api refuses itself."""

import pytest

from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.ids import Ids
from fakekube.machinery.wire import Request, User
from fakekube.virt.access import review
from fakekube.virt.api.handler import VirtApi
from fakekube.virt.api.subresources.authorizer import Unknown, attributes

ROOT = "/apis/subresources.kubevirt.io/v1"
VM = f"{ROOT}/namespaces/ns/virtualmachines/vm"


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource", "subresource"),
    [
        ("PUT", f"{VM}/start", "update", "virtualmachines", "start"),
        ("GET", f"{VM}/portforward/22/tcp", "get", "virtualmachines", "portforward"),
        ("POST", f"{VM}/x", "create", "virtualmachines", "x"),
        ("PUT", f"{ROOT}/namespaces/ns/expand-vm-spec", "update", "expand-vm-spec", None),
        ("GET", f"{ROOT}/namespaces/ns/expand-vm-spec", "list", "expand-vm-spec", None),
    ],
)
def test_what_a_request_is_about(method, path, verb, resource, subresource):
    """A verb for the method; what is no object's own is asked for as many are."""
    found = attributes(method, path)
    assert (found["verb"], found["resource"], found.get("subresource")) == (verb, resource, subresource)
    assert (found["group"], found["version"], found["namespace"]) == ("subresources.kubevirt.io", "v1", "ns")


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", f"{ROOT}/namespaces/ns/pods/p/log", "unknown resource type pods"),
        ("PUT", f"{ROOT}/namespaces/ns/expand-it", "unknown resource type expand-it"),
        ("PUT", VM, f"unknown api endpoint: {VM}"),
        ("BREW", f"{VM}/start", "unknown http verb in request: BREW"),
    ],
)
def test_what_nobody_can_be_asked_about(method, path, told):
    """The reason is upstream's."""
    with pytest.raises(Unknown, match=told):
        attributes(method, path)


def test_the_question_says_who():
    """User, groups and extra values go along."""
    asked = review(User("alice", ("a", "b"), "u", {"k": ("v",)}), {"verb": "get"})
    assert asked["spec"] == {
        "user": "alice",
        "groups": ["a", "b"],
        "extra": {"k": ["v"]},
        "resourceAttributes": {"verb": "get"},
    }


async def test_the_api_server_decides():
    """Where roles are enforced it says no; its reason is the text of a 401, which others than JSON's friends can read."""
    async with Cluster(only=["virt-operator"], clock=ManualClock(), rbac=True) as cluster:
        await cluster.settle()
        admin = Client(cluster.api, user=User("admin", ("system:masters",)))
        api = VirtApi(admin, clock=ManualClock(), ids=Ids(1))
        alice, nobody = User("alice", ("system:authenticated",)), None
        for user, path, told in (
            (alice, f"{VM}/start", b""),
            (alice, VM, f"unknown api endpoint: {VM}".encode()),
            (nobody, f"{VM}/start", b"request is not authenticated"),
        ):
            answer = await api(Request("PUT", path, user=user))
            assert (answer.status, answer.content_type, answer.body) == (401, "text/plain", told)
        for free in ("", "/version", "/guestfs", "/healthz"):
            assert (await api(Request("GET", f"{ROOT}{free}"))).status == 200
        answer = await api(Request("PUT", f"{VM}/start", user=User("admin", ("system:masters",))))
        assert answer.status == 404
