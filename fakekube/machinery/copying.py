"""Copying objects: a JSON round trip, several times quicker than `copy.deepcopy` on what this project moves around."""

from typing import TypeVar

import orjson

T = TypeVar("T")


def copy_of(value: T) -> T:
    """A deep copy of JSON-like data."""
    copied: T = orjson.loads(orjson.dumps(value))
    return copied
