"""Field ownership of plain writes: create, update, patch and status writes, everything but apply.

A write owns what it changes; whoever owned a changed or removed field loses it. An owner left with nothing vanishes,
and an entry's time moves only when the writer gained something. One storage version serves all API versions of a kind
here, so fields owned through another version are compared as they stand.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/managedfields/internal/*.go
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from fakekube.api.patching import fieldset, go_format
from fakekube.api.patching.compare import added_to_new, compare
from fakekube.api.patching.fieldset import FieldSet
from fakekube.api.patching.reconcile import entries_under
from fakekube.api.patching.typed import OBJECT_META, ElementError, Type, root_type
from fakekube.api.schema.model import Schema
from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery.wire import Object

Entry = dict[str, Any]  # one element of metadata.managedFields
Identity = tuple[str, str, str, str]  # manager, operation, apiVersion (empty for appliers), subresource

MAX_UPDATE_MANAGERS = 10
ANCIENT = "ancient-changes"
_TEXTS = ("manager", "operation", "apiVersion", "time", "fieldsType", "subresource")

# What identifies an object or belongs to the server is nobody's field.
UNOWNED_METADATA = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    }
)
UNOWNED = fieldset.from_names(
    "apiVersion", "kind", "metadata", *(f"metadata.{name}" for name in UNOWNED_METADATA)
)
NO_FIELDS: FieldSet = {}
_BLANK = dict.fromkeys(
    ("apiVersion", "kind", "metadata")
)  # over an object: what is compared apart, or not at all


def record_update(
    old: Object | None,
    new: Object,
    *,
    manager: str,
    api_version: str,
    subresource: str,
    now: datetime,
    schema: Schema | None,
    reset: FieldSet = NO_FIELDS,
) -> Object:
    """`new` with metadata.managedFields as after this write by `manager`; `old` is None when it creates the object.

    `reset` names fields this write cannot change (status, for writes to the main resource): nobody gains or loses them.
    The result shares everything but its metadata with `new`.
    """
    metadata: Mapping[str, Any] = new.get("metadata") or {}
    entries = _entries_to_start_from(old, metadata, subresource=subresource)
    if entries is not None:
        kind = root_type(schema)
        if kind.revised:
            entries = entries_under(kind, entries)
        try:
            gained, lost = changes(old, new, kind)
        except ElementError:  # a list without its keys: validation refuses it later, ownership stays as it is
            gained, lost = NO_FIELDS, NO_FIELDS
        if reset:
            gained, lost = fieldset.without(gained, reset), fieldset.without(lost, reset)
        if gained or lost:
            entries = surrender(entries, gained, lost)
        if gained:
            identity = (manager, "Update", api_version, subresource)
            entries = capped(_credited(entries, identity, gained, rfc3339(now)))
    return with_entries(new, metadata, entries or ())


def with_entries(obj: Object, metadata: Mapping[str, Any], entries: Sequence[Entry]) -> Object:
    """`obj` with this metadata and these managedFields, or none."""
    kept = dict(metadata)
    if entries:
        kept["managedFields"] = entries
    else:
        kept.pop("managedFields", None)
    return {**obj, "metadata": kept}


def changes(old: Object | None, new: Object, kind: Type) -> tuple[FieldSet, FieldSet]:
    """What `new` changes or adds, and what it removes, as far as anybody can own it."""
    if old is None:
        owned = dict(new)
        for name in _BLANK:
            owned.pop(name, None)
        gained = added_to_new(owned, kind)
        inner = added_to_new(_owned_metadata(new), OBJECT_META)
        return ({**gained, "f:metadata": inner} if inner else gained), NO_FIELDS
    gained, lost = compare({**old, **_BLANK}, {**new, **_BLANK}, kind)
    if old.get("metadata") != new.get("metadata"):  # most writes leave all of it alone
        more, less = compare(_owned_metadata(old), _owned_metadata(new), OBJECT_META)
        if more:
            gained["f:metadata"] = more
        if less:
            lost["f:metadata"] = less
    return gained, lost


def _owned_metadata(obj: Object) -> dict[str, Any]:
    meta: Mapping[str, Any] = obj.get("metadata") or {}
    return {name: value for name, value in meta.items() if name not in UNOWNED_METADATA}


def _entries_to_start_from(
    old: Object | None, metadata: Mapping[str, Any], *, subresource: str
) -> Sequence[Entry] | None:
    """The owners before this write; None when ownership is not tracked.

    Clients may set managedFields: `[]` or `[{}]` stops tracking, valid entries are taken, the rest is passed over.
    A subresource cannot touch them.
    """
    stored: Sequence[Entry] = () if old is None else (old.get("metadata") or {}).get("managedFields") or ()
    given = None if subresource else metadata.get("managedFields")
    if given is None or given == stored:
        found = stored
    elif given in ([], [{}]):
        found = ()
    else:
        found = _valid(given) or stored
    if not found and old is not None:
        return None
    return found if found is stored else [entry for entry in found if entry["fieldsV1"]]


def _valid(given: Any) -> Sequence[Entry]:
    """A client's entries in canonical form; nothing at all when one of them is malformed."""
    try:
        return read(given)
    except ValueError:
        return ()


