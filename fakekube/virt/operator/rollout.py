"""Brings KubeVirt's own workloads, and the budgets that keep them from being evicted all at once, to what the KubeVirt object
says. What that means for one of them is `workloads`' business.

Origin: kubevirt: pkg/virt-operator/resource/apply/{apps,policy}.go
"""

from fakekube.client.client import Client
from fakekube.client.recorder import WARNING, Recorder
from fakekube.machinery.objects import dig, labels, name
from fakekube.machinery.resources import BUDGETS, DAEMON_SETS, DEPLOYMENTS, NODES, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.operator import marking, pods, workloads
from fakekube.virt.operator.sources import Source

_RESOURCES = {one.kind: one for one in (DEPLOYMENTS, DAEMON_SETS)}
_SCHEDULABLE = "kubevirt.io/schedulable"
_CUSTOM_REPLICAS = (
    "applying custom number of infra replica. this is an advanced feature that prevents auto-scaling for core kubevirt "
    "components. Please use with caution!"
)


class Rollout:
    """Works through one client. Where workloads have no pods (`has_pods`), they are ready at once."""

    def __init__(
        self, client: Client, recorder: Recorder, *, namespace: str, release: str, has_pods: bool
    ) -> None:
        self._has_pods = has_pods
        self._client = client
        self._recorder = recorder
        self._namespace = namespace
        self._release = release

    async def carry_out(self, kubevirt: Object, now: str, source: Source) -> list[Object]:
        """All workloads and budgets as they are afterwards, for a KubeVirt object."""
        replicas = dig(kubevirt, "spec", "infra", "replicas")
        listed = (await self._client.metadata_only().list(NODES)).items
        nodes = sum(labels(one).get(_SCHEDULABLE) != "false" for one in listed)
        guarded = bool(replicas) or nodes > 1
        found = []
        for made in workloads.kubevirt(self._namespace, nodes, now, source):
            if not workloads.is_wanted(made, kubevirt):
                await self._remove(made)
                continue
            one = await self._present(made)
            if name(one) != pods.OPERATOR:
                one = await self._followed(one, kubevirt, source, nodes, custom=bool(replicas))
                if one["kind"] == DEPLOYMENTS.kind:
                    found.extend(await self._guard(one, kubevirt["spec"], guarded=guarded))
            found.append(one)
        return found

    async def take_back(self, now: str) -> None:
        """Delete all of it but virt-operator."""
        for made in workloads.kubevirt(self._namespace, 0, now, Source(self._release)):
            if name(made) == pods.OPERATOR:
                continue
            await self._remove(made)

    async def _remove(self, made: Object) -> None:
        await self._gone(_RESOURCES[made["kind"]], made)
        if made["kind"] == DEPLOYMENTS.kind:
            await self._gone(BUDGETS, workloads.budget(made))

    async def _present(self, made: Object) -> Object:
        resource = _RESOURCES[made["kind"]]
        found = await self._known(resource, made)
        if found is None:
            found = await self._client.create(resource, made)
            if not self._has_pods:
                status = {**found, "status": made["status"]}
                found = await self._client.update(resource, status, subresource="status")
        return found

    async def _followed(
        self, known: Object, kubevirt: Object, source: Source, nodes: int, *, custom: bool
    ) -> Object:
        wanted = workloads.following(known, kubevirt, source, nodes)
        if wanted == known:
            return known
        if custom and wanted["spec"].get("replicas") != known["spec"].get("replicas"):
            self._recorder.event(known, WARNING, "AdvancedFeatureUse", _CUSTOM_REPLICAS)
        return await self._client.update(_RESOURCES[known["kind"]], wanted)

    async def _guard(self, deployment: Object, spec: Object, *, guarded: bool) -> list[Object]:
        """The budget, if there is to be one. One of its pods may go at a time, where there are several. On a single node
        nobody asks for that unless by number: the node could not be drained."""
        wanted = marking.marked(workloads.budget(deployment), self._namespace, self._release, spec)
        known = await self._known(BUDGETS, wanted)
        if not guarded or not wanted["spec"]["minAvailable"]:
            if known is not None:
                await self._gone(BUDGETS, wanted)
            return []
        if known is None:
            known = await self._client.create(BUDGETS, wanted)
        elif (as_it_was := marking.restored(known, wanted)) is not known:
            known = await self._client.update(BUDGETS, as_it_was)
        return [known]

    async def _known(self, resource: Resource, made: Object) -> Object | None:
        return await self._client.find(resource, name(made), self._namespace)

    async def _gone(self, resource: Resource, made: Object) -> None:
        await self._client.delete_if_present(resource, name(made), self._namespace)
