"""What KubeVirt's own virt-controller asks of an API server before it does anything, and what a part of it without its lists does."""

import orjson
import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import VIRTUAL_MACHINES

NS = "default"
KUBEVIRT = "/apis/kubevirt.io/v1"
# What it lists and watches, with the selectors it uses; without all of them some of its controllers never begin.
LISTS = [
    f"{KUBEVIRT}/virtualmachines",
    f"{KUBEVIRT}/virtualmachineinstances",
    f"{KUBEVIRT}/virtualmachineinstancereplicasets",
    f"{KUBEVIRT}/virtualmachineinstancemigrations",
    f"{KUBEVIRT}/kubevirts",
    "/apis/pool.kubevirt.io/v1beta1/virtualmachinepools",
    "/api/v1/pods",
    "/api/v1/pods?labelSelector=kubevirt.io",
    "/api/v1/nodes",
    "/api/v1/namespaces",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/resourcequotas",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/apps/v1/controllerrevisions",
    "/apis/storage.k8s.io/v1/storageclasses",
    *(
        f"/apis/cdi.kubevirt.io/v1beta1/{one}"
        for one in ("datavolumes", "datasources", "storageprofiles", "cdis", "cdiconfigs")
    ),
    *(
        f"/apis/instancetype.kubevirt.io/v1beta1/virtualmachine{one}"
        for one in ("instancetypes", "clusterinstancetypes", "preferences", "clusterpreferences")
    ),
    *(
        f"/apis/snapshot.kubevirt.io/v1beta1/virtualmachine{one}"
        for one in ("snapshots", "snapshotcontents", "restores")
    ),
    "/apis/export.kubevirt.io/v1/virtualmachineexports",
    "/apis/backup.kubevirt.io/v1alpha1/virtualmachinebackups",
    "/apis/backup.kubevirt.io/v1alpha1/virtualmachinebackuptrackers",
    "/apis/clone.kubevirt.io/v1beta1/virtualmachineclones",
    "/apis/migrations.kubevirt.io/v1alpha1/migrationpolicies",
    "/api/v1/namespaces/kubevirt/configmaps?fieldSelector=metadata.name%3Dkubevirt-export-ca",
    "/api/v1/namespaces/kubevirt/secrets?labelSelector=app.kubernetes.io%2Fmanaged-by+notin+(kubevirt-operator)",
    "/api/v1/services?labelSelector=kubevirt.io%3Dvirt-exporter",
    "/apis/networking.k8s.io/v1/namespaces/kubevirt/ingresses",
    "/apis/coordination.k8s.io/v1/namespaces/kubevirt/leases",
]


@pytest.fixture
async def cluster():
    """All of KubeVirt but its virt-controller."""
    async with Cluster(clock=ManualClock(), seed=1, without=["virt-controller"]) as made:
        await made.settle()
        yield made


async def test_every_list_is_served(cluster):
    """V-239: everything virt-controller lists before it leads is there, and can be watched from where the list was."""
    client = cluster.client()
    for wanted in LISTS:
        path, _, query = wanted.partition("?")
        listed = await client.request("GET", path, query=query)
        version = dig(orjson.loads(listed.body), "metadata", "resourceVersion")
        watch = f"{query}&watch=true&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=1"
        answer = await client.request("GET", path, query=watch)
        assert (listed.status, answer.status) == (200, 200), wanted
        assert answer.stream is not None


async def test_a_controller_without_one_of_its_lists():
    """V-240: as long as one of its lists is not found, a controller does not touch an object; then it does."""
    cluster = Cluster(clock=ManualClock(), seed=1)
    lists = {"verb": "list", "kind": "controllerrevisions", "client": "virt-controller*"}
    fault = cluster.faults.add(**lists, status=404, times=None)
    async with cluster:
        await cluster.settle()
        client = cluster.client()
        template = {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}}
        vm = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": {"name": "vm", "namespace": NS},
            "spec": {"runStrategy": "Always", "template": template},
        }
        made = await client.create(VIRTUAL_MACHINES, vm)
        await cluster.advance(60)
        untouched = await client.get(VIRTUAL_MACHINES, "vm", NS)
        assert untouched["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        assert fault.fired > 1
        cluster.faults.remove(fault.number)
        await cluster.advance(120)
        assert dig(await client.get(VIRTUAL_MACHINES, "vm", NS), "status", "ready")


async def test_pools_label_their_machines():
    """V-229: the machines of a pool are numbered, and labelled with the revision they were made from."""
    async with Cluster(clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        template = {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}}
        labels = {"labels": {"app": "p"}}
        spec = {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "p"}},
            "virtualMachineTemplate": {
                "metadata": labels,
                "spec": {"runStrategy": "Halted", "template": template},
            },
        }
        pool = {
            "apiVersion": "pool.kubevirt.io/v1beta1",
            "kind": "VirtualMachinePool",
            "metadata": {"name": "p", "namespace": NS},
            "spec": spec,
        }
        await cluster.apply([pool])
        await cluster.advance(5)
        machines = (await cluster.client().list(VIRTUAL_MACHINES, NS)).items
        found = {
            one["metadata"]["name"]: one["metadata"]["labels"]["kubevirt.io/vm-pool-revision-name"]
            for one in machines
        }
        assert found == {"p-0": "p-1", "p-1": "p-1"}
