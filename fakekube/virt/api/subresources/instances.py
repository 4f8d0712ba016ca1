"""Subresources of instances: checks here, the deed by the node.

Origin: kubevirt: pkg/virt-api/rest/{lifecycle,subresource,console,vnc,portforward,usbredir,volumes,objectgraph}.go
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fakekube.client.client import Client
from fakekube.machinery import answers
from fakekube.machinery.errors import ApiError, BadRequest
from fakekube.machinery.objects import condition_is, controller_of, dig
from fakekube.machinery.resources import NODES, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt import changed_blocks
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.node import Node, Verb
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.subresources import hotplug, object_graph, replies, streams
from fakekube.virt.api.subresources.replies import INSTANCE, MACHINE, conflicting

Operation = Callable[[Request, str, str], Awaitable[Response]]
NOT_RUNNING = "VMI is not running"
_VM_NOT_RUNNING = "VM is not running"


class Instances:
    """`virtualmachineinstances/{name}/…`, by method and subresource."""

    def __init__(self, client: Client, settings: Settings, node: Node | None) -> None:
        self._client = client
        self._settings = settings
        self._node = node
        self._lookups = Lookups(client)
        self.operations: dict[tuple[str, str], Operation] = {
            ("PUT", "pause"): self._pause,
            ("PUT", "unpause"): self._unpause,
            ("PUT", "freeze"): self._freeze,
            ("PUT", "unfreeze"): self._unfreeze,
            ("PUT", "reset"): self._reset,
            ("PUT", "softreboot"): self._soft_reboot,
            ("PUT", "backup"): self._backup,
            ("PUT", "redefine-checkpoint"): self._redefine_checkpoint,
            ("GET", "guestosinfo"): self._asks("guestosinfo"),
            ("GET", "userlist"): self._asks("userlist"),
            ("GET", "filesystemlist"): self._asks("filesystemlist"),
            ("PUT", "addvolume"): self._add_volume,
            ("PUT", "removevolume"): self._remove_volume,
            ("PUT", "evacuate/cancel"): self.cancel_evacuation,
            ("GET", "console"): self._console,
            ("GET", "vnc"): self._vnc,
            ("GET", "vnc/screenshot"): self._vnc,
            ("GET", "portforward"): self.port_forward,
            ("GET", "usbredir"): self._usb,
            ("GET", "vsock"): self._vsock,
            ("GET", "objectgraph"): self._graph,
        }

    async def _pause(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        vmi = await self._running(namespace, own, _VM_NOT_RUNNING)
        probe = dig(vmi, "spec", "livenessProbe")
        if probe is not None and probe.get("guestAgentPing") is None:
            raise replies.prohibited(
                INSTANCE, own, "Pausing VMIs with a non-GuestAgentPing LivenessProbe is not supported"
            )
        if condition_is(vmi, "Paused"):
            raise conflicting(INSTANCE, own, "VMI is already paused")
        return await self._told(namespace, own, "pause", given)

    async def _unpause(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        vm = await self._lookups.machine(namespace, own)
        if vm is not None and dig(vm, "status", "snapshotInProgress"):
            raise conflicting(MACHINE, own, "VM snapshot is in progress")
        vmi = await self._running(namespace, own, NOT_RUNNING)
        if not condition_is(vmi, "Paused"):
            raise conflicting(INSTANCE, own, "VMI is not paused")
        return await self._told(namespace, own, "unpause", given)

    async def _freeze(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        await self._running(namespace, own, _VM_NOT_RUNNING)
        return await self._told(namespace, own, "freeze", given)

    async def _unfreeze(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        await self._running(namespace, own, NOT_RUNNING)
        return await self._told(namespace, own, "unfreeze", given)

    async def _reset(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        phase = dig(await self._instance(namespace, own), "status", "phase") or ""
        if phase != "Running":
            raise BadRequest(
                f"Failed to reset non-running VMI with phase {phase}: Unable to connect to VirtualMachineInstance "
                f"because phase is {phase} instead of Running or Scheduled"
            )
        return await self._told(namespace, own, "reset", given)

    async def _soft_reboot(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        vmi = await self._running(namespace, own, _VM_NOT_RUNNING)
        if condition_is(vmi, "Paused"):
            raise conflicting(INSTANCE, own, "VMI is paused")
        acpi = dig(vmi, "spec", "domain", "features", "acpi", "enabled") is not False
        if not acpi and not condition_is(vmi, "AgentConnected"):
            raise conflicting(
                INSTANCE, own, "VMI neither have the agent connected nor the ACPI feature enabled"
            )
        return await self._told(namespace, own, "softreboot", given)

    async def _backup(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        await self._running(namespace, own, _VM_NOT_RUNNING)
        return await self._told(namespace, own, "backup", given)

    async def _redefine_checkpoint(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        if changed_blocks.state(await self._instance(namespace, own)) != changed_blocks.ENABLED:
            raise conflicting(INSTANCE, own, "ChangedBlockTracking is not enabled")
        return await self._told(namespace, own, "redefine-checkpoint", given)

    def _asks(self, verb: Verb) -> Operation:
        """A question to the guest agent. Every refusal is 500 with plain text, as upstream has it."""

        async def ask(_request: Request, namespace: str, own: str) -> Response:
            try:
                vmi = await self._running(namespace, own, NOT_RUNNING)
                if not condition_is(vmi, "AgentConnected"):
                    raise conflicting(INSTANCE, own, "VMI does not have guest agent connected")
                return answers.json(await self._command(namespace, own, verb, {}))
            except ApiError as error:
                return Response(500, error.message.encode(), "text/plain; charset=utf-8")

        return ask

    async def _add_volume(self, request: Request, namespace: str, own: str) -> Response:
        given, vmi = await self._pluggable(request, namespace, own, hotplug.added)
        volume, disk = hotplug.added(given)
        operations = hotplug.add(INSTANCE, vmi, vmi["spec"], "/spec", volume=volume, disk=disk)
        return await self._plugged(given, namespace, own, operations)

    async def _remove_volume(self, request: Request, namespace: str, own: str) -> Response:
        given, vmi = await self._pluggable(request, namespace, own, hotplug.removed)
        operations = hotplug.remove(INSTANCE, vmi, vmi["spec"], "/spec", hotplug.removed(given))
        return await self._plugged(given, namespace, own, operations)

    async def _pluggable(
        self, request: Request, namespace: str, own: str, check: Callable[[Object], object]
    ) -> tuple[Object, Object]:
        config = await self._settings.current()
        hotplug.check_gates(config)
        given = replies.options(request.body)
        check(given)
        vmi = await self._instance(namespace, own)
        owner = controller_of(vmi)
        if owner is not None and owner.get("kind") == "VirtualMachine" and not hotplug.queues(config):
            raise BadRequest(f"VMI {namespace}/{own} is owned by a VM")
        if dig(vmi, "status", "phase") != "Running":
            raise conflicting(INSTANCE, own, NOT_RUNNING)
        return given, vmi

    async def _plugged(
        self, given: Object, namespace: str, own: str, operations: hotplug.Operations
    ) -> Response:
        if not replies.is_dry_run(given):
            await self._client.patch(VIRTUAL_MACHINE_INSTANCES, own, namespace, operations, type="json")
        return replies.empty(replies.RECORDED)

    async def cancel_evacuation(self, request: Request, namespace: str, own: str) -> Response:
        """Let an instance stay on its node."""
        given = replies.options(request.body)
        vmi = await self._instance(namespace, own)
        leaving = dig(vmi, "status", "evacuationNodeName")
        if not leaving:
            return replies.empty()
        taint = (await self._settings.current()).drain_taint
        for one in dig(await self._client.find(NODES, leaving), "spec", "taints") or ():
            if one.get("key") == taint and one.get("effect") == "NoSchedule":
                raise BadRequest(f'Node "{leaving}" has NodeDrainTaintKey "{taint}:NoSchedule"')
        path = "/status/evacuationNodeName"
        operations = [
            {"op": "test", "path": path, "value": given.get("evacuationNodeName") or ""},
            {"op": "remove", "path": path},
        ]
        if not replies.is_dry_run(given):
            try:
                await self._client.patch(VIRTUAL_MACHINE_INSTANCES, own, namespace, operations, type="json")
            except ApiError as error:
                raise replies.internal(error.message) from None
        return replies.empty()

    async def _console(self, _request: Request, namespace: str, own: str) -> Response:
        vmi = await self._instance(namespace, own)
        if dig(vmi, "spec", "domain", "devices", "autoattachSerialConsole") is False:
            raise BadRequest("No serial consoles are present.")
        if dig(vmi, "status", "phase") == "Failed":
            raise conflicting(INSTANCE, own, "VMI is in failed status")
        _check_running(vmi)
        return await streams.opened(self._at_node(), namespace, own, "console")

    async def _vnc(self, request: Request, namespace: str, own: str) -> Response:
        vmi = await self._instance(namespace, own)
        if dig(vmi, "spec", "domain", "devices", "autoattachGraphicsDevice") is False:
            raise BadRequest("No graphics devices are present.")
        _check_running(vmi)
        if request.path.rstrip("/").endswith("/screenshot"):
            shot = await self._command(namespace, own, "screenshot", {})
            return Response(200, (shot or {}).get("image", b""), "image/png")
        return await streams.opened(self._at_node(), namespace, own, "vnc")

    async def port_forward(self, request: Request, namespace: str, own: str) -> Response:
        """A port of the guest."""
        vmi = await self._instance(namespace, own)
        if condition_is(vmi, "Paused"):
            raise conflicting(INSTANCE, own, "VMI is paused")
        if not dig(vmi, "status", "interfaces"):
            raise BadRequest("no network interfaces are present")
        port, protocol = streams.port_of(request.path)
        return await streams.opened(
            self._at_node(), namespace, own, "portforward", port=port, protocol=protocol
        )

    async def _usb(self, _request: Request, namespace: str, own: str) -> Response:
        vmi = await self._instance(namespace, own)
        if dig(vmi, "spec", "domain", "devices", "clientPassthrough") is None:
            raise conflicting(INSTANCE, own, "Not configured with USB Redirection")
        _check_running(vmi)
        return await streams.opened(self._at_node(), namespace, own, "usbredir")

    async def _vsock(self, _request: Request, namespace: str, own: str) -> Response:
        vmi = await self._instance(namespace, own)
        if not dig(vmi, "spec", "domain", "devices", "autoattachVSOCK"):
            raise BadRequest("VSOCK is not attached.")
        _check_running(vmi)
        raise streams.not_emulated("VSOCK")

    async def _graph(self, request: Request, namespace: str, own: str) -> Response:
        return await self.graph(request, namespace, own, self._instance, object_graph.of_instance)

    async def graph(
        self,
        request: Request,
        namespace: str,
        own: str,
        find: Callable[[str, str], Awaitable[Object]],
        build: Callable[[Object, str, str], Object],
    ) -> Response:
        """The tree `build` makes of what `find` finds, with the options in the body of the GET."""
        if not (await self._settings.current()).gate("ObjectGraph"):
            raise BadRequest("ObjectGraph feature gate not enabled: Unable to return object graph.")
        found = await find(namespace, own)
        given = replies.options(request.body)
        pod, state = (
            await self._lookups.launcher(namespace, own),
            await self._lookups.state_claim(namespace, own),
        )
        tree = build(found, pod, state)
        return answers.json(object_graph.narrowed(tree, given))

    async def _instance(self, namespace: str, own: str) -> Object:
        vmi = await self._lookups.instance(namespace, own)
        if vmi is None:
            raise replies.unknown(INSTANCE, own)
        return vmi

    async def _running(self, namespace: str, own: str, otherwise: str) -> Object:
        vmi = await self._instance(namespace, own)
        if dig(vmi, "status", "phase") != "Running":
            raise conflicting(INSTANCE, own, otherwise)
        return vmi

    async def _told(self, namespace: str, own: str, verb: Verb, given: dict[str, Any]) -> Response:
        if not replies.is_dry_run(given):
            await self._command(namespace, own, verb, given)
        return replies.empty()

    async def _command(self, namespace: str, own: str, verb: Verb, given: dict[str, Any]) -> Object | None:
        return await self._at_node().command(namespace, own, verb, given)

    def _at_node(self) -> Node:
        if self._node is None:
            raise replies.internal("dial tcp: no virt-handler serves the node of this VirtualMachineInstance")
        return self._node


def _check_running(vmi: Object) -> None:
    if dig(vmi, "status", "phase") != "Running":
        raise BadRequest(NOT_RUNNING)
