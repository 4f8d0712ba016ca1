"""Server-side apply: merge a manager's configuration into an object, and keep account of who owns which field.

What a manager applied last time and leaves out now goes, unless somebody else owns it too. Changing what another owns
is a conflict, unless forced. The caller decodes the request, checks its name, and gives the merged object the treatment
of any update; here are only the object and its owners.

Origin: structured-merge-diff: merge/update.go;
k8s: staging/src/k8s.io/apimachinery/pkg/util/managedfields/internal/{structuredmerge,conflict,skipnonapplied}.go
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fakekube.api.patching import fieldset
from fakekube.api.patching.compare import fields_of
from fakekube.api.patching.fieldset import FieldSet, Path
from fakekube.api.patching.go_format import quoted
from fakekube.api.patching.last_applied import LAST_APPLIED, configuration_text, unchanged_since
from fakekube.api.patching.managed_fields import (
    NO_FIELDS,
    UNOWNED,
    Entry,
    Identity,
    changes,
    identity_of,
    new_entry,
    ordered,
    rank,
    record_update,
    surrender,
    with_entries,
)
from fakekube.api.patching.merge import merged, removed, with_structs
from fakekube.api.patching.reconcile import entries_under
from fakekube.api.patching.typed import ElementError, Type, root_type
from fakekube.api.patching.validate import faults
from fakekube.api.schema.model import Schema
from fakekube.clock import rfc3339
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, BadRequest, Conflict
from fakekube.machinery.objects import alike, dig
from fakekube.machinery.wire import Object

BEFORE_FIRST_APPLY = "before-first-apply"
KUBECTL = "kubectl"  # the one manager that shares its objects with client-side apply


def apply(
    live: Object | None,
    applied: Object,
    *,
    manager: str,
    force: bool,
    api_version: str,
    subresource: str,
    now: datetime,
    schema: Schema | None,
    kind: str = "",
    reset: FieldSet = NO_FIELDS,
) -> Object:
    """The object after `manager` applied `applied` to `live` (None creates it), managedFields included.

    `kind`, when given, is the only one accepted. `reset` names the fields this resource ignores (status, for the main
    resource; spec, for `/status`): applying them owns nothing. Raises Conflict when others own what would change,
    BadRequest for another kind and for managedFields in the configuration, ApiError 500 when the configuration does
    not fit the schema. The result shares nothing with the arguments.
    """
    if (kind and applied.get("kind") != kind) or applied.get("apiVersion") != api_version:
        raise BadRequest(f"invalid object type: {_kind_text(applied)}")
    if dig(applied, "metadata", "managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    shape = root_type(schema)
    wrong = faults(applied, shape)
    if wrong:
        raise ApiError(f"failed to create typed patch object ({_object_text(applied)}): {wrong}")
    if live is not None and shape.revised and (wrong := faults(live, shape, repeated=True)):
        said = "create typed live object ({})"
        if not dig(live, "metadata", "managedFields"):
            said = "create manager for existing fields: failed to convert new object ({}) to smd typed"
        raise ApiError(f"failed to {said.format(_object_text(live))}: {wrong}")
    task = _Apply(
        live, applied, shape, manager=manager, api_version=api_version, subresource=subresource, reset=reset
    )
    try:
        task.load(now, schema)
        return task.run(rfc3339(now), force=force)
    except ElementError as error:
        raise ApiError(f"failed to merge config: {error}") from error


class _Apply:
    """One apply and what it knows: the object before, the owners before, and who applies."""

    def __init__(
        self,
        live: Object | None,
        applied: Object,
        shape: Type,
        *,
        manager: str,
        api_version: str,
        subresource: str,
        reset: FieldSet,
    ) -> None:
        self.live = live
        self.applied = applied
        self.shape = shape
        self.manager = manager
        self.api_version = api_version
        self.reset = reset
        self.identity: Identity = (manager, "Apply", "", subresource)
        self.subresource = subresource
        self.others: list[Entry] = []
        self.previous: Entry | None = None

    def load(self, now: datetime, schema: Schema | None) -> None:
        """Read the owners. An object nobody was recorded for belongs to `before-first-apply`, all of it."""
        if self.live is None:
            return
        entries = (self.live.get("metadata") or {}).get("managedFields")
        if not entries:
            tracked = record_update(
                None,
                self.live,
                manager=BEFORE_FIRST_APPLY,
                api_version=self.api_version,
                subresource=self.subresource,
                now=now,
                schema=schema,
                reset=self.reset,
            )
            entries = tracked["metadata"].get("managedFields") or ()
        for entry in entries_under(self.shape, entries) if self.shape.revised else entries:
            if identity_of(entry) == self.identity:
                self.previous = entry
            else:
                self.others.append(entry)

    def run(self, time: str, *, force: bool) -> Object:
        before = self._without_owners(self.live) if self.live is not None else self._empty()
        applied_fields = fields_of(self.applied, self.shape)
        own = fieldset.without(applied_fields, self.reset)
        after = merged(before, self.applied, self.shape)
        if self.previous is not None:
            after = self._pruned(after, self.previous["fieldsV1"], own)
        gained, lost = changes(before, after, self.shape)
        gained, lost = fieldset.without(gained, self.reset), fieldset.without(lost, self.reset)
        if not force:
            self._refuse_conflicts(gained)
        entries = surrender(self.others, gained, lost)
        owned = fieldset.difference(own, UNOWNED)
        if owned:
            unchanged = self.live is not None and alike(before, after)
            moment = (self.previous or {}).get("time", "") if unchanged else time
            entries.append(new_entry(self.identity, self.api_version, owned, moment))
        after = self._with_last_applied(after)
        return copy_of(with_entries(after, after.get("metadata") or {}, ordered(entries)))

    def _empty(self) -> Object:
        return {"apiVersion": self.applied["apiVersion"], "kind": self.applied.get("kind")}

    @staticmethod
    def _without_owners(obj: Object) -> Object:
        return with_entries(obj, obj.get("metadata") or {}, ())

    def _pruned(self, after: Object, last: FieldSet, own: FieldSet) -> Object:
        """Take out what was applied last time and is not now, then put back what anybody still owns."""
        full = with_structs(fields_of(after, self.shape), self.shape)
        last = with_structs(last, self.shape)
        rest = fields_of(removed(after, last, self.shape), self.shape)
        kept = with_structs(rest, self.shape)
        for fields in (own, *(entry["fieldsV1"] for entry in self.others)):
            kept = fieldset.union(kept, with_structs(fields, self.shape))
        pruned = removed(after, fieldset.difference(full, kept), self.shape)
        remaining = with_structs(fields_of(pruned, self.shape), self.shape)
        dropped = fieldset.intersection(fieldset.difference(full, remaining), last)
        out: Object = removed(after, dropped, self.shape)
        return out

    def _refuse_conflicts(self, gained: FieldSet) -> None:
        found = [
            (entry, path)
            for entry in sorted(self.others, key=rank)
            for path in fieldset.paths(fieldset.intersection(entry["fieldsV1"], gained))
        ]
        if found and self.manager == KUBECTL and self.live is not None:
            allowed = unchanged_since(self.live, self.api_version, self.shape)
            if allowed is not None:
                found = [(entry, path) for entry, path in found if not fieldset.has(allowed, path)]
        if found:
            raise conflict_error(found)

    def _with_last_applied(self, after: Object) -> Object:
        """Keep kubectl's annotation up to date where it exists, so that client-side apply can go on from here."""
        metadata: dict[str, Any] = after.get("metadata") or {}
        annotations: dict[str, str] = metadata.get("annotations") or {}
        if self.manager != KUBECTL or not annotations.get(LAST_APPLIED):
            return after
        text = configuration_text(self.applied, annotations)
        if text is None:
            return after
        return {**after, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def conflict_error(found: Sequence[tuple[Entry, Path]]) -> Conflict:
    """409 with one cause per field and owner."""
    lines: dict[str, list[str]] = {}
    causes: list[dict[str, str]] = []
    for entry, path in found:
        owner, place = _owner_text(entry), fieldset.path_text(path)
        lines.setdefault(owner, []).append(place)
        causes.append({"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": place})
    if len(found) == 1:
        said = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        blocks = ["\n- ".join([f"conflicts with {owner}:", *places]) for owner, places in lines.items()]
        said = f"{len(found)} conflicts: " + "\n".join(blocks)
    return Conflict(f"Apply failed with {said}", details={"causes": causes})


def _owner_text(entry: Entry) -> str:
    text = quoted(entry.get("manager", ""))
    if entry.get("subresource"):
        text += f" with subresource {quoted(entry['subresource'])}"
    return f"{text} using {entry['apiVersion']}" if entry["operation"] == "Update" else text


def _kind_text(obj: Object) -> str:
    group, _, version = str(obj.get("apiVersion") or "").rpartition("/")
    return f"{group}/{version}, Kind={obj.get('kind') or ''}"


def _object_text(obj: Object) -> str:
    namespace, name = (dig(obj, "metadata", member) for member in ("namespace", "name"))
    namespace, name = (value if isinstance(value, str) else "" for value in (namespace, name))
    return f"{namespace}/{name}; {_kind_text(obj)}"
