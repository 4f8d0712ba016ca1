"""What KubeVirt's own pods say on their port 8443: that they are well, which version of their configuration they know, and,
for Prometheus, what `scraping` finds.

Whoever changes the configuration asks them, until all know it. Ours read it from the KubeVirt object whenever they need
it, so they know the newest. The port speaks TLS, with the certificate that is in the component's secret; so do virt-operator's
8444, where its webhooks would be, and virt-handler's 8186, and say the same. Versions and ciphers are what the KubeVirt object allows.
Upstream: kubevirt: pkg/healthz/healthz.go, pkg/virt-operator/util/util.go, tests/libkubevirt/config/kvconfig.go
"""

import json
from collections.abc import Awaitable, Callable

from fakekube.agents.node_server import listening
from fakekube.agents.node_server.listening import Said, Serve
from fakekube.agents.node_server.secured import Secured
from fakekube.client.client import Client
from fakekube.machinery import objects
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import KUBEVIRTS, SECRETS
from fakekube.machinery.wire import Object, WebSocket
from fakekube.virt.operator import certificates, scraping

PORT, WEBHOOKS, CONSOLES = 8443, 8444, 8186
_OTHERS = {"virt-operator": WEBHOOKS, "virt-handler": CONSOLES}
_HEALTH, _METRICS = b"healthz", b"metrics"
_END = b"\r\n\r\n"


Beyond = Callable[
    [WebSocket, bytes], Awaitable[None]
]  # goes on with a conversation of which that has been read


def of_pod(pod: Object, port: int, client: Client, beyond: Beyond | None = None) -> Serve | None:
    """What listens on the port, where it is one of KubeVirt's own pods. `beyond`: who answers what is asked of other paths."""
    running = objects.dig(pod, "status", "phase") == "Running"
    component = objects.labels(pod).get("kubevirt.io", "")
    if not running or not certificates.is_serving(component):
        return None
    if port != PORT and port != _OTHERS.get(component):
        return None

    async def serve(socket: WebSocket) -> None:
        found = (await client.list(KUBEVIRTS, objects.namespace(pod))).items
        tls = objects.dig(found, 0, "spec", "configuration", "tlsConfiguration") or {}
        least, ciphers = tls.get("minTLSVersion") or "", tuple(tls.get("ciphers") or ())
        try:
            secret = await client.get(SECRETS, certificates.secret_of(component), objects.namespace(pod))
            shown = certificates.context(secret, least, ciphers)
        except (NotFound, ValueError):  # there is nothing to be shown just now
            await socket.close()
            return
        talk, data = Secured(socket, shown), b""
        while _END not in data and (more := await talk.receive()) is not None:
            data += more.encode() if isinstance(more, str) else more
        if beyond is not None and _asked(data) not in (_HEALTH, _METRICS):
            await beyond(talk, data)
            return
        measured = await scraping.told(pod, component, client) if _asked(data) == _METRICS else ""
        found = (await client.list(KUBEVIRTS, objects.namespace(pod))).items
        known = objects.resource_version(found[0]) if found else ""
        await talk.send(answer(data, known, measured).output)
        await talk.close()

    return serve


def _asked(data: bytes) -> bytes:
    """The path of a request, without the slashes around it."""
    return _path([*data.split(maxsplit=2), b"", b""][1])


def _path(target: bytes) -> bytes:
    return target.partition(b"?")[0].strip(b"/")


def answer(data: bytes, known: str, measured: str = "") -> Said:
    """One request, one answer: what is known is known anew with every connection."""

    def respond(asked: bytes) -> tuple[bytes, bytes, bytes]:
        path = _path(asked)
        if path == _METRICS:
            return b"200 OK", b"text/plain; version=0.0.4", measured.encode()
        if path != _HEALTH:
            return b"404 Not Found", b"text/plain", b"404: Page Not Found"
        well = {"apiserver": {"connectivity": "ok"}, "config-resource-version": known}
        return b"200 OK", b"application/json", json.dumps(well).encode()

    return listening.http(data, respond, hangs_up=True)
