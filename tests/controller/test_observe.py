"""What one reconcile sees, and which changes wake which pool: over real informers, fed by hand."""

import pytest

from controller.app import PoolController
from controller.observe import observe
from controller.own_writes import OwnWrites
from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery import objects


async def no_api(_):
    raise AssertionError("nothing may be asked")


class Fed:
    """A controller whose caches are filled by hand. `woken` tells which keys wait to be reconciled."""

    def __init__(self):
        self.clock = ManualClock()
        self.controller = PoolController(Client(no_api), clock=self.clock, ids=Ids(1))
        self.caches = self.controller._caches
        self.own = OwnWrites(self.clock)
        self.version = 0

    def feed(self, informer, *objs, kind="MODIFIED"):
        for obj in objs:
            self.version += 1
            obj["metadata"]["resourceVersion"] = str(self.version)
            informer._apply([(kind, obj)])

    def seen(self, key="ns/p"):
        return observe(key, self.caches, self.own, self.clock.now())

    def woken(self):
        queue = self.controller.controller.queue
        keys = sorted(queue._due)
        queue._due.clear()
        queue._delayed.clear()
        return keys


@pytest.fixture
async def fed(world):
    fed = Fed()
    fed.pool = world.pool()
    fed.feed(fed.caches.pools, fed.pool)
    yield fed
    fed.controller.controller.queue.close()


async def test_membership_is_the_owners_uid(fed, world):
    """P-034, P-035, P-036: neither labels nor the pool's name make a VM a member."""
    own, namesake, orphan = (world.vm(fed.pool, i) for i in range(3))
    namesake["metadata"]["ownerReferences"][0]["uid"] = "another"
    del orphan["metadata"]["ownerReferences"]
    fed.feed(fed.caches.vms, own, namesake, orphan)
    seen = fed.seen()
    assert seen.owned == (own,)
    assert seen.taken == {0, 1, 2}
    assert seen.detached == (orphan,)


async def test_a_vmi_belongs_to_the_vm_that_controls_it(fed, world):
    """A VMI that only has the VM's name is not its VMI."""
    vms = [world.vm(fed.pool, i) for i in range(2)]
    mine, foreign = (world.vmi(vm) for vm in vms)
    foreign["metadata"]["ownerReferences"] = []
    fed.feed(fed.caches.vms, *vms)
    fed.feed(fed.caches.vmis, mine, foreign)
    assert fed.seen().vmis == {"p-0": mine}


async def test_revisions_of_others_are_told_apart(fed, world):
    """A revision under the pool's next name is known when it is nobody's, and taken when it is somebody else's."""
    stray = world.revision(fed.pool)
    stray["metadata"]["ownerReferences"] = []
    fed.feed(fed.caches.revisions, stray)
    assert set(fed.seen().revisions.known) == {"p-1"}
    stray = world.revision(fed.pool)
    stray["metadata"]["ownerReferences"][0]["uid"] = "another"
    fed.feed(fed.caches.revisions, stray)
    revisions = fed.seen().revisions
    assert (set(revisions.known), revisions.taken) == (set(), {"p-1"})


async def test_bystanders_of_a_terminating_pool(fed, world):
    """P-199, P-202: VMs of nobody, or of a pool that is gone, but not those of another living pool."""
    other = world.pool("q")
    fed.feed(fed.caches.pools, other)
    orphan, left, foreign, free = (world.vm(other, i) for i in range(4))
    del orphan["metadata"]["ownerReferences"]
    left["metadata"]["ownerReferences"][0]["uid"] = "gone"
    free["metadata"] |= {"ownerReferences": [], "finalizers": []}
    fed.feed(fed.caches.vms, orphan, left, foreign, free)
    assert fed.seen().bystanders == ()
    fed.pool["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    fed.feed(fed.caches.pools, fed.pool)
    assert [objects.name(vm) for vm in fed.seen().bystanders] == ["q-0", "q-1"]


async def test_a_pool_that_is_gone_is_forgotten(fed):
    """Nothing is remembered for a key without a pool."""
    fed.own.condemn("ns/x", fed.pool)
    assert fed.seen("ns/x") is None
    assert fed.own.condemned("ns/x") == set()


async def test_pools_wake_themselves(fed):
    """P-203: any change of a pool."""
    assert fed.woken() == ["ns/p"]


async def test_vms_wake_their_owners(fed, world):
    """P-037, P-043, P-188: the owner, the owner before, and the pool a VM was taken out of; nobody for a stranger's."""
    other = world.pool("q")
    fed.feed(fed.caches.pools, other)
    fed.woken()
    vm = world.vm(fed.pool, 0)
    fed.feed(fed.caches.vms, vm)
    assert fed.woken() == ["ns/p"]
    handed = world.vm(fed.pool, 0)
    handed["metadata"]["ownerReferences"] = world.vm(other, 0)["metadata"]["ownerReferences"]
    fed.feed(fed.caches.vms, handed)
    assert fed.woken() == ["ns/p", "ns/q"]
    detached = world.vm(fed.pool, 0)
    detached["metadata"]["ownerReferences"] = []
    fed.feed(fed.caches.vms, detached)
    assert fed.woken() == ["ns/p", "ns/q"]
    stranger = world.vm(fed.pool, 1)
    stranger["metadata"] |= {"ownerReferences": [], "finalizers": []}
    fed.feed(fed.caches.vms, stranger)
    assert fed.woken() == []
    namesake = world.vm(fed.pool, 2)
    namesake["metadata"]["ownerReferences"][0]["uid"] = "another"
    fed.feed(fed.caches.vms, namesake)
    assert fed.woken() == []


async def test_vmis_wake_their_pool_only_when_they_are_behind(fed, world):
    """A VMI whose revision is its VM's, or that is going, wakes nobody: readiness arrives by the VM's status."""
    vm = world.vm(fed.pool, 0)
    fed.feed(fed.caches.vms, vm)
    fed.woken()
    fed.feed(fed.caches.vmis, world.vmi(vm))
    assert fed.woken() == []
    fed.feed(fed.caches.vmis, world.vmi(vm, revision="p-0"))
    assert fed.woken() == ["ns/p"]
    fed.feed(fed.caches.vmis, world.vmi(vm, revision="none"))
    assert fed.woken() == ["ns/p"]
    fed.feed(fed.caches.vmis, world.vmi(vm, revision="p-0", terminating=True))
    assert fed.woken() == []


async def test_revisions_wake_their_pool(fed, world):
    """A revision that appears or changes, but not one that goes."""
    fed.woken()
    revision = world.revision(fed.pool)
    fed.feed(fed.caches.revisions, revision)
    assert fed.woken() == ["ns/p"]
    fed.feed(fed.caches.revisions, revision, kind="DELETED")
    assert fed.woken() == []
