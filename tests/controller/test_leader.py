import asyncio
import contextlib
import itertools

import pytest

from controller.leader import LeaderElection, LostLeadershipError, NotLeading
from fakekube.client.client import Client
from fakekube.client.http import Unreachable
from fakekube.machinery.resources import LEASES
from fakekube.machinery.wire import Request, Response
from tests.controller.cluster import refusal

NS = "default"


class Replica:
    """One candidate: whether it works, what it writes meanwhile, and a wire that can be cut, or answer late or never."""

    def __init__(self, cluster, identity, written=None):
        self.works = False
        self.cut = False
        self.hangs = False
        self.refused = 0  # by which code
        self.late = 0.0  # seconds until an answer comes
        self.lost = False  # answers of writes never arrive, but they are done
        self.written = [] if written is None else written
        self.clock = cluster.clock
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
        if self.refused:
            return refusal(self.refused, "")
        response = await self.api(request)
        if self.late:
            await self.clock.sleep(self.late)
        if self.lost and request.method != "GET":
            raise Unreachable("the answer was lost")
        return response

    async def work(self):
        """Write ten times a second, whatever becomes of it."""
        self.works = True

        async def written(_):
            self.written.append(self.election._identity)
            return Response()

        write = self.election.fenced(written)
        try:
            while True:
                with contextlib.suppress(NotLeading):
                    await write(Request("POST", "/"))
                await self.clock.sleep(0.1)
        finally:
            self.works = False

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, LostLeadershipError):
            await self.task


@pytest.fixture
async def replicas(bare_cluster):
    """Two candidates, the first of which leads."""
    written = []
    first = Replica(bare_cluster, "first", written)
    await bare_cluster.pass_time(1)
    second = Replica(bare_cluster, "second", written)
    await bare_cluster.pass_time(1)
    yield bare_cluster, first, second
    await first.stop()
    await second.stop()


async def lease(cluster):
    return (await cluster.admin.get(LEASES, "pools", NS))["spec"]


async def change(cluster, **spec):
    """What somebody with kubectl may do."""
    await cluster.admin.patch(LEASES, "pools", NS, {"spec": spec}, type="merge")


async def handed_over(cluster, first, second, *, within):
    """Let the time pass until the second works; nobody wrote after somebody else had begun to."""
    for _ in range(int(within * 10)):
        await cluster.pass_time(0.1)
        assert not (first.works and second.works)
    assert second.works
    writers = [identity for identity, _ in itertools.groupby(first.written)]
    assert writers == ["first", "second"]


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
    await handed_over(cluster, first, second, within=20)
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


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
async def test_renewals_that_are_refused_are_tried_until_the_deadline(replicas, code):
    """Whatever the refusal, ten seconds of it end the leadership, and fewer do not."""
    cluster, first, second = replicas
    first.refused = code
    await cluster.pass_time(7)
    assert first.works
    first.refused = 0
    await cluster.pass_time(30)
    assert first.works
    first.refused = code
    await handed_over(cluster, first, second, within=20)


async def test_renewals_that_are_done_but_never_answered_do_not_count(replicas):
    """Who never learns that it still has the lease stops, though the others see it renewed and wait."""
    cluster, first, second = replicas
    first.lost = True
    await cluster.pass_time(7)
    assert first.works
    await handed_over(cluster, first, second, within=20)


async def test_a_renewal_is_one_request(bare_cluster):
    """The leader writes what it was answered last, and looks only when somebody else has written."""
    asked = []

    async def count(request):
        asked.append(request.method)
        return await bare_cluster.api(request)

    replica = Replica(bare_cluster, "first")
    replica.api = count
    await bare_cluster.pass_time(8.5)
    assert asked == ["GET", "POST", *["PUT"] * 4]
    await change(bare_cluster, renewTime="2000-01-01T00:00:00.000000Z")
    await bare_cluster.pass_time(2)
    assert asked[6:] == ["PUT", "GET", "PUT"]
    assert replica.works
    await replica.stop()


async def test_one_lost_answer_does_not_matter(replicas):
    """The next attempt finds the lease in its own hands and renews it."""
    cluster, first, second = replicas
    first.lost = True
    await cluster.pass_time(3)
    first.lost = False
    await cluster.pass_time(60)
    assert (first.works, second.works) == (True, False)
    assert (await lease(cluster))["leaseTransitions"] == 0


async def test_a_late_answer_does_not_make_the_lease_longer(replicas):
    """The deadline is counted from when a renewal was sent: others count from when it was done, whenever it was answered."""
    cluster, first, second = replicas
    first.late = 4.5  # both requests of a renewal are answered just in time, the next one will not be
    await cluster.pass_time(11)
    assert first.works
    first.hangs = True
    await handed_over(cluster, first, second, within=30)


@pytest.mark.parametrize("lost", [False, True], ids=["late", "lost"])
async def test_who_learns_too_late_that_it_has_the_lease_does_not_lead(bare_cluster, lost):
    """A lease whose taking was answered after the deadline may be somebody else's by now; it is looked at anew."""
    written = []
    first = Replica(bare_cluster, "first", written)
    first.late, first.lost = 30, lost
    await bare_cluster.pass_time(1)
    second = Replica(bare_cluster, "second", written)
    await bare_cluster.pass_time(40)
    assert (first.works, second.works) == (False, True)
    assert set(written) == {"second"}
    first.late, first.lost = 0, False
    await bare_cluster.pass_time(60)
    assert (first.works, second.works) == (False, True)
    await first.stop()
    await second.stop()


