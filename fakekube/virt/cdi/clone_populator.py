"""Clones into claims that name a VolumeCloneSource: a temporary claim is filled, by a copy, by its driver or from a snapshot, and its
volume becomes the claim's. What is temporary goes when that is done.

Left out: sources in another namespace, which need a token nobody here signs, and what copies a snapshot that its class cannot take.
Origin: cdi: pkg/controller/populators/clone-populator.go, pkg/controller/clone
"""

from fakekube.agents import volume_binding as binding
from fakekube.agents.volume_contents import snapshot, volume_of
from fakekube.client.controller import Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.machinery.objects import (
    Obj,
    annotations,
    controller_of,
    dig,
    finalizers,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    split_key,
    uid,
)
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import clone_claims as clones
from fakekube.virt.cdi import fates, in_use, primes, rules
from fakekube.virt.cdi.cloning import COPY, SNAPSHOT, Way
from fakekube.virt.cdi.in_use import Awaited
from fakekube.virt.cdi.rebinding import rebind
from fakekube.virt.cdi.setting import Setting
from fakekube.virt.cdi.sources import CLONE_TYPE, Origin

_SOON, _LATER, _COPYING = 2.0, 5.0, 15.0  # seconds


class ClonePopulator:
    """See the module text; who has it calls `see_to` when something changes."""

    def __init__(self, at: Setting, sources: Informer) -> None:
        self._at = at
        self._client = at.client
        self._sources = sources
        self._targets: dict[str, str] = {}  # keys of claims, by uid
        self._uids: dict[str, str] = {}  # and the other way round
        self._since: dict[str, float] = {}  # when the copying began, by uid
        self._recorder = Recorder(at.client, "clone-populator", clock=at.clock, ids=at.ids)

    @property
    def idle(self) -> bool:
        """Every event has been sent."""
        return self._recorder.idle

    async def run(self) -> None:
        """Send events until cancelled."""
        await self._recorder.run()

    def targets(self, temporary: Obj) -> list[str]:
        """The claim for which another one is filled."""
        own = self._targets.get(labels(temporary).get(clones.OWNED_BY, ""))
        return [own] if own is not None else []

    def forget(self, own: str) -> None:
        """It has gone."""
        if (gone := self._uids.pop(own, None)) is not None:
            del self._targets[gone]
            self._since.pop(gone, None)

    async def see_to(self, claim: Object, chosen: Obj | None) -> Result | None:
        """The next step. `chosen`: its class, if there is one."""
        if self._uids.get(key(claim)) != uid(claim):
            self.forget(key(claim))
            self._uids[key(claim)], self._targets[uid(claim)] = uid(claim), key(claim)
        if is_terminating(claim) or annotations(claim).get(clones.PHASE) == clones.SUCCEEDED:
            return await self._clean(claim)
        if dig(claim, "status", "phase") == "Bound":
            return await self._tell(claim, clones.SUCCEEDED, progress="100.0%")
        if why := primes.trouble(claim, chosen):
            return await self._fail(claim, why)
        space = annotations(claim).get(clones.SPACE) or namespace(claim)
        source = self._sources.get(f"{space}/{dig(claim, 'spec', 'dataSourceRef', 'name')}")
        origin = clones.origin_of(source) if source is not None else None
        if origin is None or not primes.is_placed(claim, chosen):
            return await self._tell(claim, clones.PENDING)
        if space != namespace(claim):
            return await self._fail(claim, "error verifying token: no token")
        found = await self._at.maker.original(origin)
        if found is None:
            text = f"The source {origin.kind} {split_key(origin.key)[1]} doesn't exist"
            self._recorder.event(claim, WARNING, "CloneWithoutSource", text)
        if found is None or (origin.kind == "pvc" and dig(found, "status", "phase") != "Bound"):
            await self._tell(claim, clones.PENDING)
            return Result(requeue_after=_LATER)
        return await self._clone(claim, origin, found)

    async def _clone(self, claim: Object, origin: Origin, source: Object) -> Result | None:
        strategy = annotations(claim).get(CLONE_TYPE)
        way = Way(strategy) if strategy else None
        if way is None:
            if origin.kind == "pvc" and clones.PERMISSIVE not in annotations(claim):
                ours, theirs = (
                    dig(one, "spec", "resources", "requests", "storage") for one in (claim, source)
                )
                if why := rules.smaller(ours, theirs):
                    self._recorder.event(claim, WARNING, "ErrIncompatiblePVC", why)
                    self._recorder.event(claim, WARNING, "CloneValidationFailed", rules.UNFIT)
                    return await self._fail(claim, why)
            way = await self._at.maker.way(origin, source, claim)
            if way.reason:
                self._recorder.event(claim, WARNING, way.reason, way.message)
        if meta := clones.begun(claim, way):
            await self._change(claim, meta)
            return None
        temporary = self._at.claims.get(f"{namespace(claim)}/{clones.temporary(claim)}")
        if temporary is None:
            return await self._fill(claim, origin, source, way.strategy)
        if dig(temporary, "status", "phase") not in ("Bound", "Lost"):
            await self._at.consumers.stand_in(temporary)
            return await self._tell(claim, clones.first_phase(way.strategy, origin))
        if way.strategy == COPY and (left := self._copying(claim)) > 0:
            await self._tell(claim, "HostClone", progress=primes.FIGURE)
            return Result(requeue_after=left)
        return await self._hand_over(claim, temporary, origin, source, way.strategy)

    # --- the temporary claim -------------------------------------------------------------------------------------

    async def _fill(self, claim: Object, origin: Origin, source: Object, strategy: str) -> Result | None:
        """Have a claim filled in its place, once the source may be read."""
        phase = clones.first_phase(strategy, origin)
        if origin.kind == "pvc" and not await self._is_free(claim, source):
            await self._tell(claim, phase)
            return Result(requeue_after=_SOON)
        given = None
        if strategy == SNAPSHOT:
            taken = source if origin.kind == "snapshot" else await self._taken(claim, source)
            if taken is None:
                return await self._fail(claim, "no compatible volumesnapshotclass")
            if not dig(taken, "status", "readyToUse"):
                await self._tell(claim, phase)
                return Result(requeue_after=_SOON)
            phase = "SnapshotClone"
            named = {"apiGroup": VOLUME_SNAPSHOTS.group, "kind": VOLUME_SNAPSHOTS.kind, "name": name(taken)}
            given = (taken, named)
        elif strategy != COPY:
            given = (source, {"kind": PERSISTENT_VOLUME_CLAIMS.kind, "name": name(source)})
        await self._client.create_if_absent(PERSISTENT_VOLUME_CLAIMS, clones.filled(claim, strategy, given))
        return await self._tell(claim, phase)

    async def _is_free(self, claim: Object, source: Object) -> bool:
        """Whether a claim is full, and nobody writes to it; who does is told."""
        owner = controller_of(source)
        if owner is not None and owner.get("kind") == DATA_VOLUMES.kind:
            filling = await self._client.find(DATA_VOLUMES, owner["name"], namespace(source))
            if dig(filling, "status", "phase") != "Succeeded":
                return False
        users = await self._at.users.of(Awaited(key(source), "CloneSourceInUse", may_be_read=True))
        for text in in_use.words(users, name(source)):
            self._recorder.event(claim, WARNING, "CloneSourceInUse", text)
        return not users

    async def _taken(self, claim: Object, source: Object) -> Object | None:
        """A snapshot of the source, which is made; None if its class cannot have one."""
        own, space = clones.snapshot_name(claim), namespace(claim)
        found = await self._client.find(VOLUME_SNAPSHOTS, own, space)
        if found is not None or not (chosen := await self._at.maker.snapshot_class(claim)):
            return found
        made = clones.taken(claim, name(source), chosen)
        return await self._client.create_if_absent(VOLUME_SNAPSHOTS, made) or made

    def _copying(self, claim: Object) -> float:
        """Seconds until all of it is copied."""
        now, takes = self._at.clock.monotonic(), fates.of(claim).takes
        lasts = _COPYING * self._at.pace.factor if takes is None else takes
        return self._since.setdefault(uid(claim), now) + lasts - now

    async def _hand_over(
        self, claim: Object, temporary: Object, origin: Origin, source: Object, strategy: str
    ) -> Result | None:
        wanted = dig(claim, "spec", "resources", "requests", "storage")
        if binding.requested(temporary) < binding.amount(wanted):
            size = {"spec": {"resources": {"requests": {"storage": wanted}}}}
            await self._client.patch(
                PERSISTENT_VOLUME_CLAIMS, name(temporary), namespace(temporary), size, type="merge"
            )
            return await self._tell(claim, clones.PREPARING)
        if binding.amount(dig(temporary, "status", "capacity", "storage", default=wanted)) < binding.amount(
            wanted
        ):
            return await self._tell(claim, clones.PREPARING)

        def fill() -> None:
            if strategy == COPY:
                held = snapshot(origin.key) if origin.kind == "snapshot" else volume_of(source)
                self._at.contents.copy(held, volume_of(temporary))

        await rebind(self._client, temporary, claim, fill=fill)
        return await self._tell(claim, clones.REBINDING)

    async def _clean(self, claim: Object) -> Result | None:
        """It is done: what was temporary goes, but for what is to be looked at."""
        if clones.FINALIZER not in finalizers(claim):
            return None
        notes, space = annotations(claim), namespace(claim)
        if notes.get(CLONE_TYPE) == COPY and notes.get(primes.RETAINED) == "true":
            text = "PVC Prime retained in Lost state for debugging purposes"
            self._recorder.event(claim, WARNING, "RetainedPVCPrime", text)
        else:
            await self._client.delete_if_present(PERSISTENT_VOLUME_CLAIMS, clones.temporary(claim), space)
            if notes.get(CLONE_TYPE) == SNAPSHOT:
                await self._client.delete_if_present(VOLUME_SNAPSHOTS, clones.snapshot_name(claim), space)
        await self._change(claim, {"$deleteFromPrimitiveList/finalizers": [clones.FINALIZER]})
        return None

    # --- what is told --------------------------------------------------------------------------------------------

    async def _fail(self, claim: Object, why: str) -> Result:
        await self._tell(claim, clones.FAILED, error=why)
        return Result(requeue_after=_LATER)

    async def _tell(self, claim: Object, phase: str, *, error: str = "", progress: str = "") -> Result | None:
        """Say so; something will change before there is more to do."""
        if notes := clones.told(claim, phase, error=error, progress=progress):
            await self._change(claim, {"annotations": notes})
        return None

    async def _change(self, claim: Object, meta: Object) -> None:
        change = {"metadata": meta}  # of lists only what is ours: others have finalizers there, too
        await self._client.patch(
            PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(claim), change, type="strategic"
        )
