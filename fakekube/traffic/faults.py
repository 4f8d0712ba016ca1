"""What can go wrong on purpose, as values: which requests or watch events a fault meets, when, and what it does to them.

    Fault(verb="update", kind="VirtualMachine", status=409)                   the first update is refused
    Fault(verb="create", kind="Pod", reset=True, after_commit=True)           done, but the answer is lost
    Fault(kind="Pod", client="virt-controller", watch="drop", nth=3)          its third pod event never comes

Doing it is `injector`'s and `streams`'.
"""

from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct

from fakekube.machinery.durations import seconds_of
from fakekube.passage import Span
from fakekube.traffic.seen import BadPattern, Pattern, meant

WATCH = {
    "drop": "the event never comes",
    "duplicate": "the event comes twice",
    "delay": "the event, and all behind it, come `latency` later",
    "reorder": "the event comes after the next one about another object",
    "close": "the stream ends",
    "expire": "the stream ends with 410",
}
EVENTS = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")
STATUSES = (400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 503, 504)


class BadFault(ValueError):
    """A fault that makes no sense; the text names the way out."""


class Fault(Pattern, frozen=True, kw_only=True):
    """See the module text. It acts on the `nth` match and on the following ones, `times` times in all (None: always),
    each time with the chance `rate`. One that never acts fails the test, unless it is `optional`."""

    status: int = 0
    reset: bool = False
    latency: Span = 0
    watch: str = ""
    event: str = ""
    after_commit: bool = False
    retry_after: int = 1
    message: str = ""
    nth: int = 1
    times: int | None = 1
    rate: float = 1.0
    optional: bool = False

    def __post_init__(self) -> None:
        for name, default in zip(self.__struct_fields__, self.__struct_defaults__, strict=True):
            if isinstance(default, str) and not isinstance(value := getattr(self, name), str):
                raise BadFault(f"{name}={value!r}: this is a text")
        self._check_deed()
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise BadFault("nth and times count from 1; leave times=None for always")
        if not 0 < self.rate <= 1:
            raise BadFault(f"rate={self.rate}: a chance above 0, up to 1")
        if self.event and not self.watch:
            raise BadFault(f"event={self.event!r} is about watches; say what happens with watch='drop', …")
        if self.event and self.event not in EVENTS:
            raise BadFault(f"there is no event {self.event!r}; {meant(self.event.upper(), EVENTS)}")
        if self.watch and self.verb not in ("", "watch"):
            raise BadFault(f"watch={self.watch!r} is about watch streams; leave out verb={self.verb!r}")

    def _check_deed(self) -> None:
        if self.after_commit and not (self.status or self.reset):
            raise BadFault("after_commit says when a request fails; say how, with status=… or reset=True")
        if not (self.status or self.reset or self.seconds or self.watch):
            raise BadFault("the fault does nothing; give it status=…, reset=True, latency=… or watch=…")
        if self.status and self.reset:
            raise BadFault("status and reset exclude each other: a lost connection has no answer")
        if self.watch and (self.status or self.reset or self.after_commit):
            raise BadFault("watch excludes status, reset and after_commit: those are about single requests")
        if self.watch and self.watch not in WATCH:
            raise BadFault(f"there is no watch fault {self.watch!r}; {meant(self.watch, list(WATCH))}")
        if self.watch == "delay" and not self.seconds:
            raise BadFault("watch='delay' needs a latency, as in latency='5s'")
        if self.status and self.status not in STATUSES:
            raise BadFault(f"status={self.status!r}: there are {', '.join(map(str, STATUSES))}")

    @property
    def seconds(self) -> float:
        return seconds_of(self.latency)

    @property
    def at_once(self) -> bool:
        """Whether it is about streams as such, and so need not wait for an event."""
        return self.watch in ("close", "expire") and not self.event and not self.name and self.nth == 1

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """From a mapping, such as decoded JSON. Raises BadFault."""
        known = cls.__struct_fields__
        for key in given:
            if key not in known:
                raise BadFault(f"a fault has no member {key!r}; {meant(key, known)}")
        try:
            return cls(**given)
        except (TypeError, ValueError) as error:
            raise error if isinstance(error, BadFault | BadPattern) else BadFault(str(error)) from error

    def __str__(self) -> str:
        what = f"watch={self.watch}" if self.watch else "reset" if self.reset else str(self.status or "")
        late = f"latency={self.latency}" if self.seconds else ""
        when = "after commit" if self.after_commit else ""
        return " ".join(part for part in (what, late, when, "on", Pattern.__str__(self)) if part)


class Armed(Struct, eq=False):
    """A fault at work: how many requests or events fitted, and how many it disturbed."""

    number: int
    fault: Fault
    matched: int = 0
    fired: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.fired >= self.fault.times

    @property
    def unfired(self) -> bool:
        """Whether it should have acted and has not."""
        return not self.fired and not self.fault.optional

    def __str__(self) -> str:
        return f"{self.fault}: fitted {self.matched}, fired {self.fired} times"
