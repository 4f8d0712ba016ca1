"""One reconcile of one pool: observe → plan → perform → status.

Errors of upkeep (healing, giving up, holding the pool) end the pass and are retried; errors of the work itself are
shown in the status first. A mistake in the spec is shown too, and not tried again until the spec changes.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

import logging

from controller import plan, spec, status
from controller.actions import Plan
from controller.observe import Caches, Observed, observe
from controller.own_writes import OwnWrites
from controller.performing import Performer
from controller.requests import Behind, Requests
from controller.scaling import BURST
from controller.spec import SpecError
from fakekube.client.client import Client
from fakekube.client.controller import Result, TerminalError
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock
from fakekube.machinery import objects, selectors
from fakekube.machinery.resources import VIRTUAL_MACHINE_POOLS
from fakekube.machinery.selectors import Selector, SelectorError
from fakekube.machinery.wire import Object

log = logging.getLogger("controller")

INVALID_SELECTOR, INVALID_SPEC = "InvalidSelector", "InvalidSpec"  # reasons of conditions and events


class Reconciler:
    """Brings pools into the state they ask for, one pass at a time. Holds nothing but its own unseen writes."""

    def __init__(
        self, client: Client, caches: Caches, recorder: Recorder, *, clock: Clock, burst: int = BURST
    ) -> None:
        self.own = OwnWrites(clock)
        self._client = client
        self._caches = caches
        self._recorder = recorder
        self._clock = clock
        self._burst = burst

    async def reconcile(self, key: str) -> Result | None:
        """One pass. Raises what is to be retried."""
        seen = self._observe(key)
        if seen is None:
            return None
        selector, mistake = _selector(seen.pool)
        performer = Performer(Requests(self._client, self.own, key), self._recorder, seen.pool, selector)
        if objects.is_terminating(seen.pool):
            return await self._farewell(seen, selector, performer)
        if selector is None or mistake:
            await self._complain(performer, INVALID_SELECTOR, mistake)
            return None
        try:
            todo = plan.decide(seen, selector, burst=self._burst)
        except SpecError as unreadable:
            await self._complain(performer, INVALID_SPEC, str(unreadable))
            raise TerminalError(str(unreadable)) from unreadable
        failure, error = await self._perform(todo, performer)
        await self._report(key, seen, selector, performer, failure)
        if error is not None and not isinstance(error, SpecError):
            raise error
        return Result(todo.revisit)

    def _observe(self, key: str) -> Observed | None:
        return observe(key, self._caches, self.own, self._clock.now())

    async def _perform(
        self, todo: Plan, performer: Performer
    ) -> tuple[tuple[str, str] | None, Exception | None]:
        """Perform stage by stage. What to show in the status, and the first error."""
        first: Exception | None = None
        failure: tuple[str, str] | None = None
        for stage in todo.stages:
            if stage.calm and first is not None:
                continue
            error = await performer.stage(stage)
            if error is None:
                continue
            if stage.failure is None:
                raise error
            key = objects.key(performer.pool)
            log.debug("%s: %s: %s", key, stage.failure.prefix, error, extra={"key": key})
            first = first or error
            if failure is None and not isinstance(error, Behind):
                failure = (stage.failure.reason, stage.failure.message(error))
        return failure, first

    async def _farewell(
        self, seen: Observed, selector: Selector | None, performer: Performer
    ) -> Result | None:
        failure, error = await self._perform(plan.farewell(seen, selector), performer)
        if not performer.gone and selector is not None:
            await self._report(objects.key(seen.pool), seen, selector, performer, failure)
        if error is not None:
            raise error
        return None

    async def _report(
        self,
        key: str,
        seen: Observed,
        selector: Selector,
        performer: Performer,
        failure: tuple[str, str] | None,
    ) -> None:
        """Write the status if it changed. It shows the VMs as they were when the pass began.

        Only a pool met for the first time is shown as it has become: that saves it a first status without VMs.
        """
        first = performer.pool is not seen.pool
        now = (self._observe(key) if first else None) or seen
        pool: Object = performer.pool
        owned = [vm for vm in now.owned if selector.matches(objects.labels(vm))]
        report = status.report(pool, owned, selector, self._clock.now(), failure)
        await self._publish(performer, pool, report)

    async def _complain(self, performer: Performer, reason: str, mistake: str) -> None:
        """Show a mistake of the spec that leaves nothing to do. Only a change of the spec leads on from there."""
        pool = performer.pool
        key = objects.key(pool)
        log.warning("%s: %s, will not re-enqueue: %s", key, reason, mistake, extra={"key": key})
        await self._publish(performer, pool, status.complaint(pool, self._clock.now(), (reason, mistake)))

    async def _publish(self, performer: Performer, pool: Object, report: status.Report) -> None:
        """Write the status if it changed, and tell what is new about it."""
        if report.status != (pool.get("status") or {}):
            pool = await performer.requests.update_status(VIRTUAL_MACHINE_POOLS, pool, report.status)
        for note in report.notes:
            self._recorder.event(pool, note.type, note.reason, note.message)


def _selector(pool: Object) -> tuple[Selector | None, str]:
    """The pool's selector, and what is wrong with it. By one that does not match the template no VM could be made."""
    try:
        selector = selectors.from_object((pool.get("spec") or {}).get("selector"))
    except SelectorError as error:
        return None, str(error)
    fits = selector.matches(spec.template_labels(pool))
    return selector, "" if fits else "selector does not match the labels of the template"
