"""Performing actions: which requests each one is made of, and what it tells as an event.

How a request is made safe against stale knowledge is `requests`' business; what to do at all was `plan`'s.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

import asyncio
from collections.abc import Iterable

from msgspec import Struct

from controller import building, patches, preservation, revisions
from controller.actions import (
    Action,
    AddPoolFinalizer,
    CreateRevision,
    CreateVM,
    DeleteRevision,
    DeleteVM,
    DisownVM,
    RelabelVMI,
    ReleaseVM,
    RemovePoolFinalizer,
    ReplaceVM,
    RestartVMI,
    Stage,
    UpdateVM,
)
from controller.observe import controlling_pool
from controller.requests import Behind, Requests
from controller.spec import FINALIZER, SpecError
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.machinery import objects
from fakekube.machinery.errors import AlreadyExists, ApiError
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
    Resource,
)
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object

PARALLEL = 32  # requests under way for one pool


class Performer(Struct):
    """Performs the actions of one reconcile. `pool` follows what is written to it."""

    requests: Requests
    recorder: Recorder
    pool: Object
    selector: Selector | None = None
    gone: bool = False  # whether the pool has ceased to exist

    async def stage(self, stage: Stage) -> Exception | None:
        """Perform all actions of a stage, side by side where that is allowed; the first error, if any."""
        if stage.mistake is not None:
            return stage.mistake
        outcomes = await (self._in_turn if stage.sequential else self._side_by_side)(stage.actions)
        errors = [error for error in outcomes if error is not None]
        real = [error for error in errors if not isinstance(error, Behind)]
        if real and isinstance(stage.actions[0], CreateVM):
            self._tell(WARNING, "FailedCreate", f"Error creating VM: {real[0]}")
        return next(iter(real or errors), None)

    async def _in_turn(self, actions: Iterable[Action]) -> list[Exception | None]:
        for action in actions:
            error = await self._attempt(action)
            if error is not None:
                return [error]
        return []

    async def _side_by_side(self, actions: Iterable[Action]) -> list[Exception | None]:
        gate = asyncio.Semaphore(PARALLEL)

        async def attempt(action: Action) -> Exception | None:
            async with gate:
                return await self._attempt(action)

        return list(await asyncio.gather(*map(attempt, actions)))

    async def _attempt(self, action: Action) -> Exception | None:
        try:
            await self.perform(action)
        except Exception as error:  # noqa: BLE001 - whatever one VM meets must not stop the others
            return error
        return None

    async def perform(self, action: Action) -> None:
        match action:
            case AddPoolFinalizer():
                await self._patch_pool(patches.finalizer_added)
            case RemovePoolFinalizer():
                await self._patch_pool(patches.finalizer_removed)
            case CreateRevision(name):
                await self._create_revision(name)
            case DeleteRevision(revision):
                await self.requests.delete(CONTROLLER_REVISIONS, revision)
            case CreateVM(revision, ordinal):
                await self._create_vm(revision, ordinal)
            case UpdateVM(vm, revision):
                await self._update_vm(vm, revision)
            case DeleteVM(vm, preserve):
                await self._delete_vm(vm, preserve=preserve)
            case ReleaseVM(vm, preserve):
                await self._let_go(vm, preserve=preserve)
            case DisownVM(vm):
                change = patches.disowned(objects.uid(self.pool), self.selector)
                await self.requests.patch(VIRTUAL_MACHINES, vm, change)
            case RestartVMI(vm, vmi):
                await self._delete_resource(vm, VIRTUAL_MACHINE_INSTANCES, vmi)
            case ReplaceVM(vm, _):
                await self._replace_vm(vm)
            case RelabelVMI(vm, vmi, revision):
                await self._relabel_vmi(vm, vmi, revision)

    async def _patch_pool(self, change: patches.Change) -> None:
        pool = await self.requests.patch(VIRTUAL_MACHINE_POOLS, self.pool, change)
        self.pool, self.gone = pool or self.pool, pool is None

    async def _create_revision(self, name: str) -> None:
        revision = revisions.made(self.pool, name)
        try:
            await self.requests.create(CONTROLLER_REVISIONS, revision)
        except AlreadyExists as error:
            live = await self.requests.look(CONTROLLER_REVISIONS, revision)
            if live is None or not self._is_own(live):
                raise Behind(error.message) from error

    async def _create_vm(self, revision: str, ordinal: int) -> None:
        vm = building.virtual_machine(self.pool, revision, ordinal)
        try:
            await self.requests.create(VIRTUAL_MACHINES, vm)
        except AlreadyExists as error:
            # Ours: an answer was lost, or another replica was quicker. Somebody else's: the next look finds a free name.
            live = await self.requests.look(VIRTUAL_MACHINES, vm)
            if live is None or not self._is_own(live):
                raise Behind(error.message) from error
        else:
            self._tell(NORMAL, "SuccessfulCreate", f"Created VM {objects.key(vm)}")

    async def _update_vm(self, vm: Object, revision: str) -> None:
        def change(current: Object) -> Object | None:
            if objects.is_terminating(current) or not self._is_own(current):
                return None
            return building.updated(self.pool, revision, current)

        try:
            new = await self.requests.update(VIRTUAL_MACHINES, vm, change)
        except SpecError:
            raise
        except Exception as error:
            swapped = f"{objects.name(vm)}/{objects.namespace(vm)}"
            self._tell(WARNING, "FailedUpdate", f"Error updating virtual machine {swapped}: {error}")
            raise
        if new is not None:
            self._tell(NORMAL, "SuccessfulUpdate", f"Updated VM {objects.key(vm)}")

    async def _delete_vm(self, vm: Object, *, preserve: bool) -> None:
        def still(current: Object) -> bool:
            """One that nothing of ours holds any more is deleted in the next pass, once it is held again."""
            return self._is_own(current) and (not preserve or FINALIZER in objects.finalizers(current))

        try:
            if preserve and FINALIZER not in objects.finalizers(vm):
                # Its storage could go with it at once; and were it parted from it before, the VM controller would
                # take it back for a VM that is not going yet.
                tied = await self.requests.patch(VIRTUAL_MACHINES, vm, self._tied)
                if tied is None:
                    return
                vm = tied
            current, deleted = await self.requests.delete(VIRTUAL_MACHINES, vm, still)
        except Exception as error:
            self._tell(WARNING, "FailedDelete", f"Error deleting virtual machine {objects.key(vm)}: {error}")
            raise
        if not deleted and (current is None or not objects.is_terminating(current)):
            return
        self.requests.own.condemn(self.requests.pool, vm)
        try:
            if current is not None:
                await self._let_go(current, preserve=preserve)
        finally:
            if deleted:
                text = f"Deleted VM {objects.key(vm)} with uid {objects.uid(vm)} from pool"
                self._tell(NORMAL, "SuccessfulDelete", text)

    async def _relabel_vmi(self, vm: Object, vmi: Object, revision: str) -> None:
        """Other than a deletion that fails, a label that fails is no event of its own, but the condition says what it was."""
        try:
            new = await self.requests.patch(VIRTUAL_MACHINE_INSTANCES, vmi, patches.revision_named(revision))
        except Behind:
            raise
        except ApiError as error:
            text = f"patching of vmi labels with new pool revision name: {error}"
            raise ApiError(text, code=error.code, reason=error.reason) from error
        if new is not None:
            self._tell_updated(vm)

    async def _replace_vm(self, vm: Object) -> None:
        current = await self._delete_resource(vm, VIRTUAL_MACHINES, vm)
        if current is not None and objects.is_terminating(current):
            await self._let_go(current, preserve=False)

    async def _delete_resource(self, vm: Object, resource: Resource, obj: Object) -> Object | None:
        """Delete a VMI, or a VM in the foreground, to bring an update forward."""
        is_vm = resource is VIRTUAL_MACHINES
        try:
            current, deleted = await self.requests.delete(
                resource, obj, self._is_own if is_vm else None, propagation="Foreground" if is_vm else None
            )
        except Exception as error:
            self._tell(WARNING, "FailedUpdate", f"Error updating resource {objects.key(vm)}: {error}")
            raise
        if deleted:
            self._tell_updated(vm)
        return current

    async def _let_go(self, vm: Object, *, preserve: bool) -> None:
        """Take the pool's finalizer off a VM; before that, with `preserve`, the VM off its storage."""
        try:
            if preserve:
                await self._preserve(vm)
            try:
                await self.requests.patch(VIRTUAL_MACHINES, vm, self._loosened)
            except Exception as error:
                self._tell_trouble("removing finalizer for VM", vm, error)
                raise
        except Exception as error:
            self._tell_trouble("preserving state of VM", vm, error)
            raise

    async def _preserve(self, vm: Object) -> None:
        for resource, names, what in (
            (PERSISTENT_VOLUME_CLAIMS, preservation.claim_names(vm), "PVC"),
            (DATA_VOLUMES, preservation.data_volume_names(vm), "DataVolume"),
        ):
            try:
                for name in names:
                    await self._disown_storage(vm, resource, name)
            except Exception as error:
                self._tell_trouble(f"removing {what} owner references for VM", vm, error)
                raise

    async def _disown_storage(self, vm: Object, resource: Resource, name: str) -> None:
        """Storage that does not exist, or a cluster without DataVolumes, is nothing to preserve."""
        storage = await self.requests.client.find(resource, name, objects.namespace(vm))
        if storage is None:
            return
        uid = objects.uid(vm)
        await self.requests.patch(resource, storage, lambda current: preservation.disowned(current, uid))

    def _tied(self, vm: Object) -> patches.JsonPatch | None:
        return patches.finalizer_added(vm) if self._is_own(vm) else None

    def _loosened(self, vm: Object) -> patches.JsonPatch | None:
        """A VM that somebody gave back to a pool meanwhile stays held."""
        free = (
            objects.is_terminating(vm) or objects.is_terminating(self.pool) or not objects.controller_of(vm)
        )
        return patches.finalizer_removed(vm) if free else None

    def _is_own(self, obj: Object) -> bool:
        return objects.uid(self.pool) in controlling_pool(obj)

    def _tell(self, kind: str, reason: str, message: str) -> None:
        self.recorder.event(self.pool, kind, reason, message)

    def _tell_updated(self, vm: Object) -> None:
        self._tell(NORMAL, "SuccessfulDelete", f"Successfully updated resource {objects.key(vm)}")

    def _tell_trouble(self, doing: str, vm: Object, error: Exception) -> None:
        self._tell(WARNING, "FailedUpdate", f"Error {doing} {objects.key(vm)}: {error}")
