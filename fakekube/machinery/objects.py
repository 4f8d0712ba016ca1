"""Reading plain-dict objects: metadata, owners, conditions, dotted paths. Nothing here changes its argument,
except the functions whose names begin with a verb of change (`set_`, `remove_`)."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

Obj = Mapping[str, Any]

FINAL = ("Succeeded", "Failed")
"""The phases in which pods, instances, migrations, DataVolumes and snapshots stay."""


def name(obj: Obj) -> str:
    return str((obj.get("metadata") or {}).get("name") or "")


def namespace(obj: Obj) -> str:
    return str((obj.get("metadata") or {}).get("namespace") or "")


def uid(obj: Obj) -> str:
    return str((obj.get("metadata") or {}).get("uid") or "")


def resource_version(obj: Obj) -> str:
    return str((obj.get("metadata") or {}).get("resourceVersion") or "")


def generation(obj: Obj) -> int:
    return int((obj.get("metadata") or {}).get("generation") or 0)


def key(obj: Obj) -> str:
    """`namespace/name`, or `name` for cluster-scoped objects: the key of caches and queues."""
    meta = obj.get("metadata") or {}
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta.get("name") or "")


def split_key(text: str) -> tuple[str, str]:
    """(`namespace`, `name`) of a cache key."""
    space, _, own = text.rpartition("/")
    return space, own


def labels(obj: Obj) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}


def annotations(obj: Obj) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def finalizers(obj: Obj) -> list[str]:
    return list((obj.get("metadata") or {}).get("finalizers") or ())


def owners(obj: Obj) -> list[dict[str, Any]]:
    return list((obj.get("metadata") or {}).get("ownerReferences") or ())


def controller_of(obj: Obj) -> dict[str, Any] | None:
    """The owner reference with `controller: true`, if there is one."""
    for owner in (obj.get("metadata") or {}).get("ownerReferences") or ():
        if owner.get("controller"):
            found: dict[str, Any] = owner
            return found
    return None


def is_terminating(obj: Obj) -> bool:
    """Whether deletion has been asked for."""
    return bool((obj.get("metadata") or {}).get("deletionTimestamp"))


def is_final(obj: Obj) -> bool:
    """Whether it has ended, well or badly: what has one of these phases."""
    return (obj.get("status") or {}).get("phase") in FINAL


def dig(obj: Any, *path: str | int, default: Any = None) -> Any:
    """The value at a path of keys and indexes, or `default` where the path ends early or at null."""
    for step in path:
        if obj.__class__ is dict:  # nearly always, and asking for the exact type is quicker
            obj = obj.get(step)
        elif obj is None:
            return default
        else:
            obj = _below(obj, step)
    return default if obj is None else obj


def _below(obj: Any, step: str | int) -> Any:
    if isinstance(obj, Mapping):
        return obj.get(step)
    inside = isinstance(obj, list) and type(step) is int and -len(obj) <= step < len(obj)
    return obj[step] if inside else None


def conditions(obj: Obj) -> list[dict[str, Any]]:
    return list((obj.get("status") or {}).get("conditions") or ())


def condition(obj: Obj, type_: str) -> dict[str, Any] | None:
    """The condition of that type, if present."""
    for one in (obj.get("status") or {}).get("conditions") or ():
        if one.get("type") == type_:
            found: dict[str, Any] = one
            return found
    return None


def condition_is(obj: Obj, type_: str, status: str = "True") -> bool:
    one = condition(obj, type_)
    return one is not None and one.get("status") == status


def owner_reference(owner: Obj) -> dict[str, Any]:
    """A controller reference to `owner`, as the Go helper NewControllerRef writes it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same. `==` alone takes 1 for true, at any depth."""
    if one is other:
        return True
    if one != other:
        return False
    if isinstance(one, (dict, list)) and orjson.dumps(one) == orjson.dumps(other):
        return True
    return _alike_inside(one, other)


def _alike_inside(one: Any, other: Any) -> bool:
    """The same for values that are equal by `==`."""
    if isinstance(one, dict):
        return all(_alike_inside(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return all(map(_alike_inside, one, other))
    return (one.__class__ is bool) is (other.__class__ is bool)


def without(items: Iterable[Any], dropped: Any) -> list[Any]:
    return [item for item in items if item != dropped]
