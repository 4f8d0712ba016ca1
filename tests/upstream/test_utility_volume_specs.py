"""Upstream's functional specs of utility volumes: claims that KubeVirt mounts beside a running guest, which does not see them.

Origin: kubevirt: tests/storage/utility-volumes.go; pkg/storage/admitters/storagehotplug.go
"""

from typing import Any

import pytest

from fakekube.client.client import Client
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES
from tests.upstream import guests
from tests.upstream.conftest import Make, Object, Suite
from tests.upstream.guests import NS, PODS, VMIS, Guest

CLAIMS = f"/api/v1/namespaces/{NS}/persistentvolumeclaims"
OWN = "test-utility-volume"
GATES = {"featureGates": ["UtilityVolumes"]}


@pytest.fixture
async def guest(suite_of: Make) -> Guest:
    suite = await guests.a_namespace(await suite_of(pace="realistic"))
    await guests.configure(suite, developerConfiguration=GATES)
    return await guests.machine(suite, guests.guest())


def controller(guest: Guest) -> Client:
    """virt-controller's account: nobody else may do it."""
    return guest.suite.cluster.client().as_user("system:serviceaccount:kubevirt:kubevirt-controller")


async def ask(guest: Guest, wanted: Any) -> str:
    """Set the utility volumes; what is said where that is refused."""
    add = {"op": "add", "path": "/spec/utilityVolumes", "value": wanted}
    change = [add] if wanted else [{"op": "remove", "path": "/spec/utilityVolumes"}]
    try:
        await controller(guest).patch(VIRTUAL_MACHINE_INSTANCES, guest.name, NS, change, type="json")
    except ApiError as error:
        return error.message
    return ""


async def claim(suite: Suite, name: str) -> str:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "500Mi"}}}
    await suite.create(CLAIMS, {"metadata": {"name": name}, "spec": spec})
    return name


async def entry(guest: Guest) -> Object:
    told = (await guest.vmi())["status"].get("volumeStatus", ())
    return next((one for one in told if one["name"] == OWN), {})


async def test_comes_and_goes(guest: Guest) -> None:
    """It is mounted by an attachment pod, has no target in the guest, and is gone with that pod when it is taken away."""
    suite = guest.suite
    volume = {"name": OWN, "claimName": await claim(suite, "test-utility-volume-pvc")}
    disks = (await guest.vmi())["spec"]["domain"]["devices"]["disks"]
    assert await ask(guest, [volume]) == ""

    async def mounted() -> Object | None:
        found = await entry(guest)
        return found if found.get("phase") == "MountedToPod" else None

    found = await suite.eventually(mounted, 240)
    assert found["target"] == ""
    pod = f"{PODS}/{found['hotplugVolume']['attachPodName']}"
    await suite.cluster.advance(60)
    vmi = await guest.vmi()
    assert (await entry(guest))["phase"] == "MountedToPod"
    assert vmi["spec"]["domain"]["devices"]["disks"] == disks
    assert await ask(guest, None) == ""
    assert "utilityVolumes" not in (await guest.vmi())["spec"]

    async def gone() -> bool:
        return not await entry(guest) and (await suite.call("GET", pod))[0] == 404

    await suite.eventually(gone, 120)


async def test_what_is_refused(guest: Guest) -> None:
    """Only KubeVirt adds them, to guests that are there; with a name of their own, and never another claim."""
    a = {"name": OWN, "claimName": "a"}
    vmi = await guest.vmi()
    disk = vmi["spec"]["volumes"][0]["name"]
    body = {**vmi, "spec": {**vmi["spec"], "utilityVolumes": [a]}}
    refused = await guest.suite.refused("PUT", guest.path, body)
    assert "update of VMI object is restricted" in refused["message"]
    meta = {"name": "other", "namespace": NS}
    new = {key: vmi[key] for key in ("apiVersion", "kind")} | {"metadata": meta, "spec": body["spec"]}
    refused = await guest.suite.refused("POST", VMIS, new)
    text = "cannot create VMI with utility volumes in spec, utility volumes can only be added via hotplug"
    assert text in refused["message"]
    for wanted, why in (
        (
            [{"name": disk, "claimName": "a"}],
            "utilityVolumes[0] conflicts with spec.volumes[0]. UtilityVolume names must be unique across both volumes",
        ),
        ([{"name": OWN, "claimName": ""}], "UtilityVolume PVC 'claimName' must be set"),
        ([{"name": "", "claimName": "a"}], "UtilityVolume 'name' must be set"),
    ):
        assert why in await ask(guest, wanted)
    assert await ask(guest, [a]) == ""
    assert f"utility volume {OWN} has changed" in await ask(guest, [{**a, "claimName": "b"}])


async def test_without_its_gate(guest: Guest) -> None:
    """The feature gate has to be open."""
    await guests.configure(guest.suite, developerConfiguration={"featureGates": []})
    refusal = await ask(guest, [{"name": OWN, "claimName": "a"}])
    assert "UtilityVolumes feature gate is not enabled" in refusal
