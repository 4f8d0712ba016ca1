"""Upstream's functional specs of an instance's life: created, refused, placed, told of, lost and deleted.

Origin: kubevirt: tests/vmi_lifecycle_test.go
"""

import copy
from datetime import timedelta

import pytest

from fakekube.clock import rfc3339
from tests.upstream import guests
from tests.upstream.conftest import MERGE_PATCH, STRATEGIC, Make, Object, Suite, conditions
from tests.upstream.guests import NODES, PODS, VMIS, Guest, guest

HEARTBEAT = "kubevirt.io/heartbeat"
SCHEDULABLE = "kubevirt.io/schedulable"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of(pace="realistic"))


async def submitted(suite: Suite, spec: Object, name: str = "testvmi-abcde", **meta: object) -> Guest:
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    await suite.create(VMIS, {**body, "metadata": {"name": name, **meta}})
    return Guest(suite, name)


async def unschedulable(vmi: Guest) -> None:
    async def look() -> bool:
        found = (await vmi.vmi())["status"].get("conditions", ())
        return "Unschedulable" in [one.get("reason") for one in found]

    await vmi.suite.eventually(look, 60)


async def first_node(suite: Suite) -> str:
    return str((await suite.items(NODES, f"{SCHEDULABLE}=true"))[0]["metadata"]["name"])


def at(node: str, **more: object) -> Object:
    hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}, **more}


async def test_what_a_launcher_carries(suite: Suite) -> None:
    """[3195] [1625] The instance's annotations; names beyond 63 characters are fine."""
    name = f"testvmi{'a' * 63}"
    vmi = await guests.instance(suite, guest(), name, annotations={"testannotation": "test"})
    assert (await vmi.pod())["metadata"]["annotations"]["testannotation"] == "test"
    await vmi.has("Ready", seconds=60)


async def test_what_is_refused(suite: Suite) -> None:
    """[1623] [1624] [1626] Disks without volumes, each its own cause; the same by a patch; a name that is taken."""
    spec = guest()
    wrong = copy.deepcopy(spec)
    wrong["domain"]["devices"]["disks"] += [{"name": "testdisk"}, {"name": "testdisk2"}]
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "a"}}
    status = await suite.refused("POST", VMIS, {**body, "spec": wrong})
    assert status["code"] == 422
    fields = [one["field"] for one in status["details"]["causes"]]
    assert fields == [f"spec.domain.devices.disks[{index}].name" for index in (1, 2)]
    await suite.create(VMIS, {**body, "spec": spec})
    assert (await suite.refused("POST", VMIS, {**body, "spec": spec}))["code"] == 409
    disks = {"disks": [{"disk": {"bus": "virtio"}, "name": "fakedisk"}]}
    change = {**body, "spec": {"domain": {"devices": disks}}}
    refused = await suite.refused("PATCH", f"{VMIS}/a", change, content=MERGE_PATCH)
    assert refused["code"] == 422


async def test_taints(suite: Suite) -> None:
    """[1635] [1636] Only who tolerates it is placed on a tainted node."""
    node = await first_node(suite)
    taints = {
        "spec": {"taints": [{"effect": "NoSchedule", "key": "test", "timeAdded": None, "value": "123"}]}
    }
    await suite.patch(f"{NODES}/{node}", taints, STRATEGIC)
    tolerations = [{"key": "test", "value": "123"}]
    vmi = await guests.instance(suite, guest(tolerations=tolerations, affinity=at(node)), "tolerates")
    assert await vmi.node() == node
    await unschedulable(await submitted(suite, guest(affinity=at(node)), "does-not"))


async def test_affinity(suite: Suite) -> None:
    """[1637] [1638] To a node; and away from the launcher of another instance."""
    node = await first_node(suite)
    vmi = await guests.instance(suite, guest(affinity=at(node)))
    found = await vmi.vmi()
    assert found["status"]["nodeName"] == node
    created_by = {"key": "kubevirt.io/created-by", "operator": "In", "values": [found["metadata"]["uid"]]}
    term = {"labelSelector": {"matchExpressions": [created_by]}, "topologyKey": "kubernetes.io/hostname"}
    apart = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    await unschedulable(await submitted(suite, guest(affinity=at(node, podAntiAffinity=apart)), "apart"))


async def test_default_cpu_models(suite: Suite) -> None:
    """[3199] [3200] The cluster's where the instance names none."""
    node = await first_node(suite)
    models = {f"cpu-model.node.kubevirt.io/{one}": "true" for one in ("Nehalem", "SandyBridge")}
    await guests.label_node(suite, node, models)
    await guests.configure(suite, cpuModel="Nehalem")
    for name, own, model in (("default", {}, "Nehalem"), ("own", {"model": "SandyBridge"}, "SandyBridge")):
        vmi = await guests.instance(suite, guest(domain={"cpu": own} if own else {}), name)
        assert (await vmi.vmi())["spec"]["domain"]["cpu"]["model"] == model


