"""What an expression can cost at worst, estimated before it runs: the server refuses rules that may get too expensive.

Only the upper end of cel-go's estimate is computed. Its oddities are kept, because they decide what is refused: a path that
begins with a computed value counts as beginning at `self`, a converted number is a text of unknown length.

cel-go: checker/cost.go; k8s: staging/src/k8s.io/apiserver/pkg/cel/library/cost.go
"""

from collections.abc import Callable, Mapping
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from fakekube.api.schema.bounds import Bound
from fakekube.api.schema.cel.authorizations import (
    AUTHORIZER,
    DECISION,
    GROUP_CHECK,
    PATH_CHECK,
    RESOURCE_CHECK,
)
from fakekube.api.schema.cel.parser import parse
from fakekube.api.schema.cel.selecting import unescaped
from fakekube.api.schema.cel.syntax import (
    Bind,
    Call,
    Fold,
    Ident,
    Index,
    ListOf,
    Literal,
    MapOf,
    Node,
    Select,
    StructOf,
    dotted,
)
from fakekube.api.schema.cel.translate import Translator
from fakekube.api.schema.cel.types import CIDR, DYN, FORMAT, IP, QUANTITY, SEMVER, URL, Type

MOST = 2**64 - 1
_TEXT, _REGEX = 0.1, 0.25  # per character
_LIST, _MAP, _STRUCT = 10, 30, 40  # making one
_SCALARS = frozenset(
    {"bool", "double", "int", "uint", "google.protobuf.Duration", "google.protobuf.Timestamp"}
)
_REQUIREMENTS = 0.05  # of a selector, per character
_FORMAT_REGEX = 128  # characters of the longest pattern behind a named format
_COMPARED_AT_ONCE = frozenset(
    one.name
    for one in (QUANTITY, IP, CIDR, SEMVER, AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION)
)
_LOST = Bound()  # a path that leads nowhere


class Size(Struct, frozen=True):
    """Characters, items or entries: at least and at most."""

    least: int
    most: int

    def plus(self, other: "Size") -> "Size":
        return Size(min(MOST, self.least + other.least), min(MOST, self.most + other.most))

    def joined(self, other: "Size") -> "Size":
        return Size(min(self.least, other.least), max(self.most, other.most))


_UNKNOWN = Size(0, MOST)
_ADDRESS = Size(4, 16)  # bytes
_NAMED_FORMAT = Size(1, 64)


def estimate(source: str, variables: Mapping[str, Type], root: Bound) -> int:
    """The cost of a valid expression over `self` and `oldSelf`, whose sizes `root` tells."""
    translator = Translator(source, variables)
    tree = parse(source)
    translator.translate(tree)
    return _Estimator(translator.types, root).cost(tree)


