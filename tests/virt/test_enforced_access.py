"""KubeVirt where roles are enforced: its components do their work, and its roles are parts of those for people."""

from pathlib import Path

import orjson

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery import yaml_text
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    RESOURCE_CLAIMS,
    SNAPSHOTS,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from fakekube.machinery.wire import Request, User
from fakekube.traffic.history import writes

POOL = Path(__file__).parents[2] / "examples" / "vm-pool-cirros.yaml"
USAGE = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"
VMS = "/apis/kubevirt.io/v1/namespaces/default/virtualmachines"


async def test_pools_under_rbac() -> None:
    """A pool comes up under RBAC, and who may view the namespace may view its machines."""
    (_, pool), *_ = yaml_text.load_all(POOL.read_text())
    async with Cluster(clock=ManualClock(), rbac=True) as cluster:
        await cluster.apply([pool])
        await cluster.advance(60)
        made = await cluster.client().get(VIRTUAL_MACHINE_POOLS, pool["metadata"]["name"], "default")
        assert dig(made, "status", "readyReplicas") == pool["spec"]["replicas"]
        alice = User("alice", ("system:authenticated",))
        assert (await cluster.api(Request("GET", VMS, "", {}, b"", alice))).status == 403
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "b", "namespace": "default"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
        }
        assert (await cluster.api(Request("GET", USAGE, "", {}, b"", alice))).status == 403
        await cluster.apply([binding])
        assert (await cluster.api(Request("GET", VMS, "", {}, b"", alice))).status == 200
        assert (await cluster.api(Request("GET", USAGE, "", {}, b"", alice))).status == 200


async def test_autoscaling_under_rbac() -> None:
    """An autoscaler may write every scale and its own status, and reads the metrics."""
    (_, pool), *_ = yaml_text.load_all(POOL.read_text())
    pool["metadata"]["annotations"] = {"fakekube.io/cpu": "100%"}
    name = pool["metadata"]["name"]
    target = {"apiVersion": "pool.kubevirt.io/v1beta1", "kind": "VirtualMachinePool", "name": name}
    scaler = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 6, "targetCPUUtilizationPercentage": 50},
    }
    async with Cluster(clock=ManualClock(), rbac=True) as cluster:
        await cluster.apply([pool, scaler])
        await cluster.advance(60)
        assert (await cluster.client().get(VIRTUAL_MACHINE_POOLS, name, "default"))["spec"]["replicas"] == 6
        assert cluster.requests.find(status=403) == []


async def test_claims_for_devices_under_rbac() -> None:
    """Scheduler and resource claim controller may do with claims what they have to, from the template to the end."""
    api = "resource.k8s.io/v1"
    wanted = {"devices": {"requests": [{"name": "one", "exactly": {"deviceClassName": "any"}}]}}
    pool = {"name": "p", "generation": 1, "resourceSliceCount": 1}
    slice_ = {"driver": "d.example.com", "allNodes": True, "pool": pool, "devices": [{"name": "one"}]}
    pod = {
        "containers": [{"name": "c", "image": "x"}],
        "resourceClaims": [{"name": "dev", "resourceClaimTemplateName": "t"}],
    }
    objects = [
        {"apiVersion": api, "kind": "DeviceClass", "metadata": {"name": "any"}, "spec": {}},
        {"apiVersion": api, "kind": "ResourceSlice", "metadata": {"name": "s"}, "spec": slice_},
        {
            "apiVersion": api,
            "kind": "ResourceClaimTemplate",
            "metadata": {"name": "t", "namespace": "default"},
            "spec": {"spec": wanted},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": pod},
    ]
    async with Cluster(only=["kubernetes"], clock=ManualClock(), rbac=True) as cluster:
        await cluster.apply(objects)
        await cluster.settle()
        (claim,) = (await cluster.client().list(RESOURCE_CLAIMS)).items
        assert claim["status"]["reservedFor"][0]["name"] == "p"
        assert dig(await cluster.client().get(PODS, "p", "default"), "status", "phase") == "Running"
        await cluster.client().delete(PODS, "p", "default", grace_seconds=0)
        await cluster.settle()
        assert (await cluster.client().list(RESOURCE_CLAIMS)).items == []


CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "c", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
BLANK = {
    "metadata": {"name": "d"},
    "spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}},
}
MACHINE = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "m", "namespace": "default"},
    "spec": {
        "runStrategy": "RerunOnFailure",
        "dataVolumeTemplates": [BLANK],
        "template": {
            "spec": {
                "domain": {"devices": {"disks": [{"name": "d"}]}, "memory": {"guest": "64Mi"}},
                "volumes": [{"name": "d", "dataVolume": {"name": "d"}}],
            }
        },
    },
}
SNAPSHOT = {
    "apiVersion": "snapshot.kubevirt.io/v1beta1",
    "kind": "VirtualMachineSnapshot",
    "metadata": {"name": "s", "namespace": "default"},
    "spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "m"}},
}


