"""KubeVirt's own pods as Prometheus and others find them: their samples, fetched from inside one of them, and their certificates."""

import asyncio
import re
import ssl
from urllib.parse import urlencode

import aiohttp

from fakekube.virt.operator import health
from tests.upstream.conftest import Object, Suite

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


class _Wire:
    """A conversation with what listens on a port of a pod."""

    subprotocol = ""

    def __init__(self) -> None:
        self.there: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.here: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def receive(self) -> bytes | None:
        return await self.there.get()

    async def send(self, data: bytes | str) -> None:
        self.here.put_nowait(data.encode() if isinstance(data, str) else data)

    async def close(self, code: int = 1000) -> None:
        del code
        self.here.put_nowait(None)


async def certificate(suite: Suite, pod: Object, port: int) -> bytes:
    """What is shown to a client that begins to speak TLS there, in DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    came, due, wire = ssl.MemoryBIO(), ssl.MemoryBIO(), _Wire()
    client = context.wrap_bio(came, due)
    serve = health.of_pod(pod, port, suite.cluster.client())
    assert serve is not None
    serving = asyncio.ensure_future(serve(wire))
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            wire.there.put_nowait(due.read())
            came.write(await wire.here.get() or b"")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return client.getpeercert(binary_form=True) or b""
