"""ControllerRevisions: every template a StatefulSet or DaemonSet has had, so that it can go back to one.

Upstream: k8s: pkg/controller/history/controller_history.go, pkg/controller/{statefulset/stateful_set_control,daemon/update}.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from fakekube.agents.workloads import hashing
from fakekube.agents.workloads.caches import OWNER
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import CONTROLLER_REVISIONS
from fakekube.machinery.wire import Object

POD_LABEL = "controller-revision-hash"
_HASH = "controller.kubernetes.io/hash"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def data_of(owner: Object) -> Object:
    """What a revision keeps: a patch that puts the template back."""
    return {"spec": {"template": {"$patch": "replace", **copy_of(owner["spec"]["template"])}}}


def template_of(revision: Object) -> Object:
    template = dig(revision, "data", "spec", "template", default={})
    return {member: value for member, value in template.items() if member != "$patch"}


def number(revision: Object) -> int:
    return int(revision.get("revision") or 0)


def in_order(revisions: Iterable[Object]) -> list[Object]:
    return sorted(
        revisions, key=lambda one: (number(one), dig(one, "metadata", "creationTimestamp", default=""))
    )


def build(
    owner: Object,
    own_number: int,
    collisions: int,
    *,
    hash_: str = "",
    labels: Mapping[str, str] | None = None,
) -> Object:
    """A new revision of the owner's template."""
    data = data_of(owner)
    if not hash_:
        hash_ = hashing.of_revision(orjson.dumps(data, option=orjson.OPT_SORT_KEYS), collisions)
    marks = dict(dig(owner, "spec", "template", "metadata", "labels", default={}))
    notes = {key: value for key, value in objects.annotations(owner).items() if key != _LAST_APPLIED}
    meta: dict[str, Any] = {
        "name": f"{objects.name(owner)}-{hash_}",
        "namespace": objects.namespace(owner),
        "labels": {**marks, **(labels or {_HASH: hash_})},
        "ownerReferences": [objects.owner_reference(owner)],
    }
    if notes:
        meta["annotations"] = notes
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": meta,
        "data": data,
        "revision": own_number,
    }


class History:
    """The revisions of one kind's objects. What was just written counts although the cache does not show it yet."""

    def __init__(self, client: Client, cache: Informer, *, by_template: bool) -> None:
        """`by_template`: hashes are those of templates, as a DaemonSet's are."""
        self._client = client
        self._cache = cache
        self._by_template = by_template
        self._written: dict[str, Object] = {}  # by key, until the cache shows them
        cache.on_change(self._shown)

    def _shown(self, old: Object | None, new: Object | None) -> None:
        self._written.pop(objects.key(new or old or {}), None)

    def of(self, owner: Object) -> list[Object]:
        found = {objects.key(one): one for one in self._cache.by_index(OWNER, objects.uid(owner))}
        found |= {
            key: one
            for key, one in self._written.items()
            if (objects.controller_of(one) or {}).get("uid") == objects.uid(owner)
        }
        return in_order(one for one in found.values() if not objects.is_terminating(one))

    async def newest(self, owner: Object, collisions: int) -> tuple[Object, int]:
        """The revision of the owner's template, made or renumbered where needed; and the collision count after it."""
        known = self.of(owner)
        data = data_of(owner)
        following = number(known[-1]) + 1 if known else 1
        same = [one for one in known if one.get("data") == data]
        if same and same[-1] is known[-1]:
            return same[-1], collisions
        if same:
            again = {**same[-1], "revision": following}
            return self._noted(await self._client.update(CONTROLLER_REVISIONS, again)), collisions
        while True:
            wanted = self._built(owner, following, collisions)
            made = await self._client.create_if_absent(CONTROLLER_REVISIONS, wanted)
            if made is not None:
                return self._noted(made), collisions
            present = await self._client.get(
                CONTROLLER_REVISIONS, objects.name(wanted), objects.namespace(wanted)
            )
            if present.get("data") == data:
                return present, collisions
            collisions += 1

    def _built(self, owner: Object, own_number: int, collisions: int) -> Object:
        if not self._by_template:
            return build(owner, own_number, collisions)
        hash_ = hashing.of_template(owner["spec"]["template"], collisions or None)
        return build(owner, own_number, collisions, hash_=hash_, labels={POD_LABEL: hash_})

    async def forget(self, owner: Object, live: Iterable[str]) -> None:
        """Drop the oldest revisions beyond the limit that nobody uses: `live` names those in use."""
        limit, live = dig(owner, "spec", "revisionHistoryLimit"), set(live)
        if limit is None or limit < 0:
            return
        idle = [one for one in self.of(owner) if objects.name(one) not in live]
        for one in idle[: max(0, len(idle) - limit)]:
            await self._client.delete_if_present(
                CONTROLLER_REVISIONS, objects.name(one), objects.namespace(one)
            )

    def _noted(self, revision: Object) -> Object:
        shown = self._cache.get(objects.key(revision))
        if shown is None or objects.resource_version(shown) != objects.resource_version(revision):
            self._written[objects.key(revision)] = revision
        return revision
