"""The question "may this user do that?" as a value, and the authorizer that always agrees.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/authorization/authorizer/interfaces.go
"""

from typing import Protocol

from msgspec import Struct

from fakekube.api.options import boolean, parse_query
from fakekube.api.request_info import RequestInfo
from fakekube.machinery.errors import Forbidden
from fakekube.machinery.wire import Request, User


class Deed(Struct, frozen=True):
    """What somebody wants to do: to a resource, or to a path outside the resources."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""  # only where there is no resource

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Authorizer(Protocol):
    """Decides."""

    def authorize(self, user: User, deed: Deed) -> tuple[bool, str]:
        """(allowed, the reason as reviews show it)."""
        ...


class AlwaysAllow:
    """The default on loopback."""

    def authorize(self, user: User, deed: Deed) -> tuple[bool, str]:  # noqa: ARG002 - nobody is asked
        return True, ""


def deed_of(request: Request, info: RequestInfo) -> Deed:
    """What a request wants to do."""
    if not info.resource:
        return Deed(request.method.lower(), path=request.path)
    verb = info.verb
    if verb == "list" and (
        info.watch or ("watch" in request.query and boolean(parse_query(request.query), "watch"))
    ):
        verb = "watch"
    namespace = "" if info.resource == "namespaces" and not info.group and not info.name else info.namespace
    return Deed(verb, info.group, info.resource, info.subresource, namespace, info.name)


def refusal(user: User, deed: Deed, why: str = "") -> Forbidden:
    """The 403 for a deed that is not allowed."""
    if deed.path:
        return Forbidden(f'forbidden: User "{user.name}" cannot {deed.verb} path "{deed.path}"', details={})
    where = f'in the namespace "{deed.namespace}"' if deed.namespace else "at the cluster scope"
    qualified = f"{deed.resource}.{deed.group}" if deed.group else deed.resource
    subject = f'{qualified} "{deed.name}"' if deed.name else qualified
    said = (
        f'{subject} is forbidden: User "{user.name}" cannot {deed.verb} resource "{deed.full_resource}" in API group '
        f'"{deed.group}" {where}'
    )
    details = {"name": deed.name, "group": deed.group, "kind": deed.resource}
    return Forbidden(
        f"{said}: {why}" if why else said, details={key: one for key, one in details.items() if one}
    )
