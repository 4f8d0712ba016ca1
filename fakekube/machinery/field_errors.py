"""Field errors: one wrong place in an object, and how the real server words it.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/validation/field/errors.go
"""

from typing import Any

import orjson
from msgspec import Struct

REQUIRED = "FieldValueRequired"
INVALID = "FieldValueInvalid"
DUPLICATE = "FieldValueDuplicate"
NOT_SUPPORTED = "FieldValueNotSupported"
FORBIDDEN = "FieldValueForbidden"
NOT_FOUND = "FieldValueNotFound"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
TYPE_INVALID = "FieldValueTypeInvalid"
INTERNAL = "InternalError"

_WORDS = {
    REQUIRED: "Required value",
    INVALID: "Invalid value",
    DUPLICATE: "Duplicate value",
    NOT_SUPPORTED: "Unsupported value",
    FORBIDDEN: "Forbidden",
    NOT_FOUND: "Not found",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    TYPE_INVALID: "Invalid value",
    INTERNAL: "Internal error",
}
OMITTED: Any = object()  # the value of an error that does not show it
_WITHOUT_VALUE = frozenset({REQUIRED, FORBIDDEN, TOO_LONG, TOO_MANY, INTERNAL})


class FieldError(Struct, frozen=True):
    """One cause. `field` is the path as the server prints it (`spec.containers[0].name`), empty for the whole object."""

    type: str
    field: str
    detail: str = ""
    value: Any = None

    def body(self) -> str:
        """The text without the path: what `details.causes[].message` holds."""
        words = _WORDS[self.type]
        text = (
            words if self.type in _WITHOUT_VALUE or self.value is OMITTED else f"{words}: {show(self.value)}"
        )
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.field}: {self.body()}"

    def cause(self) -> dict[str, str]:
        """This error as an entry of a Status' `details.causes`."""
        return {"reason": self.type, "message": self.body(), "field": self.field}


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(REQUIRED, field, detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(INVALID, field, detail, value)


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError(DUPLICATE, field, "", value)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError(FORBIDDEN, field, detail)


def not_supported(field: str, value: Any, allowed: list[str]) -> FieldError:
    detail = "supported values: " + ", ".join(f'"{item}"' for item in allowed) if allowed else ""
    return FieldError(NOT_SUPPORTED, field, detail, value)


def too_long(field: str, limit: int) -> FieldError:
    return FieldError(TOO_LONG, field, f"may not be more than {limit} bytes")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    return FieldError(TOO_MANY, field, f"{actual}: must have at most {limit} items")


def show(value: Any) -> str:
    """A value inside an error text: strings quoted, numbers bare, null as `null`, the rest as JSON."""
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return orjson.dumps(value).decode()
