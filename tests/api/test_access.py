"""Tokens, impersonation and RBAC."""

import base64

import orjson
import pytest

from fakekube.api.access.authentication import ADMIN, OPEN_TOKEN, Authentication
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


async def test_tokens_of_browsers(guarded: ApiServer) -> None:
    """Pages cannot set headers: their websockets show the token as one of the protocols they offer."""
    prefix = "base64url.bearer.authorization.k8s.io."

    async def status(offered: str) -> int:
        return (await send(guarded, "GET", CM, {"sec-websocket-protocol": offered})).status

    assert await status(f"{prefix}c2VjcmV0, base64.binary.k8s.io") == 200
    assert await status(f"{prefix}bm9wZQ") == 401
    assert await status(f"{prefix}%") == 403
    assert await status("base64.binary.k8s.io") == 403


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


async def ask(server: ApiServer, method: str, path: str, body: dict | None = None, **headers: str):
    """A request of the admin, or of whom the headers say; (code, decoded answer)."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = b"" if body is None else orjson.dumps(body)
    response = await send(server, method, path, ROOT | sent, raw)
    return response.status, json_of(response)


ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
REVIEWS = "/apis/authorization.k8s.io/v1"
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


async def token_of(server: ApiServer, **spec: object) -> str:
    """A token of the service account `bot`, which is made if need be."""
    await ask(server, "POST", ACCOUNTS, {"metadata": {"name": "bot"}})
    code, made = await ask(server, "POST", f"{ACCOUNTS}/bot/token", {"spec": spec})
    assert code == 201, made
    return str(made["status"]["token"])


async def test_service_account_tokens_name_their_user(guarded: ApiServer) -> None:
    """A token made by TokenRequest authenticates as its service account until that is gone, and a new one is another."""
    token = await token_of(guarded)
    bearer = {"authorization": f"Bearer {token}"}
    assert (
        'User "system:serviceaccount:default:bot"'
        in json_of(await send(guarded, "GET", CM, bearer))["message"]
    )
    await ask(guarded, "DELETE", f"{ACCOUNTS}/bot")
    assert (await send(guarded, "GET", CM, bearer)).status == 401
    await token_of(guarded)
    assert (await send(guarded, "GET", CM, bearer)).status == 401


async def test_tokens_are_for_an_audience(guarded: ApiServer) -> None:
    """A token for somebody else is none for this server, but reviews for that audience know it."""
    token = await token_of(guarded, audiences=["vault"])
    assert (await send(guarded, "GET", CM, {"authorization": f"Bearer {token}"})).status == 401
    _, here = await ask(guarded, "POST", TOKEN_REVIEWS, {"spec": {"token": token}})
    assert here["status"]["error"].startswith('[invalid bearer token, token audiences ["vault"] is invalid')
    _, there = await ask(guarded, "POST", TOKEN_REVIEWS, {"spec": {"token": token, "audiences": ["vault"]}})
    assert (there["status"]["authenticated"], there["status"]["audiences"]) == (True, ["vault"])
    assert there["status"]["user"]["uid"]


async def test_bound_tokens(guarded: ApiServer) -> None:
    """A token that is bound to an object ends with it, and is bound to what is there only."""
    reference = {"kind": "Secret", "apiVersion": "v1", "name": "s"}
    await ask(guarded, "POST", ACCOUNTS, {"metadata": {"name": "bot"}})
    code, missing = await ask(
        guarded, "POST", f"{ACCOUNTS}/bot/token", {"spec": {"boundObjectRef": reference}}
    )
    assert (code, missing["message"]) == (404, 'secrets "s" not found')
    wrong = {"spec": {"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "s"}}}
    code, refused = await ask(guarded, "POST", f"{ACCOUNTS}/bot/token", wrong)
    assert (code, refused["message"]) == (400, "cannot bind token to object of type /v1, Kind=ConfigMap")
    await ask(guarded, "POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
    bearer = {"authorization": f"Bearer {await token_of(guarded, boundObjectRef=reference)}"}
    assert (await send(guarded, "GET", CM, bearer)).status == 403
    await ask(guarded, "DELETE", "/api/v1/namespaces/default/secrets/s")
    assert (await send(guarded, "GET", CM, bearer)).status == 401


async def test_static_tokens_are_reviewed(guarded: ApiServer) -> None:
    """A review knows the tokens the server was given."""
    _, review = await ask(guarded, "POST", TOKEN_REVIEWS, {"spec": {"token": "secret"}})
    assert review["status"]["user"]["username"] == ADMIN.name
    code, empty = await ask(guarded, "POST", TOKEN_REVIEWS, {"spec": {}})
    assert (code, empty["message"]) == (400, "token is required for TokenReview in authentication")


async def test_the_token_of_our_kubeconfigs_is_reviewed() -> None:
    """Where everybody is admin, the token our kubeconfigs show names the admin; others are still nobody's."""
    server = ApiServer(MemoryStore(), clock=ManualClock(), ids=Ids(7))
    await server.start()
    _, review = await ask(server, "POST", TOKEN_REVIEWS, {"spec": {"token": OPEN_TOKEN}})
    assert review["status"]["user"]["username"] == ADMIN.name
    _, review = await ask(server, "POST", TOKEN_REVIEWS, {"spec": {"token": "other"}})
    assert "authenticated" not in review["status"]


