"""What the server says about itself: API groups, versions and resources, its own version, health.

Pure functions from the catalog to documents; `handle` picks one by path and Accept, and keeps them until the catalog
changes. k8s: staging/src/k8s.io/apiserver/pkg/endpoints/discovery, kube-aggregator/pkg/apiserver/handler_apis.go,
apiextensions-apiserver/pkg/apiserver/customresource_discovery_controller.go
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable
from functools import lru_cache
from weakref import WeakKeyDictionary

import orjson

from fakekube.api import health, negotiation
from fakekube.api.extend.versions import priority
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.strategy import ServedResource, Subresource
from fakekube.machinery.errors import MethodNotAllowed, NotAcceptable, NotFound
from fakekube.machinery.wire import Object, Request, Response

# Built-in groups, in the order of their priority. Everything else follows, by name.
_ORDER = (
    "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling",
    "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
    "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io",
    "discovery.k8s.io", "flowcontrol.apiserver.k8s.io", "resource.k8s.io",
)  # fmt: skip
_RANK = {group: rank for rank, group in enumerate(_ORDER)}

_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2+fakekube",
    "gitCommit": "fakekube",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "python",
    "platform": "linux/amd64",
}


# ── groups and versions ──────────────────────────────────────────────────────────────────────────────────────────────


def groups(catalog: Catalog) -> dict[str, list[str]]:
    """Group → its versions, preferred first; groups in the order clients see. The core group is not among them."""
    found: dict[str, list[str]] = {}
    custom: set[str] = set()
    for group, version, is_custom in _group_versions(catalog):
        versions = found.setdefault(group, [])
        if version not in versions:
            versions.append(version)
        if is_custom:
            custom.add(group)
    for group in custom:
        found[group].sort(key=priority, reverse=True)
    return dict(sorted(found.items(), key=lambda one: (_RANK.get(one[0], len(_RANK)), one[0])))


def _group_versions(catalog: Catalog) -> Iterable[tuple[str, str, bool]]:
    for resource in catalog:
        if resource.group:
            yield resource.group, resource.version, resource.custom
    for group, version in catalog.aggregated:
        yield group, version, True


def _group_version(group: str, version: str) -> Object:
    return {"groupVersion": f"{group}/{version}", "version": version}


def _api_group(group: str, versions: list[str]) -> Object:
    listed = [_group_version(group, version) for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def group_list(catalog: Catalog) -> Object:
    """`/apis`"""
    listed = [_api_group(group, versions) for group, versions in groups(catalog).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group_document(catalog: Catalog, group: str) -> Object | None:
    """`/apis/<group>`"""
    versions = groups(catalog).get(group)
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_api_group(group, versions)}


# ── resources ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _served(catalog: Catalog, group: str, version: str) -> list[ServedResource]:
    found = [one for one in catalog if (one.group, one.version) == (group, version)]
    return found if any(one.custom for one in found) else sorted(found, key=lambda one: one.plural)


def _verbs(resource: ServedResource) -> list[str]:
    return (
        [verb for verb in _CUSTOM_VERBS if verb in resource.verbs]
        if resource.custom
        else list(resource.verbs)
    )


def storage_version_hash(resource: ServedResource) -> str:
    """A fingerprint of the group, version and kind objects are stored as."""
    stored = f"{resource.storage_group or ''}/{resource.storage_version}/{resource.kind}"
    return b64encode(hashlib.sha256(stored.encode()).digest()[:8]).decode()


def resource_list(catalog: Catalog, group: str, version: str) -> Object | None:
    """`/api/v1`, `/apis/<group>/<version>`"""
    served = _served(catalog, group, version)
    if not served and (group, version) not in catalog.aggregated:
        return None
    head: Object = {"kind": "APIResourceList"}
    if group:  # the core group's document is older than its apiVersion
        head["apiVersion"] = "v1"
    head["groupVersion"] = f"{group}/{version}" if group else version
    return {**head, "resources": [entry for resource in served for entry in _api_resources(resource)]}


def _api_resources(resource: ServedResource) -> Iterable[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if "watch" in resource.verbs:
        entry["storageVersionHash"] = storage_version_hash(resource)
    yield entry
    for sub in _subresources(resource):
        below: Object = {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
        }
        if sub.version:
            below |= {"group": sub.group, "version": sub.version}
        yield {**below, "kind": sub.kind, "verbs": list(sub.verbs)}


def _subresources(resource: ServedResource) -> list[Subresource]:
    return sorted(resource.subresources, key=lambda one: one.name, reverse=resource.custom)


def aggregated(catalog: Catalog, *, core: bool) -> Object:
    """`/api` and `/apis` in one document each, with every resource: APIGroupDiscoveryList v2."""
    found = {"": ["v1"]} if core else groups(catalog)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [_version_discovery(catalog, group, version) for version in versions],
            }
            for group, versions in found.items()
        ],
    }


def _version_discovery(catalog: Catalog, group: str, version: str) -> Object:
    return {
        "version": version,
        "resources": [_resource_discovery(one) for one in _served(catalog, group, version)],
        "freshness": "Current",
    }


def _resource_discovery(resource: ServedResource) -> Object:
    own = (resource.group, resource.version) if resource.custom else ("", "")
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _kind(*own, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    below = [
        {
            "subresource": sub.name,
            "responseKind": _kind(*((sub.group, sub.version) if sub.version else own), sub.kind),
            "verbs": list(sub.verbs),
        }
        for sub in _subresources(resource)
    ]
    if below:
        entry["subresources"] = below
    return entry


def _kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}


def paths(catalog: Catalog) -> Object:
    """`/`: every path worth a visit."""
    found = {
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/version",
    }
    found |= {"/.well-known/openid-configuration", "/openid/v1/jwks", *health.paths()}
    for group, versions in groups(catalog).items():
        found.add(f"/apis/{group}")
        found |= {f"/apis/{group}/{version}" for version in versions}
    return {"paths": sorted(found)}


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Documents:
    """Encoded documents of one state of the catalog, each made when first asked for."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self._made: dict[str, tuple[bytes, str] | None] = {}

    def get(self, key: str, make: Callable[[], Object | None]) -> tuple[bytes, str] | None:
        """(body, entity tag), or None when there is no such document."""
        if key not in self._made:
            document = make()
            self._made[key] = None
            if document is not None:
                body = orjson.dumps(document) + b"\n"
                self._made[key] = body, f'"{hashlib.sha512(body).hexdigest().upper()}"'
        return self._made[key]


