"""Requests nobody would send: whatever comes, the answer is a proper one, and never the server's own failure.

What the search has found stands in CORPUS, so that it is asked every time.
"""

import asyncio
import base64
import copy
import json
import logging
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakekube.api.apiserver import ApiServer
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Request, Response
from fakekube.store.memory import MemoryStore

JSON, MERGE, STRATEGIC = (
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MEDIA = [
    JSON,
    MERGE,
    STRATEGIC,
    JSON_PATCH,
    APPLY,
    PROTOBUF,
    "application/yaml",
    "text/plain",
    "",
    ";;",
    "*/*",
]

# 500s the real server gives too, and what their messages begin with or contain.
ADMITTED = (
    "resourceVersion should not be set on objects to be created",
    "strconv.ParseUint: parsing",
    "resourceVersion: Invalid value",
    "failed to create typed patch object",
    "failed to convert new object",
    "failed to prune fields",
    "target.name: Required value",  # of a binding
    "target.kind: Unsupported value",
    "does not exist",  # the replicas behind a custom resource's scale
    "This pod has more than one PodDisruptionBudget",
    "failed to create manager for existing fields",
    "metadata.managedFields",
    # strategic merge patches that make no sense
    "list element types are not identical",
    "does not contain declared merge key",
    "unknown patch type",
    "expected a []interface {}",
)

THING = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "replicas": {"type": "integer"},
                                    "list": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "required": ["name"],
                                            "properties": {"name": {"type": "string"}},
                                        },
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                    },
                                    "any": {"x-kubernetes-preserve-unknown-fields": True},
                                },
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}
NS = "/api/v1/namespaces/default"
SEEDS: list[tuple[str, dict[str, Any]]] = [
    ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", THING),
    (f"{NS}/configmaps", {"metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "v"}}),
    (f"{NS}/pods", {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
    (
        "/apis/example.com/v1/namespaces/default/things",
        {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"replicas": 1}},
    ),
    (
        "/apis/apps/v1/namespaces/default/deployments",
        {
            "metadata": {"name": "a"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
            },
        },
    ),
]
RESOURCES = [
    "/api/v1/namespaces",
    "/api/v1/nodes",
    f"{NS}/configmaps",
    f"{NS}/pods",
    f"{NS}/services",
    f"{NS}/secrets",
    f"{NS}/events",
    f"{NS}/serviceaccounts",
    "/apis/apps/v1/namespaces/default/deployments",
    "/apis/apps/v1/deployments",
    "/apis/batch/v1/namespaces/default/jobs",
    "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
    "/apis/events.k8s.io/v1/namespaces/default/events",
    "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authentication.k8s.io/v1/tokenreviews",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/apiregistration.k8s.io/v1/apiservices",
    "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    "/apis/example.com/v1/namespaces/default/things",
]
TAILS = [
    "",
    "/a",
    "/a/status",
    "/a/scale",
    "/a/eviction",
    "/a/binding",
    "/a/log",
    "/a/token",
    "/a/approval",
    "/a/finalize",
    "/a/ephemeralcontainers",
    "/a/exec",
    "/a/x/y/z",
    "/%00",
    "/..",
    "/a%2Fb",
    "/%ff",
    "//",
]


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "replace")


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["a", "v1", "Pod", "ConfigMap", "Thing", "example.com/v1", "2001-01-01T00:00:00Z", "1Gi"]
    )
)
_names = st.sampled_from(
    [
        "apiVersion", "kind", "metadata", "name", "generateName", "namespace", "labels", "annotations", "finalizers",
        "ownerReferences", "managedFields", "uid", "resourceVersion", "deletionTimestamp", "creationTimestamp",
        "spec", "status", "data", "replicas", "list", "any", "template", "containers", "selector", "matchLabels",
        "ports", "port", "webhooks", "rules", "versions", "schema", "openAPIV3Schema", "properties", "type", "names",
        "conditions", "preconditions", "propagationPolicy", "gracePeriodSeconds", "dryRun", "target", "items",
        "$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "op", "path",
        "value", "from",
    ]
) | st.text(max_size=4)  # fmt: skip
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=12,
)
_objects = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.sampled_from(["v1", "apps/v1", "example.com/v1", "autoscaling/v1", ""]) | _values,
        "kind": st.sampled_from(["ConfigMap", "Pod", "Thing", "Deployment", "Scale", "DeleteOptions"])
        | _values,
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "name": st.just("a") | _values,
                "labels": _values,
                "managedFields": _values,
                "finalizers": _values,
            },
        )
        | _values,
        "spec": _values,
        "status": _values,
        "data": _values,
    },
)
_operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "test", "move", "copy", "dance"])},
        optional={
            "path": st.sampled_from(
                ["", "/", "/metadata", "/metadata/labels/x", "/spec", "/spec/-", "/data/~2", "x"]
            ),
            "from": st.sampled_from(["", "/metadata", "/spec/replicas"]),
            "value": _values,
        },
    ),
    max_size=3,
)
_bodies = st.one_of(
    _objects.map(_encode),
    _operations.map(_encode),
    _values.map(_encode),
    st.binary(max_size=20),
    st.sampled_from(
        [b"", b"{", b"[]", b"null", b"k8s\x00", b"k8s\x00\x0a\x04", b"a: [", b"&a [*a]", b"\xff\xfe"]
    ),
)
_queries = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "limit", "continue", "labelSelector", "fieldSelector", "resourceVersion", "resourceVersionMatch",
                "timeoutSeconds", "watch", "allowWatchBookmarks", "sendInitialEvents", "dryRun", "fieldManager",
                "fieldValidation", "force", "pretty", "propagationPolicy", "gracePeriodSeconds", "orphanDependents",
                "includeObject", "x",
            ]
        ),
        st.sampled_from(
            ["", "0", "1", "-1", "99999999999999999999", "All", "true", "Strict", "x=y", "!x", "a in (", "Exact",
             "metadata.name=a", "NotOlderThan", "Orphan", "%", "%zz", "a%00b", "\u00e9"]
        ),
    ),
    max_size=3,
).map(lambda pairs: "&".join(f"{key}={value}" for key, value in pairs))  # fmt: skip
_accepts = st.sampled_from(
    [
        "",
        JSON,
        "application/yaml",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        PROTOBUF,
        "text/html",
        ";q=x",
        "*/*",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "application/json;as=Nonsense",
    ]
)
_requests = st.builds(
    lambda method, resource, tail, query, media, accept, body: Request(
        method, resource + tail, query, {"content-type": media, "accept": accept, "user-agent": "fuzz"}, body
    ),
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"]),
    st.sampled_from(RESOURCES)
    | st.sampled_from(["/", "/api", "/apis", "/openapi/v2", "/openapi/v3", "/version", "/x"]),
    st.sampled_from(TAILS),
    _queries,
    st.sampled_from(MEDIA),
    _accepts,
    _bodies,
)


