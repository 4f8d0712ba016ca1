"""Strategic merge patch: a merge patch that knows, from the schema, which lists merge by key, and obeys directives.

    $patch: replace | delete       for the map or list item it stands in (in a list, replace speaks for the whole list)
    $retainKeys: [names]           drop all other members of this map
    $deleteFromPrimitiveList/x     remove these values from list x
    $setElementOrder/x             the order list x shall have

Only built-in kinds know it; custom resources refuse the media type.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/strategicpatch/patch.go,
staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go
"""

from typing import Any

from fakekube.api.patching import go_format
from fakekube.api.patching.decoding import check_depth
from fakekube.api.patching.strategic_lists import (
    DELETE,
    DIRECTIVE,
    MERGE,
    ORDER,
    REPLACE,
    check_order,
    element_kind,
    find,
    in_order,
    key_of,
    malformed,
    refused,
    unique,
    unknown_directive,
)
from fakekube.api.schema.model import ANYTHING, Schema
from fakekube.machinery import field_errors
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import invalid
from fakekube.machinery.wire import Object

RETAIN = "$retainKeys"
FROM_PRIMITIVES = "$deleteFromPrimitiveList"


def apply(obj: Object, patch: Object, schema: Schema) -> Object:
    """`obj` as `patch` changes it; what it leaves alone is shared.

    Raises BadRequest for malformed directives, ApiError 500 where the merge itself fails, and Invalid when the result
    has another shape than the schema wants.
    """
    check_depth(patch)
    rest = copy_of(patch)
    out = _merge_maps(obj, rest, schema)
    fault = _misshapen(out, rest, schema)
    if fault:
        raise invalid("", "", "", [field_errors.invalid("patch", go_format.plain(rest), fault)])
    return out


