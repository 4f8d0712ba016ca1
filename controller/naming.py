"""Names and ordinals: a VM of pool `p` is called `p-<ordinal>`, and new ones take the lowest ordinals that are free.

Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

import itertools
from collections.abc import Container


def vm_name(pool: str, ordinal: int) -> str:
    return f"{pool}-{ordinal}"


def ordinal(name: str) -> int | None:
    """The integer behind the last dash, if there is one."""
    _, dash, digits = name.rpartition("-")
    return int(digits) if dash and digits.isascii() and digits.isdecimal() else None


def family(name: str) -> str | None:
    """The pool a VM of this name could belong to by its name: None unless `vm_name` could have made the name."""
    number = ordinal(name)
    if number is None:
        return None
    pool = name.rpartition("-")[0]
    return pool if pool and vm_name(pool, number) == name else None


def lowest_free(count: int, taken: Container[int]) -> list[int]:
    """The `count` lowest ordinals that are not taken."""
    return list(
        itertools.islice((number for number in itertools.count() if number not in taken), max(0, count))
    )
