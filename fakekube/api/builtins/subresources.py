"""Subresources and virtual resources of built-in kinds that are more than a view on the object: who serves which.

Each handler takes a Call, like the verbs. (group, plural, subresource, verb) → handler.
"""

from collections.abc import Awaitable, Callable

from fakekube.api.builtins import approvals, connections, evictions, pod_subresources, reviews
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.get import get
from fakekube.api.verbs.patch import patch
from fakekube.api.verbs.update import update
from fakekube.machinery.wire import Response

Verb = Callable[[Call], Awaitable[Response]]

_PROXY_VERBS = ("create", "delete", "get", "patch", "update")
_SUBRESOURCES: dict[tuple[str, str, str, str], Verb] = {
    ("", "namespaces", "finalize", "update"): update,
    ("", "pods", "binding", "create"): pod_subresources.bind,
    ("", "pods", "eviction", "create"): evictions.evict,
    ("", "pods", "log", "get"): connections.log,
    ("", "serviceaccounts", "token", "create"): reviews.service_account_token,
    ("certificates.k8s.io", "certificatesigningrequests", "approval", "get"): get,
    ("certificates.k8s.io", "certificatesigningrequests", "approval", "patch"): approvals.patch,
    ("certificates.k8s.io", "certificatesigningrequests", "approval", "update"): approvals.update,
    # The object itself; its strategy lets only the part through that the subresource is named after.
    **{
        ("", "pods", name, verb): handler
        for name in ("ephemeralcontainers", "resize")
        for verb, handler in (("get", get), ("patch", patch), ("update", update))
    },
    **{
        ("", "pods", name, verb): connections.stream
        for name in ("attach", "exec", "portforward")
        for verb in ("create", "get")
    },
    **{
        ("", kind, "proxy", verb): connections.proxy
        for kind in ("nodes", "pods", "services")
        for verb in _PROXY_VERBS
    },
}
_VIRTUAL: dict[tuple[str, str, str], Verb] = {
    ("authorization.k8s.io", "selfsubjectaccessreviews", "create"): reviews.access,
    ("authorization.k8s.io", "subjectaccessreviews", "create"): reviews.access,
    ("authorization.k8s.io", "localsubjectaccessreviews", "create"): reviews.access,
    ("authorization.k8s.io", "selfsubjectrulesreviews", "create"): reviews.rules,
    ("authentication.k8s.io", "selfsubjectreviews", "create"): reviews.whoami,
    ("authentication.k8s.io", "tokenreviews", "create"): reviews.token,
    ("", "bindings", "create"): pod_subresources.bind,
}


def find(resource: ServedResource, subresource: str, verb: str) -> Verb | None:
    """The handler of a subresource, None when the method is not allowed there."""
    return _SUBRESOURCES.get((resource.group, resource.plural, subresource, verb))


def verb_of(resource: ServedResource, verb: str) -> Verb | None:
    """The handler of a resource that is not stored, such as a review."""
    return _VIRTUAL.get((resource.group, resource.plural, verb))
