"""Webhooks over the network: a real HTTPS server on loopback, and all the ways it may be out of reach."""

import base64
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import trustme
from aiohttp import web

from fakekube.client.client import Client
from fakekube.cluster import Cluster
from fakekube.machinery.errors import InternalError
from fakekube.machinery.resources import CONFIG_MAPS, Resource

from .conftest import configmap, rule

_GROUP = ("admissionregistration.k8s.io", "v1")
HOOKS = Resource(
    *_GROUP, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", namespaced=False
)
MUTATING = Resource(
    *_GROUP, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False
)


class Served:
    """A webhook server: how to reach it, and what it was asked."""

    def __init__(self, authority: trustme.CA) -> None:
        self.bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
        self.port = 0
        self.asked: list[Any] = []

    async def answer(self, request: web.Request) -> web.Response:
        review = await request.json()
        self.asked.append((request.path_qs, review["request"]["name"]))
        patch = base64.b64encode(b'[{"op":"add","path":"/data","value":{"served":"yes"}}]').decode()
        response = {
            "uid": review["request"]["uid"],
            "allowed": True,
            "patch": patch,
            "patchType": "JSONPatch",
        }
        return web.json_response({**review, "response": response})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def served(authority: trustme.CA) -> AsyncIterator[Served]:
    one = Served(authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "hook.hooks.svc").configure_cert(context)
    app = web.Application()
    app.router.add_post("/{path:.*}", one.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(only=["namespaces"]) as one:
        yield one


async def _install(
    client: Client, config: dict[str, Any], *, mutating: bool = True, seconds: int = 5
) -> None:
    resource = MUTATING if mutating else HOOKS
    hook = {
        "name": "net.example.com",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": seconds,
        "clientConfig": config,
        "rules": [rule()],
    }
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": "net"},
        "webhooks": [hook],
    }
    await client.create(resource, body)


async def _refused(client: Client) -> str:
    with pytest.raises(InternalError) as refused:
        await client.create(CONFIG_MAPS, configmap(), "default")
    message = refused.value.message
    prefix = 'Internal error occurred: failed calling webhook "net.example.com": failed to call webhook: '
    assert message.startswith(prefix)
    return message.removeprefix(prefix)


async def test_a_url_is_called_with_its_bundle(cluster: Cluster, served: Served):
    """A webhook behind an https URL is trusted by its caBundle, and its patch counts."""
    client = cluster.client()
    await _install(client, {"url": f"https://127.0.0.1:{served.port}/mutate", "caBundle": served.bundle})
    made = await client.create(CONFIG_MAPS, configmap("net"), "default")
    assert made["data"] == {"served": "yes"}
    assert served.asked == [("/mutate?timeout=5s", "net")]


async def test_a_service_may_listen_elsewhere(cluster: Cluster, served: Served):
    """A service with a configured address is called there, under the name its certificate has to bear."""
    client = cluster.client()
    service = {"namespace": "hooks", "name": "hook", "path": "/mutate"}
    cluster.services.set("hooks", "hook", f"https://127.0.0.1:{served.port}")
    cluster.services.set("hooks", "impostor", f"https://127.0.0.1:{served.port}")
    await _install(client, {"service": service, "caBundle": served.bundle})
    assert (await client.create(CONFIG_MAPS, configmap("net"), "default"))["data"] == {"served": "yes"}
    config = await client.get(MUTATING, "net")
    config["webhooks"][0]["clientConfig"]["service"]["name"] = "impostor"
    await client.update(MUTATING, config)
    why = await _refused(client)
    assert why.startswith(
        'Post "https://impostor.hooks.svc:443/mutate?timeout=5s": tls: failed to verify certificate: x509: '
    )
    assert why.endswith("wanted to match impostor.hooks.svc") or "but wanted to match" in why


async def test_an_unknown_authority_is_not_trusted(cluster: Cluster, served: Served):
    """Without the right bundle the call fails in Go's words."""
    other = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
    await _install(cluster.client(), {"url": f"https://127.0.0.1:{served.port}/x", "caBundle": other})
    assert await _refused(cluster.client()) == (
        f'Post "https://127.0.0.1:{served.port}/x?timeout=5s": tls: failed to verify certificate: x509: certificate signed by '
        "unknown authority"
    )
    assert served.asked == []


async def test_nobody_listens(cluster: Cluster):
    """A closed port reads as the dialler of Go says it, and Ignore passes over it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    client = cluster.client()
    await _install(client, {"url": f"https://127.0.0.1:{port}/x"}, mutating=False, seconds=2)
    assert await _refused(client) == (
        f'Post "https://127.0.0.1:{port}/x?timeout=2s": dial tcp 127.0.0.1:{port}: connect: connection refused'
    )
    config = await client.get(HOOKS, "net")
    config["webhooks"][0]["failurePolicy"] = "Ignore"
    await client.update(HOOKS, config)
    await client.create(CONFIG_MAPS, configmap(), "default")


async def test_a_server_that_says_nothing_sensible(cluster: Cluster):
    """Plain HTTP behind an https URL is told apart from silence."""
    app = web.Application()
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await _install(cluster.client(), {"url": f"https://127.0.0.1:{runner.addresses[0][1]}/x"})
        assert (await _refused(cluster.client())).endswith("http: server gave HTTP response to HTTPS client")
    finally:
        await runner.cleanup()


async def test_a_server_without_a_network_says_so(api: Any, ask: Any):
    """An ApiServer that was given no way out fails calls to URLs."""
    hook = {
        "name": "net.example.com",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://example.com/x"},
        "rules": [rule()],
    }
    body = {
        "apiVersion": HOOKS.api_version,
        "kind": HOOKS.kind,
        "metadata": {"name": "net"},
        "webhooks": [hook],
    }
    assert (await ask("POST", f"/apis/{HOOKS.api_version}/{HOOKS.plural}", body)).status == 201
    answer = await ask("POST", "/api/v1/namespaces/default/configmaps", configmap())
    assert orjson.loads(answer.body)["message"].endswith("this server does not use the network")
