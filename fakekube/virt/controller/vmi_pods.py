"""The launcher pods of a VMI: made, let through their readiness gate, labelled, deleted. How one looks: `launcher_pod`.

Origin: kubevirt: pkg/virt-controller/watch/vmi/{vmi,lifecycle}.go
"""

from collections.abc import Mapping

from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import parse_rfc3339
from fakekube.machinery.errors import ApiError, InternalError, NotFound
from fakekube.machinery.objects import (
    annotations,
    condition,
    condition_is,
    dig,
    is_final,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    uid,
)
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object
from fakekube.virt.controller import (
    conditions,
    instance,
    launcher_networks,
    launcher_pod,
    migration_plan,
    names,
    patches,
    pods,
)
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.controller.informers import BY_VMI
from fakekube.virt.controller.state_claims import StateClaims
from fakekube.virt.controller.vmi_pass import Pass
from fakekube.virt.controller.wiring import Wiring
from fakekube.virt.controller.writer import Awaited

_WAITS_FOR_CONSUMER = frozenset(("WaitForFirstConsumer", "PendingPopulation"))


class Launchers:
    """See the module text."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._client = wiring.client
        self._recorder = wiring.recorder
        self._writer = wiring.writer(wiring.informers.pods)
        self._states = StateClaims(wiring)
        self._awaited = Awaited(self._writer)  # pods, by the keys of their VMIs
        self._deleted: dict[
            str, bool
        ] = {}  # pod uid → whether it was finished when its deletion was asked for
        wiring.informers.pods.on_change(self._forget_pod)

    def forget(self, own: str) -> None:
        self._awaited.forget(own)
        self._states.forget(own)

    def _forget_pod(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._deleted.pop(uid(old), None)

    def awaited(self, own: str) -> bool:
        """Whether the cache still lacks what was written to a pod of this VMI."""
        return bool(self._awaited.get(own))

    async def delete(self, seen: Pass) -> None:
        """Ask for the deletion of every pod, and once more when one under deletion has finished."""
        for pod in seen.owned:
            finished = is_final(pod)
            if is_terminating(pod) and not finished:
                continue
            if self._deleted.get(uid(pod)) is finished:
                continue
            self._deleted[uid(pod)] = finished
            try:
                await self._client.delete(PODS, name(pod), namespace(pod))
            except NotFound:
                continue
            except ApiError as error:
                self._deleted.pop(uid(pod), None)  # the next pass asks again
                text = f"Failed to delete virtual machine pod {name(pod)}"
                self._recorder.event(seen.vmi, WARNING, "FailedDelete", text)
                seen.failure = Failure("FailedDelete", f"failed to delete pod: {error}")
                seen.error = error
                return
            self._recorder.event(
                seen.vmi, NORMAL, "SuccessfulDelete", f"Deleted virtual machine pod {name(pod)}"
            )

    async def provide(self, own: str, seen: Pass) -> None:
        """Give a VMI its pod, once its volumes are there; meanwhile one that only makes them bind."""
        missing = _missing_claim(seen)
        if missing:
            message = f"PVC {namespace(seen.vmi)}/{missing} does not exist, waiting for it to appear"
            seen.failure, seen.unschedulable = Failure("FailedPvcNotFound", message), message
            self._recorder.event(seen.vmi, NORMAL, "FailedPvcNotFound", message)  # Normal, as upstream has it
            return
        phases = [dig(volume, "status", "phase", default="") for volume in _fixed(seen)]
        waits = any(phase in _WAITS_FOR_CONSUMER for phase in phases)
        seen.provisioning = waits or condition(seen.vmi, "Provisioning") is not None
        if not waits and any(phase != "Succeeded" for phase in phases):
            return
        if seen.pod is not None and pods.is_temporary(seen.pod):
            if not waits:
                await self._delete_temporary(seen, seen.pod)
            return
        if seen.pod is not None:
            return
        moves = self._wiring.informers.migrations.by_index(BY_VMI, key(seen.vmi))
        if any(map(migration_plan.is_under_way, moves)):  # of one that had the same name
            text = "active migration exists"
            seen.failure, seen.error = Failure("FailedCreate", text), InternalError(text)
        elif await self._states.is_ready(own, seen):
            await self._create(own, seen, temporary=waits)

    async def _create(self, own: str, seen: Pass, *, temporary: bool) -> None:
        vmi = seen.vmi
        try:
            settings = await self._wiring.settings_for(vmi)
        except InternalError as error:
            seen.failure, seen.error = Failure("FailedCreate", error.message), error
            return
        state = name(seen.state) if seen.state is not None else ""
        try:
            pod = await self._writer.create(
                launcher_pod.build(vmi, settings, temporary=temporary, state=state)
            )
        except ApiError as error:
            self._recorder.event(vmi, WARNING, "FailedCreate", f"Error creating pod: {error}")
            text = f"failed to create virtual machine pod: {error}"
            if "violates PodSecurity" in error.message:
                text = f"failed to create pod for vmi {namespace(vmi)}/{name(vmi)}, it needs a privileged namespace to run: {error}"
            seen.failure, seen.error = Failure("FailedCreate", text), error
            return
        self._awaited.put(own, pod)
        seen.pod = pod
        seen.owned = [*seen.owned, pod]
        self._recorder.event(vmi, NORMAL, "SuccessfulCreate", f"Created virtual machine pod {name(pod)}")

    async def _delete_temporary(self, seen: Pass, pod: Object) -> None:
        if not await self._client.delete_if_present(PODS, name(pod), namespace(pod), grace_seconds=0):
            return
        message = f"Deleted WaitForFirstConsumer temporary pod {name(pod)}"
        self._recorder.event(seen.vmi, NORMAL, "SuccessfulDelete", message)

    def check_guarantee(self, seen: Pass, pod: Object) -> None:
        """A launcher that is not guaranteed its CPUs is not handed over to a guest that wants them for itself."""
        if not instance.has_dedicated_cpus(seen.vmi) or not pods.is_ready_for_hand_over(pod):
            return
        if dig(pod, "status", "qosClass") != "Guaranteed":
            reason, text = "FailedGuaranteeResources", "failed to guarantee pod resources"
            self._recorder.event(seen.vmi, WARNING, reason, text)
            seen.failure, seen.error = Failure(reason, text), InternalError(text)

    async def gate_readiness(self, seen: Pass, pod: Object) -> None:
        """Keep the pod's readiness gate at what the guest is: paused or not."""
        vmi = seen.vmi
        paused = condition_is(vmi, "Paused")
        status, reason, text = (
            ("False", "Paused", "paused") if paused else ("True", "NotPaused", "not paused")
        )
        gate = condition(pod, names.UNPAUSED)
        if gate is not None and gate.get("status") == status:
            return
        if pods.is_ending(pod) or is_final(vmi):
            return
        message = f"the virtual machine is {text}"
        made = conditions.make(names.UNPAUSED, status, reason, message, now=self._wiring.now())
        listed = dig(pod, "status", "conditions")
        if listed is None:
            patch = patches.added("/status/conditions", [made])
        else:
            patch = patches.guarded("/status/conditions", listed, conditions.put(listed, made))
        try:
            seen.pod = await self._writer.patch(pod, patch, subresource="status")
        except NotFound:
            return
        self._awaited.put(key(vmi), pod)

    async def mark(self, own: str, pod: Object, vmi: Object) -> None:
        """The pod carries the name of its guest's node, since when a guest that moved is there, and that it is to leave; it
        follows its instance in what that says of its release and of eviction."""
        if is_terminating(pod) or names.NODE_NAME not in labels(vmi):
            return
        marked = _followed(labels(pod), labels(vmi), names.NODE_NAME, names.OUTDATED_LAUNCHER)
        operations = patches.guarded("/metadata/labels", labels(pod), marked) if marked != labels(pod) else []
        noted = _followed(annotations(pod), annotations(vmi), names.PREFER_NO_EVICTION)
        noted.pop(_LEAVING, None)
        noted.setdefault(names.EVICT_ONLY, "")
        arrived = _arrived(vmi, pod)
        if arrived and names.TARGET_READY not in noted:
            noted[names.TARGET_READY] = arrived
        if dig(vmi, "status", "evacuationNodeName"):
            noted[_LEAVING] = "true"
        noted |= launcher_networks.told_meanwhile(vmi, pod, self._wiring.informers.config())
        if noted != annotations(pod):
            operations += patches.guarded("/metadata/annotations", annotations(pod), noted)
        if operations:
            await self._writer.patch(pod, operations)
            self._awaited.put(own, pod)


