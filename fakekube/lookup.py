"""What people write, `vm/a`, `VirtualMachine`, `condition=Ready`, → what the API is asked and what is looked for."""

from collections.abc import Callable, Mapping
from typing import Any

from fakekube.client.client import Client
from fakekube.client.discovery import discover
from fakekube.machinery import objects
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import Resource, split_api_version
from fakekube.machinery.wire import Object
from fakekube.traffic.seen import meant

Ref = str | Mapping[str, Any]  # `vm/a`, or an object
Condition = Callable[[Object | None], bool]


class Unclear(ValueError):
    """A reference or an expression that cannot be understood; the text shows how they look."""


class Lookup:
    """Names of kinds, from the cluster's discovery; asked again when a name is new."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_name: dict[str, Resource] = {}

    async def resource(self, name: str) -> Resource:
        """The resource with this plural, singular, short name or kind, with or without its group. Raises Unclear."""
        wanted = name.lower()
        if wanted not in self._by_name:
            await self._discover()
        found = self._by_name.get(wanted)
        if found is None:
            raise Unclear(f"the cluster serves no {name!r}; {meant(wanted, sorted(self._by_name))}")
        return found

    async def of(self, obj: Mapping[str, Any]) -> Resource:
        """The resource of an object, in the object's own version. Raises Unclear."""
        group, version = split_api_version(str(obj.get("apiVersion") or ""))
        kind = str(obj.get("kind") or "")
        found = await self.resource(f"{kind}.{group}" if group else kind)
        return Resource(found.group, version, found.plural, found.kind, namespaced=found.namespaced)

    async def find(self, ref: Ref, name: str, namespace: str) -> tuple[Resource, str, str | None]:
        """Resource, name and namespace of what is meant. Raises Unclear."""
        if isinstance(ref, Mapping):
            resource = await self.of(ref)
            own = objects.namespace(dict(ref)) or namespace
            return resource, objects.name(dict(ref)), own if resource.namespaced else None
        kind, slash, rest = ref.partition("/")
        if bool(slash) == bool(name):
            raise Unclear(
                f"{ref!r} is not clear; write 'vm/a', or the kind and the name as 'vm', 'a', or give an object"
            )
        resource = await self.resource(kind)
        return resource, name or rest, namespace if resource.namespaced else None

    async def _discover(self) -> None:
        names: dict[str, Resource] = {}
        for one in (await discover(self._client)).served:
            resource = one.resource
            plain = (resource.plural, resource.kind.lower(), *one.aliases)
            for name in (*plain, *(f"{name}.{resource.group}" for name in plain if resource.group)):
                names.setdefault(name.lower(), resource)
        self._by_name = names


class Look:
    """Whether a condition holds of an object now; `last` is what it was like at the last look."""

    def __init__(
        self, client: Client, resource: Resource, name: str, namespace: str | None, holds: Condition
    ) -> None:
        self._get = client.get
        self._address = resource, name, namespace
        self._holds = holds
        self.last: Object | None = None

    async def __call__(self) -> bool:
        """Look."""
        try:
            self.last = await self._get(*self._address)
        except NotFound:
            self.last = None
        return self._holds(self.last)


def condition(expression: str) -> Condition:
    """The check behind `condition=Ready`, `condition=Ready=False`, `jsonpath={.status.phase}=Running`, `delete`, `create`.

    Raises Unclear.
    """
    kind, _, rest = expression.partition("=")
    if expression == "delete":
        return lambda obj: obj is None
    if expression == "create":
        return lambda obj: obj is not None
    if kind == "condition" and rest:
        name, _, status = rest.partition("=")
        return lambda obj: obj is not None and _has(obj, name, status or "True")
    path, equals, value = rest.rpartition("=")
    if (
        kind == "jsonpath"
        and equals
        and path.strip("'\"").startswith("{.")
        and path.strip("'\"").endswith("}")
    ):
        steps = path.strip("'\"")[2:-1].split(".")
        return lambda obj: obj is not None and _text(dig(obj, *steps)) == value
    raise Unclear(
        f"cannot wait for {expression!r}; write 'condition=Ready', 'condition=Ready=False', "
        "'jsonpath={.status.phase}=Running', 'delete', 'create', or give a function of the object"
    )


def _has(obj: Object, name: str, status: str) -> bool:
    return any(
        str(one.get("type", "")).lower() == name.lower()
        and str(one.get("status", "")).lower() == status.lower()
        for one in dig(obj, "status", "conditions", default=()) or ()
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
