"""Paths below /fakekube/, beside the Kubernetes API: what was asked, and forgetting the past on request.

GET  /fakekube/requests?client=kubectl&verb=write&kind=pod&limit=10    the newest requests that fit, oldest first
POST /fakekube/compact                                                 watches and reads of the past get 410
"""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import parse_qsl

import orjson

from fakekube.clock import Clock, rfc3339_micro
from fakekube.machinery import digits
from fakekube.machinery.errors import BadRequest, MethodNotAllowed, NotFound
from fakekube.machinery.wire import Object, Request, Response
from fakekube.store.interface import Store
from fakekube.traffic.log import Recorded, RequestLog
from fakekube.traffic.seen import BadPattern

PREFIX = "/fakekube/"
_PATTERN = ("verb", "kind", "name", "namespace", "subresource", "client")
_LIMIT = 500
# Method, path, what it is for, and what its query may say.
DESCRIBED = (
    ("GET", "requests", "The newest requests that fit, oldest first", (*_PATTERN, "status", "limit")),
    ("POST", "compact", "Forget the past: watches and reads of it get 410", ("revision",)),
)


class Controls:
    """A Handler for these paths. Whoever may not do everything is kept away by what stands before it."""

    def __init__(self, requests: RequestLog, store: Store, clock: Clock) -> None:
        self._requests = requests
        self._store = store
        self._clock = clock

    async def __call__(self, request: Request) -> Response:
        """Raises NotFound, MethodNotAllowed, BadRequest."""
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        match request.path.removeprefix(PREFIX), request.method:
            case "requests", "GET":
                return _json(self._found(query))
            case "compact", "POST":
                return _json(self._compact(query))
            case "requests" | "compact", method:
                raise MethodNotAllowed(f"{request.path} does not know {method}")
        raise NotFound(f"there is no {request.path}; GET {PREFIX}openapi.json describes what there is")

    def _found(self, query: Mapping[str, str]) -> Object:
        unknown = query.keys() - {*DESCRIBED[0][3]}
        if unknown:
            raise BadRequest(f"requests cannot be found by {', '.join(sorted(unknown))}")
        pattern = {name: query[name] for name in _PATTERN if name in query}
        status = _number(query, "status", 0)
        try:
            found = self._requests.find(status=status or None, **pattern)
        except BadPattern as error:
            raise BadRequest(str(error)) from None
        limit = _number(query, "limit", _LIMIT)
        shown = found[-limit:] if limit else []
        return {"count": self._requests.count, "items": [self._shown(one) for one in shown]}

    def _shown(self, one: Recorded) -> Object:
        seen = one.seen
        item: Object = {
            "time": rfc3339_micro(self._clock.now() - timedelta(seconds=self._clock.monotonic() - one.at)),
            "verb": seen.verb or one.request.method.lower(),
            "group": seen.group,
            "resource": seen.resource,
            "subresource": seen.subresource,
            "namespace": seen.namespace,
            "name": seen.name,
            "path": one.request.path,
            "query": one.request.query,
            "user": seen.user,
            "userAgent": seen.agent,
            "status": one.status,
            "seconds": one.seconds,
            "message": one.message,
            "fault": one.fault,
        }
        return {key: value for key, value in item.items() if value != ""}

    def _compact(self, query: Mapping[str, str]) -> Object:
        revision = _number(query, "revision", self._store.revision)
        if revision > self._store.revision:
            raise BadRequest(
                f"revision {revision} has not happened yet: the newest is {self._store.revision}"
            )
        self._store.compact(revision)
        return {"revision": self._store.revision, "oldest": self._store.oldest}


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    number = digits.number(text)
    if number is None:
        raise BadRequest(f"{name} is a number, not {text!r}")
    return number


def _json(body: Object) -> Response:
    return Response(200, orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")
