import asyncio
import contextlib

import pytest

from controller.leader import LeaderElection, LostLeadershipError
from fakekube.client.client import Client
from fakekube.client.http import Unreachable
from fakekube.machinery.resources import LEASES

NS = "default"


class Replica:
    """One candidate: whether it works, and a wire that can be cut."""

    def __init__(self, cluster, identity):
        self.works = False
        self.cut = False
        self.hangs = False
        self.api = cluster.api
        self.election = LeaderElection(
            Client(self.ask).as_user("admin", "system:masters"),
            clock=cluster.clock,
            namespace=NS,
            name="pools",
            identity=identity,
        )
        self.task = asyncio.create_task(self.election.lead(self.work))

    async def ask(self, request):
        if self.cut:
            raise Unreachable("cut off")
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        return await self.api(request)

    async def work(self):
        self.works = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.works = False

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, LostLeadershipError):
            await self.task


@pytest.fixture
async def replicas(bare_cluster):
    """Two candidates, the first of which leads."""
    first = Replica(bare_cluster, "first")
    await bare_cluster.pass_time(1)
    second = Replica(bare_cluster, "second")
    await bare_cluster.pass_time(1)
    yield bare_cluster, first, second
    await first.stop()
    await second.stop()


async def lease(cluster):
    return (await cluster.admin.get(LEASES, "pools", NS))["spec"]


async def test_one_works_and_the_other_waits(replicas):
    """The lease is taken by the first, and kept for as long as it is renewed."""
    cluster, first, second = replicas
    await cluster.pass_time(300)
    assert (first.works, second.works) == (True, False)
    held = await lease(cluster)
    assert (held["holderIdentity"], held["leaseTransitions"]) == ("first", 0)
    assert held["acquireTime"] < held["renewTime"]


async def test_who_ends_in_order_hands_over_at_once(replicas):
    """The lease is given back, so the other need not wait until it runs out."""
    cluster, first, second = replicas
    await first.stop()
    await cluster.pass_time(4)
    assert (first.works, second.works) == (False, True)
    assert (await lease(cluster))["leaseTransitions"] == 1 + 0


@pytest.mark.parametrize("how", ["cut", "hangs"])
async def test_who_cannot_renew_stops_before_the_other_begins(replicas, how):
    """Two never work at once: the leader gives up after 10 s without renewal, the lease runs out after 15 s."""
    cluster, first, second = replicas
    setattr(first, how, True)
    for _ in range(80):
        await cluster.pass_time(0.25)
        assert not (first.works and second.works)
    assert second.works
    first.cut = first.hangs = False
    with pytest.raises(LostLeadershipError):
        await first.task


async def test_a_short_break_does_not_matter(replicas):
    """A renewal that fails for a while is repeated until the deadline."""
    cluster, first, second = replicas
    first.cut = True
    await cluster.pass_time(6)
    first.cut = False
    await cluster.pass_time(60)
    assert (first.works, second.works) == (True, False)


async def test_the_end_of_the_work_ends_the_leadership(bare_cluster):
    """Whatever the work raises is raised, and the lease is free."""

    async def fail():
        raise RuntimeError("broken")

    election = LeaderElection(
        bare_cluster.admin, clock=bare_cluster.clock, namespace=NS, name="pools", identity="x"
    )
    with pytest.raises(RuntimeError, match="broken"):
        await election.lead(fail)
    assert (await lease(bare_cluster))["holderIdentity"] == ""
    assert not election.leading
