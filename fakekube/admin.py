"""/fakekube/…: time, faults and snapshots of a cluster, over HTTP, for tests in other languages. A Handler.

`describe` lists every path; `GET /fakekube/openapi.json` is made of it. Requests and compaction are `traffic.controls`'s.
Whoever may not do everything is kept away by what stands before it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import orjson
from msgspec import Struct
from msgspec.structs import asdict

from fakekube import passage, snapshot
from fakekube.client.client import Client
from fakekube.clock import ManualClock, rfc3339_micro
from fakekube.lookup import Look, Lookup, condition
from fakekube.machinery import digits, profiles
from fakekube.machinery.errors import ApiError, BadRequest, MethodNotAllowed, NotFound
from fakekube.machinery.wire import Handler, Object, Request, Response
from fakekube.passage import CannotMoveTime, NeverSettles, Watched
from fakekube.restoring import CannotReset
from fakekube.store.interface import Store
from fakekube.traffic import controls
from fakekube.traffic.faults import Armed, BadFault
from fakekube.traffic.injector import Faults, Hold
from fakekube.traffic.seen import BadPattern, meant

PREFIX = "/fakekube/"


class Administered(Watched, Protocol):
    """What is administered."""

    faults: Faults

    @property
    def store(self) -> Store: ...

    async def reset(self) -> None:
        """Go back to the beginning. Raises CannotReset."""
        ...

    async def restore(self, data: bytes) -> None:
        """Go to the state of a snapshot. Raises BadSnapshot."""
        ...


class _Call(Struct, frozen=True):
    """One request, and the number its path ends in."""

    request: Request
    number: int

    @property
    def body(self) -> Object:
        """Decoded. Raises BadRequest."""
        return _decoded(self.request)


class _Route(Struct, frozen=True):
    method: str
    path: str
    about: str
    body: Mapping[str, str]
    handle: Callable[["Admin", _Call], Awaitable[Response]]


class Admin:
    """See the module text. What is not here is passed on to `others`."""

    def __init__(self, cluster: Administered, client: Client, others: Handler) -> None:
        self._cluster = cluster
        self._others = others
        self._holds: dict[int, Hold] = {}
        self._client = client
        self._lookup = Lookup(client)

    async def __call__(self, request: Request) -> Response:
        """Raises NotFound, MethodNotAllowed, BadRequest, Conflict."""
        path = request.path.removeprefix(PREFIX).strip("/")
        head, _, tail = path.rpartition("/")
        number = digits.number(tail)
        path = path if number is None else f"{head}/{{number}}"
        found = [route for route in _ROUTES if route.path == path]
        if not found:
            return await self._others(request)
        route = next((one for one in found if one.method == request.method), None)
        if route is None:
            raise MethodNotAllowed(f"{request.path} knows {', '.join(one.method for one in found)}")
        try:
            return await route.handle(self, _Call(request, number or 0))
        except (BadFault, BadPattern, ValueError) as error:
            raise BadRequest(str(error)) from None
        except (CannotMoveTime, CannotReset, NeverSettles) as error:
            raise ApiError(str(error), code=409, reason="Conflict") from None
        except KeyError:
            raise NotFound(f"there is no {request.path}") from None

    # --- time ------------------------------------------------------------------------------------------------

    async def clock(self, _call: _Call) -> Response:
        clock = self._cluster.clock
        movable = isinstance(clock, ManualClock)
        due = clock.next_due() if isinstance(clock, ManualClock) else None
        now = rfc3339_micro(clock.now())
        return _json({"now": now, "seconds": clock.monotonic(), "movable": movable, "nextDueSeconds": due})

    async def advance(self, call: _Call) -> Response:
        await passage.advance(self._cluster, _member(call.body, "span", str | int | float))
        return await self.clock(call)

    async def settle(self, call: _Call) -> Response:
        await passage.settle(self._cluster)
        return await self.clock(call)

    async def run_until(self, call: _Call) -> Response:
        body = call.body
        _check(body, _UNTIL)
        namespace = str(body.get("namespace") or "default")
        resource, name, space = await self._lookup.find(_member(body, "object", str), "", namespace)
        look = Look(self._client, resource, name, space, condition(_member(body, "until", str)))
        holds: Callable[[], Any] = look
        try:
            await passage.run_until(self._cluster, holds, timeout=body.get("timeout", "10m"))
        except TimeoutError as error:
            said = f"{resource.plural}/{name}: {body['until']}: {error}"
            said += "; there is no such object" if look.last is None else ""
            raise ApiError(said, code=504, reason="Timeout") from None
        return _json(look.last or {})

    async def metrics(self, call: _Call) -> Response:
        """An annotation, which anybody could write; this one is checked, and begins now."""
        body = call.body
        _check(body, _METRIC)
        ref, metric = _member(body, "object", str), _member(body, "metric", str)
        resource, name, namespace = await self._lookup.find(ref, "", body.get("namespace") or "default")
        profile = body.get("profile")
        if profile is not None:
            profile = profiles.beginning(str(profile), self._cluster.clock.now())
        key = profiles.annotation(metric)
        patch = {"metadata": {"annotations": {key: profile}}}
        await self._client.patch(resource, name, namespace, patch, type="merge")
        return _json({"object": f"{resource.qualified}/{name}", "annotation": key, "profile": profile})

    # --- faults ----------------------------------------------------------------------------------------------

    async def faults(self, _call: _Call) -> Response:
        faults = self._cluster.faults
        holds = [{"number": number, "text": str(hold)} for number, hold in self._holds.items()]
        return _json(
            {"items": [_shown(one) for one in faults.armed], "holds": holds, "unfired": faults.unfired}
        )

    async def add_fault(self, call: _Call) -> Response:
        return _json(_shown(self._cluster.faults.add(**call.body)), 201)

    async def remove_fault(self, call: _Call) -> Response:
        self._cluster.faults.remove(call.number)
        return _json({})

    async def clear_faults(self, _call: _Call) -> Response:
        self._cluster.faults.clear()
        self._holds.clear()
        return _json({})

    async def hold(self, call: _Call) -> Response:
        body = call.body
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

    async def release(self, call: _Call) -> Response:
        hold = self._holds.pop(call.number)
        hold.release()
        return _json({"text": str(hold)})

    # --- the whole -------------------------------------------------------------------------------------------

    async def save(self, _call: _Call) -> Response:
        lines = await snapshot.dump(self._cluster.store, self._cluster.clock.now())
        return Response(200, lines, "application/jsonl")

    async def restore(self, call: _Call) -> Response:
        if not call.request.body:
            raise BadRequest("the body must be a snapshot, as GET /fakekube/snapshot gives it")
        await self._cluster.restore(call.request.body)
        self._holds.clear()
        return _json({"revision": self._cluster.store.revision})

    async def reset(self, _call: _Call) -> Response:
        await self._cluster.reset()
        self._holds.clear()
        return _json({"revision": self._cluster.store.revision})

    async def health(self, _call: _Call) -> Response:
        return Response(200, b"ok", "text/plain; charset=utf-8")

    async def describe(self, _call: _Call) -> Response:
        return _json(_document())


_EXAMPLES = {
    "span": '{"span": "10m"}',
    "object": '{"object": "vm/a"}',
    "until": '{"until": "condition=Ready"}',
    "metric": '{"metric": "cpu"}',
}
_METRIC = {
    "object": "who uses it, as vm/a, vmpool/web, node/node01, pod/p",
    "namespace": "of the object; default is default",
    "metric": "cpu, memory, or any name: that is a custom metric",
    "profile": "250m, 60%, ramp 50m 400m 10m, …; begins now unless it says since when; null: as if never said",
}
_SPAN = {"span": "seconds, or a text like 10m, 1h30m"}
_UNTIL = {
    "object": "kind and name, as in vm/a",
    "namespace": "default, unless it is said",
    "until": "condition=Ready, jsonpath={.status.phase}=Running, delete or create",
    "timeout": "a span of the cluster's time; 10m, unless it is said",
}
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
    "watch": "drop, duplicate, delay, reorder, close or expire",
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
    _Route(
        "POST", "clock/run-until", "Let time pass until it is so; the object then", _UNTIL, Admin.run_until
    ),
    _Route("PUT", "metrics", "Say what an object uses", _METRIC, Admin.metrics),
    _Route("GET", "faults", "All faults, how often they fitted and fired", {}, Admin.faults),
    _Route("POST", "faults", "Register a fault", _FAULT, Admin.add_fault),
    _Route("DELETE", "faults", "Forget all faults, release all holds", {}, Admin.clear_faults),
    _Route("DELETE", "faults/{number}", "Forget a fault", {}, Admin.remove_fault),
    _Route("POST", "holds", "Hold back the watch events of a client", _HOLD, Admin.hold),
    _Route("DELETE", "holds/{number}", "Release what is held back", {}, Admin.release),
    _Route("GET", "snapshot", "The whole cluster, as lines of JSON", {}, Admin.save),
    _Route(
        "PUT", "snapshot", "Go to the state of a snapshot, packed or not; watches see it", {}, Admin.restore
    ),
    _Route(
        "POST", "reset", "Go back to the beginning: objects, faults, remembered requests", {}, Admin.reset
    ),
    _Route("GET", "healthz", "Whether the cluster is there", {}, Admin.health),
    _Route("GET", "openapi.json", "This list", {}, Admin.describe),
)


def _document() -> Object:
    paths: dict[str, Any] = {}
    for method, path, about, query in controls.DESCRIBED:
        parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in query]
        operation = {
            "summary": about,
            "parameters": parameters,
            "responses": {"200": {"description": "done"}},
        }
        paths[PREFIX + path] = {method.lower(): operation}
    for route in _ROUTES:
        operation = {"summary": route.about, "responses": {"200": {"description": "done"}}}
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


def _decoded(request: Request) -> Object:
    if not request.body:
        return {}
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def _check(body: Object, known: Mapping[str, str]) -> None:
    for name in sorted(body.keys() - known.keys()):
        raise BadRequest(f"there is no {name!r}; {meant(name, list(known))}")


def _member(body: Object, name: str, kind: Any) -> Any:
    if not isinstance(body.get(name), kind):
        raise BadRequest(f"the body must say {name}, as in {_EXAMPLES[name]}")
    return body[name]


def _json(body: Object, status: int = 200) -> Response:
    return Response(status, orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")
