"""Leader election by a Lease: of several replicas one works, the others wait until its lease runs out.

Clocks of different machines are never compared: a lease is taken over when it has not changed for its own duration as
seen from here. Who cannot renew for `renew_seconds` stops working before anybody else may begin.
Upstream: k8s: staging/src/k8s.io/client-go/tools/leaderelection/leaderelection.go
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fakekube.client.client import Client
from fakekube.clock import Clock, rfc3339_micro
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.resources import LEASES
from fakekube.machinery.wire import Object

log = logging.getLogger("controller.leader")


class LostLeadershipError(Exception):
    """The lease could not be renewed in time; somebody else may be working now."""


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
        self._seen: Object | None = None  # the spec seen last, and when it was seen first
        self._seen_at = 0.0

    async def lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the lease, then work as long as it is held. Raises LostLeadershipError when it is lost."""
        while not await self._hold():
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
            await self._within(self._retry_seconds, self._give_back())

    async def _renew(self) -> None:
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._retry_seconds)
            left = self._renew_seconds - (self._clock.monotonic() - renewed)
            if left > 0 and await self._within(left, self._hold()):
                renewed = self._clock.monotonic()
            elif self._clock.monotonic() - renewed >= self._renew_seconds:
                raise LostLeadershipError(f"lease {self._namespace}/{self._name} could not be renewed")

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
        """Take or renew the lease, once; whether that succeeded."""
        try:
            return await self._take(await self._read())
        except ApiError as error:
            level = logging.WARNING if error.code in (401, 403) else logging.INFO
            log.log(level, "lease %s/%s: %s", self._namespace, self._name, error)
            return False

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return None

    async def _take(self, lease: Object | None) -> bool:
        now = rfc3339_micro(self._clock.now())
        mine: Object = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._lease_seconds,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        }
        if lease is None:
            meta = {"name": self._name, "namespace": self._namespace}
            body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta, "spec": mine}
            self._note((await self._client.create(LEASES, body))["spec"])
            return True
        held = lease.get("spec") or {}
        self._note(held)
        holder = held.get("holderIdentity") or ""
        if holder == self._identity:
            mine |= {
                "acquireTime": held.get("acquireTime") or now,
                "leaseTransitions": held.get("leaseTransitions") or 0,
            }
        elif holder and self._clock.monotonic() < self._seen_at + (held.get("leaseDurationSeconds") or 0):
            return False
        else:
            mine["leaseTransitions"] = (held.get("leaseTransitions") or 0) + 1
        self._note((await self._client.update(LEASES, {**lease, "spec": mine}))["spec"])
        return True

    def _note(self, spec: Object) -> None:
        if spec != self._seen:
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
