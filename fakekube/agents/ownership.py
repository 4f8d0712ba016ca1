"""Who owns whom: the graph the garbage collector works on. Pure of I/O.

Nodes are objects by uid; edges are owner references. An owner need not be in the graph: it may be unknown yet, or gone.

Upstream: k8s: pkg/controller/garbagecollector/{graph,graph_builder}.go. Unlike there, absent owners are no nodes of
their own: `dependents` is kept by the owner's uid alone.
"""

from collections.abc import Iterable
from typing import Any

from fakekube.machinery import objects
from fakekube.machinery.resources import Resource, split_api_version
from fakekube.machinery.wire import Object

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


class Node:
    """One object as it was last seen. Made at every change of anything, so what is asked every time is read once."""

    __slots__ = ("obj", "owners", "resource", "terminating", "uid")

    def __init__(self, resource: Resource, obj: Object) -> None:
        meta = obj.get("metadata") or {}
        self.resource = resource
        self.obj = obj
        self.uid: str = meta.get("uid") or ""
        self.owners: list[dict[str, Any]] = meta.get("ownerReferences") or []
        self.terminating = bool(meta.get("deletionTimestamp"))

    @property
    def name(self) -> str:
        return objects.name(self.obj)

    @property
    def namespace(self) -> str:
        return objects.namespace(self.obj)

    @property
    def orphaning(self) -> bool:
        """Deleted, and its dependents are to be let go first."""
        return self.terminating and ORPHAN in objects.finalizers(self.obj)

    @property
    def waiting(self) -> bool:
        """Deleted in the foreground: it waits for its blocking dependents."""
        return self.terminating and FOREGROUND in objects.finalizers(self.obj)

    def is_at(self, reference: dict[str, Any], namespace: str) -> bool:
        """Whether this is what `reference`, on an object in `namespace`, names beside the uid."""
        group, _ = split_api_version(reference.get("apiVersion") or "")
        return (
            reference.get("name") == self.name
            and reference.get("kind") == self.resource.kind
            and group == self.resource.group
            and (not self.resource.namespaced or self.namespace == namespace)
        )


class Ownership:
    """Objects and who depends on them."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._dependents: dict[str, dict[str, Node]] = {}

    def put(self, node: Node) -> Node | None:
        """Insert or replace; the node before."""
        uid = node.uid
        before = self.nodes.get(uid)
        self.nodes[uid] = node
        if before is not None and before.owners != node.owners:
            self._unlink(before)
        for owner in node.owners:
            self._dependents.setdefault(owner.get("uid") or "", {})[uid] = node
        return before

    def renew(self, old: Object, new: Object) -> bool:
        """Whether the change is none of ownership's, and has been taken over: who owns an object stayed the same, it is
        not on its way out, and none of its owners waits. So it is nearly always."""
        before, now = old["metadata"], new["metadata"]
        owners = now.get("ownerReferences") or []
        if "deletionTimestamp" in now or (before.get("ownerReferences") or []) != owners:
            return False
        node = self.nodes.get(now["uid"])
        if node is None or node.obj is not old or any(is_waiting(self, one.get("uid")) for one in owners):
            return False
        node.obj = new
        return True

    def remove(self, uid: str) -> Node | None:
        """Forget an object; who depends on it still does."""
        node = self.nodes.pop(uid, None)
        if node is not None:
            self._unlink(node)
        return node

    def dependents(self, uid: str) -> list[Node]:
        return list(self._dependents.get(uid, {}).values())

    def blocking(self, uid: str) -> list[Node]:
        """Dependents that must be gone before their owner, deleted in the foreground, may go."""
        return [
            node
            for node in self.dependents(uid)
            if any(owner.get("uid") == uid and owner.get("blockOwnerDeletion") for owner in node.owners)
        ]

    def without_owner(self) -> list[Node]:
        """Objects with an owner that is not in the graph: it is gone, or was never there."""
        return [node for node in self.nodes.values() if self.lacks_owner(node)]

    def lacks_owner(self, node: Node) -> bool:
        """Whether an owner is not in the graph, or is not what the reference says beside the uid."""
        for owner in node.owners:
            known = self.nodes.get(owner.get("uid") or "")
            if known is None or not known.is_at(owner, node.namespace):
                return True
        return False

    def _unlink(self, node: Node) -> None:
        for owner in node.owners:
            uid = owner.get("uid") or ""
            found = self._dependents.get(uid)
            if found is not None:
                found.pop(node.uid, None)
                if not found:
                    del self._dependents[uid]


def affected(graph: Ownership, before: Node | None, now: Node) -> Iterable[str]:
    """The uids to look at after an object was added or changed."""
    if before is not None and not now.terminating and before.owners == now.owners:  # nearly always
        for owner in now.owners:
            if is_waiting(graph, owner.get("uid")):
                yield now.uid
                return
        return
    if now.orphaning and not (before and before.orphaning):
        yield now.uid
    if now.waiting and not (before and before.waiting):
        yield now.uid
        for dependent in graph.dependents(now.uid):
            yield dependent.uid
    if before is None or before.owners != now.owners:
        if graph.lacks_owner(now):
            yield now.uid
        for owner in before.owners if before else ():
            if is_waiting(graph, owner.get("uid")):
                yield owner["uid"]
    # Born to, or adopted by, an owner that is already on its way out in the foreground.
    if any(is_waiting(graph, owner.get("uid")) for owner in now.owners):
        yield now.uid
    # A dependent that began to wait for its own dependents may close a circle.
    if now.waiting and before and not before.waiting:
        yield from (owner["uid"] for owner in now.owners if is_waiting(graph, owner.get("uid")))


def is_waiting(graph: Ownership, uid: str | None) -> bool:
    node = graph.nodes.get(uid or "")
    return node is not None and node.waiting
