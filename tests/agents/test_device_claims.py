"""Devices that pods claim: allocated from slices by class, expression, count and constraint, and let go again."""

import pytest

from fakekube.actors.device_selectors import holds
from fakekube.agents.devices import allocation
from fakekube.agents.kubelet import Kubelet
from fakekube.agents.scheduler import Scheduler
from fakekube.machinery.resources import (
    DEVICE_CLASSES,
    PODS,
    RESOURCE_CLAIM_TEMPLATES,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
)

DRIVER = "vfio-gpu.example.com"
PROTECTION = "resource.kubernetes.io/delete-protection"


def a_device(number, vendor="e1a5", **more):
    attributes = {
        "vendorID": {"string": vendor},
        "resource.kubernetes.io/pciBusID": {"string": f"faca:00:{number:02x}.0"},
    }
    return {
        "name": f"gpu-{number}",
        "attributes": attributes,
        "capacity": {"memory": {"value": "4Gi"}},
        **more,
    }


async def slices(world, node="n1", devices=(0, 1), generation=1):
    spec = {
        "driver": DRIVER,
        "nodeName": node,
        "pool": {"name": node, "generation": generation, "resourceSliceCount": 1},
        "devices": [one if isinstance(one, dict) else a_device(one) for one in devices],
    }
    metadata = {"name": f"{node}-{generation}"}
    await world.client.create(RESOURCE_SLICES, {"metadata": metadata, "spec": spec})


def request(name="gpu", *expressions, **more):
    selectors = [{"cel": {"expression": one}} for one in expressions]
    return {"name": name, "exactly": {"deviceClassName": DRIVER, "selectors": selectors, **more}}


def devices(*requests, **more):
    return {"devices": {"requests": list(requests), **more}}


@pytest.fixture
async def here(world):
    """A node with two devices, and a class of them."""
    await world.node("n1")
    expression = f'device.driver == "{DRIVER}"'
    spec = {"selectors": [{"cel": {"expression": expression}}]}
    await world.client.create(DEVICE_CLASSES, {"metadata": {"name": DRIVER}, "spec": spec})
    await slices(world)
    world.start(Scheduler, select=holds)
    world.start(Kubelet)
    await world.settle()
    return world


async def claim(world, name, spec):
    await world.client.create(
        RESOURCE_CLAIMS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
    )


async def template(world, name, spec):
    body = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"metadata": {"labels": {"a": "b"}}, "spec": spec},
    }
    await world.client.create(RESOURCE_CLAIM_TEMPLATES, body)


async def pod(world, name="p", **claimed):
    await world.pod(name, resourceClaims=[{"name": "dev", **claimed}])
    await world.settle()
    return await world.find(PODS, name)


async def claims(world):
    return (await world.client.list(RESOURCE_CLAIMS)).items


async def test_a_claim_is_made_from_its_template(here):
    """The pod tells its name, the claim its pod; it is allocated on the pod's node, reserved for it, and protected."""
    await template(here, "gpu", devices(request()))
    made = await pod(here, resourceClaimTemplateName="gpu")
    [one] = await claims(here)
    assert made["status"]["resourceClaimStatuses"] == [
        {"name": "dev", "resourceClaimName": one["metadata"]["name"]}
    ]
    assert (made["spec"]["nodeName"], made["status"]["phase"]) == ("n1", "Running")
    meta = one["metadata"]
    assert meta["name"].startswith("p-dev-")
    assert meta["labels"] == {"a": "b"}
    assert meta["annotations"] == {"resource.kubernetes.io/pod-claim-name": "dev"}
    assert meta["ownerReferences"][0] | {"uid": ""} == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "p",
        "uid": "",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert meta["finalizers"] == [PROTECTION]
    uid = made["metadata"]["uid"]
    assert one["status"]["reservedFor"] == [{"resource": "pods", "name": "p", "uid": uid}]
    assert one["status"]["allocation"] == {
        "devices": {"results": [{"request": "gpu", "driver": DRIVER, "pool": "n1", "device": "gpu-0"}]},
        "nodeSelector": {
            "nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
            ]
        },
    }


