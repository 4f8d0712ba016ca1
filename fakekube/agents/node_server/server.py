"""The kubelets' own API, for all nodes at once: what the API server dials for logs, exec, attach and port-forward.

    GET  /containerLogs/{namespace}/{pod}/{container}       PodLogOptions in the query
    *    /exec/{namespace}/{pod}/{container}                command, stdin, stdout, stderr, tty
    *    /attach/{namespace}/{pod}/{container}
    *    /portForward/{namespace}/{pod}
    *    /proxy/{namespace}/{pod}/{scheme}:{port}/{path}    what a port of the pod answers to GET; not the kubelet's own: real
                                                            API servers dial pods themselves

The API server has checked what can be checked without a node. `guests` connects to a port of a pod whose work is done
elsewhere, by a virtual machine; it answers None where the pod has no such. `inside` knows what commands find in such a pod,
`written` what they have left in any.
Upstream: k8s: pkg/kubelet/server/server.go
"""

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import SplitResult, parse_qs, unquote

from msgspec.structs import replace

from fakekube.agents import identities
from fakekube.agents.node_server import (
    channels,
    commands,
    fetching,
    forwarding,
    lasting,
    listening,
    logs,
    mounted,
    names,
    online,
)
from fakekube.agents.node_server.commands import Asked
from fakekube.agents.node_server.listening import Serve
from fakekube.agents.node_server.log_reading import LogReading, Query, is_running, true
from fakekube.agents.node_server.sessions import Sessions
from fakekube.agents.node_server.written import Here, Written
from fakekube.client.client import Client
from fakekube.clock import Clock
from fakekube.machinery import digits, objects
from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import BEARER_PROTOCOL, Object, Request, Response, Upgrade, WebSocket

Guests = Callable[[Object, int], Awaitable[Serve | None]]

_SPDY = "spdy/3.1"


async def nobody(_pod: Object, _port: int) -> Serve | None:
    return None


