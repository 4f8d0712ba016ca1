"""OpenAPI documents by path, made when first asked for and kept until the catalog changes.

A client that asks `/openapi/v3` wants to know which documents changed: each is named with a hash of what it is made
from, so that naming them all makes none. k8s: kube-openapi/pkg/handler3, kube-openapi/pkg/handler
"""

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import orjson

from fakekube.api.discovery.documents import groups
from fakekube.api.openapi import foreign, gnostic, paths, schemas
from fakekube.api.registry.catalog import Catalog, Derived
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.types import definitions
from fakekube.machinery.errors import MethodNotAllowed
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Object, Request, Response

# Asked for by a name that is no media type (`@`); answered by one that is, or Go's parser gives up.
_V2_ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_INFO = {"title": "Kubernetes", "version": Versions().kubernetes}  # whose types these are, whatever is shown
_SECURITY = {
    "BearerToken": {
        "description": "Bearer Token authentication",
        "type": "apiKey",
        "name": "authorization",
        "in": "header",
    }
}
_ROOTS = (".well-known/openid-configuration", "api", "apis", "openid/v1/jwks", "version")
_TEXT = "text/plain; charset=utf-8"


class _Documents:
    """Bytes of one state of the catalog."""

    def __init__(self) -> None:
        self.made: dict[str, bytes] = {}
        self.foreign: dict[str, Object] | None = None

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = make()
        return found


_documents = Derived(_Documents)


def _foreign(catalog: Catalog) -> dict[str, Object]:
    """What aggregated APIs say of themselves, by the name of the document it is in."""
    documents = _documents.of(catalog)
    if documents.foreign is None:
        cut = {
            f"apis/{group}/{version}": foreign.of_version(document, group, version)
            for (group, version), document in sorted(catalog.aggregated_documents.items())
        }
        documents.foreign = {name: document for name, document in cut.items() if document["paths"]}
    return documents.foreign


def answer(request: Request, catalog: Catalog) -> Response | None:
    path = request.path.rstrip("/")
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    if path == "/openapi/v2":
        return _v2(request, catalog)
    if path == "/openapi/v3":
        body = _documents.of(catalog).get("v3", lambda: orjson.dumps(index(catalog)))
        return _tagged(request, Response(200, body, _TEXT))
    if path.startswith("/openapi/v3/"):
        return _v3(request, catalog, path.removeprefix("/openapi/v3/"))
    return None


def _tagged(request: Request, response: Response) -> Response:
    tag = f'"{hashlib.sha512(response.body).hexdigest().upper()}"'
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers=[("ETag", tag)])
    response.headers += [("ETag", tag), ("Vary", "Accept")]
    return response


def _v2(request: Request, catalog: Catalog) -> Response:
    kept = _documents.of(catalog)
    asked = request.headers.get("accept", "")
    if _V2_ASKED in asked or _V2_PROTOBUF in asked:
        body = kept.get("v2.pb", lambda: gnostic.encode(v2(catalog)))
        return _tagged(request, Response(200, body, _V2_PROTOBUF))
    return _tagged(request, Response(200, kept.get("v2", lambda: orjson.dumps(v2(catalog)))))


def _v3(request: Request, catalog: Catalog, name: str) -> Response | None:
    resources = _served(catalog, name)
    if not resources and name not in _names(catalog):
        return None
    other = _foreign(catalog).get(name) if not resources else None
    current = content_hash(name, resources, other)
    asked = parse_qs(request.query).get("hash")
    if asked and asked[0] != current:
        return Response(301, headers=[("Location", f"/openapi/v3/{name}?hash={current}")])
    body = _documents.of(catalog).get(name, lambda: orjson.dumps(v3(name, resources, other)))
    headers = [("ETag", f'"{current}"'), ("Vary", "Accept")]
    if asked:  # the address names the content, so it may be kept
        headers.append(("Cache-Control", "public, max-age=31536000, immutable"))
    if request.headers.get("if-none-match") == f'"{current}"':
        return Response(304, headers=headers)
    return Response(200, body, headers=headers)


