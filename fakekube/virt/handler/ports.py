"""What listens inside a guest: servers somebody has started, SSH on 22 that lets nobody in, HTTP on 80 and 8080, and as
long as nobody has started a server an echo on the ports its spec declares; and what of it is reached from outside: an
interface behind its pod's address passes on the ports that it lists, or all.

Pure: a service is a function from the bytes so far to what it answers.
Origin: kubevirt: pkg/network/setup/masquerade
"""

from collections.abc import Iterator, Mapping

from fakekube.agents.node_server.listening import ECHO, NO_SHELL, SSH, WEB, Said, Service, page, saying
from fakekube.machinery.objects import Obj, dig

__all__ = ["ECHO", "WEB", "Said", "Service", "is_passed_on", "listens", "service"]

_NONE: Mapping[int, str] = {}
_BEHIND = {"masquerade", "passtBinding"}  # how an interface is bound behind its pod's address


def service(
    vmi: Obj, hostname: str, port: int, protocol: str, started: Mapping[int, str] = _NONE
) -> Service | None:
    """What listens on a port, where it is reached; None: the connection is refused. `started`: what servers say, by port."""
    return listens(vmi, hostname, port, protocol, started) if is_passed_on(vmi, port, protocol) else None


def listens(
    vmi: Obj, hostname: str, port: int, protocol: str, started: Mapping[int, str] = _NONE
) -> Service | None:
    """The same for who is inside, or on a network of the guest's own."""
    if protocol == "udp":
        return ECHO
    if port in started:
        return saying(started[port])
    if port == SSH:
        return NO_SHELL
    if port in WEB:
        return page(hostname)
    return ECHO if not started and port in _declared(vmi) else None


def is_passed_on(vmi: Obj, port: int, protocol: str) -> bool:
    """Whether what comes for a port reaches the guest."""
    listed = [one for own in _interfaces(vmi) if own.keys() & _BEHIND for one in own.get("ports") or ()]
    known = {(int(one["port"]), str(one.get("protocol") or "TCP").lower()) for one in listed}
    return not known or (port, protocol) in known


def _declared(vmi: Obj) -> set[int]:
    return {int(one["port"]) for own in _interfaces(vmi) for one in own.get("ports") or ()}


def _interfaces(vmi: Obj) -> Iterator[Obj]:
    yield from dig(vmi, "spec", "domain", "devices", "interfaces", default=())
