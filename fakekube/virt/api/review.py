"""AdmissionReview in and out, and the answers hooks give.

Origin: k8s: staging/src/k8s.io/api/admission/v1/types.go
"""

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from fakekube.machinery.errors import ApiError
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Object
from fakekube.virt.api.causes import Cause, status
from fakekube.virt.api.json_patch import changes


def read(body: bytes) -> tuple[str, Question]:
    """The question in a request's body, and its uid. Raises ValueError for anything else."""
    request = orjson.loads(body)["request"]
    return request["uid"], Question(
        operation=request.get("operation") or "",
        namespace=request.get("namespace") or "",
        name=request.get("name") or "",
        user=(request.get("userInfo") or {}).get("username") or "",
        obj=request.get("object") or {},
        old=request.get("oldObject"),
        dry_run=bool(request.get("dryRun")),
        groups=(request.get("userInfo") or {}).get("groups") or (),
    )


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


def written(uid: str, answer: Answer) -> bytes:
    """The AdmissionReview that carries the answer back."""
    response: dict[str, Any] = {"uid": uid, "allowed": answer.allowed}
    if answer.warnings:
        response["warnings"] = list(answer.warnings)
    if answer.operations:
        patch = base64.b64encode(orjson.dumps(answer.operations)).decode()
        response |= {"patchType": "JSONPatch", "patch": patch}
    if answer.status is not None:
        response["status"] = answer.status
    return orjson.dumps(
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}
    )
