"""Subresources of instances: checks here, the deed by the node.

Origin: kubevirt: pkg/virt-api/rest/{lifecycle,subresource,volumes,evacuate_cancel,objectgraph}.go
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fakekube.client.client import Client
from fakekube.machinery import answers
from fakekube.machinery.errors import ApiError, BadRequest, Invalid
from fakekube.machinery.objects import condition_is, controller_of, dig
from fakekube.machinery.resources import NODES, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt import changed_blocks
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.node import Node, Verb
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.subresources import hotplug, object_graph, replies
from fakekube.virt.api.subresources.attestation import Attestation
from fakekube.virt.api.subresources.replies import INSTANCE, MACHINE, NOT_RUNNING, conflicting
from fakekube.virt.api.subresources.streams import Operation, Streams, reached

_VM_NOT_RUNNING = "VM is not running"
_NO_DOMAIN = (
    "server error. command ResetVMI failed: \"LibvirtError(Code=42, Domain=10, Message='Domain not found')\""
)


class Instances:
    """`virtualmachineinstances/{name}/…`, by method and subresource."""

    def __init__(self, client: Client, settings: Settings, node: Node | None) -> None:
        self._client = client
        self._settings = settings
        self._node = node
        self._lookups = Lookups(client)
        self.streams = Streams(self._lookups, node)
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
            ("GET", "objectgraph"): self._graph,
            **self.streams.operations,
            **Attestation(client, settings, self._lookups).operations,
        }

    async def _pause(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body, "PauseOptions")
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
        vm = await self._lookups.machine(namespace, own)
        if vm is not None and dig(vm, "status", "snapshotInProgress"):
            raise conflicting(MACHINE, own, "VM snapshot is in progress")
        given = replies.options(request.body, "UnpauseOptions")
        vmi = await self._running(namespace, own, NOT_RUNNING)
        if not condition_is(vmi, "Paused"):
            raise conflicting(INSTANCE, own, "VMI is not paused")
        return await self._told(namespace, own, "unpause", given)

    async def _freeze(self, request: Request, namespace: str, own: str) -> Response:
        """What is asked for is handed on as it is: the node finds fault with it."""
        await self._running(namespace, own, _VM_NOT_RUNNING)
        try:
            given = replies.options(request.body)
        except BadRequest:
            raise replies.internal(_of_node(400, "failed to unmarshal unfreeze timeout")) from None
        if given.get("unfreezeTimeout") is None:
            raise replies.internal(_of_node(400, "Unfreeze timeout in freeze request is not set"))
        return await self._told(namespace, own, "freeze", given)

    async def _unfreeze(self, _request: Request, namespace: str, own: str) -> Response:
        await self._running(namespace, own, NOT_RUNNING)
        return await self._told(namespace, own, "unfreeze", {})

    async def _reset(self, _request: Request, namespace: str, own: str) -> Response:
        phase = dig(await self.instance(namespace, own), "status", "phase") or ""
        failed = f"Failed to reset non-running VMI with phase {phase}: "
        if phase == "Scheduled":
            raise replies.internal(failed + _of_node(500, _NO_DOMAIN))
        if phase != "Running":
            raise BadRequest(
                f"{failed}Unable to connect to VirtualMachineInstance because phase is {phase} "
                "instead of Running or Scheduled"
            )
        return await self._told(namespace, own, "reset", {})

    async def _soft_reboot(self, _request: Request, namespace: str, own: str) -> Response:
        vmi = await self._running(namespace, own, _VM_NOT_RUNNING)
        if condition_is(vmi, "Paused"):
            raise conflicting(INSTANCE, own, "VMI is paused")
        acpi = dig(vmi, "spec", "domain", "features", "acpi", "enabled") is not False
        if not acpi and not condition_is(vmi, "AgentConnected"):
            raise conflicting(
                INSTANCE, own, "VMI neither have the agent connected nor the ACPI feature enabled"
            )
        return await self._told(namespace, own, "softreboot", {})

    async def _backup(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        await self._running(namespace, own, _VM_NOT_RUNNING)
        return await self._told(namespace, own, "backup", given)

    async def _redefine_checkpoint(self, request: Request, namespace: str, own: str) -> Response:
        given = replies.options(request.body)
        if changed_blocks.state(await self.instance(namespace, own)) != changed_blocks.ENABLED:
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
                return replies.plainly(error)

        return ask

    async def _add_volume(self, request: Request, namespace: str, own: str) -> Response:
        given, vmi = await self._pluggable(hotplug.addition, request, namespace, own, hotplug.added)
        volume, disk = hotplug.added(given)
        operations = hotplug.add(INSTANCE, vmi, vmi["spec"], "/spec", volume=volume, disk=disk)
        return await self._plugged(given, namespace, own, operations)

    async def _remove_volume(self, request: Request, namespace: str, own: str) -> Response:
        given, vmi = await self._pluggable(hotplug.removal, request, namespace, own, hotplug.removed)
        operations = hotplug.remove(INSTANCE, vmi, vmi["spec"], "/spec", hotplug.removed(given))
        return await self._plugged(given, namespace, own, operations)

    async def _pluggable(
        self,
        read: Callable[[bytes], Object],
        request: Request,
        namespace: str,
        own: str,
        check: Callable[[Object], object],
    ) -> tuple[Object, Object]:
        config = await self._settings.current()
        hotplug.check_gates(config)
        given = read(request.body)
        check(given)
        vmi = await self.instance(namespace, own)
        owner = controller_of(vmi)
        if owner is not None and owner.get("kind") == "VirtualMachine" and not hotplug.queues(config):
            raise BadRequest(f"VMI {namespace}/{own} is owned by a VM")
        if dig(vmi, "status", "phase") != "Running":
            raise conflicting(INSTANCE, own, NOT_RUNNING)
        return given, vmi

    async def _plugged(
        self, given: Object, namespace: str, own: str, operations: hotplug.Operations
    ) -> Response:
        with replies.internally("unable to patch vmi: ", Invalid):
            await self._patch(given, namespace, own, operations)
        return replies.empty(replies.RECORDED)

    async def _patch(
        self, given: Object, namespace: str, own: str, operations: list[dict[str, object]]
    ) -> None:
        dry = replies.is_dry_run(given)
        await self._client.patch(
            VIRTUAL_MACHINE_INSTANCES, own, namespace, operations, type="json", dry_run=dry
        )

    async def cancel_evacuation(self, request: Request, namespace: str, own: str) -> Response:
        """Let an instance stay on its node."""
        vmi = await self.instance(namespace, own)
        leaving = dig(vmi, "status", "evacuationNodeName")
        if not leaving:
            return replies.empty()
        taint = (await self._settings.current()).drain_taint
        with replies.internally():
            node = await self._client.get(NODES, leaving)
        for one in dig(node, "spec", "taints") or ():
            if one.get("key") == taint and one.get("effect") == "NoSchedule":
                raise BadRequest(f'Node "{leaving}" has NodeDrainTaintKey "{taint}:NoSchedule"')
        given = replies.options(request.body, "EvacuateCancelOptions", evacuationNodeName="string")
        path = "/status/evacuationNodeName"
        operations = [
            {"op": "test", "path": path, "value": given.get("evacuationNodeName") or ""},
            {"op": "remove", "path": path},
        ]
        with replies.internally():
            await self._patch(given, namespace, own, operations)
        return replies.empty()

    async def _graph(self, request: Request, namespace: str, own: str) -> Response:
        return await self.graph(request, namespace, own, self.instance, object_graph.of_instance)

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
        given = replies.options(request.body, "ObjectGraphOptions", includeOptionalNodes="bool")
        pod, state = (
            await self._lookups.launcher(namespace, own),
            await self._lookups.state_claim(namespace, own),
        )
        tree = build(found, pod, state)
        return answers.json(object_graph.narrowed(tree, given))

    async def instance(self, namespace: str, own: str) -> Object:
        """The instance of that name. Raises NotFound."""
        return replies.found(await self._lookups.instance(namespace, own), INSTANCE, own)

    async def _running(self, namespace: str, own: str, otherwise: str) -> Object:
        vmi = await self.instance(namespace, own)
        if dig(vmi, "status", "phase") != "Running":
            raise conflicting(INSTANCE, own, otherwise)
        return vmi

    async def _told(self, namespace: str, own: str, verb: Verb, given: dict[str, Any]) -> Response:
        if not replies.is_dry_run(given):
            await self._command(namespace, own, verb, given)
        return replies.empty()

    async def _command(self, namespace: str, own: str, verb: Verb, given: dict[str, Any]) -> Object | None:
        return await reached(self._node).command(namespace, own, verb, given)


def _of_node(code: int, text: str) -> str:
    """What virt-api says of a node that has refused something."""
    return f"unexpected return code {code} ({code} {HTTPStatus(code).phrase}), message: {text}"
