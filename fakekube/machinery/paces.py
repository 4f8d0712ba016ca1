"""The names of paces, for whoever asks for one. How fast each is, and how life goes by it: `lifecycle.stage`, and stage files."""

from typing import Literal, get_args

PaceName = Literal["instant", "fast", "realistic", "chaos"]
PACE_NAMES: tuple[PaceName, ...] = get_args(PaceName)
