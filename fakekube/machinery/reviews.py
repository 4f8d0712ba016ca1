"""Admission reviews between parts of one process: the question and the answer as values, without JSON in between.

A webhook is a Handler that is sent an AdmissionReview. One that lives in this process may be a `Reviewer` too; it is then
asked by `review`, and what it says counts as if it had been sent.
Origin: k8s: staging/src/k8s.io/api/admission/v1/types.go
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import orjson
from msgspec import Struct

from fakekube.machinery.wire import Object


class Question(Struct):
    """A write that somebody wants to make. The objects belong to whoever asks, and are not to be changed."""

    operation: str
    namespace: str
    name: str
    user: str
    obj: Object
    old: Object | None
    dry_run: bool
    groups: Sequence[str] = ()

    @property
    def creates(self) -> bool:
        return self.operation == "CREATE"


class Answer(Struct, frozen=True):
    """Yes, perhaps after some changes, or no with a Status.

    Changes that were sent are a JSON patch; in one process it is simply said what is `wanted` instead of the question's object.
    """

    allowed: bool
    warnings: Sequence[str] = ()
    operations: Sequence[dict[str, Any]] = ()
    wanted: Object | None = None
    status: Mapping[str, Any] | None = None


@runtime_checkable
class Reviewer(Protocol):
    """What a webhook in this process may offer."""

    async def review(self, path: str, question: Question) -> Answer | None:
        """The answer; None when there is no webhook at this path. Raises ApiError when it fails."""
        ...


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
