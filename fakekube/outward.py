"""Webhooks and aggregated APIs outside this process: how they are reached, and how many requests are on their way."""

import base64
from typing import TYPE_CHECKING

from fakekube.machinery.wire import Handler, Request, Response

if TYPE_CHECKING:
    from fakekube.client.http import HttpTransport


class Network:
    """One transport for each address, made when first asked."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, str, str], HttpTransport] = {}
        self.busy = 0  # requests on their way

    def __call__(self, url: str, ca_bundle: str, server_name: str) -> Handler:
        found = self._transports.get((url, ca_bundle, server_name))
        if found is None:
            from fakekube.client.http import HttpTransport  # noqa: PLC0415 - few clusters need it

            ca_data = base64.b64decode(ca_bundle) if ca_bundle else None
            found = HttpTransport(url, ca_data=ca_data, server_name=server_name)
            self._transports[url, ca_bundle, server_name] = found
        transport = found

        async def call(request: Request) -> Response:
            self.busy += 1
            try:
                return await transport(request)
            finally:
                self.busy -= 1

        return call

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()
        self._transports.clear()
