"""Errors → Status answers. Whatever goes wrong below, a client gets a Status and the server goes on.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters
"""

import logging

from fakekube.api import negotiation
from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.wire import Handler, Request, Response

_log = logging.getLogger(__name__)


def errors(inner: Handler) -> Handler:
    """Wrap `inner` so that it never raises."""

    async def handle(request: Request) -> Response:
        try:
            return await inner(request)
        except ApiError as error:
            return answer(error, request)
        except Exception:  # noqa: BLE001 - the one place where nothing may get through
            _log.exception("%s %s failed", request.method, request.path)
            return answer(
                InternalError(
                    "Internal error occurred: the server met an error of its own; its log holds the traceback",
                    details={"causes": [{"message": "see the server's log"}]},
                ),
                request,
            )

    return handle


def answer(error: ApiError, request: Request) -> Response:
    """The Status, in the media type the client reads."""
    chosen = negotiation.choose(request.headers.get("accept") or "")
    response = negotiation.render(
        error.status(),
        chosen.media if chosen else "json",
        pretty=negotiation.pretty(request),
        status=error.code,
    )
    response.headers += error.headers
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry and not any(name == "Retry-After" for name, _ in response.headers):
        response.headers.append(("Retry-After", str(retry)))
    return response
