"""CDI's functional specs of ObjectTransfers: claims and DataVolumes that go elsewhere and keep their volume; who is refused.

Left out: hashes of contents.
Origin: cdi: tests/transfer_test.go, pkg/controller/transfer/*_test.go
"""

from typing import Any

import pytest

from fakekube.machinery.objects import dig
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import CLAIMS, NS, VOLUMES, claim, set_up, succeeded, volume

OTHER = "kubevirt-test-alternative1"
TRANSFERS = "/apis/cdi.kubevirt.io/v1beta1/objecttransfers"
PERSISTENT = "/api/v1/persistentvolumes"
PODS = f"/api/v1/namespaces/{NS}/pods"


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await set_up(suite)
    await suite.create("/api/v1/namespaces", {"metadata": {"name": OTHER}})
    return suite


def elsewhere(path: str, space: str = OTHER) -> str:
    return path.replace(NS, space)


def transfer(
    own: str = "ot", kind: str = "DataVolume", of: str = "source-dv", space: str = NS, **target: Any
) -> Object:
    source = {"kind": kind, "namespace": space, "name": of}
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "ObjectTransfer",
        "metadata": {"name": own},
        "spec": {"source": source, "target": target},
    }


async def told(suite: Suite, own: str = "ot") -> tuple[str, str]:
    """The phase, and what is said."""
    status, found = await suite.call("GET", f"{TRANSFERS}/{own}")
    if status == 404:
        return "", ""
    [condition] = dig(found, "status", "conditions", default=[{"message": ""}])
    return dig(found, "status", "phase", default=""), condition["message"]


async def says(suite: Suite, *wanted: str, own: str = "ot") -> None:
    async def look() -> bool:
        return await told(suite, own) == wanted

    await suite.eventually(look, 120)


async def completes(suite: Suite, own: str = "ot") -> None:
    await says(suite, "Complete", "Transfer complete", own=own)
    [condition] = (await suite.get(f"{TRANSFERS}/{own}"))["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Complete", "True", "")
    assert "data" not in (await suite.get(f"{TRANSFERS}/{own}"))["status"]


async def kept(suite: Suite, own: str = "source-dv", space: str = NS) -> str:
    """The name of the volume of a claim."""
    found = await suite.get(f"{elsewhere(CLAIMS, space)}/{own}")
    assert found["status"]["phase"] == "Bound"
    return str(found["spec"]["volumeName"])


async def filled(suite: Suite, own: str = "source-dv") -> str:
    await suite.create(VOLUMES, volume(own))
    await succeeded(suite, own)
    return await kept(suite, own)


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        ("DataVolume", {}, "Target namespace and/or target name must be supplied"),
        ("VolumeSnapshot", {"namespace": "bar"}, 'Unsupported kind "VolumeSnapshot"'),
    ],
)
async def test_what_is_refused(suite: Suite, kind: str, target: Object, said: str) -> None:
    """[5834] Something that is not moved, or not to another place."""
    refused = await suite.refused("POST", TRANSFERS, transfer(kind=kind, **target))
    assert said in refused["message"]


async def test_specs_stay(suite: Suite) -> None:
    """[5836] What is moved where is said once."""
    await suite.create(TRANSFERS, transfer(namespace=OTHER))
    await says(suite, "Pending", "No source")
    change = {"spec": {"source": {"namespace": "baz"}}}
    status, refused = await suite.call("PATCH", f"{TRANSFERS}/ot", change, content=MERGE_PATCH)
    assert (status, "ObjectTransfer spec is immutable" in refused["message"]) == (400, True)
    await suite.gone(f"{TRANSFERS}/ot")


@pytest.mark.parametrize("kind", ["DataVolume", "PersistentVolumeClaim"])
async def test_a_target_that_is_there(suite: Suite, kind: str) -> None:
    """[5719] Nothing is replaced."""
    await filled(suite)
    wanted = transfer(kind=kind, of="bar", space="foo", namespace=NS, name="source-dv")
    refused = await suite.refused("POST", TRANSFERS, wanted)
    assert f'ObjectTransfer target "{NS}/source-dv" already exists' in refused["message"]


