"""Revisions: which template a VM or VMI was built from, kept as ControllerRevisions `<pool>-<generation>`.

Made only when VMs are about to be made or changed, dropped when no VM and no VMI names them any more.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from controller import spec
from controller.building import owner_reference
from controller.semantics import same
from controller.spec import REVISION_LABEL
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.resources import CONTROLLER_REVISIONS, VIRTUAL_MACHINE_POOLS
from fakekube.machinery.wire import Object


class Revisions(Struct, frozen=True):
    """What is known of a pool's revisions: `known` by name, and `taken`, names that are somebody else's."""

    known: Mapping[str, Object]
    taken: frozenset[str] = frozenset()

    def template(self, name: str) -> Mapping[str, Any]:
        """The virtualMachineTemplate stored under a known name."""
        found: Mapping[str, Any] = objects.dig(self.known[name], "data", "virtualMachineTemplate", default={})
        return found


def of(obj: Object) -> str:
    """The revision a VM or VMI names; empty when it names none."""
    return objects.labels(obj).get(REVISION_LABEL, "")


def kept(revision: Object) -> Object:
    """What a cache keeps of a revision: one that others than pools control loses its data. Every VM has one, which holds
    the whole VM."""
    owners = objects.owners(revision)
    if objects.controller_of(revision) is None or any(
        owner.get("kind") == VIRTUAL_MACHINE_POOLS.kind for owner in owners
    ):
        return revision
    return {member: value for member, value in revision.items() if member != "data"}


def current_name(pool: Object, revisions: Revisions) -> str:
    """The name of the current revision. Where something else sits under it, the pool's uid tells ours apart.

    That happens when a pool of the same name was orphaned before. Upstream takes such a revision as it is.
    """
    name = f"{objects.name(pool)}-{objects.generation(pool)}"
    foreign = name in revisions.taken
    if not foreign and name in revisions.known:
        foreign = not same(revisions.template(name), spec.template(pool))
    return f"{name}-{objects.uid(pool)[:8]}" if foreign else name


def made(pool: Object, name: str) -> Object:
    return {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": {
            "name": name,
            "namespace": objects.namespace(pool),
            "ownerReferences": [owner_reference(pool)],
        },
        "data": copy_of(pool["spec"]),
        "revision": objects.generation(pool),
    }


def outdated(pool: Object, vms: Iterable[Object], revisions: Revisions) -> list[Object]:
    """The VMs whose revision is unknown, or has another template than the pool. What a VM really holds is not compared."""
    wanted = spec.template(pool)
    verdicts: dict[str, bool] = {}  # many VMs, few revisions
    found = []
    for vm in vms:
        name = of(vm)
        if name not in verdicts:
            verdicts[name] = name not in revisions.known or not same(revisions.template(name), wanted)
        if verdicts[name]:
            found.append(vm)
    return found


def unused(pool: Object, users: Iterable[Object], revisions: Revisions) -> list[Object]:
    """The pool's own revisions that none of `users`, VMs and VMIs, names."""
    uid = objects.uid(pool)
    candidates = {
        name: revision
        for name, revision in revisions.known.items()
        if any(owner.get("uid") == uid for owner in objects.owners(revision))
    }
    for user in users:
        if not candidates:  # mostly after the first of them: many VMs, few revisions
            break
        candidates.pop(of(user), None)
    return list(candidates.values())
