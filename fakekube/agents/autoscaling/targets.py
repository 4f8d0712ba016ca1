"""From a scaleTargetRef to the scale of what it names: any resource that has one, found by discovery.

The version in the reference does not count: upstream maps group and kind to every version served, and asks the
preferred one.

Upstream: k8s: staging/src/k8s.io/client-go/{restmapper,scale}; pkg/controller/podautoscaler/horizontal.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.client.client import Client
from fakekube.client.discovery import discover
from fakekube.clock import Clock
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.resources import Resource, split_api_version
from fakekube.machinery.wire import Object

_KEPT = 30.0  # seconds what discovery says is believed


class NoScale(Exception):
    """The target has no scale to be read; the text is upstream's."""


class Targets:
    """What is scaled, read and written."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str], Resource] = {}
        self._asked = -_KEPT

    async def scale(self, reference: Mapping[str, Any], namespace: str) -> tuple[Resource, Object]:
        """The resource, and the Scale of the object. Raises NoScale."""
        api_version = str(reference.get("apiVersion") or "")
        if api_version.count("/") > 1:
            raise NoScale(f"unexpected GroupVersion string: {api_version}")
        group, _ = split_api_version(api_version)
        kind, name = str(reference["kind"]), str(reference["name"])
        resource = await self._resource(group, kind)
        try:
            return resource, await self._client.get(resource, name, namespace, subresource="scale")
        except ApiError as error:
            if error.code == NotFound.code and self._is_old():
                await self._discover()  # the kind may be served by another name meanwhile: see the next time
            raise NoScale(_said(error)) from None

    async def resize(self, resource: Resource, scale: Object, replicas: int) -> None:
        """Write another size. Raises ApiError."""
        wanted = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": replicas}}
        await self._client.update(resource, wanted, subresource="scale")

    async def _resource(self, group: str, kind: str) -> Resource:
        if (group, kind) not in self._known and self._is_old():
            await self._discover()
        found = self._known.get((group, kind))
        if found is None:
            raise NoScale(f'no matches for kind "{kind}" in group "{group}"')
        return found

    def _is_old(self) -> bool:
        return self._clock.monotonic() - self._asked >= _KEPT

    async def _discover(self) -> None:
        self._asked = self._clock.monotonic()
        try:
            served = (await discover(self._client)).served
        except ApiError as error:
            raise NoScale(_said(error)) from None
        self._known = {}
        for one in served:
            self._known.setdefault((one.resource.group, one.resource.kind), one.resource)


def _said(error: ApiError) -> str:
    """A refusal in the client's words: what answers without a Status is not there."""
    return (
        "the server could not find the requested resource" if "404 page" in error.message else error.message
    )
