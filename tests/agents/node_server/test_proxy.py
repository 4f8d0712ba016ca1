"""What listens in pods, reached by way of the API server."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import PODS, SERVICES

HERE = "/api/v1/namespaces/default"
WEB = {"name": "web", "image": "nginx", "ports": [{"name": "http", "containerPort": 8080}]}


@pytest.fixture
async def client():
    async with Cluster(only=["kubernetes"], clock=ManualClock()) as cluster:
        client = cluster.client()
        pod = {"metadata": {"name": "p", "labels": {"app": "p"}}, "spec": {"containers": [WEB]}}
        await client.create(PODS, {**pod, "metadata": {**pod["metadata"], "namespace": "default"}})
        ports = [{"name": "web", "port": 80, "targetPort": "http"}]
        meta = {"name": "s", "namespace": "default"}
        await client.create(SERVICES, {"metadata": meta, "spec": {"selector": {"app": "p"}, "ports": ports}})
        await cluster.advance(1)
        yield client


@pytest.mark.parametrize(
    "target", ["pods/p", "pods/p:8080", "pods/http:p:80", "services/s:web", "services/s:80"]
)
async def test_a_page(client, target):
    """The first port a pod declares, or the one that is named; of services by name or number."""
    answer = await client.request("GET", f"{HERE}/{target}/proxy/any/path")
    assert (answer.status, answer.body) == (200, b"Hello from p\n")
    assert answer.content_type == "text/plain"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("pods/p:81", "connect: connection refused"),
        ("pods/https:p:8080", "connect: connection refused"),
        ("services/s:other", 'no endpoints available for service "s"'),
        ("services/s", 'no endpoints available for service "s"'),
    ],
)
async def test_nobody(client, target, said):
    """A port nobody listens on, TLS where there is none, a port the service does not have."""
    with pytest.raises(ApiError) as caught:
        await client.request("GET", f"{HERE}/{target}/proxy/")
    assert caught.value.code == 503
    assert caught.value.message.endswith(said)
