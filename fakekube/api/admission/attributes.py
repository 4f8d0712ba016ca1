"""What admission sees of a write."""

from typing import Any

from msgspec import Struct, field

from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.wire import Object, User

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


class Invoked(Struct):
    """Whom a plugin asked in the first round, and who is to be asked again in the second."""

    before: set[object] = field(default_factory=set)  # those that wish to see later changes
    again: set[object] = field(default_factory=set)
    output: bytes = b""  # the object as the plugin left it

    def object_changed(self) -> None:
        """Somebody changed the object after these had seen it."""
        self.again |= self.before
        self.before = set()


class Attributes(Struct):
    """One write on its way to the registry. Mutating admission may replace `obj`."""

    operation: str
    resource: ServedResource
    namespace: str
    name: str
    obj: Object | None
    old: Object | None
    user: User
    subresource: str = ""
    kind: tuple[str, str, str] | None = None  # (group, version, kind) of obj where a subresource has its own
    dry_run: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    second_round: bool = False  # the chain mutates once more because something asked for it
    wants_second_round: bool = False
    memory: dict[object, "Invoked"] = field(default_factory=dict)  # what plugins keep from round to round

    def ask_again(self) -> None:
        """The object changed: a second round is worth its while where somebody has seen it before and wishes to see more."""
        self.wants_second_round |= any(one.before or one.again for one in self.memory.values())

    @property
    def named(self) -> str:
        """The object's name as refusals print it: perhaps the prefix it is to be generated from."""
        meta = (self.obj or {}).get("metadata") or {}
        return self.name or str(meta.get("name") or meta.get("generateName") or "Unknown")
