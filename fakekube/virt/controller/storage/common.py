"""What the five parts share: resources of their own, conditions, and how a status is written."""

from collections.abc import Callable, Iterable
from typing import Any

from fakekube.client.client import Client
from fakekube.client.controller import Keys
from fakekube.client.informer import Informer
from fakekube.machinery.objects import dig, finalizers, key, name, namespace, without
from fakekube.machinery.resources import VIRTUAL_MACHINES, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, patches
from fakekube.virt.controller.wiring import Wiring

CONTENTS = Resource(
    "snapshot.kubevirt.io", "v1beta1", "virtualmachinesnapshotcontents", "VirtualMachineSnapshotContent"
)
CLONES = Resource("clone.kubevirt.io", "v1beta1", "virtualmachineclones", "VirtualMachineClone")
RETRY = 5.0  # seconds until a snapshot looks again at what stands in its way, of which nobody would tell


class Part:
    """One resource, its cache and its queue. The rest is for those who inherit: `_reconcile`."""

    resource: Resource
    kind: str

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._client = wiring.client
        self._informers = wiring.informers
        self._recorder = wiring.recorder
        self._clock = wiring.clock
        self._ids = wiring.ids
        self.objects = self._cache()
        self._writer = wiring.writer(self.objects)
        self.controller = wiring.controller(self.kind, self._look, self.objects)

    def _of_own(self, informer: Informer, keys: Keys) -> None:
        """Be woken by what objects of this resource are about."""
        self.controller.source(informer, keys, about=self.objects)

    def _cache(self) -> Informer:
        return Informer(self._client, self.resource, clock=self._clock)

    async def _look(self, own: str) -> Any:
        obj = self.objects.get(own)
        if obj is None or self._writer.behind(own):
            return None
        return await self._reconcile(obj)

    async def _reconcile(self, obj: Object) -> Any:
        raise NotImplementedError

    def _now(self) -> str:
        return self._wiring.now()

    async def _tell(
        self, obj: Object, conditions_: Iterable[conditions.Condition] = (), **members: Any
    ) -> Object:
        """Write the status with these members and conditions changed, if that changes anything. None takes one away."""
        old: Object = obj.get("status") or {}
        new = {member: value for member, value in {**old, **members}.items() if value is not None}
        listed: list[conditions.Condition] = list(old.get("conditions") or ())
        for one in conditions_:
            if not self._agree(conditions.find(listed, one["type"]), one):
                listed = conditions.put(listed, one)
        if listed:
            new["conditions"] = listed
        if new == old:
            return obj
        return await self._writer.update({**obj, "status": new}, subresource="status")

    def _agree(self, old: conditions.Condition | None, new: conditions.Condition) -> bool:
        """Whether a condition need not be written again."""
        return conditions.says_the_same(old, new)

    def _said(self, type_: str, status: bool, reason: str) -> conditions.Condition:
        made = conditions.make(type_, "True" if status else "False", reason, now=self._now())
        del made["lastProbeTime"]
        return made

    async def _hold(self, obj: Object, finalizer: str) -> Object:
        if finalizer in finalizers(obj):
            return obj
        meta = {**obj["metadata"], "finalizers": [*finalizers(obj), finalizer]}
        return await self._writer.update({**obj, "metadata": meta})

    async def _let_go(self, obj: Object, finalizer: str) -> None:
        if finalizer in finalizers(obj):
            meta = {**obj["metadata"], "finalizers": without(finalizers(obj), finalizer)}
            await self._client.update(self.resource, {**obj, "metadata": meta})

    async def _note_on_vm(self, vm: Object, member: str, value: str | None) -> None:
        await note_on_vm(self._client, vm, member, value)


async def note_on_vm(client: Client, vm: Object, member: str, value: str | None) -> None:
    """Tell in the VM's status what is under way; None: nothing any more."""
    from_api = await client.find(VIRTUAL_MACHINES, name(vm), namespace(vm))
    if from_api is None:
        return
    present = dig(from_api, "status", member)
    if present == value:
        return
    path = f"/status/{member}"
    if value is None:
        operations = patches.removed(path, present)
    else:
        operations = patches.added(path, value)
        if not from_api.get("status"):
            operations = [{"op": "add", "path": "/status", "value": {member: value}}]
    await client.patch(
        VIRTUAL_MACHINES, name(vm), namespace(vm), operations, type="json", subresource="status"
    )


Index = Callable[[Object], Iterable[str]]


def named_by(member: str) -> Index:
    """An index: namespace/name of what `spec.<member>` names."""

    def of(obj: Object) -> Iterable[str]:
        found = dig(obj, "spec", member, "name")
        return (f"{namespace(obj)}/{found}",) if found else ()

    return of


def same_key(informer: Informer, index: str) -> Any:
    """Keys for a source: the objects of `informer` that name what has changed."""

    def of(old: Object | None, new: Object | None) -> Iterable[str]:
        changed = new or old
        return [key(one) for one in informer.by_index(index, key(changed))] if changed else ()

    return of
