"""Discovery, version and health: documents as clients read them."""

import orjson
import pytest

from fakekube.api import discovery, openid
from fakekube.api.builtins.tables import resources
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.strategy import Scale, ServedResource, Subresource
from fakekube.machinery.errors import MethodNotAllowed, NotAcceptable, NotFound
from fakekube.machinery.wire import Request, Response

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
STATUS = ["get", "patch", "update"]


def widgets(version="v1", group="example.com"):
    return ServedResource(
        group,
        version,
        "widgets",
        "Widget",
        short_names=("wg",),
        categories=("all", "tools"),
        subresources=(
            Subresource("scale", "Scale", group="autoscaling", version="v1"),
            Subresource("status", "Widget"),
        ),
        scale=Scale(".spec.replicas", ".status.replicas"),
        custom=True,
    )


@pytest.fixture
def catalog():
    return Catalog(resources())


async def ask(catalog, path, accept="", method="GET", **headers):
    headers = {**headers, "accept": accept} if accept else headers
    return await discovery.handle(Request(method, *path.partition("?")[::2], headers=headers), catalog)


async def read(catalog, path, accept="", **headers):
    response = await ask(catalog, path, accept, **headers)
    assert response.status == 200
    return orjson.loads(response.body)


def named(document, name):
    return next(one for one in document["resources"] if one["name"] == name)


async def test_groups_come_in_the_order_of_their_priority(catalog):
    """Built-in groups as the aggregator ranks them, then the others by name, whatever came first."""
    catalog.add(widgets(group="z.example.com"))
    catalog.add(widgets(group="a.example.com"))
    catalog.aggregated.append(("m.example.com", "v1"))
    catalog.revision += 1
    names = [one["name"] for one in (await read(catalog, "/apis"))["groups"]]
    assert names[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
    assert names[-3:] == ["a.example.com", "m.example.com", "z.example.com"]


async def test_a_group(catalog):
    """The preferred version comes first; a slash at the end does no harm."""
    group = {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "autoscaling",
        "versions": [
            {"groupVersion": "autoscaling/v2", "version": "v2"},
            {"groupVersion": "autoscaling/v1", "version": "v1"},
        ],
        "preferredVersion": {"groupVersion": "autoscaling/v2", "version": "v2"},
    }
    assert await read(catalog, "/apis/autoscaling") == group
    assert await read(catalog, "/apis/autoscaling/") == group


async def test_custom_versions_rank_by_name(catalog):
    """Stable before beta before alpha before anything else, higher first."""
    for version in ("v1alpha1", "foo", "v1", "v1beta2", "v10", "v2"):
        catalog.add(widgets(version))
    group = await read(catalog, "/apis/example.com")
    assert [one["version"] for one in group["versions"]] == ["v10", "v2", "v1", "v1beta2", "v1alpha1", "foo"]


async def test_the_core_group(catalog):
    """Its documents are older than their apiVersion, and say where the server is."""
    assert await read(catalog, "/api", host="h:1") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "h:1"}],
    }
    document = await read(catalog, "/api/v1")
    assert (document["kind"], document["groupVersion"], "apiVersion" in document) == (
        "APIResourceList",
        "v1",
        False,
    )


async def test_resources_and_their_subresources(catalog):
    """Sorted by path; subresources of another group say which; hashes are those of a real cluster."""
    core = await read(catalog, "/api/v1")
    assert named(core, "pods") == {
        "name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ALL, "shortNames": ["po"],
        "categories": ["all"], "storageVersionHash": "xPOwRZ+Yhw8=",
    }  # fmt: skip
    assert named(core, "serviceaccounts/token") == {
        "name": "serviceaccounts/token", "singularName": "", "namespaced": True, "group": "authentication.k8s.io",
        "version": "v1", "kind": "TokenRequest", "verbs": ["create"],
    }  # fmt: skip
    assert named(core, "services/proxy")["verbs"] == ["create", "delete", "get", "patch", "update"]
    names = [one["name"] for one in core["resources"]]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("path", "name", "hashed"),
    [
        ("/api/v1", "events", "r2yiGXH7wu8="),
        ("/apis/events.k8s.io/v1", "events", "r2yiGXH7wu8="),
        ("/apis/autoscaling/v1", "horizontalpodautoscalers", "qwQve8ut294="),
        ("/apis/policy/v1", "poddisruptionbudgets", "EVWiDmWqyJw="),
        ("/apis/coordination.k8s.io/v1", "leases", "gqkMMb/YqFM="),
    ],
)
async def test_storage_version_hashes(catalog, path, name, hashed):
    """Versions stored as another share its hash."""
    assert named(await read(catalog, path), name)["storageVersionHash"] == hashed


async def test_reviews_are_only_created(catalog):
    """Nothing of them is stored, so there is no hash."""
    assert (await read(catalog, "/apis/authentication.k8s.io/v1"))["resources"] == [
        {
            "name": f"{kind.lower()}s",
            "singularName": kind.lower(),
            "namespaced": False,
            "kind": kind,
            "verbs": ["create"],
        }
        for kind in ("SelfSubjectReview", "TokenReview")
    ]


