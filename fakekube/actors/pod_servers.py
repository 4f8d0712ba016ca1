"""What pods serve whose work is done elsewhere in this process: KubeVirt's own, exporters and the proxy before them, and CDI's proxy
for uploads."""

from functools import partial

from fakekube.actors.setting import Setting
from fakekube.agents.node_server import answering
from fakekube.agents.node_server.listening import Serve
from fakekube.agents.node_server.secured import Secured
from fakekube.client.client import Client
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import dig, labels, namespace
from fakekube.machinery.resources import KUBEVIRTS, SECRETS
from fakekube.machinery.wire import Handler, Object, WebSocket
from fakekube.virt import export_proxy, export_server
from fakekube.virt.cdi.app import Cdi
from fakekube.virt.operator import certificates, health

_UPLOADS, _PORT = "cdi-uploadproxy", 8443
_SHOWN = "virt-exportproxy"  # whose certificate is shown by those that have none of their own


def of_pod(pod: Object, port: int, at: Setting) -> Serve | None:
    """What listens on a port of a pod; None where nothing of these does."""
    if (well := health.of_pod(pod, port, at.client, _beyond(pod, at))) is not None:
        return well
    exporter = export_server.of_pod(pod, port, at.client, at.contents)
    if exporter is not None:
        return partial(_secured, exporter, at.client)
    cdi = at.made.get("cdi")
    uploads = port == _PORT and labels(pod).get("cdi.kubevirt.io") == _UPLOADS and namespace(pod) == "cdi"
    if uploads and isinstance(cdi, Cdi) and dig(pod, "status", "phase") == "Running":
        return partial(_secured, cdi.proxy, at.client)
    return None


def _beyond(pod: Object, at: Setting) -> health.Beyond | None:
    """What one of KubeVirt's own does beside telling how it is: the proxy of exports leads to exporters."""
    if labels(pod).get("kubevirt.io") != _SHOWN:
        return None
    return partial(answering.answer, export_proxy.ExportProxy(at.client, at.contents))


async def _secured(handler: Handler, client: Client, socket: WebSocket) -> None:
    """Answer over TLS."""
    try:
        installed = (await client.list(KUBEVIRTS)).items
        space = namespace(installed[0]) if installed else ""
        secret = await client.find(SECRETS, certificates.secret_of(_SHOWN), space) if space else None
        shown = certificates.context(secret or {})
    except (NotFound, ValueError):  # CDI may be there alone, and there may be nothing to be shown just now
        await socket.close()
        return
    await answering.answer(handler, Secured(socket, shown))
