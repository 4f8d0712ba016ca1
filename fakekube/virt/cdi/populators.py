"""CDI's populators: claims that name a VolumeImportSource, a VolumeUploadSource or a VolumeCloneSource as what they are filled from.

    claim ──► PVC prime, which is imported or uploaded into ──► its volume becomes the claim's ──► PVC prime goes

Clones are `clone_populator`'s, imports into PVC primes `claim_imports`', uploads `uploads`'. All are made when there is such a claim.
Left out: claims filled from another namespace, and imports in stages.
Origin: cdi: pkg/controller/populators
"""

import asyncio
from collections.abc import Iterable

from fakekube.client.controller import Controller, Keys, Result
from fakekube.client.late import WantedInformer
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.machinery.errors import ApiError, Conflict, NotFound
from fakekube.machinery.objects import annotations, dig, is_terminating, key, name, namespace
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import claim_sources, primes
from fakekube.virt.cdi.claim_imports import ClaimImports
from fakekube.virt.cdi.claims import RESTARTS, RUNS
from fakekube.virt.cdi.clone_populator import ClonePopulator
from fakekube.virt.cdi.rebinding import rebind
from fakekube.virt.cdi.setting import Setting
from fakekube.virt.cdi.sources import POD_PHASE

_PLURALS = {
    primes.IMPORT: "volumeimportsources",
    primes.UPLOAD: "volumeuploadsources",
    primes.CLONE: "volumeclonesources",
}
_COMPONENTS = {primes.IMPORT: "import-populator", primes.UPLOAD: "upload-populator"}
_SUCCEEDED = {
    primes.IMPORT: ("importSucceeded", "Successfully imported into {}"),
    primes.UPLOAD: ("UploadSucceeded", "Successfully uploaded into {}"),
}
_BY_SOURCE = "claims that are not filled yet, by what they are filled from"
_AGAIN = 2.0


