"""Programs by which a guest tries its network: `ping`, `arping`, `nc`, `curl` and `wget`. Pure; no time passes."""

from collections.abc import Callable, Mapping
from urllib.parse import SplitResult

from fakekube.agents.node_server import fetching
from fakekube.agents.node_server.listening import Service
from fakekube.agents.node_server.place import Container, Done, Program, bytes_of, failed, options
from fakekube.machinery import digits
from fakekube.machinery.wire import Response
from fakekube.virt.handler.guest_addresses import MTU
from fakekube.virt.handler.guest_network import Network, is_address

_ICMP, _HEADERS = 8, {4: 20, 6: 40}


def programs(network: Network) -> Mapping[str, Program]:
    """Those of a guest on this network."""

    def at_host(host: str, told: Callable[[str], Done], unknown: Done) -> Done:
        address = network.address(host)
        return told(address) if address else unknown

    def ping(_at: Container, words: list[str], _stdin: str) -> Done:
        given, named = options(words, "cIiMsWwtlpQ")
        host = named[-1] if named else ""
        size, count = _number(given, "s", 56), _number(given, "c", 4)

        def told(address: str) -> Done:
            longest = MTU - _ICMP - _HEADERS[6 if ":" in address else 4]
            if size > longest and given.get("M") == "do":
                return failed(f"ping: local error: message too long, mtu={MTU}")
            came = count if network.answers(address) else 0
            lines = [f"PING {host} ({address}): {size} data bytes"]
            lines += [
                f"{size + _ICMP} bytes from {address}: seq={number} ttl=64 time=0.312 ms"
                for number in range(came)
            ]
            lost = 0 if came else 100
            lines += ["", f"--- {host} ping statistics ---"]
            lines.append(f"{count} packets transmitted, {came} packets received, {lost}% packet loss")
            return Done("".join(f"{line}\n" for line in lines), code=0 if came else 1)

        return at_host(host, told, failed(f"ping: bad address '{host}'"))

    def arping(_at: Container, words: list[str], _stdin: str) -> Done:
        given, named = options(words, "cIsw")
        address = named[-1] if named else ""
        if not is_address(address):
            return failed(f"arping: bad address '{address}'")
        count, found = _number(given, "c", 1), network.is_taken(address)
        came = count if found else 0
        said = f"ARPING {address} on {given.get('I', 'eth0')}\nSent {count} probe(s)\nReceived {came} response(s)\n"
        return Done(said, code=int(found == ("D" in given)))

    def connected(host: str, port: int, protocol: str) -> Service | None:
        address = network.address(host)
        return network.service(address, port, protocol) if address else None

    def nc(_at: Container, words: list[str], stdin: str) -> Done:
        given, named = options(words, "iwpsx")
        port = digits.number(named[1]) if len(named) > 1 else None
        if port is None:
            return failed("nc: a host and a port are needed")
        found = connected(named[0], port, "udp" if "u" in given else "tcp")
        if found is None:
            return failed(f"nc: connect to {named[0]} port {named[1]} (tcp) failed: Connection refused")
        return Done() if "z" in given else Done(_said(found, bytes_of(stdin)).decode(errors="replace"))

    def page(url: SplitResult) -> Response | int:
        """An answer; or what curl ends with."""
        host = url.hostname or ""
        if not is_address(host) and not network.address(host):
            return fetching.UNKNOWN_HOST
        found = connected(host, fetching.port_of(url), "tcp")
        if found is None:
            return fetching.REFUSED
        return fetching.response(_said(found, fetching.request(url))) or fetching.NOT_HTTP

    def curl(_at: Container, words: list[str], _stdin: str) -> Done:
        asked = fetching.curl_of(words)
        came = page(asked.url)
        return asked.failed(came) if isinstance(came, int) else asked.told(came)

    def wget(_at: Container, words: list[str], _stdin: str) -> Done:
        given, named = options(words, "TOtUY", _OF_WGET)
        came = page(fetching.split(named[0] if named else ""))
        if came == fetching.UNKNOWN_HOST:
            return failed("wget: bad address")
        if isinstance(came, int):
            return failed("wget: can't connect to remote host: Connection refused")
        if came.status >= 400:
            return failed(f"wget: server returned error: HTTP/1.1 {came.status}")
        return Done(came.body.decode(errors="replace") if given.get("O") == "-" else "")

    return {"ping": ping, "ping6": ping, "arping": arping, "nc": nc, "ncat": nc, "curl": curl, "wget": wget}


_OF_WGET = ("timeout", "tries", "output-document")


def _number(given: Mapping[str, str], letter: str, usual: int) -> int:
    told = digits.number(given.get(letter, "").strip())
    return usual if told is None else told


def _said(service: Service, asked: bytes) -> bytes:
    return service.greeting + (service.answer(asked).output if asked else b"")
