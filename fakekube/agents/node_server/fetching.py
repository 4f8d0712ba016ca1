"""One GET of what listens on a port: for `curl` and `wget` as containers have them (`online`), and for the API server's proxy; guests
have their own ways to what listens, and the same `curl`. Certificates are not judged.

Nothing beyond the cluster is asked, and redirections lead nowhere. What is too large for a container may only be so because of the
zeros it ends with, as disks are (`sparse`).
"""

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct, field

from fakekube.agents.node_server import place, sparse
from fakekube.agents.node_server.listening import Serve
from fakekube.agents.node_server.place import Done, text_of
from fakekube.agents.node_server.secured import Secured
from fakekube.agents.node_server.sparse import TooLargeError
from fakekube.machinery import digits
from fakekube.machinery.wire import Response, WebSocket

_PORTS = {"http": 80, "https": 443}
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")  # its size, and what else is said of it
_END = re.compile(rb"\r?\n\r?\n")
_NOWHERE = urlsplit("")
_FAILURE = 400
MALFORMED, UNKNOWN_HOST, REFUSED, EMPTY, NOT_HTTP, TOO_LARGE = 3, 6, 7, 52, 1, 23  # what curl ends with
_AHEAD = 4  # messages nobody has read yet
_SHOWS = ("/dev/null", "/dev/stdout", "/dev/stderr")
_SAYS = {
    NOT_HTTP: "Received HTTP/0.9 when not allowed",
    MALFORMED: "URL rejected: Malformed input to a URL function",
    UNKNOWN_HOST: "Could not resolve host: {host}",
    REFUSED: "Failed to connect to {host} port {port}: Connection refused",
    EMPTY: "Empty reply from server",
    TOO_LARGE: "Failure writing output to destination",
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
        if self.going.qsize() > _AHEAD:
            await self.going.join()  # until it has been read: it may be more than there is memory for

    async def receive(self) -> bytes | str | None:
        data = await self.coming.get()
        self.coming.task_done()
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

    @property
    def header(self) -> str:
        return self.options.get("H") or self.options.get("header") or ""

    def told(self, answer: Response) -> Done:
        """What it says of an answer."""
        if "f" in self.options and answer.status >= _FAILURE:
            return self._complaint(22, f"The requested URL returned error: {answer.status}")
        body = text_of(sparse.kept(answer.body, len(answer.body)))
        target = self.options.get("o") or self.options.get("output") or ""
        form = self.options.get("w") or self.options.get("write-out") or ""
        shown = "" if target or "I" in self.options else body
        kept = {target: body} if target and target not in _SHOWS else {}
        end = form.replace("%{http_code}", str(answer.status)).replace("\\n", "\n")
        return Done(shown + end, wrote=kept)

    def failed(self, code: int) -> Done:
        return self._complaint(code, _SAYS[code].format(host=self.url.hostname, port=self.port))

    def _complaint(self, code: int, text: str) -> Done:
        """Silent ones end with their code alone, unless errors are asked for."""
        asked = self.options.keys()
        silent = asked & {"s", "silent"} and not asked & {"S", "show-error"}
        return Done(code=code) if silent else place.failed(f"curl: ({code}) {text}", code)


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


async def answer(serve: Serve, url: SplitResult, header: str = "") -> Response | int:
    """What is answered; or what curl ends with where that is nothing, no HTTP, or too much."""
    try:
        data = await _said(serve, request(url, header), secure=url.scheme == "https")
    except TooLargeError:
        return TOO_LARGE
    return response(data) or (NOT_HTTP if data else EMPTY)


def request(url: SplitResult, header: str = "") -> bytes:
    """A GET, as it is sent; with one more header."""
    path = url.path or "/"
    asked = f"{path}?{url.query}" if url.query else path
    own = [header] if ":" in header else []
    accepts = [] if header.lower().startswith("accept:") else ["Accept: */*"]
    lines = [f"GET {asked} HTTP/1.1", f"Host: {url.netloc}", *accepts, *own, "Connection: close"]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode(errors="surrogateescape")


def response(answer: bytes) -> Response | None:
    """An answer as it came; None: it is no HTTP. Servers that somebody types break lines as they like."""
    head, *bodies = _END.split(answer, maxsplit=1)
    status, *headers = head.decode(errors="replace").splitlines() or [""]
    words = status.split(" ")
    code = digits.number(words[1]) if bodies and len(words) > 1 else None
    if code is None:
        return None
    named = {own.lower(): value.strip() for own, _, value in (one.partition(":") for one in headers)}
    body = _joined(bodies[0]) if named.get("transfer-encoding") == "chunked" else bodies[0]
    return Response(code, body, named.get("content-type", ""))


def _joined(data: bytes) -> bytes:
    """A body out of its chunks, as far as it came."""
    found, at = list[bytes](), 0
    while (line := _CHUNK.match(data, at)) is not None:
        end = line.end() + int(line[1], 16)
        found.append(data[line.end() : end])
        at = end + 2
    return b"".join(found)


async def _said(serve: Serve, request: bytes, *, secure: bool) -> bytes:
    near, far = _End(), _End()
    far.coming, far.going = near.going, near.coming
    serving = asyncio.ensure_future(serve(far))
    serving.add_done_callback(lambda _: near.coming.put_nowait(None))
    socket: WebSocket = Secured(near, _trusting(), server_side=False) if secure else near
    answer = sparse.Data()
    try:
        await socket.send(request)
        while data := await socket.receive():
            answer.add(data.encode() if isinstance(data, str) else data)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    return answer.whole()


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