@pytest.mark.parametrize("duration", [15, 1, 3600, None])
async def test_who_sees_the_lease_in_other_hands_stops_at_once(replicas, duration):
    """Whoever overwrites the holder may be working from then on; the leader neither waits for its deadline nor takes it back."""
    cluster, first, _ = replicas
    await change(cluster, holderIdentity="thief", leaseDurationSeconds=duration)
    before = len(first.written)
    await cluster.pass_time(2.1)
    assert not first.works
    assert len(first.written) - before <= 20, "ten a second until the next renewal"
    assert first.written[-1] == "first"
    with pytest.raises(LostLeadershipError, match="was taken by thief"):
        await first.task
    if duration:
        assert (await lease(cluster))["holderIdentity"] == "thief"


async def test_a_thief_that_does_nothing_is_waited_for(replicas):
    """The stolen lease runs out like any other, then the next one leads."""
    cluster, first, second = replicas
    await change(cluster, holderIdentity="thief")
    await cluster.pass_time(14)
    assert (first.works, second.works) == (False, False)
    await handed_over(cluster, first, second, within=5)
    assert (await lease(cluster))["leaseTransitions"] == 1


async def test_a_lease_that_was_deleted_is_made_anew_by_its_leader(replicas):
    """Those who wait do not take what is only missing: the leader is still at work."""
    cluster, first, second = replicas
    for _ in range(8):
        await cluster.admin.delete(LEASES, "pools", NS)
        await cluster.pass_time(2.5)
        assert (first.works, second.works) == (True, False)
        assert (await lease(cluster))["holderIdentity"] == "first"


async def test_a_lease_that_was_deleted_with_its_leader_runs_out(replicas):
    """As seen from the others it ends when it would have ended had nobody deleted it."""
    cluster, first, second = replicas
    first.hangs = True
    await cluster.admin.delete(LEASES, "pools", NS)
    await handed_over(cluster, first, second, within=20)


@pytest.mark.parametrize("time", ["2000-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"])
async def test_clocks_are_not_compared(bare_cluster, time):
    """A lease said to be renewed long ago or in the future is waited for as long as any, and renewed ones for ever."""
    body = {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"name": "pools", "namespace": NS},
        "spec": {"holderIdentity": "skewed", "leaseDurationSeconds": 15, "renewTime": time},
    }
    await bare_cluster.admin.create(LEASES, body)
    replica = Replica(bare_cluster, "first")
    for second in range(20):
        await bare_cluster.pass_time(3)
        await change(bare_cluster, renewTime=f"{time[:17]}{second:02}.000000Z")
        assert not replica.works
    await bare_cluster.pass_time(14)
    assert not replica.works
    await bare_cluster.pass_time(4)
    assert replica.works
    await replica.stop()


async def test_who_was_stopped_for_a_while_writes_nothing_when_it_goes_on(replicas):
    """A process that stood still, as its machine did, holds its first write against the clock, whoever wakes first in it."""
    cluster, first, _ = replicas
    cluster.clock.advance(11)  # all who slept are due, and none has run
    refused = first.election.fenced(cluster.api)
    with pytest.raises(NotLeading, match="was not renewed in time"):
        await refused(Request("DELETE", "/"))
    assert (await refused(Request("GET", "/version"))).status == 200
    before = len(first.written)
    await cluster.pass_time(0)
    assert len(first.written) == before
    assert not first.works


async def test_who_waits_says_who_leads(replicas, caplog):
    """A line for each holder that is seen, not for each look."""
    caplog.set_level("INFO", "controller.leader")
    cluster, _, _ = replicas
    await cluster.pass_time(60)
    assert caplog.messages == []
    await change(cluster, holderIdentity="thief")
    await cluster.pass_time(3)
    assert caplog.messages.count("lease default/pools is held by thief") == 2, "both have seen it"


@pytest.mark.parametrize(("code", "level"), [(403, "WARNING"), (503, "INFO")])
async def test_a_refused_lease_is_complained_about_once(replicas, caplog, code, level):
    """What is refused every two seconds is one line, a warning where it does not mend itself; and one when it is over."""
    cluster, _, second = replicas
    caplog.set_level("INFO", "controller.leader")
    second.refused = code
    await cluster.pass_time(30)
    second.refused = 0
    await cluster.pass_time(3)
    (begun, over) = caplog.records
    assert (begun.levelname, begun.message.startswith("lease default/pools: ")) == (level, True)
    assert (over.levelname, over.message) == ("INFO", "lease default/pools: works again")


async def test_a_lease_in_a_missing_namespace_is_no_missing_resource(bare_cluster, caplog):
    """`is not served` is said of resources alone: a 404 that names an object is told as it is."""
    caplog.set_level("INFO", "controller.leader")
    client = Client(bare_cluster.api).as_user("admin", "system:masters")
    election = LeaderElection(
        client, clock=bare_cluster.clock, namespace="nowhere", name="pools", identity="first"
    )
    assert not await election._hold()
    assert caplog.messages == ['lease nowhere/pools: namespaces "nowhere" not found; trying again']
