"""The lists of strategic merge patch: finding items by merge key, checking and making order, and the errors.

Order counts in this precedence: `$setElementOrder`, the patch, the object. Items the object has alone stay next to the
neighbours they had.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/strategicpatch/patch.go, ../mergepatch/errors.go
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from fakekube.api.patching import go_format
from fakekube.machinery.errors import ApiError, BadRequest, Invalid

DIRECTIVE = "$patch"
REPLACE, DELETE, MERGE = "replace", "delete", "merge"
ORDER = "$setElementOrder"


def refused(text: str) -> ApiError:
    """The server's own failure: it answers 500 without a reason."""
    return ApiError(text)


def malformed(what: str) -> BadRequest:
    return BadRequest(f"invalid patch format of {what}")


def unknown_directive(directive: Any, holder: Mapping[str, Any]) -> ApiError:
    return refused(f"unknown patch type: {go_format.plain(directive)} in map: {go_format.plain(holder)}")


def key_of(item: Mapping[str, Any], key: str) -> Any:
    """An item's merge key; every item must have one."""
    if not isinstance(item, dict):
        raise refused(f"expected a map[string]interface {{}}, but received a {go_format.type_name(item)}")
    if key not in item:
        raise refused(f"map: {go_format.plain(item)} does not contain declared merge key: {key}")
    return item[key]


def find(items: Sequence[Mapping[str, Any]], key: str, value: Any) -> int | None:
    """Where the item with this merge key is."""
    return next((place for place, item in enumerate(items) if key in item and item[key] == value), None)


def element_kind(*lists: list[Any]) -> type:
    """The one type all items have."""
    kinds = {type(item) for items in lists for item in items}
    if list in kinds:
        raise Invalid("the server rejected our request due to an error in our request", details={})
    if not kinds:
        raise refused("no elements in any of the given slices")
    if len(kinds) > 1:
        raise refused(
            f"list element types are not identical: {' '.join(map(go_format.plain, lists)).join('[]')}"
        )
    return kinds.pop()


def unique(values: list[Any]) -> list[Any]:
    """The values once each. The last one takes the place of a repeated one, as upstream has it."""
    out = list(values)
    first = 0
    while first < len(out):
        second = first + 1
        while second < len(out):
            if out[first] == out[second]:
                last = out.pop()
                if second < len(out):
                    out[second] = last
            else:
                second += 1
        first += 1
    return out


def check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """The patch's items must all be in the order list, in that order; items that only delete do not count."""
    if not patch or not order:
        return
    waiting = [item for item in patch if not (isinstance(item, dict) and DIRECTIVE in item)]
    at = 0
    for wanted in order:
        if at < len(waiting) and _same(waiting[at], wanted, key):
            at += 1
    if at < len(waiting):
        raise refused(
            f"The order in patch list:\n{go_format.plain(patch)}\n doesn't match {ORDER} list:\n{go_format.plain(order)}\n"
        )


def _same(one: Any, other: Any, key: str) -> bool:
    return bool(key_of(one, key) == key_of(other, key)) if key else bool(one == other)


def in_order(merged: list[Any], order: list[Any], server_order: list[Any], key: str) -> list[Any]:
    """The merged list: what `order` names as it says, the rest in the server's order, woven together by the latter."""

    def identity(item: Any) -> Any:
        value = key_of(item, key) if key else item
        # No list of text or keys at all, but patches come from anybody.
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if isinstance(value, dict | list) else value

    wanted = _places(order, identity)
    served = _places(server_order, identity)
    named = sorted(
        (item for item in merged if identity(item) in wanted), key=lambda item: wanted[identity(item)]
    )
    rest = [item for item in merged if identity(item) not in wanted]
    rest.sort(key=lambda item: served.get(identity(item), len(served)))
    out: list[Any] = []
    left = right = 0
    while left < len(rest) and right < len(named):
        before, after = served.get(identity(rest[left])), served.get(identity(named[right]))
        if before is not None and after is not None and before < after:
            out.append(rest[left])
            left += 1
        else:
            out.append(named[right])
            right += 1
    return [*out, *rest[left:], *named[right:]]


def _places(items: list[Any], identity: Any) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for place, item in enumerate(items):
        found.setdefault(identity(item), place)
    return found
