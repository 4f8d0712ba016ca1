import pytest

from controller.app import PoolController
from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery import objects


async def test_changes_gather_longer_in_large_pools(world):
    """What VMs do waits for as long as a pass over so many is worth, up to a second, and so does the pool's own status;
    what the pool is asked for does not."""
    clock = ManualClock()
    controller = PoolController(Client(None), clock=clock, ids=Ids(1), reconcile_delay=0.2)
    pools, vms, *_ = controller.controller.informers
    queue = controller.controller.queue

    def wait_after_vm(pool, ordinal):
        vm = world.vm(pool, ordinal)
        vms._put(objects.key(vm), vm)
        return queue.next_due

    for size, expected in ((2, 0.2), (1000, 0.4), (3000, 1.0)):
        pool = world.pool(f"pool-{size}")
        pools._put(objects.key(pool), pool)
        assert queue.next_due == pytest.approx(0.2)
        clock.advance(0.2)
        assert await queue.get() == objects.key(pool)
        queue.done(objects.key(pool))
        for ordinal in range(size - 1):
            wait_after_vm(pool, ordinal)
        clock.advance(1)
        assert await queue.get() == objects.key(pool)
        queue.done(objects.key(pool))
        assert wait_after_vm(pool, size - 1) == pytest.approx(expected)
        clock.advance(1)
        assert await queue.get() == objects.key(pool)
        queue.done(objects.key(pool))
        pools._put(objects.key(pool), {**pool, "status": {"replicas": size}})
        assert queue.next_due == pytest.approx(expected)
        pools._put(objects.key(pool), {**pool, "metadata": {**pool["metadata"], "generation": 2}})
        assert queue.next_due == pytest.approx(0.2)
        clock.advance(1)
        await queue.get()
        queue.done(objects.key(pool))
    queue.close()


def test_what_pools_are_asked_for_may_wait_less_than_what_their_vms_do(world):
    """Pools that come, and other specs of theirs, have a delay of their own; their VMs keep the common one."""
    controller = PoolController(
        Client(None), clock=ManualClock(), ids=Ids(1), reconcile_delay=0.2, asked_delay=0.0
    )
    pools, vms, *_ = controller.controller.informers
    queue = controller.controller.queue
    pool = world.pool("pool")
    pools._put(objects.key(pool), pool)
    assert len(queue) == 1
    assert queue.next_due is None
    vm = world.vm(pool, 0)
    vms._put(objects.key(vm), vm)
    assert queue.next_due == pytest.approx(0.2)
    queue.close()
