"""Upstream's functional specs for replica sets of instances, as journeys: the same requests, looks and limits of time.

Origin: kubevirt: tests/replicaset_test.go, tests/libreplicaset
"""

import copy
import json

import pytest

from tests.upstream.conftest import Make, Object, Suite, conditions

NS = "kubevirt-test-default1"
SETS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstancereplicasets"
VMIS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances"
PODS = f"/api/v1/namespaces/{NS}/pods"
AUTOSCALERS = f"/apis/autoscaling/v1/namespaces/{NS}/horizontalpodautoscalers"
TABLE = "application/json;as=Table;v=v1beta1;g=meta.k8s.io, application/json"

pytestmark = pytest.mark.parametrize("pace", ["instant", "realistic"])


@pytest.fixture
async def suite(suite_of: Make, pace: str) -> Suite:
    suite = await suite_of(pace=pace)
    await suite.create("/api/v1/namespaces", {"metadata": {"name": NS}})
    return suite


def replica_set(replicas: int = 0, **spec: int) -> Object:
    """A set of instances with a container disk, a cloud-init disk and a masqueraded interface."""
    labels = {"name": "replicasetabcde"}
    devices = {
        "disks": [
            {"name": "disk0", "disk": {"bus": "virtio"}},
            {"name": "disk1", "disk": {"bus": "virtio"}},
        ],
        "interfaces": [{"name": "default", "masquerade": {}}],
    }
    volumes = [
        {
            "name": "disk0",
            "containerDisk": {"image": "registry:5000/kubevirt/cirros-container-disk-demo:devel"},
        },
        {"name": "disk1", "cloudInitNoCloud": {"userData": "#!/bin/bash\necho 'hello'\n"}},
    ]
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceReplicaSet",
        "metadata": {"name": "replicasetabcde"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"name": "vmi", "labels": labels},
                "spec": {
                    "domain": {"devices": devices, "resources": {"requests": {"memory": "128Mi"}}},
                    "networks": [{"name": "default", "pod": {}}],
                    "volumes": volumes,
                    "terminationGracePeriodSeconds": 0,
                    **spec,
                },
            },
        },
    }


async def created(suite: Suite, replicas: int = 0, **spec: int) -> str:
    """The path of a new set."""
    return f"{SETS}/{(await suite.create(SETS, replica_set(replicas, **spec)))['metadata']['name']}"


async def counted(suite: Suite, path: str, field: str, count: int, seconds: float) -> None:
    async def so() -> bool:
        found = (await suite.get(path)).get("status", {}).get(field, 0)
        return found == count

    await suite.eventually(so, seconds)


async def alive(suite: Suite) -> list[Object]:
    return [one for one in await suite.items(VMIS) if "deletionTimestamp" not in one["metadata"]]


async def scaled(suite: Suite, path: str, replicas: int) -> None:
    await suite.patch(path, [{"op": "replace", "path": "/spec/replicas", "value": replicas}])
    await counted(suite, path, "replicas", replicas, 90)
    assert len(await alive(suite)) == replicas


@pytest.mark.parametrize("sizes", [(3, 2, 0), (5, 6, 0)])
async def test_scaling(suite: Suite, sizes: tuple[int, ...]) -> None:
    """To some replicas, to others and to none."""
    path = await created(suite)
    for size in sizes:
        await scaled(suite, path, size)


@pytest.mark.parametrize("sizes", [(3, 2, 0), (5, 6, 0)])
async def test_scaling_with_the_subresource(suite: Suite, sizes: tuple[int, ...]) -> None:
    """The same by updates of its Scale, whose status tells how many there are."""
    path = await created(suite)
    for size in sizes:
        scale = await suite.get(f"{path}/scale")
        scale["spec"] = {"replicas": size}
        status, answer = await suite.call("PUT", f"{path}/scale", scale)
        assert (status, answer["spec"].get("replicas", 0)) == (200, size)
        await counted(suite, f"{path}/scale", "replicas", size, 90)
        assert len(await alive(suite)) == size


@pytest.mark.parametrize("sizes", [(3, 2, 1), (5, 6, 1)])
async def test_scaling_with_an_autoscaler(suite: Suite, sizes: tuple[int, ...]) -> None:
    """One autoscaler after the other, each with one size that it allows."""
    path = await created(suite, 1)
    name = path.rpartition("/")[2]
    target = {"kind": "VirtualMachineInstanceReplicaSet", "name": name, "apiVersion": "kubevirt.io/v1"}
    for size in sizes:
        spec = {"scaleTargetRef": target, "minReplicas": size, "maxReplicas": size}
        await suite.create(AUTOSCALERS, {"metadata": {"name": name}, "spec": spec, "status": {}})
        await counted(suite, f"{path}/scale", "replicas", size, 90)
        assert len(await alive(suite)) == size
        await suite.delete(f"{AUTOSCALERS}/{name}")


async def test_what_is_rejected(suite: Suite) -> None:
    """A set without a domain, and one with a disk that has no volume."""
    await created(suite)
    renamed = json.dumps(replica_set()).replace("domain", "not-a-domain")
    assert (await suite.refused("POST", SETS, renamed.encode()))["code"] == 422
    another = copy.deepcopy(replica_set())
    another["spec"]["template"]["spec"]["domain"]["devices"]["disks"].append({"name": "testdisk"})
    status = await suite.refused("POST", SETS, another)
    assert status["code"] == 422
    fields = [one["field"] for one in status["details"]["causes"]]
    assert fields == ["spec.template.spec.domain.devices.disks[2].name"]


