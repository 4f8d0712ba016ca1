"""What a change of a VM means for its running VMI: taken over at once, taken over by plugging, or a restart is due.

What is what, decide `live_update`, `hotplug`, `memory_dump` and `restart_required`.
Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (handleVolumeRequests, syncGenerationInfo, addRestartRequiredIfNeeded)
"""

from fakekube.clock import Clock, rfc3339
from fakekube.machinery.objects import annotations, dig, generation, is_final, is_terminating, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt.controller import (
    conditions,
    hotplug,
    instance,
    instancetypes,
    live_update,
    memory_dump,
    names,
    nics,
    patches,
    restart_required,
    volume_migration,
)
from fakekube.virt.controller.informers import Informers
from fakekube.virt.controller.vm_pass import Pass, Writers
from fakekube.virt.controller.vm_revisions import Revisions
from fakekube.virt.instancetypes import kinds

_MOVED = "/status/migratedVolumes"


class Updates:
    """See the module text."""

    def __init__(
        self,
        writers: Writers,
        revisions: Revisions,
        sizes: instancetypes.Instancetypes,
        informers: Informers,
        clock: Clock,
    ) -> None:
        self._informers, self._config, self._clock = informers, informers.config, clock
        self._writers = writers
        self._revisions = revisions
        self._sizes = sizes

    async def plug(self, seen: Pass) -> None:
        """Volumes: from queued requests to the template, and from the template to the running VMI."""
        if dig(seen.vm, "status", "volumeRequests"):
            operations, fulfilled = hotplug.requests_applied(seen.vm)
            if operations:
                seen.vm = await self._writers.vms.patch(seen.vm, operations)
            if fulfilled:
                left = {k: v for k, v in seen.vm["status"].items() if k != "volumeRequests"}
                seen.vm = await self._writers.vms.update({**seen.vm, "status": left}, subresource="status")
        vmi = seen.vmi
        if vmi is None or is_terminating(vmi) or is_final(vmi):
            return
        if operations := hotplug.template_changes(seen.vm, vmi):
            seen.vmi = vmi = await self._writers.vmis.patch(vmi, operations)
        if self._config().live_update and not nics.are_alike(seen.vm, vmi):
            await self._plug_interfaces(seen, vmi)

    async def _plug_interfaces(self, seen: Pass, vmi: Object) -> None:
        if operations := nics.instance_changes(seen.vm, vmi, other_networks=self._other_networks()):
            seen.vmi = await self._writers.vmis.patch(vmi, operations)
        if operations := nics.template_changes(seen.vm, vmi):
            seen.vm = await self._writers.vms.patch(seen.vm, operations)

    def _other_networks(self) -> bool:
        return self._config().gate("LiveUpdateNADRef")

    async def dump(self, seen: Pass) -> None:
        """Go on with a dump of the guest's memory, or with forgetting one."""
        if not dig(seen.vm, "status", "memoryDumpRequest"):
            return
        request = dig(seen.vm, "status", "memoryDumpRequest")
        vmi = seen.vmi if seen.vmi is not None and not is_terminating(seen.vmi) else None
        if request.get("phase") != "Associating" or memory_dump.is_ready(vmi):
            if operations := memory_dump.template_changes(seen.vm):
                seen.vm = await self._writers.vms.patch(seen.vm, operations)
            if vmi is not None and (operations := memory_dump.instance_changes(seen.vm, vmi)):
                seen.vmi = vmi = await self._writers.vmis.patch(vmi, operations)
        await self._mark_claim(seen)
        new = memory_dump.next_request(seen.vm, vmi)
        if new != request:
            left = {k: v for k, v in seen.vm["status"].items() if k != "memoryDumpRequest"}
            status = {**left, **({} if new is None else {"memoryDumpRequest": new})}
            seen.vm = await self._writers.vms.update({**seen.vm, "status": status}, subresource="status")

    async def _mark_claim(self, seen: Pass) -> None:
        claim = seen.claims.get(dig(seen.vm, "status", "memoryDumpRequest", "claimName"))
        if claim is not None and (mark := memory_dump.claim_mark(seen.vm, claim)):
            marked = {**annotations(claim), memory_dump.ANNOTATION: mark}
            await self._writers.claims.update(
                {**claim, "metadata": {**claim["metadata"], "annotations": marked}}
            )

    async def mark(self, seen: Pass) -> None:
        """What the template says of eviction to a descheduler holds for the guest it has, too."""
        vmi, own = seen.vmi, names.PREFER_NO_EVICTION
        if vmi is None or is_terminating(vmi) or is_final(vmi):
            return
        wanted = dig(seen.vm, "spec", "template", "metadata", "annotations", default={}).get(own)
        known = annotations(vmi)
        if wanted == known.get(own):
            return
        marked = {key: value for key, value in known.items() if key != own}
        marked |= {own: wanted} if wanted is not None else {}
        seen.vmi = await self._annotated(vmi, marked)

    async def move(self, seen: Pass) -> None:
        """Volumes whose claims are to be others: on their way, back again, or not without a restart."""
        vm, vmi = seen.vm, seen.vmi
        seen.stuck = ""
        if vmi is None or is_terminating(vmi) or instance.phase(vmi) != names.RUNNING:
            return
        if not volume_migration.is_strategy(vm):
            return
        moved = dig(vmi, "status", "migratedVolumes")
        if moved and volume_migration.is_back(vmi):
            await self._call_off(seen, vmi, moved)
            return
        if not volume_migration.updated(vm, vmi):
            return
        volumes = patches.guarded("/spec/volumes", vmi["spec"]["volumes"], volume_migration.replaced(vm, vmi))
        if moved and not volume_migration.goes_back(vm, vmi):
            seen.stuck = volume_migration.ONLY_BACK
        elif moved:  # only volumes that move may be changed: what they are is told until they have been
            await self._call_off(seen, await self._writers.vmis.patch(vmi, volumes), moved)
        elif not (why := volume_migration.obstacle(vm, vmi)):
            made = volume_migration.on_their_way(vm, vmi, {**seen.claims, **self._claims_of(vmi)})
            seen.vmi = await self._writers.vmis.patch(vmi, [*patches.added(_MOVED, made), *volumes])
        else:
            seen.stuck = why

    async def _call_off(self, seen: Pass, vmi: Object, moved: list[Object]) -> None:
        listed = dig(vmi, "status", "conditions", default=[])
        told = conditions.put(listed, volume_migration.cancelled(rfc3339(self._clock.now())))
        operations = [*patches.removed(_MOVED, moved), *patches.guarded("/status/conditions", listed, told)]
        seen.vmi = await self._writers.vmis.patch(vmi, operations)

    async def compare(self, seen: Pass) -> None:
        """Compare the spec with the one the VMI was started from: an equal template makes the VMI of this generation."""
        vmi = seen.vmi
        seen.restart = ""
        if vmi is None or is_terminating(vmi) or is_final(vmi):
            seen.restart = None
            return
        if annotations(vmi).get(names.VM_GENERATION) == str(generation(seen.vm)):
            return
        started = await self._revisions.started_from(seen.key, vmi)
        if started is None:
            return
        started, current = await self._written_out(seen, started)
        same, live = restart_required.same_template(started, current), self._config().live_update
        if not same:
            seen.restart = restart_required.message(
                started,
                current,
                vmi,
                live=live,
                other_networks=self._other_networks(),
                volumes=not volume_migration.is_strategy(seen.vm),
            )
        seen.restart = seen.restart or seen.stuck
        if live and not seen.restart:
            seen.vmi = vmi = await self._take_over(seen, started, current, vmi)
        if same:
            made_from: int | None = generation(seen.vm)
        elif instance.made_from(vmi) is not None:
            return
        else:  # somebody took the mark away, or wrote something else: what it was started from is known nevertheless
            made_from = instance.started_from(vmi)
        if made_from is not None:
            marked = {**annotations(vmi), names.VM_GENERATION: str(made_from)}
            seen.vmi = await self._annotated(vmi, marked)

    async def _annotated(self, vmi: Object, marked: dict[str, str]) -> Object:
        new = {**vmi, "metadata": {**vmi["metadata"], "annotations": marked}}
        return await self._writers.vmis.patch(vmi, patches.between(vmi, new, [("metadata", "annotations")]))

    async def _take_over(self, seen: Pass, started: Object, current: Object, vmi: Object) -> Object:
        """Bring the guest what it can have while it runs; what has to wait is told, and comes once the guest is ready for it."""
        waiting = live_update.waiting(current, vmi)
        for why in waiting.values():  # the last one counts
            seen.failure = why
        ratio = self._config().cpu_allocation_ratio
        operations = live_update.changes(started, current, vmi, cpu_ratio=ratio, besides=waiting)
        return await self._writers.vmis.patch(vmi, operations) if operations else vmi

    async def _written_out(self, seen: Pass, started: Object) -> tuple[Object, Object]:
        """The spec of the start and that of today, each with what its matchers mean in the template."""
        current: Object = seen.vm["spec"]
        matchers = [[spec.get(member) for member in kinds.MEMBERS] for spec in (started, current)]
        if not any(map(any, matchers)):
            return started, current
        before = {**seen.vm, "spec": started}
        try:
            then = seen.sizes if matchers[0] == matchers[1] else await self._sizes.meant(before)
            specs = [instancetypes.expanded(before, then), instancetypes.expanded(seen.vm, seen.sizes)]
        except (instancetypes.FailedError, instancetypes.ConflictError):
            return started, current
        return specs[0]["spec"], specs[1]["spec"]

    def _claims_of(self, vmi: Object) -> dict[str, Object]:
        """The claims behind a VMI's volumes, by name."""
        space, found = namespace(vmi), {}
        for volume in instance.volumes(vmi):
            claim = self._informers.claims.get(f"{space}/{instance.claim_name(volume)}")
            if claim is not None:
                found[name(claim)] = claim
        return found
