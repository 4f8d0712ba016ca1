"""What a stage does to an object, as values: the bodies it sends, the events it tells. And, for files of stages and their
tests, what would happen to an object now. Pure.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from fakekube.lifecycle.match import asked, choose, delay
from fakekube.lifecycle.script import Script
from fakekube.lifecycle.stage import REALISTIC, Apply, Finalizers, Pace, Patch, Stage, Write
from fakekube.lifecycle.templates import Context, look_up
from fakekube.machinery import objects
from fakekube.machinery.wire import Object


class Told(Struct, frozen=True):
    """An event about an object, or about the part of it at `path`."""

    type: str
    reason: str
    message: str
    path: str = ""


def events(stage: Stage, context: Context) -> Iterator[Told]:
    """In the order in which they are told; read from the object as it was before the stage's writes."""
    for group in stage.next.events:
        items = [None] if group.for_each is None else look_up(context, group.for_each) or []
        for item in items:
            inner: Context = context if group.for_each is None else {**context, "item": item}
            for one in group.events:
                path = one.field_path.render(inner) if one.field_path is not None else ""
                yield Told(one.type, one.reason.render(inner), one.message.render(inner), path)


def writes(stage: Stage, obj: Object, context: Context) -> list[tuple[Any, Write]]:
    """What the stage sends, in order; finalizers that are so already are not sent."""
    found = [(body(one, obj, context), one) for one in stage.next.writes]
    return [(sent, one) for sent, one in found if sent is not None]


def body(write: Write, obj: Object, context: Context) -> Any:
    """What a write sends. `obj` is the object as it is now, the context as it was before the first write."""
    if isinstance(write, Finalizers):
        present = objects.finalizers(obj)
        wanted = write.of(present)
        if wanted == present:
            return None
        # With the version: somebody else's change of this list must not be undone.
        meta = {"finalizers": wanted or None, "resourceVersion": objects.resource_version(obj)}
        return {"metadata": meta}
    rendered = write.template.render(context)
    if isinstance(write, Apply):
        return _whole(rendered)
    rendered = _rooted(rendered, write)
    if write.kind != "apply":
        return rendered
    meta = {"name": objects.name(obj), **(rendered.get("metadata") or {})}
    return {**rendered, "apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}


def _whole(rendered: Any) -> Object:
    named = isinstance(rendered, dict) and isinstance(rendered.get("metadata"), dict)
    if not named or not all((rendered.get("apiVersion"), rendered.get("kind"), objects.name(rendered))):
        raise ValueError("what is to be applied is no object: it needs apiVersion, kind and metadata.name")
    return dict(rendered)


def _rooted(body: Any, patch: Patch) -> Any:
    if not patch.root:
        return body
    if patch.kind == "json":
        return [{**one, "path": f"/{patch.root}{one.get('path', '')}"} for one in body]
    return {patch.root: body}


class Prospect(Struct, frozen=True):
    """What is next on one track: which stage, after how long at the shortest, and what it will do."""

    track: str
    stage: str
    after: float
    events: tuple[Told, ...]
    writes: tuple[Any, ...]
    deletes: bool


def prospects(
    script: Script, obj: Object, context: Mapping[str, Any], now: datetime, pace: Pace = REALISTIC
) -> list[Prospect]:
    """What would happen to an object if nothing else did, track by track."""
    found, chance = [], _Shortest()
    for track, stages in script.tracks(context).items():
        lot = choose(stages, obj, context, chance)
        if lot is not None:
            stage = lot[0]
            after = delay(stage, asked(stage, obj, context), now, pace, chance)
            bodies = tuple(sent for sent, _ in writes(stage, obj, context))
            told = tuple(events(stage, context))
            found.append(Prospect(track, stage.name, after, told, bodies, stage.next.delete))
    return found


class _Shortest(random.Random):
    """Chance that always falls on the lower end."""

    def random(self) -> float:
        return 0.0
