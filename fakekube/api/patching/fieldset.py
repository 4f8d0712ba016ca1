"""A set of field paths: who owns what in an object. Represented by what the wire shows, so nothing is ever converted.

A set is the `fieldsV1` object itself, a trie of nested dicts. A child is a member of the set when it is empty or holds
`"."`; otherwise it only leads to members below. At the root the empty dict is the empty set. Sets are never changed in
place, results share what did not change.

Origin: structured-merge-diff: fieldpath/{set,element,serialize,serialize-pe}.go
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from fakekube.api.patching import go_format

FieldSet = dict[str, Any]
Path = tuple[str, ...]  # path elements as fieldsV1 writes them: ("f:spec", 'k:{"name":"c1"}', "f:image")

SELF = "."
_EXPONENT_FROM = 1e21  # where Go's JSON stops writing all digits
_INDEX = re.compile("[+-]?[0-9]+")
_ESCAPED = re.compile("[<>&\u2028\u2029]")


def field(name: str) -> str:
    """The path element of a member called `name`."""
    return f"f:{name}"


def key_text(value: Any) -> str:
    """A value or the keys of a list item inside a path element: JSON as Go writes it."""
    if isinstance(value, dict):
        value = {name: _number(item) if item.__class__ is float else item for name, item in value.items()}
    elif value.__class__ is float:
        value = _number(value)
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if _ESCAPED.search(text) else text


def _number(value: float) -> Any:
    whole = value.is_integer() and abs(value) < _EXPONENT_FROM
    return orjson.Fragment(f"{value:.0f}") if whole else value


def from_paths(paths: Iterable[Path]) -> FieldSet:
    """The set of exactly these paths. The empty path, the whole object, is never a member."""
    out: FieldSet = {}
    for path in paths:
        _insert(out, path)
    return out


def from_names(*paths: str) -> FieldSet:
    """The set of plain fields written with dots: `from_names("status", "metadata.name")`."""
    return from_paths(tuple(map(field, path.split("."))) for path in paths)


def _insert(node: FieldSet, path: Path) -> None:
    for depth, element in enumerate(path, start=1):
        last = depth == len(path)
        child = node.get(element)
        if child is None:
            node[element] = child = {}
            if not last:
                _insert_new_branch(child, path[depth:])
                return
        elif last:
            if child:
                child[SELF] = {}
        elif not child:
            child[SELF] = {}  # it was a leaf: it stays a member beside what comes below
        node = child


def _insert_new_branch(node: FieldSet, path: Path) -> None:
    for element in path:
        node[element] = node = {}


def has(fields: FieldSet, path: Path) -> bool:
    """Whether the path itself is a member."""
    node: FieldSet | None = fields
    for element in path:
        node = None if node is None else node.get(element)
    return node is not None and bool(path) and (not node or SELF in node)


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """Everything in either set."""
    if not one:
        return other
    return _joined(one, other) if other else one


def _joined(one: FieldSet, other: FieldSet) -> FieldSet:
    out = dict(one)
    for element, theirs in other.items():
        ours = out.get(element)
        if ours is None:
            out[element] = theirs
        elif ours is not theirs:
            out[element] = _join(ours, theirs)
    return out


def _join(one: FieldSet, other: FieldSet) -> FieldSet:
    """Two children of the same element, where empty means: a member, nothing below."""
    if one and other:
        return _joined(one, other)
    full = one or other
    return full if not full or SELF in full else {SELF: {}, **full}


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in `one` and not in `other`. Removing a field does not remove the fields below it."""
    return _less(one, other, deep=False) if one and other else one


def without(one: FieldSet, other: FieldSet) -> FieldSet:
    """Like `difference`, but a field that goes takes everything below it along."""
    return _less(one, other, deep=True) if one and other else one


def _less(one: FieldSet, other: FieldSet, *, deep: bool) -> FieldSet:
    out: FieldSet | None = None  # a copy, made when the first thing goes
    for element in other if len(other) < len(one) else one:
        theirs = other.get(element)
        ours = one.get(element)
        if theirs is None or ours is None or element == SELF:
            continue
        rest = _minus(ours, theirs, deep=deep)
        if rest is ours:
            continue
        if out is None:
            out = dict(one)
        if rest is None:
            del out[element]
        else:
            out[element] = rest
    return one if out is None else out


