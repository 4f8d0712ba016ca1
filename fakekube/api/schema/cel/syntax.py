"""The syntax tree. `at` is the offset in the text that errors about a node point to."""

from typing import Any

from msgspec import Struct


class Literal(Struct, frozen=True):
    at: int
    value: Any


class Ident(Struct, frozen=True):
    at: int
    name: str


class Select(Struct, frozen=True):
    """`operand.field`; `test` is `has(operand.field)`, `optional` is `operand.?field`."""

    at: int
    operand: "Node"
    field: str
    test: bool = False
    optional: bool = False


class Index(Struct, frozen=True):
    at: int
    operand: "Node"
    index: "Node"
    optional: bool = False


class Call(Struct, frozen=True):
    """A function, a member function, or an operator under cel-go's name for it (`_+_`, `!_`, `_?_:_`)."""

    at: int
    name: str
    target: "Node | None"
    args: "tuple[Node, ...]"


class ListOf(Struct, frozen=True):
    at: int
    items: "tuple[Node, ...]"
    optional: tuple[bool, ...]


class MapOf(Struct, frozen=True):
    at: int
    entries: "tuple[tuple[Node, Node], ...]"
    optional: tuple[bool, ...]


class StructOf(Struct, frozen=True):
    """An object with named fields: `Object.spec{replicas: 3, ?paused: object.?spec.paused}`."""

    at: int
    name: str
    fields: "tuple[tuple[str, Node], ...]"
    optional: tuple[bool, ...]


class Fold(Struct, frozen=True):
    """A macro over a list or map. `names` are one variable, or two: index and item, key and value."""

    at: int
    kind: str
    over: "Node"
    names: tuple[str, ...]
    predicate: "Node | None"
    transform: "Node | None" = None


class Bind(Struct, frozen=True):
    """`cel.bind(name, value, body)`; with `optional` the macros optMap and optFlatMap."""

    at: int
    name: str
    value: "Node"
    body: "Node"
    optional: str = ""


Node = Literal | Ident | Select | Index | Call | ListOf | MapOf | StructOf | Fold | Bind


def dotted(node: Node) -> str:
    """`a.b.c` when that is all the node is, else nothing."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test and not node.optional:
        before = dotted(node.operand)
        return f"{before}.{node.field}" if before else ""
    return ""


def size(node: Node) -> int:
    """How many nodes an evaluation visits at most, loops counted once: the unit of cost."""
    match node:
        case Select(operand=operand):
            return 1 + size(operand)
        case Index(operand=operand, index=index):
            return 1 + size(operand) + size(index)
        case Call(target=target, args=args):
            return 1 + (size(target) if target else 0) + sum(map(size, args))
        case ListOf(items=items):
            return 1 + sum(map(size, items))
        case MapOf(entries=entries):
            return 1 + sum(size(key) + size(value) for key, value in entries)
        case StructOf(fields=fields):
            return 1 + sum(size(value) for _, value in fields)
        case Fold(over=over):
            return 1 + size(over)
        case Bind(value=value, body=body):
            return 1 + size(value) + size(body)
    return 1