_kept: WeakKeyDictionary[Catalog, _Documents] = WeakKeyDictionary()


def _documents(catalog: Catalog) -> _Documents:
    documents = _kept.get(catalog)
    if documents is None or documents.revision != catalog.revision:
        documents = _kept[catalog] = _Documents(catalog.revision)
    return documents


async def handle(request: Request, catalog: Catalog) -> Response | None:
    """The answer to a discovery, version or health request; None when it is none.

    Raises NotFound for an unknown version of a known group, MethodNotAllowed, NotAcceptable.
    """
    path = request.path
    answer = health.answer(path, request.query)
    if answer is not None:
        return answer
    if path in ("/version", "/version/"):
        _only_get(request)
        return Response(200, orjson.dumps(VERSION, option=orjson.OPT_INDENT_2))
    if path in ("/", ""):
        return Response(200, orjson.dumps(paths(catalog), option=orjson.OPT_INDENT_2))
    parts = path.strip("/").split("/")
    match parts:
        case ["api"] | ["apis"]:
            return _root(request, catalog, core=parts == ["api"])
        case ["api", version]:
            return _one(request, catalog, "", version)
        case ["apis", group]:
            if group not in groups(catalog):
                return None
            return _answer(request, catalog, path, lambda: group_document(catalog, group))
        case ["apis", group, version]:
            return _one(request, catalog, group, version)
        case _:
            return None


def _root(request: Request, catalog: Catalog, *, core: bool) -> Response:
    if _wants_aggregated(request.headers.get("accept", "")):
        key = "aggregated/api" if core else "aggregated/apis"
        response = _answer(request, catalog, key, lambda: aggregated(catalog, core=core), negotiated=False)
        response.content_type = _AGGREGATED
        return response
    if core:
        server = request.headers.get("host", "") or "127.0.0.1:6443"
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": server}
        document = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}
        return _answer(request, catalog, f"api {server}", lambda: document)
    return _answer(request, catalog, "/apis", lambda: group_list(catalog))


def _one(request: Request, catalog: Catalog, group: str, version: str) -> Response | None:
    if resource_list(catalog, group, version) is None:
        if any(one.group == group and not one.custom for one in catalog):
            raise NotFound("the server could not find the requested resource", details={})
        return None
    key = f"{group}/{version}"
    return _answer(request, catalog, key, lambda: resource_list(catalog, group, version), routed=True)


def _answer(
    request: Request,
    catalog: Catalog,
    key: str,
    make: Callable[[], Object | None],
    *,
    negotiated: bool = True,
    routed: bool = False,
) -> Response:
    _only_get(request)
    chosen = negotiation.choose(request.headers.get("accept", "")) if negotiated else negotiation.PLAIN
    if chosen is None:
        if routed:
            raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {_TYPES}", details={})
        raise NotAcceptable(f"only the following media types are accepted: {_TYPES}")
    found = _documents(catalog).get(key, make)
    assert found is not None, f"no document {key}"
    body, tag = found
    headers = [("ETag", tag), ("Vary", "Accept")]
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers=headers)
    if chosen.media != "json":
        return negotiation.render(orjson.loads(body), chosen.media)
    return Response(200, body, headers=headers)


def _only_get(request: Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource", details={})


@lru_cache(maxsize=256)
def _wants_aggregated(accept: str) -> bool:
    """Whether the aggregated document, v2, is the first acceptable choice. v2beta1 is no longer served."""
    ranked = []
    for order, clause in enumerate(accept.split(",")):
        media, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        try:
            weight = float(parameters.get("q", "1"))
        except ValueError:
            weight = 1.0
        ranked.append((-weight, order, media, parameters))
    for _, _, media, parameters in sorted(ranked, key=lambda one: one[:2]):
        if media not in ("application/json", "application/*", "*/*", "application/yaml"):
            continue
        asked = parameters.get("as", "")
        if asked != "APIGroupDiscoveryList":
            if not asked:
                return False
            continue
        if (parameters.get("g"), parameters.get("v")) == ("apidiscovery.k8s.io", "v2"):
            return True
    return False