def read(given: Any) -> list[Entry]:
    """Somebody else's entries as this module writes them. Raises ValueError in Go's words when one is malformed."""
    if not isinstance(given, list):
        raise ValueError("they are no list")  # noqa: TRY004 - one error for bad data
    entries = [_canonical(index, entry or {}) for index, entry in enumerate(given)]
    return list({identity_of(entry): entry for entry in entries}.values())


def _canonical(index: int, entry: Any) -> Entry:
    if not isinstance(entry, Mapping) or any(
        entry.get(name) and type(entry[name]) is not str for name in _TEXTS
    ):
        raise ValueError(f"cannot unmarshal managed fields entry {index}")
    if entry.get("operation") not in ("Apply", "Update"):
        raise ValueError("operation must be `Apply` or `Update`")
    if not entry.get("apiVersion"):
        raise ValueError("apiVersion must not be empty")
    if not (kind := entry.get("fieldsType")):
        raise ValueError(f"missing fieldsType in managed fields entry {index}")
    if kind != "FieldsV1":
        raise ValueError(f"invalid fieldsType {go_format.quoted(kind)} in managed fields entry {index}")
    manager, operation, _, subresource = identity_of(entry)
    moment = parse_rfc3339(entry["time"]) if entry.get("time") else None
    try:
        fields = fieldset.parse(entry.get("fieldsV1") or {})
    except ValueError as error:
        shown = [
            manager,
            operation,
            entry["apiVersion"],
            f"{moment:%Y-%m-%d %H:%M:%S +0000 UTC}" if moment else "<nil>",
        ]
        shown += [kind, orjson.dumps(entry["fieldsV1"]).decode(), subresource]
        said = f"error decoding versioned set from {{{' '.join(shown)}}}: error decoding set: {error}"
        raise ValueError(said) from None
    time = rfc3339(moment) if moment else ""
    return new_entry((manager, operation, "", subresource), entry["apiVersion"], fields, time)


def identity_of(entry: Mapping[str, Any]) -> Identity:
    """Who an entry speaks of. An applier stays the same through all API versions."""
    operation = entry["operation"]
    version = "" if operation == "Apply" else entry["apiVersion"]
    return entry.get("manager") or "", operation, version, entry.get("subresource") or ""


def rank(entry: Mapping[str, Any]) -> bytes:
    """Where an owner stands among others: in the order of what Go identifies it by, its entry as JSON."""
    manager, operation, version, subresource = identity_of(entry)
    known = {"manager": manager, "operation": operation, "apiVersion": version, "subresource": subresource}
    return orjson.dumps({name: value for name, value in known.items() if value})


def surrender(entries: Iterable[Entry], gained: FieldSet, lost: FieldSet) -> list[Entry]:
    """The entries after everybody gave up what somebody else changed and what is gone. Empty ones vanish."""
    out: list[Entry] = []
    for entry in entries:
        fields = entry["fieldsV1"]
        rest = fieldset.difference(fields, gained)
        if lost:
            rest = fieldset.difference(rest, lost)
        if rest is fields:
            out.append(entry)
        elif rest:
            out.append({**entry, "fieldsV1": rest})
    return out


def _credited(entries: Iterable[Entry], identity: Identity, gained: FieldSet, time: str) -> list[Entry]:
    out: list[Entry] = []
    for entry in entries:
        if identity_of(entry) == identity:
            gained = fieldset.union(gained, entry["fieldsV1"])
        else:
            out.append(entry)
    out.append(new_entry(identity, identity[2], gained, time))
    return ordered(out)


def new_entry(identity: Identity, version: str, fields: FieldSet, time: str) -> Entry:
    """One element of managedFields; an empty `time` is left out."""
    manager, operation, _, subresource = identity
    entry: Entry = {"manager": manager} if manager else {}
    entry |= {
        "operation": operation,
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    if time:
        entry["time"] = time
    if subresource:
        entry["subresource"] = subresource
    return entry


def ordered(entries: list[Entry]) -> list[Entry]:
    """The order on the wire: appliers first, then by time, then by who it is."""
    return entries if len(entries) < 2 else sorted(entries, key=_wire_order)


def _wire_order(entry: Entry) -> tuple[str, ...]:
    return (
        entry["operation"],
        entry.get("time", ""),
        entry.get("manager", ""),
        entry["apiVersion"],
        entry.get("subresource", ""),
    )


def capped(entries: list[Entry], limit: int = MAX_UPDATE_MANAGERS) -> list[Entry]:
    """At most `limit` entries of updates: the oldest of each API version melt into one called ancient-changes."""
    updates = [entry for entry in entries if entry["operation"] == "Update"]
    if len(updates) <= limit:
        return entries
    left = {identity_of(entry): entry for entry in entries}
    oldest_first = sorted(updates, key=lambda entry: (entry.get("time", ""), rank(entry)))
    first_of: dict[str, Identity] = {}
    surplus = len(updates) - limit
    for entry in oldest_first:
        if not surplus:
            break
        version, identity = entry["apiVersion"], identity_of(entry)
        if version not in first_of:
            first_of[version] = identity
            continue
        bucket: Identity = (ANCIENT, "Update", version, "")
        melted = left.get(bucket) or left.pop(first_of[version])
        del left[identity]
        fields = fieldset.union(entry["fieldsV1"], melted["fieldsV1"])
        left[bucket] = new_entry(bucket, version, fields, entry.get("time", ""))
        surplus -= 1
    return ordered(list(left.values()))
