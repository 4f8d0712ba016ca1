"""Brings KubeVirt's own workloads, and the budgets that keep them from being evicted all at once, to what the KubeVirt object
says. What that means for one of them is `workloads`' business.

Origin: kubevirt: pkg/virt-operator/resource/apply/{apps,policy}.go
"""

from contextlib import suppress

from fakekube.client.client import Client
from fakekube.client.recorder import WARNING, Recorder
from fakekube.machinery.errors import AlreadyExists, Conflict, NotFound
from fakekube.machinery.objects import dig, name
from fakekube.machinery.resources import BUDGETS, DAEMON_SETS, DEPLOYMENTS, NODES
from fakekube.machinery.wire import Object
from fakekube.virt.operator import workloads

_RESOURCES = {one.kind: one for one in (DEPLOYMENTS, DAEMON_SETS)}
_CUSTOM_REPLICAS = (
    "applying custom number of infra replica. this is an advanced feature that prevents auto-scaling for core kubevirt "
    "components. Please use with caution!"
)


class Rollout:
    """Works through one client."""

    def __init__(self, client: Client, recorder: Recorder, *, namespace: str, release: str) -> None:
        self._client = client
        self._recorder = recorder
        self._namespace = namespace
        self._release = release

    async def carry_out(self, kubevirt: Object, now: str) -> list[Object]:
        """All workloads and budgets as they are afterwards, for a KubeVirt object."""
        replicas = dig(kubevirt, "spec", "infra", "replicas")
        nodes = len((await self._client.metadata_only().list(NODES)).items)
        guarded = bool(replicas) or nodes > 1
        found = []
        for made in workloads.kubevirt(self._namespace, nodes, now, self._release):
            one = await self._present(made)
            if name(one) != workloads.OPERATOR:
                one = await self._followed(one, kubevirt, custom=bool(replicas))
                if one["kind"] == DEPLOYMENTS.kind:
                    found.extend(await self._guard(one, guarded=guarded))
            found.append(one)
        return found

    async def take_back(self, now: str) -> None:
        """Delete all of it but virt-operator."""
        for made in workloads.kubevirt(self._namespace, 0, now, self._release):
            if name(made) == workloads.OPERATOR:
                continue
            with suppress(NotFound):
                await self._client.delete(_RESOURCES[made["kind"]], name(made), self._namespace)
            if made["kind"] == DEPLOYMENTS.kind:
                with suppress(NotFound):
                    await self._client.delete(BUDGETS, name(workloads.budget(made)), self._namespace)

    async def _present(self, made: Object) -> Object:
        resource = _RESOURCES[made["kind"]]
        try:
            return await self._client.get(resource, name(made), self._namespace)
        except NotFound:
            found = await self._client.create(resource, made)
            with suppress(Conflict):  # whoever looks after the pods was quicker
                found = await self._client.update(
                    resource, {**found, "status": made["status"]}, subresource="status"
                )
            return found

    async def _followed(self, known: Object, kubevirt: Object, *, custom: bool) -> Object:
        wanted = workloads.following(known, kubevirt, self._release)
        if wanted == known:
            return known
        if custom and wanted["spec"].get("replicas") != known["spec"].get("replicas"):
            self._recorder.event(known, WARNING, "AdvancedFeatureUse", _CUSTOM_REPLICAS)
        return await self._client.update(_RESOURCES[known["kind"]], wanted)

    async def _guard(self, deployment: Object, *, guarded: bool) -> list[Object]:
        """The budget, if there is to be one. One of its pods may go at a time, where there are several. On a single node nobody asks for that unless by number:
        the node could not be drained."""
        wanted = workloads.budget(deployment)
        if not guarded or not wanted["spec"]["minAvailable"]:
            with suppress(NotFound):
                await self._client.delete(BUDGETS, name(wanted), self._namespace)
            return []
        try:
            known = await self._client.create(BUDGETS, wanted)
        except AlreadyExists:
            known = await self._client.get(BUDGETS, name(wanted), self._namespace)
        if known["spec"] != {**known["spec"], **wanted["spec"]}:
            known = await self._client.update(BUDGETS, {**known, "spec": {**known["spec"], **wanted["spec"]}})
        return [known]
