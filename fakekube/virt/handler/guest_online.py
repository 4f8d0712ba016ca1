"""Programs by which a guest tries its network: `ping`, `nc`, `curl` and `wget`. Pure; no time passes."""

from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlsplit

from fakekube.agents.node_server.listening import Service
from fakekube.agents.node_server.place import Container, Done, Program, failed
from fakekube.virt.handler.guest_addresses import MTU
from fakekube.virt.handler.guest_network import Network, is_address

_ICMP, _HEADERS = 8, {4: 20, 6: 40}
_PORTS = {"http": 80, "https": 443}


def programs(network: Network) -> Mapping[str, Program]:
    """Those of a guest on this network."""

    def at_host(host: str, told: Callable[[str], Done], unknown: Done) -> Done:
        address = network.address(host)
        return told(address) if address else unknown

    def ping(_at: Container, words: list[str], _stdin: str) -> Done:
        given, named = _options(words, "cIiMsWwtlpQ")
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

    def connected(host: str, port: int, protocol: str) -> Service | None:
        address = network.address(host)
        return network.service(address, port, protocol) if address else None

    def nc(_at: Container, words: list[str], stdin: str) -> Done:
        given, named = _options(words, "iwpsx")
        if len(named) < 2 or not named[1].isdigit():
            return failed("nc: a host and a port are needed")
        found = connected(named[0], int(named[1]), "udp" if "u" in given else "tcp")
        if found is None:
            return failed(f"nc: connect to {named[0]} port {named[1]} (tcp) failed: Connection refused")
        return Done() if "z" in given else Done(_said(found, stdin).decode(errors="replace"))

    def page(url: str) -> tuple[int, str] | int:
        """Status and body; or what curl ends with."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        if not is_address(host) and not network.address(host):
            return 6
        found = connected(host, port, "tcp")
        if found is None:
            return 7
        asked = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
        head, separator, body = _divided(_said(found, asked.encode()).decode(errors="replace"))
        words = head.split()
        if not separator or len(words) < 2 or not words[1].isdigit():
            return 1
        return int(words[1]), body

    def curl(_at: Container, words: list[str], _stdin: str) -> Done:
        given, named = _options(words, "omHXdwA", _OF_CURL)
        url = named[0] if named else ""
        came = page(url)
        if isinstance(came, int):
            return failed(f"curl: ({came}) {_CURL_SAYS[came].format(host=urlsplit(f'//{url}').netloc)}", came)
        status, body = came
        if "f" in given and status >= 400:
            return failed(f"curl: (22) The requested URL returned error: {status}", 22)
        shown = "" if "o" in given or "I" in given else body
        return Done(shown + given.get("w", "").replace("%{http_code}", str(status)).replace("\\n", "\n"))

    def wget(_at: Container, words: list[str], _stdin: str) -> Done:
        given, named = _options(words, "TOtUY", _OF_WGET)
        came = page(named[0] if named else "")
        if isinstance(came, int):
            return failed(
                "wget: can't connect to remote host: Connection refused" if came != 6 else "wget: bad address"
            )
        status, body = came
        if status >= 400:
            return failed(f"wget: server returned error: HTTP/1.1 {status}")
        return Done(body if given.get("O") == "-" else "")

    return {"ping": ping, "ping6": ping, "nc": nc, "ncat": nc, "curl": curl, "wget": wget}


_OF_CURL = (
    "max-time",
    "connect-timeout",
    "retry",
    "retry-delay",
    "output",
    "write-out",
    "header",
    "interface",
)
_OF_WGET = ("timeout", "tries", "output-document")
_CURL_SAYS = {
    1: "Received HTTP/0.9 when not allowed",
    6: "Could not resolve host: {host}",
    7: "Failed to connect to {host}: Connection refused",
}


def _options(
    words: list[str], with_value: str, long: Collection[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Options by their letters, or their names, with the values some of them take; and what is none."""
    given, named = dict[str, str](), list[str]()
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            own, _, value = word[2:].partition("=")
            given[own] = value or (next(rest, "") if own in long else "")
        elif word.startswith("-") and len(word) > 1:
            for place, letter in enumerate(word[1:], 2):
                given[letter] = (word[place:] or next(rest, "")) if letter in with_value else ""
                if letter in with_value:
                    break
        else:
            named.append(word)
    return given, named


def _number(given: Mapping[str, str], letter: str, usual: int) -> int:
    text = given.get(letter, "").strip()
    return int(text) if text.isdigit() else usual


def _said(service: Service, asked: str | bytes) -> bytes:
    data = asked.encode() if isinstance(asked, str) else asked
    return service.greeting + (service.answer(data).output if data else b"")


def _divided(text: str) -> tuple[str, str, str]:
    """Head and body: servers that somebody types break lines as they like."""
    return text.replace("\r\n", "\n").partition("\n\n")
