"""The operations of a resource, for OpenAPI. Clients read them for one thing: which parameters and patch types there are.

Version 3 keeps bodies beside parameters and names media types per body; version 2 keeps bodies among the parameters.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from fakekube.api.registry.strategy import ServedResource, Subresource
from fakekube.machinery.wire import Object

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ANSWERS = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_STRATEGIC = "application/strategic-merge-patch+json"

_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_LIST = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
)  # fmt: skip
_DELETE = (
    "dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents",
    "propagationPolicy",
)  # fmt: skip
_COLLECTION = tuple(sorted({*_LIST, *_DELETE} - {"allowWatchBookmarks", "watch"}))

_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "allowWatchBookmarks": ("boolean", "Ask for BOOKMARK events in a watch."),
    "continue": ("string", "The token of the page before, to get the next one."),
    "dryRun": ("string", "With All, every stage of the request runs but nothing is stored."),
    "fieldManager": ("string", "Who makes these changes; needed for apply."),
    "fieldSelector": ("string", "Restrict by fields. Defaults to everything."),
    "fieldValidation": ("string", "What to do with unknown or duplicate fields: Ignore, Warn or Strict."),
    "force": ("boolean", "Take over fields other managers own. Only for apply."),
    "gracePeriodSeconds": ("integer", "Seconds until the object is deleted; zero means at once."),
    "ignoreStoreReadErrorWithClusterBreakingPotential": ("boolean", "Delete objects that cannot be read."),
    "labelSelector": ("string", "Restrict by labels. Defaults to everything."),
    "limit": ("integer", "The most objects to return in one page."),
    "name": ("string", "name of the object"),
    "namespace": ("string", "object name and auth scope, such as for teams and projects"),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "path": ("string", "the rest of the path, passed on"),
    "pretty": ("string", "If 'true', then the output is pretty printed."),
    "propagationPolicy": ("string", "What happens to dependents: Orphan, Background or Foreground."),
    "resourceVersion": ("string", "How fresh the answer has to be, or where a watch begins."),
    "resourceVersionMatch": ("string", "How resourceVersion is applied to a list."),
    "sendInitialEvents": ("boolean", "Begin a watch with the objects there are."),
    "timeoutSeconds": ("integer", "How long a list or watch may take."),
    "watch": ("boolean", "Watch for changes instead of listing."),
}


class Operation(Struct, frozen=True):
    """One method of one path. `body` and `answer` are definition names; `patch` lists what a patch may be written in."""

    method: str
    action: str
    id: str
    gvk: Object
    query: tuple[str, ...] = ()
    body: str = ""
    answer: str = f"{_META}Status"
    created: bool = False
    stream: bool = False
    patch: tuple[str, ...] = ()


class Path(Struct, frozen=True):
    """One path with its operations."""

    path: str
    parameters: tuple[str, ...]
    operations: tuple[Operation, ...]


def paths(resource: ServedResource) -> Iterator[Path]:
    """Every path of a resource, the collections first."""
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    inner = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
    scope = ("namespace",) if resource.namespaced else ()
    make = _Maker(resource)
    if resource.namespaced and "list" in resource.verbs:
        yield Path(f"{root}/{resource.plural}", ("pretty",), (make.list_of("ForAllNamespaces"),))
    collection = tuple(make.collection())
    if collection:
        yield Path(f"{inner}/{resource.plural}", (*scope, "pretty"), collection)
    single = tuple(make.single())
    if single:
        yield Path(f"{inner}/{resource.plural}/{{name}}", ("name", *scope, "pretty"), single)
    for sub in resource.subresources:
        below = tuple(make.below(sub))
        yield Path(f"{inner}/{resource.plural}/{{name}}/{sub.name}", ("name", *scope, "pretty"), below)


class _Maker:
    """Makes the operations of one resource."""

    def __init__(self, resource: ServedResource) -> None:
        self.resource = resource
        self.name = resource.schema_name
        self.list_name = f"{self.name.rpartition('.')[0]}.{resource.list_kind}"
        group = "".join(part.capitalize() for part in (resource.group.partition(".")[0] or "core").split("-"))
        self.prefix = f"{group}{resource.version.capitalize()}{'Namespaced' if resource.namespaced else ''}"
        self.gvk = {"group": resource.group, "kind": resource.kind, "version": resource.version}
        self.patches = _PATCHES if resource.custom else (*_PATCHES, _STRATEGIC)

    def _id(self, verb: str, suffix: str = "") -> str:
        return f"{verb}{self.prefix}{self.resource.kind}{suffix}"

    def list_of(self, suffix: str = "") -> Operation:
        prefix = self.prefix.removesuffix("Namespaced") if suffix else self.prefix
        name = f"list{prefix}{self.resource.kind}{suffix}"
        return Operation("get", "list", name, self.gvk, _LIST, answer=self.list_name, stream=True)

    def collection(self) -> Iterator[Operation]:
        verbs = self.resource.verbs
        if "list" in verbs:
            yield self.list_of()
        if "create" in verbs:
            yield Operation(
                "post", "post", self._id("create"), self.gvk, _WRITE, self.name, self.name, created=True
            )
        if "deletecollection" in verbs:
            name, body = f"delete{self.prefix}Collection{self.resource.kind}", f"{_META}DeleteOptions"
            yield Operation("delete", "deletecollection", name, self.gvk, _COLLECTION, body)

    def single(self) -> Iterator[Operation]:
        verbs = self.resource.verbs
        if "get" in verbs:
            yield Operation("get", "get", self._id("read"), self.gvk, answer=self.name)
        if "update" in verbs:
            yield self._put(self.name, "", self.gvk)
        if "patch" in verbs:
            yield self._patch(self.name, "", self.gvk)
        if "delete" in verbs:
            body, query = f"{_META}DeleteOptions", _DELETE
            yield Operation("delete", "delete", self._id("delete"), self.gvk, query, body)

    def below(self, sub: Subresource) -> Iterator[Operation]:
        suffix = "".join(part.capitalize() for part in sub.name.split("-"))
        gvk, name = self._of(sub)
        if not name:
            for verb in sub.verbs:
                method = {"create": "post", "update": "put"}.get(verb, verb)
                yield Operation(
                    method, "connect", self._id(f"connect{method.capitalize()}", suffix), gvk, answer=""
                )
            return
        for verb in sub.verbs:
            match verb:
                case "get":
                    yield Operation("get", "get", self._id("read", suffix), gvk, answer=name)
                case "update":
                    yield self._put(name, suffix, gvk)
                case "patch":
                    yield self._patch(name, suffix, gvk)
                case "create":
                    yield Operation(
                        "post", "post", self._id("create", suffix), gvk, _WRITE, name, name, created=True
                    )

    def _of(self, sub: Subresource) -> tuple[Object, str]:
        """(group version kind, definition) of a subresource; no definition where it is a connection."""
        if sub.version:
            package = {
                "autoscaling": "io.k8s.api.autoscaling",
                "policy": "io.k8s.api.policy",
                "authentication.k8s.io": "io.k8s.api.authentication",
            }[sub.group]
            gvk = {"group": sub.group, "kind": sub.kind, "version": sub.version}
            return gvk, f"{package}.{sub.version}.{sub.kind}"
        gvk = {**self.gvk, "kind": sub.kind}
        if sub.kind.endswith("Options") or sub.name == "log":
            return gvk, ""
        return gvk, f"{self.name.rpartition('.')[0]}.{sub.kind}"

    def _put(self, name: str, suffix: str, gvk: Object) -> Operation:
        return Operation("put", "put", self._id("replace", suffix), gvk, _WRITE, name, name, created=True)

    def _patch(self, name: str, suffix: str, gvk: Object) -> Operation:
        query = (*_WRITE, "force")
        return Operation(
            "patch",
            "patch",
            self._id("patch", suffix),
            gvk,
            query,
            f"{_META}Patch",
            name,
            created=True,
            patch=self.patches,
        )


# ── version 3 ────────────────────────────────────────────────────────────────────────────────────────────────────────


def v3(path: Path) -> Object:
    """A path item of version 3."""
    item: Object = {one.method: _v3_operation(one) for one in path.operations}
    item["parameters"] = [_v3_parameter(name, place=_place(name)) for name in path.parameters]
    return item


def _place(name: str) -> str:
    return "path" if name in ("name", "namespace", "path") else "query"


def _v3_parameter(name: str, place: str) -> Object:
    type_, text = _PARAMETERS[name]
    found: Object = {"name": name, "in": place, "description": text}
    if place == "path":
        found["required"] = True
    return {**found, "schema": {"type": type_, "uniqueItems": True}}


def _v3_operation(one: Operation) -> Object:
    ref = {"$ref": f"#/components/schemas/{one.answer}"}
    types = _ANSWERS + _STREAMS if one.stream else _ANSWERS
    content: Object = (
        {media: {"schema": ref} for media in types} if one.answer else {"*/*": {"schema": {"type": "string"}}}
    )
    responses: Object = {"200": {"description": "OK", "content": content}}
    if one.created:
        responses["201"] = {"description": "Created", "content": content}
    responses["401"] = {"description": "Unauthorized"}
    found: Object = {"operationId": one.id}
    if one.query:
        found["parameters"] = [_v3_parameter(name, "query") for name in one.query]
    if one.body:
        body = {"schema": {"$ref": f"#/components/schemas/{one.body}"}}
        found["requestBody"] = {
            "content": dict.fromkeys(one.patch or ("*/*",), body),
            "required": one.method != "delete",
        }
        if one.method == "delete":
            del found["requestBody"]["required"]
    return found | {
        "responses": responses,
        "x-kubernetes-action": one.action,
        "x-kubernetes-group-version-kind": one.gvk,
    }


# ── version 2 ────────────────────────────────────────────────────────────────────────────────────────────────────────


def v2(path: Path) -> Object:
    """A path item of version 2."""
    item: Object = {one.method: _v2_operation(one) for one in path.operations}
    item["parameters"] = [_v2_parameter(name, place=_place(name)) for name in path.parameters]
    return item


def _v2_parameter(name: str, place: str) -> Object:
    type_, text = _PARAMETERS[name]
    found: Object = {"uniqueItems": True, "type": type_, "description": text, "name": name, "in": place}
    return found | ({"required": True} if place == "path" else {})


def _v2_operation(one: Operation) -> Object:
    schema: Any = {"$ref": f"#/definitions/{one.answer}"} if one.answer else {"type": "string"}
    responses: Object = {"200": {"description": "OK", "schema": schema}}
    if one.created:
        responses["201"] = {"description": "Created", "schema": schema}
    responses["401"] = {"description": "Unauthorized"}
    parameters = [_v2_parameter(name, "query") for name in one.query]
    if one.body:
        body: Object = {"name": "body", "in": "body", "schema": {"$ref": f"#/definitions/{one.body}"}}
        parameters.insert(0, body | ({"required": True} if one.method != "delete" else {}))
    found: Object = {
        "consumes": list(one.patch or ("*/*",)),
        "produces": list(_ANSWERS + _STREAMS if one.stream else _ANSWERS) if one.answer else ["*/*"],
        "operationId": one.id,
    }
    if parameters:
        found["parameters"] = parameters
    return found | {
        "responses": responses,
        "x-kubernetes-action": one.action,
        "x-kubernetes-group-version-kind": one.gvk,
    }
