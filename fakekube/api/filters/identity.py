"""Who asks: in-process clients say so, impersonation headers may change it, everybody else is the cluster's admin.

fakekube is open on loopback by default; see the access options for tokens and certificates.
"""

from fakekube.machinery.wire import Handler, Request, Response, User

ADMIN = User("kubernetes-admin", ("kubeadm:cluster-admins", "system:masters", "system:authenticated"))


def identity(inner: Handler) -> Handler:
    """Set `request.user` where it is not known yet."""

    async def handle(request: Request) -> Response:
        if request.user is None:
            request.user = impersonated(request) or ADMIN
        return await inner(request)

    return handle


def impersonated(request: Request) -> User | None:
    """The user of the Impersonate-* headers, if they are there."""
    name = request.headers.get("impersonate-user")
    if not name:
        return None
    getall = getattr(request.headers, "getall", None)
    groups = (
        tuple(getall("impersonate-group", ()))
        if getall
        else (request.headers.get("impersonate-group") or "",)
    )
    groups = tuple(group for group in groups if group)
    if "system:authenticated" not in groups and "system:unauthenticated" not in groups:
        groups += ("system:authenticated",)
    return User(name, groups, request.headers.get("impersonate-uid") or "")
