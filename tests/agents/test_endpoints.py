import pytest

from fakekube.agents import endpoint_planning as planning
from fakekube.agents.endpoints import ENDPOINTS, SLICES, Endpoints
from fakekube.machinery.resources import PODS, SERVICES


async def service(world, name="s", *, labels=None, **spec):
    spec = {"selector": {"app": "x"}, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]} | spec
    spec = {key: value for key, value in spec.items() if value is not None}
    meta = {"name": name, "namespace": "default", "labels": labels or {"l": "m"}}
    return await world.client.create(
        SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    )


async def pod(world, name, ip, *, ready=True, port=8080):
    container = {"name": "c", "image": "x", "ports": [{"name": "http", "containerPort": port}]}
    made = await world.pod(name, containers=[container], nodeName="n", metadata={"labels": {"app": "x"}})
    await set_status(world, name, ip=ip, ready=ready)
    return made


async def set_status(world, name, *, ip="", ready=True, phase="Running"):
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    body = {"status": status}
    await world.client.patch(PODS, name, "default", body, type="merge", subresource="status")


async def slices(world):
    return (await world.client.list(SLICES, "default", label_selector="kubernetes.io/service-name=s")).items


async def addresses(world):
    return sorted(
        (one["addresses"][0], one["conditions"]["ready"])
        for slice_ in await slices(world)
        for one in slice_["endpoints"] or ()
    )


async def test_ready_pods_stand_behind_a_service(world):
    """Endpoints and a slice name every running pod the selector finds, at the port its container gives the name."""
    world.start(Endpoints)
    made = await pod(world, "p", "10.0.0.2")
    await service(world)
    await world.settle()
    target = {"kind": "Pod", "namespace": "default", "name": "p", "uid": made["metadata"]["uid"]}
    endpoints = await world.find(ENDPOINTS, "s")
    assert endpoints["metadata"]["labels"] == {
        "l": "m",
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
    }
    assert endpoints["subsets"] == [
        {
            "addresses": [{"ip": "10.0.0.2", "nodeName": "n", "targetRef": target}],
            "ports": [{"name": "web", "port": 8080, "protocol": "TCP"}],
        }
    ]
    (slice_,) = await slices(world)
    assert slice_["metadata"]["generateName"] == "s-"
    assert slice_["metadata"]["labels"] == {
        "l": "m",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "s",
    }
    assert slice_["metadata"]["ownerReferences"][0]["kind"] == "Service"
    assert slice_["addressType"] == "IPv4"
    assert slice_["ports"] == [{"name": "web", "port": 8080, "protocol": "TCP"}]
    assert slice_["endpoints"] == [
        {
            "addresses": ["10.0.0.2"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "n",
            "targetRef": target,
        }
    ]


async def test_readiness_is_followed(world):
    """A pod that is no longer ready moves to notReadyAddresses; one that has gone leaves nothing behind."""
    world.start(Endpoints)
    await pod(world, "p", "10.0.0.2")
    await service(world)
    await world.settle()
    await set_status(world, "p", ready=False)
    await world.settle()
    (subset,) = (await world.find(ENDPOINTS, "s"))["subsets"]
    assert [one["ip"] for one in subset["notReadyAddresses"]] == ["10.0.0.2"]
    assert await addresses(world) == [("10.0.0.2", False)]
    await set_status(world, "p", phase="Succeeded")
    await world.settle()
    assert "subsets" not in await world.find(ENDPOINTS, "s")
    (slice_,) = await slices(world)
    assert not slice_["endpoints"], "an empty slice stays as a placeholder"


async def test_unready_addresses_can_be_published(world):
    """publishNotReadyAddresses calls everybody ready."""
    world.start(Endpoints)
    await pod(world, "p", "10.0.0.2", ready=False)
    await service(world, publishNotReadyAddresses=True)
    await world.settle()
    assert await addresses(world) == [("10.0.0.2", True)]


async def test_only_the_slice_of_a_changed_pod_is_written(world):
    """A hundred endpoints to a slice; a change of one pod leaves the other slices alone."""
    world.start(Endpoints)
    for number in range(250):
        await pod(world, f"p{number}", f"10.0.{number // 200}.{number % 200 + 1}")
    await service(world)
    await world.settle()
    before = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in await slices(world)}
    assert sorted(len(one["endpoints"]) for one in await slices(world)) == [50, 100, 100]
    await set_status(world, "p7", ready=False)
    await world.settle()
    after = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in await slices(world)}
    assert before.keys() == after.keys()
    assert len(before.items() - after.items()) == 1


