"""The delays after failed starts, which are drawn by lot, as they were drawn in a recording.

Each is 10 n^2 seconds for the n-th failure in a row, and up to half of it more.
"""

import math
import random

from tests.recordings.facts import ABSENT, Facts

_COUNT = "status.startFailure.consecutiveFailCount"


class Drawn(random.Random):
    """Like any other source of randomness, but for that one question."""

    def __init__(self, facts: Facts, seed: int) -> None:
        super().__init__(seed)
        self._left: dict[int, list[int]] = {}
        for count, seconds in _delays(facts):
            self._left.setdefault(count, []).append(seconds)

    def randint(self, a: int, b: int) -> int:
        count = math.isqrt(b // 5)
        listed = self._left.get(count)
        if a == 0 and b == 5 * count * count and listed:
            return max(a, min(b, listed.pop(0) - 10 * count * count))
        return super().randint(a, b)


def _delays(facts: Facts) -> list[tuple[int, int]]:
    """How long after each failure the next start of the same VM came, in the order of the failures."""
    found = []
    for life in facts.lives.values():
        if life.resource != "vm" or _COUNT not in life.fields:
            continue
        for count, moment in zip(life.fields[_COUNT], life.moments[_COUNT], strict=True):
            later = [
                other.born
                for other in facts.lives.values()
                if other.resource == "vmi" and other.name == life.name and other.born > moment
            ]
            if count != ABSENT and later and (life.gone is None or min(later) < life.gone):
                found.append((moment, count, min(later) - moment))
    return [(count, round(seconds)) for _, count, seconds in sorted(found)]
