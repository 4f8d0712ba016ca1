"""Numbers that somebody else writes as text: annotations, words of commands, what comes over a connection. Pure."""

_LONGEST = 20  # digits; nothing here counts further


def number(text: str) -> int | None:
    """What digits stand for; None: these are none of ASCII's, or too many."""
    return int(text) if len(text) <= _LONGEST and text.isascii() and text.isdigit() else None
