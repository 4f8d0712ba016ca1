"""Method and path → what is asked of which resource. Pure, and cached: clients repeat themselves.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go
"""

from functools import lru_cache
from urllib.parse import unquote

from msgspec import Struct

from fakekube.machinery.verbs import OF_MANY, VERBS

_OF_NAMESPACES = (
    "status",
    "finalize",
)  # what /api/v1/namespaces/<name>/… means itself, not a namespaced resource


class RequestInfo(Struct, frozen=True):
    """One address. Without `resource` it is discovery, health or nothing we know."""

    verb: str  # create get list update patch delete deletecollection (watch is decided by the query)
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    tail: str = ""  # what follows a connect subresource, as in …/services/s/proxy/a/b
    watch: bool = False  # by the old `/watch/` paths


@lru_cache(maxsize=4096)
def parse(method: str, path: str) -> RequestInfo:
    """Read an address. Never fails: what is not a resource path comes back without `resource`."""
    verb = VERBS.get(method, "")
    whole = unquote(path) if "%" in path else path  # as upstream: an escaped slash is one, too
    parts = whole.split("/")[1:]
    if parts and not parts[-1]:
        parts.pop()
    if len(parts) >= 2 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 3 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return RequestInfo(verb, path)
    watch = bool(rest) and rest[0] == "watch" and len(rest) > 1
    if watch:
        rest = rest[1:]
    namespace = ""
    if len(rest) >= 2 and rest[0] == "namespaces":
        namespace = rest[1]
        if len(rest) > 2 and not (len(rest) == 3 and not group and rest[2] in _OF_NAMESPACES):
            rest = rest[2:]
    if not rest or not all(rest[:2]):
        return RequestInfo(verb, path, group, version)
    resource = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if not name:
        verb = OF_MANY.get(verb, verb)
    return RequestInfo(
        verb, path, group, version, resource, namespace, name, subresource, "/".join(rest[3:]), watch
    )