async def test_impersonation(guarded: ApiServer) -> None:
    """Whoever may impersonate becomes a user with groups, uid and extra values; each of them has to be allowed."""
    who = {
        "impersonate_user": "alice", "impersonate_group": "devs", "impersonate_uid": "u1",
        "impersonate_extra_scopes%2fa": "x",
    }  # fmt: skip
    path, body = "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}
    _, review = await ask(guarded, "POST", path, body, **who)
    assert review["status"]["userInfo"] == {
        "username": "alice",
        "uid": "u1",
        "groups": ["devs", "system:authenticated"],
        "extra": {"scopes/a": ["x"]},
    }
    _, account = await ask(guarded, "POST", path, body, impersonate_user="system:serviceaccount:a:b")
    assert account["status"]["userInfo"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:a",
        "system:authenticated",
    ]
    nobody = await send(guarded, "GET", CM, ROOT | {"impersonate-group": "devs"})
    assert nobody.status == 500
    assert nobody.body.endswith(b"without impersonating a user name\n")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (
            {"impersonate-user": "system:serviceaccount:a:b"},
            (
                'serviceaccounts "b" is forbidden: User "system:anonymous" cannot impersonate resource "serviceaccounts" in API '
                'group "" in the namespace "a"'
            ),
        ),
        (
            {"impersonate-user": "alice"},
            (
                'users "alice" is forbidden: User "system:anonymous" cannot impersonate resource "users" in API group "" at the '
                "cluster scope"
            ),
        ),
    ],
    ids=["account", "user"],
)
async def test_who_may_impersonate(guarded: ApiServer, headers: dict, message: str) -> None:
    """Impersonating is a verb on users, groups, accounts and the like."""
    assert json_of(await send(guarded, "GET", CM, headers))["message"] == message


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        ("view", "list", "pods", True),
        ("view", "get", "secrets", False),
        ("view", "create", "pods", False),
        ("edit", "get", "secrets", True),
        ("edit", "create", "pods", True),
        ("edit", "create", "roles.rbac.authorization.k8s.io", False),
        ("admin", "create", "roles.rbac.authorization.k8s.io", True),
        ("admin", "create", "resourcequotas", False),
    ],
)
async def test_roles_for_people(
    guarded: ApiServer, role: str, verb: str, resource: str, allowed: bool
) -> None:
    """view sees nothing secret, edit runs things, admin grants them; quotas are the cluster's."""
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    }
    await ask(guarded, "POST", f"{RBAC}/rolebindings", binding)
    plural, _, group = resource.partition(".")
    spec = {"resourceAttributes": {"verb": verb, "resource": plural, "group": group, "namespace": "default"}}
    _, review = await ask(
        guarded, "POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec}, impersonate_user="alice"
    )
    assert review["status"]["allowed"] == allowed


