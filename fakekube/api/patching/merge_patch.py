"""JSON merge patch: objects merge, null removes, everything else replaces.

Where RFC 7386 and the library of the real server differ, the library is followed: nulls disappear inside new arrays, too.

Origin: RFC 7386; github.com/evanphx/json-patch: merge.go
"""

from typing import Any

from fakekube.api.patching.decoding import check_depth
from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object


def apply(obj: Object, patch: Object) -> Object:
    """`obj` as `patch` changes it; what it leaves alone is shared. Raises BadRequest for a patch nested too deep."""
    check_depth(patch)
    return _merged(obj, copy_of(patch))


def _merged(target: Object, patch: Object) -> Object:
    out = dict(target)
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
            continue
        current = out.get(name)
        if isinstance(current, dict):
            out[name] = _merged(current, value) if isinstance(value, dict) else value
        else:
            out[name] = _pruned(value)
    return out


def _pruned(value: Any) -> Any:
    """A new value without the members that are null: there is nothing they could remove."""
    if isinstance(value, dict):
        return {name: _pruned(child) for name, child in value.items() if child is not None}
    return [_pruned(child) for child in value] if isinstance(value, list) else value
