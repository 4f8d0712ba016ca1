"""Starting and stopping: a VM's VMI is made from its template, or deleted. When, decides `run_strategy`.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (startVMI, stopVMI, syncRunStrategy)
"""

from fakekube.client.client import Client
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.machinery.errors import ApiError, Conflict, NotFound
from fakekube.machinery.objects import dig, is_terminating, name, namespace, uid
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES
from fakekube.virt.controller import (
    instancetypes,
    patches,
    run_strategy,
    tracking,
    vmi_template,
    volume_migration,
)
from fakekube.virt.controller.vm_pass import Pass, Writers
from fakekube.virt.controller.vm_revisions import Revisions


class Runner:
    """See the module text."""

    def __init__(self, client: Client, recorder: Recorder, writers: Writers, revisions: Revisions) -> None:
        self._client = client
        self._recorder = recorder
        self._writers = writers
        self._revisions = revisions

    async def carry_out(self, seen: Pass, decision: run_strategy.Decision) -> None:
        if decision.request_start:
            await self._request_start(seen)
        if decision.stop:
            await self.stop(seen)
        elif decision.start:
            await self._start(seen, receiver=decision.receiver)
        elif decision.run_always or decision.restore:
            await self._change_strategy(seen, decision.restore or run_strategy.ALWAYS)
        if seen.error is None:
            await self._keep_firmware(seen)

    async def _start(self, seen: Pass, *, receiver: bool) -> None:
        vm = seen.vm
        if volume_migration.needs_recovery(vm):
            return
        try:
            await self._revisions.remember(vm)
            paused = run_strategy.wants_paused_start(vm)
            whole = instancetypes.expanded(vm, seen.sizes)
            made = await self._writers.vmis.create(
                vmi_template.build(
                    whole, paused=paused, receiver=receiver, tracking=tracking.of_instance(vm, seen.tracked)
                )
            )
        except (ApiError, instancetypes.ConflictError) as error:
            message = f"Error creating virtual machine instance: {error}"
            self._recorder.event(vm, WARNING, "FailedCreate", message)
            seen.failed("FailedCreate", f"Failure while starting VMI: {error}", error)
            return
        seen.creating = True
        seen.restart = ""
        self._revisions.started(vm)
        message = f"Started the virtual machine by creating the new virtual machine instance {name(made)}"
        self._recorder.event(vm, NORMAL, "SuccessfulCreate", message)

    async def _keep_firmware(self, seen: Pass) -> None:
        """Write the firmware UUID derived from the name into the template, so that it survives a renaming copy."""
        firmware = dig(seen.vm, "spec", "template", "spec", "domain", "firmware")
        if (firmware or {}).get("uuid"):
            return
        path = "/spec/template/spec/domain/firmware"
        derived = {**(firmware or {}), "uuid": vmi_template.firmware_uuid(name(seen.vm))}
        patch = patches.guarded(path, firmware, derived) if firmware else patches.added(path, derived)
        seen.vm = await self._writers.vms.patch(seen.vm, patch)

    async def stop(self, seen: Pass) -> None:
        """Delete the VMI. That of a VM being deleted only as it was seen: it may just have been orphaned."""
        vmi = seen.vmi
        if vmi is None or is_terminating(vmi):
            return
        version = vmi["metadata"]["resourceVersion"] if is_terminating(seen.vm) else None
        try:
            answer = await self._client.delete(
                VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), resource_version=version
            )
        except NotFound:
            return
        except Conflict as error:
            seen.error = error  # seen anew, it is decided anew
            return
        except ApiError as error:
            message = f"Error deleting virtual machine instance {name(vmi)}: {error}"
            self._recorder.event(seen.vm, WARNING, "FailedDelete", message)
            seen.failed("FailedDelete", f"Failure while stopping VMI: {error}", error)
            return
        if answer.get("kind") == "VirtualMachineInstance":
            self._writers.vmis.wrote(answer)
        seen.deleting = True
        message = f"Stopped the virtual machine by deleting the virtual machine instance {uid(vmi)}"
        self._recorder.event(seen.vm, NORMAL, "SuccessfulDelete", message)

    async def _request_start(self, seen: Pass) -> None:
        requests = dig(seen.vm, "status", "stateChangeRequests", default=[])
        path, wanted = "/status/stateChangeRequests", [*requests, {"action": "Start"}]
        patch = patches.guarded(path, requests, wanted) if requests else patches.added(path, wanted)
        seen.vm = await self._writers.vms.patch(seen.vm, patch, subresource="status")

    async def _change_strategy(self, seen: Pass, strategy: str) -> None:
        spec = dict(seen.vm["spec"])
        if "running" in spec:
            spec["running"] = strategy == run_strategy.ALWAYS
        else:
            spec["runStrategy"] = strategy
        seen.vm = await self._writers.vms.update({**seen.vm, "spec": spec})