def _merge_maps(target: dict[str, Any], patch: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """`target` with `patch` merged into it. The patch is used up: directives carried out are gone from it."""
    directive = patch.pop(DIRECTIVE, None)
    if directive == REPLACE:
        return patch
    if directive == DELETE:
        return {}
    if directive is not None:
        raise unknown_directive(directive, {DIRECTIVE: directive, **patch})
    target = dict(target)
    _retain_keys(target, patch)
    _set_element_orders(target, patch, schema)
    for name in list(patch):
        _merge_member(target, name, patch[name], schema)
    return target


def _merge_member(target: dict[str, Any], name: str, value: Any, schema: Schema) -> None:
    deletes = name.startswith(FROM_PRIMITIVES)
    if deletes:
        name = _behind(name, FROM_PRIMITIVES, "primitive list")
    if value is None:
        target.pop(name, None)
        return
    current = target.get(name)
    if current is None or type(current) is not type(value):
        if not deletes:
            kept = _without_directives(value)
            if kept is None:
                target.pop(name, None)
            else:
                target[name] = kept
        return
    below = _member(schema, name)
    strategies = below.patch_strategies
    if isinstance(current, dict):
        target[name] = value if REPLACE in strategies else _merge_maps(current, value, below)
    elif isinstance(current, list):
        target[name] = _merge_lists(current, value, below, deletes=deletes) if MERGE in strategies else value
    else:
        target[name] = value


def _member(schema: Schema, name: str) -> Schema:
    return schema.member(name) or ANYTHING


def _behind(name: str, prefix: str, what: str) -> str:
    head, slash, field = name.partition("/")
    if head != prefix or not slash:
        raise malformed(what)
    return field


def _without_directives(value: Any) -> Any:
    """A value new to the object: nothing to delete from, nothing to merge with. None when it was nothing but a directive."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return None
        members = ((name, _without_directives(child)) for name, child in value.items() if child is not None)
        return {name: child for name, child in members if child is not None}
    if isinstance(value, list):
        items = ((item, _without_directives(item)) for item in value)
        return [kept for item, kept in items if kept is not None or item is None]
    return value


def _retain_keys(target: dict[str, Any], patch: dict[str, Any]) -> None:
    if RETAIN not in patch:
        return
    names = patch.pop(RETAIN)
    if not isinstance(names, list):
        raise malformed("retainKeys")
    for name, value in patch.items():
        if value is not None and not name.startswith((FROM_PRIMITIVES, ORDER)) and name not in names:
            raise malformed("retainKeys")
    for name in [name for name in target if name not in names]:
        del target[name]


def _set_element_orders(target: dict[str, Any], patch: dict[str, Any], schema: Schema) -> None:
    """Merge every list that has a `$setElementOrder`, then put it in that order."""
    for directive in [name for name in patch if name.startswith(ORDER)]:
        order = _list(patch.pop(directive))
        name = _behind(directive, ORDER, "setElementOrder list")
        current = _list(target[name]) if target.get(name) is not None else None
        wanted = _list(patch[name]) if patch.get(name) is not None else None
        below = _member(schema, name)
        key = below.patch_merge_key
        check_order(wanted or [], order, key)
        if current is None and wanted is None:
            continue
        kind = element_kind(current or [], wanted or [])
        server_order = list(current or [])
        if current is None:
            merged = _without_directives(wanted)
        elif wanted is None:
            merged = current
        else:
            merged = _merge_lists(current, wanted, below) if MERGE in below.patch_strategies else wanted
        target[name] = in_order(merged, order, server_order, key if kind is dict else "")
        patch.pop(name, None)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise refused(f"expected a []interface {{}}, but received a {go_format.type_name(value)}")
    return value


def _merge_lists(current: list[Any], patch: list[Any], schema: Schema, *, deletes: bool = False) -> list[Any]:
    if not current and not patch:
        return current
    if element_kind(current, patch) is not dict:
        if deletes:
            return [value for value in current if value not in patch]
        return in_order(unique([*current, *patch]), patch, current, "")
    key = schema.patch_merge_key
    if not key:
        raise refused("cannot merge lists without merge key for type struct")
    current, patch = _carry_out_directives(current, patch, key)
    server_order = list(current)
    item_schema = schema.items or ANYTHING
    merged = list(current)
    for item in patch:
        place = find(merged, key, key_of(item, key))
        if place is None:
            merged.append(item)
        else:
            merged[place] = _merge_maps(merged[place], dict(item), item_schema)
    return in_order(merged, patch, server_order, key)


def _carry_out_directives(current: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """The list without the items the patch deletes, and the patch without the items that are directives."""
    plain: list[Any] = []
    replace = False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if DIRECTIVE not in item:
            plain.append(item)
        elif directive == DELETE:
            gone = key_of(item, key)
            current = [one for one in current if one.get(key) != gone]
        elif directive == REPLACE:
            replace = True
        elif directive == MERGE:
            raise refused("merging lists cannot yet be specified in the patch")
        else:
            raise unknown_directive(directive, item)
    return (plain, []) if replace else (current, plain)


_SCALARS: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "integer": (int,)}
_PLAIN_FORMATS = (None, "int32", "int64")  # times, quantities and the like decode themselves


def _unlike(value: Any, schema: Schema) -> str:
    """A scalar of another type than the field's, as Go's reflection tells it."""
    if type(value) in _SCALARS[schema.type] or (schema.type == "integer" and isinstance(value, float)):
        return ""
    if schema.type == "string" and type(value) is int:
        return "cannot convert int64 to string"
    wanted = {"string": "string", "boolean": "bool"}.get(schema.type) or schema.raw.get("format") or "int64"
    return f"unrecognized type: {wanted}"


def _misshapen(value: Any, patch: Any, schema: Schema) -> str:
    """What decoding would say of the places the patch touched; empty when they have the shapes of the schema."""
    if value is None:
        return ""
    if schema.type == "array":
        return "" if isinstance(value, list) else f"cannot restore slice from {go_format.kind_name(value)}"
    if schema.type in _SCALARS and schema.raw.get("format") in _PLAIN_FORMATS:
        return _unlike(value, schema)
    if schema.type != "object":
        return ""
    if not isinstance(value, dict):
        kind = go_format.kind_name(value)
        return (
            f"cannot restore struct from: {kind}" if schema.properties else f"cannot restore map from {kind}"
        )
    if not isinstance(patch, dict):
        return ""
    for name, child in patch.items():
        below = schema.member(name)
        fault = _misshapen(value.get(name), child, below) if below is not None else ""
        if fault:
            return fault
    return ""
