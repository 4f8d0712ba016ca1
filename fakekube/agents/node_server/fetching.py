"""One GET of what listens on a port: for `curl` as containers have it, which finds pods by their addresses, and for the API server's
proxy; guests have their own ways to what listens, and the same `curl`. Certificates are not judged.

Nothing beyond the cluster is asked, and redirections lead nowhere.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents.node_server import place
from fakekube.agents.node_server.budgets import Exhausted
from fakekube.agents.node_server.listening import Serve
from fakekube.agents.node_server.place import Container, Done
from fakekube.agents.node_server.secured import Secured
from fakekube.clock import RealClock
from fakekube.machinery.wire import Response, WebSocket

T = TypeVar("T")
_MACHINE = RealClock()
_MOST_ASKED = 64  # times in one line, which is played anew each time
Dial = Callable[[str, int], Awaitable[Serve | None]]  # address and port

_PORTS = {"http": 80, "https": 443}
_END = re.compile(rb"\r?\n\r?\n")
_NOWHERE = urlsplit("")
_FAILURE = 400
_MALFORMED, UNKNOWN_HOST, REFUSED, _EMPTY, NOT_HTTP = 3, 6, 7, 52, 1  # what curl ends with
_SAYS = {
    NOT_HTTP: "Received HTTP/0.9 when not allowed",
    _MALFORMED: "URL rejected: Malformed input to a URL function",
    UNKNOWN_HOST: "Could not resolve host: {host}",
    REFUSED: "Failed to connect to {host} port {port}: Connection refused",
    _EMPTY: "Empty reply from server",
}
_VALUED = (
    "cacert",
    "cert",
    "connect-timeout",
    "data",
    "header",
    "interface",
    "key",
    "max-time",
    "output",
    "request",
    "retry",
    "retry-delay",
    "user",
    "write-out",
)


class _End(Struct, eq=False):
    """One end of a connection within this process."""

    coming: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    going: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    subprotocol: str = ""

    async def send(self, data: bytes | str) -> None:
        self.going.put_nowait(data.encode() if isinstance(data, str) else data)

    async def receive(self) -> bytes | str | None:
        data = await self.coming.get()
        if data is None:
            self.coming.put_nowait(None)  # who has gone has gone
        return data

    async def close(self, code: int = 1000) -> None:
        del code
        self.going.put_nowait(None)


class Curl(Struct, frozen=True):
    """What `curl` is asked for. Of its options those make a difference that say what is to be shown, and what has failed."""

    url: SplitResult
    options: Mapping[str, str] = {}

    @property
    def port(self) -> int:
        return port_of(self.url)

    def told(self, answer: Response) -> Done:
        """What it says of an answer."""
        if "f" in self.options and answer.status >= _FAILURE:
            return place.failed(f"curl: (22) The requested URL returned error: {answer.status}", 22)
        body = answer.body.decode(errors="replace")
        target = self.options.get("o") or self.options.get("output") or ""
        form = self.options.get("w") or self.options.get("write-out") or ""
        shown = "" if target or "I" in self.options else body
        kept = {target: body} if target and not target.startswith("/dev/") else {}
        end = form.replace("%{http_code}", str(answer.status)).replace("\\n", "\n")
        return Done(shown + end, wrote=kept)

    def failed(self, code: int) -> Done:
        return place.failed(
            f"curl: ({code}) {_SAYS[code].format(host=self.url.hostname, port=self.port)}", code
        )


def curl_of(words: Sequence[str]) -> Curl:
    """What the words of a command ask for."""
    options, named = place.options(words, "AbdEHmouwX", _VALUED)
    url = next((one for one in named if "://" in one), (named or [""])[0])
    return Curl(split(url), options)


def split(url: str) -> SplitResult:
    """The parts of an address, as `curl` and `wget` guess them; of what is none, none."""
    try:
        found = urlsplit(url if "://" in url or not url else f"http://{url}")
        port = found.port
    except ValueError:
        return _NOWHERE
    return found if port != 0 else _NOWHERE


def port_of(url: SplitResult) -> int:
    return url.port or _PORTS.get(url.scheme, 0)


async def curl(at: Container, words: Sequence[str], dial: Dial) -> Done:
    """What the command says in a container."""
    asked = curl_of(words)
    host = asked.url.hostname
    if not host or not asked.port:
        return asked.failed(_MALFORMED)
    address = _address(host, at.files.get("/etc/hosts", ""))
    if address is None:
        return asked.failed(UNKNOWN_HOST)
    serve = await dial(address, asked.port)
    if serve is None:
        return asked.failed(REFUSED)
    answer = response(data := await _said(serve, request(asked.url), secure=asked.url.scheme == "https"))
    return asked.told(answer) if answer is not None else asked.failed(NOT_HTTP if data else _EMPTY)


def _address(host: str, hosts: str) -> str | None:
    """Where a name leads, by `/etc/hosts`: no other names are known here."""
    lines = [line.partition("#")[0].split() for line in hosts.splitlines()]
    found = next((line[0] for line in lines if host in line[1:]), host)
    try:
        return str(ip_address(found))
    except ValueError:
        return None


class _Asks(Exception):
    """A program waits for an answer."""


async def played(now: Callable[[], Container], run: Callable[[Container], T], dial: Dial) -> T:
    """What comes of commands that use `curl`. Whoever waits for an answer begins anew once it is there, with what is in the place by
    then: nothing has happened before the last one is. Others have their turn before each."""
    answers = list[Done]()
    while True:
        await _MACHINE.sleep(0)
        left = iter(answers)

        def answered(at: Container, words: list[str], _stdin: str) -> Done:
            found = next(left, None)  # noqa: B023 - not called later
            if found is None:
                if len(answers) >= _MOST_ASKED:
                    raise Exhausted
                raise _Asks(at, words)
            return found

        try:
            at = now()
            return run(replace(at, programs={"curl": answered, **at.programs}))
        except _Asks as asks:
            at, words = asks.args
            answers.append(await curl(at, words, dial))


async def fetched(serve: Serve, url: SplitResult) -> Response | None:
    """What is answered; None: nothing that is HTTP."""
    return response(await _said(serve, request(url), secure=url.scheme == "https"))


def request(url: SplitResult) -> bytes:
    """A GET, as it is sent."""
    path = url.path or "/"
    asked = f"{path}?{url.query}" if url.query else path
    return f"GET {asked} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()


def response(answer: bytes) -> Response | None:
    """An answer as it came; None: it is no HTTP. Servers that somebody types break lines as they like."""
    head, *bodies = _END.split(answer, maxsplit=1)
    status, *headers = head.decode(errors="replace").splitlines() or [""]
    words = status.split(" ")
    if not bodies or len(words) < 2 or not words[1].isdigit():
        return None
    kinds = [one.partition(":")[2].strip() for one in headers if one.lower().startswith("content-type:")]
    return Response(int(words[1]), bodies[0], kinds[0] if kinds else "")


async def _said(serve: Serve, request: bytes, *, secure: bool) -> bytes:
    near, far = _End(), _End()
    far.coming, far.going = near.going, near.coming
    serving = asyncio.ensure_future(serve(far))
    serving.add_done_callback(lambda _: near.coming.put_nowait(None))
    socket: WebSocket = Secured(near, _trusting(), server_side=False) if secure else near
    answer = b""
    try:
        await socket.send(request)
        while data := await socket.receive():
            answer += data.encode() if isinstance(data, str) else data
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    return answer


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
