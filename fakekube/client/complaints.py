"""What goes wrong again and again is logged when it begins, when it becomes something else, and when it is over."""

import logging

from fakekube.machinery.errors import ApiError


class Complaints:
    """Of one who tries for ever: `what` is its name in the log."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._said = ""

    def about(self, error: Exception) -> None:
        """An attempt has failed. What the caller may not do does not mend itself: somebody has to read of it."""
        text = f"{self._what}: {error}; trying again"
        level = logging.WARNING
        if isinstance(error, ApiError) and error.code not in (401, 403):
            level = logging.INFO
        if isinstance(error, ApiError) and error.code == 404:
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
