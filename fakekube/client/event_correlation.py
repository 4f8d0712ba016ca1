"""Which events to write, and which to fold into earlier ones. Pure of I/O: events and the time in, decisions out.

    event ──► aggregate: the 10th different message of the same reason within 10 minutes, and all after it,
    │         become one event "(combined from similar events): …"
    ├──► observe: an event already written gets `count` + 1, the newest time and text, by a patch
    └──► spam filter: 25 events about one object at once, then one more every 5 minutes

Memory is bounded: of each kind of record the 4096 used last are kept, and none for longer than it makes a difference.
Upstream: k8s: staging/src/k8s.io/client-go/tools/record/events_cache.go
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from sys import intern
from typing import Any, Generic, TypeVar

from msgspec import Struct

from fakekube.clock import rfc3339
from fakekube.machinery.wire import Object

AGGREGATE_AT = 10
AGGREGATE_WITHIN = 600.0
SPAM_BURST = 25
SPAM_REFILL = 300.0
REMEMBERED = 4096

_AGGREGATED = timedelta(seconds=AGGREGATE_WITHIN)
_REFILLED = timedelta(seconds=SPAM_BURST * SPAM_REFILL)  # then an object has all its tokens again

Key = int  # the hash of a text: of thousands of them no two are alike once in 10¹² runs, and texts are ten times as long
T = TypeVar("T")


class Recent(Generic[T]):
    """A mapping of the records used last."""

    def __init__(self) -> None:
        self._size = REMEMBERED
        self._records: OrderedDict[Key, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: Key) -> T | None:
        record = self._records.get(key)
        if record is not None:
            self._records.move_to_end(key)
        return record

    def put(self, key: Key, record: T) -> None:
        self._records[key] = record
        self._records.move_to_end(key)
        if len(self._records) > self._size:
            self._records.popitem(last=False)

    def forget(self, is_old: Callable[[T], bool]) -> None:
        """Let go of those at the front, where the ones are that were not used for longest."""
        while self._records and is_old(next(iter(self._records.values()))):
            self._records.popitem(last=False)


class _Similar(Struct, gc=False):
    last: datetime
    messages: tuple[Key, ...] = ()  # different ones; nearly always one


class _Written(Struct, frozen=True, gc=False):
    name: str
    count: int
    first: str


class _Tokens(Struct, gc=False):
    left: float
    at: datetime


class Decision(Struct, frozen=True):
    """What to write: `event` anew, or `patch` upon the event of that name."""

    event: Object
    patch: dict[str, Any] | None


class Correlator:
    """See the module text."""

    def __init__(self) -> None:
        self._similar: Recent[_Similar] = Recent()
        self._written: Recent[_Written] = Recent()
        self._tokens: Recent[_Tokens] = Recent()

    def decide(self, event: Object, now: datetime) -> Decision | None:
        """What to do about one more event; None when it is dropped as spam."""
        self._similar.forget(lambda one: now - one.last > _AGGREGATED)
        self._tokens.forget(lambda one: now - one.at > _REFILLED)
        subject = _subject(event)
        event, key = self._aggregate(event, _group(event, subject), now)
        decision = self._observe(event, key)
        return decision if self._affordable(subject, now) else None

    def written(self, event: Object) -> None:
        """It was written under another name than decided: later occurrences go to the event of this name."""
        key = _exact(event, _group(event, _subject(event)))
        self._written.put(key, _as_written(event))

    def _aggregate(self, event: Object, group: str, now: datetime) -> tuple[Object, Key]:
        own = hash(group)
        record = self._similar.get(own)
        if record is None or now - record.last > _AGGREGATED:
            record = _Similar(now)
            self._similar.put(own, record)
        messages, message = record.messages, hash(event["message"])
        if message not in messages:
            messages = (*messages, message)
        record.last = now
        if len(messages) < AGGREGATE_AT:  # it may stay full, but need not grow
            record.messages = messages
            return event, _exact(event, group)
        stamp = rfc3339(now)
        combined = {
            **event,
            "message": f"(combined from similar events): {event['message']}",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
        }
        return combined, own

    def _observe(self, event: Object, key: Key) -> Decision:
        known = self._written.get(key)
        patch = None
        if known is not None:
            event = {
                **event,
                "metadata": {**event["metadata"], "name": known.name},
                "count": known.count + 1,
                "firstTimestamp": known.first,
            }
            patch = {name: event[name] for name in ("count", "lastTimestamp", "message")}
        self._written.put(key, _as_written(event))
        return Decision(event, patch)

    def _affordable(self, subject: str, now: datetime) -> bool:
        own = hash(subject)
        tokens = self._tokens.get(own)
        if tokens is None:
            self._tokens.put(own, _Tokens(SPAM_BURST - 1, now))
            return True
        passed = (now - tokens.at).total_seconds()
        tokens.left = min(SPAM_BURST, tokens.left + passed / SPAM_REFILL)
        tokens.at = now
        if tokens.left < 1:
            return False
        tokens.left -= 1
        return True


def _as_written(event: Object) -> _Written:
    return _Written(event["metadata"]["name"], event["count"], intern(event["firstTimestamp"]))


def _subject(event: Object) -> str:
    about, source = event["involvedObject"], event["source"]
    return "\0".join(
        (
            source.get("component", ""),
            source.get("host", ""),
            about.get("kind", ""),
            about.get("namespace", ""),
            about.get("name", ""),
            about.get("uid", ""),
            about.get("apiVersion", ""),
        )
    )


def _group(event: Object, subject: str) -> str:
    return f"{subject}\0{event['type']}\0{event['reason']}"


def _exact(event: Object, group: str) -> Key:
    return hash(f"{group}\0{event['involvedObject'].get('fieldPath', '')}\0{event['message']}")
