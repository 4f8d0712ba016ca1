"""What containers reach by names and addresses of Services."""

from urllib.parse import quote

import pytest

from fakekube.agents.endpoints import SLICES
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import PODS, SERVICES
from tests.agents.node_server.test_server import Pod

WEB = [{"name": "web", "port": 80, "targetPort": 7000}, {"name": "udp", "port": 53, "protocol": "UDP"}]


@pytest.fixture(params=[False, True])
async def cluster(request):
    async with Cluster(only=["kubernetes"], clock=ManualClock(), seed=1, rbac=request.param) as cluster:
        for name, ready in (("p", True), ("q", True), ("r", False)):
            container = {"name": "c", "image": "x", "ports": [{"containerPort": 7000}]}
            gates = {} if ready else {"readinessGates": [{"conditionType": "never"}]}
            spec = {"containers": [container], "hostname": name, "subdomain": "headless", **gates}
            labels = {"app": "r" if name == "r" else "pq"}
            meta = {"name": name, "namespace": "default", "labels": labels}
            await cluster.client().create(
                PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
            )
        for name, spec in {
            "web": {"selector": {"app": "pq"}, "ports": WEB},
            "idle": {"selector": {"app": "r"}, "ports": WEB},
            "headless": {"selector": {"app": "pq"}, "clusterIP": "None"},
            "alias": {"type": "ExternalName", "externalName": "web.default.svc.cluster.local"},
            "itself": {"type": "ExternalName", "externalName": "itself.default.svc.cluster.local"},
            "outside": {"type": "ExternalName", "externalName": "example.com"},
        }.items():
            meta = {"name": name, "namespace": "default"}
            service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
            await cluster.client().create(SERVICES, service)
        await cluster.advance(5)
        yield cluster


@pytest.fixture
def says(cluster):
    async def run(command):
        done = await Pod(cluster, "q").run("sh", "-c", quote(command))
        return (done.channel(1) + done.channel(2)).decode()

    return run


async def test_services(cluster, says):
    """A Service is found by its names and its address, and answers by the first endpoint that is ready."""
    address = (await cluster.client().get(SERVICES, "web", "default"))["spec"]["clusterIP"]
    hosts = ("web", "web.default", "WEB.default.svc", "web.default.svc.cluster.local.", "alias", address)
    for host in hosts:
        assert await says(f"curl -s http://{host}/") == "Hello from p\n", host
    assert await says("wget -qO- web; wget web; cat index.html") == "Hello from p\n" * 2
    assert await says("nc -zv web 80; nc -z web 80 && echo open") == f"open\nweb ({address}:80) open\n"
    assert await says("nslookup web") == f"Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\nName:\tweb\nAddress: {address}\n\n"  # fmt: skip


async def test_what_is_refused(cluster, says):
    """Without a ready endpoint, and at ports that it does not have, a Service refuses connections."""
    failed = "curl: (7) Failed to connect to {} port {}: Connection refused\n7\n"
    for host, port in (("idle", 80), ("web", 81), ("web", 53)):
        told = await says(f"curl http://{host}:{port} 2>&1; echo $?")
        assert told == failed.format(host, port)
    address = (await cluster.client().get(SERVICES, "idle", "default"))["spec"]["clusterIP"]
    refused = f"can't connect to remote host ({address}): Connection refused\n"
    assert await says("wget idle 2>&1; nc -z idle 80 2>&1; echo $?") == f"wget: {refused}nc: {refused}1\n"


async def test_headless_services(cluster, says):
    """A Service without an address stands for its endpoints, of which those with names have one of their own."""
    assert await says("curl -s headless:7000; curl -s q.headless:7000") == "Hello from p\nHello from q\n"
    assert await says("nslookup r.headless | grep -c NXDOMAIN; curl r.headless; echo $?") == (
        "1\n6\ncurl: (6) Could not resolve host: r.headless\n"
    )


async def test_nobody_is_so_called(says):
    """What is no Service here has no address: names of elsewhere, aliases that lead nowhere, and what is no name."""
    for host in (
        "nope",
        "web.other",
        "outside",
        "itself",
        "example.com",
        "web.pod.cluster.local",
        "a_b",
        "a.b.web",
    ):
        told = await says(f"curl {host} 2>&1; echo $?; wget {host} 2>&1; nc -z {host} 1 2>&1; echo $?")
        assert told == (
            f"curl: (6) Could not resolve host: {host}\n6\nwget: bad address '{host}'\nnc: bad address '{host}'\n1\n"
        )  # fmt: skip


async def test_endpoints_by_hand(cluster, says):
    """What is sent to a Service is sent on once: endpoints that are Services lead nowhere, and ports without numbers are none."""
    client = cluster.client()
    for name, port in (("round", {"port": 80}), ("numberless", {})):
        meta = {"name": name, "namespace": "default"}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 80}]}}
        address = (await client.create(SERVICES, service))["spec"]["clusterIP"]
        labels = {"kubernetes.io/service-name": name}
        given = {"addressType": "IPv4", "endpoints": [{"addresses": [address]}], "ports": [port]}
        await client.create(SLICES, {"metadata": {**meta, "labels": labels}, **given}, "default")
        assert await says(f"curl http://{name} 2>/dev/null; echo $?") == "7\n"


async def test_odd_addresses(says):
    """Addresses of a link, and what is no number of a port, are told from others."""
    assert await says("nc -z 'fe80::1%a,b' 80; nc -z web ²; echo $?") == (
        "2\nnc: can't connect to remote host (fe80::1): Connection refused\nnc: only -z HOST PORT is emulated\n"
    )


async def test_how_often(says):
    """A line tries the network a number of times, and is given up then."""
    told = await says("nc -z web 80 && " * 70 + "echo done")
    assert told == "sh: a line that does so much is not emulated\n"