@pytest.mark.parametrize(
    ("target", "space", "own"),
    [
        ({"namespace": OTHER}, OTHER, "source-dv"),
        ({"namespace": OTHER, "name": "target-name"}, OTHER, "target-name"),
        ({"name": "target-name"}, NS, "target-name"),
    ],
)
async def test_there_and_back_again(suite: Suite, target: Object, space: str, own: str) -> None:
    """[5694] [5695] A DataVolume goes with its claim, and the volume stays the same."""
    moved = await filled(suite)
    await suite.create(TRANSFERS, transfer(**target))
    await completes(suite)
    assert await kept(suite, own, space) == moved
    assert (await suite.get(f"{elsewhere(VOLUMES, space)}/{own}"))["status"]["phase"] == "Succeeded"
    for path in (VOLUMES, CLAIMS):
        assert (await suite.call("GET", f"{path}/source-dv"))[0] == 404
    found = await suite.get(f"{PERSISTENT}/{moved}")
    assert found["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    assert len(await suite.items(TRANSFERS)) == 1
    await suite.gone(f"{TRANSFERS}/ot")

    back = transfer("back", of=own, space=space, namespace=NS, name="source-dv")
    await suite.create(TRANSFERS, back)
    await completes(suite, "back")
    assert await kept(suite) == moved


async def test_many_at_once(suite: Suite) -> None:
    """[5695] They do not get into each other's way."""
    volumes = {own: await filled(suite, own) for own in ("a", "b", "c")}
    for own in volumes:
        await suite.create(TRANSFERS, transfer(own, of=own, namespace=OTHER))
    for own, moved in volumes.items():
        await completes(suite, own)
        assert await kept(suite, own, OTHER) == moved


async def test_quotas(suite: Suite) -> None:
    """[5734] A claim that exceeds the quota of its new namespace is told of, and made once it does not any more."""
    moved = await filled(suite)
    quotas = f"/api/v1/namespaces/{OTHER}/resourcequotas"
    await suite.create(
        quotas, {"metadata": {"name": "quota"}, "spec": {"hard": {"requests.storage": "100Mi"}}}
    )
    await suite.cluster.settle()
    made = await suite.create(TRANSFERS, transfer(namespace=OTHER))
    inner = f"pvc-transfer-{made['metadata']['uid']}"
    await says(suite, "Running", "Error", own=inner)
    assert await told(suite) == ("Running", "PVC transfer in progress")
    [condition] = (await suite.get(f"{TRANSFERS}/{inner}"))["status"]["conditions"]
    assert "exceeded quota" in condition["reason"]
    await suite.patch(f"{quotas}/quota", {"spec": {"hard": {"requests.storage": "1Gi"}}}, MERGE_PATCH)
    await completes(suite)
    assert await kept(suite, space=OTHER) == moved


async def test_what_a_transfer_waits_for(suite: Suite) -> None:
    """A claim that is there, bound, and used by nobody, nor moved by somebody else."""
    wanted = transfer(kind="PersistentVolumeClaim", of="free", namespace=OTHER)
    await suite.create(TRANSFERS, wanted)
    await says(suite, "Pending", "No source")
    await suite.create(CLAIMS, claim("free"))
    await completes(suite)
    await kept(suite, "free", OTHER)

    moved = await filled(suite)
    mount = {"name": "disk", "mountPath": "/pvc", "readOnly": True}
    disk = {"name": "disk", "persistentVolumeClaim": {"claimName": "source-dv"}}
    spec = {"containers": [{"name": "main", "image": "x", "volumeMounts": [mount]}], "volumes": [disk]}
    await suite.create(PODS, {"metadata": {"name": "user"}, "spec": spec})
    await suite.cluster.settle()
    await suite.create(TRANSFERS, transfer("used", namespace=OTHER))
    await says(suite, "Pending", "Pods using DataVolume PVC", own="used")
    await suite.delete(f"{PODS}/user", gracePeriodSeconds="0")
    await completes(suite, "used")
    assert await kept(suite, space=OTHER) == moved
