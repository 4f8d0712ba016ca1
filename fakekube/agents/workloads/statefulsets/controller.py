"""Keeps StatefulSets: their pods one after the other, with their claims.

Upstream: k8s: pkg/controller/statefulset/{stateful_set,stateful_pod_control}.go
"""

from fakekube.agents.workloads import pods
from fakekube.agents.workloads.actor import Workload
from fakekube.agents.workloads.caches import Caches
from fakekube.agents.workloads.claiming import claim
from fakekube.agents.workloads.pod_control import Dependents, is_namespace_going
from fakekube.agents.workloads.revisions import History, template_of
from fakekube.agents.workloads.statefulsets import planning
from fakekube.agents.workloads.statefulsets.planning import Revisions, Step
from fakekube.client.client import Client
from fakekube.client.controller import Result
from fakekube.client.freshness import Freshness
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.errors import AlreadyExists, ApiError, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from fakekube.machinery.wire import Object


class StatefulSets(Workload):
    """An actor."""

    name, account = "statefulsets", "statefulset-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, caches: Caches | None = None) -> None:
        super().__init__(client, clock=clock, ids=ids, caches=caches)
        self._sets = self.caches.of(STATEFUL_SETS)
        self._pods = self.caches.of(PODS)
        self._history = History(self.client, self.caches.of(CONTROLLER_REVISIONS), by_template=False)
        self._fresh = Freshness(self._sets, clock)
        self._fresh_pods = Freshness(self._pods, clock)
        self.controller.source(self._sets)
        self.controller.source(
            self._pods,
            Dependents(
                self._sets, self.expected, lambda set_, pod: planning.ordinal_of(set_, pod) is not None
            ),
        )
        self.controller.reads(self.caches.of(CONTROLLER_REVISIONS))

    async def reconcile(self, key: str) -> Result | None:
        set_ = self._sets.get(key)
        if set_ is None or self._fresh.behind(key):
            return None
        owned = await claim(
            self.client,
            set_,
            STATEFUL_SETS,
            self._pods,
            suits=lambda pod: planning.ordinal_of(set_, pod) is not None,
        )
        if any(self._fresh_pods.behind(objects.key(pod)) for pod in owned):
            return None
        before = int(dig(set_, "status", "collisionCount", default=0))
        update, collisions = await self._history.newest(set_, before)
        known = {objects.name(one): one for one in [*self._history.of(set_), update]}
        current = dig(set_, "status", "currentRevision", default="")
        revisions = Revisions(current if current in known else objects.name(update), objects.name(update))
        if not objects.is_terminating(set_):
            await self._keep_claims(set_, owned)
            for step in planning.steps(set_, owned, revisions, self.clock.now()):
                await self._take(set_, step, known)
        status = planning.status(set_, owned, revisions, self.clock.now()) | {"collisionCount": collisions}
        await self.tell(self._fresh, set_, status)
        live = {revisions.current, revisions.update, *map(planning.revision_of, owned)}
        await self._history.forget(set_, live)
        wait = pods.until_next_available(set_, owned, self.clock.now())
        return Result(requeue_after=wait) if wait > 0 else None

    async def _take(self, set_: Object, step: Step, known: dict[str, Object]) -> None:
        name = f"{objects.name(set_)}-{step.ordinal}"
        if step.what == "create":
            await self._create(set_, step, name, template_of(known[step.revision]))
            return
        assert step.pod is not None
        if step.reason:
            state = "failed" if step.reason == "RecreatingFailedPod" else "terminated"
            kind = WARNING if state == "failed" else NORMAL
            said = f"StatefulSet {objects.key(set_)} is recreating {state} Pod {name}"
            self.recorder.event(set_, kind, step.reason, said)
        try:
            await self.client.delete(PODS, name, objects.namespace(set_), uid=objects.uid(step.pod))
        except NotFound:
            return
        except ApiError as error:
            self._say(set_, "delete", name, error)
            raise
        self._say(set_, "delete", name)

    async def _create(self, set_: Object, step: Step, name: str, template: Object) -> None:
        try:
            for wanted in planning.build_claims(set_, step.ordinal):
                await self._create_claim(set_, wanted, name)
            pod = planning.build(set_, template, step.ordinal, step.revision)
            self._fresh_pods.wrote(await self.client.create(PODS, pod))
        except AlreadyExists:
            return  # not shown yet; or somebody else's, which has to go first
        except ApiError as error:
            if is_namespace_going(error):
                return
            self._say(set_, "create", name, error)
            raise
        self._say(set_, "create", name)

    async def _create_claim(self, set_: Object, wanted: Object, pod: str) -> None:
        if planning.keeper(set_, planning.ordinals(set_).start) == "set":
            wanted["metadata"]["ownerReferences"] = [objects.owner_reference(set_)]
        if await self.client.create_if_absent(PERSISTENT_VOLUME_CLAIMS, wanted) is None:
            return
        said = f"create Claim {objects.name(wanted)} Pod {pod} in StatefulSet {objects.name(set_)} success"
        self.recorder.event(set_, NORMAL, "SuccessfulCreate", said)

    async def _keep_claims(self, set_: Object, owned: list[Object]) -> None:
        """Let claims belong to whoever the retention policy has them go with."""
        policy = dig(set_, "spec", "persistentVolumeClaimRetentionPolicy", default={})
        if not planning.claim_templates(set_) or "Delete" not in policy.values():
            return
        for pod in owned:
            ordinal = planning.ordinal_of(set_, pod)
            if ordinal is None:
                continue
            keeper = {"set": set_, "pod": pod}.get(planning.keeper(set_, ordinal))
            references = [objects.owner_reference(keeper)] if keeper is not None else []
            for template in planning.claim_templates(set_):
                name = planning.claim_name(set_, template, ordinal)
                try:
                    present = await self.client.get(PERSISTENT_VOLUME_CLAIMS, name, objects.namespace(set_))
                    ours = [one["uid"] for one in objects.owners(present)]
                    if ours != [one["uid"] for one in references]:
                        meta = {**present["metadata"], "ownerReferences": references}
                        await self.client.update(PERSISTENT_VOLUME_CLAIMS, {**present, "metadata": meta})
                except NotFound:
                    continue

    def _say(self, set_: Object, verb: str, pod: str, error: ApiError | None = None) -> None:
        what = f"{verb} Pod {pod} in StatefulSet {objects.name(set_)}"
        if error is None:
            self.recorder.event(set_, NORMAL, f"Successful{verb.capitalize()}", f"{what} successful")
        else:
            self.recorder.event(set_, WARNING, f"Failed{verb.capitalize()}", f"{what} failed error: {error}")
