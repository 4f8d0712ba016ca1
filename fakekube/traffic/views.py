"""Reads of the past: what a client sees that talks to an API server that has fallen behind."""

from urllib.parse import parse_qsl, quote, urlencode

import orjson

from fakekube.api.filters.errors import answer
from fakekube.machinery import errors
from fakekube.machinery.wire import Handler, Request, Response
from fakekube.traffic.seen import Seen

_OWN = ("resourceVersion", "resourceVersionMatch")


async def at(inner: Handler, request: Request, one: Seen, revision: int) -> Response:
    """Answer a GET or LIST as of that revision. What is no object (discovery, subresources) is answered as it is now."""
    if not one.resource or (one.verb == "get" and one.subresource):
        return await inner(request)
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    if one.verb == "list":
        if "continue" not in query:
            query = {key: value for key, value in query.items() if key not in _OWN} | _exactly(revision)
        return await inner(_asking(request, request.path, query))
    collection, _, name = request.path.rpartition("/")
    listed = await inner(
        _asking(request, collection, _exactly(revision) | {"fieldSelector": f"metadata.name={name}"})
    )
    if listed.status >= 400:
        return listed
    body = orjson.loads(listed.body)
    if not body["items"]:
        return answer(errors.not_found(one.resource, one.group, one.name), request)
    kind = body["kind"].removesuffix("List")
    return Response(200, orjson.dumps({"apiVersion": body["apiVersion"], "kind": kind, **body["items"][0]}))


def _exactly(revision: int) -> dict[str, str]:
    return {"resourceVersion": str(revision), "resourceVersionMatch": "Exact"}


def _asking(request: Request, path: str, query: dict[str, str]) -> Request:
    return Request(
        request.method,
        path,
        urlencode(query, quote_via=quote),
        request.headers,
        b"",
        request.user,
        request.remote,
    )
