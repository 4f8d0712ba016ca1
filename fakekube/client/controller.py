"""A controller: sources put keys on a queue, workers reconcile them, and one place decides what an outcome means.

    informers ── keys ──► queue ──► reconcile(key) ──► Result()                  done, back-off forgotten
                                                  ──► Result(requeue_after=s)    again in s seconds
                                                  ──► raises                     again after back-off
                                                  ──► raises RetryError          so, too: why is known, so no traceback is logged
                                                  ──► raises TerminalError       logged, not tried again

The event that woke a key is thrown away on purpose: what to do is decided by the state, not by the message.
Upstream: controller-runtime pkg/internal/controller/controller.go, whose result names the observer uses.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from fakekube.client.complaints import failure
from fakekube.client.informer import Informer
from fakekube.client.workqueue import QueueClosed, QueueObserver, WorkQueue
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Object

_PASSES_IN_A_ROW = 8
_ANY: Mapping[str, Object] = {"": {}}

log = logging.getLogger("fakekube.client.controller")


class Actor(Protocol):
    """Somebody who works on the cluster through its own client until cancelled."""

    name: str

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class Result(Struct, frozen=True):
    """What a successful pass asks for."""

    requeue_after: float | None = None


class RetryError(Exception):
    """Something the pass needs is not there: nobody's mistake in the program, and it may come."""


class TerminalError(Exception):
    """Trying again cannot help until something changes."""


class Observer(QueueObserver, Protocol):
    """What metrics want to know. Called synchronously; must be quick and must not raise."""

    def reconciled(self, outcome: str, seconds: float) -> None:
        """A pass ended: `success`, `requeue_after`, `error` or `terminal_error`."""

    def active(self, workers: int) -> None:
        """So many workers are reconciling now."""


Reconcile = Callable[[str], Awaitable[Result | None]]
Keys = Callable[[Object | None, Object | None], Iterable[str]]


def own_key(old: Object | None, new: Object | None) -> Iterable[str]:
    """The key of the object that changed."""
    obj = new or old
    return (objects.key(obj),) if obj else ()


def owner_of(kind: str) -> Keys:
    """The key of what controls the object that changed, if that is of this kind."""

    def choose(old: Object | None, new: Object | None) -> Iterable[str]:
        obj = new or old
        owner = objects.controller_of(obj) if obj else None
        if obj is None or owner is None or owner.get("kind") != kind:
            return ()
        return (f"{objects.namespace(obj)}/{owner['name']}",)

    return choose


class Controller:
    """See the module text."""

    def __init__(
        self,
        name: str,
        reconcile: Reconcile,
        *,
        clock: Clock,
        workers: int = 1,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.queue = WorkQueue(clock, observer=observer)
        self.informers: list[Informer] = []
        self._reconcile = reconcile
        self._clock = clock
        self._workers = workers
        self._observer = observer
        self._active = 0
        self._said: dict[str, str] = {}  # of keys that fail, what was logged last

    @property
    def idle(self) -> bool:
        """Nothing is queued or being reconciled; delayed keys do not count."""
        return self.queue.idle

    def source(
        self,
        informer: Informer,
        keys: Keys | None = None,
        *,
        delay: float | Callable[[str], float] = 0.0,
        about: Informer | None = None,
    ) -> None:
        """Let changes of `informer` wake keys, `delay` seconds later, which may depend on the key; without `keys`, the
        object's own key. `keys` that are all of objects `about` knows are not asked for while it knows none."""
        choose, queue = keys or own_key, self.queue
        wait = delay if callable(delay) else lambda _key: delay
        some = _ANY if about is None else about.known

        def changed(old: Object | None, new: Object | None) -> None:
            if some:
                for key in choose(old, new):
                    queue.add(key)

        def changed_later(old: Object | None, new: Object | None) -> None:
            if some:
                for key in choose(old, new):
                    queue.add_after(key, wait(key))

        informer.on_change(changed_later if delay else changed)
        self.reads(informer)

    def reads(self, informer: Informer) -> None:
        """Run `informer`, too, and begin when it has synced; it wakes nobody."""
        if informer not in self.informers:
            self.informers.append(informer)

    async def run(self) -> None:
        """Run the informers, wait until each has synced, then work until cancelled. A pass under way is cancelled too."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for informer in self.informers:
                    tasks.create_task(informer.run(), name=f"{self.name}: {informer.resource.qualified}")
                for informer in self.informers:
                    await informer.wait_synced()
                for number in range(self._workers):
                    tasks.create_task(self._work(), name=f"{self.name}: worker {number}")
        finally:
            self.queue.close()

    async def _work(self) -> None:
        queue, passes = self.queue, 0
        while True:
            try:
                key = await queue.get()
            except QueueClosed:
                return
            try:
                await self._pass(key)
            finally:
                queue.done(key)
            # In memory nothing above ever waits: give way, so that caches, other actors and clients keep up;
            # not after every pass, since all who wake to every single change would cost more than the work.
            passes += 1
            if passes % _PASSES_IN_A_ROW == 0:
                await self._clock.sleep(0)

    async def _pass(self, key: str) -> None:
        observer = self._observer
        started = self._clock.monotonic() if observer else 0.0
        if observer:
            self._active += 1
            observer.active(self._active)
        try:
            outcome = await self._decide(key)
        finally:
            if observer:
                self._active -= 1
                observer.active(self._active)
        if observer:
            observer.reconciled(outcome, self._clock.monotonic() - started)

    async def _decide(self, key: str) -> str:
        """One pass and what follows from its outcome, under the name metrics give it."""
        queue = self.queue
        try:
            result = await self._reconcile(key)
        except TerminalError as error:
            self._log(logging.ERROR, "terminal error", key, error)
            self._said.pop(key, None)
            queue.forget(key)
            return "terminal_error"
        except RetryError as error:
            self._log(logging.WARNING, "not yet", key, error)
            queue.add_rate_limited(key)
            return "error"
        except ApiError as error:
            # Refusals are part of the business: a conflict means that somebody else was quicker.
            self._log(logging.INFO if error.code == 409 else logging.WARNING, "refused", key, error)
            queue.add_rate_limited(key)
            return "error"
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - one failing key must not stop the others
            self._log(logging.ERROR, "error", key, failure(error), trace=True)
            queue.add_rate_limited(key)
            return "error"
        self._said.pop(key, None)
        queue.forget(key)
        if result is not None and result.requeue_after is not None and result.requeue_after > 0:
            queue.add_after(key, result.requeue_after)
            return "requeue_after"
        return "success"

    def _log(self, level: int, what: str, key: str, error: Exception, *, trace: bool = False) -> None:
        """What fails again and again for the same reason is said once; how often, metrics tell."""
        text = f"{what}: {error}"
        if self._said.get(key) == text:
            level = logging.DEBUG
        self._said[key] = text
        extra = {"controller": self.name, "key": key, "retries": self.queue.retries(key)}
        log.log(level, "%s: %s: %s: %s", self.name, key, what, error, extra=extra, exc_info=trace)
