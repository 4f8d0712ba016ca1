"""Long work on the one loop, done in slices: how those who have some leave room for everybody else.

A slice takes about a millisecond. Before the next one its owner waits for a turn, and turns are given one at a time on the
whole server, with a look at the network in between: a small request waits for a slice or two, however many clients
list a hundred thousand objects just then.
"""

import asyncio

from fakekube.clock import Clock


class Turns:
    """The queue of those who want to go on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def next(self) -> None:
        """Return when it is the caller's turn to do another slice."""
        async with self._one_at_a_time:
            await self._clock.sleep(0)
