"""Rolls Deployments out: makes their ReplicaSets and moves pods from one to the next.

Upstream: k8s: pkg/controller/deployment/{deployment_controller,sync,rolling,recreate,progress}.go
"""

from collections.abc import Iterable

from fakekube.agents.workloads import conditions
from fakekube.agents.workloads.actor import Workload
from fakekube.agents.workloads.caches import OWNER, Caches
from fakekube.agents.workloads.claiming import claim, selector_of
from fakekube.agents.workloads.deployments import planning, sets
from fakekube.agents.workloads.deployments import status as statuses
from fakekube.agents.workloads.pod_control import is_namespace_going
from fakekube.client.client import Client
from fakekube.client.controller import Result
from fakekube.client.freshness import Freshness
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.errors import AlreadyExists, ApiError
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from fakekube.machinery.wire import Object


class Deployments(Workload):
    """An actor."""

    name, account = "deployments", "deployment-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        super().__init__(client, clock=clock, ids=ids, caches=caches)
        self._deployments = self.caches.of(DEPLOYMENTS)
        self._sets = self.caches.of(REPLICA_SETS)
        self._pods = self.caches.of(PODS)
        self._fresh = Freshness(self._deployments, clock)
        self._fresh_sets = Freshness(self._sets, clock)
        self.controller.source(self._deployments)
        self.controller.source(self._sets, self._of_set)
        self.controller.source(self._pods, self._of_gone_pod)

    def _of_set(self, old: Object | None, new: Object | None) -> Iterable[str]:
        rs = new if new is not None else old
        if rs is None:
            return
        space = objects.namespace(rs)
        owners = [objects.controller_of(one) for one in (old, new) if one is not None]
        for owner in owners:
            if owner is not None and owner.get("kind") == "Deployment":
                yield f"{space}/{owner['name']}"
        if objects.controller_of(rs) is None:
            for one in self._deployments.in_namespace(space):
                if selector_of(one).matches(objects.labels(rs)):
                    yield objects.key(one)

    def _of_gone_pod(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """A Deployment that recreates waits until the last old pod has gone."""
        if new is not None or old is None:
            return
        owner = objects.controller_of(old)
        rs = self._sets.get(f"{objects.namespace(old)}/{owner['name']}") if owner else None
        above = objects.controller_of(rs) if rs is not None else None
        if above is not None and above.get("kind") == "Deployment":
            key = f"{objects.namespace(old)}/{above['name']}"
            deployment = self._deployments.get(key)
            if deployment is not None and not sets.is_rolling(deployment):
                yield key

    async def reconcile(self, key: str) -> Result | None:
        found = self._deployments.get(key)
        if found is None or self._fresh.behind(key):
            return None
        if not dig(found, "spec", "selector", "matchLabels") and not dig(
            found, "spec", "selector", "matchExpressions"
        ):
            said = "This deployment is selecting all pods. A non-empty selector is required."
            self.recorder.event(found, WARNING, "SelectingAll", said)
            await self._tell(found, {"observedGeneration": objects.generation(found)})
            return None
        every = await claim(self.client, found, DEPLOYMENTS, self._sets)
        if any(self._fresh_sets.behind(objects.key(rs)) for rs in every):
            return None
        if objects.is_terminating(found):
            await self._told(found, sets.newest(found, every), every)
            return None
        note = statuses.pausing(found, self.clock.now())
        if note is not None:
            found = await self._tell(found, statuses.with_progress(found, note))
        if dig(found, "spec", "paused"):
            return await self._resize(found, every, paused=True)
        if planning.was_scaled(found, every):
            return await self._resize(found, every, paused=False)
        if sets.is_rolling(found):
            return await self._roll(found, every)
        return await self._recreate(found, every)

    # --- the three ways ------------------------------------------------------------------------------------------

    async def _resize(self, deployment: Object, every: list[Object], *, paused: bool) -> Result | None:
        deployment, new, old = await self._split(deployment, every, create=False)
        for rs, size in planning.resize(deployment, new, old):
            await self._scale(deployment, rs, size)
        if paused:
            await self._forget(deployment, old)
        await self._told(deployment, new, [*old, *([new] if new is not None else [])])
        return None

    async def _roll(self, deployment: Object, every: list[Object]) -> Result | None:
        deployment, new, old = await self._split(deployment, every, create=True)
        if new is None:
            return None
        every = [*old, new]
        steps = planning.grow_new(deployment, new, every) or planning.shrink_old(deployment, new, old)
        for rs, size in steps:
            await self._scale(deployment, rs, size)
        if not steps and statuses.is_complete(deployment, deployment.get("status") or {}):
            await self._forget(deployment, old)
        return await self._progress(deployment, new, every)

    async def _recreate(self, deployment: Object, every: list[Object]) -> Result | None:
        deployment, new, old = await self._split(deployment, every, create=False)
        live = sets.active(old)
        for rs in live:
            await self._scale(deployment, rs, 0)
        waiting = [
            pod
            for rs in old
            for pod in self._pods.by_index(OWNER, objects.uid(rs))
            if not objects.is_final(pod)
        ]
        if not live and not waiting:
            if new is None:
                deployment, new, old = await self._split(deployment, old, create=True)
            if new is not None and sets.size(new) != sets.wanted(deployment):
                await self._scale(deployment, new, sets.wanted(deployment))
            elif statuses.is_complete(deployment, deployment.get("status") or {}):
                await self._forget(deployment, old)
        return await self._progress(deployment, new, [*old, *([new] if new is not None else [])])

    # --- ReplicaSets ---------------------------------------------------------------------------------------------

    async def _split(
        self, deployment: Object, every: list[Object], *, create: bool
    ) -> tuple[Object, Object | None, list[Object]]:
        """(the Deployment as it is then, its new set, the old ones); the new one is made where it is wanted."""
        new = sets.newest(deployment, every)
        old = [rs for rs in every if rs is not new]
        if new is not None:
            return *await self._renewed(deployment, new, old), old
        if not create:
            return deployment, None, old
        return *await self._make(deployment, old), old

    async def _renewed(self, deployment: Object, new: Object, old: list[Object]) -> tuple[Object, Object]:
        """The set that has the template already gets the latest revision."""
        notes = sets.annotated(deployment, objects.annotations(new), sets.next_revision(old))
        min_ready = dig(deployment, "spec", "minReadySeconds", default=0)
        if notes != dict(objects.annotations(new)) or min_ready != dig(
            new, "spec", "minReadySeconds", default=0
        ):
            meta, spec = {**new["metadata"], "annotations": notes}, {**new["spec"]}
            spec["minReadySeconds"] = min_ready
            new = await self._write_set({**new, "metadata": meta, "spec": spec})
        current = conditions.find(dig(deployment, "status", "conditions", default=()), "Progressing")
        note = None
        if statuses.deadline(deployment) is not None and current is None:
            said = f'Found new replica set "{objects.name(new)}"'
            note = statuses.progressing("True", "FoundNewReplicaSet", said, self.clock.now())
        return await self._note(deployment, new, note), new

    async def _make(self, deployment: Object, old: list[Object]) -> tuple[Object, Object | None]:
        size = planning.size_of_new(deployment, old, 0)
        wanted = sets.build(deployment, old, size)
        name = wanted["metadata"]["name"]
        note = None
        try:
            new = await self.client.create(REPLICA_SETS, wanted)
        except AlreadyExists:
            present = await self.client.get(REPLICA_SETS, name, objects.namespace(deployment))
            owner = objects.controller_of(present)
            ours = owner is not None and owner.get("uid") == objects.uid(deployment)
            if not ours or sets.newest(deployment, [present]) is None:
                count = int(dig(deployment, "status", "collisionCount", default=0)) + 1
                await self._tell(deployment, statuses.with_progress(deployment, None, collisionCount=count))
                raise
            new = present
        except ApiError as error:
            if not is_namespace_going(error):
                said = f'Failed to create new replica set "{name}": {error}'
                if statuses.deadline(deployment) is not None:
                    note = statuses.progressing("False", "ReplicaSetCreateError", said, self.clock.now())
                    await self._tell(deployment, statuses.with_progress(deployment, note))
                self.recorder.event(deployment, WARNING, "ReplicaSetCreateError", said)
                raise
            return deployment, None
        else:
            self._fresh_sets.wrote(new)
            if size > 0:
                said = f"Scaled up replica set {name} from 0 to {size}"
                self.recorder.event(deployment, NORMAL, "ScalingReplicaSet", said)
            if statuses.deadline(deployment) is not None:
                said = f'Created new replica set "{name}"'
                note = statuses.progressing("True", "NewReplicaSetCreated", said, self.clock.now())
        return await self._note(deployment, new, note), new

    async def _note(self, deployment: Object, new: Object, condition: Object | None) -> Object:
        """The Deployment bears the revision of its new set."""
        number = objects.annotations(new).get(sets.REVISION, "")
        if objects.annotations(deployment).get(sets.REVISION) == number and condition is None:
            return deployment
        notes = {**objects.annotations(deployment), sets.REVISION: number}
        noted = {**deployment, "metadata": {**deployment["metadata"], "annotations": notes}}
        return await self._tell(noted, statuses.with_progress(noted, condition), changed=True)

    async def _scale(self, deployment: Object, rs: Object, size: int) -> Object:
        before = sets.size(rs)
        notes = {**objects.annotations(rs), **sets.sizes_noted(deployment)}
        if size == before and notes == dict(objects.annotations(rs)):
            return rs
        meta = {**rs["metadata"], "annotations": notes}
        changed = await self._write_set({**rs, "metadata": meta, "spec": {**rs["spec"], "replicas": size}})
        if size != before:
            way = "up" if size > before else "down"
            said = f"Scaled {way} replica set {objects.name(rs)} from {before} to {size}"
            self.recorder.event(deployment, NORMAL, "ScalingReplicaSet", said)
        return changed

    async def _forget(self, deployment: Object, old: list[Object]) -> None:
        for rs in planning.forgotten(deployment, old):
            await self.client.delete_if_present(REPLICA_SETS, objects.name(rs), objects.namespace(rs))

    async def _write_set(self, rs: Object) -> Object:
        return self._fresh_sets.wrote(await self.client.update(REPLICA_SETS, rs))

    # --- status --------------------------------------------------------------------------------------------------

    async def _told(self, deployment: Object, new: Object | None, every: list[Object]) -> None:
        await self._tell(deployment, statuses.counted(deployment, new, every, self.clock.now()))

    async def _progress(self, deployment: Object, new: Object | None, every: list[Object]) -> Result | None:
        now = self.clock.now()
        status = statuses.of_rollout(deployment, new, every, now)
        await self._tell(deployment, status)
        wait = statuses.until_late(deployment, status, now)
        return Result(requeue_after=wait) if wait is not None else None

    async def _tell(self, deployment: Object, status: Object, *, changed: bool = False) -> Object:
        return await self.tell(self._fresh, deployment, status, changed=changed) or deployment
