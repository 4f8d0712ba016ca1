"""What the synchronization controller costs a cluster whose guests stay where they are."""

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import MIGRATIONS, VIRTUAL_MACHINE_INSTANCES

ITSELF = "kubevirt-synchronization-controller"


async def test_instances_are_followed_from_the_first_migration_to_another_side_on():
    """Before that nobody watches them for it; migrations within a namespace change nothing."""
    async with Cluster(clock=ManualClock(), seed=1, pace="instant") as cluster:
        client = cluster.client()

        def follows() -> bool:
            found = cluster.requests.find(kind="vmi", verb="watch")
            return any(ITSELF in one.seen.user for one in found)

        async def migrate(name: str, **spec: object) -> None:
            meta = {"name": name, "namespace": "default"}
            domain = {"devices": {}, "memory": {"guest": "64Mi"}}
            for resource, wanted in (
                (VIRTUAL_MACHINE_INSTANCES, {"domain": domain}),
                (MIGRATIONS, {"vmiName": name, **spec}),
            ):
                head = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
                await client.create(resource, {**head, "spec": wanted})
            await cluster.settle()

        await cluster.settle()
        await migrate("within")
        assert not follows()
        await migrate("without", receive={"migrationID": "one"})
        assert follows()