class _Estimator:
    """One expression."""

    def __init__(self, types: Mapping[int, Type], root: Bound) -> None:
        self._types = types
        self._root = root
        self._local: dict[str, tuple[Bound | None, Size | None]] = {}
        self._sizes: dict[int, Size] = {}
        self._places: dict[int, Bound] = {}

    def cost(self, node: Node) -> int:
        return min(MOST, self._cost(node))

    def _cost(self, node: Node) -> int:
        match node:
            case Ident():
                return self.ident(node)
            case Select():
                return self.select(node)
            case Index():
                return self.index(node)
            case Call():
                return self.call(node)
            case ListOf(items=items):
                return _LIST + sum(map(self.cost, items))
            case MapOf(entries=entries):
                return _MAP + sum(self.cost(key) + self.cost(value) for key, value in entries)
            case StructOf(fields=fields):
                return _STRUCT + sum(self.cost(value) for _, value in fields)
            case Fold():
                return self.fold(node)
            case Bind():
                return self.bind(node)
        return 0

    def type(self, node: Node) -> str:
        return self._types.get(id(node), DYN).name

    def size(self, node: Node) -> Size:
        known = self._known(node)
        return _UNKNOWN if known is None else known

    def _known(self, node: Node) -> Size | None:
        if id(node) in self._sizes:
            return self._sizes[id(node)]
        match node:
            case Literal(value=value):
                long = len(value) if isinstance(value, (str, bytes)) else 1
                return Size(long, long)
            case ListOf(items=parts) | MapOf(entries=parts):
                return Size(len(parts), len(parts))
        place = self._places.get(id(node))
        if place is not None and place is not _LOST:
            return Size(0, place.most)
        if self.type(node) in _SCALARS:
            return Size(1, 1)
        return self._local[node.name][1] if isinstance(node, Ident) and node.name in self._local else None

    def ident(self, node: Ident) -> int:
        place = self._local[node.name][0] if node.name in self._local else self._root
        if place is not None:
            self._places[id(node)] = place
        return 1

    def select(self, node: Select) -> int:
        cost = self.cost(node.operand)
        if node.test:
            return cost
        if node.optional:
            return cost + 1
        type_ = self._types.get(id(node.operand), DYN)
        before = self._places.get(id(node.operand))
        if before is None:
            self._places[id(node)] = self._root  # see the module text
        elif before is not _LOST:
            self._places[id(node)] = before.fields.get(unescaped(node.field), _LOST)
            if before.is_map and before.items is not None:
                self._places[id(node)] = _LOST
        else:
            self._places[id(node)] = _LOST
        return cost + (1 if type_.fields is not None or type_.name == "map" else 0)

    def index(self, node: Index) -> int:
        cost = self.cost(node.operand) + self.cost(node.index) + 1
        if not node.optional:
            self._places[id(node)] = self._inside(node.operand)
        return cost

    def _inside(self, node: Node) -> Bound:
        """The place of an element."""
        place = self._places.get(id(node))
        if place is None:
            return self._root
        return place.items or _LOST

    def call(self, node: Call) -> int:
        if (
            node.target is not None and id(node.target) not in self._types
        ):  # `sets.contains(…)`: a name, no value
            node = replace(node, name=f"{dotted(node.target)}.{node.name}", target=None)
        costs = [self.cost(arg) for arg in node.args]
        inner = sum(costs) + (self.cost(node.target) if node.target is not None else 0)
        if node.name == "_?_:_":
            self._sizes[id(node)] = self.size(node.args[1]).joined(self.size(node.args[2]))
            return inner - min(costs[1:])  # only one side is evaluated
        if node.name in ("_&&_", "_||_"):
            return inner
        special = _CALLS.get(node.name)
        cost = special(self, node) if special is not None else None
        return inner + (1 if cost is None else cost)

    def fold(self, node: Fold) -> int:
        cost = self.cost(node.over)
        count = self.size(node.over).most
        is_list = self.type(node.over) in ("list", "dyn")
        outer = dict(self._local)
        inside = self._inside(node.over)
        keys = Bound() if not is_list else _LOST
        places = (inside if is_list else keys,) if len(node.names) == 1 else (keys, inside)
        self._local |= {name: (place, None) for name, place in zip(node.names, places, strict=True)}
        predicate = self.cost(node.predicate) if node.predicate is not None else 0
        transform = self.cost(node.transform) if node.transform is not None else 0
        self._local = outer
        before, each, after = _fold(node, predicate, transform)
        self._sizes[id(node)] = Size(1, 1) if node.kind in _VERDICTS else self.size(node.over)
        return cost + before + after + count * each

    def bind(self, node: Bind) -> int:
        value = self.cost(node.value)
        outer = dict(self._local)
        place = self._places.get(id(node.value)) if not node.optional else self._root
        self._local[node.name] = (place, None if node.optional else self._known(node.value))
        body = self.cost(node.body)
        self._local = outer
        if not node.optional and (known := self._known(node.body)) is not None:
            self._sizes[id(node)] = known
        twice = value + 3 if node.optional else 0  # hasValue(), value() and of() around the binding
        return _LIST + value + body + twice


_VERDICTS = frozenset({"all", "exists", "exists_one"})


