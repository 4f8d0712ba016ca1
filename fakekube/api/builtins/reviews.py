"""Reviews: questions that are asked by creating an object that nobody stores.

Without RBAC enforcement everybody may do everything, and the answers say so.

Origin: k8s: pkg/registry/authorization, pkg/registry/authentication
"""

from datetime import timedelta
from typing import Any

from fakekube.api import bodies, typed
from fakekube.api.access import tokens
from fakekube.api.access.authentication import service_account
from fakekube.api.access.authorizer import Deed
from fakekube.api.access.rbac import Rbac
from fakekube.api.verbs.call import Call
from fakekube.clock import rfc3339
from fakekube.machinery.errors import invalid
from fakekube.machinery.field_errors import FieldError
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
    causes = _incomplete(call, spec)
    if causes:  # decoding has taken the kind off, upstream
        raise invalid("", call.resource.group, "", causes)
    user = call.user
    if "Self" not in call.resource.kind:
        user = User(str(spec.get("user") or ""), tuple(spec.get("groups") or ()), str(spec.get("uid") or ""))
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
    obj["status"] = {"userInfo": {"username": call.user.name, "groups": list(call.user.groups)}}
    return call.show(obj, 201)


async def token(call: Call) -> Response:
    """Whose token is this? One that this server made says so itself."""
    obj = _body(call)
    user = service_account(str((obj.get("spec") or {}).get("token") or ""))
    if user is None:
        obj["status"] = {"user": {}, "error": "[invalid bearer token, token lookup failed]"}
    else:
        obj["status"] = {"authenticated": True, "user": {"username": user.name, "groups": list(user.groups)}}
    return call.show(obj, 201)


async def service_account_token(call: Call) -> Response:
    """A token for a service account."""
    request, info = call.request, call.info
    obj = bodies.decode(request.body, request.headers.get("content-type") or "", "TokenRequest")
    bodies.check_type(call.resource, obj, request.body, ("authentication.k8s.io", "v1", "TokenRequest"))
    typed.decode(obj, "io.k8s.api.authentication.v1.TokenRequest")
    spec: dict[str, Any] = obj.setdefault("spec", {})
    if not spec.get("audiences"):
        spec["audiences"] = ["https://kubernetes.default.svc.cluster.local"]
    spec.setdefault("expirationSeconds", 3600)
    spec.setdefault("boundObjectRef", None)
    _check_duration(int(spec["expirationSeconds"]))
    await call.registry.get(call.resource, info.namespace, info.name)
    now = call.registry.clock.now()
    expires = now + timedelta(seconds=int(spec["expirationSeconds"]))
    claims = {
        "sub": f"system:serviceaccount:{info.namespace}:{info.name}",
        "aud": spec["audiences"],
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
    }
    meta = {"name": info.name, "namespace": info.namespace, "uid": call.registry.ids.uid()}
    obj["metadata"].update(meta, creationTimestamp=rfc3339(now))
    obj["status"] = {"token": tokens.make(claims), "expirationTimestamp": rfc3339(expires)}
    return call.show(obj, 201)


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