async def test_ports_of_the_same_name_may_differ(world):
    """Pods that give the named port different numbers stand in different slices and subsets."""
    world.start(Endpoints)
    await pod(world, "old", "10.0.0.1", port=80)
    await pod(world, "new", "10.0.0.2", port=8080)
    await service(world)
    await world.settle()
    assert sorted(one["ports"][0]["port"] for one in await slices(world)) == [80, 8080]
    subsets = (await world.find(ENDPOINTS, "s"))["subsets"]
    assert [one["ports"][0]["port"] for one in subsets] == [80, 8080]


async def test_a_service_that_goes_takes_its_endpoints(world):
    """Endpoints we made are deleted with the Service; slices wait for the garbage collector."""
    world.start(Endpoints)
    await service(world)
    await world.settle()
    assert await world.find(ENDPOINTS, "s")
    await world.client.delete(SERVICES, "s", "default")
    await world.settle()
    assert await world.find(ENDPOINTS, "s") is None


async def test_hand_written_endpoints_are_mirrored(world):
    """Without a selector the Endpoints are the user's, and slices say the same as they do, until told not to."""
    world.start(Endpoints)
    await service(world, selector=None)
    subset = {
        "addresses": [{"ip": "192.0.2.1"}],
        "notReadyAddresses": [{"ip": "192.0.2.2"}],
        "ports": [{"port": 5432, "protocol": "TCP"}],
    }
    meta = {"name": "s", "namespace": "default", "labels": {"who": "me"}, "annotations": {"a": "b"}}
    await world.client.create(
        ENDPOINTS, {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]}
    )
    await world.settle()
    (slice_,) = await slices(world)
    managed = slice_["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
    assert managed == "endpointslicemirroring-controller.k8s.io"
    assert slice_["metadata"]["labels"]["who"] == "me"
    assert slice_["metadata"]["annotations"] == {"a": "b"}
    assert slice_["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
    assert await addresses(world) == [("192.0.2.1", True), ("192.0.2.2", False)]
    skip = {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
    await world.client.patch(ENDPOINTS, "s", "default", skip, type="merge")
    await world.settle()
    assert await slices(world) == []


async def test_headless_services_say_so(world):
    """Endpoints and slices of a headless Service carry its label."""
    world.start(Endpoints)
    await service(world, clusterIP="None")
    await world.settle()
    (slice_,) = await slices(world)
    endpoints = await world.find(ENDPOINTS, "s")
    for obj in (slice_, endpoints):
        assert obj["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def ips(count, first=0):
    return [f"10.1.{number // 200}.{number % 200 + 1}" for number in range(first, first + count)]


async def test_a_thousand_pods_and_one_more(world):
    """Slices name them all, a hundred each; Endpoints a thousand, ready ones first, and say that there are more."""
    world.start(Endpoints)
    for number, ip in enumerate(ips(1005)):
        await pod(world, f"p{number}", ip, ready=number % 201 != 0)
    await service(world)
    await world.settle()
    assert sorted(len(one["endpoints"]) for one in await slices(world)) == [5, *[100] * 10]
    endpoints = await world.find(ENDPOINTS, "s")
    (subset,) = endpoints["subsets"]
    assert len(subset["addresses"]) == 1000
    assert "notReadyAddresses" not in subset
    note = {"endpoints.kubernetes.io/over-capacity": "truncated"}
    assert endpoints["metadata"]["annotations"] == note
    written = world.api.store.revision
    await set_status(world, "p1", ready=False)
    await world.settle()
    assert world.api.store.revision - written == 3, "the pod, its slice, and the Endpoints"
    for number in range(5):
        await world.client.delete(PODS, f"p{number * 201}", "default", grace_seconds=0)
    await world.settle()
    after = await world.find(ENDPOINTS, "s")
    assert "annotations" not in after["metadata"]
    assert {name: len(some) for name, some in after["subsets"][0].items() if name != "ports"} == {
        "addresses": 999,
        "notReadyAddresses": 1,
    }


@pytest.mark.parametrize(
    ("sizes", "kept", "over"),
    [
        ([(3, 1), (2, 0)], [(3, 1), (2, 0)], False),
        ([(8, 0), (4, 2)], [(7, 0), (3, 0)], True),
        ([(4, 3), (2, 3)], [(4, 2), (2, 2)], True),
        ([(5, 4), (5, 4)], [(5, 0), (5, 0)], True),
    ],
)
def test_what_is_left_out_of_endpoints(sizes, kept, over):
    """Ready addresses come first; each subset keeps its part of the room, the first ones rounded up."""
    names = ("addresses", "notReadyAddresses")
    subsets = [
        {name: list(range(size)) for name, size in zip(names, both, strict=True) if size} for both in sizes
    ]
    found, cut = planning.truncated(subsets, 10)
    assert [tuple(len(one.get(name, ())) for name in names) for one in found] == kept
    assert cut == over
