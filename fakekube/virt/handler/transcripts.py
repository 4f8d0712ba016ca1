"""What guests have said at their consoles, as their launchers' logs show it: whole lines, the last of them.

It is kept for as long as the instances are there; what guests say that nobody has listened to follows from them.
"""

import asyncio
from datetime import datetime

from fakekube.agents.node_server.logs import Line

_MOST = 2000  # lines


class Transcripts:
    """By the uid of the instance."""

    def __init__(self) -> None:
        self._said: dict[str, list[Line]] = {}
        self._begun: dict[str, str] = {}  # lines that are not whole yet
        self._more: dict[str, asyncio.Event] = {}

    def add(self, own: str, text: bytes, moment: datetime) -> None:
        *whole, self._begun[own] = (self._begun.get(own, "") + text.decode(errors="replace")).split("\n")
        said = self._said.setdefault(own, [])
        said += [Line(moment, one.replace("\r", "")) for one in whole]
        del said[:-_MOST]
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
