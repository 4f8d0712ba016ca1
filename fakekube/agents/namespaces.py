"""Empties namespaces that are being deleted, says in conditions how far that is, and lets them go when they are empty.

    Terminating ──► pods deleted ──► everything else deleted ──► finalizer `kubernetes` removed by PUT /finalize

What does not go at once (finalizers, grace periods) is watched, so the next pass comes when something has gone; upstream
looks again after an estimated time instead.
Upstream: k8s: pkg/controller/namespace/deletion/{namespaced_resources_deleter,status_condition_utils}.go
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from fakekube.agents.identities import as_controller
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result, RetryError
from fakekube.client.discovery import Discovered, discover
from fakekube.client.informer import Informer
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, MethodNotAllowed, NotFound
from fakekube.machinery.resources import NAMESPACES, PODS, Resource
from fakekube.machinery.wire import Object

FINALIZER = "kubernetes"


class Progress(Struct):
    """How far the emptying of one namespace is."""

    undiscovered: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    remaining: Counter[str] = field(
        default_factory=Counter
    )  # `configmaps.` or `leases.coordination.k8s.io` → how many
    finalizers: Counter[str] = field(default_factory=Counter)
    left: list[Resource] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return not (self.undiscovered or self.failures or self.left)


class Namespaces:
    """An actor. See the module text."""

    name = "namespace-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, workers: int = 4) -> None:
        del ids
        self._client = as_controller(client, "namespace-controller")
        self._metadata = self._client.metadata_only()
        self._clock = clock
        self._namespaces = Informer(self._client, NAMESPACES, clock=clock)
        self._controller = Controller(self.name, self._empty, clock=clock, workers=workers)
        self._controller.source(self._namespaces, _when_terminating)
        self._vigils: dict[str, asyncio.Task[None]] = {}

    @property
    def idle(self) -> bool:
        return self._controller.idle

    @property
    def informers(self) -> Sequence[Informer]:
        return (self._namespaces,)

    async def run(self) -> None:
        try:
            await self._controller.run()
        finally:
            for vigil in self._vigils.values():
                vigil.cancel()
            await asyncio.gather(*self._vigils.values(), return_exceptions=True)
            self._vigils.clear()

    async def _empty(self, key: str) -> Result | None:
        vigil = self._vigils.pop(key, None)
        if vigil is not None:
            vigil.cancel()
        try:
            namespace = await self._client.get(NAMESPACES, key)
            if not objects.is_terminating(namespace):
                return None
            if FINALIZER not in (namespace["spec"].get("finalizers") or ()):
                return None
            progress = await self._delete_content(key)
            wanted = conditions(objects.conditions(namespace), progress, rfc3339(self._clock.now()))
            if wanted != objects.conditions(namespace):
                namespace["status"] = {**(namespace.get("status") or {}), "conditions": wanted}
                namespace = await self._client.update(NAMESPACES, namespace, subresource="status")
            if progress.done:
                await self._finalize(namespace)
                return None
        except NotFound:
            return None
        if progress.undiscovered or progress.failures:
            raise RetryError("; ".join([*progress.undiscovered, *progress.failures]))
        self._vigils[key] = asyncio.create_task(self._watch_for_less(key, progress.left))
        return None

    async def _finalize(self, namespace: Object) -> None:
        final = copy_of(namespace)
        kept = objects.without(final["spec"]["finalizers"], FINALIZER)
        final["spec"]["finalizers"] = kept
        await self._client.update(NAMESPACES, final, subresource="finalize")

    async def _delete_content(self, namespace: str) -> Progress:
        """One round over everything in the namespace: pods first, the rest once no pod is left."""
        progress = Progress()
        try:
            found = await discover(self._client)
        except ApiError as error:
            progress.undiscovered.append(str(error))
            found = Discovered(())
        progress.undiscovered += found.failed
        resources = [one for one in found.with_verbs("list", "delete") if one.namespaced]
        collectable = set(found.with_verbs("deletecollection"))
        for pods in (True, False):
            for resource in resources:
                if (resource == PODS) is pods:
                    await self._delete_all(resource, namespace, resource in collectable, progress)
            if progress.left or progress.failures:
                break
        return progress

    async def _delete_all(
        self, resource: Resource, namespace: str, collectable: bool, progress: Progress
    ) -> None:
        try:
            if not (await self._metadata.list(resource, namespace, limit=1)).items:
                return
            if collectable:
                await self._client.delete_collection(resource, namespace, propagation="Background")
            else:
                await self._delete_one_by_one(resource, namespace)
            rest = (await self._metadata.list(resource, namespace)).items
        except (NotFound, MethodNotAllowed):
            return  # no longer served
        except ApiError as error:
            progress.failures.append(f"{resource.qualified}: {error}")
            return
        if rest:
            progress.left.append(resource)
            progress.remaining[f"{resource.plural}.{resource.group}"] += len(rest)
            progress.finalizers.update(name for obj in rest for name in objects.finalizers(obj))

    async def _delete_one_by_one(self, resource: Resource, namespace: str) -> None:
        for obj in (await self._metadata.list(resource, namespace)).items:
            await self._client.delete_if_present(
                resource, objects.name(obj), namespace, propagation="Background"
            )

    async def _watch_for_less(self, namespace: str, left: Sequence[Resource]) -> None:
        """Look again when something of what was left has gone, or is held by other finalizers."""
        queue = self._controller.queue

        def changed(old: Object | None, new: Object | None) -> None:
            if old is not None and (new is None or objects.finalizers(old) != objects.finalizers(new)):
                queue.add(namespace)

        async with asyncio.TaskGroup() as tasks:
            informers = [
                Informer(self._metadata, resource, clock=self._clock, namespace=namespace)
                for resource in left
            ]
            for informer in informers:
                informer.on_change(changed)
                tasks.create_task(informer.run(), name=f"{namespace}: {informer.resource.qualified}")
            for informer in informers:
                await informer.wait_synced()
                if not informer.objects():  # all of it went before this watch began
                    queue.add(namespace)


def _when_terminating(_old: Object | None, new: Object | None) -> Iterable[str]:
    return (objects.name(new),) if new is not None and objects.is_terminating(new) else ()


def conditions(present: list[Object], progress: Progress, now: str) -> list[Object]:
    """The namespace's conditions after a round; transition times move when a status does."""
    found = {one.get("type"): one for one in present}
    kept = [one for one in present if one.get("type") not in _ORDER]
    wanted = []
    for kind, bad, reason, message in _findings(progress):
        status = "True" if bad else "False"
        old = found.get(kind)
        since = old["lastTransitionTime"] if old is not None and old.get("status") == status else now
        wanted.append(
            {
                "type": kind,
                "status": status,
                "lastTransitionTime": since,
                "reason": reason,
                "message": message,
            }
        )
    return kept + wanted


