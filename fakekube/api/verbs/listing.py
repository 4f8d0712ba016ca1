"""LIST: entries under a selector, a page at a time, at a revision.

The plain answer is the stored bytes of each object joined; only Table, metadata-only and YAML views decode them. What has
been read does not change any more, so long lists are answered in slices, between which others get their turn.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/etcd3/store.go (GetList)
"""

from collections.abc import AsyncIterator, Sequence

import orjson

from fakekube.api import negotiation, tables
from fakekube.api.options import ListOptions, boolean, parse_version
from fakekube.api.registry import codec
from fakekube.api.registry.matching import Match, list_options, matcher, selected
from fakekube.api.verbs import paging
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.get import too_large
from fakekube.api.verbs.watching import watch
from fakekube.machinery.errors import BadRequest, Expired, NotAcceptable
from fakekube.machinery.wire import Object, Response
from fakekube.store import interface as stores
from fakekube.store.interface import Entry

_CHUNK = 500
_SLICE = 2_000  # objects: about a millisecond for their bytes,
_DECODED = 200  # and for what is made of them


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
    if not chosen.plain or "pretty" in call.request.query:
        return await _converted(call, found, revision, token, remaining)
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
    parts = [head]
    async for some in _slices(call, found):
        if len(parts) > 1:
            parts.append(b",")
        parts.append(b",".join([codec.item(resource, entry) for entry in some]))
    parts.append(b"]}\n")
    return call.finish(Response(200, b"".join(parts)))


async def _slices(call: Call, entries: Sequence[Entry], size: int = _SLICE) -> AsyncIterator[Sequence[Entry]]:
    for start in range(0, len(entries), size):
        if start:
            await call.registry.clock.sleep(0)
        yield entries[start : start + size]


async def _page(
    call: Call, options: ListOptions, match: Match | None
) -> tuple[list[Entry], int, str, int | None]:
    """(entries, revision, continue token, how many remain): enough pages of the store to fill one of ours."""
    prefix = call.resource.key(call.info.namespace, "") if call.info.namespace else call.resource.prefix
    at, after = _start(call, options, prefix)
    # A list "at any version" is answered from the watch cache upstream, which does not page.
    limit = 0 if options.version == "0" else options.limit
    if limit <= 0:
        page = await _read(call, prefix, at, after, None)
        if match is None:
            return list(page.entries), page.revision, "", None
        chosen: list[Entry] = []
        async for some in _slices(call, page.entries):
            chosen += selected(some, match)
        return chosen, page.revision, "", None
    found = []
    while True:
        page = await _read(call, prefix, at, after, max(limit, _CHUNK) if match else limit)
        revision = at = page.revision
        for index, entry in enumerate(page.entries):
            if match is not None and not match(entry):
                continue
            found.append(entry)
            if len(found) == limit:
                left = page.remaining + len(page.entries) - index - 1
                if not left:
                    return found, revision, "", None
                token = paging.encode(revision, entry.key, call.resource.prefix)
                return found, revision, token, None if options.selective else left
        if not page.remaining:
            return found, revision, "", None
        after = page.entries[-1].key


def _start(call: Call, options: ListOptions, prefix: str) -> tuple[int | None, str]:
    """(revision to read at or None for now, key to read after)."""
    store = call.registry.store
    if options.continue_:
        if options.version and options.version != "0":
            raise BadRequest("specifying resource version is not allowed when using continue")
        position = paging.decode(options.continue_, call.resource.prefix)
        if not position.after.startswith(prefix):
            raise BadRequest("invalid continue token: continue key is not valid: wrong place")
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


async def _read(call: Call, prefix: str, at: int | None, after: str, limit: int | None) -> stores.Page:
    try:
        return await call.registry.page(call.resource, prefix, at, after, limit)
    except stores.Compacted:
        if not after:
            raise Expired("The resourceVersion for the provided list is too old.") from None
        token = paging.encode(-1, after, call.resource.prefix)
        expired = Expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
            "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
            "modified, or deleted between the time the first chunk was returned and now may show up in the list."
        )
        expired.metadata = {"continue": token}
        raise expired from None


async def _converted(
    call: Call, found: list[Entry], revision: int, token: str, remaining: int | None
) -> Response:
    resource = call.resource
    chosen = call.representation()
    meta: Object = {"resourceVersion": str(revision)}
    if token:
        meta["continue"] = token
    if remaining is not None:
        meta["remainingItemCount"] = remaining
    decode = codec.decode_metadata if chosen.convert == "PartialObjectMetadataList" else codec.decode
    objects: list[Object] = []
    async for some in _slices(call, found, _DECODED):
        objects += [decode(resource, entry) for entry in some]
    body: Object
    if chosen.convert == "Table":
        body = call.table(objects, chosen, meta)
    elif chosen.convert == "PartialObjectMetadataList":
        body = tables.partial_metadata_list(objects, meta, version=chosen.version)
    elif chosen.convert:
        raise NotAcceptable(
            f"you requested {chosen.convert}, but the requested object is a list (*{resource.group or 'core'}."
            f"{resource.list_kind})"
        )
    else:
        if resource.custom:
            meta.setdefault("continue", "")
        else:
            for obj in objects:
                del obj["kind"], obj["apiVersion"]
        body = {
            "kind": resource.list_kind,
            "apiVersion": resource.api_version,
            "metadata": meta,
            "items": objects,
        }
    return call.finish(negotiation.render(body, chosen.media, pretty=boolean(call.query, "pretty")))
