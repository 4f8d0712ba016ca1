"""NamespaceLifecycle: nothing is created in a namespace that is absent or on its way out; some are never deleted.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go
"""

from fakekube.api.admission.attributes import CREATE, DELETE, Attributes
from fakekube.api.admission.chain import Plugin
from fakekube.api.registry import codec
from fakekube.api.registry.registry import Registry
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.errors import forbidden, not_found

_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle(Plugin):
    """Looks namespaces up in the store, where their Terminating phase shows first."""

    def __init__(self, registry: Registry, namespaces: ServedResource) -> None:
        self._store = registry.store
        self._namespaces = namespaces

    async def mutate(self, attributes: Attributes) -> None:
        resource = attributes.resource
        if attributes.operation == DELETE and resource is self._namespaces and attributes.name in _IMMORTAL:
            raise forbidden("namespaces", "", attributes.name, "this namespace may not be deleted")
        if attributes.operation != CREATE or not resource.namespaced:
            return
        if attributes.subresource or resource.verbs == ("create",):
            return
        entry = await self._store.get(self._namespaces.key("", attributes.namespace))
        if entry is None:
            raise not_found("namespaces", "", attributes.namespace)
        if b'"deletionTimestamp":' not in entry.value:
            return
        namespace = codec.decode(self._namespaces, entry)
        if "deletionTimestamp" in namespace["metadata"]:
            name = attributes.name or str((attributes.obj or {}).get("metadata", {}).get("name") or "")
            error = forbidden(
                resource.plural,
                resource.group,
                name,
                f"unable to create new content in namespace {attributes.namespace} because it is being terminated",
            )
            error.details = (error.details or {}) | {
                "causes": [
                    {
                        "reason": "NamespaceTerminating",
                        "message": f"namespace {attributes.namespace} is being terminated",
                        "field": "metadata.namespace",
                    }
                ]
            }
            raise error