def _minus(one: FieldSet, other: FieldSet, *, deep: bool) -> FieldSet | None:
    """One child less another of the same element; None when nothing is left, `one` itself when all of it is."""
    theirs = not other or SELF in other
    if not one:
        return None if theirs else one
    if theirs and deep:
        return None
    member = SELF in one
    rest = _less(one, other, deep=deep) if other else one
    if member and theirs:
        rest = {element: child for element, child in rest.items() if element != SELF}
    if rest is one:
        return one
    if len(rest) == 1 and SELF in rest:
        return {}
    return rest or None


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both sets."""
    out: FieldSet = {}
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    for element, child in small.items():
        twin = large.get(element)
        if twin is not None and element != SELF:
            common = _common(child, twin)
            if common is not None:
                out[element] = common
    return out


def _common(one: FieldSet, other: FieldSet) -> FieldSet | None:
    member = (not one or SELF in one) and (not other or SELF in other)
    below = intersection(one, other) if one and other else {}
    if below:
        return {SELF: {}, **below} if member else below
    return {} if member else None


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every member, in the order of error texts: at each level first the members, then what lies below."""
    elements = sorted((element for element in fields if element != SELF), key=_order)
    for element in elements:
        child = fields[element]
        if not child or SELF in child:
            yield (*prefix, element)
    for element in elements:
        if fields[element]:
            yield from paths(fields[element], (*prefix, element))


_KIND_ORDER = {"f": 0, "k": 1, "v": 2, "i": 3}


def _order(element: str) -> tuple[int, Any]:
    kind = _KIND_ORDER.get(element[:1], 4)
    if kind == 3:
        return kind, int(element[2:])
    if kind == 0:
        return kind, element
    value = orjson.loads(element[2:])
    parts = (
        [part for key in sorted(value) for part in (key, value[key])] if isinstance(value, dict) else [value]
    )
    return kind, [_rank(part) for part in parts]


def _rank(value: Any) -> tuple[int, Any]:
    """Values of unlike types in a fixed order: numbers, strings, booleans, null."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, "")


def path_text(path: Path) -> str:
    """A stored path as error texts show it: `.spec.containers[name="c1"].args`. Go reads stored numbers as floats."""
    return "".join(element_text(element, number=float) for element in path)


def element_text(element: str, number: Callable[[Any], Any] = lambda it: it) -> str:
    kind, body = element[:2], element[2:]
    if kind == "f:":
        return f".{body}"
    if kind == "i:":
        return f"[{body}]"
    value = orjson.loads(body)
    if kind == "v:":
        return f"[={_value_text(value, number)}]"
    return "[" + ",".join(f"{name}={_value_text(value[name], number)}" for name in sorted(value)) + "]"


def _value_text(value: Any, number: Callable[[Any], Any]) -> str:
    if isinstance(value, list):
        return "[" + ",".join(_value_text(item, number) for item in value) + "]"
    if isinstance(value, dict):
        return "".join(f"{name}={_value_text(item, number)}" for name, item in value.items())
    if value is None:
        return "null"
    if isinstance(value, str):
        return go_format.quoted(value)
    return go_format.plain(value if isinstance(value, bool) else number(value))


def parse(raw: Any) -> FieldSet:
    """Read a client's fieldsV1 into canonical form. Raises ValueError with the reason it is none.

    Elements of an unknown kind are passed over: a later version may know them. What holds nothing else is a member.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(f"fieldsV1 must be an object, not {type(raw).__name__}")  # noqa: TRY004 - one error for bad data
    out: FieldSet = {}
    for element, child in raw.items():
        if element == SELF:
            continue
        known = _canonical(element)
        if known is None:
            continue
        node = {} if child is None else parse(child)
        out[known] = {SELF: {}, **node} if node and SELF in child else node
    return out


def _canonical(element: str) -> str | None:
    if len(element) < 2:
        raise ValueError("key must be 2 characters long:")
    if element[1] != ":":
        raise ValueError(f"missing colon: {element}")
    kind, body = element[0], element[2:]
    if kind == "f":
        return element
    if kind == "i":
        if not _INDEX.fullmatch(body):
            raise ValueError(f"invalid index: {element}")
        return f"i:{int(body)}"
    if kind not in "kv":
        return None
    value = orjson.loads(body)
    if kind == "k" and not isinstance(value, dict):
        raise ValueError(f"expected an object of keys: {element}")
    return f"{kind}:{key_text(value)}"
