"""Errors that travel as `Status` objects, and back.

    ApiError                     any refusal; `code`, `reason`, `message`, `details`
    ├── BadRequest          400  the request cannot be understood
    ├── Unauthorized        401
    ├── Forbidden           403
    ├── NotFound            404  object, resource or path
    ├── MethodNotAllowed    405
    ├── NotAcceptable       406
    ├── Conflict            409  stale resourceVersion or failed precondition
    ├── AlreadyExists       409
    ├── Expired             410  a resourceVersion or continue token that is too old
    ├── TooLarge            413
    ├── UnsupportedMediaType 415
    ├── Invalid             422  field errors
    ├── TooManyRequests     429
    ├── InternalError       500
    └── Timeout             504

Origin of reasons and texts: k8s: staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fakekube.machinery.field_errors import FieldError


class ApiError(Exception):
    """A refusal with everything its Status says. Raised by the server's rules and by the client alike."""

    code = 500
    reason = ""

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        code: int | None = None,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        # May be empty: `{}` is shown.
        self.details: dict[str, Any] | None = None if details is None else dict(details)
        self.headers = list(headers)
        self.metadata: dict[str, Any] = {}  # of the Status: an expired list offers a continue token there
        if code is not None:
            self.code = code
        if reason is not None:
            self.reason = reason

    def status(self) -> dict[str, Any]:
        """The `Status` object that tells a client about this."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Expired(ApiError):
    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    code, reason = 500, "InternalError"


class Timeout(ApiError):
    code, reason = 504, "Timeout"


_BY_REASON: dict[str, type[ApiError]] = {cls.reason: cls for cls in ApiError.__subclasses__()}


def qualified(plural: str, group: str) -> str:
    """`pods`, or `virtualmachines.kubevirt.io`: how error texts name a resource."""
    return f"{plural}.{group}" if group else plural


def _details(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in (details | more).items() if value}


def not_found(plural: str, group: str, name: str) -> NotFound:
    return NotFound(f'{qualified(plural, group)} "{name}" not found', details=_details(name, group, plural))


def already_exists(plural: str, group: str, name: str) -> AlreadyExists:
    return AlreadyExists(
        f'{qualified(plural, group)} "{name}" already exists', details=_details(name, group, plural)
    )


def conflict(plural: str, group: str, name: str, why: str) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}',
        details=_details(name, group, plural),
    )


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def forbidden(plural: str, group: str, name: str, why: str) -> Forbidden:
    subject = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    return Forbidden(f"{subject} is forbidden: {why}", details=_details(name, group, plural))


def invalid(kind: str, group: str, name: str, causes: Sequence[FieldError]) -> Invalid:
    """422 with one cause per field error. One error stands alone in the message, several stand in brackets."""
    texts = [str(cause) for cause in causes]
    unique = list(dict.fromkeys(texts))
    said = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
    return Invalid(
        f'{qualified(kind, group)} "{name}" is invalid: {said}',
        details=_details(name, group, kind, causes=[cause.cause() for cause in causes]),
    )


def from_status(body: Mapping[str, Any], code: int = 0) -> ApiError:
    """The error a `Status` describes: the class follows its reason, then its code."""
    reason = str(body.get("reason") or "")
    code = int(body.get("code") or code or 500)
    cls = _BY_REASON.get(reason)
    if cls is None:
        cls = next((c for c in _BY_REASON.values() if c.code == code), ApiError)
    return cls(
        str(body.get("message") or f"the server answered {code}"),
        details=body.get("details"),
        code=code,
        reason=reason,
    )
