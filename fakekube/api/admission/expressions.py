"""What CEL expressions of admission see: the variables with their types, and their values for one write.

Importing this module brings in the CEL engine; servers without policies and match conditions never do.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/{compile,condition}.go
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from fakekube.api.access.authorizer import Authorizer, Deed
from fakekube.api.admission.attributes import Attributes
from fakekube.api.admission.reviews import namespace_of
from fakekube.api.schema.cel import CelError, CompileError, Program, compile, times  # noqa: A004
from fakekube.api.schema.cel import authorizations as authz
from fakekube.api.schema.cel.library import PLAIN, Environment
from fakekube.api.schema.cel.types import (
    BOOL,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Type,
    list_of,
    map_of,
    object_of,
)
from fakekube.machinery.wire import Object, User

Bindings = dict[str, Any]

BUDGET = (
    10_000_000  # of all expressions of one policy; k8s: staging/src/k8s.io/apiserver/pkg/apis/cel/config.go
)


def _strings(*names: str) -> dict[str, Type]:
    return dict.fromkeys(names, STRING)


_KIND = object_of("kubernetes.GroupVersionKind", _strings("group", "version", "kind"))
_RESOURCE = object_of("kubernetes.GroupVersionResource", _strings("group", "version", "resource"))
_USER = object_of(
    "kubernetes.UserInfo",
    {**_strings("username", "uid"), "groups": list_of(STRING), "extra": map_of(STRING, list_of(STRING))},
)
REQUEST = object_of(
    "kubernetes.AdmissionRequest",
    {
        **_strings("subResource", "requestSubResource", "name", "namespace", "operation"),
        "kind": _KIND,
        "resource": _RESOURCE,
        "requestKind": _KIND,
        "requestResource": _RESOURCE,
        "userInfo": _USER,
        "dryRun": BOOL,
        "options": DYN,
    },
)
_CONDITION = object_of(
    "kubernetes.NamespaceCondition",
    {**_strings("status", "type", "message", "reason"), "lastTransitionTime": TIMESTAMP},
)
NAMESPACE = object_of(
    "kubernetes.Namespace",
    {
        "metadata": object_of(
            "kubernetes.NamespaceMetadata",
            {
                **_strings("name", "generateName", "namespace", "UID", "resourceVersion"),
                **dict.fromkeys(("labels", "annotations"), map_of(STRING, STRING)),
                **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), TIMESTAMP),
                **dict.fromkeys(("deletionGracePeriodSeconds", "generation"), INT),
                "finalizers": list_of(STRING),
            },
        ),
        "spec": object_of("kubernetes.NamespaceSpec", {"finalizers": list_of(STRING)}),
        "status": object_of(
            "kubernetes.NamespaceStatus", {"phase": STRING, "conditions": list_of(_CONDITION)}
        ),
    },
)


@lru_cache(maxsize=16)
def variables(*, params: bool = False) -> Mapping[str, Type]:
    """The declarations for one kind of expression."""
    found: dict[str, Type] = {
        "object": DYN,
        "oldObject": DYN,
        "request": REQUEST,
        "namespaceObject": NAMESPACE,
        "authorizer": authz.AUTHORIZER,
        "authorizer.requestResource": authz.RESOURCE_CHECK,
    }
    if params:
        found["params"] = DYN
    return found


def bindings(
    attributes: Attributes,
    obj: Object | None,
    old: Object | None,
    request: Mapping[str, Any],
    authorizer: Authorizer,
) -> Bindings:
    """The values for one write; policies add `params`, `variables` and `namespaceObject`."""
    decide = _deciding(authorizer, attributes.user)
    resource = attributes.resource
    asked = authz.Question(
        group=resource.group,
        resource=resource.plural,
        subresource=attributes.subresource,
        namespace=namespace_of(attributes),
        name=attributes.name,
    )
    return {
        "object": obj,
        "oldObject": old,
        "request": request,
        "authorizer": authz.Authorizer(decide),
        "authorizer.requestResource": authz.ResourceCheck(decide, asked),
        "namespaceObject": None,
    }


def _deciding(authorizer: Authorizer, user: User) -> authz.Decide:
    def decide(question: authz.Question) -> tuple[bool, str]:
        who = user
        if question.service_account is not None:
            namespace, name = question.service_account
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
            who = User(f"system:serviceaccount:{namespace}:{name}", groups)
        deed = Deed(
            question.verb,
            question.group,
            question.resource,
            question.subresource,
            question.namespace,
            question.name,
            question.path,
        )
        return authorizer.authorize(who, deed)

    return decide


def namespace_value(namespace: Object | None) -> dict[str, Any] | None:
    """What `namespaceObject` is: the part of a namespace that expressions may see."""
    if namespace is None:
        return None
    meta = namespace["metadata"]
    shown = {name: meta[name] for name in _NAMESPACE_META if name in meta}
    for name in ("creationTimestamp", "deletionTimestamp"):
        if meta.get(name):
            shown[name] = times.parse_timestamp(meta[name])
    if "uid" in meta:
        shown["UID"] = meta["uid"]
    status = namespace.get("status") or {}
    conditions = [
        {**one, "lastTransitionTime": times.parse_timestamp(one["lastTransitionTime"])}
        for one in status.get("conditions") or ()
        if one.get("lastTransitionTime")
    ]
    return {
        "metadata": shown,
        "spec": {"finalizers": (namespace.get("spec") or {}).get("finalizers") or []},
        "status": {"phase": status.get("phase") or "", "conditions": conditions},
    }


_NAMESPACE_META = (
    "name", "generateName", "labels", "annotations", "deletionGracePeriodSeconds", "generation", "resourceVersion",
    "finalizers",
)  # fmt: skip


class Failed(Exception):
    """An expression could not be evaluated; the text is the server's."""