class NodeServer:
    """A Handler; see the module text."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        written: Written,
        guests: Guests = nobody,
        inside: commands.Inside | None = None,
    ) -> None:
        self._client = identities.as_kubelet(client, "fakekube")
        self._clock = clock
        self._guests = guests
        self._inside = inside
        self._written = written
        self._logs = LogReading(self._client, clock, inside)
        self._sessions = Sessions(self._client, clock, self._logs, inside)

    async def __call__(self, request: Request) -> Response:
        what, namespace, name, container = ([*map(unquote, request.path.strip("/").split("/")), ""] * 2)[:4]
        query = parse_qs(request.query, keep_blank_values=True)
        pod = await self._client.find(PODS, name, namespace)
        if pod is None:
            return Response(404, b"pod does not exist\n", "text/plain; charset=utf-8")
        if what == "containerLogs":
            return await self._logs.answer(pod, container, query)
        if what == "portForward":
            return self._forward(request, pod, query)
        if what == "proxy":
            return await self._proxy(request, pod, container)
        if not is_running(pod, container):
            raise InternalError(
                f'Internal error occurred: unable to upgrade connection: container not found ("{container}")'
            )
        return await self._command(request, pod, container, query, attach=what == "attach")

    async def dial(self, pod: Object, port: int) -> Serve | None:
        """How to talk to what listens on a port of the pod; None where nothing does."""
        try:
            found = await self._guests(pod, port)
        except ConnectionRefusedError:
            return None
        if found is not None:
            return found
        service = listening.of_pod(pod, port)
        if service is None or not _runs(pod):
            return None
        return lambda socket: listening.converse(service, socket)

    async def _dial_address(self, address: str, port: int) -> Serve | None:
        """The same for the pod that runs under an address, or behind that of a Service; behind Services that are sent on to others is
        nobody, as nodes translate an address once."""
        pod = await self._pod_at(address)
        if pod is None and (target := await names.behind(self._client, address, port)) is not None:
            pod, port = await self._pod_at(target[0]), target[1]
        return await self.dial(pod, port) if pod is not None else None

    async def _pod_at(self, address: str) -> Object | None:
        found = await self._client.list(PODS, field_selector=f"status.podIP={address},status.phase=Running")
        return found.items[0] if found.items else None

    # --- commands ------------------------------------------------------------------------------------------------

    async def _command(
        self, request: Request, pod: Object, container: str, query: Query, *, attach: bool
    ) -> Response:
        asked = Asked(
            query.get("command") or (),
            stdin=true(query, "stdin") or true(query, "input"),
            tty=true(query, "tty"),
        )
        own = logs.spec_of(pod, container)
        given = await mounted.configuration(self._client, pod, own)
        inside = commands.container_of(pod, container, self._clock.now(), *given)
        if self._inside is not None:
            inside = await self._inside.enter(pod, container, inside)
        claims = await mounted.claims(self._client, pod, own)
        named = partial(names.address, self._client, objects.namespace(pod))
        network = online.Network(named, self._dial_address)
        here = Here(self._written, pod, container, inside, claims=claims, network=network)
        if attach:
            if logs.member_of(pod, container) == "ephemeralContainers":
                asked = replace(asked, words=[*(own.get("command") or ()), *(own.get("args") or ())])
            run = self._sessions.attached(here, asked, pod, container)
        elif asked.words:
            run = self._sessions.executing(here, asked, pod, container)
        else:
            raise ApiError("you must specify at least 1 command", code=400, reason="BadRequest")
        streams = {
            "stdout",
            *(["stdin"] if asked.stdin else ()),
            *(["resize"] if asked.tty else ["stderr"]),
        }
        streams = {one for one in streams if one not in ("stdout", "stderr") or true(query, one)}
        if _upgrade(request) == _SPDY:
            return _spdy(
                _offered(request, channels.SPDY_VERSIONS),
                lambda pipe: channels.over_spdy(pipe, streams, run),
            )
        known = (channels.V5,) if channels.V5 in _protocols(request) else channels.BEFORE_V5
        return _websocket(request, lambda socket: channels.over_websocket(socket, streams, run), known)

    # --- ports ---------------------------------------------------------------------------------------------------

    async def _proxy(self, request: Request, pod: Object, where: str) -> Response:
        scheme, _, port = where.partition(":")
        number = digits.number(port)
        serve = await self.dial(pod, number) if number is not None else None
        tail = request.path.split("/", 5)[5]
        host = objects.dig(pod, "status", "podIP", default="")
        url = SplitResult(scheme, f"{host}:{port}", f"/{tail}", request.query, "")
        answer = await fetching.answer(serve, url) if serve is not None else fetching.REFUSED
        return Response(503, content_type="") if isinstance(answer, int) else answer

    def _forward(self, request: Request, pod: Object, query: Query) -> Response:
        own = objects.uid(pod)

        def dial(port: int) -> Awaitable[Serve | None]:
            return self.dial(pod, port)

        def lasts(serve: Serve) -> Serve:
            async def run(pipe: WebSocket) -> None:
                with contextlib.suppress(lasting.Killed):
                    await lasting.with_pod(self._client, pod, serve(pipe))
                await pipe.close()

            return run

        @lasts
        async def serve(pipe: WebSocket) -> None:
            await forwarding.forward(pipe, dial, own)

        if _upgrade(request) == _SPDY:
            return _spdy(_offered(request, (forwarding.PROTOCOL,)), serve)
        if forwarding.TUNNEL in _protocols(request):
            return _websocket(request, serve, (forwarding.TUNNEL,))
        try:
            ports = forwarding.named(query.get("ports") or ())
        except forwarding.BadPorts as error:
            return Response(400, str(error).encode(), "text/plain; charset=utf-8")
        channelled = partial(forwarding.over_channels, ports=ports, dial=dial, pod_uid=own)
        return _websocket(request, lasts(channelled), forwarding.CHANNELS)


def _websocket(request: Request, serve: Serve, known: tuple[str, ...]) -> Response:
    """A conversation under the first of the client's subprotocols that is known."""
    offered = _protocols(request)
    if not any(one in known for one in offered):
        return Response(403, content_type="")
    return Response(101, upgrade=Upgrade(serve, tuple(one for one in known if one)))


def _protocols(request: Request) -> list[str]:
    """The subprotocols a websocket's client offers."""
    text = request.headers.get("sec-websocket-protocol") or ""
    offered = [one.strip() for one in text.split(",")]
    return [one for one in offered if not one.startswith(BEARER_PROTOCOL)] or [""]


def _spdy(version: str, serve: Serve) -> Response:
    return Response(
        101, headers=[("X-Stream-Protocol-Version", version)], upgrade=Upgrade(serve, raw="SPDY/3.1")
    )


def _offered(request: Request, known: tuple[str, ...]) -> str:
    """The first version we know of those the client offers; it knows what to think of one it did not."""
    text = request.headers.get("x-stream-protocol-version") or ""
    offered = [one.strip() for one in text.split(",")]
    return next((one for one in known if one in offered), known[0])


def _upgrade(request: Request) -> str:
    return (request.headers.get("upgrade") or "").lower()


def _runs(pod: Object) -> bool:
    return bool(objects.dig(pod, "status", "phase") == "Running")
