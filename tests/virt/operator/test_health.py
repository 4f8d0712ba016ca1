"""What KubeVirt's own pods say of their health, to a client that speaks TLS as any does."""

import asyncio
import json
import ssl

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery import objects
from fakekube.machinery.resources import KUBEVIRTS, PODS
from fakekube.virt.operator import health

pytest.importorskip("trustme")


class Wire:
    """A conversation: what one end sends is what the other receives."""

    subprotocol = ""

    def __init__(self):
        self.to_server, self.to_client = asyncio.Queue(), asyncio.Queue()

    async def receive(self):
        return await self.to_server.get()

    async def send(self, data):
        self.to_client.put_nowait(data)

    async def close(self, code=1000):
        self.to_client.put_nowait(None)


async def fetched(serve, request, cut=7, most=ssl.TLSVersion.MAXIMUM_SUPPORTED):
    """What a client gets that trusts everybody, sending its bytes in small pieces."""
    context = ssl.create_default_context()
    context.maximum_version = most
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    came, due, wire, got = ssl.MemoryBIO(), ssl.MemoryBIO(), Wire(), b""
    client = context.wrap_bio(came, due, server_hostname="localhost")
    served = asyncio.ensure_future(serve(wire))
    asked = False
    while True:
        try:
            if not asked:
                client.do_handshake()
                client.write(request)
                asked = True
            if not (more := client.read(4096)):
                break
            got += more
        except ssl.SSLWantReadError:
            data = due.read()
            for at in range(0, len(data), cut):
                wire.to_server.put_nowait(data[at : at + cut])
            if (answered := await asyncio.wait_for(wire.to_client.get(), 30)) is None:
                break
            came.write(answered)
        except ssl.SSLZeroReturnError:
            break
    wire.to_server.put_nowait(None)
    await asyncio.wait_for(served, 30)
    head, _, body = got.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], body


@pytest.fixture
async def cluster():
    async with Cluster(nodes=1, clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        yield cluster


async def asked_of(cluster, component, target="//healthz", port=health.PORT):
    client = cluster.client()
    pod, *_ = (await client.list(PODS, "kubevirt", label_selector=f"kubevirt.io={component}")).items
    serve = health.of_pod(pod, port, client)
    return await fetched(serve, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


@pytest.mark.parametrize("component", ["virt-api", "virt-controller", "virt-handler"])
async def test_they_know_the_newest_configuration(cluster, component):
    """The version that a change of the KubeVirt object has answered with is known, by a number that grows."""
    client = cluster.client()
    change = {"spec": {"configuration": {"migrations": {"parallelMigrationsPerCluster": 7}}}}
    changed = await client.patch(KUBEVIRTS, "kubevirt", "kubevirt", change, type="merge")
    status, body = await asked_of(cluster, component)
    said = json.loads(body)
    assert (status, said["apiserver"]) == (b"HTTP/1.1 200 OK", {"connectivity": "ok"})
    assert int(said["config-resource-version"]) >= int(objects.resource_version(changed))


async def test_other_paths(cluster):
    assert (await asked_of(cluster, "virt-api", "/nope"))[0] == b"HTTP/1.1 404 Not Found"


async def test_who_has_more_to_say(cluster):
    """Somebody else may answer what is asked of other paths, in the same conversation."""
    client = cluster.client()
    pod, *_ = (await client.list(PODS, "kubevirt", label_selector="kubevirt.io=virt-exportproxy")).items

    async def beyond(socket, data):
        await socket.send(b"HTTP/1.1 204 Read\r\n\r\n" + data[:9])
        await socket.close()

    serve = health.of_pod(pod, health.PORT, client, beyond)
    for path, status in ((b"/healthz", b"HTTP/1.1 200 OK"), (b"/more", b"HTTP/1.1 204 Read")):
        assert (await fetched(serve, b"GET %b HTTP/1.1\r\n\r\n" % path))[0] == status


async def test_webhooks_of_the_operator(cluster):
    """virt-operator shows its certificate where its webhooks would be, as nobody else does."""
    assert (await asked_of(cluster, "virt-operator", port=health.WEBHOOKS))[0] == b"HTTP/1.1 200 OK"
    pod, *_ = (await cluster.client().list(PODS, "kubevirt", label_selector="kubevirt.io=virt-api")).items
    assert health.of_pod(pod, health.WEBHOOKS, cluster.client()) is None


async def test_who_speaks_no_tls(cluster):
    """Somebody who speaks plainly is told off in TLS's own words, and the conversation ends."""
    client = cluster.client()
    pod, *_ = (await client.list(PODS, "kubevirt", label_selector="kubevirt.io=virt-api")).items
    wire = Wire()
    wire.to_server.put_nowait("GET / HTTP/1.1\r\n\r\n")
    await asyncio.wait_for(health.of_pod(pod, health.PORT, client)(wire), 30)
    assert wire.to_client.qsize() <= 1


async def test_who_else_listens(cluster):
    """Other pods, other ports, pods that do not run: nothing of ours."""
    client = cluster.client()
    pod, *_ = (await client.list(PODS, "kubevirt", label_selector="kubevirt.io=virt-api")).items
    assert health.of_pod(pod, 80, client) is None
    assert health.of_pod({**pod, "status": {"phase": "Pending"}}, health.PORT, client) is None
    launcher = {**pod, "metadata": {**pod["metadata"], "labels": {"kubevirt.io": "virt-launcher"}}}
    assert health.of_pod(launcher, health.PORT, client) is None


async def test_versions_and_ciphers(cluster):
    """[9306] A client that knows no version, or none of the ciphers, the KubeVirt object allows is turned away."""
    client = cluster.client()
    pod, *_ = (await client.list(PODS, "kubevirt", label_selector="kubevirt.io=virt-exportproxy")).items
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def greeted(**tls):
        change = {"spec": {"configuration": {"tlsConfiguration": {"ciphers": None, **tls}}}}
        await client.patch(KUBEVIRTS, "kubevirt", "kubevirt", change, type="merge")
        serve = health.of_pod(pod, health.PORT, client)
        return (await fetched(serve, request, most=ssl.TLSVersion.TLSv1_2))[0]

    fine = b"HTTP/1.1 200 OK"
    ecdsa, rsa = (f"TLS_ECDHE_{one}_WITH_AES_128_GCM_SHA256" for one in ("ECDSA", "RSA"))
    assert await greeted() == fine
    assert await greeted(minTLSVersion="VersionTLS12", ciphers=[ecdsa]) == fine
    with pytest.raises(ssl.SSLError):
        await greeted(minTLSVersion="VersionTLS12", ciphers=[rsa])
    with pytest.raises(ssl.SSLError):
        await greeted(minTLSVersion="VersionTLS13")
