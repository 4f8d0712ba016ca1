"""APIService objects → Handlers: requests to an aggregated group version go to the service it names.

Origin: k8s: staging/src/k8s.io/kube-aggregator/pkg/apiserver/handler_proxy.go
"""

from typing import Any

import orjson

from fakekube.api.registry.catalog import Catalog
from fakekube.api.services import Services
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Handler, Object, Request, Response, User

_OK = 200
_AGGREGATOR = User("system:kube-aggregator", ("system:masters",))


class Aggregation:
    """The APIServices that name a service, by group and version."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._by_version: dict[tuple[str, str], Object] = {}
        self.revision = 0

    def update(self, api_service: Object, *, deleted: bool) -> None:
        """Follow one APIService object."""
        spec: dict[str, Any] = api_service.get("spec") or {}
        key = (str(spec.get("group") or ""), str(spec.get("version") or ""))
        self.revision += 1
        if deleted or not spec.get("service"):
            self._by_version.pop(key, None)
        else:
            self._by_version[key] = api_service

    def versions(self) -> list[tuple[str, str]]:
        """(group, version) of everything aggregated."""
        return list(self._by_version)

    async def learn(self, catalog: Catalog) -> None:
        """Ask those who have not told yet what they serve. Who does not answer is asked again next time."""
        for group, version in sorted(self._by_version.keys() - catalog.aggregated_resources.keys()):
            try:
                listed = orjson.loads((await self._ask(group, version, f"/apis/{group}/{version}")).body)
                catalog.aggregated_resources[group, version] = listed["resources"]
            except (ApiError, ValueError, KeyError, TypeError):
                continue
            catalog.revision += 1

    async def learn_documents(self, catalog: Catalog) -> None:
        """The same of their OpenAPI; one that has none is not asked again."""
        for group, version in sorted(self._by_version.keys() - catalog.aggregated_documents.keys()):
            try:
                answer = await self._ask(group, version, "/openapi/v2")
                told = orjson.loads(answer.body) if answer.status == _OK else {}
            except NotFound:
                told = {}
            except (ApiError, ValueError):
                continue
            catalog.aggregated_documents[group, version] = told
            catalog.revision += 1

    async def _ask(self, group: str, version: str, path: str) -> Response:
        handler = self.find(group, version)
        assert handler is not None
        return await handler(Request("GET", path, "", {"accept": "application/json"}, b"", _AGGREGATOR))

    def find(self, group: str, version: str) -> Handler | None:
        """The Handler for a group version, None when it is not aggregated. Raises 503 when nobody serves it."""
        api_service = self._by_version.get((group, version))
        if api_service is None:
            return None
        service = dig(api_service, "spec", "service") or {}
        handler = self._services.find(
            str(service.get("namespace") or ""),
            str(service.get("name") or ""),
            str(dig(api_service, "spec", "caBundle") or ""),
        )
        if handler is None:
            raise ApiError("service unavailable", code=503, reason="ServiceUnavailable")
        return handler
