"""LIST: entries under a selector, a page at a time, at a revision.

The plain answer is the stored bytes of each object joined; only Table, metadata-only and YAML views decode them. Long
lists are read in slices (`registry.reading`) and answered in pieces (`list_body`), between which others get their turn.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go (GetList)
"""

from collections.abc import Sequence
from functools import partial

import orjson

from fakekube.api import negotiation, tables
from fakekube.api.options import ListOptions, parse_version
from fakekube.api.registry import codec
from fakekube.api.registry.matching import Match, list_options, matcher
from fakekube.api.registry.reading import Range
from fakekube.api.verbs import list_body, paging
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.get import too_large
from fakekube.api.verbs.watching import watch
from fakekube.machinery.errors import BadRequest, Expired, NotAcceptable
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object, Response
from fakekube.store import interface as stores
from fakekube.store.interface import Entry


async def list_or_watch(call: Call) -> Response:
    """GET of a collection: a watch if the query asks for one."""
    options = list_options(call.request.query)
    if options.watch or call.info.watch:
        return await watch(call, options)
    return await list_(call, options)


async def list_(call: Call, options: ListOptions) -> Response:
    """One page. Raises BadRequest, Expired, Timeout."""
    resource = call.resource
    match = matcher(resource, options)
    chosen = call.representation()
    found, revision, token, remaining = await _page(call, options, match)
    turns = call.registry.reading.turns
    if chosen is not negotiation.PLAIN or negotiation.pretty(call.request):
        return _converted(call, found, revision, token, remaining)
    meta: dict[str, object] = {"resourceVersion": str(revision)}
    if token or resource.custom:
        meta = {"continue": token, **meta}
    if remaining is not None:
        meta["remainingItemCount"] = remaining
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        resource.list_kind.encode(),
        resource.api_version.encode(),
        orjson.dumps(meta),
    )
    return call.finish(list_body.plain(found, head, partial(codec.item, resource), turns))


async def _page(
    call: Call, options: ListOptions, match: Match | None
) -> tuple[Sequence[Entry], int, str, int | None]:
    """(entries, revision, continue token, how many remain)."""
    prefix = call.resource.key(call.info.namespace, "") if call.info.namespace else call.resource.prefix
    at, after = _start(call, options, prefix)
    # A list "at any version" is answered from the watch cache upstream, which does not page.
    limit = None if options.version == "0" or options.limit <= 0 else options.limit
    page = await _read(call, Range(prefix, at, after, limit), match, options.labels)
    if not page.remaining:
        return page.entries, page.revision, "", None
    token = paging.encode(page.revision, page.entries[-1].key, call.resource.prefix)
    return page.entries, page.revision, token, None if options.selective else page.remaining


def _start(call: Call, options: ListOptions, prefix: str) -> tuple[int | None, str]:
    """(revision to read at or None for now, key to read after)."""
    store = call.registry.store
    if options.continue_:
        if options.version and options.version != "0":
            raise BadRequest("specifying resource version is not allowed when using continue")
        position = paging.decode(options.continue_, call.resource.prefix)
        if not position.after.startswith(prefix):
            raise BadRequest("invalid continue token: continue key is not valid: wrong place")
        if position.revision > store.revision:
            raise too_large(position.revision, store.revision)
        return (None if position.revision < 0 else position.revision), position.after
    if not options.version:
        return None, ""
    try:
        version = parse_version(options.version)
    except ValueError as error:
        raise BadRequest(
            f'invalid resource version: resourceVersion: Invalid value: "{options.version}": {error}'
        ) from None
    if version > store.revision:
        raise too_large(version, store.revision)
    exact = options.match == "Exact" or (options.limit > 0 and not options.match and version > 0)
    return (version if exact else None), ""


async def _read(call: Call, wanted: Range, match: Match | None, labels: Selector) -> stores.Page:
    try:
        return await call.registry.reading.select(call.resource, wanted, match, labels)
    except stores.Compacted:
        if not wanted.after:
            raise Expired("The resourceVersion for the provided list is too old.") from None
        token = paging.encode(-1, wanted.after, call.resource.prefix)
        expired = Expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
            "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
            "modified, or deleted between the time the first chunk was returned and now may show up in the list."
        )
        expired.metadata = {"continue": token}
        raise expired from None


def _converted(
    call: Call, found: Sequence[Entry], revision: int, token: str, remaining: int | None
) -> Response:
    resource = call.resource
    chosen = call.representation()
    meta: Object = {"resourceVersion": str(revision)}
    if token:
        meta["continue"] = token
    if remaining is not None:
        meta["remainingItemCount"] = remaining
    if resource.custom and not chosen.convert:
        meta.setdefault("continue", "")

    def shown(objects: list[Object]) -> tuple[Object, str]:
        if chosen.convert == "Table":
            return call.table(objects, chosen, meta), "rows"
        if chosen.convert == "PartialObjectMetadataList":
            return tables.partial_metadata_list(objects, meta, version=chosen.version), "items"
        if chosen.convert:
            raise NotAcceptable(
                f"you requested {chosen.convert}, but the requested object is a list (*{resource.group or 'core'}."
                f"{resource.list_kind})"
            )
        if not resource.custom:
            for obj in objects:
                del obj["kind"], obj["apiVersion"]
        return {
            "kind": resource.list_kind,
            "apiVersion": resource.api_version,
            "metadata": meta,
            "items": objects,
        }, "items"

    decode = codec.decode_metadata if chosen.convert == "PartialObjectMetadataList" else codec.decode
    return call.finish(
        list_body.converted(
            found,
            partial(decode, resource),
            shown,
            chosen.media,
            call.registry.reading.turns,
            pretty=negotiation.pretty(call.request),
        )
    )