async def test_parts_of_roles(guarded: ApiServer) -> None:
    """A role gathered by labels grants what its parts say, and nothing of its own."""
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    rule = {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}
    own = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}
    label = {"example.com/part": "true"}
    await ask(guarded, "POST", roles, {"metadata": {"name": "part", "labels": label}, "rules": [rule]})
    whole = {"clusterRoleSelectors": [{"matchLabels": label}]}
    await ask(
        guarded, "POST", roles, {"metadata": {"name": "whole"}, "rules": [own], "aggregationRule": whole}
    )
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "whole"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    }
    await ask(guarded, "POST", f"{RBAC}/rolebindings", binding)
    review = {"spec": {"namespace": "default"}}
    _, answer = await ask(
        guarded, "POST", f"{REVIEWS}/selfsubjectrulesreviews", review, impersonate_user="alice"
    )
    assert rule in answer["status"]["resourceRules"]
    assert own not in answer["status"]["resourceRules"]


async def test_nobody_grants_more_than_they_hold(guarded: ApiServer) -> None:
    """Roles and bindings are refused that grant what their writer does not hold, unless they may escalate or bind."""
    binding = {
        "metadata": {"name": "admins"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    }
    await ask(guarded, "POST", f"{RBAC}/rolebindings", binding)
    alice = {"impersonate_user": "alice"}
    held = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    code, _ = await ask(
        guarded, "POST", f"{RBAC}/roles", {"metadata": {"name": "r"}, "rules": [held]}, **alice
    )
    assert code == 201
    more = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}
    code, refused = await ask(
        guarded, "POST", f"{RBAC}/roles", {"metadata": {"name": "s"}, "rules": [held, more]}, **alice
    )
    assert (code, refused["message"]) == (
        403,
        (
            'roles.rbac.authorization.k8s.io "s" is forbidden: user "alice" (groups=["system:authenticated"]) is attempting to '
            'grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}'
        ),
    )
    mine = binding | {"metadata": {"name": "mine"}, "roleRef": binding["roleRef"] | {"name": "cluster-admin"}}
    code, refused = await ask(guarded, "POST", f"{RBAC}/rolebindings", mine, **alice)
    assert (code, "not currently held" in refused["message"]) == (403, True)
    nothing = binding | {"metadata": {"name": "nothing"}, "roleRef": binding["roleRef"] | {"name": "nope"}}
    code, refused = await ask(guarded, "POST", f"{RBAC}/rolebindings", nothing, **alice)
    assert (code, refused["message"]) == (404, 'clusterroles.rbac.authorization.k8s.io "nope" not found')


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (
            f"{REVIEWS}/selfsubjectaccessreviews",
            {"spec": {}},
            (
                '.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of '
                "nonResourceAttributes or resourceAttributes must be specified"
            ),
        ),
        (
            f"{REVIEWS}/selfsubjectaccessreviews",
            {"metadata": {"name": "x"}, "spec": {"resourceAttributes": {"verb": "get"}}},
            '.authorization.k8s.io "" is invalid: metadata: Invalid value: {"name":"x"}: must be empty',
        ),
        (
            f"{REVIEWS}/namespaces/default/localsubjectaccessreviews",
            {
                "metadata": {"namespace": "default"},
                "spec": {"user": "a", "resourceAttributes": {"namespace": "other"}},
            },
            (
                '.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "other": must match '
                "metadata.namespace"
            ),
        ),
        (f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {}}, "no namespace on request"),
    ],
    ids=["nothing", "metadata", "namespace", "rules"],
)
async def test_reviews_that_cannot_be(guarded: ApiServer, path: str, body: dict, message: str) -> None:
    """A review asks about one thing, and is no object with a name."""
    code, refused = await ask(guarded, "POST", path, body)
    assert (code in (400, 422), refused["message"]) == (True, message)


async def test_signing_requests_know_their_maker(guarded: ApiServer) -> None:
    """Who asks for a certificate is written by the server."""
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n"
    spec = {
        "request": base64.b64encode(pem).decode(), "signerName": "example.com/signer", "usages": ["client auth"],
        "username": "mallory",
    }  # fmt: skip
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    code, made = await ask(guarded, "POST", path, {"metadata": {"name": "c"}, "spec": spec})
    assert (code, made["spec"]["username"], made["spec"]["groups"]) == (201, ADMIN.name, list(ADMIN.groups))


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
