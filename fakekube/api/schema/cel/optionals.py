"""Optional values.

cel-go: cel/library.go (OptionalTypes)
"""

from typing import Any

from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import BOOL, A, optional_of
from fakekube.api.schema.cel.values import NONE, Optional


def _of(value: Any) -> Optional:
    return Optional(present=True, content=value)


def install(library: Library) -> None:
    one = optional_of(A)
    library.add("optional.of", (A,), one, _of)
    library.add("optional.none", (), one, lambda: NONE)
    library.add("optional.ofNonZeroValue", (A,), one, lambda value: _of(value) if value else NONE)
    library.member("hasValue", (one,), BOOL, lambda value: value.present)
    library.member("value", (one,), A, Optional.value)
    library.member("or", (one, one), one, lambda value, other: value if value.present else other)
    library.member("orValue", (one, A), A, lambda value, other: value.content if value.present else other)
