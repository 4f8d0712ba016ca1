"""Upstream's functional specs of what KubeVirt runs on: definitions, labels of nodes, taints, its own pods.

Origin: kubevirt: tests/infrastructure/{crds,node-labeller,prometheus,taints-and-tolerations,virt-controller-leader-election}.go,
tests/virt_control_plane_test.go
"""

import pytest

from tests.upstream import guests
from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.guests import NODES
from tests.upstream.scrapes import HERE, inside

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OBSOLETE = ("486", "pentium", "pentium2", "pentium3", "pentiumpro", "coreduo", "n270", "core2duo", "Conroe")
OURS = ("virt-handler", "virt-controller", "virt-api", "virt-operator")


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of(pace="realistic"))


async def test_definitions(suite: Suite) -> None:
    """[5177] All have structural schemas."""
    names = [
        *(f"virtualmachine{kind}.kubevirt.io" for kind in ("s", "instances", "instancepresets")),
        *(f"virtualmachineinstance{kind}.kubevirt.io" for kind in ("replicasets", "migrations")),
        "kubevirts.kubevirt.io",
        *(f"virtualmachinesnapshot{kind}.snapshot.kubevirt.io" for kind in ("s", "contents")),
        "virtualmachineclones.clone.kubevirt.io",
        "virtualmachineexports.export.kubevirt.io",
    ]
    for name in names:
        found = await suite.get(f"{DEFINITIONS}/{name}")
        assert conditions(found).get("NonStructuralSchema", "False") == "False"


async def test_labels_of_nodes(suite: Suite) -> None:
    """[6247] [6250] The CPU's vendor is told, models that are obsolete by default are not."""
    for node in await suite.items(NODES):
        marks = node["metadata"]["labels"]
        assert [one for one in marks if one.startswith("cpu-vendor.node.kubevirt.io/")]
        assert not [one for one in OBSOLETE if f"cpu-model.node.kubevirt.io/{one}" in marks]


@pytest.mark.parametrize("component", ["virt-controller", "virt-api"])
async def test_evicted_components(suite: Suite, component: str) -> None:
    """[2806] [2830] [2799] While no node takes another pod, the last one of each component is not evicted."""
    for node in await suite.items(NODES):
        await suite.patch(
            f"{NODES}/{node['metadata']['name']}", {"spec": {"unschedulable": True}}, MERGE_PATCH
        )
    assert await suite.get(f"/apis/policy/v1/namespaces/kubevirt/poddisruptionbudgets/{component}-pdb")
    answers = []
    for pod in await suite.items(HERE, f"kubevirt.io={component}"):
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": name}}
        answers.append((await suite.call("POST", f"{HERE}/{name}/eviction", body))[0])
    assert answers == [201, 429]


async def test_critical_addons_only(suite: Suite) -> None:
    """[4134] KubeVirt's own pods stay on a node that others have to leave."""
    node = (await suite.items(NODES))[0]
    own = node["metadata"]["name"]
    here = await _pods_on(suite, own)
    assert {name for name in OURS if any(one.startswith(name) for one in here)} >= {"virt-handler"}
    taint = {"key": "CriticalAddonsOnly", "value": "", "effect": "NoExecute"}
    taints = [*node["spec"].get("taints", ()), taint]
    await suite.patch(f"{NODES}/{own}", [{"op": "add", "path": "/spec/taints", "value": taints}], JSON_PATCH)

    async def all_there() -> bool:
        for name in here:
            pod = await suite.get(f"{HERE}/{name}")
            assert "deletionTimestamp" not in pod["metadata"]
            assert pod["spec"]["nodeName"] == own
        return bool(here)

    await suite.consistently(all_there, 10)


async def _pods_on(suite: Suite, node: str) -> list[str]:
    found = await suite.items(HERE, fieldSelector=f"spec.nodeName={node}")
    return [one["metadata"]["name"] for one in found if one["metadata"]["name"].startswith(OURS)]


