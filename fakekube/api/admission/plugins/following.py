"""Objects admission has to know at every write: kept in memory by following their writes, never looked up.

Shared with every plugin that needs them; what is handed out must not be changed.
"""

from collections.abc import Iterable, Mapping

from fakekube.api.admission.attributes import Attributes
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.errors import Forbidden, forbidden
from fakekube.machinery.wire import Object


class Followed:
    """All objects of one resource, by namespace (empty for the cluster's own) and name."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Object]] = {}

    async def committed(self, _resource: ServedResource, obj: Object, deleted: bool) -> None:
        """The registry's `Committed`."""
        meta = obj["metadata"]
        space = meta.get("namespace") or ""
        here = self._objects.setdefault(space, {})
        if deleted:
            here.pop(meta["name"], None)
            if not here:
                del self._objects[space]
        else:
            here[meta["name"]] = obj

    def __bool__(self) -> bool:
        return bool(self._objects)

    def of(self, namespace: str = "") -> Iterable[Object]:
        return self._objects.get(namespace, {}).values()

    def named(self, name: str, namespace: str = "") -> Mapping[str, object] | None:
        return self._objects.get(namespace, {}).get(name)


def refused(attributes: Attributes, why: str) -> Forbidden:
    """403 about the object of a write, which may not have got its name yet."""
    meta = (attributes.obj or {}).get("metadata") or {}
    name = attributes.name or str(meta.get("name") or meta.get("generateName") or "")
    return forbidden(attributes.resource.plural, attributes.resource.group, name, why)
