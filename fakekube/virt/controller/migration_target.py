"""The target pod of a migration: where the guest is to go. Made on another node, deleted when it does not get going in time.

Origin: kubevirt: pkg/virt-controller/watch/migration/migration.go (createTargetPod, handlePendingPodTimeout)
"""

from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import parse_rfc3339
from fakekube.machinery import digits
from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.objects import (
    annotations,
    condition,
    dig,
    is_final,
    is_terminating,
    key,
    labels,
    name,
    namespace,
)
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object
from fakekube.virt import sides
from fakekube.virt.controller import instance, launcher_pod, migration_plan, names, patches, pods
from fakekube.virt.controller.launcher_facts import Target
from fakekube.virt.controller.state_claims import StateClaims
from fakekube.virt.controller.wiring import Wiring
from fakekube.virt.controller.writer import Awaited, Writer

_UNSCHEDULABLE_SECONDS = 300.0
_PENDING_SECONDS = 900.0
_NON_ROOT = "/metadata/annotations/kubevirt.io~1nonroot"
_UNSCHEDULABLE_OVERRIDE = "kubevirt.io/migrationUnschedulablePodTimeoutSeconds"
_PENDING_OVERRIDE = "kubevirt.io/migrationPendingPodTimeoutSeconds"


class Targets:
    """See the module text."""

    def __init__(self, wiring: Wiring, vmis: Writer, states: StateClaims) -> None:
        self._states = states
        self._client = wiring.client
        self._informers = wiring.informers
        self._recorder = wiring.recorder
        self._clock = wiring.clock
        self._wiring = wiring
        self._writer = wiring.writer(wiring.informers.pods)
        self._vmis = vmis
        self._awaited = Awaited(self._writer)  # target pods, by the keys of their migrations

    def forget(self, own: str) -> None:
        self._awaited.forget(own)

    def awaited(self, own: str) -> bool:
        """Whether the cache does not show the migration's pod yet."""
        return bool(self._awaited.get(own))

    async def create(self, own: str, seen: migration_plan.Seen) -> None:
        vmi, migration = seen.vmi, seen.migration
        assert vmi is not None
        arrives = sides.arrives(migration)
        other = sides.of(vmi, sides.SOURCE) if arrives else {}
        source_node = self._informers.nodes.get(dig(vmi, "status", "nodeName", default=""))
        added = dict(dig(migration, "spec", "addedNodeSelector", default={}))
        own_source = f"{namespace(vmi)}/{seen.source_pod}"
        source = None if arrives else self._informers.pods.get(own_source)
        try:
            selector = migration_plan.target_selector(vmi, source_node, added, source)
        except migration_plan.NoHostModelError as error:
            raise InternalError(str(error)) from None
        settings = await self._wiring.settings_for(vmi)
        state = await self._states.provide_for(migration, vmi)
        matched = dig(settings.config.raw, "migrations", "matchSELinuxLevelOnMigration") is not False
        context = (other or vmi["status"]).get("selinuxContext", "")
        level = _selinux_level(context) if matched else ""
        target = Target(migration, selector, _digests(source, vmi), level, other.get("node", ""))
        try:
            pod = await self._writer.create(launcher_pod.build(vmi, settings, target=target, state=state))
        except ApiError as error:
            self._recorder.event(vmi, WARNING, "FailedCreate", _refused(vmi, error))
            raise
        self._awaited.put(own, pod)
        self._recorder.event(
            migration, NORMAL, "SuccessfulCreate", f"Created migration target pod {name(pod)}"
        )

    async def prepare(self, vmi: Object) -> Object:
        """The instance, said to run as whom launchers run now; whatever comes of the target."""
        root = self._informers.config().gate("Root")
        user, marked = instance.ROOT if root else instance.NOBODY, names.NON_ROOT in annotations(vmi)
        patch: list[patches.Operation] = []
        if dig(vmi, "status", "runtimeUser") != user:
            patch.append({"op": "add", "path": "/status/runtimeUser", "value": user})
        if root and marked:
            patch.append({"op": "remove", "path": _NON_ROOT})
        elif not root and not marked:
            patch.append({"op": "add", "path": _NON_ROOT, "value": "true"})
        return await self._vmis.patch(vmi, patch) if patch else vmi

    def _tell_of_missing_models(self, seen: migration_plan.Seen, target: Object) -> None:
        """Tell it if no other node has the CPU the guest sees, and knows as its host's."""
        vmi = seen.vmi
        if vmi is None or dig(vmi, "spec", "domain", "cpu", "model") != "host-model":
            return
        selector = dig(target, "spec", "nodeSelector", default={})
        wanted = {key: value for key, value in sorted(selector.items()) if key.startswith(_MODELS)}
        source = dig(vmi, "status", "nodeName")
        others = [labels(one) for one in self._informers.nodes.objects() if name(one) != source]
        if not any(wanted.items() <= marks.items() for marks in others):
            listed = " ".join(f"{key}:{value}" for key, value in wanted.items())
            message = (
                "Migration cannot proceed since no node is suitable to run the required CPU model / "
                f"required features: map[{listed}]"
            )
            self._recorder.event(vmi, WARNING, "NoSuitableNodesForHostModelMigration", message)

    async def delete(
        self,
        seen: migration_plan.Seen,
        reason: str,
        trouble: str = "Error deleted migration target pod",  # sic
    ) -> None:
        """Delete the target, and tell why, or how what goes wrong begins; the reason has the pod's name put in."""
        if seen.target is None or is_terminating(seen.target) or is_final(seen.target):
            return
        try:
            gone = await self._client.delete_if_present(PODS, name(seen.target), namespace(seen.target))
        except ApiError as error:
            self._recorder.event(seen.migration, WARNING, "FailedDelete", f"{trouble}: {error}")
            raise
        if gone and reason:
            told = reason.format(key(seen.target))
            self._recorder.event(seen.migration, NORMAL, "SuccessfulDelete", told)

    async def watch_scheduling(self, seen: migration_plan.Seen, target: Object) -> float | None:
        """A target pod that does not get going within its time is deleted, which fails the migration."""
        if dig(target, "status", "phase") != "Pending" or is_terminating(target):
            return None
        age = (self._clock.now() - parse_rfc3339(target["metadata"]["creationTimestamp"])).total_seconds()
        left = _limit(seen.migration, _PENDING_OVERRIDE, _PENDING_SECONDS) - age
        why = condition(target, "PodScheduled") or {}
        if (why.get("status"), why.get("reason")) == ("False", "Unschedulable"):
            self._tell_of_missing_models(seen, target)
            sooner = _limit(seen.migration, _UNSCHEDULABLE_OVERRIDE, _UNSCHEDULABLE_SECONDS) - age
            if sooner <= 0:
                await self.delete(seen, "unschedulable pod {} timeout period exceeded")
                return None
            left = min(left, sooner) if left > 0 else left
        if left <= 0:
            await self.delete(seen, "pending pod {} timeout period exceeded")
            return None
        return left