def _served(catalog: Catalog, name: str) -> list[ServedResource]:
    match name.split("/"):
        case ["api", version]:
            group = ""
        case ["apis", group, version]:
            pass
        case _:
            return []
    return [one for one in catalog if (one.group, one.version) == (group, version)]


def _names(catalog: Catalog) -> list[str]:
    found = [*_ROOTS, "api/v1"]
    for group, versions in groups(catalog).items():
        served = [version for version in versions if _served(catalog, f"apis/{group}/{version}")]
        if not served:
            continue
        found += [f"apis/{group}"] if not _served(catalog, f"apis/{group}/{served[0]}")[0].custom else []
        found += [f"apis/{group}/{version}" for version in served]
    return sorted({*found, *_foreign(catalog)})


def index(catalog: Catalog) -> Object:
    """`/openapi/v3`: where the documents are, each address with the hash of what is there."""
    others = _foreign(catalog)

    def address(name: str) -> str:
        return f"/openapi/v3/{name}?hash={content_hash(name, _served(catalog, name), others.get(name))}"

    return {"paths": {name: {"serverRelativeURL": address(name)} for name in _names(catalog)}}


@cache
def _data_digest() -> str:
    return hashlib.sha512(orjson.dumps(definitions().raw)).hexdigest()


def content_hash(name: str, resources: list[ServedResource], other: Object | None = None) -> str:
    """A fingerprint of everything the document is made from: resources of ours, or what somebody else says."""
    parts: list[Any] = [name, _data_digest(), _INFO]
    if other is not None and not resources:
        parts.append(other)
    for one in resources:
        below = [[sub.name, sub.kind, sub.verbs] for sub in one.subresources]
        raw = getattr(one.strategy, "raw", None) if one.custom else None
        parts.append([one.plural, one.kind, one.list_kind, one.namespaced, one.verbs, below, raw])
        parts.append(list(one.strategy.selectable))
    return hashlib.sha512(orjson.dumps(parts)).hexdigest().upper()


def v3(name: str, resources: list[ServedResource], other: Object | None = None) -> Object:
    """One group version in version 3."""
    head: Object = {"openapi": "3.0.0", "info": _INFO}
    if other is not None:
        told = foreign.as_v3(other)
        return {**head, **told, "components": {**told["components"], "securitySchemes": _SECURITY}}
    if not resources:
        item = {"get": {"responses": {"200": {"description": "OK"}, "401": {"description": "Unauthorized"}}}}
        return {**head, "paths": {f"/{name}/": item}, "components": {"securitySchemes": _SECURITY}}
    found = {one: schemas.v3(one, schemas.builtin(one)) for one in schemas.definition_names(resources)}
    for resource in resources:
        if resource.custom:
            found |= {one: schemas.v3(one, raw) for one, raw in schemas.custom(resource).items()}
    listed = {path.path: paths.v3(path) for resource in resources for path in paths.paths(resource)}
    return {
        **head,
        "paths": dict(sorted(listed.items())),
        "components": {"schemas": dict(sorted(found.items())), "securitySchemes": _SECURITY},
    }


def v2(catalog: Catalog) -> Object:
    """Everything in version 2."""
    resources = list(catalog)
    found = {one: schemas.builtin(one) for one in schemas.definition_names(resources)}
    for resource in resources:
        if resource.custom:
            found |= {one: schemas.v2_custom(raw) for one, raw in schemas.custom(resource).items()}
    listed = {path.path: paths.v2(path) for resource in resources for path in paths.paths(resource)}
    own: Object = {
        "swagger": "2.0",
        "info": _INFO,
        "paths": dict(sorted(listed.items())),
        "definitions": dict(sorted(found.items())),
        "securityDefinitions": _SECURITY,
        "security": [{"BearerToken": []}],
    }
    return foreign.merged(own, _foreign(catalog).values())
