"""Guests with devices from resource claims (DRA), as upstream's functional specs have them.

Origin: kubevirt: tests/compute/{dra,cex_dra}.go, tests/infrastructure/dra.go (whose driver's devices are published here by hand)
"""

import pytest

from tests.upstream import launchers
from tests.upstream.conftest import Object, Suite
from tests.upstream.guests import NS, PODS, VMIS, Guest, a_namespace, configure, guest, instance

DRIVER = "vfio-gpu.example.com"
GROUP = "/apis/resource.k8s.io/v1"
HERE = f"{GROUP}/namespaces/{NS}"
CLAIMS, TEMPLATES = f"{HERE}/resourceclaims", f"{HERE}/resourceclaimtemplates"
ROOT = 'device.attributes["resource.kubernetes.io"].pcieRoot == "pcifaca:00"'


def device(number: int) -> Object:
    attributes = {
        "vendorID": {"string": "e1a5"},
        "resource.kubernetes.io/pciBusID": {"string": f"faca:00:{number:02x}.0"},
        "resource.kubernetes.io/pcieRoot": {"string": "pcifaca:00"},
    }
    return {"name": f"vfio-gpu-{number}", "attributes": attributes}


async def publish(suite: Suite, driver: str, *devices: Object, class_: str = DRIVER) -> None:
    expression = f'device.driver == "{driver}"'
    await suite.create(
        f"{GROUP}/deviceclasses",
        {"metadata": {"name": class_}, "spec": {"selectors": [{"cel": {"expression": expression}}]}},
    )
    pool = {"name": "node01", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": driver, "nodeName": "node01", "pool": pool, "devices": list(devices)}
    await suite.create(f"{GROUP}/resourceslices", {"metadata": {"name": "node01-devices"}, "spec": spec})


@pytest.fixture
async def here(suite: Suite) -> Suite:
    """Six devices on one of the nodes."""
    await a_namespace(suite)
    await publish(suite, DRIVER, *map(device, range(6)))
    return suite


def request(name: str = "vfio-gpu", expression: str = ROOT, class_: str = DRIVER) -> Object:
    selectors = [{"cel": {"expression": expression}}]
    return {"name": name, "exactly": {"deviceClassName": class_, "selectors": selectors}}


def at(number: int) -> str:
    return f'device.attributes["resource.kubernetes.io"].pciBusID == "faca:00:{number:02x}.0"'


async def template(suite: Suite, *requests: Object, constraints: list[Object] | None = None) -> None:
    spec = {"devices": {"requests": list(requests), **({"constraints": constraints} if constraints else {})}}
    await suite.create(TEMPLATES, {"metadata": {"name": "vfio-gpu-claim-template"}, "spec": {"spec": spec}})


def claiming(*requests: str, **source: str) -> Object:
    """A guest with a GPU for each of these requests of its claim."""
    spec = guest()
    own = source.get("resourceClaimName", "vfio-gpu-claim")
    spec["resourceClaims"] = [
        {"name": own, **(source or {"resourceClaimTemplateName": "vfio-gpu-claim-template"})}
    ]
    spec["domain"]["devices"]["gpus"] = [
        {"name": f"gpu{number}", "claimName": own, "requestName": one} for number, one in enumerate(requests)
    ]
    return spec


async def claim_of(vmi: Guest) -> Object:
    """The claim that is reserved for its launcher."""
    (found,) = [
        one
        for one in await vmi.suite.items(CLAIMS)
        if one["status"]["reservedFor"][0]["name"].startswith(f"virt-launcher-{vmi.name}-")
    ]
    assert found["status"]["reservedFor"][0]["resource"] == "pods"
    return found


async def addresses(vmi: Guest) -> dict[str, str]:
    """Where the domain's devices are, by their aliases."""
    found = {}
    for one in (await launchers.domain(vmi)).iter("hostdev"):
        alias, place = one.find("alias"), one.find("source/address")
        assert alias is not None
        assert place is not None
        parts = [place.attrib[part].removeprefix("0x") for part in ("domain", "bus", "slot", "function")]
        found[alias.attrib["name"]] = f"{parts[0]}:{parts[1]}:{parts[2]}.{parts[3]}"
    return found


async def test_four_guests_of_one_template(here: Suite) -> None:
    """Each gets a claim of its own, and a device nobody else has."""
    await template(here, request())
    guests = [await instance(here, claiming("vfio-gpu"), f"vmi-{number}") for number in range(4)]
    assert len(await here.items(CLAIMS)) == 4
    given = {
        str((await claim_of(vmi))["status"]["allocation"]["devices"]["results"][0]["device"])
        for vmi in guests
    }
    assert given == {f"vfio-gpu-{number}" for number in range(4)}
    seen = [await addresses(vmi) for vmi in guests]
    assert {place for one in seen for place in one.values()} == {f"faca:00:{n:02x}.0" for n in range(4)}
    assert {alias for one in seen for alias in one} == {"ua-dra-gpu-gpu0"}


async def test_four_guests_with_claims_that_are_there(here: Suite) -> None:
    """Claims made beforehand are reserved for those who name them."""
    for number in range(4):
        body = {"metadata": {"name": f"claim-{number}"}, "spec": {"devices": {"requests": [request()]}}}
        await here.create(CLAIMS, body)
        spec = claiming("vfio-gpu", resourceClaimName=f"claim-{number}")
        vmi = await instance(here, spec, f"vmi-{number}")
        assert (await claim_of(vmi))["metadata"]["name"] == f"claim-{number}"


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ('device.attributes["vfio-gpu.example.com"].vendorID == "e1a5"', "faca:00:00.0"),
        (at(5), "faca:00:05.0"),
    ],
)
async def test_a_device_by_its_attributes(here: Suite, expression: str, place: str) -> None:
    """By its vendor, or by its standardized address."""
    await template(here, request(expression=expression))
    vmi = await instance(here, claiming("vfio-gpu"))
    assert await addresses(vmi) == {"ua-dra-gpu-gpu0": place}


