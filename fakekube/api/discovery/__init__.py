"""What the server says about itself: API groups, versions and resources, its own version, health.

`documents` makes the answers from the catalog; here one is picked by path and Accept, and kept until the catalog changes.
k8s: staging/src/k8s.io/apiserver/pkg/endpoints/discovery/aggregated/negotiation.go, apiserver/pkg/server/routes
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache

import orjson

from fakekube.api import health, negotiation
from fakekube.api.discovery.documents import (
    aggregated,
    group_document,
    group_list,
    groups,
    paths,
    resource_list,
)
from fakekube.api.registry.catalog import Catalog, Derived
from fakekube.machinery.errors import MethodNotAllowed, NotAcceptable, NotFound
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Object, Request, Response

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def shown_version(versions: Versions) -> Object:
    """What `/version` says."""
    major, minor = versions.minor
    return {
        "major": str(major),
        "minor": str(minor),
        "emulationMajor": str(major),
        "emulationMinor": str(minor),
        "minCompatibilityMajor": str(major),
        "minCompatibilityMinor": str(minor - 1),
        "gitVersion": f"{versions.kubernetes}+fakekube",
        "gitCommit": "fakekube",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "python",
        "platform": "linux/amd64",
    }


_OURS = Versions()


class _Documents:
    """Encoded documents of one state of the catalog, each made when first asked for."""

    def __init__(self) -> None:
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


_documents = Derived(_Documents)


async def handle(request: Request, catalog: Catalog, versions: Versions = _OURS) -> Response | None:
    """The answer to a discovery, version or health request; None when it is none.

    Raises NotFound for an unknown version of a known group, MethodNotAllowed, NotAcceptable.
    """
    path = request.path
    answer = health.answer(path, request.query)
    if answer is not None:
        return answer
    if path in ("/version", "/version/"):
        _only_get(request)
        return Response(200, orjson.dumps(shown_version(versions), option=orjson.OPT_INDENT_2))
    if path == "/":
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
            raise negotiation.unrouted(negotiation.TYPES)
        raise NotAcceptable(f"only the following media types are accepted: {negotiation.TYPES}")
    found = _documents.of(catalog).get(key, make)
    assert found is not None, f"no document {key}"
    body, tag = found
    headers = [("ETag", tag), ("Vary", "Accept")]
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers=headers)
    pretty = negotiation.pretty(request)
    if chosen.media != "json" or pretty:
        shown = negotiation.render(orjson.loads(body), chosen.media, pretty=pretty)
        shown.headers += headers
        return shown
    return Response(200, body, headers=headers)


def _only_get(request: Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource", details={})


@lru_cache(maxsize=256)
def _wants_aggregated(accept: str) -> bool:
    """Whether the aggregated document, v2, is the first acceptable choice. v2beta1 is no longer served."""
    for _, parameters in negotiation.ranked(accept):
        asked = parameters.get("as", "")
        if asked != "APIGroupDiscoveryList":
            if not asked:
                return False
            continue
        if (parameters.get("g"), parameters.get("v")) == ("apidiscovery.k8s.io", "v2"):
            return True
    return False
