"""AdmissionReview in and out.

Origin: k8s: staging/src/k8s.io/api/admission/v1/types.go
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Object
from fakekube.virt.api.causes import Cause, status
from fakekube.virt.api.json_patch import changes


@dataclass(slots=True)
class Review:
    """What the server asks about."""

    uid: str
    operation: str
    namespace: str
    name: str
    user: str
    obj: Object
    old: Object | None
    dry_run: bool

    @property
    def creates(self) -> bool:
        return self.operation == "CREATE"


Verdict = dict[str, Any]


def read(body: bytes) -> Review:
    """The question in a request's body. Raises ValueError for anything else."""
    request = orjson.loads(body)["request"]
    return Review(
        uid=request["uid"],
        operation=request.get("operation") or "",
        namespace=request.get("namespace") or "",
        name=request.get("name") or "",
        user=(request.get("userInfo") or {}).get("username") or "",
        obj=request.get("object") or {},
        old=request.get("oldObject"),
        dry_run=bool(request.get("dryRun")),
    )


def allowed(warnings: Sequence[str] = ()) -> Verdict:
    """Yes."""
    return {"allowed": True, "warnings": list(warnings)} if warnings else {"allowed": True}


def changed(old: Object, new: Object) -> Verdict:
    """Yes, after these changes."""
    operations = changes(old, new)
    if not operations:
        return {"allowed": True}
    patch = base64.b64encode(orjson.dumps(operations)).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": patch}


def judged(causes: Sequence[Cause], warnings: Sequence[str] = ()) -> Verdict:
    """Yes without causes, no with them."""
    return {"allowed": False, "status": status(causes)} if causes else allowed(warnings)


def refused(message: str, code: int = 400, reason: str = "") -> Verdict:
    """No, for a reason that is no field's."""
    said: dict[str, Any] = {"metadata": {}, "message": message, "code": code}
    if reason:
        said["reason"] = reason
    return {"allowed": False, "status": said}


def refused_as(error: ApiError) -> Verdict:
    """No, with the server's own words."""
    return refused(error.message, error.code, error.reason)


def answer(review: Review, verdict: Verdict) -> bytes:
    """The AdmissionReview that carries the verdict back."""
    return orjson.dumps(
        {
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "response": {"uid": review.uid, **verdict},
        }
    )
