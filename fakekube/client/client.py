"""The verbs over one Handler: requests are built, answers decoded, refusals raised as ApiErrors. No cache, no retries.

The same class speaks to the in-process API server and, through an HTTP transport, to any cluster. In-process identity
travels as `Request.user`; over HTTP it is the transport's credentials that count.
Behaviour follows k8s: staging/src/k8s.io/client-go/{rest,dynamic,metadata}; paging: tools/pager/pager.go.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote, urlencode

import orjson
from msgspec import Struct

from fakekube.client import answers
from fakekube.machinery import objects
from fakekube.machinery.copying import kept_json
from fakekube.machinery.errors import AlreadyExists, Expired, NotFound
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Events, Handler, Object, Request, Response, User, WatchEvent, whole

PatchType = Literal["json", "merge", "strategic", "apply"]
Items = list[Object]

PAGE_SIZE = 500  # what client-go's pager and kubectl ask for

_PATCH_MEDIA_TYPES: Mapping[str, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class ObjectList(Struct, frozen=True):
    """What a list found, the version it was read at, and how many more objects the server has beyond `limit`."""

    items: Items
    resource_version: str
    remaining: int = 0


class Client:
    """See the module text. Cheap to make: identities and views of the same API are clients of the same handler."""

    def __init__(self, handler: Handler, *, user: User | None = None, user_agent: str = "fakekube") -> None:
        self.handler = handler
        self.user = user
        self.user_agent = user_agent
        self._accept = _JSON
        self._accept_list = _JSON
        self._shares = False

    @property
    def form(self) -> str:
        """What objects are read as: clients of the same form read the same."""
        return self._accept_list

    def as_user(self, name: str, *groups: str, user_agent: str = "") -> "Client":
        """The same API as somebody else. Everybody named is also in `system:authenticated`, as after a real log-in."""
        everybody = "system:authenticated"
        member = groups if everybody in groups else (*groups, everybody)
        client = Client(self.handler, user=User(name, member), user_agent=user_agent or self.user_agent)
        client._accept, client._accept_list, client._shares = self._accept, self._accept_list, self._shares
        return client

    def sharing(self) -> "Client":
        """The same API and identity for somebody who never changes an object that was answered: a server in this process
        then hands out its own, without managedFields, as it does to caches. For the busiest."""
        client = Client(self.handler, user=self.user, user_agent=self.user_agent)
        client._accept, client._accept_list, client._shares = self._accept, self._accept_list, True
        return client

    def metadata_only(self) -> "Client":
        """The same API and identity, but reads answer with PartialObjectMetadata: cheap for whoever needs no spec."""
        client = Client(self.handler, user=self.user, user_agent=self.user_agent)
        client._accept, client._accept_list = _METADATA, _METADATA_LIST
        return client

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str | None = None
    ) -> Object:
        return await self._call("GET", resource.path(namespace, name, subresource))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        limit: int | None = None,
    ) -> ObjectList:
        """All objects, joined from pages of one consistent read; with `limit`, one page of at most that many.

        Items carry apiVersion and kind, which the server leaves out of lists of built-in kinds.
        """
        path = resource.path(namespace)
        query = _given(
            labelSelector=label_selector, fieldSelector=field_selector, resourceVersion=resource_version
        )
        body = await self._page(path, query, limit or PAGE_SIZE)
        items: Items = body.get("items") or []
        if limit is None:
            try:
                items, body = await self._follow(path, query, items, body)
            except Expired:  # the pages took longer than the server remembers: everything at once, then
                body = await self._page(path, query, None)
                items = body.get("items") or []
        api_version, kind = resource.api_version, resource.kind
        for item in items:
            if "kind" not in item:
                item["apiVersion"], item["kind"] = api_version, kind
        meta = body.get("metadata") or {}
        return ObjectList(
            items, str(meta.get("resourceVersion") or ""), int(meta.get("remainingItemCount") or 0)
        )

    async def create(
        self,
        resource: Resource,
        obj: Object,
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
        field_manager: str = "",
        dry_run: bool = False,
    ) -> Object:
        """POST to the collection, or to a subresource (binding, eviction, token) of the object called `name`."""
        if subresource and name is None:
            name = objects.name(obj)
        path = resource.path(namespace or objects.namespace(obj), name, subresource)
        query = _given(fieldManager=field_manager, dryRun="All" if dry_run else "")
        return await self._call("POST", path, query, obj)

    async def update(
        self, resource: Resource, obj: Object, *, subresource: str | None = None, field_manager: str = ""
    ) -> Object:
        path = resource.path(objects.namespace(obj), objects.name(obj), subresource)
        return await self._call("PUT", path, _given(fieldManager=field_manager), obj)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any] | Sequence[Mapping[str, Any]] | bytes,
        *,
        type: PatchType,  # noqa: A002 - the API's own word
        subresource: str | None = None,
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        query = _given(
            fieldManager=field_manager, force="true" if force else "", dryRun="All" if dry_run else ""
        )
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, query, patch, _PATCH_MEDIA_TYPES[type])

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str | None = None,
        grace_seconds: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Object:
        """Ask for deletion; `uid` and `resource_version` are preconditions. The answer is a Status or the object."""
        options: Object = {}
        if propagation is not None:
            options["propagationPolicy"] = propagation
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        preconditions = _given(uid=uid or "", resourceVersion=resource_version or "")
        if preconditions:
            options["preconditions"] = preconditions
        return await self._call("DELETE", resource.path(namespace, name), body=_delete_options(options))

    async def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Like `get`, but None where there is no such object, or no such resource. Raises any other refusal."""
        try:
            return await self.get(resource, name, namespace)
        except NotFound:
            return None

    async def create_if_absent(
        self, resource: Resource, obj: Object, namespace: str | None = None
    ) -> Object | None:
        """Like `create`, but None where the name is taken, by whatever object. Raises any other refusal."""
        try:
            return await self.create(resource, obj, namespace)
        except AlreadyExists:
            return None

    async def delete_if_present(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str | None = None,
        grace_seconds: int | None = None,
    ) -> bool:
        """Like `delete`, but False where there is no such object. Raises any other refusal."""
        try:
            await self.delete(resource, name, namespace, propagation=propagation, grace_seconds=grace_seconds)
        except NotFound:
            return False
        return True

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation: str | None = None,
    ) -> Object:
        query = _given(labelSelector=label_selector, fieldSelector=field_selector)
        options: Object = {} if propagation is None else {"propagationPolicy": propagation}
        return await self._call("DELETE", resource.path(namespace), query, _delete_options(options))

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        bookmarks: bool = True,
        timeout_seconds: int | None = None,
        send_initial_events: bool = False,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events one by one until the server ends the stream. An ERROR event is raised as the ApiError it carries."""
        batches = self.watch_batches(
            resource,
            namespace,
            resource_version=resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
            bookmarks=bookmarks,
            timeout_seconds=timeout_seconds,
            send_initial_events=send_initial_events,
        )
        try:
            async for batch in batches:
                for event in batch:
                    yield event
        finally:
            await answers.close(batches)

    async def watch_batches(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        bookmarks: bool = True,
        timeout_seconds: int | None = None,
        send_initial_events: bool = False,
        shared: bool = False,
    ) -> AsyncGenerator[Events, None]:
        """Like `watch`, but as many events at a time as arrived together: what a cache wants.

        With `shared`, objects may be the same as in other watches of this process, and must not be changed.
        """
        query = {"watch": "true"} | _given(
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            allowWatchBookmarks="true" if bookmarks else "",
            timeoutSeconds="" if timeout_seconds is None else str(timeout_seconds),
        )
        if send_initial_events:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        response = await self.request(
            "GET",
            resource.path(namespace),
            query=_encoded(query),
            headers={"accept": self._accept},
            shares=shared,
        )
        batches = answers.events(response)
        try:
            async for batch in batches:
                yield batch
        finally:
            await answers.close(batches)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        shares: bool = False,
    ) -> Response:
        """Any request: bodies that are not bytes are sent as JSON. Raises ApiError for every answer from 400 on."""
        sent = {"accept": _JSON, "user-agent": self.user_agent}
        if body is not None:
            sent["content-type"] = _JSON
        if headers:
            sent.update(headers)
        return await whole(await self._answer(method, path, query, sent, body, shares=shares))

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        media_type: str = _JSON,
    ) -> Object:
        headers = {"accept": self._accept, "user-agent": self.user_agent}
        if body is not None:
            headers["content-type"] = media_type
        text = _encoded(query) if query else ""
        response = await self._answer(method, path, text, headers, body, shares=self._shares)
        if response.obj is not None:
            return response.obj
        answer: Object = orjson.loads(response.body) if response.body else {}
        return answer

    async def _answer(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: Any, *, shares: bool
    ) -> Response:
        """A good one; the others are raised."""
        sent, data = None, b""
        if isinstance(body, bytes):
            data = body
        elif body is not None:
            sent, data = body, kept_json(body)  # the traffic log may keep the bytes
        request = Request(method, path, query, headers, data, self.user, shares=shares, sent=sent)
        try:
            response = await self.handler(request)
        finally:
            request.sent = None
        if response.status >= 400:
            raise await answers.refusal(response)
        return response

    async def _page(self, path: str, query: Mapping[str, str], size: int | None, token: str = "") -> Object:
        paging = _given(limit=str(size or ""), **{"continue": token})
        response = await self.request(
            "GET", path, query=_encoded({**query, **paging}), headers={"accept": self._accept_list}
        )
        body: Object = answers.loads(response.body)
        return body

    async def _follow(
        self, path: str, query: Mapping[str, str], items: Items, body: Object
    ) -> tuple[Items, Object]:
        """The remaining pages behind `body`: all items, and the last page for its metadata."""
        # A continue token remembers the version it was made at; the server refuses both at once.
        query = {key: value for key, value in query.items() if key != "resourceVersion"}
        while token := (body.get("metadata") or {}).get("continue"):
            body = await self._page(path, query, PAGE_SIZE, token)
            items = items + (body.get("items") or [])
        return items, body


def _given(**parameters: str) -> dict[str, str]:
    """The parameters that have a value."""
    return {name: value for name, value in parameters.items() if value}


def _encoded(query: Mapping[str, str]) -> str:
    return urlencode(query, quote_via=quote)


def _delete_options(options: Object) -> Object | None:
    return {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None
