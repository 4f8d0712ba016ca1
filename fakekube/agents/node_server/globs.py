"""Names as shells and `find` ask for them: `*`, and where the asker lets them be, `?` and `[…]`. Pure."""

import re
from collections.abc import Callable
from fnmatch import translate

_STARS = re.compile(r"\*+")
_LONGEST = 1024  # characters; no name is as long as what would be left without its stars
_COMPILED = 64  # steps for a character of one


def matching(pattern: str, spend: Callable[[int], None]) -> Callable[[str], object]:
    """Tells of a name whether it is meant. `spend` is told what it takes to read the pattern."""
    pattern = _STARS.sub("*", pattern)
    if len(pattern) > _LONGEST:
        return lambda _name: False
    spend(_COMPILED * (len(pattern) + 1))
    return re.compile(translate(pattern)).match
