"""Claims for persistent state: made for instances and for targets of migrations, handed over when a guest has moved.

What one looks like, and when it can be used: `persistent_state`.
Origin: kubevirt: pkg/storage/backend-storage/backend-storage.go, pkg/virt-controller/watch/{vmi,migration}
"""

from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.objects import dig, is_terminating, key, labels, name, namespace, split_key
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, STORAGE_PROFILES
from fakekube.machinery.wire import Object
from fakekube.virt import sides
from fakekube.virt.controller import names, patches, persistent_state
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.controller.informers import BY_MIGRATION
from fakekube.virt.controller.vmi_pass import Pass
from fakekube.virt.controller.wiring import Wiring
from fakekube.virt.controller.writer import Awaited


class StateClaims:
    """See the module text."""

    def __init__(self, wiring: Wiring) -> None:
        self._client = wiring.client
        self._informers = wiring.informers
        self._writer = wiring.writer(wiring.informers.claims)
        self._awaited = Awaited(
            self._writer
        )  # claims, by the keys of the instances or migrations they were made for

    def forget(self, own: str) -> None:
        self._awaited.forget(own)

    async def is_ready(self, own: str, seen: Pass) -> bool:
        """Whether the instance has what it needs; makes what is missing, and tells what keeps it waiting."""
        vmi = seen.vmi
        if not persistent_state.is_needed(vmi):
            return True
        if self._awaited.get(own):
            return False
        if seen.state is None:
            try:
                await self._create(own, vmi, {persistent_state.LABEL: name(vmi)})
            except (ApiError, LookupError) as error:
                seen.failure = Failure("FailedBackendStorageCreate", str(error))
                seen.error = error
            return False
        chosen = dig(seen.state, "spec", "storageClassName", default="")
        seen.failure = persistent_state.obstacle(seen.state, self._informers.storage_classes.get(chosen))
        if seen.failure is not None and seen.failure.reason != "BackendStorageNotReady":
            seen.error = InternalError(seen.failure.message)  # nobody tells when it is over
        return seen.failure is None

    async def _create(self, own: str, vmi: Object, marks: dict[str, str]) -> Object:
        config = self._informers.config()
        chosen = persistent_state.storage_class(config, self._informers.storage_classes.objects())
        profile = await self._client.find(STORAGE_PROFILES, chosen)
        mode = persistent_state.access_mode(config, profile)
        made = await self._writer.create(persistent_state.build(vmi, marks, chosen, mode))
        self._awaited.put(own, made)
        return made

    # Migrations.

    def of_migration(self, migration: Object, vmi: Object | None) -> tuple[str, str]:
        """The claims the guest leaves and finds; the same one if it can be shared. Empty: none, or none yet."""
        state = dig(migration, "status", "migrationState", default={})
        if state.get(persistent_state.TARGET):
            return state.get(persistent_state.SOURCE, ""), state[persistent_state.TARGET]
        if vmi is None or not persistent_state.is_needed(vmi):
            return "", ""
        source = _left(migration, vmi)
        if sides.leaves(migration):
            return source, ""
        for one in self._informers.claims.by_index(BY_MIGRATION, key(migration)):
            return source, name(one)
        present = self._informers.state_of(vmi) if not sides.arrives(migration) else None
        return source, name(present) if present is not None and persistent_state.is_shared(present) else ""

    async def provide_for(self, migration: Object, vmi: Object) -> str:
        """The claim of the target, or empty if it needs none. Raises InternalError."""
        if not persistent_state.is_needed(vmi):
            return ""
        source, target = self.of_migration(migration, vmi)
        if not source:
            raise InternalError("no backend-storage PVC found in VMI volume status")
        if target:
            return target
        own = key(migration)
        if awaited := self._awaited.get(own):
            return split_key(awaited)[1]
        try:
            return name(await self._create(own, vmi, {names.MIGRATION_NAME: name(migration)}))
        except LookupError as error:
            raise InternalError(str(error)) from None

    async def hand_over(self, migration: Object, state: Object) -> None:
        """Once the guest is at the target, the claim there is its own, and the other one goes."""
        claim = self._of_target(migration, state)
        if claim is None or not state.get("targetNodeDomainReadyTimestamp") or state.get("failed"):
            return
        marks = persistent_state.handed_over(claim, dig(migration, "spec", "vmiName", default=""))
        await self._writer.patch(claim, patches.guarded("/metadata/labels", dict(labels(claim)), marks))
        if not sides.arrives(migration):  # the other side keeps its own
            await self._client.delete_if_present(
                PERSISTENT_VOLUME_CLAIMS, state.get(persistent_state.SOURCE, ""), namespace(migration)
            )

    async def abort(self, migration: Object) -> None:
        """The guest stays: what was made for the target goes."""
        claim = self._of_target(migration, dig(migration, "status", "migrationState", default={}))
        if claim is not None and not is_terminating(claim):
            await self._client.delete_if_present(PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(migration))

    def _of_target(self, migration: Object, state: Object) -> Object | None:
        """The claim that was made for the target, and is still no one else's."""
        own = f"{namespace(migration)}/{state.get(persistent_state.TARGET, '')}"
        claim = self._informers.claims.get(own)
        if claim is None or self._writer.behind(own):
            return None
        return claim if labels(claim).get(names.MIGRATION_NAME) == name(migration) else None


def _left(migration: Object, vmi: Object) -> str:
    """The claim the guest leaves, on whichever side."""
    if sides.arrives(migration):
        return str(sides.of(vmi, sides.SOURCE).get("persistentStatePVCName", ""))
    return persistent_state.current_name(vmi)
