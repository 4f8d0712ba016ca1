"""Every function an expression may call. The modules beside this one each bring one of upstream's libraries.

k8s: staging/src/k8s.io/apiserver/pkg/cel/environment/base.go
"""

from collections.abc import Callable

import msgspec

from fakekube.api.schema.cel import (
    authorizations,
    basics,
    collections,
    networks,
    operators,
    optionals,
    quantities,
    spellings,
    texts,
    times,
)
from fakekube.api.schema.cel.making import Struct
from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import (
    BOOL,
    BYTES,
    CIDR,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    IP,
    NULL,
    QUANTITY,
    STRING,
    TIMESTAMP,
    UINT,
    URL,
    Type,
    list_of,
    map_of,
    optional_of,
    type_of,
)

TYPE_VALUES: dict[str, Type] = {
    one.name: one
    for one in (
        BOOL,
        BYTES,
        CIDR,
        DOUBLE,
        DURATION,
        DYN,
        INT,
        IP,
        NULL,
        QUANTITY,
        STRING,
        TIMESTAMP,
        UINT,
        URL,
        list_of(DYN),
        map_of(DYN, DYN),
        optional_of(DYN),
        type_of(DYN),
    )
}


def _assemble() -> Library:
    library = Library()
    for part in (
        operators,
        basics,
        times,
        texts,
        collections,
        optionals,
        networks,
        quantities,
        spellings,
        authorizations,
    ):
        part.install(library)
    return library


def no_structs(_name: str) -> None:
    """Most expressions make no objects."""


class Environment(msgspec.Struct, frozen=True):
    """What expressions of one kind may call and make."""

    library: Library
    structs: Callable[[str], Struct | None] = no_structs


LIBRARY = _assemble()
PLAIN = Environment(LIBRARY)