SCALE = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": 2}}
OPTIONS = {
    "apiVersion": "v1",
    "kind": "DeleteOptions",
    "propagationPolicy": "Foreground",
    "gracePeriodSeconds": 0,
}
NAMED = {path: body for path, body in SEEDS if body is not THING}


@st.composite
def _mutated(draw: st.DrawFn, obj: Any) -> Any:
    """A sensible value in which one place, or a few, say something else."""
    obj = copy.deepcopy(obj)
    for _ in range(draw(st.integers(1, 3))):
        place = obj
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys) if keys and draw(st.integers(0, 4)) else _names)
            below = place[key] if key in keys else None
            if isinstance(below, dict | list) and draw(st.booleans()):
                place = below
                continue
            if isinstance(place, dict):
                place[str(key)] = draw(_values)
            elif keys:
                place[key if key in keys else 0] = draw(_values)
            break
    return obj


@st.composite
def _nearly_right(draw: st.DrawFn) -> Request:
    """A request on an object that exists (or could), with a body that is nearly right."""
    path, seed = draw(st.sampled_from([*NAMED.items(), SEEDS[0]]))
    name = seed["metadata"]["name"]
    method = draw(st.sampled_from(["POST", "PUT", "PATCH", "PATCH", "PATCH", "DELETE", "GET"]))
    tail = draw(st.sampled_from(["", "", "", "/status", "/scale"]))
    query = draw(st.just("") | _queries)
    full = {"apiVersion": "v1" if "/v1/" in path[:8] else "/".join(path.split("/")[2:4]), **seed}
    full.setdefault(
        "kind",
        {"configmaps": "ConfigMap", "pods": "Pod", "deployments": "Deployment"}.get(path.rpartition("/")[2]),
    )
    basis = SCALE if tail == "/scale" else OPTIONS if method == "DELETE" else full
    body = draw(_mutated(basis))
    media = JSON
    if method == "POST":
        tail, body["metadata"] = "", body.get("metadata") or {"generateName": "g-"}
    if method == "PATCH":
        media = draw(st.sampled_from([MERGE, STRATEGIC, APPLY, JSON_PATCH]))
        if media == JSON_PATCH:
            body = draw(_operations)
        if media == APPLY:
            query = f"fieldManager=fuzz&force=true&{query}"
    where = path if method == "POST" else f"{path}/{name}{tail}"
    headers = {"content-type": media, "accept": draw(_accepts), "user-agent": "fuzz"}
    return Request(method, where, query, headers, b"" if method == "GET" else _encode(body))


