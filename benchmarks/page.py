"""A run as one HTML page that needs nothing else: a table for each part, and growth as curves."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from benchmarks.records import Record

_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:980px;padding:0 1em;color:#222}
table{border-collapse:collapse;width:100%} td,th{padding:.15em .8em .15em 0;border-top:1px solid #e4e4e4;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap} .met{color:#2e7d32} .missed{color:#c62828}
h1{font-size:1.5em} h2{font-size:1.1em;margin:1.6em 0 .4em} p,small{color:#666} svg text{font:11px system-ui,sans-serif}
"""
_SIZE = re.compile(r"(?<![\d.])(\d{1,3}(?:,\d{3})+|\d+)(?= (?:VMs|objects|watchers))")
_WIDTH, _HEIGHT, _LEFT, _BELOW = 420, 220, 60, 24


def html(head: str, parts: Mapping[str, Sequence[Record]], other: Mapping[str, float] | None = None) -> str:
    """`other` are the figures of the same names on the server it is compared with."""
    sections = "".join(
        f"<h2>{escape(name)}</h2>{_table(some, other)}{_curves(some)}" for name, some in parts.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>fakekube, measured</title><style>{_STYLE}</style>"
        f"<h1>fakekube, measured</h1><p>{escape(head)}</p>{sections}</html>\n"
    )


def _table(records: Iterable[Record], other: Mapping[str, float] | None) -> str:
    rows = []
    for one in records:
        verdict = {True: " class='n met'", False: " class='n missed'", None: " class=n"}[one.met]
        ratio = (
            f"<td class=n>{one.value / other[one.name]:.2f}×"
            if other and other.get(one.name)
            else "<td>"
            if other
            else ""
        )
        goal = "" if one.goal is None else f"{'≤' if one.most else '≥'} {one.goal:,g}"
        rows.append(
            f"<tr><td>{escape(one.name)}<td{verdict}>{figure(one)}{ratio}<td class=n>{goal}<td><small>{escape(one.remark)}</small>"
        )
    head = f"<tr><th>What<th>Figure{'<th>Ratio' if other else ''}<th>Goal<th>"
    return f"<table>{head}{''.join(rows)}</table>"


def figure(one: Record) -> str:
    """A number people can read, with its unit."""
    value = one.value
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {one.unit}".replace(" /s", "/s").replace(" %", " %").strip()


def series(records: Iterable[Record]) -> dict[str, dict[int, float]]:
    """Figures whose names differ in a size alone, by that size."""
    found: dict[str, dict[int, float]] = {}
    for one in records:
        size = _SIZE.search(one.name)
        if size is not None:
            name = f"{_SIZE.sub('n', one.name)} ({one.unit})"
            found.setdefault(name, {})[int(size.group().replace(",", ""))] = one.value
    return {name: points for name, points in found.items() if len(points) > 1}


def _curves(records: Iterable[Record]) -> str:
    return "".join(_curve(name, points) for name, points in series(records).items())


def _curve(name: str, points: Mapping[int, float]) -> str:
    """Logarithmic both ways: a straight line is a power."""
    xs = [math.log10(size) for size in points]
    ys = [math.log10(max(value, 1e-9)) for value in points.values()]
    low, high = math.floor(min(ys)), max(math.ceil(max(ys)), math.floor(min(ys)) + 1)
    wide, tall = max(xs) - min(xs), high - low

    def at(x: float, y: float) -> tuple[float, float]:
        return _LEFT + (x - min(xs)) / wide * _WIDTH, 20 + (high - y) / tall * _HEIGHT

    places = [at(x, y) for x, y in zip(xs, ys, strict=True)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(
        f"<circle cx={x:.1f} cy={y:.1f} r=3 fill='#3566a8'><title>{size:,}: {value:,.4g}</title></circle>"
        f"<text x={x:.1f} y={_HEIGHT + 36} text-anchor=middle>{size:,}</text>"
        for (x, y), (size, value) in zip(places, points.items(), strict=True)
    )
    grid = "".join(
        f"<line x1={_LEFT} x2={_LEFT + _WIDTH} y1={at(min(xs), y)[1]:.1f} y2={at(min(xs), y)[1]:.1f} stroke='#ddd'/>"
        f"<text x={_LEFT - 6} y={at(min(xs), y)[1] + 4:.1f} text-anchor=end>{10.0**y:g}</text>"
        for y in range(low, high + 1)
    )
    return (
        f"<svg width={_LEFT + _WIDTH + 40} height={_HEIGHT + 20 + _BELOW} role=img><text x={_LEFT} y=12>{escape(name)}</text>"
        f"{grid}<polyline points='{line}' fill=none stroke='#3566a8'/>{marks}</svg>"
    )
