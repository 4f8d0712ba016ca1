"""Asking a webhook: where it is, how long it may take, and how a failure reads.

In process or over the network, a webhook is a Handler. The texts are those of Go's HTTP client.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/util/webhook/{client,error}.go; go: net/dial.go, crypto/tls
"""

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Coroutine, Generator, Mapping
from types import coroutine
from typing import Any, TypeVar

import orjson
from msgspec import Struct

from fakekube.api.services import Services
from fakekube.machinery.errors import ApiError
from fakekube.machinery.reviews import Answer, Question, Reviewer
from fakekube.machinery.wire import Handler, Request, User

T = TypeVar("T")

_API_SERVER = User("system:apiserver", ("system:masters",))
_HEADERS = {
    "content-type": "application/json",
    "accept": "application/json, */*",
    "user-agent": "kube-apiserver-admission",
}


class CallFailed(Exception):
    """Nobody answered, or refused to listen."""


class Endpoint(Struct, frozen=True):
    """What a `clientConfig` says."""

    namespace: str
    service: str
    base: str  # scheme, host and port, as in error texts
    path: str
    bundle: str

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Endpoint":
        """Read a clientConfig of a webhook, or of a CRD's conversion: both are alike."""
        bundle = str(config.get("caBundle") or "")
        service = config.get("service")
        if service:
            namespace, name = str(service.get("namespace") or ""), str(service.get("name") or "")
            base = f"https://{name}.{namespace}.svc:{service.get('port') or 443}"
            path = str(service.get("path") or "/")
            return cls(namespace, name, base, path if path.startswith("/") else f"/{path}", bundle)
        scheme, _, rest = str(config.get("url") or "").partition("://")
        host, slash, path = rest.partition("/")
        return cls("", "", f"{scheme}://{host}", f"{slash or '/'}{path}", bundle)

    def handler(self, services: Services) -> Handler:
        """Raises CallFailed."""
        if self.service:
            found = services.find(self.namespace, self.service, self.bundle)
            if found is None:
                raise CallFailed(f'service "{self.service}" not found')
            return found
        found = services.url(self.base, self.bundle)
        if found is None:
            raise CallFailed(
                f"dial tcp: {self.base.partition('://')[2]}: this server does not use the network"
            )
        return found


async def ask(services: Services, endpoint: Endpoint, question: Question, *, seconds: float) -> Answer | None:
    """What a webhook of this process says, None when the one at this address has to be sent a review. Raises CallFailed."""
    reviewer: Reviewer | None = services.reviewer(endpoint.namespace, endpoint.service)
    if reviewer is None:
        return None
    try:
        return await _within(seconds, reviewer.review(endpoint.path, question))
    except TimeoutError as error:
        raise CallFailed(
            f'Post "{endpoint.base}{endpoint.path}?timeout={seconds:g}s": {_said(error, endpoint)}'
        ) from None
    except ApiError as error:
        raise CallFailed(error.message) from None


async def _within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What comes of `work`, which may take so long. Most of it never waits, and is spared the timer. Raises TimeoutError."""
    try:
        awaited = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _rest(work, awaited)


@coroutine
def _rest(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """A coroutine that waits for something, to its end: what `await` would do, had it not begun."""
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - cancellations too are the work's own business
                awaited = work.throw(error)
            else:
                awaited = work.send(sent)
    except StopIteration as done:
        result: T = done.value
        return result


async def post(services: Services, endpoint: Endpoint, review: Any, *, seconds: float) -> bytes:
    """Send a review, and read the body of a good answer. Raises CallFailed."""
    query = f"timeout={seconds:g}s"
    body = orjson.dumps(review)
    request = Request("POST", endpoint.path, query, _HEADERS, body, _API_SERVER)
    try:
        handler = endpoint.handler(services)
        async with asyncio.timeout(seconds):
            answer = await handler(request)
    except (CallFailed, TimeoutError, OSError, ApiError) as error:
        where = f'Post "{endpoint.base}{endpoint.path}?{query}": '
        if isinstance(error, ApiError) and error.__cause__ is None:
            raise CallFailed(error.message) from None  # an answer of a handler in this process
        raise CallFailed(where + _said(error, endpoint)) from None
    if not 200 <= answer.status < 300:
        raise CallFailed(_refused(answer.status, answer.body))
    return answer.body


def _said(error: BaseException, endpoint: Endpoint) -> str:
    """A failure to connect as Go words it."""
    if isinstance(error, CallFailed):
        return str(error)
    if isinstance(error, TimeoutError):
        return "context deadline exceeded"
    cause = error.__cause__ or error
    inner = getattr(cause, "certificate_error", None) or getattr(cause, "os_error", None) or cause
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {_certificate(inner)}"
    if isinstance(inner, ssl.SSLError):
        return (
            "http: server gave HTTP response to HTTPS client"
            if "WRONG_VERSION" in str(inner)
            else f"tls: {inner.reason}"
        )
    host = endpoint.base.partition("://")[2]
    if isinstance(inner, TimeoutError):
        return "context deadline exceeded"
    if isinstance(inner, socket.gaierror):
        return f"dial tcp: lookup {host.rpartition(':')[0] or host}: no such host"
    found = _CONNECT.search(str(inner))
    address = f"{found[1]}:{found[2]}" if found else host if ":" in host else f"{host}:443"
    number = getattr(inner, "errno", None) or 0
    if found or number in _CONNECT_ERRORS:
        return f"dial tcp {address}: connect: {_CONNECT_ERRORS.get(number, 'connection refused')}"
    return "EOF"


_CONNECT = re.compile(r"Connect call failed \('([^']+)', (\d+)")
_CONNECT_ERRORS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "network is unreachable",
    errno.EHOSTUNREACH: "no route to host",
    errno.ETIMEDOUT: "connection timed out",
}


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    text = error.verify_message
    if "expired" in text or "not yet valid" in text:
        return "certificate has expired or is not yet valid"
    if "mismatch" in text or "not valid for" in text:
        wanted = re.search(r"for '([^']+)'", text)
        return f"certificate is not valid for any names, but wanted to match {wanted[1] if wanted else 'the host'}"
    return "certificate signed by unknown authority"


def _refused(code: int, body: bytes) -> str:
    """What a client makes of an answer that is no review: the Status it holds, or the usual words for its code."""
    try:
        status = orjson.loads(body)
    except ValueError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status" and status.get("message"):
        return str(status["message"])
    if code in _WORDS:
        return _WORDS[code]
    said = body.decode("utf-8", "replace").strip() or "unknown"
    if code == 403:
        return said
    if code >= 500:
        return f"an error on the server ({orjson.dumps(said).decode()}) has prevented the request from succeeding"
    return f"the server responded with the status code {code} but did not return more information"


# k8s: staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go, NewGenericServerResponse
_WORDS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}
