"""What goes wrong again and again is logged when it begins, when it becomes something else, and when it is over.

One rule for whoever tries for ever, a cache as a candidate for a lease: what the caller may not do does not mend itself,
so somebody has to read of it.
"""

import asyncio
import logging

from fakekube.machinery.errors import ApiError, NotFound


def failure(error: BaseException) -> Exception:
    """What has failed, for one who tries for ever. Raises what is the end of the present task.

    A cancellation that nobody asked this task for is no end: something it waited for was cancelled, a connection made for
    several, say. A TaskGroup goes on without a task that ends so, and without a word.
    """
    if isinstance(error, Exception):
        return error
    task = asyncio.current_task()
    if not isinstance(error, asyncio.CancelledError) or task is None or task.cancelling():
        raise error
    return InterruptedError("what it waited for was cancelled")


class Complaints:
    """Of one who tries for ever: `what` is its name in the log."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._said = ""

    def about(self, error: Exception) -> None:
        """An attempt has failed. A 404 that names no object says that nobody serves the resource."""
        text = f"{self._what}: {error}; trying again"
        level = logging.WARNING
        if isinstance(error, ApiError) and error.code not in (401, 403):
            level = logging.INFO
        if isinstance(error, NotFound) and not (error.details or {}).get("name"):
            text = f"{self._what} is not served ({error}); waiting until it is"
        self._log.log(logging.DEBUG if text == self._said else level, "%s", text)
        self._said = text

    def over(self) -> None:
        if self._said:
            self._log.info("%s: works again", self._what)
        self._said = ""

    def forget(self) -> None:
        """It is so long ago that the same would be news."""
        self._said = ""