class Expression(Struct, frozen=True):
    """One expression, compiled, or the reason why it is not."""

    source: str
    program: Program | None
    error: str = ""

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Raises Failed."""
        if self.program is None:
            raise Failed(self.error)
        try:
            return self.program(values)
        except CelError as error:
            raise Failed(f"expression '{self.source}' resulted in error: {error}") from None


def expression(
    source: str,
    declared: Mapping[str, Type],
    wanted: Sequence[Type] = (),
    environment: Environment = PLAIN,
) -> Expression:
    """Compile; the result has to have one of the `wanted` types, where any are named."""
    try:
        program = compile(source, declared, environment)
    except CompileError as error:
        return Expression(source, None, f"compilation failed: {error}")
    if wanted and program.result not in wanted and not _could_be(program.result, wanted):
        names = str(wanted[0]) if len(wanted) == 1 else f"one of [{' '.join(map(str, wanted))}]"
        return Expression(source, None, f"must evaluate to {names} but got {program.result}")
    return Expression(source, program)


def _could_be(result: Type, wanted: Sequence[Type]) -> bool:
    """An empty list beside the wanted one makes a list of anything, here: cel-go would have found out of what."""
    return result == list_of(DYN) and any(one.name == "list" for one in wanted)


class Conditions:
    """`matchConditions`: all must hold. One that is false decides, even when another cannot be evaluated."""

    def __init__(self, raws: Iterable[Mapping[str, Any]], declared: Mapping[str, Type]) -> None:
        self._all = [expression(str(raw.get("expression") or ""), declared, (BOOL,)) for raw in raws]

    def hold(self, values: Mapping[str, Any]) -> bool:
        """Raises Failed."""
        errors: list[str] = []
        for one in self._all:
            try:
                if one(values) is False:
                    return False
            except Failed as failed:
                errors.append(str(failed))
        if errors:
            raise Failed(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
        return True


class Lazy(dict[str, Any]):
    """`variables`: each is computed when it is first asked for."""

    cel_type = "kubernetes.variables"

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__()
        self._makers = makers

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __missing__(self, name: str) -> Any:
        if name not in self._makers:
            raise KeyError(name)
        value = self[name] = self._makers[name]()
        return value
