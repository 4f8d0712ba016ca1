"""Which Host and Origin may come in. Only a browser can be lured to a loopback port by a foreign page: requests that name
a foreign Host (DNS rebinding) or Origin are refused before anybody else sees them.
"""

import ipaddress
from collections.abc import Iterable

from fakekube.machinery.errors import Forbidden

WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised here, bound only when the user asks
_KNOWN_HOSTS = 256


class Doors:
    """Which Host and Origin may come in: loopback, the bound host, and what the user added."""

    def __init__(self, bound: str, allowed: Iterable[str]) -> None:
        self._names = {bound.lower(), "localhost", *(name.lower() for name in allowed)}
        self._any_address = bound in WILDCARDS
        self._known: dict[str, bool] = {}

    def refusal(self, host: str | None, origin: str | None) -> Forbidden | None:
        """None for a welcome request."""
        if host is not None and not self._welcome(host):
            return Forbidden(
                f"the Host {host!r} is not one this server answers to; use localhost or 127.0.0.1, "
                f"or start it with --allow-host {_host_of(host) or 'NAME'}"
            )
        if origin is not None and not self._welcome(origin.partition("://")[2]):
            return Forbidden(
                f"web pages of {origin!r} may not use this server; "
                f"start it with --allow-host {_host_of(origin.partition('://')[2]) or 'NAME'} to let them"
            )
        return None

    def _welcome(self, host: str) -> bool:
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _KNOWN_HOSTS:
                self._known.clear()
            known = self._known[host] = self._judge(_host_of(host))
        return known

    def _judge(self, name: str) -> bool:
        if name in self._names or name.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self._any_address  # a name can be rebound, a bare address cannot


def _host_of(authority: str) -> str:
    """The host of `host:port`, lower case, IPv6 brackets and the root's dot removed."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower().removesuffix(".")
