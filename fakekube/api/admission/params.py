"""Parameters of policies: the objects a binding names, by name or by selector, in the writer's namespace or another.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go (CollectParams)
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.registry import codec
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Registry
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import selectors
from fakekube.machinery.errors import NotFound
from fakekube.machinery.wire import Object


class ParamError(Exception):
    """The parameters cannot be had; `part` says whose fault it is: the policy's or the binding's."""

    def __init__(self, text: str, part: str = "binding") -> None:
        super().__init__(text)
        self.part = part


async def collect(
    kind: Mapping[str, str] | None,
    ref: Mapping[str, Any] | None,
    namespace: str,
    catalog: Catalog,
    registry: Registry,
) -> list[Object | None]:
    """The parameter objects to evaluate with, one after the other; a single None where there are none to have.

    Raises ParamError.
    """
    if kind is None:
        return [None]
    resource = _resource(kind, catalog)
    if ref is None:
        return [None]
    place = _namespace(resource, ref, namespace)
    name, selector = ref.get("name") or "", ref.get("selector")
    found: list[Object | None] = []
    if name:
        if selector is not None:
            raise ParamError("paramRef.name and paramRef.selector are mutually exclusive")
        try:
            found = [codec.decode(resource, await registry.get(resource, place, name))]
        except NotFound:
            found = []
    elif selector is not None:
        wanted = selectors.from_object(selector)
        page = await registry.reading.page(resource, resource.key(place, "") if place else resource.prefix)
        found = [
            codec.decode(resource, entry)
            for entry in page.entries
            if wanted.matches(codec.memo(resource, entry).labels)
        ]
    else:
        raise ParamError("one of name or selector must be provided")
    if not found and ref.get("parameterNotFoundAction") == "Deny":
        raise ParamError("no params found for policy binding with `Deny` parameterNotFoundAction")
    return found


def _resource(kind: Mapping[str, str], catalog: Catalog) -> ServedResource:
    group, _, version = str(kind.get("apiVersion") or "").rpartition("/")
    name = str(kind.get("kind") or "")
    resource = catalog.by_kind(group, version, name)
    if resource is None:
        said = f"{group}/{version}, Kind={name}"
        raise ParamError(f"failed to find resource referenced by paramKind: '{said}'", "policy")
    return resource


def _namespace(resource: ServedResource, ref: Mapping[str, Any], namespace: str) -> str:
    asked = str(ref.get("namespace") or "")
    if not resource.namespaced:
        if asked:
            raise ParamError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    if not asked and not namespace:
        raise ParamError(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    return asked or namespace
