import asyncio

import pytest

from fakekube.client.controller import Controller, Result, RetryError, TerminalError, owner_of
from fakekube.client.informer import Informer
from fakekube.machinery import errors, objects
from fakekube.machinery.resources import CONFIG_MAPS, SECRETS


@pytest.fixture
def informer(client, clock):
    return Informer(client, CONFIG_MAPS, clock=clock, namespace="ns")


async def test_objects_are_reconciled_by_key(informer, clock, config_map, background):
    """What is there and what changes later wakes its key, once the caches have synced."""
    client, seen = informer._client, []

    async def reconcile(key):
        seen.append((key, informer.get(key) is not None))

    controller = Controller("test", reconcile, clock=clock)
    controller.source(informer)
    await client.create(CONFIG_MAPS, config_map("a"))
    background(controller.run())
    await background.turns()
    await client.delete(CONFIG_MAPS, "a", "ns")
    await background.turns()
    assert seen == [("ns/a", True), ("ns/a", False)]


async def _run(reconcile, clock, background, turns, **options):
    controller = Controller("test", reconcile, clock=clock, **options)
    background(controller.run())
    controller.queue.add("k")
    await turns()
    return controller


async def test_an_error_is_retried_after_back_off(clock, background, turns, caplog):
    """A pass that raises is logged and comes again, later each time; success forgets the failures."""
    outcomes = [ValueError("odd"), errors.Conflict("stale"), None]
    times = []

    async def reconcile(key):
        times.append(clock.monotonic())
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    controller = await _run(reconcile, clock, background, turns)
    while outcomes:
        clock.advance(clock.next_due())
        await turns()
    assert times == pytest.approx([0, 0.005, 0.015])
    assert controller.queue.retries("k") == 0
    assert "test: k: error: odd" in caplog.text
    assert "stale" not in caplog.text  # below warning: a conflict is nothing unusual


async def test_a_cancellation_that_nobody_asked_for(clock, background, turns, caplog):
    """What a pass waited for was cancelled, and not the worker: it is an error like any other, and the worker works on."""
    outcomes = [asyncio.CancelledError(), None]

    async def reconcile(key):
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    controller = await _run(reconcile, clock, background, turns)
    assert caplog.messages == ["test: k: error: what it waited for was cancelled"]
    clock.advance(clock.next_due())
    await turns()
    assert not outcomes
    assert controller.queue.retries("k") == 0


async def test_the_same_error_is_logged_once(clock, background, turns, caplog):
    """What fails again and again is no news until it fails otherwise, or after it has worked."""
    outcomes = [ValueError("odd")] * 5 + [ValueError("other")] * 5 + [None] + [ValueError("other")] * 2

    async def reconcile(key):
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome
        controller.queue.add_after(key, 1)

    controller = await _run(reconcile, clock, background, turns)
    while outcomes:
        clock.advance(clock.next_due())
        await turns()
    assert caplog.messages == [f"test: k: error: {text}" for text in ("odd", "other", "other")]


async def test_a_terminal_error_is_logged_and_not_retried(clock, background, turns, caplog):
    """TerminalError says that trying again cannot help."""

    async def reconcile(key):
        raise TerminalError("bad spec")

    controller = await _run(reconcile, clock, background, turns)
    assert controller.idle
    assert controller.queue.next_due is None
    assert "test: k: terminal error: bad spec" in caplog.text


async def test_what_is_known_to_be_missing_is_logged_without_a_traceback(clock, background, turns, caplog):
    """RetryError says what is not there yet; the pass is tried again after back-off."""

    async def reconcile(key):
        raise RetryError("no such image")

    controller = await _run(reconcile, clock, background, turns)
    assert controller.queue.next_due is not None
    assert caplog.messages == ["test: k: not yet: no such image"]
    assert not caplog.records[0].exc_info


async def test_a_result_may_ask_to_come_back(clock, background, turns):
    """requeue_after plans the next visit, without back-off."""
    times = []

    async def reconcile(key):
        times.append(clock.monotonic())
        return Result(requeue_after=60) if len(times) < 3 else Result()

    await _run(reconcile, clock, background, turns)
    for _ in range(3):
        clock.advance(60)
        await turns()
    assert times == [0, 60, 120]


