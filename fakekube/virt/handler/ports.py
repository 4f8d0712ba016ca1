"""What listens inside a guest: SSH on 22 that lets nobody in, HTTP on 80 and 8080, an echo on the ports its spec declares.

Pure: a service is a function from the bytes so far to what it answers.
"""

from fakekube.agents.node_server.listening import ECHO, NO_SHELL, SSH, WEB, Said, Service, page, saying
from fakekube.machinery.objects import Obj, dig

__all__ = ["ECHO", "WEB", "Said", "Service", "service"]


def service(vmi: Obj, hostname: str, port: int, protocol: str, started: str | None = None) -> Service | None:
    """What listens on a port; None: the connection is refused. `started`: what a server says that somebody has started."""
    if started is not None:
        return saying(started)
    if protocol == "udp":
        return ECHO
    if port == SSH:
        return NO_SHELL
    if port in WEB:
        return page(hostname)
    return ECHO if port in _declared(vmi) else None


def _declared(vmi: Obj) -> set[int]:
    interfaces = dig(vmi, "spec", "domain", "devices", "interfaces", default=())
    return {int(one["port"]) for interface in interfaces for one in interface.get("ports") or ()}
