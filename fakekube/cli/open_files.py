"""How many files this process may have open: every connection and every watch is one."""

_ENOUGH = 65_536  # where the system would allow a billion, programs that look at each of them take their time


def allow_many() -> int | None:
    """Raise the soft limit as far as the hard one allows, as Go's programs do when they start; the limit now, if known."""
    try:
        import resource  # noqa: PLC0415 - not everywhere
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a third limit, which nobody tells
        return soft
    return wanted