async def test_custom_resources(catalog):
    """Verbs in the order of their own controller, status before scale."""
    catalog.add(widgets())
    document = await read(catalog, "/apis/example.com/v1")
    assert [one["name"] for one in document["resources"]] == ["widgets", "widgets/status", "widgets/scale"]
    verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
    assert document["resources"][0]["verbs"] == verbs
    assert document["resources"][2] == {
        "name": "widgets/scale", "singularName": "", "namespaced": True, "group": "autoscaling", "version": "v1",
        "kind": "Scale", "verbs": STATUS,
    }  # fmt: skip


async def test_documents_follow_the_catalog(catalog):
    """A new resource shows at once, and goes with its definition; the entity tag tells."""
    before = await ask(catalog, "/apis")
    catalog.add(widgets())
    after = await ask(catalog, "/apis")
    assert b"example.com" in after.body
    assert dict(before.headers)["ETag"] != dict(after.headers)["ETag"]
    catalog.remove("example.com", "v1", "widgets")
    assert (await ask(catalog, "/apis")).body == before.body
    assert await ask(catalog, "/apis/example.com") is None


async def test_an_unchanged_document_is_not_sent_again(catalog):
    """304 for the tag of before."""
    first = await ask(catalog, "/apis", AGGREGATED)
    again = await ask(catalog, "/apis", AGGREGATED, **{"if-none-match": dict(first.headers)["ETag"]})
    assert (again.status, again.body) == (304, b"")


async def test_everything_in_one_document(catalog):
    """Aggregated discovery; its media type comes back."""
    response = await ask(catalog, "/api", f"{AGGREGATED},application/json")
    assert response.content_type == AGGREGATED
    (item,) = orjson.loads(response.body)["items"]
    assert item["metadata"] == {}
    (version,) = item["versions"]
    assert (version["version"], version["freshness"]) == ("v1", "Current")
    found = {one["resource"]: one for one in version["resources"]}
    assert found["bindings"] == {
        "resource": "bindings",
        "responseKind": {"group": "", "version": "", "kind": "Binding"},
        "scope": "Namespaced",
        "singularResource": "binding",
        "verbs": ["create"],
    }
    assert found["namespaces"]["subresources"] == [
        {
            "subresource": "finalize",
            "responseKind": {"group": "", "version": "", "kind": "Namespace"},
            "verbs": ["update"],
        },
        {
            "subresource": "status",
            "responseKind": {"group": "", "version": "", "kind": "Namespace"},
            "verbs": STATUS,
        },
    ]


async def test_custom_kinds_are_complete_in_aggregated_discovery(catalog):
    """Unlike built-in ones they name their group and version."""
    catalog.add(widgets())
    document = await read(catalog, "/apis", AGGREGATED)
    item = next(one for one in document["items"] if one["metadata"]["name"] == "example.com")
    (resource,) = item["versions"][0]["resources"]
    assert resource["responseKind"] == {"group": "example.com", "version": "v1", "kind": "Widget"}
    assert resource["subresources"][0]["responseKind"] == resource["responseKind"]


async def test_what_accept_decides(catalog):
    """The old aggregated version falls back to what follows it, and is refused alone."""
    old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
    assert (await read(catalog, "/apis", f"{old},application/json"))["kind"] == "APIGroupList"
    with pytest.raises(
        NotAcceptable, match="only the following media types are accepted: application/json, appl"
    ):
        await ask(catalog, "/apis", old)
    with pytest.raises(NotAcceptable, match="406: Not Acceptable"):
        await ask(catalog, "/apis/apps/v1", "text/html")
    assert (await read(catalog, "/apis", f"application/json;q=0.9,{AGGREGATED};q=0.5"))[
        "kind"
    ] == "APIGroupList"
    yaml = await ask(catalog, "/apis/apps", "application/yaml")
    assert yaml.content_type == "application/yaml"
    assert b"kind: APIGroup\n" in yaml.body
    assert (await read(catalog, "/apis/apps/v1", f"{AGGREGATED},application/json"))[
        "kind"
    ] == "APIResourceList"


async def test_what_is_not_there(catalog):
    """An unknown version of a built-in group is a Status; anything else is nobody's path."""
    for path in ("/apis/apps/v1beta1", "/api/v2"):
        with pytest.raises(NotFound, match="the server could not find the requested resource") as caught:
            await ask(catalog, path)
        assert caught.value.status()["reason"] == "NotFound"
    catalog.add(widgets())
    for path in (
        "/apis/nope.example.com",
        "/apis/nope.example.com/v1",
        "/apis/example.com/v9",
        "/nonexistent",
    ):
        assert await ask(catalog, path) is None


async def test_documents_are_only_read(catalog):
    """Anything but GET is 405."""
    for path in ("/version", "/apis", "/apis/apps/v1"):
        with pytest.raises(MethodNotAllowed):
            await ask(catalog, path, method="POST")


