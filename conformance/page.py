"""The HTML page of a run: a table of verdicts, and under each behaviour a picture of what happened in its namespace."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby
from typing import Any

_LEFT, _WIDTH, _ROW = 170, 720, 15
_CHARACTER = 6.5  # pixels
_COLOURS = {
    "passed": "#2e7d32",
    "deviates as expected": "#b26a00",
    "skipped": "#777",
    "failed": "#c62828",
    "error": "#c62828",
}
_STATES = (  # the first word that occurs decides
    ("terminating", "#d9a0a0"),
    ("Replica", "#e0b050"),
    ("ready", "#66a86a"),
    ("kept", "#b9c4d6"),
    ("Running", "#a5cfa0"),
    ("Succeeded", "#a9c9b5"),
    ("Error", "#d86060"),
    ("Crash", "#d86060"),
    ("Fail", "#d86060"),
    ("Stopped", "#c9c9c9"),
    ("new", "#e6e6e6"),
)
_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:960px;padding:0 1em;color:#222}
h1{font-size:1.5em} h2{font-size:1.1em;margin:1.6em 0 .4em} details{border-top:1px solid #ddd;padding:.35em 0}
summary{cursor:pointer;display:flex;gap:.8em} summary b{flex:0 0 3.6em} summary i{flex:0 0 5em;font-style:normal;color:#777}
summary span{flex:1} summary em{font-style:normal;font-weight:600} pre{white-space:pre-wrap;background:#f6f6f6;padding:.6em;font-size:12px}
td{font-size:12px;padding:0 .8em 0 0;vertical-align:top} .no{color:#c62828}
svg text{font:11px system-ui,sans-serif} svg .in{font-size:9px;pointer-events:none} .none{color:#777}
"""


def html(whole: Mapping[str, Any]) -> str:
    results = whole["results"]
    tally = " · ".join(f"{count} {escape(verdict)}" for verdict, count in sorted(whole["verdicts"].items()))
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>VirtualMachinePool conformance</title>",
        f"<style>{_STYLE}</style><h1>VirtualMachinePool conformance of {escape(whole['implementation'])}</h1><p>{tally}</p>",
    ]
    for section, some in groupby(results, key=lambda one: one["section"]):
        parts.append(f"<h2>{escape(section)}</h2>")
        parts += [_behaviour(one) for one in some]
    return "".join([*parts, "</html>\n"])


def _behaviour(one: Mapping[str, Any]) -> str:
    colour = _COLOURS[one["verdict"]]
    is_open = " open" if one["verdict"] in ("failed", "error") else ""
    why = f"<pre>{escape(one['why'])}</pre>" if one["why"] else ""
    return (
        f"<details id='{escape(one['id'])}'{is_open}><summary><b>{escape(one['id'])}</b><i>{escape(one['kind'])}</i>"
        f"<span>{_prose(one['statement'])}{_case(one['case'])}</span><em style='color:{colour}'>{escape(one['verdict'])}</em></summary>"
        f"<p class=none>{escape(one['test'])} · {one['seconds']:.2f} s</p>{why}{_picture(one['timeline'])}{_requests(one['requests'])}</details>"
    )


def _prose(text: str) -> str:
    """A statement's text, whose names are between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _case(name: str) -> str:
    """Which of several tests of one statement this is."""
    return f" <small class=none>{escape(name)}</small>" if name else ""


def _requests(asked: list[list[Any]]) -> str:
    """Who wrote what, in order; refusals with the server's words."""
    if not asked:
        return ""
    lines = "".join(
        f"<tr{' class=no' if status >= 400 else ''}><td>{at:.3f}<td>{escape(client)}<td>{escape(what)}<td>{status}"
        f"<td>{escape(message)}"
        for at, client, what, status, message in asked
    )
    return f"<details><summary>{len(asked)} write{'s'[: len(asked) > 1]}</summary><table>{lines}</table></details>"


def _picture(rows: list[Mapping[str, Any]]) -> str:
    """Time runs to the right; each object is a line, coloured by its state; pointing at it tells the state."""
    if len(rows) <= 2:  # nothing but its end
        return ""
    end = max(rows[-1]["spans"][0][0], 0.01)
    scale = _WIDTH / end
    shown = [row for row in rows[:-1] if row["spans"]]
    height = (len(shown) + 1) * _ROW + 6
    parts = [f"<svg width={_LEFT + _WIDTH + 10} height={height} role=img>"]
    for number, row in enumerate(shown):
        top = number * _ROW + 3
        parts.append(f"<text x=0 y={top + 10}>{escape(row['kind'])} {escape(row['name'])}</text>")
        if row["kind"] == "events":
            parts += [
                f"<circle cx={_LEFT + at * scale:.1f} cy={top + 6} r=3 fill='#3566a8'><title>{at} s {escape(text)}</title></circle>"
                for at, text in row["spans"]
            ]
        else:
            parts += _line(row["spans"], end, scale, top)
    parts += _axis(end, scale, height)
    return "".join([*parts, "</svg>"])


def _line(spans: list[Any], end: float, scale: float, top: int) -> Iterable[str]:
    for (at, state), until in zip(spans, [*(one[0] for one in spans[1:]), end], strict=True):
        if state is None:
            continue
        width = max((until - at) * scale, 1.5)
        yield (
            f"<rect x={_LEFT + at * scale:.1f} y={top} width={width:.1f} height={_ROW - 4} fill='{_colour(state)}'>"
            f"<title>{at} s {escape(state)}</title></rect>"
        )
        if width > _CHARACTER * len(state):
            yield f"<text class=in x={_LEFT + at * scale + 3:.1f} y={top + 9}>{escape(state)}</text>"


def _axis(end: float, scale: float, height: int) -> Iterable[str]:
    step = next(one for one in (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 600, 6000) if end / one <= 12)
    for number in range(int(end / step) + 1):
        x = _LEFT + number * step * scale
        yield f"<text x={x:.1f} y={height - 3} fill='#777'>{number * step:g}</text>"


def _colour(state: str) -> str:
    ready, slash, total = state.partition(" ")[0].partition("/")
    if slash and "Replica" not in state:
        return "#66a86a" if ready == total else "#9cc0e0"
    return next((colour for word, colour in _STATES if word in state), "#9cc0e0")
