"""JSON patches that webhooks and policies ask for, applied; what fails is told in the words of the real server's library.

Origin: github.com/evanphx/json-patch (v4): patch.go
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fakekube.api.patching import json_patch
from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Object


class PatchFailed(Exception):
    """An operation could not be applied, or (`tested`) a test did not hold."""

    def __init__(self, text: str, *, tested: bool = False) -> None:
        super().__init__(text)
        self.tested = tested


def patched(obj: Object, operations: Sequence[Mapping[str, Any]]) -> Object:
    """Raises PatchFailed."""
    try:
        return json_patch.apply(obj, operations)
    except ApiError:
        pass
    for count, operation in enumerate(operations, start=1):  # which one was it?
        try:
            json_patch.apply(obj, operations[:count])
        except ApiError:
            kind, path = operation.get("op"), operation.get("path") or ""
            if kind == "test":
                raise PatchFailed(f"testing value {path} failed: test failed", tested=True) from None
            shown = f'"{path}"' if kind in ("add", "remove") else path
            text = f"{kind} operation does not apply: doc is missing path: {shown}: missing value"
            raise PatchFailed(text) from None
    raise AssertionError("unreachable")
