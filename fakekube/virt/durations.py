"""Go's durations, such as `5m0s`."""

import re

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: str | None, default: float) -> float:
    """How many seconds it is; the default where nothing is said."""
    parts = _PART.findall(duration or "")
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else default
