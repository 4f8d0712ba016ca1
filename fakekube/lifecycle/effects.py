"""What a stage does to an object, as values: the bodies it sends, the events it tells. Pure."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from fakekube.lifecycle.stage import Apply, Finalizers, Patch, Stage, Write
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