def _refused(vmi: Object, error: ApiError) -> str:
    """What is told of a target that the API server did not take."""
    if error.code == 403 and "violates PodSecurity" in error.message:
        own = f"failed to create target pod for vmi {key(vmi)}, it needs a privileged namespace to run"
        return f"failed to render launch manifest: {own}: {error}"
    return f"Error creating pod: {error}"


def _limit(migration: Object, override: str, seconds: float) -> float:
    """Seconds; what is not a number does not count."""
    said = digits.integer(annotations(migration).get(override, ""))
    return seconds if said is None else float(said)


_MODELS = ("cpu-model-migration.node.kubevirt.io/", "cpu-feature.node.kubevirt.io/")


def _digests(source: Object | None, vmi: Object) -> dict[str, str]:
    """Raises InternalError, as one that goes away when the source's images are known."""
    try:
        return pods.digests(source, instance.volumes(vmi)) if source else {}
    except pods.NoDigestError as error:
        reason = "can not proceed with the migration when no reproducible image digest can be detected"
        raise InternalError(f"failed to render launch manifest: {reason}: {error}") from None


def _selinux_level(context: str) -> str:
    """The categories both launchers share, so that both may open the same files. Raises InternalError."""
    if not context:
        raise InternalError("SELinux context not set on VMI status")
    return context.split(":", 3)[3] if context.count(":") >= 3 else ""
