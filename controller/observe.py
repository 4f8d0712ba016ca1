"""Caches → `Observed`: everything one reconcile of one pool looks at, in one frozen snapshot.

Own writes that the caches do not show yet are laid over them (`own_writes`), so a decision never rests on a past that
this process itself has changed. Membership is the owner reference's uid, nothing else.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec import Struct, field

from controller import naming, revisions
from controller.own_writes import OwnWrites
from controller.revisions import Revisions
from controller.spec import FINALIZER
from fakekube.client.informer import Informer
from fakekube.machinery import objects
from fakekube.machinery.resources import VIRTUAL_MACHINE_POOLS
from fakekube.machinery.wire import Object


class Observed(Struct, frozen=True):
    """One pool and its surroundings at one moment."""

    pool: Object
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    owned: tuple[Object, ...] = ()  # its VMs, terminating ones included
    vmis: Mapping[str, Object] = field(default_factory=dict)  # by the name of the VM each belongs to
    revisions: Revisions = field(default_factory=lambda: Revisions({}))
    taken: frozenset[int] = frozenset()  # ordinals whose VM name is in use, whoever owns the VM
    detached: tuple[Object, ...] = ()  # VMs of nobody that came from this pool and still carry its finalizer
    bystanders: tuple[
        Object, ...
    ] = ()  # VMs of no living pool with the pool's finalizer; only for a terminating pool
    condemned: frozenset[str] = frozenset()  # uids of VMs this process has deleted


class Caches:
    """The informers one controller lives on, with the indexes that keep a reconcile proportional to its own pool."""

    def __init__(self, pools: Informer, vms: Informer, vmis: Informer, revisions: Informer) -> None:
        self.pools, self.vms, self.vmis, self.revisions = pools, vms, vmis, revisions
        vms.add_index("owner", controlling_pool)
        vms.add_index("family", _family)
        vms.add_index("detached", detached_from)
        revisions.add_index("owner", _owning_pools)

    def pool_of(self, obj: Object) -> Object | None:
        """The pool in the cache that controls `obj`: same namespace, name and uid."""
        owner = objects.controller_of(obj)
        if owner is None or owner.get("kind") != VIRTUAL_MACHINE_POOLS.kind:
            return None
        pool = self.pools.get(f"{objects.namespace(obj)}/{owner.get('name')}")
        return pool if pool is not None and objects.uid(pool) == owner.get("uid") else None


def controlling_pool(obj: Object) -> tuple[str, ...]:
    """The uid of the pool that controls `obj`, known or not."""
    owner = objects.controller_of(obj)
    return (owner["uid"],) if owner and owner.get("kind") == VIRTUAL_MACHINE_POOLS.kind else ()


def detached_from(vm: Object) -> tuple[str, ...]:
    """The key of the pool a VM was taken out of by removing its owner, as long as the pool's finalizer shows it."""
    if FINALIZER not in objects.finalizers(vm) or objects.controller_of(vm):
        return ()
    pool = revisions.of(vm).rpartition("-")[0]
    return (f"{objects.namespace(vm)}/{pool}",) if pool else ()


def _family(vm: Object) -> tuple[str, ...]:
    pool = naming.family(objects.name(vm))
    return (f"{objects.namespace(vm)}/{pool}",) if pool else ()


def _owning_pools(revision: Object) -> tuple[str, ...]:
    return tuple(
        owner["uid"] for owner in objects.owners(revision) if owner.get("kind") == VIRTUAL_MACHINE_POOLS.kind
    )


def observe(key: str, caches: Caches, own: OwnWrites, now: datetime) -> Observed | None:
    """What there is to know about the pool `key` now; None when there is no such pool."""
    if key not in caches.pools:
        own.forget(key)
        return None
    pool = own.latest(key, caches.pools)(key)
    if pool is None:
        return None
    uid = objects.uid(pool)
    owned = own.over(
        key, caches.vms, caches.vms.by_index("owner", uid), lambda vm: uid in controlling_pool(vm)
    )
    family = own.over(key, caches.vms, caches.vms.by_index("family", key), lambda vm: key in _family(vm))
    detached = own.over(
        key, caches.vms, caches.vms.by_index("detached", key), lambda vm: key in detached_from(vm)
    )
    vmis = _vmis(key, caches, own, owned)
    known = own.over(
        key, caches.revisions, caches.revisions.by_index("owner", uid), lambda one: uid in _owning_pools(one)
    )
    return Observed(
        pool=pool,
        now=now,
        owned=tuple(owned),
        vmis=vmis,
        revisions=_revisions(pool, known, caches, [*owned, *vmis.values()]),
        taken=frozenset(number for vm in family if (number := naming.ordinal(objects.name(vm))) is not None),
        detached=tuple(detached),
        bystanders=_bystanders(pool, key, caches, own) if objects.is_terminating(pool) else (),
        condemned=own.condemned(key),
    )


def _vmis(key: str, caches: Caches, own: OwnWrites, owned: Iterable[Object]) -> dict[str, Object]:
    """The VMI of each VM, by the VM's name. A VMI of that name which the VM does not control is not its VMI."""
    found = {}
    latest = own.latest(key, caches.vmis)
    for vm in owned:
        vmi = latest(objects.key(vm))
        if vmi is not None and (objects.controller_of(vmi) or {}).get("uid") == objects.uid(vm):
            found[objects.name(vm)] = vmi
    return found


def _revisions(pool: Object, owned: Iterable[Object], caches: Caches, users: Iterable[Object]) -> Revisions:
    """The pool's revisions, and those of nobody that a VM or VMI still names or that has the next name."""
    known = {objects.name(revision): revision for revision in owned}
    names = {revisions.of(user) for user in users} | {f"{objects.name(pool)}-{objects.generation(pool)}"}
    taken = set()
    for name in sorted(names - known.keys()):
        stray = caches.revisions.get(f"{objects.namespace(pool)}/{name}")
        if stray is None:
            continue
        if objects.controller_of(stray) is None:
            known[name] = stray
        else:
            taken.add(name)
    return Revisions(known, frozenset(taken))


def _bystanders(pool: Object, key: str, caches: Caches, own: OwnWrites) -> tuple[Object, ...]:
    """VMs the pool does not own that only its finalizer may hold; those of other living pools are theirs to release."""
    space = objects.namespace(pool)
    everything = own.over(key, caches.vms, caches.vms.in_namespace(space), lambda _: True)
    return tuple(
        vm
        for vm in everything
        if FINALIZER in objects.finalizers(vm)
        and objects.uid(pool) not in controlling_pool(vm)
        and caches.pool_of(vm) is None
    )
