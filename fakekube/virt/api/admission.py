"""The webhooks: path → verdict on an AdmissionReview. Rules are in the modules beside; here is what they need to know.

Origin: kubevirt: pkg/virt-api/webhooks/{mutating-webhook,validating-webhook}
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from fakekube.agents.identities import MASTERS
from fakekube.client.client import Client
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.errors import BadRequest, NotFound
from fakekube.machinery.objects import dig, is_terminating, labels, name, namespace
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Object
from fakekube.virt import review
from fakekube.virt.api import (
    defaults,
    machine_rules,
    plugged_volumes,
    pool,
    presets,
    storage_operations,
    utility_volumes,
    workloads,
)
from fakekube.virt.api.accounts import is_component
from fakekube.virt.api.eviction import Evictions
from fakekube.virt.api.in_order import InOrder
from fakekube.virt.api.inference import Inference
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.storage_hooks import StorageHooks
from fakekube.virt.causes import Cause, required
from fakekube.virt.config import ClusterConfig

Rule = Callable[[Object, Object | None], list[Cause]]


class Admission(review.Hooks):
    """All webhooks of virt-api."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        *,
        clock: Clock,
        ids: Ids,
        namespace: str,
        stand_ins: bool = False,
    ) -> None:
        """With `stand_ins` the cluster's masters may write what only components may: one of these comes from outside."""
        self._stand_ins = stand_ins
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._namespace = namespace
        self._lookups = Lookups(client)
        self._inference = Inference(client)
        self._in_order = InOrder()
        evictions = Evictions(client, self._lookups, settings)
        storage = StorageHooks(self._lookups, settings)
        hooks: dict[str, review.Hook] = {
            "/virtualmachines-mutate": self._mutate_machine,
            "/virtualmachineinstances-mutate": self._mutate_instance,
            "/migration-mutate-create": self._mutate_migration,
            "/vm-clone-mutate-create": self._mutate_clone,
            "/virtualmachines-validate": self._machine,
            "/virtualmachineinstances-validate-create": self._instance,
            "/virtualmachineinstances-validate-update": self._instance_update,
            "/virtualmachinereplicaset-validate": self._replica_set,
            "/virtualmachinepool-validate": self._pool,
            "/vmipreset-validate": _alone(workloads.preset),
            "/migration-validate-create": self._migration,
            "/migration-validate-update": _by(lambda obj, old: workloads.migration_update(obj, old or {})),
            **{
                f"/virtualmachine{where}{kind}s-validate": _alone(rule)
                for kind, rule in (("instancetype", workloads.size), ("preference", workloads.preference))
                for where in ("", "cluster")
            },
            "/migration-policy-validate-create": _alone(workloads.migration_policy),
            "/virtualmachinesnapshots-validate": storage.snapshot,
            "/virtualmachinerestores-validate": storage.restore,
            "/virtualmachineexports-validate": _by(storage_operations.export),
            "/virtualmachinebackups-validate": storage.backup,
            "/vm-clone-validate-create": storage.clone,
            "/pod-eviction-validate": evictions.judge,
        }
        super().__init__(hooks)

    async def _mutate_machine(self, asked: Question) -> Answer:
        try:
            vm = await self._inference.resolve(asked.obj, asked.namespace)
        except BadRequest as error:
            return review.refused(error.message)
        preference = await self._matched(vm, "preference")
        spec = {"spec": preference} if preference else None
        built_for = dig(vm, "spec", "template", "spec", "architecture")
        if not built_for:
            built_for = await self._inference.architecture(vm, asked.namespace)
        config = await self._settings.current()
        done = defaults.machine(
            vm, config, self._ids, creates=asked.creates, preference=spec, built_for=built_for
        )
        return review.changed(done)

    async def _mutate_instance(self, asked: Question) -> Answer:
        if asked.creates:
            try:
                given = presets.applied(asked.obj, await self._lookups.presets(asked.namespace))
            except ValueError as error:
                return review.refused(str(error), 422)
            try:
                done = defaults.instance(given, await self._settings.current(), self._ids, self._clock.now())
            except BadRequest as error:
                return review.refused(error.message)
        else:
            component = self._is_component(asked)
            done = defaults.instance_update(asked.obj, asked.old or {}, component=component)
        return review.changed(done, presets.warnings(done))

    async def _mutate_migration(self, asked: Question) -> Answer:
        return review.changed(defaults.migration(asked.obj))

    async def _mutate_clone(self, asked: Question) -> Answer:
        return review.changed(defaults.clone(asked.obj, self._ids))

    async def _machine(self, asked: Question) -> Answer:
        vm = asked.obj
        if is_terminating(vm):
            return review.allowed()
        if not namespace(vm):
            vm = {**vm, "metadata": {**vm["metadata"], "namespace": asked.namespace}}
        try:
            found = machine_rules.validate(
                vm,
                asked.old,
                await self._config_for(dig(vm, "spec", "template", "spec")),
                size=await self._matched(vm, "instancetype"),
                preference=await self._matched(vm, "preference"),
                migrating=await self._migrating(vm),
                known=self._in_order,
            )
        except BadRequest as error:
            return review.refused(error.message)
        return review.judged(found, machine_rules.warnings(vm))

    async def _instance(self, asked: Question) -> Answer:
        config = await self._config_for(asked.obj.get("spec"))
        component = self._is_component(asked)
        return review.judged(workloads.instance(asked.obj, config, component=component, known=self._in_order))

    async def _instance_update(self, asked: Question) -> Answer:
        component, old = self._is_component(asked), asked.old or {}
        found = workloads.instance_update(asked.obj, old, component=component)
        if component and not found and asked.obj.get("spec") != old.get("spec"):
            found = plugged_volumes.update(asked.obj, old, await self._settings.current())
        if not found and dig(asked.obj, "spec", "utilityVolumes"):
            found = utility_volumes.update(asked.obj, old, await self._settings.current())
        return review.judged(found)

    async def _config_for(self, spec: Mapping[str, Any] | None) -> ClusterConfig:
        """The configuration in force; whether there are DataVolumes is asked for where a spec names one."""
        config = await self._settings.current()
        if not any("dataVolume" in one for one in dig(spec, "volumes", default=())):
            return config
        there = await self._lookups.has_data_volumes()
        return config if there else replace(config, has_data_volumes=False)

    def _is_component(self, asked: Question) -> bool:
        known = is_component(asked.user, self._namespace)
        return known or (self._stand_ins and MASTERS in asked.groups)

    async def _replica_set(self, asked: Question) -> Answer:
        return review.judged(workloads.replica_set(asked.obj, await self._settings.current()))

    async def _pool(self, asked: Question) -> Answer:
        return review.judged(pool.validate(asked.obj, asked.old, await self._settings.current()))

    async def _migration(self, asked: Question) -> Answer:
        spec = asked.obj.get("spec") or {}
        if "sendTo" in spec or "receive" in spec:
            gate = "DecentralizedLiveMigration"
            if not (await self._settings.current()).gate(gate):
                return review.refused(f"{gate} feature gate is not enabled in kubevirt resource")
        vmi_name = spec.get("vmiName") or ""
        if not vmi_name:
            return review.judged([required("vmiName is missing", "spec.vmiName")])
        vmi = await self._lookups.instance(asked.namespace, vmi_name)
        if vmi is None:
            return review.refused(f'the VMI "{asked.namespace}/{vmi_name}" does not exist')
        moves = "sendTo" in spec or "kubevirt.io/volume-update-in-progress" in labels(asked.obj)
        refusal = workloads.migration_refusal(vmi, volumes=moves)
        if refusal:
            return review.refused(refusal)
        active = await self._lookups.active_migration(asked.namespace, vmi_name)
        if active is not None:
            return review.refused(
                f"in-flight migration detected. Active migration job ({active['metadata']['uid']}) is currently "
                f"already in progress for VMI {vmi_name}."
            )
        return review.allowed()

    async def _matched(self, vm: Object, member: str) -> Mapping[str, Any] | None:
        """The spec a matcher names. One that does not exist is no reason to refuse: the controller reports it."""
        try:
            return await self._lookups.matched(vm, member)
        except NotFound:
            return None

    async def _migrating(self, vm: Object) -> bool:
        """Whether the machine's instance is on its way; asked only where it matters."""
        if not dig(vm, "status", "volumeRequests"):
            return False
        vmi = await self._lookups.instance(dig(vm, "metadata", "namespace") or "", name(vm))
        state = dig(vmi, "status", "migrationState") if vmi else None
        return state is not None and not state.get("completed")


def _alone(rule: Callable[[Object], list[Cause]]) -> review.Hook:
    """A hook whose rule does not even ask what was before."""
    return _by(lambda obj, _old: rule(obj))


def _by(rule: Rule) -> review.Hook:
    """A hook whose rule needs nothing but the object."""

    async def hook(asked: Question) -> Answer:
        return review.judged(rule(asked.obj, asked.old))

    return hook