_ORDER = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
)


def _findings(progress: Progress) -> Iterable[tuple[str, bool, str, str]]:
    """(type, whether there is something to report, reason, message) in upstream's order."""
    discovery, parsing, deletion, content, finalizers = _ORDER
    if progress.undiscovered:
        said = f"Discovery failed for some groups, {len(progress.undiscovered)} failing: {', '.join(progress.undiscovered)}"
        yield discovery, True, "DiscoveryFailed", said
    else:
        yield discovery, False, "ResourcesDiscovered", "All resources successfully discovered"
    yield parsing, False, "ParsedGroupVersions", "All legacy kube types successfully parsed"
    if progress.failures:
        said = f"Failed to delete all resource types, {len(progress.failures)} remaining: {', '.join(sorted(progress.failures))}"
        yield deletion, True, "ContentDeletionFailed", said
    else:
        said = "All content successfully deleted, may be waiting on finalization"
        yield deletion, False, "ContentDeleted", said
    if progress.remaining:
        each = [
            f"{name} has {count} resource instances" for name, count in sorted(progress.remaining.items())
        ]
        yield content, True, "SomeResourcesRemain", f"Some resources are remaining: {', '.join(each)}"
    else:
        yield content, False, "ContentRemoved", "All content successfully removed"
    if progress.finalizers:
        each = [
            f"{name} in {count} resource instances" for name, count in sorted(progress.finalizers.items())
        ]
        said = f"Some content in the namespace has finalizers remaining: {', '.join(each)}"
        yield finalizers, True, "SomeFinalizersRemain", said
    else:
        yield finalizers, False, "ContentHasNoFinalizers", "All content-preserving finalizers finished"
