"""Tokens, impersonation and RBAC."""

import pytest

from fakekube.api.access import tokens
from fakekube.api.access.authentication import ADMIN, Authentication
from fakekube.api.apiserver import ApiServer
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Request, User
from fakekube.store.memory import MemoryStore
from tests.api.conftest import json_of

CM = "/api/v1/namespaces/default/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
ALICE = {"impersonate-user": "alice", "authorization": "Bearer secret"}
ROOT = {"authorization": "Bearer secret"}


@pytest.fixture
async def guarded() -> ApiServer:
    server = ApiServer(
        MemoryStore(),
        clock=ManualClock(),
        ids=Ids(7),
        authentication=Authentication({"secret": ADMIN}),
        rbac=True,
    )
    await server.start()
    return server


async def send(server: ApiServer, method: str, path: str, headers: dict, body: bytes = b""):
    return await server(Request(method, path, "", {"content-type": "application/json", **headers}, body))


async def test_unknown_token_is_unauthorized(guarded: ApiServer) -> None:
    """A token nobody knows is 401, also where anonymous users would be let in."""
    response = await send(guarded, "GET", CM, {"authorization": "Bearer nope"})
    assert (response.status, json_of(response)["message"]) == (401, "Unauthorized")


async def test_anonymous_is_forbidden(guarded: ApiServer) -> None:
    """Without a token one is system:anonymous, who may do nothing here."""
    response = await send(guarded, "GET", "/api/v1/namespaces", {})
    assert response.status == 403
    assert json_of(response)["message"] == (
        'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" at the '
        "cluster scope"
    )


async def test_role_and_binding_grant(guarded: ApiServer) -> None:
    """A bound role allows what its rules say and nothing else, and reviews say why."""
    assert (await send(guarded, "GET", CM, ALICE)).status == 403
    role = (
        b'{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r"},'
        b'"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","list"]}]}'
    )
    binding = (
        b'{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"b"},'
        b'"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"alice"}],'
        b'"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"}}'
    )
    assert (await send(guarded, "POST", f"{RBAC}/roles", ROOT, role)).status == 201
    assert (await send(guarded, "POST", f"{RBAC}/rolebindings", ROOT, binding)).status == 201
    assert (await send(guarded, "GET", CM, ALICE)).status == 200
    assert (await send(guarded, "POST", CM, ALICE, b'{"metadata":{"name":"a"}}')).status == 403
    review = (
        b'{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":'
        b'{"verb":"list","resource":"configmaps","namespace":"default"}}}'
    )
    answer = await send(
        guarded, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ALICE, review
    )
    assert json_of(answer)["status"] == {
        "allowed": True,
        "reason": 'RBAC: allowed by RoleBinding "b/default" of Role "r" to User "alice"',
    }


async def test_everybody_may_discover(guarded: ApiServer) -> None:
    """Authenticated users read discovery; other paths are refused by name."""
    assert (await send(guarded, "GET", "/apis", ALICE)).status == 200
    response = await send(guarded, "GET", "/metrics", ALICE)
    assert json_of(response)["message"] == 'forbidden: User "alice" cannot get path "/metrics"'


async def test_service_account_tokens_name_their_user(guarded: ApiServer) -> None:
    """A token made by TokenRequest authenticates as its service account."""
    token = tokens.make({"sub": "system:serviceaccount:default:bot"})
    response = await send(guarded, "GET", CM, {"authorization": f"Bearer {token}"})
    assert 'User "system:serviceaccount:default:bot"' in json_of(response)["message"]


async def test_open_server_makes_everybody_admin() -> None:
    """Without tokens, whoever reaches the loopback port is the admin."""
    server = ApiServer(MemoryStore(), clock=ManualClock(), ids=Ids(7))
    await server.start()
    assert (await send(server, "GET", CM, {})).status == 200


@pytest.mark.parametrize(
    ("account", "method", "path", "allowed"),
    [
        ("kube-system:generic-garbage-collector", "DELETE", f"{CM}/a", True),
        ("kube-system:namespace-controller", "PUT", "/api/v1/namespaces/x/finalize", True),
        ("kube-system:endpointslice-controller", "GET", "/api/v1/pods", True),
        ("kube-system:endpointslice-controller", "DELETE", f"{CM}/a", False),
        ("default:endpointslice-controller", "GET", "/api/v1/pods", False),
    ],
)
async def test_controllers_may_do_their_work(
    guarded: ApiServer, account: str, method: str, path: str, allowed: bool
) -> None:
    """The control plane's own accounts have the roles they need, and no more writes than that."""
    groups = (f"system:serviceaccounts:{account.partition(':')[0]}",)
    user = User(f"system:serviceaccount:{account}", groups)
    response = await guarded(Request(method, path, "", {"content-type": "application/json"}, b"", user))
    assert (response.status != 403) == allowed
