"""Making pods of a template, and deleting them: with events about it, and expectations until the cache shows it.

New pods are made in batches that double, so that a template which is refused is refused once and not a thousand times.
Upstream: k8s: pkg/controller/controller_utils.go (RealPodControl), pkg/controller/replicaset/replica_set.go (slowStartBatch)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fakekube.agents.workloads.claiming import selector_of
from fakekube.client.client import Client
from fakekube.client.expectations import Expectations
from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object

Template = Mapping[str, Any]
Build = Callable[[int], Object]


def pod_of(template: Template, owner: Object, *, generate_name: str = "") -> Object:
    """A new pod of the owner."""
    meta = template.get("metadata") or {}
    made: Object = {
        "generateName": generate_name or f"{objects.name(owner)}-",
        "namespace": objects.namespace(owner),
        "ownerReferences": [objects.owner_reference(owner)],
    }
    for member in ("labels", "annotations", "finalizers"):
        if meta.get(member):
            made[member] = copy_of(meta[member])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": copy_of(template.get("spec") or {})}


def is_namespace_going(error: ApiError) -> bool:
    causes = (error.details or {}).get("causes") or ()
    return any(one.get("reason") == "NamespaceTerminating" for one in causes)


class PodControl:
    """See the module text. `shown` tells whether the cache shows a pod already."""

    def __init__(
        self, client: Client, recorder: Recorder, expected: Expectations, shown: Callable[[str], bool]
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._expected = expected
        self._shown = shown

    async def create(self, owner: Object, pod: Object) -> Object:
        """Make one pod. Raises ApiError after an event about it, unless the namespace is going."""
        try:
            made = await self._client.create(PODS, pod)
        except ApiError as error:
            if not is_namespace_going(error):
                self._recorder.event(owner, WARNING, "FailedCreate", f"Error creating: {error}")
            raise
        if not self._shown(objects.key(made)):
            self._expected.expect_creations(objects.key(owner), [objects.name(made)])
        self._recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {objects.name(made)}")
        return made

    async def create_many(self, owner: Object, count: int, build: Build) -> tuple[int, ApiError | None]:
        """How many were made, and the refusal that stopped it. A namespace that is going refuses, and that is no error."""
        made, batch = 0, 1
        while made < count:
            failure: ApiError | None = None
            for number in range(made, min(count, made + batch)):
                try:
                    await self.create(owner, build(number))
                except ApiError as error:
                    if is_namespace_going(error):
                        return made, None
                    failure = error
                else:
                    made += 1
            if failure is not None:
                return made, failure
            batch *= 2
        return made, None

    async def delete(self, owner: Object, pod: Object) -> None:
        """Delete one pod. Raises ApiError after an event about it."""
        key, uid = objects.key(owner), objects.uid(pod)
        self._expected.expect_deletions(key, [uid])
        try:
            await self._client.delete(PODS, objects.name(pod), objects.namespace(pod))
        except NotFound:
            self._expected.deletion_observed(key, uid)
            return
        except ApiError as error:
            self._expected.deletion_observed(key, uid)
            self._recorder.event(owner, WARNING, "FailedDelete", f"Error deleting: {error}")
            raise
        self._recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {objects.name(pod)}")

    async def delete_many(self, owner: Object, pods: Sequence[Object]) -> ApiError | None:
        """The first refusal, where there was one; the others are deleted regardless."""
        first: ApiError | None = None
        for pod in pods:
            try:
                await self.delete(owner, pod)
            except ApiError as error:
                first = first or error
        return first


class Dependents:
    """Which owners to look at when one of their dependents changes. Also what was expected of them is seen."""

    def __init__(
        self,
        owners: Informer,
        expected: Expectations,
        suits: Callable[[Object, Object], bool] = lambda _owner, _obj: True,
    ) -> None:
        """`suits`: whether an owner would have an orphan it selects."""
        self._owners = owners
        self._kind = owners.resource.kind
        self._expected = expected
        self._suits = suits

    def __call__(self, old: Object | None, new: Object | None) -> Iterable[str]:
        obj = new if new is not None else old
        if obj is None:
            return ()
        keys: list[str] = []
        owner = objects.controller_of(obj)
        before = objects.controller_of(old) if old is not None else None
        if before is not None and before.get("kind") == self._kind and before != owner:
            keys.append(f"{objects.namespace(obj)}/{before['name']}")
        if owner is None:
            return [*keys, *self._who_would_have(obj)]
        if owner.get("kind") == self._kind:
            key = f"{objects.namespace(obj)}/{owner['name']}"
            if old is None:
                self._expected.creation_observed(key, objects.name(obj))
            if new is None or objects.is_terminating(obj):
                self._expected.deletion_observed(key, objects.uid(obj))
            keys.append(key)
        return keys

    def _who_would_have(self, obj: Object) -> Iterable[str]:
        return [
            objects.key(one)
            for one in self._owners.in_namespace(objects.namespace(obj))
            if selector_of(one).matches(objects.labels(obj)) and self._suits(one, obj)
        ]
