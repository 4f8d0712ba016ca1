"""KubeVirt's own virt-controller beside machines: guests that have to leave, nodes that are silent, exports.

Origin: kubevirt: pkg/virt-controller/watch/drain/evacuation/evacuation.go,
pkg/virt-controller/watch/workload-updater/workload-updater.go, pkg/virt-controller/watch/node/node.go,
pkg/storage/export/export/export.go
"""

import pytest

from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, STRATEGIC, Make, Object, Suite, conditions
from tests.upstream.foreign import go_objects as objects
from tests.upstream.foreign.conftest import WITHOUT
from tests.upstream.foreign.go_controller import CLAIMS, CORE, MIGRATIONS, NS, PODS
from tests.upstream.foreign.go_migrations import VirtController
from tests.upstream.foreign.subjects import SPEC, phases, running

KUBEVIRT = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"
OUTDATED = "/status/outdatedVirtualMachineInstanceWorkloads"
EXPORTS = f"/apis/export.kubevirt.io/v1/namespaces/{NS}/virtualmachineexports"
SCHEDULABLE = "kubevirt.io/schedulable"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await suite_of(without=WITHOUT, service_accounts=True)


@pytest.fixture
async def go(suite: Suite) -> VirtController:
    return await VirtController.at(suite)


async def migrated(go: VirtController, prefix: str, priority: str, **marks: str) -> Object:
    """A migration as the program's own controllers make one, once it is over."""
    meta = {"generateName": prefix, "namespace": NS, "creationTimestamp": None, "annotations": marks}
    body = {"kind": "VirtualMachineInstanceMigration", "apiVersion": "kubevirt.io/v1", "metadata": meta}
    spec = {"vmiName": "vm", "priority": priority}
    made = await go.suite.create(MIGRATIONS, {**body, "spec": spec, "status": {}})
    assert made["metadata"]["name"].startswith(prefix)
    await go.work(40)
    return await go.suite.get(f"{MIGRATIONS}/{made['metadata']['name']}")


async def test_a_guest_is_evacuated(go: VirtController) -> None:
    """Its launcher is not evicted: the instance says which node it is to leave, and no more of it once it has left."""
    vmi = await running(go, {**SPEC, "evictionStrategy": "LiveMigrate"})
    (pod,) = await go.pods(vmi)
    name, node = pod["metadata"]["name"], vmi["status"]["nodeName"]
    eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name, "namespace": NS}}
    refused = await go.suite.refused("POST", f"{PODS}/{name}/eviction", eviction)
    assert refused["code"] == 429
    assert (await go.vmi())["status"]["evacuationNodeName"] == node
    prefix, mark = "kubevirt-evacuation-", {"kubevirt.io/evacuationMigration": node}
    job = await migrated(go, prefix, "system-critical", **mark)
    assert phases(job)[-1] == "Succeeded"
    vmi = await go.vmi()
    assert vmi["status"]["nodeName"] != node
    assert "evacuationNodeName" not in vmi["status"]


async def test_workloads_are_updated(go: VirtController) -> None:
    """How many are outdated is the controller's to say, and stays when virt-operator says something; one that cannot move is
    evicted in the version Go's client still speaks."""
    await running(go)
    add = [{"op": "add", "path": OUTDATED, "value": 0}]
    await go.suite.patch(f"{KUBEVIRT}/status", add, JSON_PATCH)
    await go.suite.patch(f"{KUBEVIRT}/status", objects.tested(OUTDATED, 0, 1), JSON_PATCH)
    strategy = {"workloadUpdateStrategy": {"workloadUpdateMethods": ["LiveMigrate", "Evict"]}}
    await go.suite.patch(KUBEVIRT, {"spec": strategy}, MERGE_PATCH)
    await go.suite.cluster.advance(10)
    told = (await go.suite.get(KUBEVIRT))["status"]
    assert told["outdatedVirtualMachineInstanceWorkloads"] == 1
    assert (told["phase"], told["observedGeneration"]) == ("Deployed", 2)
    prefix, mark = "kubevirt-workload-update-", {"kubevirt.io/workloadUpdateMigration": ""}
    job = await migrated(go, prefix, "system-critical", **mark)
    assert phases(job)[-1] == "Succeeded"
    vmi = await go.vmi()
    (pod,) = [one for one in await go.pods(vmi) if one["status"]["phase"] == "Running"]
    name = pod["metadata"]["name"]
    meta = {"name": name, "namespace": NS, "creationTimestamp": None}
    eviction = {"kind": "Eviction", "apiVersion": "policy/v1beta1", "metadata": meta, "deleteOptions": {}}
    status, answer = await go.suite.call("POST", f"{PODS}/{name}/eviction", eviction)
    assert status == 201, answer
    await go.work(40)
    assert (await go.vmi())["status"]["phase"] == "Succeeded"


