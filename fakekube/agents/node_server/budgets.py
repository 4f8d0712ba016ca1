"""What a line of the small shell may do. Commands take steps, and so do characters that are read or said, and files that are passed by:
a line ends at the same place on every machine, and nobody else waits long for it."""

from msgspec import Struct

COMMAND = 1 << 10  # steps a command takes, whatever it does
_STEPS = 1 << 23  # of a line; a thousand of them are less than a millisecond


class Exhausted(Exception):
    """A line has taken all the steps that one may."""


class Budget(Struct):
    """The steps a line has left."""

    left: int = _STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise Exhausted
