"""Imports into claims that ask for one by annotations, as populators' claims do: what becomes of them, told on the claim.

What happens when is data: `stages/claim.yaml`. Here is what the stages name, and what a pod would wait for before it begins:
what it is given, a claim nobody uses, and whether anybody is where it gets the image from.
Origin: cdi: pkg/controller/import-controller.go
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fakekube.client.controller import Controller, Result
from fakekube.client.recorder import WARNING, Recorder
from fakekube.lifecycle import loading
from fakekube.lifecycle.player import Player
from fakekube.lifecycle.stage import Stage
from fakekube.lifecycle.view import View
from fakekube.machinery import digits
from fakekube.machinery.objects import Obj, annotations, dig, is_terminating, key, name, uid
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import claim_sources, fates, in_use, needs, reaching
from fakekube.virt.cdi.claims import PREALLOCATED, PREALLOCATES, RESTARTS, RUNS
from fakekube.virt.cdi.in_use import Awaited
from fakekube.virt.cdi.setting import Setting
from fakekube.virt.cdi.sources import POD_PHASE

_STAGES = Path(__file__).parent / "stages" / "claim.yaml"
_POD = "cdi.kubevirt.io/storage.import.importPodName"
_DIGITS = 9
_AGAIN = 2.0


class ImportView(View):
    """Names for stages: `state` is one of

        bound · needless   nobody has told anything yet; no pod has anything to do
        scheduled          its pod is, and may begin (`held`: it may not yet)
        running · failed   the pod does what it is to do; or waits to be started again

    and `failure` why it fails (`trouble`: why its image could not be had), `ends` how its fate has it end, `beginsAfter`, `endsAfter` and `restartsAfter` seconds until these;
    the others what its metadata are to be then."""

    def __init__(self, claim: Obj, *, held: bool, trouble: str) -> None:
        self._claim = claim
        self._held = held
        self._notes = annotations(claim)
        self._phase = self._notes.get(POD_PHASE, "")
        # Whoever makes a claim may write anything there.
        self.times = digits.number(self._notes.get(RESTARTS, "")[:_DIGITS]) or 0
        self.fate = fates.of(claim)
        self._endpoint = reaching.endpoint_of(claim_sources.as_volume(claim))
        told = trouble or reaching.failure(self._endpoint)
        self.failure = told or (reaching.NOT_FOUND if self.fate.ends in ("error", "fail") else "")

    def state(self) -> str | None:
        if is_terminating(self._claim) or dig(self._claim, "status", "phase") != "Bound":
            return None
        if self._phase == "":
            return "needless" if self._is_needless() else "bound"
        if self._phase == "Pending" and not self._is_unpulled():
            return "held" if self._held else "scheduled"
        if self._phase == "Running":
            return "running" if self._notes.get(RUNS) == "true" else "failed"
        return None

    def _is_needless(self) -> bool:
        bare = dig(self._claim, "spec", "volumeMode") == "Block"
        blank = "blank" in claim_sources.source(self._claim)
        return bare and blank and self._notes.get(PREALLOCATES) != "true"

    def _is_unpulled(self) -> bool:
        return bool(self.failure) and self._endpoint is not None and self._endpoint.by_node

    def part(self, share: float) -> float | None:
        return None if self.fate.takes is None else self.fate.takes * share

    def told(self, phase: str, *, running: bool, reason: str, message: str = "", restarts: int = 0) -> Object:
        """Its metadata."""
        notes = {
            _POD: f"importer-{name(self._claim)}",
            POD_PHASE: phase,
            RESTARTS: str(self.times + restarts),
            RUNS: str(running).lower(),
            f"{RUNS}.message": message,
            f"{RUNS}.reason": reason,
        }
        if phase == "Succeeded" and self._notes.get(PREALLOCATES) == "true":
            notes[PREALLOCATED] = "true"
        return {"annotations": notes, "labels": {"app": "containerized-data-importer"}}

    def pending(self) -> Object:
        if self._is_unpulled():
            return self.told("Pending", running=False, reason="ImagePullFailed", message=self.failure)
        return self.told("Pending", running=False, reason="ContainerCreating")

    def failed(self, restarts: int = 0) -> Object:
        return self.told("Running", running=False, reason="Error", message=self.failure, restarts=restarts)

    def runs(self, restarts: int = 0) -> Object:
        return self.told("Running", running=True, reason="Pod is running", restarts=restarts)


ImportView.computed = {
    "state": ImportView.state,
    "failure": lambda view: view.failure or None,
    "ends": lambda view: view.fate.ends or None,
    "beginsAfter": lambda view: view.part(0.25),
    "endsAfter": lambda view: view.part(0.75),
    "restartsAfter": lambda view: reaching.restarts_after(view.times or 1),
    "pending": ImportView.pending,
    "needless": lambda _: {"annotations": {POD_PHASE: "Succeeded"}},
    "running": lambda view: view.runs(),
    "failed": lambda view: view.failed(),
    "again": lambda view: view.failed(1),
    "recovered": lambda view: view.runs(1),
    "succeeded": lambda view: view.told(
        "Succeeded", running=False, reason="Completed", message="Import Complete"
    ),
}
NAMES = frozenset(f"import.{key}" for key in ImportView.computed)


@cache
def standard_stages() -> tuple[Stage, ...]:
    """The stages of such claims, read once."""
    return loading.packaged(_STAGES, names=NAMES)


class ClaimImports:
    """An actor, see the module text."""

    def __init__(self, at: Setting) -> None:
        self._at = at
        self._may_begin: dict[str, str] = {}  # uids of claims, by key
        self._trouble: dict[str, str] = {}  # why their images could not be had, by key
        self._told: dict[str, list[str]] = {}  # who was in the way
        self._recorder = Recorder(at.client, "import-controller", clock=at.clock, ids=at.ids)
        self._looking = Controller("import-controller: what is needed", self._look, clock=at.clock)
        self._looking.source(at.claims, _imported)
        self._player = Player(
            at.client,
            PERSISTENT_VOLUME_CLAIMS,
            standard_stages(),
            clock=at.clock,
            ids=at.ids,
            pace=at.pace,
            context=self._context,
            recorder=self._recorder,
            informer=at.claims,
            keys=_imported,
            name="import-controller",
        )

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._looking.idle and self._player.idle and self._recorder.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._looking.run())
            tasks.create_task(self._player.run())

    def _context(self, claim: Object) -> Mapping[str, Any]:
        own = key(claim)
        held = self._may_begin.get(own) != uid(claim)
        return {"import": ImportView(claim, held=held, trouble=self._trouble.get(own, ""))}

    async def _look(self, own: str) -> Result | None:
        claim = self._at.claims.get(own)
        if claim is None or is_terminating(claim) or annotations(claim).get(POD_PHASE) == "Succeeded":
            self._forget(own)
            return None
        if dig(claim, "status", "phase") != "Bound":
            await self._at.consumers.stand_in(claim)
            return None
        held = self._may_begin.get(own) != uid(claim)
        if held and not await self._has_all(own, claim):
            return Result(requeue_after=_AGAIN)
        before = self._trouble.get(own, "")
        if not held and not before:
            return None
        trouble = await self._at.exports.bring(claim_sources.as_volume(claim), claim)
        if held or trouble != before:
            self._trouble[own] = trouble
            self._may_begin[own] = uid(claim)
            self._player.controller.queue.add(own)
        return Result(requeue_after=reaching.AGAIN) if trouble else None

    async def _has_all(self, own: str, claim: Object) -> bool:
        """Whether its pod would begin."""
        for need in needs.of(claim_sources.as_volume(claim)):
            if await self._at.client.find(need.resource, need.name, need.space) is None:
                return False
        if claim_sources.is_of_populator(claim):
            return True
        users = await self._at.users.of(Awaited(own, "", may_be_read=False))
        told = in_use.words(users, name(claim))
        if self._told.get(own, []) != told:
            self._told[own] = told
            for text in told:
                self._recorder.event(claim, WARNING, "ImportTargetInUse", text)
        return not told

    def _forget(self, own: str) -> None:
        self._may_begin.pop(own, None)
        self._told.pop(own, None)
        self._trouble.pop(own, None)


def _imported(old: Object | None, new: Object | None) -> tuple[str, ...]:
    claim = new or old
    return (key(claim),) if claim is not None and claim_sources.is_asked(claim) else ()
