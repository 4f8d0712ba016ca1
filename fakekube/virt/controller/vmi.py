"""The VirtualMachineInstance controller: gives a VMI its launcher pod and follows both until they end.

Up to Scheduled the VMI is written whole; then the node owns it, and this side sends guarded patches of a few members.
Origin: kubevirt: pkg/virt-controller/watch/vmi/{vmi,lifecycle}.go
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import (
    annotations,
    condition,
    condition_is,
    controller_of,
    dig,
    finalizers,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    uid,
)
from fakekube.machinery.resources import PODS, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt.controller import (
    conditions,
    hotplug,
    instance,
    launcher_pod,
    names,
    patches,
    pods,
    vmi_status,
)
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.controller.freshness import Freshness
from fakekube.virt.controller.informers import BY_CLAIM, BY_OWNER, Informers

_WAITS_FOR_CONSUMER = frozenset(("WaitForFirstConsumer", "PendingPopulation"))

# What this side may still change while the VMI belongs to the node.
_PATCHED: tuple[tuple[str, ...], ...] = (
    ("metadata", "labels"),
    ("metadata", "finalizers"),
    ("status", "volumeStatus"),
    ("status", "conditions"),
    ("status", "activePods"),
    ("status", "phase"),
    ("status", "launcherContainerImageVersion"),
    ("status", "interfaces"),
)


@dataclass(slots=True)
class _Pass:
    """One look at one VMI, and what has come of it so far."""

    vmi: Object
    owned: list[Object]
    pod: Object | None
    volumes: dict[str, Object] = field(default_factory=dict)
    claims: dict[str, Object] = field(default_factory=dict)
    failure: Failure | None = None
    unschedulable: str = ""
    provisioning: bool = False
    attached: dict[str, Object] = field(default_factory=dict)
    error: Exception | None = None


class InstanceController:
    """See the module text. `controller` is what runs."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        *,
        clock: Clock,
        settings: launcher_pod.Settings,
        workers: int = 10,
    ) -> None:
        self._client = client
        self._informers = informers
        self._recorder = recorder
        self._clock = clock
        self._settings = settings
        self._fresh = Freshness(informers.vmis, clock)
        self._fresh_pods = Freshness(informers.pods, clock)
        self._attachments: dict[
            str, dict[str, Object]
        ] = {}  # launcher uid → attachment pods not in the cache yet
        self._awaited: dict[str, str] = {}  # VMI key → key of the pod made for it last
        self._deleted: dict[
            str, bool
        ] = {}  # pod uid → whether it was finished when its deletion was asked for
        self.controller = Controller("virtualmachineinstance", self._reconcile, clock=clock, workers=workers)
        self.controller.source(informers.vmis)
        self.controller.source(informers.pods, _owner_key)
        self.controller.source(informers.attachments, _attached_key)
        self.controller.source(informers.data_volumes, self._users)
        self.controller.source(informers.claims, self._users)
        informers.pods.on_change(self._forget_pod)

    def _users(self, old: Object | None, new: Object | None) -> Iterable[str]:
        obj = new or old
        return [key(vmi) for vmi in self._informers.vmis.by_index(BY_CLAIM, key(obj))] if obj else ()

    def _forget_pod(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._deleted.pop(uid(old), None)
            self._attachments.pop(uid(old), None)

    async def _reconcile(self, own: str) -> Result | None:
        vmi = self._informers.vmis.get(own)
        if vmi is None:
            self._awaited.pop(own, None)
            return None
        if self._fresh.behind(own) or self._pod_is_awaited(own):
            return None
        seen = self._look(vmi)
        if is_terminating(vmi):
            await self._delete_pods(seen)
        elif instance.is_unprocessed(vmi):
            await self._provide_pod(own, seen)
        if seen.pod is not None and not pods.is_temporary(seen.pod):
            await self._gate_readiness(seen)
            if instance.phase(vmi) in (names.SCHEDULED, names.RUNNING) and not is_terminating(vmi):
                await self._plug(seen, seen.pod)
        await self._write(own, seen)
        if seen.error is not None:
            raise seen.error
        return None

    def _pod_is_awaited(self, own: str) -> bool:
        awaited = self._awaited.get(own)
        if awaited is None:
            return False
        if self._fresh_pods.behind(awaited):
            return True
        del self._awaited[own]
        return False

    def _look(self, vmi: Object) -> _Pass:
        owned = self._informers.pods.by_index(BY_OWNER, uid(vmi))
        seen = _Pass(vmi, owned, pods.current(vmi, owned))
        space = namespace(vmi)
        if seen.pod is not None:
            attached = self._informers.attachments.by_index(BY_OWNER, uid(seen.pod))
            seen.attached = hotplug.by_volume(
                [*attached, *self._new_attachments(own=uid(seen.pod), known=attached)]
            )
        for volume in instance.volumes(vmi):
            if claim := instance.claim_name(volume):
                if (found := self._informers.claims.get(f"{space}/{claim}")) is not None:
                    seen.claims[claim] = found
                if (known := self._informers.data_volumes.get(f"{space}/{claim}")) is not None:
                    seen.volumes[claim] = known
        return seen

    # Pods.

    async def _delete_pods(self, seen: _Pass) -> None:
        """Ask for the deletion of every pod, and once more when one under deletion has finished."""
        for pod in seen.owned:
            finished = pods.is_finished(pod)
            if is_terminating(pod) and not finished:
                continue
            if self._deleted.get(uid(pod)) is finished:
                continue
            self._deleted[uid(pod)] = finished
            try:
                await self._client.delete(PODS, name(pod), namespace(pod))
            except NotFound:
                continue
            self._recorder.event(
                seen.vmi, NORMAL, "SuccessfulDelete", f"Deleted virtual machine pod {name(pod)}"
            )

    async def _provide_pod(self, own: str, seen: _Pass) -> None:
        missing = self._missing_claim(seen)
        if missing:
            message = f"PVC {namespace(seen.vmi)}/{missing} does not exist, waiting for it to appear"
            seen.failure, seen.unschedulable = Failure("FailedPvcNotFound", message), message
            self._recorder.event(seen.vmi, NORMAL, "FailedPvcNotFound", message)  # Normal, as upstream has it
            return
        phases = [dig(volume, "status", "phase", default="") for volume in seen.volumes.values()]
        waits = any(phase in _WAITS_FOR_CONSUMER for phase in phases)
        seen.provisioning = waits or condition(seen.vmi, "Provisioning") is not None
        if not waits and any(phase != "Succeeded" for phase in phases):
            return
        if seen.pod is not None and pods.is_temporary(seen.pod):
            if not waits:
                await self._delete_temporary(seen, seen.pod)
            return
        if seen.pod is None:
            await self._create_pod(own, seen, temporary=waits)

    def _missing_claim(self, seen: _Pass) -> str:
        for volume in instance.volumes(seen.vmi):
            claim = instance.claim_name(volume)
            if claim and claim not in seen.claims and not instance.is_hotplugged(volume):
                return claim
        return ""

    async def _create_pod(self, own: str, seen: _Pass, *, temporary: bool) -> None:
        vmi = seen.vmi
        wanted = launcher_pod.build(vmi, self._settings, temporary=temporary)
        try:
            pod = await self._client.create(PODS, wanted)
        except ApiError as error:
            self._recorder.event(vmi, WARNING, "FailedCreate", f"Error creating pod: {error}")
            text = f"failed to create virtual machine pod: {error}"
            if "violates PodSecurity" in error.message:
                text = f"failed to create pod for vmi {namespace(vmi)}/{name(vmi)}, it needs a privileged namespace to run: {error}"
            seen.failure, seen.error = Failure("FailedCreate", text), error
            return
        self._awaited[own] = key(pod)
        seen.pod = self._fresh_pods.wrote(pod)
        seen.owned = [*seen.owned, pod]
        self._recorder.event(vmi, NORMAL, "SuccessfulCreate", f"Created virtual machine pod {name(pod)}")

    async def _delete_temporary(self, seen: _Pass, pod: Object) -> None:
        try:
            await self._client.delete(PODS, name(pod), namespace(pod), grace_seconds=0)
        except NotFound:
            return
        message = f"Deleted WaitForFirstConsumer temporary pod {name(pod)}"
        self._recorder.event(seen.vmi, NORMAL, "SuccessfulDelete", message)

    async def _gate_readiness(self, seen: _Pass) -> None:
        """Keep the pod's readiness gate at what the guest is: paused or not."""
        pod, vmi = seen.pod, seen.vmi
        if pod is None or pods.is_ending(pod) or instance.is_final(vmi):
            return
        paused = condition_is(vmi, "Paused")
        status, reason, text = (
            ("False", "Paused", "paused") if paused else ("True", "NotPaused", "not paused")
        )
        gate = condition(pod, names.UNPAUSED)
        if gate is not None and gate.get("status") == status:
            return
        message = f"the virtual machine is {text}"
        made = conditions.make(names.UNPAUSED, status, reason, message, now=rfc3339(self._clock.now()))
        patch = {"status": {"conditions": [made]}}
        try:
            answer = await self._client.patch(
                PODS, name(pod), namespace(pod), patch, type="strategic", subresource="status"
            )
        except NotFound:
            return
        seen.pod = self._fresh_pods.wrote(answer)
        self._awaited[key(vmi)] = key(pod)

    async def _label_pod(self, own: str, pod: Object, node: str) -> None:
        if labels(pod).get(names.NODE_NAME) == node or is_terminating(pod):
            return
        patch = patches.guarded("/metadata/labels", labels(pod), {**labels(pod), names.NODE_NAME: node})
        self._fresh_pods.wrote(await self._client.patch(PODS, name(pod), namespace(pod), patch, type="json"))
        self._awaited[own] = key(pod)

    def _new_attachments(self, own: str, known: Iterable[Object]) -> list[Object]:
        """Attachment pods made for a launcher that the cache does not show yet."""
        shown = {uid(one) for one in known}
        made = self._attachments.get(own, {})
        for seen in shown & made.keys():
            del made[seen]
        return list(made.values())

    async def _plug(self, seen: _Pass, launcher: Object) -> None:
        """Bring the claims of volumes plugged in to the guest's node, and take away those plugged out."""
        vmi = seen.vmi
        for volume in hotplug.to_attach(vmi, seen.claims, seen.attached):
            wanted = hotplug.attachment_pod(vmi, launcher, volume, self._settings.launcher_image)
            pod = await self._client.create(PODS, wanted)
            self._attachments.setdefault(uid(launcher), {})[uid(pod)] = pod
            seen.attached[volume["name"]] = pod
        for pod in hotplug.to_detach(vmi, seen.attached):
            try:
                await self._client.delete(PODS, name(pod), namespace(pod))
            except NotFound:
                continue
            volume_name = annotations(pod).get(hotplug.VOLUME, "")
            seen.attached.pop(volume_name, None)
            message = f"Deleted hotplug attachment pod {name(pod)}, for volume {volume_name}"
            self._recorder.event(vmi, NORMAL, "SuccessfulDelete", message)
        old = dig(vmi, "status", "volumeStatus", default=())
        for reason, message in hotplug.entries(vmi, old, seen.claims, seen.attached)[1]:
            self._recorder.event(vmi, NORMAL, reason, message)

    # The VMI.

    async def _write(self, own: str, seen: _Pass) -> None:
        old = seen.vmi
        owner = controller_of(old)
        new = vmi_status.next_instance(
            vmi_status.Seen(
                vmi=old,
                now=rfc3339(self._clock.now()),
                pod=seen.pod,
                owned=seen.owned,
                volumes=seen.volumes,
                claims=seen.claims,
                failure=seen.failure,
                unschedulable=seen.unschedulable,
                provisioning=seen.provisioning,
                attached=seen.attached,
                has_vm=owner is not None and self._owner_exists(own, owner),
            )
        )
        phase = instance.phase(old)
        if phase in (names.SCHEDULED, names.RUNNING):
            await self._patch(old, new)
        elif new != old:
            answer = await self._client.update(VIRTUAL_MACHINE_INSTANCES, new)
            if finalizers(answer) or not is_terminating(answer):
                self._fresh.wrote(answer)
        node = dig(new, "status", "nodeName")
        if node and seen.pod is not None and not instance.is_final(new):
            await self._label_pod(own, seen.pod, node)

    def _owner_exists(self, own: str, owner: Object) -> bool:
        vm = self._informers.vms.get(own) if owner.get("kind") == "VirtualMachine" else None
        return vm is not None and uid(vm) == owner.get("uid")

    async def _patch(self, old: Object, new: Object) -> None:
        operations: list[dict[str, Any]] = []
        for path in _PATCHED:
            before, after = dig(old, *path), dig(new, *path)
            if before == after:
                continue
            pointer = "/" + "/".join(path)
            if before is None:
                operations += patches.added(pointer, after)
            elif after is None:
                operations += [
                    *patches.guarded(pointer, before, after)[:1],
                    {"op": "remove", "path": pointer},
                ]
            else:
                operations += patches.guarded(pointer, before, after)
        if operations:
            self._fresh.wrote(
                await self._client.patch(
                    VIRTUAL_MACHINE_INSTANCES, name(old), namespace(old), operations, type="json"
                )
            )


def _owner_key(old: Object | None, new: Object | None) -> Iterable[str]:
    pod = new or old
    owner = controller_of(pod) if pod else None
    if pod is None or owner is None or owner.get("kind") != "VirtualMachineInstance":
        return ()
    return (f"{namespace(pod)}/{owner['name']}",)


def _attached_key(old: Object | None, new: Object | None) -> Iterable[str]:
    pod = new or old
    owner = annotations(pod).get(hotplug.OWNER_NAME) if pod else None
    return (f"{namespace(pod)}/{owner}",) if pod and owner else ()
