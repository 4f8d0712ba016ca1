"""Which events to write, and which to fold into earlier ones. Pure of I/O: events and the time in, decisions out.

    event ──► aggregate: the 10th different message of the same reason within 10 minutes, and all after it,
    │         become one event "(combined from similar events): …"
    ├──► observe: an event already written gets `count` + 1, the newest time and text, by a patch
    └──► spam filter: 25 events about one object at once, then one more every 5 minutes

Memory is bounded: of each kind of record the 4096 used last are kept.
Upstream: k8s: staging/src/k8s.io/client-go/tools/record/events_cache.go
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from fakekube.clock import rfc3339
from fakekube.machinery.wire import Object

AGGREGATE_AT = 10
AGGREGATE_WITHIN = 600.0
SPAM_BURST = 25
SPAM_REFILL = 300.0
REMEMBERED = 4096

Key = str  # parts joined by what none of them holds: a text knows its hash, which a tuple reckons anew at every look
T = TypeVar("T")


class Recent(Generic[T]):
    """A mapping of the records used last."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._records: OrderedDict[Key, T] = OrderedDict()

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


@dataclass(slots=True)
class _Similar:
    last: datetime
    messages: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Written:
    name: str
    count: int
    first: str


@dataclass(slots=True)
class _Tokens:
    left: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
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
        subject = _subject(event)
        event, key = self._aggregate(event, _group(event, subject), now)
        decision = self._observe(event, key)
        return decision if self._affordable(subject, now) else None

    def written(self, event: Object) -> None:
        """It was written under another name than decided: later occurrences go to the event of this name."""
        key = _exact(event, _group(event, _subject(event)))
        self._written.put(key, _Written(event["metadata"]["name"], event["count"], event["firstTimestamp"]))

    def _aggregate(self, event: Object, group: Key, now: datetime) -> tuple[Object, Key]:
        record = self._similar.get(group)
        if record is None or (now - record.last).total_seconds() > AGGREGATE_WITHIN:
            record = _Similar(now)
            self._similar.put(group, record)
        record.messages.add(event["message"])
        record.last = now
        if len(record.messages) < AGGREGATE_AT:
            return event, _exact(event, group)
        record.messages.pop()  # it may stay full, but need not grow
        stamp = rfc3339(now)
        combined = {
            **event,
            "message": f"(combined from similar events): {event['message']}",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
        }
        return combined, group

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
        record = _Written(event["metadata"]["name"], event["count"], event["firstTimestamp"])
        self._written.put(key, record)
        return Decision(event, patch)

    def _affordable(self, subject: Key, now: datetime) -> bool:
        tokens = self._tokens.get(subject)
        if tokens is None:
            self._tokens.put(subject, _Tokens(SPAM_BURST - 1, now))
            return True
        passed = (now - tokens.at).total_seconds()
        tokens.left = min(SPAM_BURST, tokens.left + passed / SPAM_REFILL)
        tokens.at = now
        if tokens.left < 1:
            return False
        tokens.left -= 1
        return True


def _subject(event: Object) -> Key:
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


def _group(event: Object, subject: Key) -> Key:
    return f"{subject}\0{event['type']}\0{event['reason']}"


def _exact(event: Object, group: Key) -> Key:
    return f"{group}\0{event['involvedObject'].get('fieldPath', '')}\0{event['message']}"
