"""Reviews: questions that are asked by creating an object that nobody stores.

Without RBAC enforcement everybody may do everything, and the answers say so.

Origin: k8s: pkg/registry/authorization, pkg/registry/authentication
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fakekube.api import bodies, typed
from fakekube.api.access import tokens
from fakekube.api.access.authorizer import Deed
from fakekube.api.access.rbac import Rbac
from fakekube.api.builtins.accounts import Accounts, TokenError, claims
from fakekube.api.openid import ISSUER
from fakekube.api.registry import codec
from fakekube.api.verbs.call import Call
from fakekube.clock import rfc3339
from fakekube.machinery.errors import BadRequest, conflict, invalid
from fakekube.machinery.field_errors import FieldError
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object, Response, User

_SHORTEST_TOKEN = 600


def _body(call: Call) -> Object:
    request, resource = call.request, call.resource
    obj = bodies.decode(request.body, request.headers.get("content-type") or "", resource.kind)
    bodies.check_type(resource, obj, request.body)
    resource.strategy.prune(obj)
    return obj


async def access(call: Call) -> Response:
    """May this user do that?"""
    obj = _body(call)
    spec: dict[str, Any] = obj.get("spec") or {}
    wanted, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    causes = _incomplete(call, spec) + _misplaced(call, obj, spec)
    if causes:  # decoding has taken the kind off, upstream
        raise invalid("", call.resource.group, "", causes)
    if call.resource.namespaced and (obj["metadata"].get("namespace") or "") != call.info.namespace:
        said = f"spec.resourceAttributes.namespace must match namespace: {call.info.namespace}"
        raise BadRequest(said)
    user = call.user
    if "Self" not in call.resource.kind:
        user = User(
            str(spec.get("user") or ""),
            tuple(spec.get("groups") or ()),
            str(spec.get("uid") or ""),
            {key: tuple(values) for key, values in (spec.get("extra") or {}).items()},
        )
    allowed, reason = call.authorizer.authorize(user, _deed(wanted, path))
    obj["status"] = {"allowed": allowed, "reason": reason} if reason else {"allowed": allowed}
    return call.show(obj, 201)


def _incomplete(call: Call, spec: dict[str, Any]) -> list[FieldError]:
    """k8s: pkg/apis/authorization/validation/validation.go"""
    wanted, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    found = []
    if wanted is not None and path is not None:
        said = "cannot be specified in combination with resourceAttributes"
        found.append(FieldError("FieldValueInvalid", "spec.nonResourceAttributes", said, path))
    if wanted is None and path is None:
        said = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        found.append(FieldError("FieldValueInvalid", "spec.resourceAttributes", said, None))
    if "Self" not in call.resource.kind and not spec.get("user") and not spec.get("groups"):
        said = "at least one of user or group must be specified"
        found.append(FieldError("FieldValueInvalid", "spec.user", said, ""))
    return found


def _misplaced(call: Call, obj: Object, spec: dict[str, Any]) -> list[FieldError]:
    """Metadata says nothing, but for the namespace of a review of one namespace."""
    local = call.resource.namespaced
    meta = {key: value for key, value in obj["metadata"].items() if value and key != "managedFields"}
    namespace = meta.pop("namespace", "") if local else ""
    found = [FieldError("FieldValueInvalid", "metadata", "must be empty", meta)] if meta else []
    if not local:
        return found
    wanted, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if wanted is not None and (wanted.get("namespace") or "") != namespace:
        given = wanted.get("namespace") or ""
        at = "spec.resourceAttributes.namespace"
        found.append(FieldError("FieldValueInvalid", at, "must match metadata.namespace", given))
    if path is not None:
        said = "disallowed on this kind of request"
        found.append(FieldError("FieldValueInvalid", "spec.nonResourceAttributes", said, path))
    return found


def _deed(wanted: dict[str, Any] | None, path: dict[str, Any] | None) -> Deed:
    if wanted is None:
        assert path is not None
        return Deed(str(path.get("verb") or ""), path=str(path.get("path") or "/"))
    return Deed(
        *(
            str(wanted.get(name) or "")
            for name in ("verb", "group", "resource", "subresource", "namespace", "name")
        )
    )


async def rules(call: Call) -> Response:
    """What may I do here?"""
    obj = _body(call)
    namespace = str((obj.get("spec") or {}).get("namespace") or "")
    if not namespace:
        raise BadRequest("no namespace on request")
    everything = [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ]
    authorizer = call.authorizer
    found = authorizer.rules_of(call.user, namespace) if isinstance(authorizer, Rbac) else everything
    obj["status"] = {
        "resourceRules": [rule for rule in found if rule.get("resources")],
        "nonResourceRules": [rule for rule in found if rule.get("nonResourceURLs")],
        "incomplete": False,
    }
    return call.show(obj, 201)


async def whoami(call: Call) -> Response:
    """Who am I?"""
    obj = _body(call)
    obj["metadata"] = {"creationTimestamp": rfc3339(call.registry.clock.now())}
    obj["status"] = {"userInfo": _user_info(call.user)}
    return call.show(obj, 201)


def _user_info(user: User) -> Object:
    """A user as reviews show them."""
    said = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    return {member: value for member, value in said.items() if value}


async def token(call: Call) -> Response:
    """Whose token is this, for these audiences?"""
    obj = _body(call)
    spec: dict[str, Any] = obj.get("spec") or {}
    shown, audiences = str(spec.get("token") or ""), list(spec.get("audiences") or (ISSUER,))
    if not shown:
        raise BadRequest("token is required for TokenReview in authentication")
    error = "token lookup failed"
    try:
        user = call.authentication.known(shown) or await Accounts(call.catalog, call.registry).user(
            shown, audiences
        )
    except TokenError as why:
        user, error = None, str(why)
    if user is None:
        obj["status"] = {"user": {}, "error": f"[invalid bearer token, {error}]"}
    else:
        obj["status"] = {"authenticated": True, "user": _user_info(user), "audiences": audiences}
    return call.show(obj, 201)


async def service_account_token(call: Call) -> Response:
    """A token for a service account."""
    request, info = call.request, call.info
    obj = bodies.decode(request.body, request.headers.get("content-type") or "", "TokenRequest")
    bodies.check_type(call.resource, obj, request.body, ("authentication.k8s.io", "v1", "TokenRequest"))
    typed.decode(obj, "io.k8s.api.authentication.v1.TokenRequest")
    spec: dict[str, Any] = obj.setdefault("spec", {})
    if not spec.get("audiences"):
        spec["audiences"] = [ISSUER]
    spec.setdefault("expirationSeconds", 3600)
    spec.setdefault("boundObjectRef", None)
    _check_duration(int(spec["expirationSeconds"]))
    entry = await call.registry.get(call.resource, info.namespace, info.name)
    account = codec.decode(call.resource, entry)
    bound = await _bound(call, spec["boundObjectRef"] or {})
    now = call.registry.clock.now()
    expires = now + timedelta(seconds=int(spec["expirationSeconds"]))
    said = claims(account, bound, spec["audiences"], begin=now, end=expires, jti=call.registry.ids.uid())
    meta = {"name": info.name, "namespace": info.namespace, "uid": call.registry.ids.uid()}
    obj["metadata"].update(meta, creationTimestamp=rfc3339(now))
    obj["status"] = {"token": tokens.make(said), "expirationTimestamp": rfc3339(expires)}
    return call.show(obj, 201)


async def _bound(call: Call, reference: Mapping[str, Any]) -> Mapping[str, Object]:
    """The object a token is to be bound to, under its kind in lower case. Raises NotFound, BadRequest, Conflict."""
    if not reference:
        return {}
    api_version, kind = str(reference.get("apiVersion") or ""), str(reference.get("kind") or "")
    if "/" in api_version or kind not in ("Pod", "Secret", "Node"):
        shown = api_version if "/" in api_version else f"/{api_version}"
        raise BadRequest(f"cannot bind token to object of type {shown}, Kind={kind}")
    resource = call.catalog.find("", "v1", f"{kind.lower()}s")
    assert resource is not None
    name, uid = str(reference.get("name") or ""), reference.get("uid")
    namespace = call.info.namespace if resource.namespaced else ""
    obj = codec.decode(resource, await call.registry.get(resource, namespace, name))
    account = call.info.name
    if kind == "Pod" and dig(obj, "spec", "serviceAccountName") != account:
        raise BadRequest(
            f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
        )
    if uid and uid != obj["metadata"]["uid"]:
        raise conflict(
            kind,
            "",
            name,
            f"the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been "
            "deleted and then recreated",
        )
    return {kind.lower(): obj}


def _check_duration(seconds: int) -> None:
    at = "spec.expirationSeconds"
    if seconds < _SHORTEST_TOKEN:
        said = "may not specify a duration less than 10 minutes"
    elif seconds > 1 << 32:
        said = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    raise invalid(
        "TokenRequest", "authentication.k8s.io", "", [FieldError("FieldValueInvalid", at, said, seconds)]
    )
