"""Services that listen somewhere else: a program of one's own answers for them."""

import json

import pytest

from fakekube.cli.mistakes import Mistake
from fakekube.cli.running import _service
from fakekube.cluster import Cluster
from fakekube.machinery.resources import VALIDATING_WEBHOOKS
from fakekube.machinery.wire import Request, Response
from fakekube.server import Server


async def echo(request: Request) -> Response:
    seen = {"method": request.method, "path": request.path, "body": request.body.decode()}
    return Response(body=json.dumps(seen).encode())


async def test_the_proxy_of_a_service_leads_to_its_address() -> None:
    """What goes to the proxy of a Service arrives where it is said to listen, path and body as they are."""
    async with Server(echo) as elsewhere:
        services = {("default", "echo"): elsewhere.url}
        async with Cluster(only=["api"], services=services) as cluster:
            ports = [{"port": 80}]
            await cluster.apply(
                [
                    {
                        "apiVersion": "v1",
                        "kind": "Service",
                        "metadata": {"name": "echo"},
                        "spec": {"ports": ports},
                    }
                ]
            )
            proxy = "/api/v1/namespaces/default/services/http:echo:80/proxy"
            answer = await cluster.client().request("POST", f"{proxy}/a/b", body={"c": 1})
            assert json.loads(answer.body) == {"method": "POST", "path": "/a/b", "body": '{"c":1}'}


async def test_a_virt_api_of_ones_own_gets_its_webhooks() -> None:
    """Without our virt-api nothing is sent to one, unless somebody answers for it elsewhere."""

    async def names(**settings: object) -> set[str]:
        async with Cluster(only=["virt-operator"], **settings) as cluster:
            found = await cluster.client().list(VALIDATING_WEBHOOKS)
            return {one["metadata"]["name"] for one in found.items}

    assert "virt-api-validator" not in await names()
    address = {("kubevirt", "virt-api"): "http://127.0.0.1:1"}
    assert "virt-api-validator" in await names(services=address)


def test_addresses_on_the_command_line() -> None:
    """NAMESPACE/NAME=URL is taken apart; anything else is refused with an example."""
    assert _service("kubevirt/virt-api=https://127.0.0.1:8443/") == (
        ("kubevirt", "virt-api"),
        "https://127.0.0.1:8443",
    )
    for text in ("virt-api=http://x", "a/b", "a/b=ftp://x", "a/b/c=http://x", "=http://x"):
        with pytest.raises(Mistake, match="expected NAMESPACE/NAME=URL"):
            _service(text)