async def test_workers_work_at_the_same_time_but_never_on_one_key(clock, background, turns):
    """With several workers different keys overlap, one key does not."""
    working, most, release = [], [], asyncio.Event()

    async def reconcile(key):
        assert key not in working
        working.append(key)
        most.append(len(working))
        await release.wait()
        working.remove(key)

    controller = await _run(reconcile, clock, background, turns, workers=3)
    for key in ("a", "b", "c", "k"):
        controller.queue.add(key)
    await turns()
    assert max(most) == 3
    assert not controller.idle
    release.set()
    await turns()
    assert controller.idle


async def test_sources_choose_keys_and_delay(informer, clock, config_map):
    """A source may map a change to other keys, and let them wait."""
    controller = Controller("test", None, clock=clock)
    controller.source(informer, lambda old, new: ["owner-of-" + objects.name(new)], delay=2)
    controller.source(informer)
    informer._put("ns/a", config_map("a"))
    assert controller.informers == [informer]
    assert await controller.queue.get() == "ns/a"
    assert controller.queue.next_due == 2
    controller.queue.close()


async def test_sources_about_nothing_are_not_asked(client, clock, informer, config_map):
    """Who is about objects of another cache is asked as soon as that knows one, and while it does; caches that only are
    read wake nobody."""
    others, asked = Informer(client, SECRETS, clock=clock), []
    controller = Controller("test", lambda _key: None, clock=clock)
    controller.source(informer, lambda _old, new: asked.append(objects.name(new)) or ["k"], about=others)
    controller.reads(others)
    assert controller.informers == [informer, others]
    secret = {"metadata": {"name": "s", "namespace": "ns"}}
    for name, known in (("before", None), ("while", secret), ("after", None)):
        others._put("ns/s", known)
        informer._put(f"ns/{name}", config_map(name))
    assert asked == ["while"]
    assert len(controller.queue) == 1


async def test_a_delay_may_depend_on_the_key(informer, clock, config_map):
    """A source may let some keys wait for longer than others."""
    controller = Controller("test", None, clock=clock)
    controller.source(informer, delay=lambda key: 5 if key == "ns/a" else 3)
    informer._put("ns/a", config_map("a"))
    assert controller.queue.next_due == 5
    informer._put("ns/b", config_map("b"))
    assert controller.queue.next_due == 3
    controller.queue.close()


async def test_cancelling_ends_everything_it_started(api, informer, clock, background, turns):
    """After a cancel no task and no watch of the controller is left, and its queue takes nothing more."""
    stopped = []

    async def reconcile(key):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(key)

    controller = Controller("test", reconcile, clock=clock, workers=2)
    controller.source(informer)
    before = asyncio.all_tasks()
    task = background(controller.run())
    await turns()
    controller.queue.add("x")
    await turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert stopped == ["x"]
    assert asyncio.all_tasks() - {task} == before
    assert api.streams == 0
    controller.queue.add("late")
    assert len(controller.queue) == 0


async def test_observers_hear_outcomes(clock, background, turns):
    """Metrics learn the outcome of every pass under controller-runtime's names."""
    heard = []

    class Heard:
        def __getattr__(self, name):
            return lambda *values: heard.append((name, *values))

    outcomes = [Result(requeue_after=1), errors.Invalid("no"), TerminalError("never"), None]

    async def reconcile(key):
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    controller = await _run(reconcile, clock, background, turns, observer=Heard())
    while outcomes:
        controller.queue.add("k")
        await turns()
    assert [one[1] for one in heard if one[0] == "reconciled"] == [
        "requeue_after",
        "error",
        "terminal_error",
        "success",
    ]
    assert ("active", 1) in heard


def test_a_source_may_wake_owners():
    """What controls the object that changed is woken, if it is of the kind asked for; also by the object's end."""
    owner = {"apiVersion": "v1", "kind": "Pond", "name": "p", "uid": "u", "controller": True}
    owned = {"metadata": {"name": "a", "namespace": "ns", "ownerReferences": [owner]}}
    free = {"metadata": {"name": "b", "namespace": "ns"}}
    of_pond = owner_of("Pond")
    assert (list(of_pond(None, owned)), list(of_pond(owned, None))) == (["ns/p"], ["ns/p"])
    assert [list(of_pond(None, free)), list(owner_of("Lake")(None, owned)), list(of_pond(None, None))] == [
        []
    ] * 3
