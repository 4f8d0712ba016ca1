"""What upstream's functional specs do before the first spec, between specs and after the last, request by request.

Origin: kubevirt: tests/testsuite/{fixture,namespace,serviceaccount,kubevirtresource,cdi_readiness}.go, tests/libnode/,
tests/libkubevirt/, tests/reporter/kubernetes.go
"""

import json
from typing import Any

from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, STRATEGIC, Object, Suite, conditions

KUBEVIRT = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"
SCHEDULABLE = "kubevirt.io/schedulable=true"
NAMESPACES = [f"kubevirt-test-{name}1" for name in ("default", "alternative", "operator", "privileged")]
DEFAULT = NAMESPACES[0]
GATES = [
    *("CPUManager", "ExperimentalIgnitionSupport", "Sidecar", "Snapshot", "IncrementalBackup", "HostDisk"),
    *("EnableVirtioFsConfigVolumes", "EnableVirtioFsStorageVolumes", "DownwardMetrics", "ExpandDisks"),
    *("WorkloadEncryptionSEV", "VMExport", "KubevirtSeccompProfile", "ObjectGraph"),
    *("DeclarativeHotplugVolumes", "NodeRestriction", "DecentralizedLiveMigration"),
]


def labels_of(namespace: str) -> Object:
    """The labels the specs put on a namespace of theirs."""
    labels = {f"test.kubevirt.io/{namespace}": ""}
    if "privileged" in namespace:
        labels |= {
            "pod-security.kubernetes.io/enforce": "privileged",
            "pod-security.kubernetes.io/warn": "privileged",
            "security.openshift.io/scc.podSecurityLabelSync": "false",
        }
    return labels


async def adjust(suite: Suite) -> Object:
    """The one change of the KubeVirt object before the first spec: gates, seccomp profile, quick rotation."""
    kubevirt = await suite.get(KUBEVIRT)
    spec: Object = json.loads(json.dumps(kubevirt["spec"]))
    spec["certificateRotateStrategy"] = {
        "selfSigned": {
            "ca": {"duration": "20m0s", "renewBefore": "12m0s"},
            "server": {"duration": "14m0s", "renewBefore": "10m0s"},
        }
    }
    developer = spec["configuration"].setdefault("developerConfiguration", {})
    developer["featureGates"] = [*developer.get("featureGates", ()), *GATES]
    spec["configuration"]["seccompConfiguration"] = {
        "virtualMachineInstanceProfile": {"customProfile": {"localhostProfile": "kubevirt/kubevirt.json"}}
    }
    chosen = {"matchLabels": {"changedBlockTracking": "true"}}
    spec["configuration"]["changedBlockTrackingLabelSelectors"] = {
        "virtualMachineLabelSelector": chosen,
        "namespaceLabelSelector": chosen,
    }
    return await suite.patch(KUBEVIRT, [{"op": "replace", "path": "/spec", "value": spec}])


async def ready(suite: Suite) -> None:
    """KubeVirt is said to be ready, and for its newest generation."""
    operator = "/apis/apps/v1/namespaces/kubevirt/deployments/virt-operator"

    async def replicas() -> Any:
        return (await suite.get(operator))["status"].get("readyReplicas", 0) > 0

    async def settled() -> Any:
        kubevirt = await suite.get(KUBEVIRT)
        wanted = {"Available": "True", "Progressing": "False", "Degraded": "False", "Created": "True"}
        assert {kind: conditions(kubevirt).get(kind) for kind in wanted} == wanted
        return kubevirt["metadata"]["generation"] == kubevirt["status"]["observedGeneration"]

    await suite.eventually(replicas, 180)
    await suite.eventually(settled, 300)


async def create_namespaces(suite: Suite) -> None:
    for name in NAMESPACES:
        meta = {"name": name, "labels": labels_of(name)}
        made = await suite.create("/api/v1/namespaces", {"metadata": meta, "spec": {}, "status": {}})
        assert made["metadata"]["labels"].items() >= labels_of(name).items()