STRANGER = "cpu-model.node.kubevirt.io/someNonExistingCPUModel"
SKIP = "node-labeller.kubevirt.io/skip-node"
OBSOLETE = "node-labeller.kubevirt.io/obsolete-host-model"


async def labels(suite: Suite, node: str) -> Object:
    found: Object = (await suite.get(f"{NODES}/{node}"))["metadata"]["labels"]
    return found


async def test_nodes_the_labeller_skips(suite: Suite) -> None:
    """A label that was not found goes when the configuration changes, but from the node that is to be skipped."""
    first, second = ("node01", "node02")
    for own, more in ((first, {"annotations": {SKIP: "true"}}), (second, {})):
        patch = {"metadata": {"labels": {STRANGER: "true"}, **more}}
        await suite.patch(f"{NODES}/{own}", patch, MERGE_PATCH)
    await guests.configure(suite, obsoleteCPUModels={"fake-model-1423": True})

    async def gone() -> bool:
        return STRANGER not in await labels(suite, second)

    await suite.eventually(gone, 15)
    assert STRANGER in await labels(suite, first)


async def test_obsolete_host_model(suite: Suite) -> None:
    """A node whose own model is obsolete says so, is told of, and takes no guest of the host's model; until it is none."""
    own = "node01"
    (model,) = [
        one.rpartition("/")[2]
        for one in await labels(suite, own)
        if one.startswith("host-model-cpu.node.kubevirt.io/")
    ]
    await guests.configure(suite, obsoleteCPUModels={model: True})

    async def marked() -> bool:
        return OBSOLETE in await labels(suite, own)

    await suite.eventually(marked, 30)
    spec = guests.guest("", nodeSelector={"kubernetes.io/hostname": own})
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "v"}}
    await suite.create(guests.VMIS, {**body, "spec": spec})

    async def unschedulable() -> bool:
        vmi = await suite.get(f"{guests.VMIS}/v")
        (one,) = [one for one in vmi["status"]["conditions"] if one["type"] == "PodScheduled"]
        return one["status"] == "False" and "didn't match Pod's node affinity/selector" in one["message"]

    await suite.eventually(unschedulable, 180, 2)
    told = await suite.items("/api/v1/events", fieldSelector=f"involvedObject.name={own},type=Warning")
    assert "HostModelIsObsolete" in [one["reason"] for one in told]
    await guests.configure(suite, obsoleteCPUModels=None)

    async def unmarked() -> bool:
        return not await marked()

    await suite.eventually(unmarked, 30)


async def test_instances_per_node(suite: Suite) -> None:
    """[6987] The room nodes have for guests follows the configuration, there and back."""
    device = "devices.kubevirt.io/kvm"

    async def room() -> set[str]:
        return {one["status"]["allocatable"][device] for one in await suite.items(NODES)}

    before = await room()
    await guests.configure(suite, virtualMachineInstancesPerNode=10)
    assert await room() == {"10"}
    await guests.configure(suite, virtualMachineInstancesPerNode=None)
    assert await room() == before


MANAGED, ENABLED = "kubevirt.io/ksm-handler-managed", "kubevirt.io/ksm-enabled"
FREE = "kubevirt.io/ksm-free-percent-override"


