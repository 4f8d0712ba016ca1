"""Images that are at Services of the cluster: an export's is brought to the claim that asks for it, if its exporter lets it have that.

What else Services serve is not fetched; but one that is not there serves nothing.
Origin: cdi: pkg/importer/{http-datasource,data-processor}.go
"""

from base64 import b64decode
from urllib.parse import urlsplit

from fakekube.agents.node_server import volume_images
from fakekube.agents.volume_contents import VolumeContents, volume_of
from fakekube.client.client import Client
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj, dig, namespace
from fakekube.machinery.resources import SECRETS, SERVICES
from fakekube.machinery.wire import Object, Request
from fakekube.virt.cdi import reaching, uploaded

_PORT = 443


class Exports:
    """See the module text."""

    def __init__(self, client: Client, *, clock: Clock, contents: VolumeContents) -> None:
        self._client = client
        self._clock = clock
        self._contents = contents

    async def bring(self, volume: Object, claim: Object) -> str:
        """Have a bound claim hold what a DataVolume is imported from, where that is an export; what an importer says that cannot have
        it, or finds no Service of that name."""
        endpoint = reaching.endpoint_of(volume)
        service = reaching.service_of(endpoint)
        if endpoint is None or service is None:
            return ""
        if await reaching.is_nobody(self._client, service):
            return reaching.failure(endpoint, nobody=True)
        found = await self._client.find(SERVICES, service.name, service.space)
        if endpoint.kind != "http" or dig(found, "metadata", "labels", "kubevirt.io") != "virt-exporter":
            return ""
        from fakekube.virt import export_server  # noqa: PLC0415 - few volumes come from there

        url = urlsplit(endpoint.url)
        own = dig(found, "spec", "selector", export_server.SERVICE, default="")
        server = await export_server.ready(self._client, self._contents, service.space, own)
        if server is None or (url.port or _PORT) != _PORT:
            return reaching.refused(endpoint, dig(found, "spec", "clusterIP", default=""))
        asked = Request("GET", url.path or "/", url.query, await self._headers(volume))
        data = await server.data(asked)
        if isinstance(data, int):
            return reaching.answered(data)
        return await self._fill(volume, claim, data)

    async def _fill(self, volume: Object, claim: Object, data: bytes) -> str:
        on = volume_images.claimed(claim, volume_of(claim))
        archive = dig(volume, "spec", "contentType") == "archive"
        try:
            self._contents.put(on.volume, await uploaded.held(data, on, archive=archive, clock=self._clock))
        except uploaded.UnreadableError as error:
            return f"Unable to process data: {error}"
        return ""

    async def _headers(self, volume: Obj) -> dict[str, str]:
        """Those it is to be asked for with: what it says itself, and what is in its secrets."""
        told: Obj = dig(volume, "spec", "source", "http", default={})
        lines = list(told.get("extraHeaders") or ())
        for own in told.get("secretExtraHeaders") or ():
            secret = await self._client.find(SECRETS, own, namespace(volume))
            lines += [
                b64decode(one).decode(errors="surrogateescape")
                for one in dig(secret, "data", default={}).values()
            ]
        parts = (line.partition(":") for line in lines)
        return {name.strip().lower(): value.strip() for name, _, value in parts}
