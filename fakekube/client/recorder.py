"""Tells users what happened, as core/v1 Events, in order and in the background; what to fold is `event_correlation`'s.

Recording never waits and never fails: events are nice to have. A refused one is logged and dropped, one that could not
be sent is tried again while later ones wait behind it. Between two of them everybody else comes first, as long as few wait.
Upstream: k8s: staging/src/k8s.io/client-go/tools/record/event.go
"""

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from fakekube.client.client import Client
from fakekube.client.event_correlation import Correlator, Decision
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import names, objects
from fakekube.machinery.errors import AlreadyExists, ApiError, NotFound
from fakekube.machinery.resources import EVENTS
from fakekube.machinery.wire import Object

NORMAL, WARNING = "Normal", "Warning"
_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_QUEUE_LENGTH = (
    100_000  # upstream drops beyond 1000 waiting; here a burst may be larger, as everything is quicker
)
_CROWD = 50_000  # so many waiting are not kept waiting any more: they take memory, a third of a KB each
_STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
_TRIES, _RETRY_DELAY = 12, 10.0

log = logging.getLogger("fakekube.client.recorder")


class _News(Struct, frozen=True, gc=False):
    """An event that waits. As the object it will be it would take four times the memory."""

    name: str
    namespace: str
    about: tuple[str, str, str, str, str, str, str]  # the values of involvedObject, in the order of _ABOUT
    type: str
    reason: str
    message: str
    host: str
    stamp: str


class Recorder:
    """Events in the name of one component. `run` sends them; without it, `flush` does."""

    def __init__(self, client: Client, component: str, *, clock: Clock, ids: Ids, host: str = "") -> None:
        self._client = client
        self._component = component
        self._host = host
        self._clock = clock
        self._ids = ids
        self._correlator = Correlator()
        self._waiting: deque[_News] = deque()
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()
        self._last_nanos = 0

    @property
    def idle(self) -> bool:
        """Nothing waits to be sent."""
        return not self._waiting and not self._sending.locked()

    def event(
        self,
        obj: Object,
        type: str,  # noqa: A002 - the API's own word
        reason: str,
        message: str,
        *,
        field_path: str = "",
        host: str | None = None,
    ) -> None:
        """Record that `reason` happened to `obj`, or to the part of it at `field_path`; `type` is Normal or Warning.

        `host` speaks for another host than the recorder's own.
        """
        if len(self._waiting) >= _QUEUE_LENGTH:
            log.warning("too many events are waiting; dropped %s about %s", reason, objects.key(obj))
            return
        now = self._clock.now()
        meta = obj["metadata"]
        name, namespace = meta["name"], meta.get("namespace") or ""
        version = meta.get("resourceVersion", "")
        about = (obj["kind"], namespace, name, meta.get("uid", ""), obj["apiVersion"], version, field_path)
        host = self._host if host is None else host
        news = _News(
            self._name(name, now), namespace or "default", about, type, reason, message, host, rfc3339(now)
        )
        self._waiting.append(news)
        self._news.set()

    async def run(self) -> None:
        """Send events as they come, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.flush()

    async def flush(self) -> None:
        """Return once everything recorded so far has been sent or dropped."""
        async with self._sending:
            while self._waiting:
                await self._send(self._made(self._waiting[0]))
                self._waiting.popleft()
                if len(self._waiting) < _CROWD:
                    await self._clock.sleep(0)  # news may wait, states may not: everybody else goes first

    def _made(self, news: _News) -> Object:
        source = {"component": self._component}
        if news.host:
            source["host"] = news.host
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": news.name, "namespace": news.namespace},
            "involvedObject": {member: said for member, said in zip(_ABOUT, news.about, strict=True) if said},
            "reason": news.reason,
            "message": news.message,
            "source": source,
            "firstTimestamp": news.stamp,
            "lastTimestamp": news.stamp,
            "count": 1,
            "type": news.type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": news.host,
        }

    def _name(self, subject: str, now: datetime) -> str:
        """`<subject>.<nanoseconds in hex>`, or a uid where that would be no name: after long ones, and those of roles.

        A clock of ours may stand still, so each name is at least one later.
        """
        self._last_nanos = max((now - _EPOCH) // _MICROSECOND * 1000, self._last_nanos + 1)
        name = f"{subject}.{self._last_nanos:x}"
        return self._ids.uid() if names.subdomain(name) else name

    async def _send(self, event: Object) -> None:
        decision = self._correlator.decide(event, self._clock.now())
        if decision is None:
            return
        for attempt in range(_TRIES):
            try:
                written = await self._write(decision)
                if written is not decision.event:
                    self._correlator.written(written)
            except ApiError as error:
                log.info("event %s was refused: %s", decision.event["metadata"]["name"], error)
                return
            except Exception as error:  # noqa: BLE001 - transports fail in many ways, and all are temporary
                log.warning("event could not be sent (attempt %d): %s", attempt + 1, error)
                await self._clock.sleep(_RETRY_DELAY)
            else:
                return

    async def _write(self, decision: Decision) -> Object:
        """The event as it now stands. Answers are not looked at: events are many, and say what was sent."""
        event = decision.event
        meta = event["metadata"]
        if decision.patch is not None:
            path = EVENTS.path(meta["namespace"], meta["name"])
            try:
                await self._client.request("PATCH", path, body=decision.patch, headers=_STRATEGIC)
            except NotFound:
                pass  # it has expired meanwhile
            else:
                return event
        path = EVENTS.path(meta["namespace"])
        try:
            await self._client.request("POST", path, body=event)
        except AlreadyExists:
            # Another component spoke about the same object at the same nanosecond: our clocks are that coarse.
            subject, dot, nanos = meta["name"].rpartition(".")
            name = self._ids.uid()
            if dot:
                name = f"{subject}.{int(nanos, 16) + self._ids.random.randrange(1, 1_000_000):x}"
            event = {**event, "metadata": {**meta, "name": name}}
            await self._client.request("POST", path, body=event)
        return event
