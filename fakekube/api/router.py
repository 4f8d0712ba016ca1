"""Address → verb, discovery, OpenAPI, or an aggregated API.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/installer.go
"""

from collections.abc import Awaitable, Callable

from fakekube.api import discovery, metrics, openapi, openid, request_info
from fakekube.api.access.authentication import Authentication
from fakekube.api.access.authorizer import Authorizer
from fakekube.api.admission.chain import Chain
from fakekube.api.builtins import subresources
from fakekube.api.extend.aggregation import Aggregation
from fakekube.api.patching.go_format import quoted
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Registry
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.request_info import RequestInfo
from fakekube.api.services import Services
from fakekube.api.verbs import create, delete, get, listing, patch, scale, update
from fakekube.api.verbs.call import Call
from fakekube.machinery.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, not_found
from fakekube.machinery.names import path_segment
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Handler, Request, Response

Verb = Callable[[Call], Awaitable[Response]]

_VERBS: dict[str, Verb] = {
    "get": get.get,
    "list": listing.list_or_watch,
    "create": create.create,
    "update": update.update,
    "patch": patch.patch,
    "delete": delete.delete,
    "deletecollection": delete.delete_collection,
}
_STATUS: dict[str, Verb] = {"get": get.get, "update": update.update, "patch": patch.patch}
_SCALE: dict[str, Verb] = {"get": scale.get, "update": scale.update, "patch": scale.patch}


class Router:
    """Finds who answers."""

    def __init__(
        self,
        catalog: Catalog,
        registry: Registry,
        admission: Chain,
        aggregation: Aggregation,
        authorizer: Authorizer,
        *,
        services: Services,
        authentication: Authentication,
        versions: Versions,
    ) -> None:
        self._authentication = authentication
        self._versions = versions
        self._authorizer = authorizer
        self._services = services
        self._catalog = catalog
        self._registry = registry
        self._admission = admission
        self._aggregation = aggregation
        self.controls: Handler | None = None  # of the fake itself, below /fakekube/

    async def __call__(self, request: Request) -> Response:
        info = request_info.parse(request.method, request.path)
        if info.resource:
            resource = self._catalog.find(info.group, info.version, info.resource)
            if resource is not None and _placed(info, resource):
                if request.method == "HEAD" and not resource.custom and info.subresource != "proxy":
                    raise not_allowed()  # routes of built-in kinds know their own methods alone
                verb = self._verb(info, resource)
                if info.name and (why := path_segment(info.name)):
                    raise BadRequest(f"Name parameter invalid: {quoted(info.name)}: {';'.join(why)}")
                call = Call(
                    request,
                    info,
                    resource,
                    self._registry,
                    self._admission,
                    self._catalog,
                    self._authorizer,
                    services=self._services,
                    authentication=self._authentication,
                )
                try:
                    return await verb(call)
                except ApiError as error:
                    error.headers += call.warned()
                    raise
        if info.version:
            aggregated = self._aggregation.find(info.group, info.version)
            if aggregated is not None:
                return await aggregated(request)
        return await self._other(request, info)

    def _verb(self, info: RequestInfo, resource: ServedResource) -> Verb:
        found: Verb | None
        if info.subresource:
            known = next((one for one in resource.subresources if one.name == info.subresource), None)
            if known is None and resource.custom:
                raise not_found(resource.plural, resource.group, info.name)
            if known is None:
                raise NotFound("the server could not find the requested resource", details={})
            if info.subresource == "status":
                found = _STATUS.get(info.verb)
            elif info.subresource == "scale" and resource.scale is not None:
                found = _SCALE.get(info.verb)
            else:
                found = subresources.find(resource, info.subresource, info.verb)
            if found is None:
                raise not_allowed()
            return found
        if info.watch and info.verb == "get":
            return listing.list_or_watch
        if info.verb not in resource.verbs or (
            not info.name and info.verb not in ("list", "create", "deletecollection")
        ):
            raise not_allowed()
        if info.name and info.verb == "create":
            raise not_allowed()
        if resource.namespaced and not info.namespace and info.verb != "list":
            raise not_allowed()
        special = subresources.verb_of(resource, info.verb)
        return special or _VERBS[info.verb]

    async def _other(self, request: Request, info: RequestInfo) -> Response:
        if self.controls is not None and request.path.startswith("/fakekube/"):
            return await self.controls(request)
        if request.path == "/metrics" and request.method == "GET":
            return await metrics.answer(self._catalog, self._registry.store)
        if request.path.startswith("/openapi"):
            if self._catalog.aggregated:
                await self._aggregation.learn_documents(self._catalog)
            answer = await openapi.handle(request, self._catalog)
        else:
            if self._catalog.aggregated and request.path.startswith("/apis"):
                await self._aggregation.learn(self._catalog)
            answer = openid.answer(request) or await discovery.handle(request, self._catalog, self._versions)
        if answer is not None:
            return answer
        if info.resource and any((one.group, one.custom) == (info.group, False) for one in self._catalog):
            raise NotFound("the server could not find the requested resource", details={})
        return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")


def _placed(info: RequestInfo, resource: ServedResource) -> bool:
    """Whether there is such an address: with a namespace where one belongs, and without where none does."""
    if resource.namespaced:
        # Built-in resources have a route for all namespaces, which knows no other methods; custom ones have none.
        return bool(info.namespace) or info.verb == "list" or not (resource.custom or info.name)
    return not info.namespace or resource.plural == "namespaces"


def not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource", details={})
