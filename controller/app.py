"""Which changes wake which pools, and the parts put together: informers → queue → reconciler.

Every change wakes its pool after a delay, so that what changes together is handled together. It is fixed for what pools
are asked for, and may be shorter than the other: who asks waits for nothing else. What their VMs do, and what is told of
it in their status, gathers for longer in large pools, up to a second: each pass looks at all VMs of its pool, and without
that a pool that comes up would cost the square of its size.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

import asyncio
from collections.abc import Iterable

from controller import revisions
from controller.observe import Caches, detached_from
from controller.reconciler import Reconciler
from controller.scaling import BURST
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Observer, own_key
from fakekube.client.informer import Informer
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from fakekube.machinery.wire import Object

COMPONENT = "virtualmachinepool-controller"

_WANTED = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp")
_PER_VM, _LONGEST = 1 / 2500, 1.0  # seconds that changes gather; the longest is upstream's fixed delay


class PoolController:
    """The VirtualMachinePool controller as an actor: it knows the cluster through its client only."""

    name = "pool-controller"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        reconcile_delay: float = 1.0,
        asked_delay: float | None = None,
        workers: int = 3,
        namespace: str | None = None,
        burst: int = BURST,
        observer: Observer | None = None,
    ) -> None:
        pools, vms, vmis = (
            Informer(client, resource, clock=clock, namespace=namespace)
            for resource in (VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES)
        )
        stored = Informer(
            client, CONTROLLER_REVISIONS, clock=clock, namespace=namespace, transform=revisions.kept
        )
        self._delay = reconcile_delay
        self._caches = Caches(pools, vms, vmis, stored)
        self._recorder = Recorder(client, COMPONENT, clock=clock, ids=ids)
        self.reconciler = Reconciler(client, self._caches, self._recorder, clock=clock, burst=burst)
        self.controller = Controller(
            "virtualmachinepool", self.reconciler.reconcile, clock=clock, workers=workers, observer=observer
        )
        self.controller.source(pools, _asked, delay=reconcile_delay if asked_delay is None else asked_delay)
        self.controller.source(pools, _told, delay=self._gathering)
        self.controller.source(vms, self._pools_of_vm, delay=self._gathering, about=pools)
        self.controller.source(vmis, self._pool_of_vmi, delay=self._gathering, about=pools)
        self.controller.source(stored, self._pool_of_revision, delay=reconcile_delay, about=pools)

    @property
    def idle(self) -> bool:
        """Nothing is queued, reconciled or waiting to be told; delayed keys do not count."""
        return self.controller.idle and self._recorder.idle

    @property
    def synced(self) -> bool:
        """Whether every cache has been filled."""
        return all(informer.synced for informer in self.controller.informers)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run(), name=f"{self.name}: events")
            tasks.create_task(self.controller.run(), name=self.name)

    def _gathering(self, key: str) -> float:
        """How long changes of a pool's VMs and instances gather."""
        pool = self._caches.pools.get(key)
        size = self._caches.vms.count("owner", objects.uid(pool)) if pool is not None else 0
        return max(self._delay, min(size * _PER_VM, _LONGEST))

    def _pools_of_vm(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """The pool that owns the VM, the one that owned it before, and the one it was taken out of."""
        keys: dict[str, None] = {}
        for vm in (old, new):
            if vm is None:
                continue
            pool = self._caches.pool_of(vm)
            if pool is not None:
                keys[objects.key(pool)] = None
            keys |= {key: None for key in detached_from(vm) if self._caches.pools.get(key) is not None}
        return keys

    def _pool_of_vmi(self, _: Object | None, vmi: Object | None) -> Iterable[str]:
        """The pool of a VMI that is not what its VM wants. Whether it is ready, the VM's status will tell."""
        if vmi is None or objects.is_terminating(vmi):
            return ()
        owner = objects.controller_of(vmi)
        vm = self._caches.vms.get(f"{objects.namespace(vmi)}/{owner.get('name')}") if owner else None
        if owner is None or vm is None or objects.uid(vm) != owner.get("uid"):
            return ()
        wanted = objects.dig(vm, "spec", "template", "metadata", default={})
        if revisions.of(vmi) and revisions.of(vmi) == revisions.of({"metadata": wanted}):
            return ()
        pool = self._caches.pool_of(vm)
        return (objects.key(pool),) if pool is not None else ()

    def _pool_of_revision(self, _: Object | None, revision: Object | None) -> Iterable[str]:
        pool = self._caches.pool_of(revision) if revision is not None else None
        return (objects.key(pool),) if pool is not None else ()


def _asked(old: Object | None, new: Object | None) -> Iterable[str]:
    """A pool that came or went, or of which something else is wanted than before."""
    return () if _told(old, new) else own_key(old, new)


def _told(old: Object | None, new: Object | None) -> Iterable[str]:
    """A pool of which only the status has changed. The status is this controller's, so most often it wrote that itself."""
    if old is None or new is None or objects.generation(old) != objects.generation(new):
        return ()
    same = all(old["metadata"].get(member) == new["metadata"].get(member) for member in _WANTED)
    return own_key(old, new) if same else ()
