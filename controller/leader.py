"""Leader election by a Lease: of several replicas one works, the others wait until its lease runs out.

Clocks of different machines are never compared: a lease is taken over when it has not changed for its own duration as
seen from here. Who cannot renew for `renew_seconds` stops working before anybody else may begin.

Stricter than upstream, for the work writes: the time to stop is counted from when a renewal was sent, not from when it was
answered; who sees the lease in other hands stops at once; a lease that was deleted is waited for as if it still stood; and
`fenced` lets no write out that is late, as after the process was stopped for a while. What stays is a holder overwritten by
hand: it is found at the next renewal, `retry_seconds` later at most (upstream: at the renewal deadline). Nothing here could
prevent that, for the API server does not ask for the lease; conditional writes (`requests`) keep it from doing harm.
Upstream: k8s: staging/src/k8s.io/client-go/tools/leaderelection/leaderelection.go
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fakekube.client.client import Client
from fakekube.client.complaints import Complaints
from fakekube.clock import Clock, rfc3339_micro
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError, Conflict, NotFound
from fakekube.machinery.resources import LEASES
from fakekube.machinery.wire import Handler, Object, Request, Response

log = logging.getLogger("controller.leader")


class LostLeadershipError(Exception):
    """The lease is somebody else's, or could not be renewed in time; somebody else may be working now."""


class NotLeading(ApiError):
    """A write that was not sent, since the lease does not cover it."""

    code, reason = 503, "ServiceUnavailable"


class LeaderElection:
    """See the module text. `leading` tells whether the lease is held."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        namespace: str,
        name: str,
        identity: str,
        lease_seconds: int = 15,
        renew_seconds: float = 10.0,
        retry_seconds: float = 2.0,
        on_change: Callable[[bool], None] | None = None,
    ) -> None:
        self.leading = False
        self._client = client
        self._clock = clock
        self._namespace, self._name, self._identity = namespace, name, identity
        self._lease_seconds = lease_seconds
        self._renew_seconds = renew_seconds
        self._retry_seconds = retry_seconds
        self._on_change = on_change
        self._complaints = Complaints(log, f"lease {self._lease}")
        self._seen: Object = {}  # the spec seen last, and when it was seen first
        self._seen_at = 0.0
        self._mine: Object | None = None  # the lease as it was answered to the last write, if it is known
        self._covered_until = 0.0  # when to stop, unless the lease is renewed

    async def lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the lease, then work as long as it is held. Raises LostLeadershipError when it is lost."""
        while not await self._within(self._renew_seconds, self._hold()):
            await self._clock.sleep(self._retry_seconds)
        log.info("%s leads", self._identity)
        self._set(leading=True)
        working, renewing = asyncio.create_task(work()), asyncio.create_task(self._renew())
        try:
            done, _ = await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            self._set(leading=False)
            self._covered_until = 0.0
            await self._within(self._retry_seconds, self._give_back())

    def fenced(self, handler: Handler) -> Handler:
        """The same handler for whoever works only while leading: what would write is refused when the lease does not cover it."""

        async def guarded(request: Request) -> Response:
            if request.method != "GET" and self._left() <= 0:
                raise NotLeading(f"not sent: lease {self._lease} was not renewed in time")
            return await handler(request)

        return guarded

    @property
    def _lease(self) -> str:
        return f"{self._namespace}/{self._name}"

    def _left(self) -> float:
        return self._covered_until - self._clock.monotonic()

    async def _renew(self) -> None:
        due = self._clock.monotonic()
        while True:
            due = max(due + self._retry_seconds, self._clock.monotonic())
            await self._clock.sleep(min(due, self._covered_until) - self._clock.monotonic())
            if (left := self._left()) <= 0:
                raise LostLeadershipError(f"lease {self._lease} could not be renewed")
            if not await self._within(left, self._hold()) and self._others:
                raise LostLeadershipError(f"lease {self._lease} was taken by {self._seen['holderIdentity']}")

    async def _within(self, seconds: float, attempt: Coroutine[Any, Any, bool]) -> bool:
        """The attempt's outcome; False when it takes longer than it may. A request that hangs must not keep us leader."""
        trying = asyncio.create_task(attempt)
        deadline = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((trying, deadline), return_when=asyncio.FIRST_COMPLETED)
            return trying.result() if trying.done() else False
        finally:
            trying.cancel()
            deadline.cancel()
            await asyncio.gather(trying, deadline, return_exceptions=True)

    async def _hold(self) -> bool:
        """Take or renew the lease, once; whether that succeeded. Who may not is told so once, not every two seconds."""
        try:
            held = await self._attempt()
        except ApiError as error:
            self._complaints.about(error)
            return False
        self._complaints.over()
        return held

    async def _attempt(self) -> bool:
        if self._mine is not None:
            with contextlib.suppress(Conflict, NotFound):
                return await self._write(self._mine)
        return await self._take(await self._read())

    async def _read(self) -> Object | None:
        return await self._client.find(LEASES, self._name, self._namespace)

    async def _take(self, lease: Object | None) -> bool:
        """Write the lease unless it is somebody else's. One that is gone is still whose it was: who held it makes it anew."""
        if lease is not None:
            self._note(lease.get("spec") or {})
        if self._is_held_by_another():
            return False
        meta = {"name": self._name, "namespace": self._namespace}
        new: Object = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta}
        return await self._write(new if lease is None else lease)

    async def _write(self, lease: Object) -> bool:
        sent, now = self._clock.monotonic(), rfc3339_micro(self._clock.now())
        before = lease.get("spec") or {}
        spec: Object = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._lease_seconds,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions") or 0,
        }
        write = self._client.update if objects.resource_version(lease) else self._client.create
        if before.get("holderIdentity") == self._identity:
            spec["acquireTime"] = before.get("acquireTime") or now
        elif write == self._client.update:
            spec["leaseTransitions"] += 1
        self._mine = None
        self._mine = await write(LEASES, {**lease, "spec": spec})
        self._note(self._mine["spec"])
        # Others count from when they see it, which is later than it was sent, however long the answer took.
        self._covered_until = sent + self._renew_seconds
        return True

    @property
    def _others(self) -> bool:
        """Whether the lease was somebody else's when it was seen last."""
        return self._seen.get("holderIdentity") not in (None, "", self._identity)

    def _is_held_by_another(self) -> bool:
        """Whether somebody else has it who may be working: until it runs out, and for a leader who lost it, always."""
        duration = self._seen.get("leaseDurationSeconds") or self._lease_seconds
        return self._others and (self.leading or self._clock.monotonic() < self._seen_at + duration)

    def _note(self, spec: Object) -> None:
        if spec == self._seen:
            return
        holder = spec.get("holderIdentity") or ""
        if holder not in (self._seen.get("holderIdentity"), "", self._identity):
            log.info("lease %s is held by %s", self._lease, holder)
        self._seen, self._seen_at = spec, self._clock.monotonic()

    async def _give_back(self) -> bool:
        """Let the next one begin at once. Only a courtesy: the lease would run out anyway."""
        with contextlib.suppress(ApiError, OSError):
            lease = await self._read()
            if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.update(LEASES, {**lease, "spec": spec})
                return True
        return False

    def _set(self, *, leading: bool) -> None:
        self.leading = leading
        if self._on_change is not None:
            self._on_change(leading)
