"""Media types: which representation a client gets, and which one it sent. Pure, cached by header text.

Answers are JSON (or YAML); protobuf is understood in requests only. Clients that prefer protobuf list JSON after it.
"""

import re
from functools import lru_cache
from typing import Any

import orjson
from msgspec import Struct

from fakekube.api.options import first, parse_query
from fakekube.machinery.booleans import TRUE
from fakekube.machinery.errors import NotAcceptable
from fakekube.machinery.wire import Request, Response

TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_STREAMS = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
_OF_PEOPLE = ("curl", "Wget", "Mozilla/5.0")  # how their user agents begin
_KNOWN = re.compile(r"(?:^|,)\s*(?:application/(?:json|yaml)|\*/\*)\s*(?:;|,|$)")


class Representation(Struct, frozen=True):
    """How to answer: `media` json or yaml; `convert` Table, PartialObjectMetadata, …List, or nothing."""

    media: str = "json"
    convert: str = ""
    version: str = "v1"


PLAIN = Representation()  # and no other like it: the objects as they are


def ranked(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Media types of JSON and YAML that a header names, with their parameters, by weight, then order."""
    found = []
    for clause in accept.split(","):
        media, *rest = (part.strip() for part in clause.split(";"))
        params = dict(part.partition("=")[::2] for part in rest)
        try:
            weight = float(params.get("q", "1"))
        except ValueError:
            weight = 1.0
        if media in ("application/json", "application/yaml", "application/*", "*/*"):
            found.append((-weight, media, params))
    return [(media, params) for _, media, params in sorted(found, key=lambda one: one[0])]


@lru_cache(maxsize=512)
def choose(accept: str) -> Representation | None:
    """The first acceptable representation by weight, then order; None when there is none."""
    if not accept or accept == "*/*":
        return PLAIN
    for media, params in ranked(accept):
        kind = "yaml" if media == "application/yaml" else "json"
        convert = params.get("as", "")
        if convert in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            if params.get("g", "meta.k8s.io") == "meta.k8s.io" and params.get("v", "v1") in ("v1", "v1beta1"):
                return Representation(kind, convert, params.get("v", "v1"))
            continue
        if convert:
            continue
        return PLAIN if kind == "json" else Representation(kind)
    return None


def representation(
    accept: str, *, collection: bool = False, watch: bool = False, custom: bool = False
) -> Representation:
    """As `choose`, for objects, collections or watches of them. Raises NotAcceptable."""
    found = choose(accept)
    if found is None:
        if watch:
            raise NotAcceptable(f"only the following media types are accepted: {_STREAMS}")
        # The type alone would do, and its parameters ask for something else; or there is no route that asks for types.
        if custom or _KNOWN.search(accept):
            raise NotAcceptable(f"only the following media types are accepted: {TYPES}")
        offered = f"{TYPES}, {_STREAMS}" if collection else TYPES
        raise unrouted(offered)
    return found


def unrouted(offered: str) -> NotAcceptable:
    """As routes refuse that ask for media types before anything else."""
    return NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {offered}", details={})


def accepts(accept: str, *offered: str) -> None:
    """What routes with representations of their own ask before anything else. Raises NotAcceptable."""
    wanted = {clause.partition(";")[0].strip() for clause in accept.split(",")} if accept else {"*/*"}
    if wanted.isdisjoint({"*/*", *offered}):
        raise unrouted(", ".join(offered))


def pretty(request: Request) -> bool:
    """Whether JSON is to be indented: for those who ask for it, and for people at their terminals and browsers.

    Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/negotiation/negotiate.go (isPrettyPrint)
    """
    if "pretty=" in request.query and (said := first(parse_query(request.query), "pretty")):
        return said in TRUE
    return (request.headers.get("user-agent") or "").startswith(_OF_PEOPLE)


def render(body: Any, media: str = "json", *, pretty: bool = False, status: int = 200) -> Response:
    """A response with `body` encoded."""
    if media == "yaml":
        import yaml  # noqa: PLC0415 - few clients ask for it, all would pay for it at start

        text = yaml.safe_dump(body, sort_keys=True, default_flow_style=False)
        return Response(status, text.encode(), "application/yaml")
    if pretty:
        return Response(status, orjson.dumps(body, option=orjson.OPT_INDENT_2))
    return Response(status, orjson.dumps(body) + b"\n")