async def create_accounts(suite: Suite) -> None:
    """Accounts for admin, editor, viewer, and for one that may only start machines."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    here = f"{rbac}/namespaces/{DEFAULT}"
    roles = {"admin": "kubevirt.io:admin", "view": "kubevirt.io:view", "edit": "kubevirt.io:edit"}
    for short, role in roles.items():
        name = f"kubevirt-{short}-test-sa"
        await _account(suite, name)
        await suite.create(f"{here}/rolebindings", _binding(name, name, "ClusterRole", role, DEFAULT))
    name = "kubevirt-subresource-test-sa"
    await _account(suite, name)
    rule = {"apiGroups": ["subresources.kubevirt.io"], "verbs": ["update"]}
    start = {**rule, "resources": ["virtualmachines/start"]}
    expand = {**rule, "resources": ["expand-spec"]}
    await suite.create(f"{here}/roles", {"metadata": {"name": name, "namespace": DEFAULT}, "rules": [start]})
    await suite.create(f"{here}/rolebindings", _binding(name, name, "Role", name, DEFAULT))
    await suite.create(f"{rbac}/clusterroles", {"metadata": {"name": f"{name}1"}, "rules": [expand]})
    await suite.create(f"{rbac}/clusterrolebindings", _binding(f"{name}1", name, "ClusterRole", f"{name}1"))


async def _account(suite: Suite, name: str) -> None:
    meta = {"name": name, "namespace": DEFAULT, "labels": {"kubevirt.io/test": name}}
    await suite.create(f"/api/v1/namespaces/{DEFAULT}/serviceaccounts", {"metadata": meta})


def _binding(name: str, account: str, kind: str, role: str, namespace: str = "") -> Object:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "metadata": meta,
        "roleRef": {"kind": kind, "name": role, "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": DEFAULT}],
    }


async def set_up(suite: Suite) -> None:
    """Everything before the first spec."""
    (only,) = await suite.items("/apis/kubevirt.io/v1/kubevirts")
    assert only["metadata"]["namespace"] == "kubevirt"
    await adjust(suite)
    await ready(suite)
    await create_namespaces(suite)
    await create_accounts(suite)


async def clean_namespaces(suite: Suite) -> None:
    """Before each spec and at the end: nothing of an earlier one is left in its namespaces."""
    for namespace in NAMESPACES:
        if (await suite.call("GET", f"/api/v1/namespaces/{namespace}"))[0] != 200:
            continue
        await _reset_labels(suite, namespace)
        await _clean(suite, namespace)


async def _reset_labels(suite: Suite, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    have = (await suite.get(path))["metadata"]["labels"]
    surplus = {key: None for key in have if key not in labels_of(namespace)}
    await suite.patch(path, {"metadata": {"labels": {**surplus, **labels_of(namespace)}}}, STRATEGIC)


async def _clean(suite: Suite, namespace: str) -> None:
    own = f"test.kubevirt.io/{namespace}"
    kinds, core = "/apis/instancetype.kubevirt.io/v1beta1", f"/api/v1/namespaces/{namespace}"

    async def one_by_one(path: str, selector: str = "", options: Object | None = None) -> None:
        for one in await suite.items(path, selector):
            await suite.gone(f"{path}/{one['metadata']['name']}", options)

    def inside(group: str, plural: str) -> str:
        return f"/apis/{group}/namespaces/{namespace}/{plural}"

    await one_by_one(f"{kinds}/virtualmachineclusterinstancetypes", own)
    await one_by_one(inside("instancetype.kubevirt.io/v1beta1", "virtualmachineinstancetypes"))
    await one_by_one(f"{kinds}/virtualmachineclusterpreferences", own)
    await one_by_one(inside("instancetype.kubevirt.io/v1beta1", "virtualmachinepreferences"))
    orphan = {"kind": "DeleteOptions", "apiVersion": "batch/v1", "propagationPolicy": "Orphan"}
    await suite.delete(inside("batch/v1", "jobs"), orphan)
    await suite.delete(inside("autoscaling/v1", "horizontalpodautoscalers"))
    await suite.delete(inside("pool.kubevirt.io/v1beta1", "virtualmachinepools"), {})
    await suite.delete(inside("kubevirt.io/v1", "virtualmachines"))
    await suite.delete(inside("kubevirt.io/v1", "virtualmachineinstancereplicasets"))
    await suite.delete(inside("kubevirt.io/v1", "virtualmachineinstances"))
    for vmi in await suite.items(inside("kubevirt.io/v1", "virtualmachineinstances")):
        if "kubevirt.io/foregroundDeleteVirtualMachine" in vmi["metadata"].get("finalizers", ()):
            path = f"{inside('kubevirt.io/v1', 'virtualmachineinstances')}/{vmi['metadata']['name']}"
            removal = [{"op": "remove", "path": "/metadata/finalizers"}]
            status, answer = await suite.call("PATCH", path, removal, content=JSON_PATCH)
            assert status in (200, 404), answer
    await one_by_one(f"{core}/pods", options={"gracePeriodSeconds": 0})
    await one_by_one(f"{core}/services")
    await one_by_one(f"{core}/resourcequotas")
    await suite.delete(f"{core}/persistentvolumeclaims")
    await suite.delete(inside("cdi.kubevirt.io/v1beta1", "datavolumes"))
    for volume in await suite.items("/api/v1/persistentvolumes", own):
        assert volume["spec"].get("claimRef", {}).get("namespace") != namespace
    await suite.delete(f"{core}/secrets", {}, labelSelector="kubevirt.io/secret")
    await suite.delete(inside("kubevirt.io/v1", "virtualmachineinstancepresets"))
    await suite.delete(f"{core}/limitranges")
    await suite.delete(inside("kubevirt.io/v1", "virtualmachineinstancemigrations"))
    assert await suite.items(inside("kubevirt.io/v1", "virtualmachineinstancemigrations")) == []
    for absent in (
        inside("k8s.cni.cncf.io/v1", "network-attachment-definitions"),
        inside("networking.istio.io/v1beta1", "sidecars"),
        inside("security.istio.io/v1beta1", "peerauthentications"),
    ):
        assert (await suite.call("GET", absent))[0] == 404
    await one_by_one("/apis/migrations.kubevirt.io/v1alpha1/migrationpolicies", own)
    await one_by_one("/apis/storage.k8s.io/v1/storageclasses", own)
    await suite.delete(inside("clone.kubevirt.io/v1beta1", "virtualmachineclones"), {})
    for plural in ("virtualmachinesnapshots", "virtualmachinesnapshotcontents", "virtualmachinerestores"):
        await suite.delete(inside("snapshot.kubevirt.io/v1beta1", plural), {})
    while await suite.items(f"{core}/events", limit="1"):
        await suite.delete(f"{core}/events", {}, limit="1000")
    for plural in ("virtualmachinebackups", "virtualmachinebackuptrackers"):
        await suite.delete(inside("backup.kubevirt.io/v1alpha1", plural), {})
    await suite.delete(inside("export.kubevirt.io/v1beta1", "virtualmachineexports"), {})


async def clean_nodes(suite: Suite) -> None:
    """Test labels and drain taints go; what was cordoned is let in again."""
    for node in await suite.items("/api/v1/nodes", SCHEDULABLE):
        taints = node["spec"].get("taints", [])
        kept = [one for one in taints if one["key"] not in ("kubevirt.io/drain", "kubevirt.io/alt-drain")]
        marks = [key for key in node["metadata"]["labels"] if key.startswith("test.kubevirt.io")]
        if len(kept) == len(taints) and not marks:
            continue
        change: Object = {"metadata": {"labels": dict.fromkeys(marks)}}
        change["spec"] = {"taints": kept or None, "unschedulable": None}
        await suite.patch(f"/api/v1/nodes/{node['metadata']['name']}", change, STRATEGIC)


async def test_the_install_namespace_is_found(suite: Suite) -> None:
    """There is one KubeVirt object, and its namespace is where the specs look for everything else."""
    (only,) = await suite.items("/apis/kubevirt.io/v1/kubevirts")
    assert only["metadata"]["namespace"] == "kubevirt"
    assert only["status"]["phase"] == "Deployed"
    assert only["status"]["defaultArchitecture"] == "amd64"


async def test_every_node_with_a_virt_handler_has_kvm_and_vhost_net(suite: Suite) -> None:
    """A virt-handler pod runs on each node, and each of these nodes can run guests."""
    pods = await suite.items("/api/v1/namespaces/kubevirt/pods", "kubevirt.io=virt-handler")
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node01", "node02"}
    for pod in pods:
        node = await suite.get(f"/api/v1/nodes/{pod['spec']['nodeName']}")
        for device in ("kvm", "vhost-net"):
            assert node["status"]["allocatable"][f"devices.kubevirt.io/{device}"] not in ("", "0")


async def test_kubevirt_takes_the_configuration_of_the_specs(suite: Suite) -> None:
    """All gates at once, a seccomp profile and quick rotation are accepted, observed and given back at the end."""
    before = (await suite.get(KUBEVIRT))["spec"]
    adjusted = await adjust(suite)
    assert adjusted["spec"]["configuration"]["developerConfiguration"]["featureGates"] == GATES
    await ready(suite)

    async def every_node_pins_cpus() -> Any:
        workers = await suite.items("/api/v1/nodes", "!node-role.kubernetes.io/control-plane")
        marked = await suite.items("/api/v1/nodes", f"{SCHEDULABLE},kubevirt.io/cpumanager=true")
        return len(marked) == len(workers) == 2

    await suite.eventually(every_node_pins_cpus, 360)
    restored = await suite.patch(KUBEVIRT, [{"op": "replace", "path": "/spec", "value": before}])
    assert restored["spec"] == before


async def test_schedulable_nodes_and_their_architecture(suite: Suite) -> None:
    """The specs run where a node is schedulable for KubeVirt, and for its architecture."""
    nodes = await suite.items("/api/v1/nodes", SCHEDULABLE)
    assert len(nodes) == 2
    assert {node["status"]["nodeInfo"]["architecture"] for node in nodes} == {"amd64"}


async def test_cdi_is_ready(suite: Suite) -> None:
    """One CDI object is deployed, available, and neither progressing nor degraded."""
    (cdi,) = await suite.items("/apis/cdi.kubevirt.io/v1beta1/cdis")
    assert cdi["status"]["phase"] == "Deployed"
    assert conditions(cdi) == {"Available": "True", "Progressing": "False", "Degraded": "False"}
    groups = (await suite.get("/apis/cdi.kubevirt.io/v1beta1"))["resources"]
    assert "datavolumes" in {one["name"] for one in groups}


async def test_set_up_clean_up_tear_down(suite: Suite) -> None:
    """The whole life of a run: set-up, what happens between two specs with leftovers of every kind, and the end."""
    await set_up(suite)
    machine = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "left", "namespace": DEFAULT},
        "spec": {
            "runStrategy": "Always",
            "template": {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}},
        },
    }
    await suite.create(f"/apis/kubevirt.io/v1/namespaces/{DEFAULT}/virtualmachines", machine)
    vmi = f"/apis/kubevirt.io/v1/namespaces/{DEFAULT}/virtualmachineinstances/left"

    async def running() -> Any:
        return (await suite.get(vmi)).get("status", {}).get("phase") == "Running"

    await suite.eventually(running, 90)
    await suite.patch(
        "/api/v1/nodes/node01",
        {
            "metadata": {"labels": {"test.kubevirt.io/mine": ""}},
            "spec": {
                "unschedulable": True,
                "taints": [{"key": "kubevirt.io/drain", "effect": "NoSchedule"}],
            },
        },
        STRATEGIC,
    )
    await clean_namespaces(suite)
    await clean_nodes(suite)
    node = await suite.get("/api/v1/nodes/node01")
    assert "test.kubevirt.io/mine" not in node["metadata"]["labels"]
    assert node["spec"].get("taints", []) == []
    assert "unschedulable" not in node["spec"]

    async def empty() -> Any:
        return not await suite.items(f"/apis/kubevirt.io/v1/namespaces/{DEFAULT}/virtualmachines")

    await suite.eventually(empty, 120)
    await ready(suite)
    for name in NAMESPACES:
        await suite.delete(f"/api/v1/namespaces/{name}", {})
    for name in NAMESPACES:

        async def deleted(name: str = name) -> bool:
            return await suite.gone(f"/api/v1/namespaces/{name}", {})

        await suite.eventually(deleted, 240)


async def test_one_change_of_the_configuration(suite: Suite) -> None:
    """A spec changes one setting by a merge patch, sees it observed, and takes it back."""
    change = {"spec": {"configuration": {"migrations": {"parallelMigrationsPerCluster": 7}}}}
    changed = await suite.patch(KUBEVIRT, change, MERGE_PATCH)
    assert changed["spec"]["configuration"]["migrations"] == {"parallelMigrationsPerCluster": 7}
    await ready(suite)


KWOK = {
    "metadata": {
        "name": "kwok-node-1",
        "labels": {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": "kwok-node-1",
            "kubernetes.io/os": "linux",
            "kubernetes.io/role": "agent",
            "node-role.kubernetes.io/agent": "",
            "kubevirt.io/schedulable": "true",
            "machine-type.node.kubevirt.io/q35": "true",
            "type": "kwok",
        },
        "annotations": {"node.alpha.kubernetes.io/ttl": "0", "kwok.x-k8s.io/node": "fake"},
    },
    "spec": {
        "taints": [
            {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"},
            {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoExecute"},
            {"key": "CriticalAddonsOnly", "effect": "NoSchedule"},
        ]
    },
    "status": {
        "allocatable": {"cpu": "32", "memory": "256Gi", "pods": "110", "devices.kubevirt.io/kvm": "1k"},
        "capacity": {"cpu": "32", "memory": "256Gi", "pods": "110", "devices.kubevirt.io/kvm": "1k"},
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": dict.fromkeys(
            (
                *("machineID", "systemUUID", "bootID", "kernelVersion", "osImage"),
                *("containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion"),
                *("operatingSystem", "architecture"),
            ),
            "",
        ),
    },
}


async def test_nodes_of_the_density_specs(suite: Suite) -> None:
    """Nodes written by hand keep their status, are found by label and go in batches."""
    replicas = {"spec": {"infra": {"replicas": 2}}}
    assert (await suite.patch(KUBEVIRT, replicas, MERGE_PATCH))["spec"]["infra"] == {"replicas": 2}
    made = await suite.create("/api/v1/nodes", KWOK)
    assert made["status"]["allocatable"]["cpu"] == "32"
    assert len(await suite.items("/api/v1/nodes", "type=kwok")) == 1
    await suite.delete("/api/v1/nodes", {}, labelSelector="type=kwok", limit="500")
    assert await suite.items("/api/v1/nodes", "type=kwok", limit="1") == []


REPORTED = (
    *("/api/v1/events", "/api/v1/namespaces", "/api/v1/persistentvolumeclaims"),
    *("/api/v1/persistentvolumes", "/apis/storage.k8s.io/v1/storageclasses"),
    *("/apis/storage.k8s.io/v1/csidrivers", "/apis/apiregistration.k8s.io/v1/apiservices"),
    *("/api/v1/services", "/api/v1/endpoints", "/api/v1/configmaps"),
    *("/api/v1/namespaces/kubevirt/secrets", "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts"),
    *("/api/v1/nodes", "/api/v1/pods", "/apis/kubevirt.io/v1/virtualmachines"),
    *("/apis/snapshot.kubevirt.io/v1beta1/virtualmachinesnapshots",),
    *("/apis/snapshot.kubevirt.io/v1beta1/virtualmachinerestores",),
    *("/apis/cdi.kubevirt.io/v1beta1/datavolumes", "/apis/export.kubevirt.io/v1beta1/virtualmachineexports"),
    *("/apis/apps/v1/namespaces/kubevirt/deployments", "/apis/apps/v1/namespaces/kubevirt/daemonsets"),
    *("/apis/kubevirt.io/v1/virtualmachineinstances", "/apis/pool.kubevirt.io/v1beta1/virtualmachinepools"),
    *("/apis/kubevirt.io/v1/virtualmachineinstancemigrations",),
)


async def test_what_the_reporter_collects_after_a_failure(suite: Suite) -> None:
    """Each list the reporter dumps can be had."""
    for path in REPORTED:
        assert isinstance(await suite.items(path), list)