async def test_volumes_under_rbac() -> None:
    """Claims are bound, grow, are protected and let go by controllers that have roles of their own."""
    pod = {
        "containers": [{"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    }
    async with Cluster(only=["kubernetes"], clock=ManualClock(), rbac=True) as cluster:
        await cluster.apply(
            [
                CLAIM,
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": "p", "namespace": "default"},
                    "spec": pod,
                },
            ]
        )
        await cluster.settle()
        client = cluster.client()
        larger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        await client.patch(PERSISTENT_VOLUME_CLAIMS, "c", "default", larger, type="merge")
        await cluster.settle()
        claim = await client.get(PERSISTENT_VOLUME_CLAIMS, "c", "default")
        assert (dig(claim, "status", "phase"), dig(claim, "status", "capacity", "storage")) == (
            "Bound",
            "2Gi",
        )
        await client.delete(PERSISTENT_VOLUME_CLAIMS, "c", "default")
        await client.delete(PODS, "p", "default", grace_seconds=0)
        await cluster.settle()
        assert (await client.list(PERSISTENT_VOLUME_CLAIMS)).items == []
        assert (await client.list(PERSISTENT_VOLUMES)).items == []
        assert cluster.requests.find(status=403) == []


async def test_everybody_writes_in_the_own_name() -> None:
    """The fields of all objects belong to those components that write them in a real cluster, and to nobody else."""
    async with Cluster(clock=ManualClock(), rbac=True) as cluster:
        alice = cluster.client().as_user("alice", "system:masters", user_agent="alice")
        await cluster.settle()
        before = cluster.store.revision
        await alice.create(VIRTUAL_MACHINES, MACHINE)
        await cluster.advance(60)
        await alice.create(SNAPSHOTS, SNAPSHOT)
        await cluster.advance(60)
        halted = {"spec": {"runStrategy": "Halted"}}
        await alice.patch(VIRTUAL_MACHINES, "m", "default", halted, type="merge")
        await cluster.advance(60)
        managers = dict[str, set[str]]()
        for event in await writes(cluster.store, ""):
            if event.entry is None or event.revision <= before:
                continue
            obj = orjson.loads(event.entry.value)
            for one in obj["metadata"].get("managedFields", ()):
                managers.setdefault(obj["kind"], set()).add(one["manager"])
    controllers, handler, claims = {"virt-controller"}, {"virt-handler"}, {"virt-cdi-controller"}
    kubelet, manager = {"kubelet"}, {"kube-controller-manager"}
    assert managers == {
        "VirtualMachine": {"alice"} | controllers,
        "VirtualMachineInstance": controllers | handler,
        "Pod": controllers | kubelet,
        "ControllerRevision": controllers,
        "DataVolume": controllers | claims,
        "PersistentVolumeClaim": claims | manager,
        "PersistentVolume": manager,
        "VirtualMachineSnapshot": {"alice"} | controllers,
        "VirtualMachineSnapshotContent": controllers,
        "Node": kubelet | handler,
        "Endpoints": manager,
        "EndpointSlice": manager,
        "Event": controllers | handler | claims | kubelet | {"kube-scheduler"},
    }
