"""The VirtualMachineInstance controller: gives a VMI its launcher pod and follows both until they end.

Up to Scheduled the VMI is written whole; then the node owns it, and this side sends guarded patches of a few members.
Origin: kubevirt: pkg/virt-controller/watch/vmi/{vmi,lifecycle}.go
"""

from collections.abc import Iterable

from fakekube.client.controller import Result, owner_of
from fakekube.machinery.objects import (
    annotations,
    controller_of,
    dig,
    is_final,
    is_terminating,
    key,
    labels,
    namespace,
    uid,
)
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt import tsc
from fakekube.virt.controller import (
    hotplug,
    instance,
    names,
    nics,
    patches,
    persistent_state,
    pods,
    vmi_status,
    vsock,
)
from fakekube.virt.controller.informers import BY_CLAIM, BY_OWNER
from fakekube.virt.controller.vmi_attachments import Attachments
from fakekube.virt.controller.vmi_pass import Pass, Seen
from fakekube.virt.controller.vmi_pods import Launchers
from fakekube.virt.controller.wiring import Wiring

_WORKERS = 10

# What this side may still change while the VMI belongs to the node.
_PATCHED: tuple[tuple[str, ...], ...] = (
    ("metadata", "labels"),
    ("metadata", "finalizers"),
    ("status", "volumeStatus"),
    ("status", "conditions"),
    ("status", "activePods"),
    ("status", "phase"),
    ("status", "nodeName"),
    ("status", "launcherContainerImageVersion"),
    ("status", "interfaces"),
)


class InstanceController:
    """See the module text. `controller` is what runs."""

    def __init__(self, wiring: Wiring) -> None:
        informers = wiring.informers
        self._informers = informers
        self._wiring = wiring
        self._writer = wiring.writer(informers.vmis)
        self._launchers = Launchers(wiring)
        self._attachments = Attachments(wiring)
        self.controller = wiring.controller(
            "virtualmachineinstance",
            self._reconcile,
            informers.vmis,
            (informers.pods, owner_of(VIRTUAL_MACHINE_INSTANCES.kind)),
            (informers.attachments, _attached_key),
            (informers.data_volumes, self._users),
            (informers.claims, self._users),
            (informers.cdi_configs, self._scheduling),
            (informers.kubevirts, self._updated),
            reads=(informers.namespaces, informers.quotas, informers.storage_classes),
            workers=_WORKERS,
        )

    def _users(self, old: Object | None, new: Object | None) -> Iterable[str]:
        obj = new or old
        if obj is None:
            return ()
        found = [key(vmi) for vmi in self._informers.vmis.by_index(BY_CLAIM, key(obj))]
        if machine := labels(obj).get(persistent_state.LABEL):
            found.append(f"{namespace(obj)}/{machine}")
        return found

    def _scheduling(self, _old: Object | None, _new: Object | None) -> Iterable[str]:
        """Those that may have waited for CDI to know what it is configured to."""
        return [key(vmi) for vmi in self._informers.vmis.objects() if instance.phase(vmi) == names.SCHEDULING]

    def _updated(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """All, when another release is installed."""
        member = ("status", "observedDeploymentID")
        if old is None or new is None or dig(old, *member) == dig(new, *member):
            return ()
        return [key(vmi) for vmi in self._informers.vmis.objects() if not is_final(vmi)]

    async def _reconcile(self, own: str) -> Result | None:
        vmi = self._informers.vmis.get(own)
        if vmi is None:
            self._launchers.forget(own)
            return None
        if self._writer.behind(own) or self._launchers.awaited(own):
            return None
        if vmi_status.is_new(vmi):
            await self._writer.update(vmi_status.marked(vmi))
            return None
        if instance.is_unprocessed(vmi) and (hinted := self._hinted(vmi)) is not None:
            await self._writer.update(hinted)
            return None
        seen = self._look(vmi)
        if is_terminating(vmi):
            await self._launchers.delete(seen)
        elif instance.is_unprocessed(vmi):
            await self._launchers.provide(own, seen)
        if (pod := seen.pod) is not None and not pods.is_temporary(pod):
            await self._launchers.gate_readiness(seen, pod)
            if instance.phase(vmi) == names.SCHEDULING:
                self._launchers.check_guarantee(seen, pod)
            if instance.phase(vmi) in (names.SCHEDULED, names.RUNNING) and not is_terminating(vmi):
                await self._attachments.plug(seen, pod)
        await self._write(own, seen)
        if seen.error is not None:
            raise seen.error
        left = nics.seconds_left(vmi, self._wiring.clock.now())
        return Result(requeue_after=left) if left else None

    def _hinted(self, vmi: Object) -> Object | None:
        raw = self._informers.config().raw
        least = dig(raw, "developerConfiguration", "minimumClusterTSCFrequency")
        return tsc.hinted(vmi, self._informers.nodes.objects(), least)

    def _look(self, vmi: Object) -> Pass:
        owned = self._informers.pods.by_index(BY_OWNER, uid(vmi))
        seen = Pass(vmi, owned, pods.current(vmi, owned))
        space = namespace(vmi)
        for volume in instance.all_volumes(vmi):
            if claim := instance.claim_name(volume):
                if (found := self._informers.claims.get(f"{space}/{claim}")) is not None:
                    seen.claims[claim] = found
                if (known := self._informers.data_volumes.get(f"{space}/{claim}")) is not None:
                    seen.volumes[claim] = known
        if persistent_state.is_needed(vmi):
            seen.state = self._informers.state_of(vmi)
        if seen.pod is not None:
            seen.attached = self._attachments.of(vmi, seen.pod, seen.claims)
        return seen

    async def _write(self, own: str, seen: Pass) -> None:
        old = seen.vmi
        owner = controller_of(old)
        new = vmi_status.next_instance(
            Seen(
                vmi=old,
                now=self._wiring.now(),
                pod=seen.pod,
                owned=seen.owned,
                volumes=seen.volumes,
                claims=seen.claims,
                state=seen.state,
                failure=seen.failure,
                unschedulable=seen.unschedulable,
                provisioning=seen.provisioning,
                attached=seen.attached,
                overhead_ratio=self._informers.config().raw.get("additionalGuestMemoryOverheadRatio", ""),
                launcher_image=self._wiring.launcher_image(),
                cid=self._cid(old),
                cdi_config=self._informers.cdi_configs.get("config"),
                has_vm=owner is not None and self._owner_exists(own, owner),
            )
        )
        phase = instance.phase(old)
        if phase in (names.SCHEDULED, names.RUNNING):
            if operations := patches.between(old, new, _PATCHED):
                await self._writer.patch(old, operations)
        elif new != old:
            if new["status"].get("interfaces") == []:
                del new["status"]["interfaces"]  # whoever writes the whole object writes no empty lists
            await self._writer.update(new)
        if seen.pod is not None and not is_final(new):
            await self._launchers.mark(own, seen.pod, new)

    def _cid(self, vmi: Object) -> int | None:
        if not instance.has_vsock(vmi):
            return None
        return vsock.cid(vmi, self._informers.vmis.objects())

    def _owner_exists(self, own: str, owner: Object) -> bool:
        vm = self._informers.vms.get(own) if owner.get("kind") == "VirtualMachine" else None
        return vm is not None and uid(vm) == owner.get("uid")


def _attached_key(old: Object | None, new: Object | None) -> Iterable[str]:
    pod = new or old
    owner = annotations(pod).get(hotplug.OWNER_NAME) if pod else None
    return (f"{namespace(pod)}/{owner}",) if pod and owner else ()