_LEAVING = "descheduler.alpha.kubernetes.io/eviction-in-progress"


def _followed(own: Mapping[str, str], leader: Mapping[str, str], *keys: str) -> dict[str, str]:
    """One's own marks, with those under certain keys as somebody else has them, or has them not."""
    kept = {key: value for key, value in own.items() if key not in keys}
    return {**kept, **{key: leader[key] for key in keys if key in leader}}


def _arrived(vmi: Object, pod: Object) -> str:
    """When the guest came up in this pod, if it has moved there; in the words of Go's time.Time."""
    state = dig(vmi, "status", "migrationState", default={})
    if state.get("targetPod") != name(pod) or not state.get("targetNodeDomainReadyTimestamp"):
        return ""
    return f"{parse_rfc3339(state['targetNodeDomainReadyTimestamp']):%Y-%m-%d %H:%M:%S} +0000 UTC"


def _fixed(seen: Pass) -> list[Object]:
    """The DataVolumes a guest starts with; what is plugged into it comes later."""
    plugged = {instance.claim_name(one) for one in instance.volumes(seen.vmi) if instance.is_hotplugged(one)}
    return [volume for own, volume in seen.volumes.items() if own not in plugged]


def _missing_claim(seen: Pass) -> str:
    for volume in instance.volumes(seen.vmi):
        claim = instance.claim_name(volume)
        if claim and claim not in seen.claims and not instance.is_hotplugged(volume):
            return claim
    return ""
