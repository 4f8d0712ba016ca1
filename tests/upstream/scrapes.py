"""Prometheus as far as the functional specs need it: samples of KubeVirt's own pods, fetched from inside one of them."""

import re
from urllib.parse import urlencode

import aiohttp

from tests.upstream.conftest import Suite

HERE = "/api/v1/namespaces/kubevirt/pods"
_LINE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[dict[str, str], float]


async def inside(suite: Suite, pod: str, *command: str) -> str:
    """What a command in a container says, as `exec` has it."""
    query = urlencode(
        [("container", "virt-handler"), ("stdout", "true"), *(("command", one) for one in command)]
    )
    url = f"{suite.url}{HERE}/{pod}/exec?{query}"
    said = b""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket,
    ):
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.BINARY
            if message.data[0] == 1:
                said += message.data[1:]
    return said.decode()


async def handlers(suite: Suite) -> list[str]:
    return [one["metadata"]["name"] for one in await suite.items(HERE, "kubevirt.io=virt-handler")]


async def samples(suite: Suite, metric: str, **marks: str) -> list[Sample]:
    """What all of KubeVirt's pods tell under a name, with these labels."""
    asking = (await handlers(suite))[0]
    found: list[Sample] = []
    for pod in await suite.items(HERE, "prometheus.kubevirt.io=true"):
        said = await inside(
            suite, asking, "curl", "-L", "-k", f"https://{pod['status']['podIP']}:8443/metrics"
        )
        for line in said.splitlines():
            parts = _LINE.fullmatch(line)
            if parts is None or parts["name"] != metric:
                continue
            labels = dict(_LABEL.findall(parts["labels"] or ""))
            if labels.items() >= marks.items():
                found.append((labels, float(parts["value"])))
    return found


async def value(suite: Suite, metric: str, **marks: str) -> float | None:
    """The value of the one sample there is; None: there is none."""
    found = await samples(suite, metric, **marks)
    assert len(found) <= 1, found
    return found[0][1] if found else None
