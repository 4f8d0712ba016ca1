"""Subresources of machines: read, decide, write.

Origin: kubevirt: pkg/virt-api/rest/{lifecycle,volumes,memorydump,evacuate_cancel,expand}.go
"""

from fakekube.client.client import Client
from fakekube.machinery import answers
from fakekube.machinery.errors import ApiError, Invalid
from fakekube.machinery.objects import dig, name
from fakekube.machinery.resources import MIGRATIONS, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.subresources import (
    expanding,
    hotplug,
    memory_dump,
    object_graph,
    replies,
    run_state,
)
from fakekube.virt.api.subresources.instances import Instances
from fakekube.virt.api.subresources.replies import MACHINE
from fakekube.virt.api.subresources.streams import Operation

_NOT_STARTED = "VMI is not started"
_TEMPLATE = "/spec/template/spec"
_AT_ONCE = 1  # seconds: the shortest that is safe


class Machines:
    """`virtualmachines/{name}/…`, by method and subresource."""

    def __init__(self, client: Client, settings: Settings, instances: Instances) -> None:
        self._client = client
        self._settings = settings
        self._instances = instances
        self._lookups = Lookups(client)
        self.operations: dict[tuple[str, str], Operation] = {
            ("PUT", "start"): self._start,
            ("PUT", "stop"): self._stop,
            ("PUT", "restart"): self._restart,
            ("PUT", "migrate"): self._migrate,
            ("PUT", "addvolume"): self._add_volume,
            ("PUT", "removevolume"): self._remove_volume,
            ("PUT", "memorydump"): self._memory_dump,
            ("PUT", "removememorydump"): self._remove_memory_dump,
            ("PUT", "evacuate/cancel"): self._cancel_evacuation,
            ("GET", "expand-spec"): self._expand,
            ("GET", "portforward"): self._port_forward,
            ("GET", "objectgraph"): self._graph,
        }

    async def _start(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body, "StartOptions", paused="bool")
        vm, vmi = await self._both(namespace, own)
        change = run_state.start(vm, vmi, paused=bool(given.get("paused")))
        return await self._applied(change, namespace, own, given)

    async def _stop(self, request: Request, namespace: str, own: str) -> Response:
        """Its grace period is an instance's even where stopping it is refused then."""
        given = replies.options(request.body, "StopOptions", gracePeriod="int64")
        vm, vmi = await self._both(namespace, own)
        grace = given.get("gracePeriod")
        if grace is not None and vmi is not None and run_state.lives(vmi):
            await self._end_within(vmi, _grace_period(vmi), grace, given)
        return await self._applied(run_state.stop(vm, vmi, grace), namespace, own, given)

    async def _restart(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body, "RestartOptions", gracePeriodSeconds="int64")
        run_state.check_restart(given)
        vm, found = await self._both(namespace, own)
        vmi = run_state.check_restartable(vm, found)
        force, before = given.get("gracePeriodSeconds") == 0, _grace_period(vmi)
        if force:
            await self._end_within(vmi, before, _AT_ONCE, given)
        change = run_state.restart(vm, vmi)
        try:
            return await self._applied(change, namespace, own, given)
        except ApiError:
            if force:
                await self._end_within(vmi, _AT_ONCE, before or 0, given)
            raise

    async def _migrate(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body, "MigrateOptions", addedNodeSelector="map[string]string")
        await self._machine(namespace, own)
        vmi = await self._instances.instance(namespace, own)
        if dig(vmi, "status", "phase") != "Running":
            raise replies.conflicting(MACHINE, own, run_state.NOT_RUNNING)
        spec: Object = {"vmiName": own}
        if given.get("addedNodeSelector"):
            spec["addedNodeSelector"] = given["addedNodeSelector"]
        obj = {
            "apiVersion": MIGRATIONS.api_version,
            "kind": MIGRATIONS.kind,
            "metadata": {"generateName": "kubevirt-migrate-vm-", "namespace": namespace},
            "spec": spec,
        }
        with replies.internally():
            await self._client.create(MIGRATIONS, obj, dry_run=replies.is_dry_run(given))
        return replies.empty(replies.RECORDED)

    async def _add_volume(self, request: Request, namespace: str, own: str) -> Response:
        config = await self._settings.current()
        hotplug.check_gates(config)
        given = hotplug.addition(request.body)
        volume, disk = hotplug.added(given)
        vm = await self._machine(namespace, own)
        operations = hotplug.add(MACHINE, vm, _template(vm), _TEMPLATE, volume=volume, disk=disk)
        if hotplug.queues(config):
            source = {key: value for key, value in volume.items() if key != "name"}
            wish = {"name": volume["name"], "disk": disk, "volumeSource": source}
            operations = hotplug.queued(vm, {"addVolumeOptions": wish})
        return await self._patched(given, namespace, own, operations, queued=hotplug.queues(config))

    async def _remove_volume(self, request: Request, namespace: str, own: str) -> Response:
        config = await self._settings.current()
        hotplug.check_gates(config)
        given = hotplug.removal(request.body)
        label = hotplug.removed(given)
        vm = await self._machine(namespace, own)
        operations = hotplug.remove(MACHINE, vm, _template(vm), _TEMPLATE, label)
        if hotplug.queues(config):
            operations = hotplug.queued(vm, {"removeVolumeOptions": {"name": label}})
        return await self._patched(given, namespace, own, operations, queued=hotplug.queues(config))

    async def _memory_dump(self, request: Request, namespace: str, own: str) -> Response:
        hotplug.check_gates(await self._settings.current())
        given = replies.options(request.body, "VirtualMachineMemoryDumpRequest", claimName="string")
        vm = await self._machine(namespace, own)
        claim = memory_dump.claim(vm, given.get("claimName") or "")
        vmi = await self._instances.instance(namespace, own)
        memory_dump.check_running(vmi)
        found = await self._lookups.claim(namespace, claim)
        memory_dump.check_claim(vmi, found, claim, await self._lookups.cdi_config())
        return await self._patched({}, namespace, own, memory_dump.asked(vm, claim), queued=True)

    async def _remove_memory_dump(self, _request: Request, namespace: str, own: str) -> Response:
        vm = await self._machine(namespace, own)
        return await self._patched({}, namespace, own, memory_dump.forgotten(vm), queued=True)

    async def _cancel_evacuation(self, request: Request, namespace: str, own: str) -> Response:
        await self._started(namespace, own)
        return await self._instances.cancel_evacuation(request, namespace, own)

    async def _expand(self, _request: Request, namespace: str, own: str) -> Response:
        vm = await self._machine(namespace, own)
        return answers.json(await expanding.expanded(vm, self._lookups, await self._settings.current()))

    async def _graph(self, request: Request, namespace: str, own: str) -> Response:
        return await self._instances.graph(request, namespace, own, self._machine, object_graph.of_machine)

    async def _port_forward(self, request: Request, namespace: str, own: str) -> Response:
        await self._started(namespace, own)
        return await self._instances.streams.port_forward(request, namespace, own)

    async def _started(self, namespace: str, own: str) -> None:
        if not dig(await self._machine(namespace, own), "status", "created"):
            raise replies.conflicting(MACHINE, own, _NOT_STARTED)

    async def _machine(self, namespace: str, own: str) -> Object:
        return replies.found(await self._lookups.machine(namespace, own), MACHINE, own)

    async def _both(self, namespace: str, own: str) -> tuple[Object, Object | None]:
        return await self._machine(namespace, own), await self._lookups.instance(namespace, own)

    async def _end_within(self, vmi: Object, before: int | None, seconds: int, given: Object) -> None:
        operations = run_state.grace_period(before, seconds)
        with replies.internally():
            await self._client.patch(
                VIRTUAL_MACHINE_INSTANCES,
                name(vmi),
                vmi["metadata"]["namespace"],
                operations,
                type="json",
                dry_run=replies.is_dry_run(given),
            )

    async def _applied(
        self, change: run_state.Change | None, namespace: str, own: str, given: Object
    ) -> Response:
        if change is not None:
            sub = "status" if change.of_status else None
            with replies.internally():
                await self._patch(given, namespace, own, change.operations, sub)
        return replies.empty(replies.RECORDED)

    async def _patched(
        self,
        given: Object,
        namespace: str,
        own: str,
        operations: list[dict[str, object]],
        *,
        queued: bool,
    ) -> Response:
        """Patch machine or status; what is invalid is told as it is, for clients try again on that."""
        with replies.internally("unable to patch vm status: " if queued else "unable to patch vm: ", Invalid):
            await self._patch(given, namespace, own, operations, "status" if queued else None)
        return replies.empty(replies.RECORDED)

    async def _patch(
        self, given: Object, namespace: str, own: str, operations: list[dict[str, object]], sub: str | None
    ) -> None:
        dry = replies.is_dry_run(given)
        await self._client.patch(
            VIRTUAL_MACHINES, own, namespace, operations, type="json", subresource=sub, dry_run=dry
        )


def _template(vm: Object) -> Object:
    template: Object = dig(vm, "spec", "template", "spec") or {}
    return template


def _grace_period(vmi: Object) -> int | None:
    found: int | None = dig(vmi, "spec", "terminationGracePeriodSeconds")
    return found
