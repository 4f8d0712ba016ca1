"""May they? Asked before anything is looked up, so that a refusal tells nothing of what is there.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/filters/authorization.go
"""

from fakekube.api import request_info
from fakekube.api.access.authorizer import Authorizer, deed_of, refusal
from fakekube.machinery.wire import Handler, Request, Response


def authorization(inner: Handler, authorizer: Authorizer) -> Handler:
    """Refuse with 403 what the authorizer does not allow."""

    async def handle(request: Request) -> Response:
        assert request.user is not None
        deed = deed_of(request, request_info.parse(request.method, request.path))
        allowed, why = authorizer.authorize(request.user, deed)
        if not allowed:
            raise refusal(request.user, deed, why)
        return await inner(request)

    return handle