async def test_merging_of_pages(suite: Suite) -> None:
    """Nodes that the selector means merge equal pages when memory is short, and say so; without the setting none does."""
    for node in await suite.items(NODES):
        marks = {FREE: "1.0", "kubevirt.io/ksm-pages-decay-override": "-300"}
        await suite.patch(
            f"{NODES}/{node['metadata']['name']}", {"metadata": {"annotations": marks}}, MERGE_PATCH
        )

    async def merge(*wanted: str) -> bool:
        """Whether what nodes say and what is found on them is that, node by node."""
        handlers = {
            one["spec"]["nodeName"]: one["metadata"]["name"]
            for one in await suite.items(HERE, "kubevirt.io=virt-handler")
        }
        for node, one in zip(sorted(handlers), wanted, strict=True):
            meta = (await suite.get(f"{NODES}/{node}"))["metadata"]
            assert (meta["labels"].get(ENABLED), meta["annotations"].get(MANAGED)) == (one, one)
            said = await inside(suite, handlers[node], "cat", "/sys/kernel/mm/ksm/run")
            assert said == ("1\n" if one == "true" else "0\n")
        return True

    first = {"matchLabels": {"kubernetes.io/hostname": "node01"}}
    for selector, wanted in (({}, ("true", "true")), (first, ("true", "false"))):
        await guests.configure(suite, ksmConfiguration={"nodeLabelSelector": None})
        await guests.configure(suite, ksmConfiguration={"nodeLabelSelector": selector})
        await suite.eventually(lambda wanted=wanted: merge(*wanted), 180, 2)
    await suite.patch(f"{NODES}/node01", {"metadata": {"annotations": {FREE: None}}}, MERGE_PATCH)

    async def idle() -> bool:
        meta = (await suite.get(f"{NODES}/node01"))["metadata"]
        return (meta["labels"][ENABLED], meta["annotations"][MANAGED]) == ("true", "false")

    await suite.eventually(idle, 60)
    await guests.configure(suite, ksmConfiguration=None)
    await suite.eventually(lambda: merge("false", "false"), 180, 2)


async def leader(suite: Suite) -> str:
    lease = await suite.get("/apis/coordination.k8s.io/v1/namespaces/kubevirt/leases/virt-controller")
    return str(lease["spec"]["holderIdentity"])


async def test_the_leader_goes(suite: Suite) -> None:
    """[4642] Another virt-controller leads when the pod of the first goes, and machines start."""
    old = await leader(suite)
    running = await suite.items(HERE, "kubevirt.io=virt-controller", fieldSelector="status.phase=Running")
    (new,) = [name for pod in running if (name := pod["metadata"]["name"]) != old]
    await suite.delete(f"{HERE}/{old}")

    async def another() -> bool:
        return await leader(suite) == new

    await suite.eventually(another, 90, 5)
    assert conditions(await suite.get(f"{HERE}/{new}"))["Ready"] == "True"
    await guests.instance(suite, guests.guest())


async def test_endpoints_of_metrics(suite: Suite) -> None:
    """[4136] [4137] [4138] [4139] All of KubeVirt's pods are behind one port, and each tells its figures; one leads, two are ready."""
    endpoints = await suite.get("/api/v1/namespaces/kubevirt/endpoints/kubevirt-prometheus-metrics")
    (subset,) = endpoints["subsets"]
    ((port,), addresses) = (subset["ports"], subset["addresses"])
    assert (port["name"], port["port"]) == ("metrics", 8443)
    pods = await suite.items(HERE, "prometheus.kubevirt.io=true")
    assert {one["ip"] for one in addresses} == {one["status"]["podIP"] for one in pods}
    (asking, *_) = [one["metadata"]["name"] for one in await suite.items(HERE, "kubevirt.io=virt-handler")]
    counted: dict[str, list[int]] = {"virt-controller": [0, 0], "virt-operator": [0, 0]}
    for one in addresses:
        said = await inside(suite, asking, "curl", "-L", "-k", f"https://{one['ip']}:8443/metrics")
        assert "go_goroutines" in said
        for component, found in counted.items():
            if one["targetRef"]["name"].startswith(component):
                own = f"kubevirt_{component.replace('-', '_')}"
                found[0] += said.count(f"{own}_leading_status 1")
                found[1] += said.count(f"{own}_ready_status 1")
    assert set(map(tuple, counted.values())) == {(1, 2)}