async def test_a_node_falls_silent(go: VirtController) -> None:
    """The controller takes its label off and gives up a guest without a pod; the node puts the label back when it speaks."""
    vmi = await running(go)
    node = f"/api/v1/nodes/{vmi['status']['nodeName']}"
    await go.suite.patch(node, {"metadata": {"annotations": {"fakekube.io/fate": "no-heartbeat"}}}, STRATEGIC)
    before = (await go.suite.get(node))["metadata"]["annotations"]["kubevirt.io/heartbeat"]
    await go.suite.cluster.advance(400)
    silent = await go.suite.get(node)
    assert silent["metadata"]["annotations"]["kubevirt.io/heartbeat"] == before
    assert silent["metadata"]["labels"][SCHEDULABLE] == "true", "that is the controller's"
    await go.suite.patch(node, {"metadata": {"labels": {SCHEDULABLE: "false"}}}, STRATEGIC)
    handlers = {"labelSelector": "kubevirt.io=virt-handler"}
    assert len((await go.suite.get("/apis/apps/v1/daemonsets", **handlers))["items"]) == 1
    on_node = {"fieldSelector": f"spec.nodeName={vmi['status']['nodeName']}"}
    assert len((await go.suite.get("/api/v1/pods", **on_node, **handlers))["items"]) == 1
    (pod,) = await go.pods(vmi)
    gone = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    await go.suite.delete(f"{PODS}/{pod['metadata']['name']}", gone)
    failed = [{"op": "replace", "path": "/status/phase", "value": "Failed"}]
    failed.append({"op": "add", "path": "/status/reason", "value": "NodeUnresponsive"})
    await go.suite.patch(go.path, failed, JSON_PATCH)
    await go.suite.cluster.advance(120)
    assert (await go.vmi())["status"]["phase"] == "Failed"
    assert (await go.suite.get(node))["metadata"]["labels"][SCHEDULABLE] == "false"
    await go.suite.patch(node, {"metadata": {"annotations": {"fakekube.io/fate": None}}}, STRATEGIC)
    await go.suite.cluster.advance(120)
    assert (await go.suite.get(node))["metadata"]["labels"][SCHEDULABLE] == "true"


async def test_a_claim_is_exported(suite: Suite) -> None:
    """The pod waits for the certificate its secret is to bring; the controller makes that once it sees the pod pending."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await suite.create(CLAIMS, {"metadata": {"name": "c"}, "spec": spec})
    source = {"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "c"}
    kind = {"apiVersion": "export.kubevirt.io/v1", "kind": "VirtualMachineExport"}
    export = await suite.create(EXPORTS, {**kind, "metadata": {"name": "e"}, "spec": {"source": source}})
    await suite.cluster.settle()
    owner = {**kind, "name": "e", "uid": export["metadata"]["uid"], "controller": True}
    meta = {"creationTimestamp": None, "ownerReferences": [{**owner, "blockOwnerDeletion": True}]}
    ports = [{"protocol": "TCP", "port": 443, "targetPort": 8443}]
    chosen = {"kubevirt.io.virt-export-service": "e"}
    served = {**meta, "name": "virt-export-e", "labels": {"kubevirt.io": "virt-exporter"}}
    service = {"ports": ports, "selector": chosen}
    body = {"kind": "Service", "apiVersion": "v1", "metadata": served, "spec": service}
    await suite.create(f"{CORE}/services", {**body, "status": {"loadBalancer": {}}})
    token = {"kind": "Secret", "apiVersion": "v1", "metadata": {**meta, "name": "export-token-e"}}
    await suite.create(f"{CORE}/secrets", {**token, "type": "Opaque", "data": {"token": "eA=="}})
    probe = {"httpGet": {"scheme": "HTTPS", "path": "/ready", "port": 8443}, "initialDelaySeconds": 5}
    secrets = {"certificates": "secret-x", "export-token-e": "export-token-e"}
    volumes: list[Object] = [{"name": "c", "persistentVolumeClaim": {"claimName": "c"}}]
    volumes += [{"name": key, "secret": {"secretName": one}} for key, one in secrets.items()]
    container = {"name": "exporter", "image": "quay.io/kubevirt/virt-exportserver:v1.9.0", "resources": {}}
    container |= {"readinessProbe": {**probe, "periodSeconds": 5}}
    exporter = {"kind": "Pod", "apiVersion": "v1", "metadata": {**meta, "name": "virt-export-e"}}
    exporter["metadata"] |= {"labels": chosen, "annotations": {"kubevirt.io/export.certParameters": "{}"}}
    runs = {"restartPolicy": "Never", "containers": [container], "volumes": volumes}
    await suite.create(PODS, {**exporter, "spec": runs, "status": {}})
    await suite.cluster.advance(30)
    pod = await suite.get(f"{PODS}/virt-export-e")
    assert pod["status"]["phase"] == "Pending"
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "virt-export-e", "uid": pod["metadata"]["uid"]}
    meta = {"name": "secret-x", "creationTimestamp": None, "ownerReferences": [{**owner, "controller": True}]}
    shown = {"tls.crt": "eA==", "tls.key": "eA=="}
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": meta, "type": "kubernetes.io/tls"}
    await suite.create(f"{CORE}/secrets", {**secret, "data": shown})
    await suite.cluster.advance(150)
    pod = await suite.get(f"{PODS}/virt-export-e")
    assert conditions(pod)["Ready"] == "True"
    (ca,) = await suite.items(
        "/api/v1/namespaces/kubevirt/configmaps", fieldSelector="metadata.name=kubevirt-export-ca"
    )
    url = f"https://virt-export-e.{NS}.svc/volumes/c/disk.img"
    internal = {"cert": ca["data"]["ca-bundle"], "volumes": [{"name": "c"}]}
    internal["volumes"][0]["formats"] = [{"format": "raw", "url": url}]
    told = {"phase": "Ready", "serviceName": "virt-export-e", "tokenSecretRef": "export-token-e"}
    export = await suite.get(f"{EXPORTS}/e")
    status = {**told, "links": {"internal": internal}}
    await suite.done("PUT", f"{EXPORTS}/e/status", {**export, "status": status})
    assert (await suite.get(f"{EXPORTS}/e"))["status"] == status
    await suite.delete(f"{EXPORTS}/e")
    await suite.cluster.advance(60)
    for kind_of in ("pods", "secrets"):
        assert not await suite.items(f"{CORE}/{kind_of}"), kind_of
    assert not await suite.items(f"{CORE}/services", "kubevirt.io=virt-exporter")
