"""What virt-api reads from the cluster to judge an object. Every function is one question to the API.

Origin: kubevirt: pkg/instancetype/find, pkg/virt-api/webhooks
"""

from collections.abc import Mapping
from typing import Any

from fakekube.client.client import Client
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import annotations, condition, dig, is_final, is_terminating, owners
from fakekube.machinery.objects import name as name_of
from fakekube.machinery.resources import (
    BACKUPS,
    CDI_CONFIGS,
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    MIGRATIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    PRESETS,
    RESTORES,
    SNAPSHOTS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.machinery.wire import Object
from fakekube.virt.instancetypes import kinds


class Lookups:
    """Reads through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def machine(self, namespace: str, name: str) -> Object | None:
        return await self._client.find(VIRTUAL_MACHINES, name, namespace)

    async def instance(self, namespace: str, name: str) -> Object | None:
        return await self._client.find(VIRTUAL_MACHINE_INSTANCES, name, namespace)

    async def claim(self, namespace: str, name: str) -> Object | None:
        return await self._client.find(PERSISTENT_VOLUME_CLAIMS, name, namespace)

    async def snapshot(self, namespace: str, name: str) -> Object | None:
        return await self._client.find(SNAPSHOTS, name, namespace)

    async def has_data_volumes(self) -> bool:
        """Whether there is such a type."""
        try:
            await self._client.metadata_only().list(DATA_VOLUMES, limit=1)
        except NotFound:
            return False
        return True

    async def cdi_config(self) -> Object | None:
        """CDI's configuration, where there is CDI."""
        return await self._client.find(CDI_CONFIGS, "config")

    async def state_claim(self, namespace: str, machine: str) -> str:
        """The name of the claim that keeps what the machine's TPM and firmware write, or empty."""
        label = f"persistent-state-for={machine}"
        found = await self._client.list(PERSISTENT_VOLUME_CLAIMS, namespace, label_selector=label)
        return next((name_of(claim) for claim in found.items if not is_terminating(claim)), "")

    async def launcher(self, namespace: str, instance: str) -> str:
        """The name of the instance's launcher pod, or empty."""
        found = await self._client.list(PODS, namespace, label_selector="kubevirt.io=virt-launcher")
        for pod in found.items:
            owned = any(
                one["kind"] == VIRTUAL_MACHINE_INSTANCES.kind and one["name"] == instance
                for one in owners(pod)
            )
            if owned or annotations(pod).get("kubevirt.io/domain") == instance:
                return name_of(pod)
        return ""

    async def active_migration(self, namespace: str, instance: str) -> Object | None:
        """A migration of the instance that has not ended."""
        found = await self._client.list(
            MIGRATIONS, namespace, label_selector=f"kubevirt.io/vmi-name={instance}"
        )
        return next((one for one in found.items if not is_final(one)), None)

    async def restores_under_way(self, namespace: str, target: Object) -> list[str]:
        """The names of restores to this target that have not ended."""
        found = (await self._client.list(RESTORES, namespace)).items
        same = [one for one in found if dig(one, "spec", "target") == target]
        return [
            name_of(one) for one in same if not (dig(one, "status", "complete") or condition(one, "Failure"))
        ]

    async def backups(self, namespace: str) -> list[Object]:
        return (await self._client.list(BACKUPS, namespace)).items

    async def presets(self, namespace: str) -> list[Object]:
        """By name; none where there is no such type."""
        try:
            return (await self._client.list(PRESETS, namespace)).items
        except NotFound:
            return []

    async def matched(self, vm: Object, member: str) -> Mapping[str, Any] | None:
        """The spec of the machine's `instancetype` or `preference`, as it was when the machine met it; None when it has none.
        Raises NotFound."""
        matcher = dig(vm, "spec", member)
        if not matcher or not (matcher.get("name") or matcher.get("revisionName")):
            return None
        namespace = dig(vm, "metadata", "namespace") or ""
        revision = matcher.get("revisionName") or kinds.known_revision(vm, member)
        if revision:
            kept = await self._client.get(CONTROLLER_REVISIONS, revision, namespace)
            found: Mapping[str, Any] | None = dig(kept, "data", "spec")
            return found
        resource = kinds.resource_of(matcher, member)
        obj = await self._client.get(resource, matcher["name"], namespace if resource.namespaced else None)
        spec: Mapping[str, Any] = obj.get("spec") or {}
        return spec
