r"""Unicode's general categories as ranges, for `\p{Lu}` and its like in patterns.

Python knows the category of each character but no list of those in one; the lists are made when a pattern first asks.
Go: unicode/tables.go
"""

import unicodedata
from functools import cache

_LAST = 0x10FFFF


@cache
def _all() -> dict[str, list[tuple[int, int]]]:
    """Ranges by category: one pass over all characters, a fifth of a second."""
    found: dict[str, list[tuple[int, int]]] = {}
    start, current = 0, unicodedata.category("\0")
    for code in range(1, _LAST + 2):
        category = unicodedata.category(chr(code)) if code <= _LAST else ""
        if category != current:
            found.setdefault(current, []).append((start, code - 1))
            start, current = code, category
    return found


@cache
def ranges(name: str, *, negated: bool = False) -> str | None:
    """The inside of a bracket that matches the category, one letter meaning all that begin with it; None if unknown."""
    known = [one for category, parts in _all().items() if category.startswith(name) for one in parts]
    if not known or len(name) > 2 or name == "Cn":  # Go leaves unassigned characters out
        return None
    known.sort()
    if negated:
        ends = [-1, *(high for _, high in known)]
        starts = [*(low for low, _ in known), _LAST + 1]
        known = [(end + 1, start - 1) for end, start in zip(ends, starts, strict=True) if end + 1 < start]
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in known)
