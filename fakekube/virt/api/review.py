"""The answers hooks give."""

from collections.abc import Sequence
from typing import Any

from fakekube.machinery.errors import ApiError
from fakekube.machinery.reviews import Answer
from fakekube.machinery.wire import Object
from fakekube.virt.api.json_patch import changes
from fakekube.virt.causes import Cause, status


def allowed(warnings: Sequence[str] = ()) -> Answer:
    """Yes."""
    return Answer(allowed=True, warnings=warnings)


def changed(old: Object, new: Object) -> Answer:
    """Yes, after these changes."""
    return Answer(allowed=True, operations=changes(old, new))


def judged(causes: Sequence[Cause], warnings: Sequence[str] = ()) -> Answer:
    """Yes without causes, no with them."""
    return Answer(allowed=False, status=status(causes)) if causes else allowed(warnings)


def refused(message: str, code: int = 400, reason: str = "") -> Answer:
    """No, for a reason that is no field's."""
    said: dict[str, Any] = {"metadata": {}, "message": message, "code": code}
    if reason:
        said["reason"] = reason
    return Answer(allowed=False, status=said)


def refused_as(error: ApiError) -> Answer:
    """No, with the server's own words."""
    return refused(error.message, error.code, error.reason)
