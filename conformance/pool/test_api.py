"""API, schema."""

import pytest

from conformance.kube import CRD, JSON, OLD_POOL, POOL, Object, Refusal
from conformance.manifests import pool, template
from conformance.world import World

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

PAGE = {
    "apiVersion": "pool.kubevirt.io/v1alpha1",
    "kind": "VirtualMachinePool",
    "metadata": {"name": "vm-pool-cirros"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"kubevirt.io/vmpool": "vm-pool-cirros"}},
        "virtualMachineTemplate": {
            "metadata": {"creationTimestamp": None, "labels": {"kubevirt.io/vmpool": "vm-pool-cirros"}},
            "spec": {
                "running": True,
                "template": {
                    "metadata": {
                        "creationTimestamp": None,
                        "labels": {"kubevirt.io/vmpool": "vm-pool-cirros"},
                    },
                    "spec": {
                        "domain": {
                            "devices": {"disks": [{"disk": {"bus": "virtio"}, "name": "containerdisk"}]},
                            "resources": {"requests": {"memory": "128Mi"}},
                        },
                        "terminationGracePeriodSeconds": 0,
                        "volumes": [
                            {
                                "containerDisk": {"image": "kubevirt/cirros-container-disk-demo:latest"},
                                "name": "containerdisk",
                            }
                        ],
                    },
                },
            },
        },
    },
}


@pytest.mark.smoke
async def test_P_001_discovery(world: World) -> None:
    """P-001: Discovery shows both versions, the kind, its short names and its category."""
    group = await world.kube.ask("GET", "/apis/pool.kubevirt.io")
    assert {one["version"] for one in group["versions"]} == {"v1alpha1", "v1beta1"}
    for version in ("v1alpha1", "v1beta1"):
        listed = await world.kube.ask("GET", f"/apis/pool.kubevirt.io/{version}")
        found = {one["name"]: one for one in listed["resources"]}
        main = found["virtualmachinepools"]
        assert main["kind"] == "VirtualMachinePool"
        assert main["namespaced"]
        assert set(main["shortNames"]) == {"vmpool", "vmpools"}
        assert main["categories"] == ["all"]
        assert {"virtualmachinepools/status", "virtualmachinepools/scale"} <= set(found)


async def test_P_002_two_versions_of_one_object(world: World) -> None:
    """P-002: What was written in one version reads the same in the other, and v1beta1 is stored."""
    written = await world.kube.create(
        OLD_POOL, pool(replicas=0) | {"apiVersion": OLD_POOL.api}, world.namespace
    )
    read = await world.kube.get(POOL, world.namespace, "p")
    assert read["apiVersion"] == POOL.api
    assert read["spec"] == written["spec"]
    assert read["metadata"]["uid"] == written["metadata"]["uid"]
    await world.create(pool("q", replicas=0))
    old = await world.kube.get(OLD_POOL, world.namespace, "q")
    assert old["spec"] == (await world.kube.get(POOL, world.namespace, "q"))["spec"]
    definition = await world.kube.get(CRD, "", "virtualmachinepools.pool.kubevirt.io")
    assert {one["name"]: one["storage"] for one in definition["spec"]["versions"]} == {
        "v1alpha1": False,
        "v1beta1": True,
    }


async def test_P_003_columns(world: World) -> None:
    """P-003: As a table a pool shows Desired, Current, Ready and its age."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    table = await world.kube.ask("GET", POOL.path(world.namespace), accept=TABLE)
    assert [one["name"] for one in table["columnDefinitions"]] == [
        "Name",
        "Desired",
        "Current",
        "Ready",
        "Age",
    ]
    assert table["rows"][0]["cells"][:3] == ["p", 2, 2]


async def test_P_004_manifests_of_the_documentation(world: World) -> None:
    """P-004, S-08, S-19: The page's manifest and today's example are accepted as they stand."""
    await world.kube.create(OLD_POOL, PAGE, world.namespace)
    example = pool("example", replicas=0, template=template(running=True))
    assert (await world.create(example))["spec"]["virtualMachineTemplate"]["spec"]["runStrategy"] == "Always"


async def test_P_005_spec_and_status_are_written_apart(world: World) -> None:
    """P-005: Neither half reaches the other's address, and status writes do not raise the generation."""
    await world.create(pool(replicas=0))
    await world.settled()
    await world.patch(POOL, "p", {"status": {"replicas": 7}})
    assert "replicas" not in (await world.kube.get(POOL, world.namespace, "p")).get("status", {})
    before = (await world.kube.get(POOL, world.namespace, "p"))["metadata"]["generation"]
    after = await world.patch(POOL, "p", {"spec": {"replicas": 9}, "status": {"replicas": 7}}, "status")
    assert after["spec"]["replicas"] == 0
    assert after["status"]["replicas"] == 7
    assert after["metadata"]["generation"] == before


