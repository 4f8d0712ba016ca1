"""Causes: what a validating webhook found wrong. Functions that validate return lists of them.

Origin: kubevirt: pkg/util/webhooks/webhooks.go
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

INVALID = "FieldValueInvalid"
REQUIRED = "FieldValueRequired"
NOT_SUPPORTED = "FieldValueNotSupported"
NOT_FOUND = "FieldValueNotFound"
DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
_SHOWN = 10  # more are only counted


class Cause(NamedTuple):
    """One thing that is wrong, and where."""

    message: str
    field: str = ""
    reason: str = INVALID


def required(message: str, field: str = "") -> Cause:
    return Cause(message, field, REQUIRED)


def not_supported(message: str, field: str = "") -> Cause:
    return Cause(message, field, NOT_SUPPORTED)


def duplicate(message: str, field: str = "") -> Cause:
    return Cause(message, field, DUPLICATE)


def status(causes: Sequence[Cause]) -> dict[str, Any]:
    """The Status that refuses an object for these causes."""
    shown = causes[:_SHOWN]
    message = ", ".join(cause.message for cause in shown)
    if len(causes) > _SHOWN:
        message = f"{message}, and {len(causes) - _SHOWN} more validation errors"
    listed = [
        {
            **({"reason": cause.reason} if cause.reason else {}),
            "message": cause.message,
            **({"field": cause.field} if cause.field else {}),
        }
        for cause in shown
    ]
    return {
        "metadata": {},
        "message": message,
        "reason": "Invalid",
        "code": 422,
        "details": {"causes": listed},
    }
