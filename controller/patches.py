"""JSON patches, each testing the list it replaces. A function gives None when the object does not need its patch.

`add` replaces a present member and adds an absent one, where `replace` needs a lenient server.
"""

from collections.abc import Callable
from typing import Any

from controller import revisions
from controller.spec import FINALIZER, REVISION_LABEL
from fakekube.machinery import objects
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object

JsonPatch = list[dict[str, Any]]
Change = Callable[[Object], JsonPatch | None]


def finalizer_added(obj: Object) -> JsonPatch | None:
    """The pool's finalizer put on, behind those of others."""
    held = objects.finalizers(obj)
    if FINALIZER in held or objects.is_terminating(obj):
        return None
    return _replaced(obj, "finalizers", [*held, FINALIZER])


def finalizer_removed(obj: Object) -> JsonPatch | None:
    """The pool's finalizer taken off."""
    held = objects.finalizers(obj)
    return _replaced(obj, "finalizers", objects.without(held, FINALIZER)) if FINALIZER in held else None


def disowned(pool_uid: str, selector: Selector | None) -> Change:
    """A VM given up, while the selector still does not match it: other owners and finalizers stay."""

    def change(vm: Object) -> JsonPatch | None:
        owners = objects.owners(vm)
        kept = [owner for owner in owners if owner.get("uid") != pool_uid]
        if len(kept) == len(owners) or (selector and selector.matches(objects.labels(vm))):
            return None
        return [*_replaced(vm, "ownerReferences", kept), *(finalizer_removed(vm) or ())]

    return change


def revision_named(name: str) -> Change:
    """A VMI that names the revision."""

    def change(vmi: Object) -> JsonPatch | None:
        if revisions.of(vmi) == name:
            return None
        return _replaced(vmi, "labels", {**objects.labels(vmi), REVISION_LABEL: name})

    return change


def _replaced(obj: Object, member: str, value: Any) -> JsonPatch:
    path = f"/metadata/{member}"
    return [
        {"op": "test", "path": path, "value": obj["metadata"].get(member)},
        {"op": "add", "path": path, "value": value},
    ]