@pytest.mark.smoke
async def test_P_006_scale_mirrors_the_pool(world: World) -> None:
    """P-006: /scale shows the wanted and the present number, and the selector."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    scale = await world.kube.get(POOL, world.namespace, "p", "scale")
    assert scale["kind"] == "Scale"
    assert scale["spec"]["replicas"] == 2
    assert scale["status"] == {"replicas": 2, "selector": "app=p"}


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
async def test_P_007_scaling_by_the_subresource(world: World, verb: str) -> None:
    """P-007, S-13: Writing n to /scale makes it the pool's replicas and raises the generation by one."""
    before = (await world.create(pool(replicas=1)))["metadata"]["generation"]
    if verb == "PUT":
        await world.settled()  # a PUT names a resourceVersion, and the pool's status must have been written
        scale = await world.kube.get(POOL, world.namespace, "p", "scale")
        scale["spec"]["replicas"] = 2
        await world.kube.replace(POOL, scale, "scale")
    else:
        await world.patch(POOL, "p", {"spec": {"replicas": 2}}, "scale")
    after = await world.kube.get(POOL, world.namespace, "p")
    assert after["spec"]["replicas"] == 2
    assert after["metadata"]["generation"] == before + 1
    await world.pool_of("p-0", "p-1")


async def test_P_008_scale_of_a_pool_that_says_nothing(world: World) -> None:
    """P-008: Without replicas there is one VM, but no scale to be read."""
    await world.create(pool(replicas=None))
    await world.pool_of("p-0")
    with pytest.raises(Refusal) as found:
        await world.kube.get(POOL, world.namespace, "p", "scale")
    assert 'the spec replicas field ".spec.replicas" does not exist' in found.value.message


async def refused(world: World, manifest: Object) -> Refusal:
    with pytest.raises(Refusal) as found:
        await world.create(manifest)
    return found.value


async def test_P_009_negative_replicas(world: World) -> None:
    """P-009: Fewer than none is refused, on create and on update."""
    assert "spec.replicas" in (await refused(world, pool(replicas=-1))).fields
    await world.create(pool(replicas=0))
    with pytest.raises(Refusal) as found:
        await world.change(replicas=-1)
    assert found.value.code == 422
    assert "should be greater than or equal to 0" in found.value.message


@pytest.mark.parametrize("member", ["selector", "virtualMachineTemplate"])
async def test_P_010_required_members(world: World, member: str) -> None:
    """P-010: Without selector or template there is no pool."""
    manifest = pool()
    del manifest["spec"][member]
    refusal = await refused(world, manifest)
    assert refusal.code == 422
    assert f"spec.{member}: Required value" in refusal.message


@pytest.mark.parametrize(
    "spec",
    [
        {"scaleInStrategy": {"proactive": {"selectionPolicy": {"sortPolicy": "Fastest"}}}},
        {"updateStrategy": {"proactive": {"selectionPolicy": {"sortPolicy": "Fastest"}}}},
        {"scaleInStrategy": {"proactive": {"statePreservation": "Sometimes"}}},
        {"scaleInStrategy": {"opportunistic": {"statePreservation": "Sometimes"}}},
        {"autohealing": {"startUpFailureThreshold": 0}},
    ],
    ids=["scale-in order", "update order", "proactive storage", "opportunistic storage", "threshold"],
)
async def test_P_011_values_outside_their_range(world: World, spec: Object) -> None:
    """P-011: Unknown policies and a threshold below one are refused."""
    refusal = await refused(world, pool(**spec))
    assert refusal.code == 422
    assert "Unsupported value" in refusal.message or "should be greater than or equal to 1" in refusal.message


async def test_S_19_null_timestamps(world: World) -> None:
    """S-19: creationTimestamp: null inside templates is accepted, and nothing is made of it."""
    body = template(metadata={"creationTimestamp": None})
    body["spec"]["template"]["metadata"]["creationTimestamp"] = None
    await world.create(pool(replicas=1, template=body))
    await world.pool_of("p-0")
    assert world.vms["p-0"]["metadata"]["creationTimestamp"]


async def test_S_12_who_writes_the_status(world: World) -> None:
    """S-12: The status is virt-controller's, written through the subresource."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    entries = [
        one for one in world.pools["p"]["metadata"]["managedFields"] if one.get("subresource") == "status"
    ]
    assert [one["manager"] for one in entries] == ["virt-controller"]
    assert {"f:labelSelector", "f:replicas"} <= set(entries[0]["fieldsV1"]["f:status"])


async def test_S_16_what_an_autoscaler_needs(world: World) -> None:
    """S-16: The pool can be the target of autoscaling: /scale is there to read and to write, by any version."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    scale = await world.kube.get(OLD_POOL, world.namespace, "p", "scale")
    assert scale["status"]["selector"] == "app=p"
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    await world.kube.patch(OLD_POOL, world.namespace, "p", operations, "scale", content=JSON)
    await world.pool_of("p-0", "p-1", "p-2")


async def test_S_09_the_short_name(world: World) -> None:
    """S-09: `vmpool` is short for virtualmachinepools, and for nothing else."""
    groups = (await world.kube.ask("GET", "/apis"))["groups"]
    found = set()
    for version in (group["preferredVersion"]["groupVersion"] for group in groups):
        for one in (await world.kube.ask("GET", f"/apis/{version}"))["resources"]:
            if "vmpool" in (one.get("shortNames") or ()):
                found.add(f"{one['name']}.{version.partition('/')[0]}")
    assert found == {"virtualmachinepools.pool.kubevirt.io"}
