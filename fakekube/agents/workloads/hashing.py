"""Hashes of templates, as they stand in names and labels: FNV of 32 bits, spelled without vowels. Pure.

The hash of a ControllerRevision is upstream's: its bytes are. `pod-template-hash` is of the same form and as stable, but another
number: upstream hashes how Go's debugger prints the whole struct, unset fields and all, which changes with every release.
Upstream: k8s: pkg/controller/controller_utils.go (ComputeHash), pkg/controller/history/controller_history.go (HashControllerRevision)
"""

from typing import Any

import orjson

from fakekube.machinery.fnv import fnv32, fnv32a

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # k8s: apimachinery/pkg/util/rand: SafeEncodeString


def of_template(template: Any, collisions: int | None) -> str:
    """The hash of a pod template; every collision count gives another one."""
    data = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    if collisions is not None:
        data += collisions.to_bytes(8, "little")
    return spelled(fnv32a(data))


def of_revision(data: bytes, collisions: int | None) -> str:
    """The hash of a ControllerRevision's data."""
    return spelled(fnv32(data + str(collisions or 0).encode()))


def spelled(number: int) -> str:
    """The decimal digits, each as a letter that makes no words."""
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(number))
