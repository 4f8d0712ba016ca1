"""What KubeVirt's own pods say on their port 8443: that they are well, and which version of their configuration they know.

Whoever changes the configuration asks them, until all know it. Ours read it from the KubeVirt object whenever they need
it, so they know the newest. The port speaks TLS, with the component's certificate; so does virt-operator's 8444, where
its webhooks would be, and says the same.
Upstream: kubevirt: pkg/healthz/healthz.go, tests/libkubevirt/config/kvconfig.go
"""

import json

from fakekube.agents.node_server import listening
from fakekube.agents.node_server.listening import Said, Serve, Service
from fakekube.agents.node_server.secured import Secured
from fakekube.client.client import Client
from fakekube.machinery import objects
from fakekube.machinery.resources import KUBEVIRTS
from fakekube.machinery.wire import Object, WebSocket
from fakekube.virt.operator import certificates

PORT, WEBHOOKS = 8443, 8444
_PATH = b"healthz"


def of_pod(pod: Object, port: int, client: Client) -> Serve | None:
    """What listens on the port, where it is one of KubeVirt's own pods."""
    running = objects.dig(pod, "status", "phase") == "Running"
    component = objects.labels(pod).get("kubevirt.io", "")
    context = certificates.serving(component) if running else None
    if context is None or not (port == PORT or (port == WEBHOOKS and component == "virt-operator")):
        return None

    async def serve(socket: WebSocket) -> None:
        found = (await client.list(KUBEVIRTS, objects.namespace(pod))).items
        known = objects.resource_version(found[0]) if found else ""
        await listening.converse(Service(b"", lambda data: answer(data, known)), Secured(socket, context))

    return serve


def answer(data: bytes, known: str) -> Said:
    """One request, one answer: what is known is known anew with every connection."""

    def respond(asked: bytes) -> tuple[bytes, bytes, bytes]:
        if asked.partition(b"?")[0].strip(b"/") != _PATH:
            return b"404 Not Found", b"text/plain", b"404: Page Not Found"
        well = {"apiserver": {"connectivity": "ok"}, "config-resource-version": known}
        return b"200 OK", b"application/json", json.dumps(well).encode()

    return listening.http(data, respond, hangs_up=True)
