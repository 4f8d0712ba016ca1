"""AdmissionReviews: the question about a write, and what an answer to it must look like. Pure.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go, webhook/errors/statuserror.go
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from fakekube.api.admission import equivalents
from fakekube.api.admission.attributes import Attributes
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.field_errors import show
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Object

_KIND = "AdmissionReview"
VERSIONS = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")


class BadAnswer(Exception):
    """The webhook answered, but not as it must."""


class UnsupportedPatch(Exception):
    """The webhook wants to change the object in a way nobody knows."""


def request_of(attributes: Attributes, target: ServedResource) -> dict[str, Any]:
    """The request without uid and objects: what expressions know as `request`, too."""
    resource = attributes.resource
    user = attributes.user
    info: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    request: dict[str, Any] = {
        "kind": _kind(equivalents.kind_in(attributes.kind, target, attributes.subresource)),
        "resource": _resource(target),
        "requestKind": _kind(equivalents.kind_in(attributes.kind, resource, attributes.subresource)),
        "requestResource": _resource(resource),
        "operation": attributes.operation,
        "userInfo": info,
        "dryRun": attributes.dry_run,
        "options": attributes.options or None,
    }
    if attributes.subresource:
        request["subResource"] = request["requestSubResource"] = attributes.subresource
    if attributes.name:
        request["name"] = attributes.name
    namespace = namespace_of(attributes)
    if namespace:
        request["namespace"] = namespace
    return request


def namespace_of(attributes: Attributes) -> str:
    """Where the write happens; a namespace counts as being inside itself."""
    resource = attributes.resource
    if resource.plural == "namespaces" and not resource.group:
        return attributes.name
    return attributes.namespace


def _kind(parts: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("group", "version", "kind"), parts, strict=True))


def _resource(resource: ServedResource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def question_of(attributes: Attributes, obj: Object | None, old: Object | None) -> Question:
    """What a webhook of this process is asked. Nothing reads as an empty object there."""
    return Question(
        attributes.operation,
        namespace_of(attributes),
        attributes.name,
        attributes.user.name,
        obj or {},
        old,
        attributes.dry_run,
        attributes.user.groups,
    )


def review(
    uid: str, request: Mapping[str, Any], obj: Object | None, old: Object | None, version: str
) -> Object:
    """The review that is sent."""
    return {
        "kind": _KIND,
        "apiVersion": version,
        "request": {"uid": uid, **request, "object": obj, "oldObject": old},
    }


def answer(body: bytes, uid: str, version: str, *, mutating: bool) -> Answer:
    """Read the answer to a review. Raises BadAnswer, UnsupportedPatch, InternalError for a patch that is no JSON."""
    answered = _object(body)
    response = answered.get("response")
    if not isinstance(response, dict):
        raise BadAnswer("webhook response was absent")
    if version == VERSIONS[0] and response.get("uid") != uid:
        raise BadAnswer(f"expected response.uid={show(uid)}, got {show(response.get('uid') or '')}")
    said = (str(answered.get("apiVersion") or ""), str(answered.get("kind") or ""))
    if said != (version, _KIND) and (version == VERSIONS[0] or any(said)):
        raise BadAnswer(
            f"expected webhook response of {version}, Kind={_KIND}, got {said[0] or '/'}, Kind={said[1]}"
        )
    patch_type = response.get("patchType")
    patch = _patch(response.get("patch"))
    if mutating:
        if version != VERSIONS[0] and patch:
            patch_type = patch_type or "JSONPatch"
        if patch and patch_type is None:
            raise BadAnswer("webhook returned response.patch but not response.patchType")
        if not patch and patch_type is not None:
            raise BadAnswer("webhook returned response.patchType but not response.patch")
        if patch and not patch_type:
            raise BadAnswer('webhook returned invalid response.patchType of ""')
    elif version == VERSIONS[0]:
        for member, value in (("patch", patch), ("patchType", patch_type)):
            if value:
                raise BadAnswer(f"validating webhook may not return response.{member}")
    if patch and patch_type != "JSONPatch":
        raise UnsupportedPatch(f'unsupported patch type "{patch_type}"')
    allowed = bool(response.get("allowed"))
    return Answer(
        allowed=allowed,
        warnings=tuple(str(text) for text in response.get("warnings") or ()),
        operations=_operations(patch) if allowed and patch else (),
        status=response.get("status"),
    )


def _operations(patch: bytes) -> Any:
    try:
        return orjson.loads(patch)
    except ValueError as error:
        raise internal(str(error)) from None


def _object(body: bytes) -> dict[str, Any]:
    try:
        answered = orjson.loads(body)
    except ValueError as error:
        raise BadAnswer(f"couldn't get version/kind; json parse error: {error}") from None
    if not isinstance(answered, dict):
        raise BadAnswer("couldn't get version/kind; json parse error: json: cannot unmarshal into Go value")
    return answered


def _patch(given: Any) -> bytes:
    try:
        return base64.b64decode(given or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise BadAnswer("illegal base64 data in response.patch") from None


def refusal(hook: str, status: Mapping[str, Any] | None) -> ApiError:
    """A webhook's no, as the writer is told: its own status, at least a 400, with the hook's name in front."""
    status = status or {}
    said = f'admission webhook "{hook}" denied the request'
    why = status.get("message") or status.get("reason")
    code = int(status.get("code") or 0)
    return ApiError(
        f"{said}: {why}" if why else f"{said} without explanation",
        code=max(code, 400),
        reason=str(status.get("reason") or ""),
        details=status.get("details"),
    )


def internal(text: str) -> InternalError:
    """A 500 around something that went wrong."""
    return InternalError(f"Internal error occurred: {text}", details={"causes": [{"message": text}]})
