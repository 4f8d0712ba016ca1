"""The newest requests, as clients saw them answered: for assertions, and to tell what led to a failure.

Remembering costs a microsecond per request: whatever can be worked out later, is.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orjson
from msgspec import Struct

from fakekube.clock import Clock
from fakekube.machinery.wire import Handler, Request, Response
from fakekube.traffic.seen import BadPattern, Names, Pattern, Seen, meant, seen

_KEEP = 10_000
_KEPT_BYTES = (
    32 << 20
)  # of bodies: most are some hundred bytes, but a client may send ten thousand of three megabytes

_MEMBERS = frozenset(Pattern.__struct_fields__)


class Recorded(Struct, eq=False):
    """One request. `at` is in seconds of the cluster's time; `status` is 0 where no answer reached the client."""

    at: float
    revision: int  # of the store, when it came in
    request: Request
    status: int = 0
    answer: bytes = b""  # of refusals
    fault: str = ""  # what disturbed it
    seconds: float = 0.0  # until the answer was there; a stream's, until it began

    @property
    def seen(self) -> Seen:
        return seen(self.request)

    @property
    def verb(self) -> str:
        return self.seen.verb

    @property
    def name(self) -> str:
        return self.seen.name

    @property
    def body(self) -> Any:
        """The decoded body; None where there is none, or none in JSON."""
        try:
            return orjson.loads(self.request.body) if self.request.body else None
        except orjson.JSONDecodeError:
            return None

    @property
    def message(self) -> str:
        """What the server said, refusing."""
        try:
            said = orjson.loads(self.answer)
        except orjson.JSONDecodeError:
            return self.answer.decode(errors="replace").strip()
        return str(said.get("message") or "") if isinstance(said, dict) else ""

    def __str__(self) -> str:
        one = self.seen
        what = one.target if one.resource else self.request.path
        end = "".join(f" {part}" for part in (self.message, self.fault and f"[{self.fault}]") if part)
        return f"{one.client}: {one.verb or self.request.method} {what} → {self.status or 'no answer'}{end}"


Recording = Callable[[Request, Recorded], Awaitable[Response]]


class RequestLog:
    """A Handler's memory; `count` is of all requests ever."""

    def __init__(
        self,
        clock: Clock,
        names: Names,
        revision: Callable[[], int] = int,
        *,
        kinds: Callable[[], frozenset[str]] | None = None,
        keep: int = _KEEP,
        most_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._clock = clock
        self._revision = revision
        self._names = names
        self._kinds = kinds
        self._kept: deque[Recorded] = deque()
        self._keep, self._most_bytes = keep, most_bytes
        self._bytes = 0
        self.count = 0

    def filter(self, inner: Recording) -> Handler:
        """`inner`, remembered; it may note in the record what it did to the request."""
        keep, clock, revision = self._append, self._clock, self._revision

        async def handle(request: Request) -> Response:
            one = Recorded(clock.monotonic(), revision(), request)
            keep(one)
            self.count += 1
            response = await inner(request, one)
            one.status = response.status
            one.seconds = clock.monotonic() - one.at
            if response.status >= 400:
                one.answer = response.body
            return response

        return handle

    def _append(self, one: Recorded) -> None:
        kept = self._kept
        kept.append(one)
        self._bytes += len(one.request.body)
        while len(kept) > self._keep or (self._bytes > self._most_bytes and len(kept) > 1):
            self._bytes -= len(kept.popleft().request.body)

    def __iter__(self) -> Iterator[Recorded]:
        return iter(list(self._kept))

    def find(self, *, status: int | None = None, body: Any = None, **pattern: Any) -> list[Recorded]:
        """Requests that fit, oldest first. `body` has to be contained in theirs: members given are there, and alike.

        Raises BadPattern where none can fit, for verbs, kinds and members nobody knows.
        """
        for member in sorted(pattern.keys() - _MEMBERS):
            known = sorted({*_MEMBERS, "status", "body"})
            raise BadPattern(f"requests cannot be found by {member!r}; {meant(member, known)}")
        wanted = Pattern(**pattern)
        if self._kinds is not None:
            wanted.check(self._kinds())
        return [
            one
            for one in self
            if wanted.matches(one.seen, self._names)
            and (status is None or one.status == status)
            and (body is None or contains(one.body, body))
        ]

    def busiest(self) -> str:
        """Who asks for what most often, of late."""
        often = Counter(
            f"{one.seen.client} {one.seen.verb} {one.seen.target}" for one in list(self._kept)[-500:]
        )
        return (
            "; ".join(f"{what} ({count} times)" for what, count in often.most_common(3))
            or "nobody asks for anything"
        )

    def clear(self) -> None:
        self._kept.clear()


def contains(whole: Any, part: Any) -> bool:
    """Whether everything `part` says is so in `whole`. `...` stands for any value; lists are compared item by item."""
    if part is ...:
        return whole is not None
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(contains(whole.get(key), value) for key, value in part.items())
    if isinstance(part, list):
        return (
            isinstance(whole, list)
            and len(whole) == len(part)
            and all(contains(mine, wanted) for mine, wanted in zip(whole, part, strict=True))
        )
    return bool(whole == part)
