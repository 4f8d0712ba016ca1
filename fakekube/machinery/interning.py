"""Equal parts of objects kept once: a thousand machines of one pool differ in little but their names.

Decoded JSON takes six times the memory of its text, and caches hold much of it for long. What goes through `shared` is the
same dict, list or text wherever it is equal, so nobody may change it afterwards.

What nobody else has is made anew of what others have: names of members and short texts are one for the whole process, and
dicts no larger than they must be. As they come from the parser half of them have room for as much again.
"""

from sys import intern
from typing import Any

import orjson

_LONGEST = (
    1_024  # bytes of JSON of a part that is kept: whole specs differ, their volumes and containers are alike
)
_LONGEST_WHOLE = 8 * _LONGEST
_SHORTEST = (
    8  # characters of a text that is worth a place here; shorter ones Python keeps while somebody has them
)
_NO_MEMBERS: dict[str, Any] = {}
_NO_ITEMS: list[Any] = []


class Parts:
    """Parts met lately: `most` of them at least, twice as many at most. What has not been met for long is let go of."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[bytes | str, Any] = {}
        self._old: dict[bytes | str, Any] = {}

    def shared(self, value: Any, before: Any = None) -> Any:
        """An equal value made of parts that others are made of too. `value` may be changed to be of such parts; those of
        `before`, which went through here, are such."""
        kind = value.__class__
        if kind is str:
            if len(value) < _SHORTEST:
                return intern(value)
            if len(value) > _LONGEST:
                return value
            if (known := self._young.get(value)) is None and (known := self._again(value)) is None:
                return self._keep(value, value)
            return known
        if kind is not dict and kind is not list:
            return value
        if not value:
            return _NO_MEMBERS if kind is dict else _NO_ITEMS
        key = orjson.dumps(value)
        small = len(key) <= _LONGEST
        if small:
            key = b"%b" % key  # without the buffer it was written in (`copying`): it may be kept
            known = self._young.get(key)
            if known is not None or (known := self._again(key)) is not None:
                return known
        value = self._members(value, before) if kind is dict else self._items(value, before)
        return self._keep(key, value) if small else value

    def _members(self, value: dict[str, Any], before: Any) -> dict[str, Any]:
        known = before.get if before.__class__ is dict else _NO_MEMBERS.get
        made = {}
        for name, part in value.items():
            kind = part.__class__
            if part is (was := known(name)) or not (kind is str or kind is dict or kind is list):
                made[intern(name)] = part
            elif kind is str:
                made[intern(name)] = self._young.get(part) or self.shared(part)
            else:
                made[intern(name)] = self.shared(part, was)
        return made

    def _items(self, value: list[Any], before: Any) -> list[Any]:
        """The list itself: it is as long as it must be."""
        known = before if before.__class__ is list else _NO_ITEMS
        for place, part in enumerate(value):
            was = known[place] if place < len(known) else None
            if part is not was:
                value[place] = self.shared(part, was)
        return value

    def whole(self, value: Any) -> Any:
        """An equal dict that others have too, unless it is very large; its parts are not looked at one by one."""
        if not value:
            return _NO_MEMBERS
        key = orjson.dumps(value)
        if len(key) > _LONGEST_WHOLE:
            return value
        key = b"%b" % key
        known = self._young.get(key)
        if known is None and (known := self._again(key)) is None:
            return self._keep(key, value)
        return known

    def _again(self, key: bytes | str) -> Any:
        """What was not met lately, but not long before."""
        found = self._old.get(key)
        if found is not None:
            self._young[key] = found
        return found

    def _keep(self, key: bytes | str, value: Any) -> Any:
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = value
        return value