@pytest.mark.parametrize("offered", [True, False])
async def test_cpu_models_and_features(suite: Suite, offered: bool) -> None:
    """[1639] [1640] [3202] [3203] [3204] A node must offer model and required features, and lack forbidden ones."""
    node = await first_node(suite)
    marks = {
        "cpu-model.node.kubevirt.io/Conroe": "true",
        "cpu-feature.node.kubevirt.io/lahf_lm": "true",
        "cpu-feature.node.kubevirt.io/monitor": "true",
    }
    here = {"nodeSelector": {"kubernetes.io/hostname": node}}
    cpus: dict[str, Object] = {
        "model": {"cores": 1, "model": "Conroe"},
        "features": {
            "cores": 1,
            "features": [{"name": "lahf_lm", "policy": "require"}, {"name": "mmx", "policy": "disable"}],
        },
    }
    forbidden = {"cores": 1, "features": [{"name": "monitor", "policy": "forbid"}]}
    if offered:
        await guests.label_node(suite, node, marks)
        for name, cpu in cpus.items():
            vmi = await guests.instance(suite, guest(domain={"cpu": cpu}), name)
            assert await vmi.node() == node
        await unschedulable(
            await submitted(suite, guest(domain={"cpu": forbidden}, affinity=at(node)), "not-here")
        )
        return
    await guests.label_node(suite, node, dict.fromkeys(marks, "false"))
    for name, cpu in cpus.items():
        await unschedulable(await submitted(suite, guest(domain={"cpu": cpu}, **here), name))


async def test_nodes_are_kept_schedulable(suite: Suite) -> None:
    """[1633] Virt-handler puts the label back, and the heart beats on."""
    for node in await suite.items(NODES, f"{SCHEDULABLE}=true"):
        assert node["metadata"]["annotations"][HEARTBEAT]
    path = f"{NODES}/{await first_node(suite)}"
    found = await suite.patch(path, {"metadata": {"labels": {SCHEDULABLE: "false"}}}, STRATEGIC)

    async def back() -> bool:
        meta = (await suite.get(path))["metadata"]
        beaten = meta["annotations"][HEARTBEAT] != found["metadata"]["annotations"][HEARTBEAT]
        return meta["labels"][SCHEDULABLE] == "true" and beaten

    await suite.eventually(back, 120, every=2)


async def test_a_node_whose_handler_is_gone(suite: Suite) -> None:
    """[1634] Without heartbeat nobody is placed there, and guests without launcher are lost; until it comes back."""
    vmi = await guests.instance(suite, guest("cirros"))
    node = await vmi.node()
    kubevirt = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"
    path = "/apis/apps/v1/namespaces/kubevirt/daemonsets/virt-handler"
    handlers = "/api/v1/namespaces/kubevirt/pods"
    elsewhere = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    placed = await suite.get(kubevirt)
    placed["spec"]["workloads"] = {"nodePlacement": {"affinity": affinity}}
    assert (await suite.call("PUT", kubevirt, placed))[0] == 200

    async def none_there() -> bool:
        found = await suite.items(handlers, "kubevirt.io=virt-handler", fieldSelector=f"spec.nodeName={node}")
        return found == []

    await suite.eventually(none_there, 90)
    commands = vmi.path.replace("/apis/kubevirt.io", "/apis/subresources.kubevirt.io")
    for method, subresource in (("PUT", "pause"), ("GET", "vnc/screenshot")):
        refusal = await suite.refused(method, f"{commands}/{subresource}")
        assert (refusal["code"], refusal["message"]) == (400, f"No virt-handler on node {node} found")
    long_ago = rfc3339(suite.cluster.clock.now() - timedelta(minutes=10))
    await suite.patch(f"{NODES}/{node}", {"metadata": {"annotations": {HEARTBEAT: long_ago}}}, STRATEGIC)
    (pod,) = await vmi.pods()
    await suite.delete(f"{PODS}/{pod['metadata']['name']}", {})

    async def unusable() -> bool:
        return (await suite.get(f"{NODES}/{node}"))["metadata"]["labels"][SCHEDULABLE] == "false"

    await suite.eventually(unusable, 20)
    await vmi.is_in("Failed", 180)
    placed = await suite.get(kubevirt)
    del placed["spec"]["workloads"]
    assert (await suite.call("PUT", kubevirt, placed))[0] == 200

    async def all_back() -> bool:
        status = (await suite.get(path))["status"]
        marks = (await suite.get(f"{NODES}/{node}"))["metadata"]["labels"]
        return (
            status["numberAvailable"] == status["desiredNumberScheduled"] == 2
            and marks[SCHEDULABLE] == "true"
        )

    await suite.eventually(all_back, 120)


