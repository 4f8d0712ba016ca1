"""CDI's functional specs of DataVolumes whose contents come from elsewhere: populators, volumes that were kept, claims that are there.

Left out: a cluster without AnyVolumeDataSource, and one without CSI: claims are filled from anything here.
Origin: cdi: tests/{external_population,static-volume,adopt-volume}_test.go
"""

from typing import Any

import pytest

from fakekube.machinery.objects import annotations, owners, uid
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import (
    CLAIMS,
    CLASS,
    NS,
    VOLUMES,
    claim,
    has_event,
    reasons,
    set_up,
    succeeded,
    volume,
)

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
PERSISTENT = "/api/v1/persistentvolumes"
CDI = "/apis/cdi.kubevirt.io/v1beta1/cdis/cdi"
POPULATOR = {"apiGroup": "cdi.sample.populator", "kind": "SamplePopulator", "name": "sample-populator"}


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await set_up(suite)
    return suite


def populated(own: str, reference: Object, member: str = "dataSourceRef") -> Object:
    made = volume(own)
    del made["spec"]["source"]
    made["spec"]["storage"][member] = reference
    return made


async def test_populators(suite: Suite) -> None:
    """The claim names its populator, and the DataVolume says who has filled it; it goes with it."""
    await suite.create(VOLUMES, populated("dv", POPULATOR))
    await succeeded(suite, "dv")
    filled = await suite.get(f"{CLAIMS}/dv")
    assert filled["spec"]["dataSourceRef"] == POPULATOR
    assert annotations(filled)["cdi.kubevirt.io/externalPopulation"] == "true"
    found = await suite.get(f"{VOLUMES}/dv")
    assert reasons(found) == {"Ready": ("True", ""), "Bound": ("True", "Bound"), "Running": ("False", "")}
    assert found["status"]["progress"] == "N/A"
    await has_event(suite, "dv", "Normal", "ExternalPopulationSucceeded")
    events = await suite.items(f"/api/v1/namespaces/{NS}/events")
    assert "PVC dv successfully populated by sample-populator" in [one["message"] for one in events]
    await suite.delete(f"{VOLUMES}/dv")

    async def gone() -> bool:
        return (await suite.call("GET", f"{CLAIMS}/dv"))[0] == 404

    await suite.eventually(gone, 60)


async def test_populated_by_a_claim(suite: Suite) -> None:
    """A claim that is to be the source is waited for, and the DataVolume waits with its own."""
    await suite.create(
        VOLUMES, populated("dv", {"kind": "PersistentVolumeClaim", "name": "later"}, "dataSource")
    )
    await suite.cluster.advance(30)
    assert (await suite.get(f"{VOLUMES}/dv"))["status"]["phase"] == "Pending"
    await has_event(suite, "dv", "Warning", "ProvisioningFailed")
    await suite.create(CLAIMS, claim("later"))
    await succeeded(suite, "dv")


def ways(space: str) -> dict[str, dict[str, Any]]:
    """Of a DataVolume to be filled; from nothing that is there."""
    elsewhere = {"namespace": space, "name": "foo"}
    return {
        "import": {"source": {"http": {"url": "http://localhost/nothing"}}},
        "upload": {"source": {"upload": {}}},
        "clone": {"source": {"pvc": elsewhere}},
        "snapshot clone": {"source": {"snapshot": elsewhere}},
        "populator": {},
    }


def target(way: str, space: str, **notes: str) -> Object:
    made = volume("testdv", **ways(space)[way])
    if way == "populator":
        made = populated("testdv", {"kind": "PersistentVolumeClaim", "name": "doesnotmatter"})
    made["metadata"]["annotations"] = notes
    return made


