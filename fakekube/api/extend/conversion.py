"""Conversion webhooks: objects of a CRD travel between stored and served versions by way of a ConversionReview.

An entry is converted once per version and remembered for as long as the CRD stays as it is, as the watch caches of the real
server do; a list asks once for all its objects that are not in the wanted version yet.

Origin: k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from fakekube.api import calling
from fakekube.api.calling import CallFailed, Endpoint
from fakekube.api.extend.custom_resources import CustomResourceStrategy
from fakekube.api.extend.stored import Schemas
from fakekube.api.registry import codec
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.services import Services
from fakekube.ids import Ids
from fakekube.machinery.errors import ApiError
from fakekube.machinery.field_errors import show
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object
from fakekube.store.interface import Entry, Event

_SECONDS = 30.0  # upstream has no limit of its own; a request has to end some day
_REMEMBERED = 10_000
_GROUP = "apiextensions.k8s.io"
_KIND = "ConversionReview"


class ConversionWebhook:
    """The webhook of one CRD."""

    def __init__(self, conversion: Mapping[str, Any], services: Services, ids: Ids) -> None:
        webhook = conversion["webhook"]
        self._endpoint = Endpoint.of(webhook.get("clientConfig") or {})
        wanted = webhook.get("conversionReviewVersions") or ()
        self._version = next((name for name in wanted if name in ("v1", "v1beta1")), "v1")
        self._services = services
        self._ids = ids

    async def convert(self, objs: Sequence[Object], wanted: str) -> list[Object]:
        """The objects in apiVersion `wanted`; of their metadata only labels and annotations may change. Raises ApiError."""
        what = f"conversion webhook for {objs[0]['apiVersion']}, Kind={objs[0]['kind']}"
        uid = self._ids.uid()
        api_version = f"{_GROUP}/{self._version}"
        request = {"uid": uid, "desiredAPIVersion": wanted, "objects": list(objs)}
        review = {"kind": _KIND, "apiVersion": api_version, "request": request}
        try:
            body = await calling.post(self._services, self._endpoint, review, seconds=_SECONDS)
            converted = _answer(body, uid, api_version)
        except (CallFailed, _BadAnswer) as failed:
            raise ApiError(f"{what} failed: {failed}") from None
        if len(converted) != len(objs):
            raise ApiError(f"{what} returned {len(converted)} objects, expected {len(objs)}")
        for index, (old, new) in enumerate(zip(objs, converted, strict=True)):
            try:
                _restore(old, new, wanted)
            except _BadAnswer as bad:
                raise ApiError(f"{what} returned invalid converted object at index {index}: {bad}") from None
        return converted


class _BadAnswer(Exception):
    """The webhook answered, but not as it must."""


def _answer(body: bytes, uid: str, api_version: str) -> list[Object]:
    try:
        review = orjson.loads(body)
    except ValueError as error:
        raise _BadAnswer(f"couldn't get version/kind; json parse error: {error}") from None
    said = (str(dig(review, "apiVersion", default="")), str(dig(review, "kind", default="")))
    strict = api_version.endswith("/v1")
    if strict and said != (api_version, _KIND):
        got = f"{said[0] or '/'}, Kind={said[1]}"
        raise _BadAnswer(f"expected webhook response of {api_version}, Kind={_KIND}, got {got}")
    response = review.get("response")
    if not isinstance(response, dict):
        raise _BadAnswer("no response provided")
    if strict and response.get("uid") != uid:
        raise _BadAnswer(f"expected response.uid={show(uid)}, got {show(response.get('uid') or '')}")
    result = response.get("result") or {}
    if result.get("status") != "Success":
        why = f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        raise _BadAnswer(str(result.get("message") or why))
    return list(response.get("convertedObjects") or ())


def _restore(old: Object, new: Object, wanted: str) -> None:
    """Check what a conversion may not change, and undo what it may not change silently. In place."""
    if new.get("apiVersion") != wanted:
        raise _BadAnswer(f"invalid groupVersion (expected {wanted}, received {new.get('apiVersion') or ''})")
    if new.get("kind") != old["kind"]:
        raise _BadAnswer(f"invalid kind (expected {old['kind']}, received {new.get('kind') or ''})")
    before, after = old["metadata"], new.get("metadata") or {}
    for member, name in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        one, other = before.get(member) or "", after.get(member) or ""
        if one != other:
            raise _BadAnswer(f"must have the same {name}: {one} != {other}")
    kept = {key: value for key, value in before.items() if key not in ("labels", "annotations")}
    for member in ("labels", "annotations"):
        if after.get(member):
            kept[member] = after[member]
    new["metadata"] = kept


class VersionConversion:
    """The `Conversion` of one served version."""

    def __init__(self, webhook: ConversionWebhook, resource: ServedResource, schemas: Schemas) -> None:
        self._webhook = webhook
        self._resource = resource
        self._schemas = schemas
        self._own = b'{"apiVersion":"%b"' % resource.api_version.encode()
        self._known: OrderedDict[tuple[str, int], Entry] = OrderedDict()

    async def read(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries in this version."""
        places = [(entry.key, entry.modified) for entry in entries]
        found = [
            self._ready(entry) if entry.value.startswith(self._own) else self._known.get(place)
            for entry, place in zip(entries, places, strict=True)
        ]
        missing = [index for index, one in enumerate(found) if one is None]
        if missing:
            objs = [orjson.loads(entries[index].value) for index in missing]
            for index, obj in zip(missing, objs, strict=True):
                self._schemas.refresh(obj)
                # Webhooks see versions, the store does not.
                obj["metadata"]["resourceVersion"] = str(entries[index].modified)
            converted = await self._webhook.convert(objs, self._resource.api_version)
            for index, obj in zip(missing, converted, strict=True):
                self._schemas.of(self._resource.api_version).prune(obj)
                found[index] = self._remember(entries[index], obj)
        return [one for one in found if one is not None]

    def _ready(self, entry: Entry) -> Entry:
        """An entry that needs no conversion."""
        if not self._schemas.edited:
            return entry
        known = self._known.get((entry.key, entry.modified))
        if known is None:
            obj = orjson.loads(entry.value)
            self._schemas.refresh(obj)
            known = self._remember(entry, obj)
        return known

    def _remember(self, entry: Entry, obj: Object) -> Entry:
        one = Entry(entry.key, codec.encode(self._resource, obj), entry.created, entry.modified)
        self._known[entry.key, entry.modified] = one
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return one

    async def events(self, batch: Sequence[Event]) -> list[Event]:
        """The events with their entries in this version."""
        both = [(event.entry, event.previous) for event in batch]
        entries = [entry for pair in both for entry in pair if entry is not None]
        shown = iter(await self.read(entries))
        return [
            Event(
                event.revision,
                next(shown) if event.entry is not None else None,
                next(shown) if event.previous is not None else None,
            )
            for event in batch
        ]

    async def write(self, value: bytes) -> bytes:
        """A value in this version as it is stored."""
        wanted = self._resource.storage_api_version
        if wanted == self._resource.api_version:
            return value
        obj = orjson.loads(value)
        del obj["metadata"]["resourceVersion"]  # an empty one holds its place in stored values
        (stored,) = await self._webhook.convert([obj], wanted)
        self._schemas.complete(stored, wanted)
        return codec.dump(wanted, self._resource.kind, stored)

    async def show(self, obj: Object, wanted: ServedResource) -> Object:
        """An object of this version in another one."""
        (shown,) = await self._webhook.convert([obj], wanted.api_version)
        return shown


def attach(served: Sequence[ServedResource], crd: Object, services: Services, ids: Ids) -> None:
    """Have the CRD's webhook convert for its versions, where it names one. In place."""
    conversion = dig(crd, "spec", "conversion", default={})
    if conversion.get("strategy") != "Webhook":
        return
    webhook = ConversionWebhook(conversion, services, ids)
    for one in served:
        assert isinstance(one.strategy, CustomResourceStrategy)
        one.to_storage = one.from_storage = None
        one.conversion = VersionConversion(webhook, one, one.strategy.schemas)
