"""virt-synchronization-controller as an actor: it tells the instance a guest leaves and the one it comes to of each other.

Both are of this cluster, in whatever namespaces; where an address is not its own, nobody answers.
Origin: kubevirt: pkg/synchronization-controller/synchronization-controller.go
"""

from collections.abc import Iterable

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.late import WantedInformer
from fakekube.clock import Clock, rfc3339
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import (
    dig,
    finalizers,
    is_final,
    is_terminating,
    key,
    name,
    namespace,
    without,
)
from fakekube.machinery.resources import KUBEVIRTS, MIGRATIONS, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt import sides
from fakekube.virt.synchronization import telling

FINALIZER = "synchronization.kubevirt.io/migrationFinalizer"
_BY_ID, _BY_VMI = "id", "vmi"


class Synchronization:
    """See the module text."""

    name = "virt-synchronization-controller"

    def __init__(self, client: Client, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._migrations = Informer(client, MIGRATIONS, clock=clock)
        self._migrations.add_index(_BY_ID, _id_of)
        self._migrations.add_index(_BY_VMI, _vmi_of)
        self._vmis = WantedInformer(client, VIRTUAL_MACHINE_INSTANCES, clock=clock)
        self._migrations.on_change(self._seen)
        self._kubevirts = Informer(client, KUBEVIRTS, clock=clock)
        self._controller = Controller(self.name, self._reconcile, clock=clock)
        self._controller.source(self._migrations, _changed)
        self._controller.source(self._vmis, self._ids_of)
        self._controller.source(self._kubevirts, self._all_ids)

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on."""
        return self._controller.idle

    async def run(self) -> None:
        """Work until cancelled."""
        await self._controller.run()

    def _seen(self, _old: Object | None, new: Object | None) -> None:
        """Instances are followed from the first migration on that has another side."""
        if new is not None and sides.id_of(new):
            self._vmis.begin()

    def _ids_of(self, old: Object | None, new: Object | None) -> Iterable[str]:
        vmi = new or old
        found = self._migrations.by_index(_BY_VMI, key(vmi)) if vmi is not None else ()
        return {sides.id_of(one) for one in found}

    def _all_ids(self, _old: Object | None, _new: Object | None) -> Iterable[str]:
        return {identity for one in self._migrations.objects() for identity in _id_of(one)}

    async def _reconcile(self, identity: str) -> Result | None:
        addresses = self._addresses()
        known = self._migrations.by_index(_BY_ID, identity)
        if not addresses and not any(FINALIZER in finalizers(one) for one in known):
            return None
        try:
            for one in known:
                await self._hold(one)
            sending = _current(one for one in known if sides.leaves(one))
            receiving = _current(one for one in known if sides.arrives(one))
            ours = dig(sending, "spec", "sendTo", "connectURL") in addresses
            if ours:
                await self._end_both(sending, receiving)
            if addresses:
                await self._tell(identity, sending, receiving, addresses, ours=ours)
        except (Conflict, NotFound):
            return None  # what was changed meanwhile wakes us again
        return None

    def _addresses(self) -> list[str]:
        for one in self._kubevirts.objects():
            return list(dig(one, "status", "synchronizationAddresses") or ())
        return []

    async def _hold(self, migration: Object) -> None:
        """A migration under way stays until the other side knows what becomes of it."""
        held = FINALIZER in finalizers(migration)
        if is_final(migration) or is_terminating(migration) or self._vmi(migration) is None:
            wanted = without(finalizers(migration), FINALIZER) if held else finalizers(migration)
        else:
            wanted = [*finalizers(migration), FINALIZER] if not held else finalizers(migration)
        if list(wanted) != list(finalizers(migration)):
            meta = {**migration["metadata"], "finalizers": list(wanted)}
            await self._client.update(MIGRATIONS, {**migration, "metadata": meta})

    async def _end_both(self, sending: Object | None, receiving: Object | None) -> None:
        """Who takes back one side takes back both."""
        for one, other in ((sending, receiving), (receiving, sending)):
            if one is None or other is None or not is_terminating(one) or is_final(one):
                continue
            if not is_terminating(other) and not is_final(other):
                await self._client.delete(MIGRATIONS, name(other), namespace(other))

    async def _tell(
        self,
        identity: str,
        sending: Object | None,
        receiving: Object | None,
        addresses: list[str],
        *,
        ours: bool,
    ) -> None:
        source, target = self._vmi(sending), self._vmi(receiving)
        if target is not None and receiving is not None and not is_final(receiving):
            told = telling.addressed(target, receiving, addresses[0])
            if source is not None and sending is not None and ours:
                told = telling.of_source(told, receiving, source, sending, addresses[0])
            missing = source is None or not ours
            await self._write(target, telling.warned(told, telling.AWAITED if missing else "", self._now()))
        if source is not None and sending is not None and not is_final(sending):
            told, text = source, telling.unknown(identity)
            if not ours:
                text = telling.unreachable(dig(sending, "spec", "sendTo", "connectURL", default=""))
            elif target is not None and receiving is not None:
                told, text = telling.of_target(source, sending, target, receiving), ""
            await self._write(source, telling.warned(told, text, self._now()))

    async def _write(self, vmi: Object, told: Object) -> None:
        if told != vmi:
            await self._client.update(VIRTUAL_MACHINE_INSTANCES, told)

    def _vmi(self, migration: Object | None) -> Object | None:
        for own in _vmi_of(migration) if migration is not None else ():
            return self._vmis.get(own)
        return None

    def _now(self) -> str:
        return rfc3339(self._clock.now())


def _current(migrations: Iterable[Object]) -> Object | None:
    """The one under way, or else any."""
    return next(iter(sorted(migrations, key=is_final)), None)


def _id_of(migration: Object) -> Iterable[str]:
    identity = sides.id_of(migration)
    return (identity,) if identity else ()


def _vmi_of(migration: Object) -> Iterable[str]:
    own = dig(migration, "spec", "vmiName", default="")
    return (f"{namespace(migration)}/{own}",) if sides.id_of(migration) else ()


def _changed(old: Object | None, new: Object | None) -> Iterable[str]:
    migration = new or old
    return _id_of(migration) if migration is not None else ()