async def test_a_claim_goes_with_the_pod_it_was_made_for(here):
    """Once the pod is over its claim is deleted, and another pod gets the device that waited for one."""
    await template(here, "gpu", devices(request()))
    for name in ("a", "b", "c"):
        await pod(here, name, resourceClaimTemplateName="gpu")
    waiting = await here.find(PODS, "c")
    assert "nodeName" not in waiting["spec"]
    [condition] = waiting["status"]["conditions"]
    assert condition["message"].startswith("0/1 nodes are available: 1 cannot allocate all claims.")
    await here.client.delete(PODS, "a", "default", grace_seconds=0)
    await here.settle()
    assert (await here.find(PODS, "c"))["status"]["phase"] == "Running"
    names = {one["status"]["reservedFor"][0]["name"] for one in await claims(here)}
    assert names == {"b", "c"}


async def test_a_claim_of_its_own_outlives_its_pods(here):
    """It is shared, keeps its devices while anybody has it, and is then free; deleted meanwhile it stays until then."""
    await claim(here, "mine", devices(request()))
    for name in ("a", "b"):
        await pod(here, name, resourceClaimName="mine")
    [one] = await claims(here)
    assert [it["name"] for it in one["status"]["reservedFor"]] == ["a", "b"]
    await here.client.patch(
        PODS, "a", "default", {"status": {"phase": "Succeeded"}}, type="merge", subresource="status"
    )
    await here.settle()
    [one] = await claims(here)
    assert [it["name"] for it in one["status"]["reservedFor"]] == ["b"]
    await here.client.delete(RESOURCE_CLAIMS, "mine", "default")
    await here.settle()
    assert len(await claims(here)) == 1
    await here.client.delete(PODS, "b", "default", grace_seconds=0)
    await here.settle()
    assert await claims(here) == []


async def test_nobody_has_it_any_more(here):
    """A claim that no pod has reserved is given nothing, and not protected."""
    await claim(here, "mine", devices(request()))
    await pod(here, "a", resourceClaimName="mine")
    await here.client.delete(PODS, "a", "default", grace_seconds=0)
    await here.settle()
    [one] = await claims(here)
    assert one.get("status") in (None, {})
    assert "finalizers" not in one["metadata"]


async def test_what_is_missing_is_waited_for(here):
    """Without its template a pod waits, and is told why; likewise, without a word, for a claim that is not there."""
    await pod(here, "a", resourceClaimTemplateName="gpu")
    await pod(here, "b", resourceClaimName="mine")
    said = (
        'PodResourceClaim dev: resource claim template "gpu": '
        'resourceclaimtemplate.resource.k8s.io "gpu" not found'
    )
    assert await here.events("a") == [("FailedResourceClaimCreation", said)]
    assert await here.events("b") == []
    await template(here, "gpu", devices(request()))
    await claim(here, "mine", devices(request()))
    await here.settle()
    for name in ("a", "b"):
        assert (await here.find(PODS, name))["status"]["phase"] == "Running"


