"""What guests have said at their consoles, as their launchers' logs show it: whole lines, the last of them.

It is kept for as long as the instances are there; what guests say that nobody has listened to follows from them.
"""

import asyncio
from datetime import datetime

from fakekube.agents.node_server.logs import Line

_MOST = 2000  # lines


class Transcripts:
    """By the uid of the instance: what has been `said`, and lines that have `begun` and are not whole yet."""

    def __init__(self, said: dict[str, list[Line]], begun: dict[str, str]) -> None:
        self._said, self._begun = said, begun
        self._more: dict[str, asyncio.Event] = {}

    def add(self, own: str, text: bytes, moment: datetime) -> None:
        *whole, self._begun[own] = (self._begun.get(own, "") + text.decode(errors="replace")).split("\n")
        lines = [Line(moment, one.replace("\r", "")) for one in whole]
        self._said[own] = [*self._said.get(own, ()), *lines][-_MOST:]
        if whole and (waited_for := self._more.pop(own, None)):
            waited_for.set()

    def of(self, own: str) -> list[Line] | None:
        """None: nobody has listened."""
        return self._said.get(own)

    def more(self, own: str) -> asyncio.Event:
        """Set when there is more than now."""
        return self._more.setdefault(own, asyncio.Event())

    def forget(self, own: str) -> None:
        for known in (self._said, self._begun, self._more):
            known.pop(own, None)