async def test_version(catalog):
    """All members of 1.36, marked as ours behind the plus."""
    version = await read(catalog, "/version")
    assert (version["major"], version["minor"], version["minCompatibilityMinor"]) == ("1", "36", "35")
    assert version["gitVersion"] == "v1.36.2+fakekube"
    assert len(version) == 13


async def test_root_paths(catalog):
    """Every group version is listed."""
    found = (await read(catalog, "/"))["paths"]
    assert {"/api/v1", "/apis/apps/v1", "/openapi/v3", "/readyz/ping", "/version"} <= set(found)
    assert found == sorted(found)


async def test_a_host_is_no_path(api):
    """What a CONNECT names is found nowhere, as with kube-apiserver's mux; the root is another matter."""
    answer = await api(Request("CONNECT", ""))
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert (await api(Request("GET", "/"))).status == 200


@pytest.mark.parametrize(
    "path", ["/healthz", "/livez", "/readyz", "/healthz/ping", "/livez/ping", "/readyz/etcd"]
)
async def test_health(catalog, path):
    """Plain `ok`."""
    response = await ask(catalog, path)
    assert (response.status, response.body, response.content_type) == (
        200,
        b"ok",
        "text/plain; charset=utf-8",
    )


async def test_verbose_health(catalog):
    """One line a check; excluded ones say so, unknown exclusions are warned of."""
    lines = (await ask(catalog, "/livez?verbose&exclude=ping&exclude=nope")).body.decode().split("\n")
    assert lines[0] == "[+]ping excluded: ok"
    assert "[+]etcd ok" in lines
    assert lines[-3] == 'warn: some health checks cannot be excluded: no matches for "nope"'
    assert lines[-2:] == ["livez check passed", ""]
    assert (await ask(catalog, "/readyz/nope")).status == 404


async def test_aggregated_apis_tell_what_they_serve(api, ask) -> None:
    """Aggregated discovery shows the resources an APIService's server lists; one that is silent is stale, and asked again."""

    async def server(request):
        return Response(
            body=b'{"resources": [{"name": "dogs/bark", "namespaced": true, "kind": "Bark", "verbs": ["get"]}]}'
        )

    spec = {"group": "pets.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
    service = {"service": {"namespace": "default", "name": "pets"}, "insecureSkipTLSVerify": True}
    body = {"metadata": {"name": "v1.pets.example.com"}, "spec": spec | service}
    assert (await ask("POST", "/apis/apiregistration.k8s.io/v1/apiservices", body)).status == 201
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    async def version():
        items = orjson.loads((await ask("GET", "/apis", accept=accept)).body)["items"]
        return next(one for one in items if one["metadata"]["name"] == "pets.example.com")["versions"][0]

    assert await version() == {"version": "v1", "resources": [], "freshness": "Stale"}
    api.services.set("default", "pets", server)
    told = await version()
    assert told["freshness"] == "Current"
    (dogs,) = told["resources"]
    assert (dogs["resource"], dogs["scope"], dogs["verbs"]) == ("dogs", "Namespaced", None)
    assert dogs["subresources"][0]["subresource"] == "bark"
    assert dogs["subresources"][0]["responseKind"]["kind"] == "Bark"


async def test_aggregated_apis_are_asked_for_their_openapi(api, ask) -> None:
    """Once they answer; whoever has no such document is not asked again."""
    asked = []

    async def server(request):
        asked.append(request.path)
        return Response(404) if len(asked) == 1 else Response(body=b"{}")

    spec = {"group": "pets.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
    service = {"service": {"namespace": "default", "name": "pets"}, "insecureSkipTLSVerify": True}
    body = {"metadata": {"name": "v1.pets.example.com"}, "spec": spec | service}
    assert (await ask("POST", "/apis/apiregistration.k8s.io/v1/apiservices", body)).status == 201
    for _ in range(2):
        assert (await ask("GET", "/openapi/v3")).status == 200
    assert asked == []
    api.services.set("default", "pets", server)
    for _ in range(2):
        assert (await ask("GET", "/openapi/v3")).status == 200
    assert asked == ["/openapi/v2"]


async def test_metrics_count_objects(ask) -> None:
    """/metrics tells how many objects of each kind are stored."""
    answer = await ask("GET", "/metrics")
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert b'apiserver_resource_objects{group="",resource="namespaces"} 4\n' in answer.body


async def test_issuer_of_tokens(ask) -> None:
    """The issuer names itself, and publishes the key its tokens can be checked with."""
    document = orjson.loads((await ask("GET", "/.well-known/openid-configuration")).body)
    assert document["issuer"] == "https://kubernetes.default.svc.cluster.local"
    assert document["jwks_uri"] == "https://127.0.0.1:6443/openid/v1/jwks"
    plain = Request("GET", "/.well-known/openid-configuration", headers={"host": "h:1"}, secure=False)
    answer = openid.answer(plain)
    assert answer is not None
    assert orjson.loads(answer.body)["jwks_uri"] == "http://h:1/openid/v1/jwks"
    keys = await ask("GET", document["jwks_uri"].partition("6443")[2])
    assert keys.content_type == "application/jwk-set+json"
    (key,) = orjson.loads(keys.body)["keys"]
    assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")
