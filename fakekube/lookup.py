"""What people write, `vm/a`, `VirtualMachine`, `condition=Ready`, → what the API is asked and what is looked for."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fakekube.api.extend.jsonpath import JsonPathError, finder
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


_JSONPATH = re.compile(r"""(['"]?)\{(?P<path>[.\[].+?)\}\1(=(?P<value>.*))?""", re.DOTALL)


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
            plurals = sorted({one.plural for one in self._by_name.values()})
            raise Unclear(f"the cluster serves no {name!r}; {meant(wanted, sorted(self._by_name), plurals)}")
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
            plain = (resource.plural, resource.kind.lower(), *filter(None, one.aliases))
            for name in (*plain, *(f"{name}.{resource.group}" for name in plain if resource.group)):
                names.setdefault(name.lower(), resource)
        self._by_name = names


class Look:
    """Whether a condition holds of an object now; `last` is what it was like at the last look, `missed` what the
    condition, a function of somebody's, did not find in it."""

    def __init__(
        self, client: Client, resource: Resource, name: str, namespace: str | None, holds: Condition
    ) -> None:
        self._get = client.get
        self._address = resource, name, namespace
        self._holds = holds
        self.last: Object | None = None
        self.missed: LookupError | TypeError | None = None

    async def __call__(self) -> bool:
        """Look. What is not there yet may still come: `lambda vm: vm["status"]["ready"]` does not hold of a VM without."""
        try:
            self.last = await self._get(*self._address)
        except NotFound:
            self.last = None
        try:
            holds, self.missed = self._holds(self.last), None
        except (LookupError, TypeError) as error:
            holds, self.missed = False, error
        return holds


def condition(expression: str) -> Condition:
    """The check behind `condition=Ready`, `condition=Ready=False`, `jsonpath={.status.phase}=Running` (or without a
    value: anything), `delete`, `create`, as `kubectl wait` has them.

    Raises Unclear, and so does the check of a path that leads to what cannot be compared.
    """
    kind, _, rest = expression.partition("=")
    if expression == "delete":
        return lambda obj: obj is None
    if expression == "create":
        return lambda obj: obj is not None
    if kind == "condition" and rest:
        name, _, status = rest.partition("=")
        return lambda obj: obj is not None and _has(obj, name, status or "True")
    if kind == "jsonpath" and (parts := _JSONPATH.fullmatch(rest)):
        try:
            find = finder(parts["path"])
        except JsonPathError as error:
            raise Unclear(f"{expression!r}: {error}") from None
        value = parts["value"]
        return lambda obj: obj is not None and _leads(expression, find(obj), value)
    raise Unclear(
        f"cannot wait for {expression!r}; write 'condition=Ready', 'condition=Ready=False', "
        "'jsonpath={.status.phase}=Running', 'delete', 'create', or give a function of the object"
    )


def _has(obj: Object, name: str, status: str) -> bool:
    """Whether a condition is so; one that was observed of an older generation says nothing of this one."""
    for one in dig(obj, "status", "conditions", default=()) or ():
        if str(one.get("type", "")).lower() == name.lower():
            observed = one.get("observedGeneration") or dig(obj, "status", "observedGeneration")
            if observed and observed < (dig(obj, "metadata", "generation") or 0):
                return False
            return str(one.get("status", "")).lower() == status.lower()
    return False


def _leads(expression: str, found: list[Any], value: str | None) -> bool:
    if not found or value is None:
        return bool(found)
    if len(found) > 1 or isinstance(found[0], dict | list):
        what = "more than one value" if len(found) > 1 else "an object or a list"
        raise Unclear(f"{expression!r} leads to {what}, which cannot be compared")
    return _text(found[0]) == value.strip("'\"")


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
