"""Whether two templates mean the same: what Go's typed, semantic comparison would call equal, decided on plain JSON.

Null is absence, empty lists are absence, and quantities count by value. An empty object is absence only where the API
type is a map or an embedded struct (`labels: {}`, `resources: {}`); elsewhere it says something (`masquerade: {}`).
Upstream: k8s: staging/src/k8s.io/apimachinery/pkg/api/equality/semantic.go
"""

import re
from fractions import Fraction
from typing import Any

_EMPTY_SAYS_NOTHING = frozenset(
    {
        "annotations",
        "devices",
        "labels",
        "limits",
        "matchLabels",
        "metadata",
        "nodeSelector",
        "requests",
        "resources",
    }
)
_QUANTITY_MAPS = frozenset({"limits", "requests"})
_QUANTITIES = frozenset({"capacity", "guest", "maxGuest"})

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE])?)")
_SUFFIXES = {
    **{unit: Fraction(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    **{unit: Fraction(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
}


def same(one: Any, other: Any) -> bool:
    """Whether both values mean the same."""
    return bool(one == other) or _plain(one) == _plain(other)


def quantity(value: Any) -> Fraction | None:
    """The number a quantity stands for; None when it is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Fraction(str(value))
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    if exponent and len(exponent) > 4:  # beyond any quantity, and expensive to compute
        return None
    return Fraction(number + (exponent or "")) * _SUFFIXES.get(suffix, Fraction(1))


def _plain(value: Any, key: str = "") -> Any:
    """The value without what says nothing, and with quantities as numbers."""
    if isinstance(value, dict):
        kept = {}
        for name, member in value.items():
            plain = _plain(member, _member_key(key, name))
            if plain is None or plain == [] or (plain == {} and name in _EMPTY_SAYS_NOTHING):
                continue
            kept[name] = plain
        return kept
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if key in _QUANTITIES:
        number = quantity(value)
        return value if number is None else number
    return value


def _member_key(parent: str, name: str) -> str:
    """Members of `requests` and `limits` are quantities whatever their names."""
    return "capacity" if parent in _QUANTITY_MAPS else name
