"""virt-exportproxy: whoever comes from outside the cluster is led to the exporter of an export.

What it forwards is not looked into: exporters ask for tokens themselves.
Origin: kubevirt: cmd/virt-exportproxy/virt-exportproxy.go
"""

import re
from urllib.parse import unquote

from msgspec.structs import replace

from fakekube.agents.volume_contents import VolumeContents
from fakekube.client.client import Client
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import EXPORTS
from fakekube.machinery.wire import Request, Response
from fakekube.virt import export_server

_PATH = re.compile(
    r"/api/export\.kubevirt\.io/(?:v1beta1|v1)/namespaces/([^/]+)/virtualmachineexports/([^/]+)(/.*)"
)


class ExportProxy:
    """A Handler, see the module text."""

    def __init__(self, client: Client, contents: VolumeContents) -> None:
        self._client = client
        self._contents = contents

    async def __call__(self, request: Request) -> Response:
        found = _PATH.fullmatch(unquote(request.path))
        if found is None:
            return Response(400, content_type="")
        space, own, path = found.groups()
        export = await self._client.find(EXPORTS, own, space)
        if export is None:
            return Response(404, content_type="")
        if dig(export, "status", "phase") != "Ready":
            return Response(503, content_type="")
        server = await export_server.ready(self._client, self._contents, space, own)
        if server is None:
            return Response(502, content_type="")  # nobody is behind its service
        return await server(replace(request, path=path))
