"""How endpoints are spread over EndpointSlices: the fewest writes; slices that need no change are left alone. Pure.

Upstream: k8s: staging/src/k8s.io/endpointslice/reconciler.go
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from fakekube.agents.endpoint_planning import Endpoint, Shape, shown_port
from fakekube.machinery import objects
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

MAX_IN_SLICE = 100


class Changes(Struct):
    """What has to be written."""

    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def shape_of(slice_: Object) -> Shape:
    """What the endpoints of a present slice share."""
    ports = tuple(
        (
            one.get("name") or "",
            one.get("protocol") or "TCP",
            one.get("port") or 0,
            one.get("appProtocol") or "",
        )
        for one in slice_.get("ports") or ()
    )
    return Shape(str(slice_.get("addressType") or "IPv4"), ports)


def plan(
    wanted: Mapping[Shape, Sequence[Endpoint]],
    present: Iterable[Object],
    template: Object,
    *,
    families: Sequence[str] = (),
    limit: int = MAX_IN_SLICE,
) -> Changes:
    """The fewest writes that make the slices say what is wanted. Each of `families` keeps a slice, empty if need be."""
    changes = Changes()
    by_shape: dict[Shape, list[Object]] = {}
    for slice_ in present:
        by_shape.setdefault(shape_of(slice_), []).append(slice_)
    shapes = dict(wanted)
    for family in families:
        if not any(shape.family == family for shape in shapes):
            kept = next((shape for shape in by_shape if shape.family == family), Shape(family, ()))
            shapes[kept] = []
    for shape, slices in by_shape.items():
        if shape not in shapes:
            changes.delete += slices
    for shape, endpoints in shapes.items():
        _fill(changes, shape, endpoints, by_shape.get(shape, []), template=template, limit=limit)
    return changes


def _fill(
    changes: Changes,
    shape: Shape,
    endpoints: Sequence[Endpoint],
    slices: list[Object],
    *,
    template: Object,
    limit: int,
) -> None:
    left = {_identity(one): one for one in endpoints}
    kept: list[tuple[Object, list[Endpoint], bool]] = []
    for slice_ in slices:
        had = slice_.get("endpoints") or []
        now = [left.pop(_identity(one)) for one in had if _identity(one) in left]
        kept.append((slice_, now, now != had or not _described(slice_, template)))
    kept.sort(key=lambda one: not one[2])  # those that are written anyway take the new ones first
    for slice_, now, touched in kept:
        room = min(limit - len(now), len(left))
        taken = room if touched or room == len(left) else 0
        now += [left.pop(identity) for identity in list(left)[:taken]]
        changed = touched or taken > 0
        if not now and (endpoints or slice_ is not slices[0]):
            changes.delete.append(slice_)
        elif changed:
            changes.update.append(_slice(slice_, template, shape, now))
    rest = list(left.values())
    for start in range(0, len(rest), limit) if rest or kept else (0,):
        changes.create.append(_slice(None, template, shape, rest[start : start + limit]))


def _identity(endpoint: Endpoint) -> tuple[Any, ...]:
    return tuple(endpoint["addresses"]), dig(endpoint, "targetRef", "uid")


def _described(slice_: Object, template: Object) -> bool:
    return bool(objects.labels(slice_) == template["metadata"]["labels"])


def _slice(slice_: Object | None, template: Object, shape: Shape, endpoints: list[Endpoint]) -> Object:
    meta = template["metadata"]
    if slice_ is not None:
        meta = {**slice_["metadata"], "labels": meta["labels"]}
    return {
        **template,
        "metadata": meta,
        "addressType": shape.family,
        "endpoints": endpoints or None,
        "ports": [shown_port(port, always_named=True) for port in shape.ports] or None,
    }