def _fold(node: Fold, predicate: int, transform: int) -> tuple[int, int, int]:
    """(before the loop, each round, after it) of a macro as cel-go spells it out."""
    match node.kind:
        case "all":
            return 0, predicate + 3, 1
        case "exists":
            return 0, predicate + 4, 1
        case "exists_one":
            return 0, predicate + 2, 2
        case "filter":
            return _LIST, predicate + _LIST + 3, 1
        case "map" | "transformList":
            return _LIST, predicate + transform + _LIST + 2, 1
    return _MAP, predicate + transform + 3, 1


Cost = Callable[[_Estimator, Call], int | None]  # None: an ordinary call


def _per(size: Size, factor: float = _TEXT) -> int:
    return min(MOST, ceil(size.most * factor))


def _texts(one: _Estimator, node: Call) -> bool:
    return all(one.type(arg) in ("string", "bytes", "dyn") for arg in node.args)


def _equality(one: _Estimator, node: Call) -> int:
    return _per(min((one.size(arg) for arg in node.args), key=lambda size: size.most))


def _equal(one: _Estimator, node: Call) -> int:
    """Values of Kubernetes' own types are compared at once; for `!=` upstream has forgotten them."""
    first, second = (one._types.get(id(arg), DYN) for arg in node.args)  # noqa: SLF001
    if first != second:
        return _equality(one, node)
    if first.name in _COMPARED_AT_ONCE:
        return 1
    if first == FORMAT:
        return _per(_NAMED_FORMAT)
    if first == URL:
        return _per(one._sizes.get(id(node.args[1]), Size(1, 1)))  # noqa: SLF001
    return _equality(one, node)


def _order(one: _Estimator, node: Call) -> int | None:
    return _equality(one, node) if _texts(one, node) else None


def _add(one: _Estimator, node: Call) -> int | None:
    left, right = node.args
    size = one.size(left).plus(one.size(right))
    if _texts(one, node):
        one._sizes[id(node)] = size  # noqa: SLF001 - these functions are the class's own
        return _per(size)
    if one.type(node) == "list":
        one._sizes[id(node)] = size  # noqa: SLF001
    return None


def _in(one: _Estimator, node: Call) -> int | None:
    return None if one.type(node.args[1]) == "map" else one.size(node.args[1]).most


def _matches(one: _Estimator, node: Call) -> int | None:
    if node.target is None:
        return None
    text = one.size(node.target).plus(Size(1, 1))
    return _per(text) * _per(one.size(node.args[0]), _REGEX)


def _find(one: _Estimator, node: Call) -> int | None:
    cost = _matches(one, node)
    if node.target is not None:
        one._sizes[id(node)] = replace(one.size(node.target), least=0)  # noqa: SLF001
    return cost


def _contains(one: _Estimator, node: Call) -> int | None:
    if node.target is None:
        return None
    return _per(one.size(node.target)) * _per(one.size(node.args[0]))


def _argument(one: _Estimator, node: Call) -> int:
    return _per(one.size(node.args[0]))


def _same_size(one: _Estimator, node: Call) -> int | None:
    if node.target is None:
        return None
    size = one._sizes[id(node)] = one.size(node.target)  # noqa: SLF001
    return _per(size)


def _traversal(one: _Estimator, node: Call) -> int | None:
    if node.target is None:
        return None
    size, type_ = one.size(node.target), one._types.get(id(node.target), DYN)  # noqa: SLF001
    if not type_.params:
        return _per(size)
    each = 1
    if type_.params[0].name in ("string", "bytes"):
        place = one._places.get(id(node.target))  # noqa: SLF001
        items = place.items if place is not None else None
        each += _per(Size(0, items.most) if items is not None else _UNKNOWN)
    return min(MOST, size.most * each)


def _replace(one: _Estimator, node: Call) -> int | None:
    if node.target is None or len(node.args) < 2:
        return None
    text, old, new = one.size(node.target), one.size(node.args[0]), one.size(node.args[1])
    if old.least == 0:
        most = (text.most + 1) * new.most + text.most
    elif new.most <= old.least:
        most = text.most
    else:
        most = ceil(text.most / old.least) * new.most
    one._sizes[id(node)] = Size(0, min(MOST, most))  # noqa: SLF001
    return _per(text, 2 * _TEXT)