FAMILIES = (
    *(
        "kubevirt_vmi_network_",
        "kubevirt_vmi_memory",
        "kubevirt_vmi_vcpu_wait",
        "kubevirt_vmi_vcpu_seconds_total",
    ),
    *("kubevirt_vmi_memory_unused_bytes", "kubevirt_vmi_memory_swap_in", "kubevirt_vmi_memory_swap_out"),
    *("kubevirt_vmi_storage_flush_requests_total", "kubevirt_vmi_storage_read_traffic_bytes_total"),
    *("kubernetes_vmi_label_", "kubevirt_node_deprecated_machine_types"),
)


async def test_metrics_of_guests(suite: Suite) -> None:
    """[4141]–[4148] The handler of their node tells of both guests, the controller that leads whether they can be evicted."""
    first = await guests.instance(suite, guests.guest(), "a")
    node = await first.node()
    await guests.instance(suite, guests.guest(nodeSelector={"kubernetes.io/hostname": node}), "b")
    handler = next(
        one for one in await suite.items(HERE, "kubevirt.io=virt-handler") if one["spec"]["nodeName"] == node
    )
    own, address = handler["metadata"]["name"], handler["status"]["podIP"]
    said = await inside(suite, own, "curl", "-L", "-k", f"https://{address}:8443/metrics")
    assert all(one in said for one in FAMILIES)
    lines = [line for line in said.splitlines() if line.startswith("kubevirt_vmi_")]
    for line in lines:
        assert f'node="{node}",namespace="{guests.NS}",name="' in line
        assert float(line.rpartition(" ")[2]) >= 0
    assert all(any(f',name="{own}",' in line for line in lines) for own in "ab")
    controller = await suite.get(f"{HERE}/{await leader(suite)}")
    address = controller["status"]["podIP"]
    assert "kubevirt_vmi_non_evictable" in await inside(
        suite, own, "curl", "-k", f"https://{address}:8443/metrics"
    )
    assert not await inside(suite, own, "curl", "-k", f"https://{address}:81/metrics")


PROFILER = "/apis/subresources.kubevirt.io/v1"


@pytest.mark.parametrize(
    ("page", "deed"),
    [("start", "start profiler"), ("stop", "stop profiler"), ("dump", "dump profiler results")],
)
async def test_profiler_is_off(suite: Suite, page: str, deed: str) -> None:
    """Nobody takes profiles unless the KubeVirt object allows it, and the refusal is plain text."""
    status, said = await suite.call("GET", f"{PROFILER}/{page}-cluster-profiler")
    assert (status, said.decode()) == (
        403,
        f'Unable to {deed}. "ClusterProfiler" feature gate must be enabled',
    )


async def test_profiler(suite: Suite) -> None:
    """All of KubeVirt's pods are started, stopped and asked for their profiles, a page at a time; one without any of them says nothing."""
    await guests.configure(suite, developerConfiguration={"clusterProfiler": True})
    for page in ("start", "stop"):
        assert (await suite.call("GET", f"{PROFILER}/{page}-cluster-profiler"))[0] == 200
    dump = f"{PROFILER}/dump-cluster-profiler"
    wrong = b"failed to parse cluster profiler request: "
    assert await suite.call("GET", dump) == (400, wrong + b"EOF")
    text = b"json: cannot unmarshal string into Go struct field ClusterProfilerRequest.pageSize of type int64"
    assert await suite.call("GET", dump, {"pageSize": "2"}) == (400, wrong + text)
    pods = await suite.items(HERE, "kubevirt.io")
    ours = {name for pod in pods if (name := pod["metadata"]["name"]).startswith(OURS)}
    everything = {"labelSelector": "kubevirt.io"}
    (_, results) = await suite.call("GET", dump, {**everything, "pageSize": 20})
    assert results == {"componentResults": {one: {} for one in ours}}
    (_, first) = await suite.call("GET", dump, {**everything, "pageSize": 1})
    (_, second) = await suite.call("GET", dump, {**everything, "pageSize": 1, "continue": first["continue"]})
    assert sorted({*first["componentResults"], *second["componentResults"]}) == sorted(ours)[:2]
    assert (await suite.call("GET", dump, {"labelSelector": "kubevirt.io=nothing"}))[0] == 204