async def test_pods_follow_what_their_claim_has(here):
    """A claim with devices of one node keeps its pods there."""
    await here.node("n2")
    await claim(here, "mine", devices(request()))
    for name in ("a", "b", "c"):
        assert (await pod(here, name, resourceClaimName="mine"))["spec"]["nodeName"] == "n1"
    await here.client.patch(
        RESOURCE_CLAIMS, "mine", "default", {"metadata": {"labels": {"a": "b"}}}, type="merge"
    )
    await here.pod(
        "d",
        resourceClaims=[{"name": "dev", "resourceClaimName": "mine"}],
        nodeSelector={"kubernetes.io/hostname": "n2"},
    )
    await here.settle()
    [condition] = (await here.find(PODS, "d"))["status"]["conditions"]
    assert "1 resourceclaim not available on the node" in condition["message"]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (devices(request("gpu", f'device.attributes["{DRIVER}"].vendorID == "e1a6"')), [("gpu", "gpu-2")]),
        (
            devices(request("gpu", 'device.attributes["resource.kubernetes.io"].pciBusID == "faca:00:01.0"')),
            [("gpu", "gpu-1")],
        ),
        (devices(request("gpu", 'device.attributes["nobody.example.com"].any == "x"')), None),
        (devices(request("gpu", "device.nonsense(")), None),
        (
            devices(request("gpu", f'device.capacity["{DRIVER}"].memory.compareTo(quantity("3Gi")) > 0')),
            [("gpu", "gpu-0")],
        ),
        (devices(request("a", count=2), request("b")), [("a", "gpu-0"), ("a", "gpu-1"), ("b", "gpu-2")]),
        (devices(request("a", count=4)), None),
        (devices(request("a", allocationMode="All")), [("a", "gpu-0"), ("a", "gpu-1"), ("a", "gpu-2")]),
        (devices(request("a", count=3), constraints=[{"matchAttribute": f"{DRIVER}/vendorID"}]), None),
        (
            devices(
                request("a"),
                request("b"),
                constraints=[{"matchAttribute": f"{DRIVER}/vendorID", "requests": ["a", "b"]}],
            ),
            [("a", "gpu-0"), ("b", "gpu-1")],
        ),
        (
            devices(request("a"), request("b"), constraints=[{"distinctAttribute": f"{DRIVER}/vendorID"}]),
            [("a", "gpu-0"), ("b", "gpu-2")],
        ),
        (
            devices(
                {
                    "name": "any",
                    "firstAvailable": [
                        {"name": "best", "deviceClassName": DRIVER, "count": 7},
                        {"name": "next", "deviceClassName": DRIVER},
                    ],
                }
            ),
            [("any/next", "gpu-0")],
        ),
        (devices({"name": "a", "exactly": {"deviceClassName": "nobody.example.com"}}), None),
    ],
)
def test_what_a_claim_is_given(spec, found):
    """By class, expressions, number, constraints, and in the order of what is preferred; all of it, or nothing."""
    wanted = {DRIVER: {"spec": {"selectors": [{"cel": {"expression": f'device.driver == "{DRIVER}"'}}]}}}
    there = [
        allocation.Device((DRIVER, "n1", one["name"]), one)
        for one in (a_device(0), a_device(1), a_device(2, "e1a6"))
    ]
    made = allocation.allocate({"spec": spec}, there, frozenset(), wanted, holds)
    assert (None if made is None else [(one["request"], one["device"]) for one in made]) == found


def test_only_the_newest_generation_of_a_pool_counts():
    """Older slices of it are being replaced; a slice is for a node, for some, or for all."""
    node = {"metadata": {"name": "n1", "labels": {"zone": "a"}}}

    def a_slice(name, pool, generation, **where):
        spec = {
            "driver": DRIVER,
            "pool": {"name": pool, "generation": generation},
            "devices": [{"name": name}],
            **where,
        }
        return {"metadata": {"name": name}, "spec": spec}

    zone = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    listed = [
        a_slice("old", "n1", 1, nodeName="n1"),
        a_slice("new", "n1", 2, nodeName="n1"),
        a_slice("other", "n2", 1, nodeName="n2"),
        a_slice("zone", "z", 1, nodeSelector={"nodeSelectorTerms": [zone]}),
        a_slice("all", "x", 1, allNodes=True),
    ]
    assert [one.id[2] for one in allocation.on_node(listed, node)] == ["all", "new", "zone"]


async def test_a_claim_that_has_gone_is_none(here):
    """A claim that is being deleted keeps new pods waiting."""
    await claim(here, "mine", devices(request()))
    await pod(here, "a", resourceClaimName="mine")
    await here.client.delete(RESOURCE_CLAIMS, "mine", "default")
    await here.settle()
    assert "nodeName" not in (await pod(here, "b", resourceClaimName="mine"))["spec"]
