"""Subresources of machines: read, decide, write.

Origin: kubevirt: pkg/virt-api/rest/{lifecycle,volumes,memorydump,evacuate_cancel,expand}.go
"""

from collections.abc import Awaitable, Callable

from fakekube.client.client import Client
from fakekube.machinery import answers
from fakekube.machinery.errors import ApiError, BadRequest
from fakekube.machinery.objects import dig, name
from fakekube.machinery.resources import MIGRATIONS, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.subresources import expanding, hotplug, object_graph, replies, run_state
from fakekube.virt.api.subresources.instances import Instances
from fakekube.virt.api.subresources.replies import INSTANCE, MACHINE

Operation = Callable[[Request, str, str], Awaitable[Response]]
_NOT_STARTED = "VMI is not started"
_TEMPLATE = "/spec/template/spec"
_FINAL = ("Succeeded", "Failed")


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
        given = replies.options(request.body)
        vm, vmi = await self._both(namespace, own)
        change = run_state.start(vm, vmi, paused=bool(given.get("paused")))
        if change is not None and not replies.is_dry_run(given):
            await self._apply(change, namespace, own)
        return replies.empty(replies.RECORDED)

    async def _stop(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        vm, vmi = await self._both(namespace, own)
        grace = given.get("gracePeriod")
        change = run_state.stop(vm, vmi, grace)
        if not replies.is_dry_run(given):
            if grace is not None and vmi is not None and dig(vmi, "status", "phase") not in _FINAL:
                await self._shorten(vmi, grace)
            await self._apply(change, namespace, own)
        return replies.empty(replies.RECORDED)

    async def _restart(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        run_state.check_restart(given)
        vm, vmi = await self._both(namespace, own)
        change = run_state.restart(vm, vmi)
        if not replies.is_dry_run(given):
            if given.get("gracePeriodSeconds") == 0 and vmi is not None:
                await self._shorten(vmi, 1)
            await self._apply(change, namespace, own)
        return replies.empty(replies.RECORDED)

    async def _migrate(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        await self._machine(namespace, own)
        vmi = await self._lookups.instance(namespace, own)
        if vmi is None:
            raise replies.unknown(INSTANCE, own)
        if dig(vmi, "status", "phase") != "Running":
            raise replies.conflicting(MACHINE, own, run_state.NOT_RUNNING)
        spec: Object = {"vmiName": own}
        if given.get("addedNodeSelector"):
            spec["addedNodeSelector"] = given["addedNodeSelector"]
        if not replies.is_dry_run(given):
            obj = {
                "apiVersion": MIGRATIONS.api_version,
                "kind": MIGRATIONS.kind,
                "metadata": {"generateName": "kubevirt-migrate-vm-", "namespace": namespace},
                "spec": spec,
            }
            try:
                await self._client.create(MIGRATIONS, obj)
            except ApiError as error:
                raise replies.internal(error.message) from None
        return replies.empty(replies.RECORDED)

    async def _add_volume(self, request: Request, namespace: str, own: str) -> Response:
        config = await self._settings.current()
        hotplug.check_gates(config)
        given = replies.options(request.body)
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
        given = replies.options(request.body)
        label = hotplug.removed(given)
        vm = await self._machine(namespace, own)
        operations = hotplug.remove(MACHINE, vm, _template(vm), _TEMPLATE, label)
        if hotplug.queues(config):
            operations = hotplug.queued(vm, {"removeVolumeOptions": {"name": label}})
        return await self._patched(given, namespace, own, operations, queued=hotplug.queues(config))

    async def _memory_dump(self, request: Request, namespace: str, own: str) -> Response:
        hotplug.check_gates(await self._settings.current())
        given = replies.options(request.body)
        vm = await self._machine(namespace, own)
        claim_name = given.get("claimName") or dig(vm, "status", "memoryDumpRequest", "claimName")
        if not claim_name:
            raise BadRequest("Memory dump requires claim name to be set")
        vmi = await self._lookups.instance(namespace, own)
        hotplug.check_dump(vm, vmi, await self._lookups.claim(namespace, claim_name), claim_name)
        wish = {"claimName": claim_name, "phase": "Associating"}
        return await self._patched(given, namespace, own, hotplug.dump(vm, wish), queued=True)

    async def _remove_memory_dump(self, _request: Request, namespace: str, own: str) -> Response:
        hotplug.check_gates(await self._settings.current())
        vm = await self._machine(namespace, own)
        operations = hotplug.dump(vm, hotplug.undumped(vm))
        return await self._patched({}, namespace, own, operations, queued=True)

    async def _cancel_evacuation(self, request: Request, namespace: str, own: str) -> Response:
        vm = await self._machine(namespace, own)
        if not dig(vm, "status", "created"):
            raise replies.conflicting(MACHINE, own, _NOT_STARTED)
        return await self._instances.cancel_evacuation(request, namespace, own)

    async def _expand(self, _request: Request, namespace: str, own: str) -> Response:
        vm = await self._machine(namespace, own)
        return answers.json(await expanding.expanded(vm, self._lookups, await self._settings.current()))

    async def _graph(self, request: Request, namespace: str, own: str) -> Response:
        return await self._instances.graph(request, namespace, own, self._machine, object_graph.of_machine)

    async def _port_forward(self, request: Request, namespace: str, own: str) -> Response:
        await self._machine(namespace, own)
        if await self._lookups.instance(namespace, own) is None:
            raise replies.conflicting(MACHINE, own, _NOT_STARTED)
        return await self._instances.port_forward(request, namespace, own)

    async def _machine(self, namespace: str, own: str) -> Object:
        vm = await self._lookups.machine(namespace, own)
        if vm is None:
            raise replies.unknown(MACHINE, own)
        return vm

    async def _both(self, namespace: str, own: str) -> tuple[Object, Object | None]:
        return await self._machine(namespace, own), await self._lookups.instance(namespace, own)

    async def _shorten(self, vmi: Object, seconds: int) -> None:
        await self._written(
            VIRTUAL_MACHINE_INSTANCES.path(vmi["metadata"]["namespace"], name(vmi)),
            run_state.grace_period(vmi, seconds),
        )

    async def _apply(self, change: run_state.Change, namespace: str, own: str) -> None:
        sub = "status" if change.of_status else None
        await self._written(VIRTUAL_MACHINES.path(namespace, own, sub), change.operations)

    async def _written(self, path: str, operations: list[dict[str, object]]) -> None:
        """Patch; whatever is refused on the way is an internal error to the caller."""
        try:
            await self._client.request(
                "PATCH", path, body=operations, headers={"content-type": "application/json-patch+json"}
            )
        except ApiError as error:
            if "jsonpatch test operation does not apply" in error.message:
                raise replies.conflicting(MACHINE, path.rpartition("/")[2], error.message) from None
            raise replies.internal(error.message) from None

    async def _patched(
        self,
        given: Object,
        namespace: str,
        own: str,
        operations: list[dict[str, object]],
        *,
        queued: bool,
    ) -> Response:
        """Patch machine or status; refusals are passed on, for clients try again on them."""
        if not replies.is_dry_run(given):
            await self._client.patch(
                VIRTUAL_MACHINES,
                own,
                namespace,
                operations,
                type="json",
                subresource="status" if queued else None,
            )
        return replies.empty(replies.RECORDED)


def _template(vm: Object) -> Object:
    template: Object = dig(vm, "spec", "template", "spec") or {}
    return template
