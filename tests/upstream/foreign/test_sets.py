"""KubeVirt's own virt-controller on replica sets and pools: they grow, shrink, change and go.

Origin: kubevirt: pkg/virt-controller/watch/{replicaset,pool}
"""

import pytest

from tests.upstream.conftest import MERGE_PATCH, Object, Suite, conditions
from tests.upstream.foreign.go_controller import PODS, VMIS
from tests.upstream.foreign.go_machines import REVISIONS, VMS
from tests.upstream.foreign.go_sets import FINALIZER, POOLS, REVISION, SETS, Pools, ReplicaSets
from tests.upstream.foreign.subjects import SPEC

LABELS = {"app": "a"}
GUEST = {"metadata": {"labels": LABELS}, "spec": {**SPEC, "terminationGracePeriodSeconds": 0}}


@pytest.fixture
async def sets(suite: Suite) -> ReplicaSets:
    return await ReplicaSets.at(await suite.as_component("controller"))


@pytest.fixture
async def pools(suite: Suite) -> Pools:
    return await Pools.at(await suite.as_component("controller"))


def replica_set(replicas: int) -> Object:
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceReplicaSet"}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": GUEST}
    return {**body, "metadata": {"name": "s"}, "spec": spec}


def pool(replicas: int) -> Object:
    body = {"apiVersion": "pool.kubevirt.io/v1beta1", "kind": "VirtualMachinePool"}
    machine = {"metadata": {"labels": LABELS}, "spec": {"runStrategy": "Always", "template": GUEST}}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "virtualMachineTemplate": machine}
    return {**body, "metadata": {"name": "p"}, "spec": spec}


async def test_a_replica_set(suite: Suite, sets: ReplicaSets) -> None:
    """It is scaled by its subresource, replaces what has ended, adopts what fits, lets go what does not, and stands still when
    it is paused."""
    await suite.create(SETS, replica_set(2))
    await sets.work(60)
    made = await suite.get(f"{SETS}/s")
    assert made["status"] == {"labelSelector": "app=a", "replicas": 2, "readyReplicas": 2}
    first, second = await suite.items(VMIS)
    assert first["metadata"]["name"].startswith("s")
    assert first["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    await suite.patch(
        f"{VMIS}/{first['metadata']['name']}", {"metadata": {"labels": {"app": "b"}}}, MERGE_PATCH
    )
    await sets.work(60)
    assert len(await suite.items(VMIS)) == 3
    assert "ownerReferences" not in (await suite.get(f"{VMIS}/{first['metadata']['name']}"))["metadata"]
    scale = await suite.get(f"{SETS}/s/scale")
    assert (scale["spec"]["replicas"], scale["status"]["selector"]) == (2, "app=a")
    await suite.done("PUT", f"{SETS}/s/scale", {**scale, "spec": {"replicas": 3}})
    await suite.patch(
        f"{VMIS}/{first['metadata']['name']}", {"metadata": {"labels": {"app": "a"}}}, MERGE_PATCH
    )
    await sets.work(60)
    assert len(await suite.items(VMIS)) == 3
    (pod,) = await suite.items(PODS, f"kubevirt.io/created-by={second['metadata']['uid']}")
    await suite.patch(
        f"{PODS}/{pod['metadata']['name']}/status", {"status": {"phase": "Failed"}}, MERGE_PATCH
    )
    await suite.patch(f"{SETS}/s", {"spec": {"paused": True}}, MERGE_PATCH)
    await sets.work(60)
    paused = await suite.get(f"{SETS}/s")
    assert (paused["status"]["replicas"], conditions(paused)) == (2, {"ReplicaPaused": "True"})
    await suite.patch(f"{SETS}/s", {"spec": {"paused": False}}, MERGE_PATCH)
    await sets.work(60)
    resumed = await suite.get(f"{SETS}/s")
    assert resumed["status"] == {"labelSelector": "app=a", "replicas": 3, "readyReplicas": 3}
    await suite.delete(f"{SETS}/s")
    await sets.work(60)
    assert not await suite.items(VMIS)


async def test_a_pool(suite: Suite, pools: Pools) -> None:
    """It makes machines from a revision, writes them anew from the next one, has their guests replaced or named after it,
    and takes everything with it."""
    await suite.create(POOLS, pool(2))
    await pools.work(80)
    made = await suite.get(f"{POOLS}/p")
    assert made["metadata"]["finalizers"] == [FINALIZER]
    assert made["status"] == {"labelSelector": "app=a", "replicas": 2, "readyReplicas": 2}
    first, second = await suite.items(VMS)
    assert [one["metadata"]["name"] for one in (first, second)] == ["p-0", "p-1"]
    before = {one["metadata"]["uid"] for one in await suite.items(VMIS)}
    change: Object = {"spec": {"virtualMachineTemplate": {"metadata": {"labels": {"more": "b"}}}}}
    await suite.patch(f"{POOLS}/p", change, MERGE_PATCH)
    await pools.work(80)
    vmis = await suite.items(VMIS)
    assert {one["metadata"]["uid"] for one in vmis} == before
    assert {one["metadata"]["labels"][REVISION] for one in vmis} == {"p-2"}
    assert {one["metadata"]["labels"]["more"] for one in await suite.items(VMS)} == {"b"}
    domain = {"template": {"spec": {"domain": {"memory": {"guest": "256Mi"}}}}}
    await suite.patch(f"{POOLS}/p", {"spec": {"virtualMachineTemplate": {"spec": domain}}}, MERGE_PATCH)
    await pools.work(120)
    vmis = await suite.items(VMIS)
    assert not {one["metadata"]["uid"] for one in vmis} & before
    assert {one["spec"]["domain"]["memory"]["guest"] for one in vmis} == {"256Mi"}
    revisions = [one["metadata"]["name"] for one in await suite.items(REVISIONS)]
    assert [one for one in revisions if one.startswith("p-")] == ["p-3"]
    scale = await suite.get(f"{POOLS}/p/scale")
    await suite.done("PUT", f"{POOLS}/p/scale", {**scale, "spec": {"replicas": 1}})
    await pools.work(80)
    assert len(await suite.items(VMS)) == 1
    assert (await suite.get(f"{POOLS}/p"))["status"]["readyReplicas"] == 1
    await suite.delete(f"{POOLS}/p")
    await pools.work(80)
    for path in (POOLS, VMS, VMIS, PODS, REVISIONS):
        assert not await suite.items(path)


async def test_a_machine_of_a_pool_is_released(suite: Suite, pools: Pools) -> None:
    """The program writes the finalizers that are left as no JSON has them: where there are any, that is refused, as is a
    pool's release of its machine from then on."""
    await suite.create(POOLS, pool(1))
    await pools.work(80)
    (vm,) = await suite.items(VMS)
    left = " ".join(one for one in vm["metadata"]["finalizers"] if one != FINALIZER)
    assert left
    text = f'{{"metadata":{{"ownerReferences":[], "finalizers":[{left}]}}}}'
    at = f"{VMS}/{vm['metadata']['name']}"
    status, _ = await pools.suite.call("PATCH", at, text.encode(), content=MERGE_PATCH)
    assert status == 400
