"""JSON merge patch: objects merge, null removes, everything else replaces.

Where RFC 7386 and the library of the real server differ, the library is followed: nulls disappear inside new arrays, too.

Origin: RFC 7386; github.com/evanphx/json-patch: merge.go
"""

from typing import Any

from fakekube.api.patching.decoding import check_depth
from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object


def apply(obj: Object, patch: Object) -> Object:
    """`obj` as `patch` changes it. Raises BadRequest for a patch nested too deep."""
    check_depth(patch)
    out: Object = copy_of(obj)
    _merge(out, copy_of(patch))
    return out


def _merge(target: Object, patch: Object) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
            continue
        current = target.get(name)
        if isinstance(current, dict):
            if isinstance(value, dict):
                _merge(current, value)
            else:
                target[name] = value
        else:
            target[name] = _pruned(value)


def _pruned(value: Any) -> Any:
    """A new value without the members that are null: there is nothing they could remove."""
    if isinstance(value, dict):
        return {name: _pruned(child) for name, child in value.items() if child is not None}
    return [_pruned(child) for child in value] if isinstance(value, list) else value
