import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fakekube.client.workqueue import QueueClosed, WorkQueue
from fakekube.clock import ManualClock


@pytest.fixture
async def queue(clock):
    queue = WorkQueue(clock)
    yield queue
    queue.close()


async def test_keys_come_in_the_order_they_were_added_and_once(queue):
    """Fair and stingy: first come first served, however often a key was added."""
    for key in "abab":
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_being_worked_on_waits_until_it_is_done(queue):
    """Single: a key added during its own work comes again after `done`, not before."""
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert (await queue.get(), len(queue)) == ("a", 0)


async def test_idle_means_nothing_ready_and_nothing_in_work(queue):
    """Delayed keys do not count against idleness; ready and processed ones do."""
    queue.add_after("later", 10)
    assert queue.idle
    queue.add("a")
    assert not queue.idle
    await queue.get()
    assert not queue.idle
    queue.done("a")
    assert queue.idle


async def test_delayed_keys_come_when_they_are_due(queue, clock, turns):
    """Delayed keys become ready in the order of their moments; of two delays the earlier counts."""
    queue.add_after("c", 3)
    queue.add_after("a", 1)
    queue.add_after("b", 2)
    queue.add_after("c", 0.5)
    queue.add_after("a", 9)
    await turns()
    assert queue.next_due == pytest.approx(0.5)
    order = []
    for _ in range(4):
        clock.advance(0.5)
        await turns()
        while len(queue):
            order.append((clock.monotonic(), await queue.get()))
            queue.done(order[-1][1])
    assert order == [(0.5, "c"), (1.0, "a"), (2.0, "b")]
    clock.advance(100)
    await turns()
    assert queue.idle


async def test_one_task_serves_all_delayed_keys(queue, clock, turns):
    """A thousand delayed keys need one sleeper, not a thousand."""
    before = len(asyncio.all_tasks())
    for number in range(1000):
        queue.add_after(str(number), 1 + number / 1000)
    await turns()
    assert len(asyncio.all_tasks()) == before + 1
    clock.advance(2)
    await turns()
    assert len(queue) == 1000
    assert len(asyncio.all_tasks()) == before


async def test_back_off_doubles_up_to_its_limit_until_forgotten(clock):
    """Each failure doubles the wait, success begins anew."""
    queue = WorkQueue(clock, base_delay=0.005, max_delay=0.03)
    waits = []
    for _ in range(5):
        queue.add_rate_limited("a")
        waits.append(queue.next_due)
        queue._due.clear()
    assert waits == pytest.approx([0.005, 0.01, 0.02, 0.03, 0.03])
    assert queue.retries("a") == 5
    queue.forget("a")
    assert queue.retries("a") == 0
    queue.close()


async def test_a_cancelled_taker_leaves_the_key_to_the_next(queue, turns):
    """A worker cancelled at the moment it is woken does not swallow the wake-up."""
    first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
    await turns()
    queue.add("a")
    first.cancel()
    assert await second == "a"


async def test_a_key_that_comes_after_the_cancellation_is_for_the_next(queue, turns):
    """A worker that is being cancelled when a key comes ends as cancelled, and the key is somebody else's."""
    first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
    await turns()
    first.cancel()
    queue.add("a")
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_closing_ends_the_takers(queue, turns):
    """Workers that wait, or come later, are told that the queue has closed."""
    waiting = asyncio.ensure_future(queue.get())
    await turns()
    queue.add_after("x", 5)
    queue.close()
    with pytest.raises(QueueClosed):
        await waiting
    queue.add("a")
    with pytest.raises(QueueClosed):
        await queue.get()


async def test_observers_hear_of_waits_and_work(clock):
    """Metrics learn how long keys waited and how long they were worked on."""
    heard = []

    class Heard:
        def added(self, key):
            heard.append(("added", key))

        def taken(self, key, waited):
            heard.append(("taken", key, waited))

        def finished(self, key, worked):
            heard.append(("finished", key, worked))

        def retried(self, key):
            heard.append(("retried", key))

    queue = WorkQueue(clock, observer=Heard())
    queue.add("a")
    clock.advance(2)
    await queue.get()
    clock.advance(1)
    queue.done("a")
    queue.add_rate_limited("a")
    assert heard == [("added", "a"), ("taken", "a", 2.0), ("finished", "a", 1.0), ("retried", "a")]
    queue.close()


class QueueMachine(RuleBasedStateMachine):
    """The queue against a list of wishes: nothing is lost, nothing is worked on twice at once."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.queue = WorkQueue(ManualClock())
        self.wanted = []  # in order, without repeats
        self.again = set()
        self.working = set()

    def teardown(self):
        self.loop.close()

    @rule(key=st.sampled_from("abcd"))
    def add(self, key):
        self.queue.add(key)
        if key in self.working:
            self.again.add(key)
        elif key not in self.wanted:
            self.wanted.append(key)

    @precondition(lambda self: self.wanted)
    @rule()
    def take(self):
        key = self.loop.run_until_complete(self.queue.get())
        assert key == self.wanted.pop(0)
        self.working.add(key)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def finish(self, data):
        key = data.draw(st.sampled_from(sorted(self.working)))
        self.working.discard(key)
        self.queue.done(key)
        if key in self.again:
            self.again.discard(key)
            self.wanted.append(key)

    @invariant()
    def agrees(self):
        assert len(self.queue) == len(self.wanted)
        assert self.queue.idle == (not self.wanted and not self.working)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