def _split(one: _Estimator, node: Call) -> int | None:
    if node.target is None:
        return None
    text = one.size(node.target)
    limit = node.args[1] if len(node.args) > 1 else None
    most = limit.value if isinstance(limit, Literal) and isinstance(limit.value, int) else text.most
    one._sizes[id(node)] = Size(0, most if most >= 0 else MOST)  # noqa: SLF001
    return _per(text, 2 * _TEXT)


def _join(one: _Estimator, node: Call) -> int | None:
    if node.target is None:
        return None
    count = one.size(node.target).most
    place = one._places.get(id(node.target))  # noqa: SLF001
    items = place.items if place is not None else None
    most = count * (items.most if items is not None else MOST)
    if node.args:
        most += one.size(node.args[0]).most * max(0, count - 1)
    size = one._sizes[id(node)] = Size(0, min(MOST, most))  # noqa: SLF001
    return _per(size)


def _format(one: _Estimator, node: Call) -> int | None:
    if node.target is None:
        return None
    text = one.size(node.target)
    one._sizes[id(node)] = text.plus(one.size(node.args[0]))  # noqa: SLF001
    return _per(text)


def _convert(one: _Estimator, node: Call) -> int | None:
    from_, size = one.type(node.args[0]), one.size(node.args[0])
    if (node.name, from_) not in (("bytes", "string"), ("string", "bytes")):
        return None
    one._sizes[id(node)] = Size(0, min(MOST, size.most * (4 if from_ == "string" else 1)))  # noqa: SLF001
    return _per(size)


def _dyn(one: _Estimator, node: Call) -> int | None:
    known = one._known(node.args[0])  # noqa: SLF001
    if known is not None:
        one._sizes[id(node)] = known  # noqa: SLF001
    return None


def _url(one: _Estimator, node: Call) -> int:
    one._sizes[id(node)] = one.size(node.args[0])  # noqa: SLF001
    return _argument(one, node)


def _contains_ip(one: _Estimator, node: Call) -> int:
    return _per(_ADDRESS.plus(_ADDRESS)) + _parsed(one, node)


def _contains_cidr(one: _Estimator, node: Call) -> int:
    return _contains_ip(one, node) + _per(_ADDRESS) + 1


def _parsed(one: _Estimator, node: Call) -> int:
    """What reading the argument costs, should it be a text."""
    return _argument(one, node) if one.type(node.args[0]) == "string" else 0


def _validate(one: _Estimator, node: Call) -> int:
    return min(MOST, ceil(_argument(one, node) * _FORMAT_REGEX * _REGEX))


def _selector(one: _Estimator, node: Call) -> int:
    size = one.size(node.args[0])
    return min(MOST, _LIST + _per(size) + ceil(_per(size, _REQUIREMENTS) * (_LIST + _STRUCT)))


def _sets(factor: int) -> Cost:
    def cost(one: _Estimator, node: Call) -> int:
        first, second = (one.size(arg).most for arg in node.args)
        return min(MOST, first * second * factor + 1)

    return cost


def _authorize(_one: _Estimator, _node: Call) -> int:
    return 350_000


_CALLS: dict[str, Cost] = {
    "_==_": _equal,
    "_!=_": _equality,
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _order),
    **dict.fromkeys(("startsWith", "endsWith"), _argument),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _same_size),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _traversal),
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(("string", "bytes"), _convert),
    "_+_": _add,
    "@in": _in,
    "matches": _matches,
    "contains": _contains,
    "replace": _replace,
    "split": _split,
    "join": _join,
    "format": _format,
    "dyn": _dyn,
    "check": _authorize,
    "sets.contains": _sets(1),
    "sets.intersects": _sets(1),
    "sets.equivalent": _sets(2),
    "url": _url,
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "validate": _validate,
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
}
