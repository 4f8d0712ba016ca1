"""/fakekube/…: time, faults and snapshots of a cluster, over HTTP, for tests in other languages. A Handler.

`describe` lists every path; `GET /fakekube/openapi.json` is made of it. Requests and compaction are `traffic.controls`'s.
Whoever may not do everything is kept away by what stands before it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import orjson

from fakekube import passage, snapshot
from fakekube.clock import ManualClock, rfc3339_micro
from fakekube.machinery.errors import ApiError, BadRequest, MethodNotAllowed, NotFound
from fakekube.machinery.wire import Handler, Object, Request, Response
from fakekube.passage import CannotMoveTime, NeverSettles, Watched
from fakekube.store.interface import Store
from fakekube.traffic.faults import Armed, BadFault
from fakekube.traffic.injector import Faults, Hold
from fakekube.traffic.seen import BadPattern

PREFIX = "/fakekube/"


class Administered(Watched, Protocol):
    """What is administered."""

    faults: Faults

    @property
    def store(self) -> Store: ...


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: str
    about: str
    body: Mapping[str, str]
    handle: Callable[["Admin", Object, str], Awaitable[Response]]


class Admin:
    """See the module text. What is not here is passed on to `others`."""

    def __init__(self, cluster: Administered, others: Handler) -> None:
        self._cluster = cluster
        self._others = others
        self._holds: dict[int, Hold] = {}

    async def __call__(self, request: Request) -> Response:
        """Raises NotFound, MethodNotAllowed, BadRequest, Conflict."""
        path = request.path.removeprefix(PREFIX).strip("/")
        head, _, tail = path.rpartition("/")
        path, number = (f"{head}/{{number}}", tail) if tail.isdecimal() else (path, "")
        found = [route for route in _ROUTES if route.path == path]
        if not found:
            return await self._others(request)
        route = next((one for one in found if one.method == request.method), None)
        if route is None:
            raise MethodNotAllowed(f"{request.path} knows {', '.join(one.method for one in found)}")
        try:
            return await route.handle(self, _body(request), number)
        except (BadFault, BadPattern, ValueError) as error:
            raise BadRequest(str(error)) from None
        except (CannotMoveTime, NeverSettles) as error:
            raise ApiError(str(error), code=409, reason="Conflict") from None
        except KeyError:
            raise NotFound(f"there is no {request.path}") from None

    # --- time ------------------------------------------------------------------------------------------------

    async def clock(self, _body: Object, _number: str) -> Response:
        clock = self._cluster.clock
        movable = isinstance(clock, ManualClock)
        due = clock.next_due() if isinstance(clock, ManualClock) else None
        now = rfc3339_micro(clock.now())
        return _json({"now": now, "seconds": clock.monotonic(), "movable": movable, "nextDueSeconds": due})

    async def advance(self, body: Object, number: str) -> Response:
        await passage.advance(self._cluster, _member(body, "span", str | int | float))
        return await self.clock(body, number)

    async def settle(self, body: Object, number: str) -> Response:
        await passage.settle(self._cluster)
        return await self.clock(body, number)

    # --- faults ----------------------------------------------------------------------------------------------

    async def faults(self, _body: Object, _number: str) -> Response:
        faults = self._cluster.faults
        holds = [{"number": number, "text": str(hold)} for number, hold in self._holds.items()]
        return _json(
            {"items": [_shown(one) for one in faults.armed], "holds": holds, "unfired": faults.unfired}
        )

    async def add_fault(self, body: Object, _number: str) -> Response:
        return _json(_shown(self._cluster.faults.add(**body)), 201)

    async def remove_fault(self, _body: Object, number: str) -> Response:
        self._cluster.faults.remove(int(number))
        return _json({})

    async def clear_faults(self, _body: Object, _number: str) -> Response:
        self._cluster.faults.clear()
        self._holds.clear()
        return _json({})

    async def hold(self, body: Object, _number: str) -> Response:
        stale = bool(body.pop("stale", False))
        faults = self._cluster.faults
        try:
            hold = faults.stale(**body) if stale else faults.hold(**body)
        except TypeError as error:
            raise BadRequest(
                f"a hold is described by verb, kind, name, namespace, client, stale: {error}"
            ) from None
        number = max(self._holds, default=0) + 1
        self._holds[number] = hold
        return _json({"number": number, "text": str(hold)}, 201)

    async def release(self, _body: Object, number: str) -> Response:
        hold = self._holds.pop(int(number))
        hold.release()
        return _json({"text": str(hold)})

    # --- the whole -------------------------------------------------------------------------------------------

    async def save(self, _body: Object, _number: str) -> Response:
        lines = await snapshot.dump(self._cluster.store, self._cluster.clock.now())
        return Response(200, lines, "application/jsonl")

    async def health(self, _body: Object, _number: str) -> Response:
        return Response(200, b"ok", "text/plain; charset=utf-8")

    async def describe(self, _body: Object, _number: str) -> Response:
        return _json(_document())


_SPAN = {"span": "seconds, or a text like 10m, 1h30m"}
_FAULT = {
    "verb": "get, list, watch, create, update, patch, delete, deletecollection, read or write",
    "kind": "kind, plural or short name",
    "name": "may hold *",
    "namespace": "may hold *",
    "subresource": "status, scale, … or * for everything",
    "client": "user or user agent; may hold *",
    "status": "answer with this status",
    "reset": "break the connection",
    "latency": "a span of the cluster's time",
    "watch": "drop, duplicate, delay, close or expire",
    "event": "ADDED, MODIFIED or DELETED, with watch",
    "after_commit": "act once the request has been carried out",
    "retry_after": "seconds, with status 429 and 5xx",
    "message": "instead of the real server's words",
    "nth": "begin with this match",
    "times": "act so often; null: always",
    "rate": "the chance to act, above 0 up to 1",
    "optional": "may remain without effect",
}
_HOLD = {name: _FAULT[name] for name in ("kind", "name", "namespace", "client")} | {
    "stale": "true: reads see the present state, too, until the release"
}
_ROUTES = (
    _Route("GET", "clock", "What time it is in the cluster", {}, Admin.clock),
    _Route("POST", "clock/advance", "Let time pass, then answer", _SPAN, Admin.advance),
    _Route("POST", "clock/settle", "Answer when nothing more happens without time passing", {}, Admin.settle),
    _Route("GET", "faults", "All faults, how often they fitted and fired", {}, Admin.faults),
    _Route("POST", "faults", "Register a fault", _FAULT, Admin.add_fault),
    _Route("DELETE", "faults", "Forget all faults, release all holds", {}, Admin.clear_faults),
    _Route("DELETE", "faults/{number}", "Forget a fault", {}, Admin.remove_fault),
    _Route("POST", "holds", "Hold back the watch events of a client", _HOLD, Admin.hold),
    _Route("DELETE", "holds/{number}", "Release what is held back", {}, Admin.release),
    _Route("GET", "snapshot", "The whole cluster, as lines of JSON", {}, Admin.save),
    _Route("GET", "healthz", "Whether the cluster is there", {}, Admin.health),
    _Route("GET", "openapi.json", "This list", {}, Admin.describe),
)


def _document() -> Object:
    paths: dict[str, Any] = {}
    for route in _ROUTES:
        operation: Object = {"summary": route.about, "responses": {"200": {"description": "done"}}}
        if "{number}" in route.path:
            number = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer"}}
            operation["parameters"] = [number]
        if route.body:
            members = {name: {"description": text} for name, text in route.body.items()}
            schema = {"type": "object", "properties": members, "additionalProperties": False}
            operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = operation
    return {"openapi": "3.0.3", "info": {"title": "fakekube", "version": "1"}, "paths": paths}


def _shown(armed: Armed) -> Object:
    given = {name: value for name, value in asdict(armed.fault).items() if value not in ("", 0, False, None)}
    return {"number": armed.number, **given, "matched": armed.matched, "fired": armed.fired}


def _body(request: Request) -> Object:
    if not request.body:
        return {}
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def _member(body: Object, name: str, kind: Any) -> Any:
    if not isinstance(body.get(name), kind):
        raise BadRequest(f'the body must say {name}, as in {{"{name}": "10m"}}')
    return body[name]


def _json(body: Object, status: int = 200) -> Response:
    return Response(status, orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")