@pytest.mark.parametrize("grace", [0, 5])
async def test_deletion(suite: Suite, grace: int) -> None:
    """[1641] [1651] Told as deleted; with a grace period the guest is first asked to shut down."""
    vmi = await guests.instance(suite, guest("cirros", terminationGracePeriodSeconds=grace))
    await suite.delete(vmi.path, {})
    await vmi.gone(120)
    told = await vmi.events("Normal")
    assert {"Created", "Started", "Deleted"} <= {*told}
    assert ("ShuttingDown" in told) == (grace > 0)

    async def no_launcher() -> bool:
        found = await suite.items(PODS, "kubevirt.io=virt-launcher")
        return all(one["status"]["phase"] in ("Succeeded", "Failed") for one in found)

    await suite.eventually(no_launcher, 75)


async def test_pods_come_and_go(suite: Suite) -> None:
    """[1649] A launcher that is deleted takes its guest with it: the instance succeeds, or fails, and says that it stopped."""
    vmi = await guests.instance(suite, guest("cirros"))
    pod = await vmi.pod()
    await suite.delete(f"{PODS}/{pod['metadata']['name']}", {})

    async def over() -> bool:
        return (await vmi.vmi())["status"]["phase"] in ("Succeeded", "Failed")

    await suite.eventually(over, 60)
    kinds = [kind for kind in ("Normal", "Warning") if "Stopped" in await vmi.events(kind)]
    assert kinds
    assert conditions(await vmi.vmi())["Ready"] == "False"


async def test_started_paused(suite: Suite) -> None:
    """[6095] An instance may start paused; it runs on once it is woken."""
    vmi = await guests.instance(suite, guest(startStrategy="Paused"))
    await vmi.has("Paused", seconds=30)
    assert await vmi.act("unpause") == ""
    await vmi.has("Paused", "", seconds=30)


async def test_evicted_by_somebody_else(suite: Suite) -> None:
    """Whose strategy is External stays where it is, and tells which node it is to leave."""
    vmi = await guests.instance(suite, guest(evictionStrategy="External"))
    assert (await vmi.evict())[0] == 429

    async def stays() -> bool:
        assert "deletionTimestamp" not in (await vmi.pod())["metadata"]
        return bool((await vmi.vmi())["status"].get("evacuationNodeName"))

    await suite.consistently(stays, 20)


@pytest.mark.parametrize("grace", [10, None])
async def test_a_clean_end_is_seen(suite: Suite, grace: int | None) -> None:
    """[1653] [1654] Who asks twice a second sees a deleted instance succeed before it goes."""
    spec = guest("cirros")
    spec.pop("terminationGracePeriodSeconds")
    vmi = await guests.instance(
        suite, spec if grace is None else {**spec, "terminationGracePeriodSeconds": grace}
    )
    await suite.delete(vmi.path, {})
    left = (30 if grace is None else grace) + 5
    while (await vmi.vmi())["status"]["phase"] != "Succeeded":
        assert left > 0
        await suite.cluster.advance(0.5)
        left -= 0.5


async def kill(suite: Suite, node: str, *command: str) -> None:
    """A privileged pod that kills processes of a node, and ends by itself."""
    container = {"name": "vmi-killer", "image": "registry:5000/kubevirt/vm-killer:devel"}
    container |= {"command": list(command[:1]), "args": list(command[1:])}  # type: ignore[dict-item]
    body = {
        "metadata": {"generateName": "vmi-killer"},
        "spec": {"restartPolicy": "Never", "hostPID": True, "nodeName": node, "containers": [container]},
    }
    path = f"{PODS}/{(await suite.create(PODS, body))['metadata']['name']}"

    async def done() -> bool:
        return (await suite.get(path))["status"].get("phase") == "Succeeded"

    await suite.eventually(done, 30, 0.5)


@pytest.mark.parametrize("processes", ["qemu", "virt-launcher"])
async def test_killed(suite: Suite, processes: str) -> None:
    """[1631] [1656] [1657] A guest whose process is killed has failed, says that it crashed, and is left alone."""
    node = await first_node(suite)
    vmi = await guests.instance(suite, guest(affinity=at(node)))
    other = next(
        one["metadata"]["name"] for one in await suite.items(NODES) if one["metadata"]["name"] != node
    )
    elsewhere = await guests.instance(suite, guest(affinity=at(other)), "elsewhere")
    await kill(suite, node, "pkill", "-9", processes)
    await vmi.is_in("Failed", 60)
    assert await vmi.events() == ["Stopped"]

    async def stays() -> bool:
        return "SyncFailed" not in await vmi.events()

    await suite.consistently(stays, 10)
    assert (await elsewhere.vmi())["status"]["phase"] == "Running"


async def test_a_killed_handler(suite: Suite) -> None:
    """[1632] It comes back, sees that a guest has died, and starts others."""
    node = await first_node(suite)
    vmi = await guests.instance(suite, guest(affinity=at(node)))
    await kill(suite, node, "/bin/bash", "-c", "date; pkill -e -9 virt-handler || echo not found")
    assert (await vmi.vmi())["status"]["phase"] == "Running"
    await kill(suite, node, "pkill", "-9", "qemu")
    await vmi.is_in("Failed", 240)
    await vmi.is_told("Stopped", seconds=60)
    await guests.instance(suite, guest("cirros", affinity=at(node)), "new")
