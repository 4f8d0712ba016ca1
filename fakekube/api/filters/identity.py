"""Who asks: in-process clients say so themselves, certificates have said it, tokens are looked up, impersonation headers change it.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/filters/{authentication,impersonation}.go
"""

from fakekube.api.access.authentication import Authentication
from fakekube.api.access.authorizer import Authorizer, Deed, refusal
from fakekube.machinery.wire import Handler, Request, Response, User


def identity(inner: Handler, authentication: Authentication, authorizer: Authorizer) -> Handler:
    """Set `request.user` where it is not known yet. Raises Unauthorized, Forbidden."""

    async def handle(request: Request) -> Response:
        headers = request.headers
        if request.user is None:
            request.user = authentication.user(headers.get("authorization") or "")
        if headers.get("impersonate-user"):
            request.user = impersonated(request, request.user, authorizer)
        return await inner(request)

    return handle


def impersonated(request: Request, asker: User, authorizer: Authorizer) -> User:
    """The user of the Impersonate-* headers. Raises Forbidden when the asker may not be them."""
    name = request.headers.get("impersonate-user") or ""
    getall = getattr(request.headers, "getall", None)
    found = getall("impersonate-group", ()) if getall else (request.headers.get("impersonate-group") or "",)
    groups = tuple(group for group in found if group)
    for resource, wanted in (("users", (name,)), ("groups", groups)):
        for one in wanted:
            deed = Deed("impersonate", "", resource, name=one)
            allowed, why = authorizer.authorize(asker, deed)
            if not allowed:
                raise refusal(asker, deed, why)
    if name.startswith("system:serviceaccount:") and not groups:
        space = name.split(":")[2]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{space}")
    if name != "system:anonymous" and not {"system:authenticated", "system:unauthenticated"} & set(groups):
        groups += ("system:authenticated",)
    return User(name, groups, request.headers.get("impersonate-uid") or "")
