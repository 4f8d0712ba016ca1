"""ResourceQuota: what a namespace may hold in all.

Upstream a plugin adds up what it lets in, and a controller corrects it by what has gone. Here both are one: every quota
keeps a tally that follows what is stored, of custom resources as of built-in ones. Nothing is followed, and nothing
counted, before there is a first quota.
Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go
"""

from collections.abc import Iterable, Mapping

from fakekube.api.admission.attributes import CREATE, UPDATE, Attributes
from fakekube.api.admission.chain import Plugin
from fakekube.api.admission.plugins import quota_usage
from fakekube.api.admission.plugins.following import refused
from fakekube.api.admission.plugins.quota_usage import Usage
from fakekube.api.registry import codec
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Registry, WriteContext
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.errors import NotFound
from fakekube.machinery.wire import Object

_UNCOUNTED = "events"  # in either group


class _Tally:
    """One quota and what the objects it is about count for."""

    def __init__(self, quota: Object) -> None:
        self.quota = quota
        self.total: Usage = {}
        self._counted: dict[str, Usage] = {}

    @property
    def hard(self) -> Mapping[str, str]:
        return self.quota["spec"].get("hard") or {}

    def put(self, key: str, usage: Usage) -> None:
        """The object of that store key counts for this much from now on."""
        for sign, amounts in ((-1, self._counted.pop(key, {})), (1, usage)):
            for name, amount in amounts.items():
                self.total[name] = self.total.get(name, 0) + sign * amount
        if usage:
            self._counted[key] = usage

    def status(self) -> Object:
        used = {name: quota_usage.text(self.total.get(name, 0), like) for name, like in self.hard.items()}
        return {"hard": dict(self.hard), "used": used}


class ResourceQuota(Plugin):
    """Refuses what goes beyond, and keeps `status` of quotas true."""

    def __init__(self, registry: Registry, catalog: Catalog) -> None:
        self._registry = registry
        quotas = catalog.find("", "v1", "resourcequotas")
        assert quotas is not None, "resourcequotas are missing from the built-in tables"
        self._quotas = quotas
        self._catalog = catalog
        self._tallies: dict[str, dict[str, _Tally]] = {}  # namespace → name → tally

    async def validate(self, attributes: Attributes) -> None:
        here = self._tallies.get(attributes.namespace) if self._tallies else None
        obj, resource = attributes.obj, attributes.resource
        if not here or obj is None or attributes.subresource or attributes.operation not in (CREATE, UPDATE):
            return
        more = quota_usage.usage_of(resource.group, resource.plural, obj)
        if attributes.operation == UPDATE and attributes.old is not None:
            before = quota_usage.usage_of(resource.group, resource.plural, attributes.old)
            more = {name: amount - before.get(name, 0) for name, amount in more.items()}
        for name, tally in here.items():
            if not quota_usage.concerns(tally.quota, resource.plural, obj):
                continue
            if resource.plural == "pods" and attributes.operation == CREATE:
                untold = quota_usage.untold(obj["spec"], tally.hard)
                if untold:
                    raise refused(attributes, f"failed quota: {name}: must specify {untold}")
            asked = {key: amount for key, amount in more.items() if amount > 0 and key in tally.hard}
            over = sorted(
                key
                for key, amount in asked.items()
                if tally.total.get(key, 0) + amount > quota_usage.value(tally.hard[key])
            )
            if over:
                why = (
                    f"exceeded quota: {name}, requested: {_shown(asked, over, tally)}, "
                    f"used: {_shown(tally.total, over, tally)}, "
                    f"limited: {','.join(f'{key}={tally.hard[key]}' for key in over)}"
                )
                raise refused(attributes, why)

    async def committed(self, _resource: ServedResource, quota: Object, deleted: bool) -> None:
        """A quota was written or is gone: the registry's `Committed`."""
        space, name = quota["metadata"]["namespace"], quota["metadata"]["name"]
        here = self._tallies.setdefault(space, {})
        known = here.get(name)
        if deleted:
            here.pop(name, None)
            if not here:
                del self._tallies[space]
        elif known is not None and known.quota["spec"] == quota["spec"]:
            known.quota = quota
        else:
            self._registry.follower = self._written
            here[name] = await self._count(quota)
            await self._tell(here[name])

    async def _count(self, quota: Object) -> _Tally:
        tally = _Tally(quota)
        for resource in self._catalog.stored():
            if not _countable(resource):
                continue
            page = await self._registry.store.list(resource.key(quota["metadata"]["namespace"], ""))
            for entry in page.entries:
                obj = codec.decode(resource, entry)
                if quota_usage.concerns(quota, resource.plural, obj):
                    tally.put(entry.key, quota_usage.usage_of(resource.group, resource.plural, obj))
        return tally

    async def _written(self, resource: ServedResource, obj: Object, deleted: bool) -> None:
        meta = obj["metadata"]
        space = meta.get("namespace") or ""
        here = self._tallies.get(space) if _countable(resource) else None
        tallies: Iterable[_Tally] = list(here.values()) if here else ()
        for tally in tallies:
            counts = not deleted and quota_usage.concerns(tally.quota, resource.plural, obj)
            usage = quota_usage.usage_of(resource.group, resource.plural, obj) if counts else {}
            tally.put(resource.key(space, meta["name"]), usage)
            await self._tell(tally)

    async def _tell(self, tally: _Tally) -> None:
        """Write the tally into the quota's status, where it says something else."""
        status = tally.status()
        if not tally.hard or (tally.quota.get("status") or {}) == status:
            return
        meta = tally.quota["metadata"]

        async def transform(old: Object) -> Object:
            return {**old, "metadata": dict(old["metadata"]), "status": status}

        context = WriteContext("kube-controller-manager", [], subresource="status")
        try:
            await self._registry.update(self._quotas, meta["namespace"], meta["name"], transform, context)
        except NotFound:
            return  # gone meanwhile


def _countable(resource: ServedResource) -> bool:
    return resource.namespaced and resource.plural != _UNCOUNTED


def _shown(amounts: Usage, names: Iterable[str], tally: _Tally) -> str:
    return ",".join(f"{name}={quota_usage.text(amounts.get(name, 0), tally.hard[name])}" for name in names)