async def test_devices_that_have_something_in_common(here: Suite) -> None:
    """Two requests whose devices are of the same vendor."""
    wanted = ["vfio-gpu-0", "vfio-gpu-1"]
    same = {"matchAttribute": "vfio-gpu.example.com/vendorID", "requests": wanted}
    await template(here, *map(request, wanted), constraints=[same])
    vmi = await instance(here, claiming(*wanted))
    assert len((await claim_of(vmi))["status"]["allocation"]["devices"]["results"]) == 2
    assert len(await addresses(vmi)) == 2


async def test_three_devices_by_three_requests(here: Suite) -> None:
    """Each request says which it wants, each GPU has the device of its request."""
    wanted = [f"vfio-gpu-{number}" for number in range(3)]
    await template(here, *(request(name, at(3 + number)) for number, name in enumerate(wanted)))
    vmi = await instance(here, claiming(*wanted))
    results = (await claim_of(vmi))["status"]["allocation"]["devices"]["results"]
    assert [(one["request"], one["device"]) for one in results] == [
        (f"vfio-gpu-{number}", f"vfio-gpu-{3 + number}") for number in range(3)
    ]
    assert await addresses(vmi) == {f"ua-dra-gpu-gpu{n}": f"faca:00:{3 + n:02x}.0" for n in range(3)}


async def test_a_device_of_any_kind(suite: Suite) -> None:
    """A mediated device for `hostDevices`; with the guest its claim goes, and the device is free."""
    await a_namespace(suite)
    await configure(suite, developerConfiguration={"featureGates": ["HostDevices"]})
    queue = {
        "name": "queue-0",
        "attributes": {
            "cex.ibm.com/type": {"string": "ep11"},
            "mdevUUID": {"string": "9f6e0b8d-6f0c-4d57-8a2e-1c3b5a7d9e11"},
        },
    }
    await publish(suite, "cex.ibm.com", queue, class_="ap-queue.virtual-machine.ibm.com")
    wanted = request(
        "ep11-ap-queue", 'device.attributes["cex.ibm.com"].type == "ep11"', "ap-queue.virtual-machine.ibm.com"
    )
    await template(suite, wanted)
    spec = guest("fedora")
    spec["resourceClaims"] = [{"name": "claim0", "resourceClaimTemplateName": "vfio-gpu-claim-template"}]
    spec["domain"]["devices"]["hostDevices"] = [
        {"name": "cex-ep11", "claimName": "claim0", "requestName": "ep11-ap-queue"}
    ]
    vmi = await instance(suite, spec)
    (made,) = (await launchers.domain(vmi)).iter("hostdev")
    alias, place = made.find("alias"), made.find("source/address")
    assert alias is not None
    assert place is not None
    assert (made.get("type"), alias.get("name")) == ("mdev", "ua-dra-hostdevice-cex-ep11")
    assert place.get("uuid") == "9f6e0b8d-6f0c-4d57-8a2e-1c3b5a7d9e11"
    await suite.delete(vmi.path)
    await vmi.gone()
    await suite.cluster.settle()  # claims follow pods, by an actor of their own
    assert await suite.items(CLAIMS) == []


async def test_no_device_is_left(here: Suite) -> None:
    """A guest for which there is none is unschedulable, and says so, until one is free."""
    await template(here, request(expression=at(0)))
    first = await instance(here, claiming("vfio-gpu"), "first")
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "second"}}
    await here.create(
        VMIS,
        {**body, "spec": claiming("vfio-gpu")},
    )
    second = Guest(here, "second")
    await here.cluster.settle()
    scheduled = next(
        one for one in (await second.vmi())["status"]["conditions"] if one["type"] == "PodScheduled"
    )
    assert scheduled["reason"] == "Unschedulable"
    assert "2 cannot allocate all claims" in scheduled["message"]
    await here.delete(first.path)
    await first.gone()
    await second.is_in("Running")
    assert [
        one["metadata"]["name"].startswith("virt-launcher-second-") for one in await here.items(PODS)
    ] == [True]
