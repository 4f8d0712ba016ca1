"""The `authorizer` of admission expressions: what may somebody do? The server's answer comes in as a function.

k8s: staging/src/k8s.io/apiserver/pkg/cel/library/authz.go
"""

from collections.abc import Callable
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import BOOL, STRING, Type
from fakekube.api.schema.cel.values import CelError

AUTHORIZER = Type("kubernetes.authorization.Authorizer")
PATH_CHECK = Type("kubernetes.authorization.PathCheck")
GROUP_CHECK = Type("kubernetes.authorization.GroupCheck")
RESOURCE_CHECK = Type("kubernetes.authorization.ResourceCheck")
DECISION = Type("kubernetes.authorization.Decision")


class Question(Struct, frozen=True):
    """Who (empty: the writer) wants to do what to which thing."""

    verb: str = ""
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    service_account: tuple[str, str] | None = None  # namespace and name


Decide = Callable[[Question], tuple[bool, str]]


class Authorizer(Struct, frozen=True):
    cel_type: ClassVar[str] = AUTHORIZER.name
    decide: Decide
    question: Question = Question()


class PathCheck(Authorizer, frozen=True):
    cel_type = PATH_CHECK.name


class GroupCheck(Authorizer, frozen=True):
    cel_type = GROUP_CHECK.name


class ResourceCheck(Authorizer, frozen=True):
    cel_type = RESOURCE_CHECK.name


class Decision(Struct, frozen=True):
    cel_type: ClassVar[str] = DECISION.name
    allowed: bool
    reason: str


def _narrow(kind: type[Authorizer], member: str) -> Callable[[Authorizer, str], Authorizer]:
    def narrow(one: Authorizer, value: str) -> Authorizer:
        said: dict[str, Any] = {member: value}
        return kind(one.decide, replace(one.question, **said))

    return narrow


def _path(one: Authorizer, path: str) -> Authorizer:
    if not path:
        raise CelError("path must not be empty")
    return PathCheck(one.decide, replace(one.question, path=path))


def _service_account(one: Authorizer, namespace: str, name: str) -> Authorizer:
    return Authorizer(one.decide, replace(one.question, service_account=(namespace, name)))


def _check(one: Authorizer, verb: str) -> Decision:
    return Decision(*one.decide(replace(one.question, verb=verb)))


def _same(one: Any, _selector: str) -> Any:
    return one


def install(library: Library) -> None:
    library.member("path", (AUTHORIZER, STRING), PATH_CHECK, _path)
    library.member("serviceAccount", (AUTHORIZER, STRING, STRING), AUTHORIZER, _service_account)
    library.member("group", (AUTHORIZER, STRING), GROUP_CHECK, _narrow(GroupCheck, "group"))
    library.member("resource", (GROUP_CHECK, STRING), RESOURCE_CHECK, _narrow(ResourceCheck, "resource"))
    for member in ("subresource", "namespace", "name"):
        narrow = _narrow(ResourceCheck, member)
        library.member(member, (RESOURCE_CHECK, STRING), RESOURCE_CHECK, narrow)
    for member in ("fieldSelector", "labelSelector"):  # no authorizer here looks at selectors
        library.member(member, (RESOURCE_CHECK, STRING), RESOURCE_CHECK, _same)
    for check in (PATH_CHECK, RESOURCE_CHECK):
        library.member("check", (check, STRING), DECISION, _check)
    library.member("allowed", (DECISION,), BOOL, lambda one: one.allowed)
    library.member("reason", (DECISION,), STRING, lambda one: one.reason)
    library.member("errored", (DECISION,), BOOL, lambda _: False)
    library.member("error", (DECISION,), STRING, lambda _: "")
