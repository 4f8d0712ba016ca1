"""Who asks: in-process clients say so themselves, certificates have said it, tokens are looked up, impersonation headers change it.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/filters/{authentication,impersonation}.go
"""

from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import unquote

from fakekube.api.access.authentication import Authentication, bearer, bearer_of_protocols
from fakekube.api.access.authorizer import Authorizer, Deed, refusal
from fakekube.machinery.wire import Handler, Request, Response, User

# The service account that shows this token; None for a token of none. Raises Unauthorized.
Accounts = Callable[[str], Awaitable[User | None]]

_EXTRA = "impersonate-extra-"
_GROUP = "authentication.k8s.io"


def identity(
    inner: Handler, authentication: Authentication, authorizer: Authorizer, accounts: Accounts
) -> Handler:
    """Set `request.user` where it is not known yet. Raises Unauthorized, Forbidden."""

    async def handle(request: Request) -> Response:
        headers = request.headers
        if request.user is None:
            token = bearer(headers.get("authorization") or "")
            if not token and "sec-websocket-protocol" in headers:
                token = bearer_of_protocols(headers["sec-websocket-protocol"])
            request.user = await _owner(token) if token else authentication.user("")
        if "impersonate-user" in headers or "impersonate-group" in headers or "impersonate-uid" in headers:
            if not headers.get("impersonate-user"):
                return _nobody(request)
            request.user = impersonated(request, request.user, authorizer)
        return await inner(request)

    async def _owner(token: str) -> User:
        if token in authentication.tokens:
            return authentication.tokens[token]
        return await accounts(token) or authentication.user(token)

    return handle


def _nobody(request: Request) -> Response:
    """Groups and the like without a user are somebody's mistake, and the real server calls it its own."""
    where = f"{request.path}?{request.query}" if request.query else request.path
    wanted = " ".join(
        [f"{{Group  {one}    }}" for one in _groups(request)]
        + [f"{{UID  {one}  {_GROUP}/v1  }}" for one in (request.headers.get("impersonate-uid"),) if one]
    )
    said = f'Internal Server Error: "{where}": requested [{wanted}] without impersonating a user name\n'
    return Response(500, said.encode(), "text/plain; charset=utf-8")


def impersonated(request: Request, asker: User, authorizer: Authorizer) -> User:
    """The user of the Impersonate-* headers. Raises Forbidden when the asker may not be them."""
    name = request.headers.get("impersonate-user") or ""
    uid = request.headers.get("impersonate-uid") or ""
    groups = tuple(_groups(request))
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in _extras(request):
        extra[key] = (*extra.get(key, ()), value)
    account = name.split(":") if name.startswith("system:serviceaccount:") and name.count(":") == 3 else None
    deeds = [
        Deed("impersonate", "", "serviceaccounts", namespace=account[2], name=account[3])
        if account
        else Deed("impersonate", "", "users", name=name),
        *(Deed("impersonate", "", "groups", name=one) for one in groups),
        *(
            Deed("impersonate", _GROUP, "userextras", key, name=one)
            for key, many in extra.items()
            for one in many
        ),
        *([Deed("impersonate", _GROUP, "uids", name=uid)] if uid else []),
    ]
    for deed in deeds:
        allowed, why = authorizer.authorize(asker, deed)
        if not allowed:
            raise refusal(asker, deed, why)
    if account and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[2]}")
    if not {"system:authenticated", "system:unauthenticated"} & set(groups):
        groups += ("system:unauthenticated" if name == "system:anonymous" else "system:authenticated",)
    return User(name, groups, uid, extra)


def _groups(request: Request) -> list[str]:
    getall = getattr(request.headers, "getall", None)
    name = "impersonate-group"
    found = getall(name, ()) if getall else (request.headers.get(name) or "",)
    return [group for group in found if group]


def _extras(request: Request) -> Iterator[tuple[str, str]]:
    for name, value in request.headers.items():
        if name.lower().startswith(_EXTRA):
            yield unquote(name[len(_EXTRA) :]).lower(), value