@pytest.mark.parametrize("way", ways("x"))
async def test_kept_volumes(suite: Suite, way: str) -> None:
    """A volume that has been kept for the claim of a DataVolume that looks for it is all it needs."""
    await suite.create(VOLUMES, volume("testdv"))
    await succeeded(suite, "testdv")
    kept = (await suite.get(f"{CLAIMS}/testdv"))["spec"]["volumeName"]
    await suite.patch(
        f"{PERSISTENT}/{kept}", {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}, MERGE_PATCH
    )
    await suite.delete(f"{VOLUMES}/testdv")

    async def released() -> bool:
        return (await suite.get(f"{PERSISTENT}/{kept}"))["status"]["phase"] == "Released"

    await suite.eventually(released, 60)
    free = {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
    await suite.patch(f"{PERSISTENT}/{kept}", free, MERGE_PATCH)
    await suite.cluster.settle()
    note = {"cdi.kubevirt.io/storage.checkStaticVolume": ""}
    await suite.create(VOLUMES, target(way, "baz", **note))
    await succeeded(suite, "testdv")
    assert (await suite.get(f"{CLAIMS}/testdv"))["spec"]["volumeName"] == kept


async def retained(suite: Suite) -> str:
    """The uid of a filled claim nobody has."""
    await suite.create(VOLUMES, volume("testdv"))
    await succeeded(suite, "testdv")
    await suite.patch(f"{CLAIMS}/testdv", {"metadata": {"ownerReferences": None}}, MERGE_PATCH)
    await suite.delete(f"{VOLUMES}/testdv")
    await suite.cluster.settle()
    return uid(await suite.get(f"{CLAIMS}/testdv"))


async def open_the_gate(suite: Suite) -> None:
    gates = ["HonorWaitForFirstConsumer", "DataVolumeClaimAdoption"]
    await suite.patch(CDI, {"spec": {"config": {"featureGates": gates}}}, MERGE_PATCH)
    await suite.cluster.settle()


@pytest.mark.parametrize("way", ways("x"))
@pytest.mark.parametrize("gate", [True, False])
async def test_claims_that_are_there(suite: Suite, way: str, gate: bool) -> None:
    """They are adopted where the DataVolume says so, or CDI."""
    own = await retained(suite)
    if gate:
        await open_the_gate(suite)
    notes = {} if gate else {"cdi.kubevirt.io/allowClaimAdoption": "true"}
    made = await suite.create(VOLUMES, target(way, "default", **notes))
    await succeeded(suite, "testdv")
    found = await suite.get(f"{CLAIMS}/testdv")
    assert (uid(found), [one["uid"] for one in owners(found)]) == (own, [uid(made)])
    assert found["spec"]["storageClassName"] == CLASS
    filled = await suite.get(f"{VOLUMES}/testdv")
    assert annotations(filled)["cdi.kubevirt.io/storage.prePopulated"] == "testdv"
    assert filled["status"]["progress"] == "N/A"


async def test_claims_filled_for_it(suite: Suite) -> None:
    """[4961] A claim that says for which DataVolume it has been filled is taken over."""
    made = claim("dv")
    made["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.populatedFor": "dv"}
    await suite.create(CLAIMS, made)
    await suite.create(VOLUMES, volume("dv", source={"http": {"url": "http://localhost/nothing"}}))

    async def told() -> bool:
        found = await suite.get(f"{VOLUMES}/dv")
        named = annotations(found).get("cdi.kubevirt.io/storage.prePopulated") == "dv"
        return named and (found["status"]["phase"], found["status"]["progress"]) == ("Succeeded", "N/A")

    await suite.eventually(told, 60)


async def test_claims_that_come_between(suite: Suite) -> None:
    """A claim that is made before the DataVolume's own is in the way, and the DataVolume says so until it has gone."""
    await suite.create(VOLUMES, volume("dv", storage="later", modes=[]))
    await suite.cluster.settle()
    await suite.create(CLAIMS, claim("dv"))
    await has_event(suite, "dv", "Warning", "ErrResourceExists")
    await suite.create(CLASSES, {"metadata": {"name": "later"}, "provisioner": "kubernetes.io/rbd"})
    await suite.delete(f"{CLAIMS}/dv")
    await succeeded(suite, "dv")


@pytest.mark.parametrize("gate", [True, False])
async def test_claims_that_are_in_the_way(suite: Suite, gate: bool) -> None:
    """They are, where the DataVolume says so, or nobody says anything."""
    await retained(suite)
    if gate:
        await open_the_gate(suite)
    notes = {"cdi.kubevirt.io/allowClaimAdoption": "false"} if gate else {}
    refused = await suite.refused("POST", VOLUMES, target("import", "default", **notes))
    assert f"Destination PVC {NS}/testdv already exists" in refused["message"]


async def test_claims_that_are_deleted(suite: Suite) -> None:
    """The claim of a DataVolume comes back, and is filled again."""
    await suite.create(VOLUMES, volume("dv"))
    await succeeded(suite, "dv")
    old = uid(await suite.get(f"{CLAIMS}/dv"))
    await suite.delete(f"{CLAIMS}/dv")

    async def another() -> bool:
        status, found = await suite.call("GET", f"{CLAIMS}/dv")
        return status == 200 and uid(found) != old

    await suite.eventually(another, 60)
    await succeeded(suite, "dv")