_versions = st.sampled_from(
    ["", "0", "1", "5", "999999", "-1", "abc", "1.5", "٣", "18446744073709551616", " 1"]
)
_flags = st.sampled_from(["", "true", "false", "1", "0", "yes", "TRUE", "maybe"])
_numbers = st.sampled_from(["", "0", "1", "2", "-1", "1e3", "many", "9223372036854775808", "+1"])
_terms = st.text("abxyz-_./=!<>(),'\" \0é", max_size=12)
_selectors = _terms | st.sampled_from(
    [
        "a=b",
        "a==b,c!=d",
        "a in (b,)",
        "a in (",
        "a notin (b,c),!d",
        "n>1",
        "n>x",
        "-a-=x",
        "a=-b",
        "x" * 300,
        "a/b/c=d",
    ]
)
_fields = _terms | st.sampled_from(
    [
        "metadata.name=a",
        "metadata.namespace!=x",
        "spec.nodeName=",
        "status.phase=Running",
        "metadata.name=a\\",
        "a=b,c",
        "=b",
    ]
)


def _token(version: int, start: str) -> str:
    raw = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}).encode("utf-8", "replace")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


_tokens = st.builds(
    _token, st.integers(-2, 60), st.text(max_size=6) | st.sampled_from(["default/a\0", "../x", "/"])
)
_list_queries = st.fixed_dictionaries(
    {},
    optional={
        "watch": _flags, "resourceVersion": _versions, "limit": _numbers, "continue": _tokens | _terms,
        "resourceVersionMatch": st.sampled_from(["Exact", "NotOlderThan", "", "Newest"]), "labelSelector": _selectors,
        "fieldSelector": _fields, "sendInitialEvents": _flags, "allowWatchBookmarks": _flags, "timeoutSeconds": _numbers,
        "timeout": st.sampled_from(["", "1s", "soon"]), "pretty": _flags,
        "includeObject": st.sampled_from(["None", "Metadata", "Object", "All"]),
    },
).map(urlencode)  # fmt: skip
_header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12)
_headers = st.dictionaries(
    st.sampled_from(
        [
            "authorization", "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-a%2fb",
            "if-none-match", "if-modified-since", "range", "content-encoding", "accept-encoding", "accept-language",
            "x-forwarded-for", "kubectl-command", "user-agent", "accept", "content-type",
        ]
    ),
    _header_values
    | st.sampled_from(["Bearer a.b.c", "Basic YTpi", "Bearer ", "system:serviceaccount:a:b", "system:serviceaccount:", "*"]),
    max_size=4,
)  # fmt: skip
_segments = st.sampled_from(
    ["api", "apis", "v1", "apps", "example.com", "watch", "namespaces", "default", "proxy", "configmaps", "things", "a",
     "status", "pods", "log", "openapi", "v3", "v2", "healthz", "readyz", "ping", "version", "", ".", "..", "%2e%2e", "%00",
     "%ff", "ü", "nodes", "services", "http:a:80", "finalize", "fakekube"]
)  # fmt: skip
_readings = st.builds(
    lambda method, path, query, headers: Request(method, path, query, {"user-agent": "fuzz", **headers}, b""),
    st.sampled_from(["GET", "GET", "GET", "HEAD", "DELETE"]),
    st.sampled_from(RESOURCES)
    | st.lists(_segments, max_size=8).map(lambda parts: "/" + "/".join(parts))
    | st.sampled_from(
        [f"{NS}/configmaps/a", "/api/v1/watch/namespaces/default/pods", "/api/v1/watch/configmaps"]
    ),
    _list_queries,
    st.just({}) | _headers,
)


