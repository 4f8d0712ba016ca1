"""KubeVirt where roles are enforced: its components do their work, and its roles are parts of those for people."""

from pathlib import Path

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery import yaml_text
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import PODS, RESOURCE_CLAIMS, VIRTUAL_MACHINE_POOLS
from fakekube.machinery.wire import Request, User

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
