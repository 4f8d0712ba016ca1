"""Evictions of launcher pods: instances that can move are asked to leave their node instead of being killed.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/pod-eviction-admitter.go
"""

from fakekube.client.client import Client
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import annotations, condition_is, dig, is_final, labels
from fakekube.machinery.resources import PODS, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Object
from fakekube.virt import review
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.settings import Settings

_PREFIXES = ("virt-launcher", "hp-volume-")


class Evictions:
    """Judges `pods/eviction`, and marks the instance that has to leave."""

    def __init__(self, client: Client, lookups: Lookups, settings: Settings) -> None:
        self._client = client
        self._lookups = lookups
        self._settings = settings

    async def judge(self, asked: Question) -> Answer:
        """Only launcher and hot-plug pods are KubeVirt's business."""
        pod_name = asked.name or dig(asked.obj, "metadata", "name") or ""
        if not pod_name.startswith(_PREFIXES):
            return review.allowed()
        pod = await self._client.find(PODS, pod_name, asked.namespace)
        if pod is None:
            return review.allowed()
        try:
            vmi = await self._instance_of(pod, asked.namespace)
        except ApiError as error:
            return _too_many(f"kubevirt failed getting the vmi: {error}")
        if vmi is None or is_final(vmi) or is_final(pod):  # a launcher the guest has left may go
            return review.allowed()
        return await self._evacuate(vmi, pod, dry_run=asked.dry_run)

    async def _instance_of(self, pod: Object, namespace: str) -> Object | None:
        marks = annotations(pod)
        name = marks.get("kubevirt.io/domain") or marks.get("kubevirt.io/owner-vmi-name") or ""
        return await self._lookups.instance(namespace, name) if name else None

    async def _evacuate(self, vmi: Object, pod: Object, *, dry_run: bool) -> Answer:
        namespace, name = vmi["metadata"]["namespace"], vmi["metadata"]["name"]
        config = await self._settings.current()
        strategy = dig(vmi, "spec", "evictionStrategy") or config.eviction_strategy
        migratable = condition_is(vmi, "LiveMigratable")
        if strategy == "None" or (strategy == "LiveMigrateIfPossible" and not migratable):
            return review.allowed()
        if strategy == "LiveMigrate" and not migratable:
            return _too_many(f"VMI {name} is configured with an eviction strategy but is not live-migratable")
        node = dig(vmi, "status", "nodeName")
        text = f'Eviction triggered evacuation of VMI "{namespace}/{name}"'
        if "kubevirt.io/migrationJobUID" in labels(pod) and dig(pod, "spec", "nodeName") != node:
            return _too_many("Eviction request for target Pod")
        if dig(vmi, "status", "evacuationNodeName"):
            text = f"Evacuation in progress: {text}"
        elif not dry_run and node:
            operation = {"op": "add", "path": "/status/evacuationNodeName", "value": node}
            try:
                await self._client.patch(VIRTUAL_MACHINE_INSTANCES, name, namespace, [operation], type="json")
            except ApiError as error:
                return _too_many(f"kubevirt failed marking the vmi for eviction: {error}")
        return _too_many(text)


def _too_many(text: str) -> Answer:
    return review.refused(text, 429, "TooManyRequests")
