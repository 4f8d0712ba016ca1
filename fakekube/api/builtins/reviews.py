"""Reviews: questions that are asked by creating an object that nobody stores.

Without RBAC enforcement everybody may do everything, and the answers say so.

Origin: k8s: pkg/registry/authorization, pkg/registry/authentication
"""

import base64
from datetime import timedelta

import orjson

from fakekube.api import bodies
from fakekube.api.verbs.call import Call
from fakekube.clock import rfc3339
from fakekube.machinery.wire import Object, Response


def _body(call: Call) -> Object:
    request, resource = call.request, call.resource
    obj = bodies.decode(request.body, request.headers.get("content-type") or "", resource.kind)
    bodies.check_type(resource, obj, request.body)
    meta = obj["metadata"]
    meta["creationTimestamp"] = None
    return obj


async def access(call: Call) -> Response:
    """May this user do that?"""
    obj = _body(call)
    obj["status"] = {"allowed": True, "reason": "fakekube does not enforce authorization"}
    return call.finish(call.show(obj, 201))


async def rules(call: Call) -> Response:
    """What may I do here?"""
    obj = _body(call)
    obj["status"] = {
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }
    return call.finish(call.show(obj, 201))


async def whoami(call: Call) -> Response:
    """Who am I?"""
    obj = _body(call)
    obj["status"] = {"userInfo": {"username": call.user.name, "groups": list(call.user.groups)}}
    return call.finish(call.show(obj, 201))


async def token(call: Call) -> Response:
    """Whose token is this? One that this server made says so itself."""
    obj = _body(call)
    claims = read_token(str((obj.get("spec") or {}).get("token") or ""))
    obj["status"] = (
        {"user": {}}
        if claims is None
        else {
            "authenticated": True,
            "user": {"username": claims["sub"], "groups": ["system:serviceaccounts", "system:authenticated"]},
        }
    )
    return call.finish(call.show(obj, 201))


async def service_account_token(call: Call) -> Response:
    """A token for a service account. It names its subject and expiry and is not signed: nothing here is a secret."""
    request, info = call.request, call.info
    await call.registry.get(call.resource, info.namespace, info.name)
    obj = bodies.decode(request.body, request.headers.get("content-type") or "", "TokenRequest")
    bodies.check_type(call.resource, obj, request.body, ("authentication.k8s.io", "v1", "TokenRequest"))
    spec = obj.setdefault("spec", {})
    spec.setdefault("audiences", ["https://kubernetes.default.svc.cluster.local"])
    spec.setdefault("expirationSeconds", 3600)
    now = call.registry.clock.now()
    expires = now + timedelta(seconds=int(spec["expirationSeconds"]))
    claims = {
        "sub": f"system:serviceaccount:{info.namespace}:{info.name}",
        "aud": spec["audiences"],
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
    }
    obj["metadata"].update(name=info.name, namespace=info.namespace, creationTimestamp=rfc3339(now))
    obj["status"] = {"token": make_token(claims), "expirationTimestamp": rfc3339(expires)}
    return call.finish(call.show(obj, 201))


def make_token(claims: Object) -> str:
    """A JWT without signature."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return (
        ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode() for part in parts) + "."
    )


def read_token(text: str) -> Object | None:
    """The claims of a token made here, else None."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) and isinstance(claims.get("sub"), str) else None
