"""Prometheus' text format. Pure.

A label without a value is none, as Prometheus has it.
Origin: https://prometheus.io/docs/instrumenting/exposition_formats
"""

from collections.abc import Iterable, Iterator, Mapping

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]  # name, labels, value

_COUNTERS = ("_total", "_last_transition_timestamp_seconds")
_PARTS = ("_bucket", "_sum", "_count")
# How long changes of phases take; upstream: virt-controller's PhaseTransitionTimeBuckets.
_BOUNDS = (0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600)


def text(samples: Iterable[Sample]) -> str:
    """One line per sample; samples of a name stand together."""
    lines: dict[str, list[str]] = {}
    for own, marks, value in samples:
        family = _family(own)
        found = lines.setdefault(family, [f"# TYPE {family} {_kind(own, family)}"])
        listed = ",".join(f'{key}="{_escaped(said)}"' for key, said in marks.items() if said)
        found.append(f"{own}{{{listed}}} {_number(value)}" if listed else f"{own} {_number(value)}")
    return "".join(f"{line}\n" for group in lines.values() for line in group)


def histogram(own: str, seconds: Mapping[tuple[tuple[str, str], ...], list[float]]) -> Iterator[Sample]:
    """Samples of how long something took, for each set of labels."""
    for marks, observed in seconds.items():
        labels = dict(marks)
        for bound in _BOUNDS:
            within = sum(1 for one in observed if one <= bound)
            yield f"{own}_bucket", {**labels, "le": f"{bound:g}"}, float(within)
        yield f"{own}_bucket", {**labels, "le": "+Inf"}, float(len(observed))
        yield f"{own}_sum", labels, sum(observed)
        yield f"{own}_count", labels, float(len(observed))


def _family(own: str) -> str:
    for part in _PARTS:
        if own.endswith(f"_seconds{part}"):
            return own.removesuffix(part)
    return own


def _kind(own: str, family: str) -> str:
    if own != family:
        return "histogram"
    return "counter" if own.endswith(_COUNTERS) else "gauge"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
