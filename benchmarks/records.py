"""What a measurement says: plain records, which tables, JSON and plots are made from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One figure. `goal` is the figure that is good enough, in the same unit; `most` says that lower is better."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    most: bool = True
    remark: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.most else self.value >= self.goal


def exponent(seconds: Mapping[int, float]) -> float:
    """The e of time ~ size^e: the slope of the best line through the logarithms."""
    points = [(math.log(size), math.log(took)) for size, took in seconds.items()]
    middle_x, middle_y = _mean([x for x, _ in points]), _mean([y for _, y in points])
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