class Populators:
    """An actor, see the module text."""

    def __init__(self, at: Setting) -> None:
        self._client = at.client
        self._claims = at.claims
        self._classes = at.classes
        self._configuration = at.configuration
        group, version = claim_sources.GROUP, "v1beta1"
        self._sources = {
            kind: WantedInformer(at.client, Resource(group, version, plural, kind), clock=at.clock)
            for kind, plural in _PLURALS.items()
        }
        self._recorders = {
            kind: Recorder(at.client, component, clock=at.clock, ids=at.ids)
            for kind, component in _COMPONENTS.items()
        }
        self._heard: dict[str, tuple[str, str]] = {}  # the last failure told of, by keys of claims
        self._imports = ClaimImports(at)
        self._clones = ClonePopulator(at, self._sources[primes.CLONE])
        at.claims.add_index(_BY_SOURCE, _unfilled)
        self._controller = Controller("populators", self._reconcile, clock=at.clock)
        self._controller.source(at.claims, self._concerned)
        self._controller.source(at.classes, self._unbound)
        for kind, informer in self._sources.items():
            self._controller.source(informer, self._filled_from(kind))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        actors = self._controller.idle and self._imports.idle and self._clones.idle
        return actors and all(one.idle for one in self._recorders.values())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for recorder in self._recorders.values():
                tasks.create_task(recorder.run())
            tasks.create_task(self._imports.run())
            tasks.create_task(self._clones.run())
            tasks.create_task(self._controller.run())

    # --- whom a change wakes -------------------------------------------------------------------------------------

    def _concerned(self, old: Object | None, new: Object | None) -> Iterable[str]:
        claim = new or old
        if claim is None:
            return ()
        if kind := primes.kind_of(claim):
            if kind in self._sources:
                self._sources[kind].begin()
                return (key(claim),)
            return ()
        if claim_sources.is_of_populator(claim):
            return self._clones.targets(claim) or [
                f"{namespace(claim)}/{one['name']}"
                for one in dig(claim, "metadata", "ownerReferences", default=())
            ]
        return ()

    def _unbound(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """Those that may wait for a class that has come."""
        if old is not None or new is None:
            return ()
        return [key(one) for one in self._claims.objects() if any(_unfilled(one))]

    def _filled_from(self, kind: str) -> Keys:
        def choose(old: Object | None, new: Object | None) -> Iterable[str]:
            source = new or old
            if source is None:
                return ()
            return map(key, self._claims.by_index(_BY_SOURCE, f"{kind}/{key(source)}"))

        return choose

    # --- claims --------------------------------------------------------------------------------------------------

    async def _reconcile(self, own: str) -> Result | None:
        claim = self._claims.get(own)
        if claim is None:
            self._clones.forget(own)
            self._heard.pop(own, None)
            return None
        kind = primes.kind_of(claim)
        try:
            if kind == primes.CLONE:
                return await self._clones.see_to(claim, self._class_of(claim))
            if is_terminating(claim) or kind not in _COMPONENTS:
                return None
            prime = self._claims.get(f"{namespace(claim)}/{primes.name_of(claim)}")
            if prime is None:
                await self._begin(claim, kind)
            else:
                await self._follow(claim, prime, kind)
        except (Conflict, NotFound):
            return Result(requeue_after=_AGAIN)  # something has changed meanwhile
        return None

    def _class_of(self, claim: Object) -> Object | None:
        return self._classes.get(dig(claim, "spec", "storageClassName", default=""))

    async def _begin(self, claim: Object, kind: str) -> None:
        named = claim["spec"]["dataSourceRef"]
        if dig(claim, "status", "phase") in ("Bound", "Lost") or named.get("namespace"):
            return
        source = self._sources[kind].get(f"{namespace(claim)}/{named['name']}")
        if source is None or not primes.is_for(source, name(claim)):
            return
        chosen = self._class_of(claim)
        if primes.trouble(claim, chosen) or not primes.is_placed(claim, chosen):
            return
        made = primes.prime(
            claim,
            source,
            preallocation=self._configuration.preallocates,
            product=self._configuration.marks,
        )
        recorder = self._recorders[kind]
        try:
            if await self._client.create_if_absent(PERSISTENT_VOLUME_CLAIMS, made) is None:
                return
        except ApiError as error:
            recorder.event(claim, WARNING, "ErrCreatingPVCPrime", error.message)
            raise
        recorder.event(claim, NORMAL, "CreatedPVCPrimeSuccessfully", "PVC Prime created successfully")

    async def _follow(self, claim: Object, prime: Object, kind: str) -> None:
        done = annotations(prime).get(POD_PHASE) == "Succeeded"
        meta: Object = {}
        if notes := primes.told(claim, prime):
            meta["annotations"] = notes
        if done and kind == primes.IMPORT and (own := primes.carried(claim, prime)):
            meta["labels"] = own
        if meta:
            await self._client.patch(
                PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(claim), {"metadata": meta}, type="merge"
            )
        if not done:
            self._hear(claim, prime, kind)
            return
        self._heard.pop(key(claim), None)
        if dig(claim, "status", "phase") != "Bound":
            if await rebind(self._client, prime, claim):
                reason, text = _SUCCEEDED[kind]
                self._recorders[kind].event(claim, NORMAL, reason, text.format(name(claim)))
        elif dig(prime, "status", "phase") == "Lost" and not is_terminating(prime):
            await self._leave(prime, kind)

    def _hear(self, claim: Object, prime: Object, kind: str) -> None:
        """A claim tells of the failures of the one that is filled in its place."""
        notes = annotations(prime)
        told = notes.get(RESTARTS, ""), notes.get(f"{RUNS}.message", "")
        if notes.get(f"{RUNS}.reason") == "Error" and self._heard.get(key(claim)) != told:
            self._heard[key(claim)] = told
            text = f"[{name(prime)}] : {told[1]}"
            self._recorders[kind].event(claim, WARNING, "ErrImportFailed", text)

    async def _leave(self, prime: Object, kind: str) -> None:
        if annotations(prime).get(primes.RETAINED) == "true":
            text = "PVC Prime retained in Lost state for debugging purposes"
            self._recorders[kind].event(prime, WARNING, "RetainedPVCPrime", text)
            return
        await self._client.delete_if_present(PERSISTENT_VOLUME_CLAIMS, name(prime), namespace(prime))


def _unfilled(claim: Object) -> Iterable[str]:
    kind = primes.kind_of(claim)
    if kind in _PLURALS and dig(claim, "status", "phase") != "Bound":
        yield f"{kind}/{namespace(claim)}/{dig(claim, 'spec', 'dataSourceRef', 'name')}"
