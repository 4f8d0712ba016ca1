"""The real server's words for what a fault pretends has happened.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go; where the server refuses before it has looked at
the request, plain text: staging/src/k8s.io/apiserver/pkg/server/filters/maxinflight.go
"""

from collections.abc import Callable, Mapping

from fakekube.api.filters.errors import answer
from fakekube.machinery import errors
from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Request, Response
from fakekube.traffic.seen import Seen

_PLAIN = "text/plain; charset=utf-8"
_TOO_MANY = "Too many requests, please try again later."


def response(status: int, message: str, retry_after: int, one: Seen, request: Request) -> Response:
    """The refusal with this status, in the media type the client reads."""
    if status == 429:
        headers = [("Retry-After", str(retry_after)), ("X-Content-Type-Options", "nosniff")]
        return Response(429, f"{message or _TOO_MANY}\n".encode(), _PLAIN, headers)
    error = _ERRORS[status](message, one)
    if status in (500, 503, 504) and retry_after > 1:
        error.details = {**(error.details or {}), "retryAfterSeconds": retry_after}
    return answer(error, request)


def _conflict(message: str, one: Seen) -> ApiError:
    if one.verb == "create":
        return errors.already_exists(one.resource, one.group, one.name)
    return errors.conflict(one.resource, one.group, one.name, message or errors.MODIFIED)


def _forbidden(message: str, one: Seen) -> ApiError:
    what = errors.qualified(one.resource, one.group).partition(".")[0]
    where = f' in the namespace "{one.namespace}"' if one.namespace else " at the cluster scope"
    why = f'User "{one.user}" cannot {one.verb} resource "{what}" in API group "{one.group}"{where}'
    return errors.forbidden(one.resource, one.group, one.name, message or why)


def _timeout(message: str, _: Seen) -> ApiError:
    said = message or "request did not complete within requested timeout - context deadline exceeded"
    return errors.Timeout(f"Timeout: {said}", details={})


_ERRORS: Mapping[int, Callable[[str, Seen], ApiError]] = {
    400: lambda said, _: errors.BadRequest(said or "the body of the request was in an unknown format"),
    401: lambda said, _: errors.Unauthorized(said or "Unauthorized"),
    403: _forbidden,
    404: lambda _, one: errors.not_found(one.resource, one.group, one.name),
    409: _conflict,
    410: lambda said, _: errors.Expired(said or "The provided continue parameter is too old"),
    422: lambda said, one: (
        errors.invalid(one.resource, one.group, one.name, []) if not said else errors.Invalid(said)
    ),
    500: lambda said, _: ApiError(said or "etcdserver: leader changed", code=500),
    502: lambda said, _: ApiError(said or "bad gateway", code=502),
    503: lambda said, _: ApiError(
        said or "the server is currently unable to handle the request", code=503, reason="ServiceUnavailable"
    ),
    504: _timeout,
}
