"""What the cluster allows migrations, as it is configured at the moment: how many at once, and how each is to go."""

from typing import Any

from fakekube.client.client import Client
from fakekube.machinery.objects import dig, is_final, is_terminating, labels, namespace, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import migration_phases, migration_plan, migration_policy, names
from fakekube.virt.controller.informers import BY_OWNER, MIGRATION_POLICIES, Informers, vmi_of


class MigrationSettings:
    """See the module text. Only policies are asked for: few clusters have any, and migrations are rare."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client, self._informers = client, informers

    async def of(self, vmi: Object) -> tuple[str, dict[str, Any]]:
        """The name of the policy that has a say, if one has, and all settings for one migration."""
        configuration = self._of_cluster()
        policies = (await self._client.list(MIGRATION_POLICIES)).items
        if not policies:
            return "", configuration
        around = self._informers.namespaces.get(namespace(vmi)) or {}
        name, settings = migration_policy.chosen(policies, vmi, labels(around))
        return name, {**configuration, **settings}

    def too_many(self, vmi: Object) -> bool:
        """Whether as many migrations run as may, in the cluster or away from this node."""
        running = [one for one in self._informers.migrations.objects() if self._is_running(one)]
        if not running:
            return False
        limits = self._of_cluster()
        if len(running) >= limits["parallelMigrationsPerCluster"]:
            return True
        node, leaving = dig(vmi, "status", "nodeName"), 0
        for one in running:
            other = self._informers.vmis.get(vmi_of(one))
            leaving += other is not None and node in (
                dig(other, "status", "nodeName"),
                dig(other, "status", "migrationState", "sourceNode"),
            )
        return bool(leaving >= limits["parallelOutboundMigrationsPerNode"])

    def another_goes_first(self, migration: Object) -> bool:
        """Whether one that is more urgent waits, and could begin as well."""
        rank = migration_plan.urgency(migration)
        for one in self._informers.migrations.objects():
            if migration_plan.phase_of(one) != migration_phases.PENDING or is_terminating(one):
                continue
            if migration_plan.urgency(one) < rank and not self._is_running(one):
                vmi = self._informers.vmis.get(vmi_of(one))
                if vmi is not None and not self.too_many(vmi):
                    return True
        return False

    def _is_running(self, migration: Object) -> bool:
        """Whether it has begun: one that waits has begun once it has its pod."""
        if is_final(migration):
            return False
        if migration_plan.is_under_way(migration):
            return True
        vmi = self._informers.vmis.get(vmi_of(migration))
        owned = self._informers.pods.by_index(BY_OWNER, uid(vmi)) if vmi is not None else []
        return any(labels(pod).get(names.MIGRATION_JOB_UID) == uid(migration) for pod in owned)

    def _of_cluster(self) -> dict[str, Any]:
        return migration_policy.of_cluster(self._informers.kubevirt)
