"""Programs by which containers try the network: `curl`, `wget`, `nc -z` and `nslookup`. Guests have their own.

Upstream: the texts are curl's, and of the others BusyBox's
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import SplitResult

from msgspec import Struct
from msgspec.structs import replace

from fakekube.agents.node_server import fetching
from fakekube.agents.node_server.budgets import Exhausted
from fakekube.agents.node_server.listening import Serve
from fakekube.agents.node_server.place import Container, Done, Program, failed, number, options
from fakekube.clock import RealClock
from fakekube.machinery.wire import Response

T = TypeVar("T")
Try = Callable[[Container, Sequence[str]], Awaitable[Done]]

_MACHINE = RealClock()
_MOST_ASKED = 64  # times in one line, which is played anew each time
_DNS = "10.96.0.10"
_OF_WGET = ("output-document", "timeout", "tries")
_FAILURE = 400


class Network(Struct, frozen=True):
    """What there is of it for a container: `named` tells the address of a name, `dial` connects to what listens at an address and a
    port; None where nobody is so called, and nothing listens."""

    named: Callable[[str], Awaitable[str | None]]
    dial: Callable[[str, int], Awaitable[Serve | None]]

    async def address(self, at: Container, host: str) -> str | None:
        """Of a name, first by `/etc/hosts`."""
        lines = [line.partition("#")[0].split() for line in at.files.get("/etc/hosts", "").splitlines()]
        found = next((line[0] for line in lines if host in line[1:]), host)
        try:
            return str(ip_address(found)).partition("%")[0]  # of a link there is only one
        except ValueError:
            return await self.named(found)

    async def page(self, at: Container, url: SplitResult, header: str = "") -> Response | int:
        """An answer; or what curl ends with."""
        if not url.hostname or not fetching.port_of(url):
            return fetching.MALFORMED
        address = await self.address(at, url.hostname)
        if address is None:
            return fetching.UNKNOWN_HOST
        serve = await self.dial(address, fetching.port_of(url))
        return fetching.REFUSED if serve is None else await fetching.answer(serve, url, header)

    async def curl(self, at: Container, words: Sequence[str]) -> Done:
        asked = fetching.curl_of(words)
        came = await self.page(at, asked.url, asked.header)
        return asked.failed(came) if isinstance(came, int) else asked.told(came)

    async def wget(self, at: Container, words: Sequence[str]) -> Done:
        given, named = options(words, "TOtUY", _OF_WGET)
        url = fetching.split(named[0] if named else "")
        came = await self.page(at, url)
        if came in (fetching.MALFORMED, fetching.UNKNOWN_HOST):
            return failed(f"wget: bad address '{url.hostname or ''}'")
        if came == fetching.REFUSED:
            address = await self.address(at, url.hostname or "")
            return failed(f"wget: can't connect to remote host ({address}): Connection refused")
        if isinstance(came, int):
            return failed("wget: error getting response")
        if came.status >= _FAILURE:
            return failed(f"wget: server returned error: HTTP/1.1 {came.status}")
        target = given.get("O") or given.get("output-document") or url.path.rpartition("/")[2] or "index.html"
        body = came.body.decode(errors="replace")
        if "spider" in given:
            return Done()
        return Done(body) if target == "-" else Done(wrote={target: body})

    async def nc(self, at: Container, words: Sequence[str]) -> Done:
        given, named = options(words, "iwpsx")
        port = number(named[1]) if len(named) > 1 else None
        if "z" not in given or port is None:
            return failed("nc: only -z HOST PORT is emulated", 2)
        address = await self.address(at, named[0])
        if address is None:
            return failed(f"nc: bad address '{named[0]}'")
        if await self.dial(address, port) is None:
            return failed(f"nc: can't connect to remote host ({address}): Connection refused")
        return Done(err=f"{named[0]} ({address}:{named[1]}) open\n" if "v" in given else "")

    async def nslookup(self, at: Container, words: Sequence[str]) -> Done:
        host = next((word for word in words if not word.startswith("-")), "")
        address = await self.address(at, host) if host else None
        server = f"Server:\t\t{_DNS}\nAddress:\t{_DNS}:53\n\n"
        if address is None:
            return Done(f"{server}** server can't find {host}: NXDOMAIN\n\n", code=1)
        return Done(f"{server}Name:\t{host}\nAddress: {address}\n\n")


class _Asks(Exception):
    """A program waits for an answer."""


async def played(now: Callable[[], Container], run: Callable[[Container], T], network: Network) -> T:
    """What comes of commands that use the network. Whoever waits for an answer begins anew once it is there, with what is in the place
    by then: nothing has happened before the last one is. Others have their turn before each."""
    tries: Mapping[str, Try] = {
        "curl": network.curl,
        "nc": network.nc,
        "nslookup": network.nslookup,
        "wget": network.wget,
    }
    answers = list[Done]()
    while True:
        await _MACHINE.sleep(0)
        left = iter(answers)

        def answered(own: Try, at: Container, words: list[str], _stdin: str) -> Done:
            found = next(left, None)  # noqa: B023 - not called later
            if found is None:
                if len(answers) >= _MOST_ASKED:
                    raise Exhausted
                raise _Asks(own(at, words))
            return found

        asking: dict[str, Program] = {name: partial(answered, own) for name, own in tries.items()}
        try:
            at = now()
            return run(replace(at, programs={**asking, **at.programs}))
        except _Asks as asks:
            answers.append(await asks.args[0])
