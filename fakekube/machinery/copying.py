"""Copying objects: a JSON round trip, several times quicker than `copy.deepcopy` on what this project moves around.

And bytes to keep: what orjson returns still holds the buffer it was written in, eight kilobytes for one and 64 for five.
"""

from typing import Any, TypeVar

import orjson

T = TypeVar("T")


def copy_of(value: T) -> T:
    """A deep copy of JSON-like data."""
    copied: T = orjson.loads(orjson.dumps(value))
    return copied


def kept_json(value: Any) -> bytes:
    """JSON in as much memory as it needs: for whatever outlives the request."""
    return b"%b" % orjson.dumps(value)
