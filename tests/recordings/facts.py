"""What a run says, in a form in which two runs can be compared: per object and field the sequence of its values.

Everything that is chosen anew in every run gets a name instead: `$t` for moments, `$ip`, `$mac`, and for uids the
object they belong to. Of conditions each type is a field of its own; the order of the types is another.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One watch event. `obj` is what the event carried; for a deletion the last state."""

    at: float
    kind: str  # ADDED, MODIFIED or DELETED
    resource: str  # by its short name in recordings
    name: str
    obj: Object


ABSENT = "(absent)"
_BY_TYPE = ("conditions",)
_DROPPED = {
    ("apiVersion",),
    ("kind",),
    ("metadata", "uid"),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("metadata", "creationTimestamp"),
    ("metadata", "resourceVersion"),
    ("metadata", "managedFields"),
    ("metadata", "selfLink"),
}
_CHOSEN = (
    (re.compile(r"\$t[+-]\d+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "$t"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC"), "$t"),
    (re.compile(r"\$ip\d+|\b10\.244\.\d+\.\d+\b"), "$ip"),
    (re.compile(r"\b02:00:00(:[0-9a-f]{2}){3}\b"), "$mac"),
    (re.compile(r"^[23]\d\ds$"), "$seconds"),  # --qemu-timeout, drawn by lot
)


@dataclass(slots=True)
class Life:
    """One object from its creation to its end, or to the end of the run."""

    resource: str
    name: str
    born: float
    fields: dict[str, list[Any]] = field(default_factory=dict)
    moments: dict[str, list[float]] = field(default_factory=dict)  # when each of the values came
    gone: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An event, as people read it."""

    about: str
    type: str
    reason: str
    message: str
    source: str


@dataclass(slots=True)
class Facts:
    """A whole run."""

    lives: dict[str, Life] = field(
        default_factory=dict
    )  # by resource/name, from the second on with #2, #3, …
    events: dict[Told, int] = field(default_factory=dict)
    heard: dict[str, tuple[Told, int]] = field(default_factory=dict)  # by the name of the event object


def of(changes: Iterable[Change]) -> Facts:
    facts = Facts()
    current: dict[tuple[str, str], str] = {}
    born: dict[tuple[str, str], int] = {}
    for change in changes:
        if change.resource == "event":
            if change.kind != "DELETED":
                facts.heard[change.name] = _heard(change.obj)
            continue
        key = change.resource, change.name
        if change.kind == "ADDED":
            born[key] = born.get(key, 0) + 1
            number = f"#{born[key]}" if born[key] > 1 else ""
            current[key] = f"{change.resource}/{change.name}{number}"
            facts.lives[current[key]] = Life(*key, change.at)
        life = facts.lives[current[key]]
        if change.kind == "DELETED":
            life.gone = change.at
        else:
            _note(life, change)
    for told, count in facts.heard.values():
        facts.events[told] = facts.events.get(told, 0) + count
    return facts


def _note(life: Life, change: Change) -> None:
    seen = dict(flat(change.obj))
    for path in life.fields.keys() | seen.keys():
        value = seen.get(path, ABSENT)
        values = life.fields.get(path)
        if values is None:
            life.fields[path], life.moments[path] = [value], [change.at]
        elif values[-1] != value:
            values.append(value)
            life.moments[path].append(change.at)


def flat(obj: Mapping[str, Any], *above: str) -> Iterable[tuple[str, Any]]:
    """Every leaf of an object with its path."""
    for member, value in obj.items():
        path = (*above, member)
        if path in _DROPPED or member.startswith("fakekube.io/"):
            continue
        if member in _BY_TYPE and isinstance(value, list):
            yield ".".join(path), [one.get("type") for one in value]
            for one in value:
                told = {key: chosen(part) for key, part in one.items() if key != "type"}
                yield f"{'.'.join(path)}[{one.get('type')}]", told
        elif isinstance(value, dict) and value and member != "data":
            yield from flat(value, *path)
        else:
            yield ".".join(chosen(part) for part in path), chosen(value)


def chosen(value: Any) -> Any:
    """The value, with names for what every run chooses anew."""
    if isinstance(value, str):
        for pattern, name in _CHOSEN:
            value = pattern.sub(name, value)
        return value
    if isinstance(value, list):
        return [chosen(one) for one in value]
    if isinstance(value, dict):
        return {chosen(member): chosen(one) for member, one in value.items()}
    return value


def _heard(event: Object) -> tuple[Told, int]:
    involved, source = event.get("involvedObject", {}), event.get("source", {})
    about = f"{involved.get('kind')}/{involved.get('name')}"
    message = str(chosen(event["message"]))
    told = Told(about, event["type"], event["reason"], message, source.get("component", ""))
    return told, int(event.get("count") or 1)