async def test_ready_and_printed(suite: Suite) -> None:
    """Both replicas become ready, and the table says so."""
    path = await created(suite)
    await scaled(suite, path, 2)
    await counted(suite, path, "readyReplicas", 2, 120)
    status, table = await suite.call("GET", path, accept=TABLE)
    assert (status, table["apiVersion"]) == (200, "meta.k8s.io/v1beta1")
    assert [(one["name"], one["type"]) for one in table["columnDefinitions"][:5]] == [
        ("Name", "string"),
        ("Desired", "integer"),
        ("Current", "integer"),
        ("Ready", "integer"),
        ("Age", "date"),
    ]
    assert table["rows"][0]["cells"][:4] == [path.rpartition("/")[2], 2, 2, 2]


async def test_deletion(suite: Suite) -> None:
    """Its instances go with it."""
    path = await created(suite)
    await scaled(suite, path, 2)
    await suite.delete(path, {})

    async def none_left() -> bool:
        return await suite.items(VMIS) == []

    await suite.eventually(none_left, 120)


async def test_orphans(suite: Suite) -> None:
    """They stay, and lose their owner."""
    path = await created(suite)
    await scaled(suite, path, 2)
    assert all(one["metadata"]["ownerReferences"] for one in await suite.items(VMIS))
    await suite.delete(path, {"propagationPolicy": "Orphan"})

    async def gone() -> bool:
        return (await suite.call("GET", path))[0] == 404

    await suite.eventually(gone, 60)
    left = await suite.items(VMIS)
    assert len(left) == 2
    assert not any(one["metadata"].get("ownerReferences") for one in left)


async def test_pausing(suite: Suite) -> None:
    """A paused set does not scale and says nothing else; once resumed it does."""
    path = await created(suite)
    await suite.patch(path, [{"op": "add", "path": "/spec/paused", "value": True}])

    async def paused() -> bool:
        return conditions(await suite.get(path)).get("ReplicaPaused") == "True"

    await suite.eventually(paused, 10)
    change = [
        {"op": "test", "path": "/spec/replicas", "value": 0},
        {"op": "replace", "path": "/spec/replicas", "value": 2},
    ]
    await suite.patch(path, change)

    async def still() -> bool:
        found = await suite.get(path)
        return len(conditions(found)) == 1 and found["status"].get("replicas", 0) == 0

    await suite.consistently(still, 3)
    await suite.patch(path, [{"op": "replace", "path": "/spec/paused", "value": False}])

    async def resumed() -> bool:
        return conditions(await suite.get(path)) == {}

    await suite.eventually(resumed, 10)
    await counted(suite, path, "replicas", 2, 10)


def unfinished_pod_of(vmi: Object) -> dict[str, str]:
    """How the specs look for the pod of an instance."""
    return {
        "labelSelector": f"kubevirt.io=virt-launcher,kubevirt.io/created-by={vmi['metadata']['uid']}",
        "fieldSelector": "status.phase!=Failed,status.phase!=Succeeded",
    }


async def test_a_pod_deleted(suite: Suite) -> None:
    """Its instance goes, and another takes its place."""
    path = await created(suite)
    await scaled(suite, path, 2)
    first = (await suite.items(VMIS))[0]

    async def has_a_pod() -> list[Object]:
        return await suite.items(PODS, **unfinished_pod_of(first))

    (pod,) = await suite.eventually(has_a_pod, 10)
    await suite.delete(f"{PODS}/{pod['metadata']['name']}", {})

    async def gone() -> bool:
        return (await suite.call("GET", f"{VMIS}/{first['metadata']['name']}"))[0] == 404

    await suite.eventually(gone, 120)
    assert len(await suite.items(VMIS)) == 2


async def test_a_pod_deleted_that_takes_its_time(suite: Suite, pace: str) -> None:
    """While an instance shuts down it still runs, says that its pod terminates, and its successor is there."""
    if pace == "instant":
        pytest.skip("nobody sees a guest shut down at this pace")
    path = await created(suite, terminationGracePeriodSeconds=200)
    await scaled(suite, path, 2)

    async def both_run() -> bool:
        return [one["status"]["phase"] for one in await suite.items(VMIS)] == ["Running", "Running"]

    await suite.eventually(both_run, 40)
    first = (await suite.items(VMIS))[0]
    (pod,) = await suite.items(PODS, **unfinished_pod_of(first))
    await suite.delete(f"{PODS}/{pod['metadata']['name']}", {})

    async def three() -> bool:
        return len(await suite.items(VMIS)) == 3

    await suite.eventually(three, 20)
    found = await suite.get(f"{VMIS}/{first['metadata']['name']}")
    (ready,) = [one for one in found["status"]["conditions"] if one["type"] == "Ready"]
    assert (found["status"]["phase"], ready["status"], ready["reason"]) == (
        "Running",
        "False",
        "PodTerminating",
    )
    assert found["metadata"]["deletionTimestamp"]
