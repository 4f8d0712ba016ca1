"""Static types, and which value fits which: enough to refuse what cel-go's checker refuses.

A type variable (`A`, `B`) in a signature stands for one type throughout the signature.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Type:
    """A type by name, with parameters for lists, maps, optionals and types of types. Objects know their fields."""

    name: str
    params: "tuple[Type, ...]" = ()
    fields: "Mapping[str, Type] | None" = field(default=None, compare=False)

    def __str__(self) -> str:
        if not self.params:
            return self.name
        return f"{self.name}({', '.join(map(str, self.params))})"

    @property
    def is_variable(self) -> bool:
        return len(self.name) == 1


DYN = Type("dyn")
NULL = Type("null_type")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
TIMESTAMP = Type("google.protobuf.Timestamp")
DURATION = Type("google.protobuf.Duration")
URL = Type("kubernetes.URL")
QUANTITY = Type("kubernetes.Quantity")
SEMVER = Type("kubernetes.Semver")
FORMAT = Type("kubernetes.NamedFormat")
IP = Type("net.IP")
CIDR = Type("net.CIDR")
A, B = Type("A"), Type("B")


def list_of(element: Type) -> Type:
    return Type("list", (element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", (key, value))


def optional_of(content: Type) -> Type:
    return Type("optional_type", (content,))


def type_of(one: Type) -> Type:
    return Type("type", (one,))


def object_of(name: str, fields: Mapping[str, Type]) -> Type:
    return Type(name, (), fields)


def fits(given: Type, wanted: Type, bound: dict[str, Type]) -> bool:
    """Whether a value of type `given` may stand where `wanted` is asked for; binds type variables on the way."""
    if wanted.is_variable:
        known = bound.get(wanted.name)
        if known is None or known == DYN:
            bound[wanted.name] = given
            return True
        return fits(given, known, bound) or fits(known, given, bound)
    if DYN in (given, wanted):
        return True
    if given.name != wanted.name:
        return given == NULL and wanted.name not in _NEVER_NULL
    if not given.params or not wanted.params:
        return True
    return all(fits(one, other, bound) for one, other in zip(given.params, wanted.params, strict=True))


_NEVER_NULL = frozenset(
    {"bool", "int", "uint", "double", "string", "bytes", "list", "map", "type", "optional_type"}
)


def resolved(wanted: Type, bound: Mapping[str, Type]) -> Type:
    """A signature's result once its variables are bound."""
    if wanted.is_variable:
        return bound.get(wanted.name, DYN)
    if not wanted.params:
        return wanted
    return Type(wanted.name, tuple(resolved(param, bound) for param in wanted.params), wanted.fields)


def common(types: "list[Type]") -> Type:
    """The type of a list's elements: theirs if they agree, else dyn."""
    if not types:
        return DYN
    first = types[0]
    return first if all(one == first for one in types) else DYN


def shown(args: "list[Type]", target: "Type | None") -> str:
    """Argument types as error texts show them: `(int, string)`, or `string.(int)` for members."""
    inside = ", ".join(map(str, args))
    return f"{target}.({inside})" if target is not None else f"({inside})"