async def _server() -> ApiServer:
    api = ApiServer(MemoryStore(), clock=ManualClock(), ids=Ids(1))
    await api.start()
    for path, body in SEEDS:
        response = await api(Request("POST", path, "", {"content-type": JSON}, orjson.dumps(body)))
        assert response.status == 201, response.body
    return api


async def _ask(api: ApiServer, request: Request) -> Response:
    for path, body in SEEDS:  # what an earlier request has deleted
        if request.path.startswith(path):
            await api(Request("POST", path, "", {"content-type": JSON}, orjson.dumps(body)))
    response = await api(request)
    if response.stream is not None:
        stream = response.stream
        try:
            async with asyncio.timeout(0):
                await anext(stream, None)
        except TimeoutError:
            pass
        finally:
            await stream.aclose()  # type: ignore[attr-defined]
    return response


def _proper(request: Request, response: Response) -> None:
    shown = f"{request.method} {request.path}?{request.query} {request.headers} {request.body!r}\n{response.body!r}"
    assert 200 <= response.status < 600, shown
    if response.status >= 400 and response.content_type == JSON:
        status = orjson.loads(response.body)
        assert status["kind"] == "Status", shown
        assert status["code"] == response.status, shown
        assert status["message"], shown
        if response.status == 500:
            assert any(text in status["message"] for text in ADMITTED), shown


@pytest.fixture(scope="module")
def served():
    with asyncio.Runner() as runner:
        api = runner.run(_server())
        yield lambda request: runner.run(_ask(api, request))
        api.close()


@pytest.fixture(autouse=True)
def _no_tracebacks(caplog: pytest.LogCaptureFixture):
    """An error of the server's own is logged with its traceback, whatever the client is told."""
    yield
    found = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert found == []


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=_requests | _nearly_right() | _readings)
def test_any_request_gets_a_proper_answer(served, request: Request) -> None:
    """Every answer is a success or a Status that says why not; the server's own failures do not occur."""
    _proper(request, served(request))


# method, address, content type, body: each once broke something.
CORPUS: list[tuple[str, str, str, bytes]] = [
    (
        "POST",
        "/apis/example.com/v1/namespaces/default/things",
        JSON,
        b'{"apiVersion": "example.com/v1", "kind": "Other", "metadata": ["a"]}',
    ),
    (
        "PATCH",
        f"{NS}/pods/a",
        STRATEGIC,
        b'{"spec": {"containers": [{"name": {"x": "c"}}], "$setElementOrder/containers": [{"name": {"x": "c"}}]}}',
    ),
    ("PATCH", "/apis/example.com/v1/namespaces/default/things/a/scale", MERGE, b'{"metadata": 962}'),
    ("PATCH", "/apis/example.com/v1/namespaces/default/things/a/scale", MERGE, b'{"spec": ["1Gi"]}'),
    (
        "PATCH",
        "/apis/example.com/v1/namespaces/default/things/a",
        MERGE,
        b'{"spec": {"list": [{"": 1}], "": {"": 1}}}',
    ),
    ("PATCH", "/apis/apps/v1/namespaces/default/deployments/a", MERGE, b'{"spec": 1180591620717411303424}'),
    ("DELETE", f"{NS}/configmaps/a", JSON, b'{"preconditions": 7}'),
    ("DELETE", f"{NS}/configmaps/a", JSON, b'{"gracePeriodSeconds": "soon"}'),
    (
        "PATCH",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com",
        MERGE,
        b'{"spec": {"versions": [{"storage": true, "served": true}]}}',
    ),
    ("POST", "/apis/batch/v1/namespaces/default/jobs", JSON, b'{"metadata": {}, "spec": {"template": {}}}'),
    (
        "POST",
        "/apis/batch/v1/namespaces/default/cronjobs",
        JSON,
        b'{"metadata": {}, "spec": {"jobTemplate": {}}}',
    ),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", JSON, b'{"metadata": {"name": "a"}}'),
    ("PATCH", f"{NS}/configmaps/a?fieldManager=x", APPLY, b"apiVersion: v1\nkind: ConfigMap\nmetadata: 7"),
]


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: f"{case[0]} {case[1]} {case[3][:40]!r}")
def test_what_once_broke(served, case: tuple[str, str, str, bytes]) -> None:
    """What has been found stays found."""
    method, address, media, body = case
    path, _, query = address.partition("?")
    request = Request(method, path, query, {"content-type": media, "user-agent": "fuzz"}, body)
    _proper(request, served(request))
