"""Equal parts of objects kept once: a thousand machines of one pool differ in little but their names.

Decoded JSON takes six times the memory of its text, and caches hold much of it for long. What goes through `shared` is the
same dict, list or text wherever it is equal, so nobody may change it afterwards.
"""

from typing import Any

import orjson

_LONGEST = (
    1_024  # bytes of JSON of a part that is kept: whole specs differ, their volumes and containers are alike
)
_LONGEST_WHOLE = 8 * _LONGEST
_SHORTEST = 8  # characters of a text that is worth looking up


class Parts:
    """Parts met lately: `most` of them at least, twice as many at most. What has not been met for long is let go of."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[bytes | str, Any] = {}
        self._old: dict[bytes | str, Any] = {}

    def shared(self, value: Any) -> Any:
        """An equal value made of parts that others are made of too. `value` itself may be changed to be of such parts."""
        kind = value.__class__
        if kind is str:
            if not _SHORTEST <= len(value) <= _LONGEST:
                return value
            known = self._known(value)
            return self._keep(value, value) if known is None else known
        if not value or (kind is not dict and kind is not list):
            return value
        key = orjson.dumps(value)
        small = len(key) <= _LONGEST
        if small:
            key = b"%b" % key  # without the buffer it was written in (`copying`): it may be kept
            if (known := self._known(key)) is not None:
                return known
        places = value.items() if kind is dict else enumerate(value)
        for place, part in places:
            value[place] = self.shared(part)
        return self._keep(key, value) if small else value

    def whole(self, value: Any) -> Any:
        """An equal value that others have too, unless it is very large; its parts are not looked at one by one."""
        key = orjson.dumps(value)
        if len(key) > _LONGEST_WHOLE:
            return value
        key = b"%b" % key
        known = self._known(key)
        return self._keep(key, value) if known is None else known

    def _known(self, key: bytes | str) -> Any:
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self._young[key] = found
        return found

    def _keep(self, key: bytes | str, value: Any) -> Any:
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = value
        return value
