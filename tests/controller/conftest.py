"""Objects for planning tests: a pool, and VMs and VMIs as the controller and KubeVirt make them."""

from datetime import UTC, datetime

import pytest

from controller import building, revisions
from controller.observe import Observed
from controller.revisions import Revisions
from fakekube.machinery import objects
from tests.controller.cluster import Cluster

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class World:
    """Builds snapshots. Everything is a plain dict; a test changes what it is about."""

    now = NOW

    def pool(self, name="p", *, replicas=3, generation=1, **spec):
        template = spec.pop("template", None) or self.template()
        body = {"selector": {"matchLabels": {"app": "p"}}, "virtualMachineTemplate": template, **spec}
        if replicas is not None:
            body["replicas"] = replicas
        return {
            "apiVersion": "pool.kubevirt.io/v1beta1",
            "kind": "VirtualMachinePool",
            "metadata": {
                "name": name,
                "namespace": "ns",
                "uid": f"pool-{name}",
                "generation": generation,
                "finalizers": ["pool.kubevirt.io/finalizer"],
            },
            "spec": body,
        }

    def template(self, memory="1Gi", **more):
        return {
            "metadata": {"labels": {"app": "p"}},
            "spec": {
                "runStrategy": "Always",
                "template": {
                    "metadata": {"labels": {"vmi": "p"}},
                    "spec": {"domain": {"memory": {"guest": memory}, "devices": {}}},
                },
                **more,
            },
        }

    def vm(self, pool, ordinal, *, revision=None, ready=True, terminating=False, created=None, **status):
        vm = building.virtual_machine(pool, revision or f"{pool['metadata']['name']}-1", ordinal)
        meta = vm["metadata"]
        meta["uid"] = f"vm-{meta['name']}"
        meta["resourceVersion"] = str(100 + ordinal)
        meta["creationTimestamp"] = created or "2026-01-01T11:00:00Z"
        if terminating:
            meta["deletionTimestamp"] = "2026-01-01T11:59:00Z"
        vm["status"] = {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False", "lastProbeTime": None}],
            "printableStatus": "Running" if ready else "Starting",
            **status,
        }
        return vm

    def vmi(self, vm, *, revision=None, ready=True, phase="Running", terminating=False):
        meta = vm["metadata"]
        labels = {"kubevirt.io/vm-pool-revision-name": revision or revisions.of(vm)}
        return {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": f"vmi-{meta['name']}",
                "labels": labels if revision != "none" else {},
                "ownerReferences": [objects.owner_reference(vm)],
                **({"deletionTimestamp": "2026-01-01T11:59:00Z"} if terminating else {}),
            },
            "status": {
                "phase": phase,
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            },
        }

    def revision(self, pool, generation=None):
        generation = generation or pool["metadata"]["generation"]
        old = {**pool, "metadata": {**pool["metadata"], "generation": generation}}
        return revisions.made(old, f"{pool['metadata']['name']}-{generation}")

    def seen(self, pool, owned=(), *, vmis=None, stored=None, taken=None, **more):
        """A snapshot. Without `vmis`, each VM has a healthy one; without `stored`, only the pool's own revision."""
        if vmis is None:
            vmis = [self.vmi(vm) for vm in owned]
        if stored is None:
            stored = [self.revision(pool)]
        if taken is None:
            taken = {int(vm["metadata"]["name"].rpartition("-")[2]) for vm in owned}
        return Observed(
            pool=pool,
            now=NOW,
            owned=tuple(owned),
            vmis={vmi["metadata"]["name"]: vmi for vmi in vmis},
            revisions=Revisions({objects.name(one): one for one in stored}),
            taken=frozenset(taken),
            **more,
        )


@pytest.fixture(scope="session")
def world():
    return World()


@pytest.fixture
async def cluster():
    """A running API with one pool controller `a`; `cluster.wire` is its connection."""
    running = Cluster()
    await running.start()
    running.wire = await running.control("a")
    yield running
    await running.stop()


@pytest.fixture
async def bare_cluster():
    """A running API without any controller."""
    running = Cluster()
    await running.start()
    yield running
    await running.stop()
