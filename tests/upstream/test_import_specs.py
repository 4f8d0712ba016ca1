"""CDI's functional specs of DataVolumes: which class their claims are of, what they take from volumes, what imports wait for.

Left out: what is in the images, sizes that are corrected for a file system, and the pods and claims a populator has meanwhile.
Origin: cdi: tests/{datavolume,import}_test.go
"""

import pytest

from fakekube.machinery.objects import annotations, condition, dig, labels
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import (
    CLAIMS,
    CLASS,
    EVENTS,
    NS,
    TAKEN,
    VOLUMES,
    has_event,
    reasons,
    set_up,
    succeeded,
    volume,
)

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
PERSISTENT = "/api/v1/persistentvolumes"
SOURCES = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}/datasources"
HTTP = {"http": {"url": "http://images.example/tinyCore.iso"}}
MISSING = "PVC spec is missing accessMode and no storageClass to choose profile"


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await set_up(suite)
    return suite


def like_claim(own: str, storage: str | None = None, mode: str = "ReadWriteOnce", **source: Object) -> Object:
    """A DataVolume that says of its claim what a claim says of itself."""
    pvc: Object = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
    if storage is not None:
        pvc["storageClassName"] = storage
    made = volume(own)
    made["spec"] = {"source": source or HTTP, "pvc": pvc}
    return made


def open_storage(own: str, storage: str | None = None, **spec: Object) -> Object:
    """A DataVolume that says of its claim no more than its size."""
    made = volume(own, source=HTTP)
    asked: Object = {"resources": {"requests": {"storage": "100Mi"}}}
    if storage is not None:
        asked["storageClassName"] = storage
    made["spec"] |= {"storage": asked, **spec}
    return made


async def says(suite: Suite, own: str, kind: str, reason: str, message: str) -> None:
    async def look() -> bool:
        found = condition(await suite.get(f"{VOLUMES}/{own}"), kind) or {}
        return (found.get("status"), found.get("reason"), found.get("message")) == ("False", reason, message)

    await suite.eventually(look, 60)


async def claim_of(suite: Suite, own: str = "dv") -> Object:
    async def look() -> Object | None:
        status, found = await suite.call("GET", f"{CLAIMS}/{own}")
        return found if status == 200 else None

    return dict(await suite.eventually(look, 60))


@pytest.mark.parametrize(
    "source",
    [HTTP, {"upload": {}}, {"pvc": {"namespace": NS, "name": "source"}}],
    ids=["http", "upload", "pvc"],
)
async def test_what_claims_inherit(suite: Suite, source: Object) -> None:
    """[8043] [8044] [8045] Labels, annotations and a seldom access mode; and nobody is to be alarmed by full volumes."""
    await suite.create(VOLUMES, volume("source"))
    await succeeded(suite, "source")
    made = like_claim("dv", mode="ReadWriteOncePod", **source)
    made["metadata"] |= {"labels": {"test-label-1": "1"}, "annotations": {"test-annotation-1": "a"}}
    await suite.create(VOLUMES, made)
    found = await claim_of(suite)
    assert found["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert labels(found)["alerts.k8s.io/KubePersistentVolumeFillingUp"] == "disabled"
    assert labels(found)["test-label-1"] == "1"
    assert annotations(found)["test-annotation-1"] == "a"


@pytest.mark.parametrize("has_default", [True, False])
async def test_the_class_of_machines(suite: Suite, has_default: bool) -> None:
    """[10505–10511] Marked for machines, it is that of their disks where nobody says another one, but not of archives and claims."""
    marks = {"storageclass.kubevirt.io/is-default-virt-class": "true"}
    usual = await suite.get(f"{CLASSES}/{CLASS}")
    more = {"provisioner": usual["provisioner"], "volumeBindingMode": "Immediate"}
    await suite.create(CLASSES, {"metadata": {"name": "virt", "annotations": marks}, **more})
    await suite.create(CLASSES, {"metadata": {"name": "dummy"}, **more})
    if not has_default:
        no = {"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "false"}}}
        await suite.patch(f"{CLASSES}/{CLASS}", no, MERGE_PATCH)
    await suite.create(VOLUMES, open_storage("disk"))
    await suite.create(VOLUMES, open_storage("upload", source={"upload": {}}))
    await suite.create(VOLUMES, open_storage("explicit", "dummy"))
    await suite.create(VOLUMES, like_claim("claim"))
    await suite.create(VOLUMES, open_storage("archive", contentType="archive"))
    for own, wanted in (("disk", "virt"), ("upload", "virt"), ("explicit", "dummy")):
        assert (await claim_of(suite, own))["spec"]["storageClassName"] == wanted
    assert (await claim_of(suite, "claim"))["spec"].get("storageClassName") == (
        CLASS if has_default else None
    )
    if has_default:
        assert (await claim_of(suite, "archive"))["spec"]["storageClassName"] == CLASS
    else:
        await says(suite, "archive", "Bound", "ErrClaimNotValid", MISSING)


async def spare(suite: Suite, storage: str) -> str:
    """A volume of a class that is not there, which nobody has: kept from a DataVolume."""
    await suite.create(VOLUMES, volume("blank-source"))
    await succeeded(suite, "blank-source")
    own = str((await claim_of(suite, "blank-source"))["spec"]["volumeName"])
    keep = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    await suite.patch(f"{PERSISTENT}/{own}", keep, MERGE_PATCH)
    await suite.delete(f"{VOLUMES}/blank-source")

    async def released() -> bool:
        return bool((await suite.get(f"{PERSISTENT}/{own}"))["status"]["phase"] == "Released")

    await suite.eventually(released, 60)
    free = {"spec": {"storageClassName": storage, "claimRef": None}}
    await suite.patch(f"{PERSISTENT}/{own}", free, MERGE_PATCH)
    return own


@pytest.mark.parametrize("storage", ["test-sc", ""])
async def test_modes_of_spare_volumes(suite: Suite, storage: str) -> None:
    """[9924] [9925] Without its class a DataVolume is like a volume of that name; until there is one it says what is missing."""
    await suite.create(VOLUMES, open_storage("dv", storage))
    for kind in ("Bound", "Ready"):
        await says(suite, "dv", kind, "ErrClaimNotValid", MISSING)
    await has_event(suite, "dv", "Warning", "ErrClaimNotValid")
    assert (await suite.call("GET", f"{CLAIMS}/dv"))[0] == 404
    own = await spare(suite, storage)
    await succeeded(suite, "dv")
    found = await claim_of(suite)
    assert (found["spec"]["volumeName"], found["spec"]["storageClassName"]) == (own, storage)
    assert found["spec"]["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.parametrize("asked", ["pvc", "storage"])
@pytest.mark.parametrize("storage", ["test-sc", ""])
async def test_claims_of_spare_volumes(suite: Suite, asked: str, storage: str) -> None:
    """[9927] [9928] [9930] [9931] One that says its access mode has a claim, which waits for such a volume."""
    made = like_claim("dv", storage)
    if asked == "storage":
        made["spec"]["storage"] = made["spec"].pop("pvc")
    await suite.create(VOLUMES, made)
    await says(suite, "dv", "Bound", "Pending", "PVC dv Pending")
    own = await spare(suite, storage)
    await succeeded(suite, "dv")
    assert (await claim_of(suite))["spec"]["volumeName"] == own


@pytest.mark.parametrize(
    ("source", "kind", "missing"),
    [
        ({"registry": {"url": "docker://registry/x", "certConfigMap": "certs"}}, "configmaps", "certs"),
        ({"http": {**HTTP["http"], "secretRef": "keys"}}, "secrets", "keys"),
        ({"http": {**HTTP["http"], "secretExtraHeaders": ["headers"]}}, "secrets", "headers"),
    ],
    ids=["certificates", "keys", "headers"],
)
async def test_what_imports_are_given(suite: Suite, source: Object, kind: str, missing: str) -> None:
    """[4963] The importer does not begin before what it is given is there: certificates, keys, headers."""
    await suite.create(VOLUMES, volume("dv", source=source))

    async def scheduled() -> bool:
        return dig(await suite.get(f"{VOLUMES}/dv"), "status", "phase") == "ImportScheduled"

    await suite.eventually(scheduled, 60)
    await suite.consistently(scheduled, 30)
    await suite.create(f"/api/v1/namespaces/{NS}/{kind}", {"metadata": {"name": missing}})
    await succeeded(suite, "dv")


def from_vmware(own: str) -> Object:
    told = {"secretRef": "vddk", "uuid": "u", "backingFile": "f", "thumbprint": "t", "url": "http://vcenter"}
    return volume(own, source={"vddk": told})


async def test_images_with_vddk(suite: Suite) -> None:
    """[5079] [5080] Imports from VMware wait until it is said which image has VDDK: by them, or for all."""
    await suite.create(f"/api/v1/namespaces/{NS}/secrets", {"metadata": {"name": "vddk"}})
    await suite.create(VOLUMES, from_vmware("dv"))
    note = "cdi.kubevirt.io/storage.pod.vddk.initimageurl"
    why = f"waiting for v2v-vmware configmap or {note} annotation for VDDK image"
    await says(suite, "dv", "Bound", "AwaitingVDDK", why)
    assert (await suite.get(f"{VOLUMES}/dv"))["status"]["phase"] == "ImportScheduled"
    by_field, by_note = from_vmware("by-field"), from_vmware("by-note")
    by_field["spec"]["source"]["vddk"]["initImageURL"] = "registry/vddk"
    by_note["metadata"]["annotations"] = {note: "registry/vddk"}
    for one in (by_field, by_note):
        await suite.create(VOLUMES, one)
        await succeeded(suite, one["metadata"]["name"])
    image = {"metadata": {"name": "v2v-vmware"}, "data": {"vddk-init-image": "registry/vddk"}}
    await suite.create("/api/v1/namespaces/cdi/configmaps", image)
    await succeeded(suite, "dv")
    assert (condition(await suite.get(f"{VOLUMES}/dv"), "Bound") or {})["message"] == "PVC dv Bound"


async def test_a_claim_deleted_meanwhile(suite: Suite) -> None:
    """[4962] A claim that is deleted while it is filled comes back, and is filled."""
    made = volume("dv", source=HTTP)
    made["metadata"]["annotations"] = {"fakekube.io/fate": "takes=60s"}
    await suite.create(VOLUMES, made)

    async def runs() -> bool:
        return dig(await suite.get(f"{VOLUMES}/dv"), "status", "phase") == "ImportInProgress"

    await suite.eventually(runs, 60)
    old = (await claim_of(suite))["metadata"]["uid"]
    await suite.delete(f"{CLAIMS}/dv")

    async def another() -> bool:
        status, found = await suite.call("GET", f"{CLAIMS}/dv")
        return status == 200 and found["metadata"]["uid"] != old

    await suite.eventually(another, 60)
    await succeeded(suite, "dv")


@pytest.mark.parametrize("kind", ["pvc", "snapshot", "source"])
async def test_labels_of_instance_types(suite: Suite, kind: str) -> None:
    """A DataVolume says of guests what its source says: a claim, a snapshot, a DataSource."""
    told = {"instancetype.kubevirt.io/default-instancetype": "defined"}
    made = volume("gold")
    made["metadata"]["labels"] = told
    await suite.create(VOLUMES, made)
    await succeeded(suite, "gold")
    where, meta = {"namespace": NS, "name": "gold"}, {"name": "gold", "labels": told}
    wanted = volume("dv", source={kind: where})
    if kind == "snapshot":
        taken = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": meta}
        await suite.create(TAKEN, {**taken, "spec": {"source": {"persistentVolumeClaimName": "gold"}}})
    elif kind == "source":
        source = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataSource", "metadata": meta}
        await suite.create(SOURCES, {**source, "spec": {"source": {"pvc": where}}})
        del wanted["spec"]["source"]
        wanted["spec"]["sourceRef"] = {"kind": "DataSource", **where}
    await suite.create(VOLUMES, wanted)

    async def look() -> bool:
        return told.items() <= labels(await suite.get(f"{VOLUMES}/dv")).items()

    await suite.eventually(look, 60)
    assert told.items() <= labels(await claim_of(suite)).items()


async def test_restarts_are_counted(suite: Suite) -> None:
    """[3994] [3996] On the DataVolume and on its claim: none of a good image, some of one that cannot be had."""
    await suite.create(VOLUMES, volume("good", source=HTTP))
    await suite.create(VOLUMES, volume("bad", source={"http": {"url": "http://nowhere.invalid/x"}}))
    await succeeded(suite, "good")
    mark = "cdi.kubevirt.io/storage.pod.restarts"
    assert annotations(await claim_of(suite, "good"))[mark] == "0"
    assert (await suite.get(f"{VOLUMES}/good"))["status"].get("restartCount", 0) == 0

    async def often() -> bool:
        told = int(annotations(await claim_of(suite, "bad")).get(mark, "0"))
        return told >= 3 and int((await suite.get(f"{VOLUMES}/bad"))["status"]["restartCount"]) >= 3

    await suite.eventually(often, 270)
    messages = [one["message"] for one in await suite.items(EVENTS) if one["reason"] == "Error"]
    assert any("Unable to connect to http data source" in one for one in messages)


async def test_services_that_are_not_there(suite: Suite) -> None:
    """[1358] An image at a Service nobody has made cannot be had, until somebody makes it."""
    url = "http://i-made-this-up.kube-system/tinyCore.iso"
    await suite.create(VOLUMES, volume("dv", source={"http": {"url": url}}))
    why = f'Get "{url}": dial tcp: lookup i-made-this-up.kube-system: no such host'
    await says(suite, "dv", "Running", "Error", f"Unable to connect to http data source: {why}")
    await has_event(suite, "dv", "Warning", "Error")
    found = await suite.get(f"{VOLUMES}/dv")
    assert found["status"]["phase"] == "ImportInProgress"
    assert reasons(found)["Bound"] == ("True", "Bound")
    assert reasons(found)["Ready"] == ("False", "")

    async def again() -> bool:
        return int((await suite.get(f"{VOLUMES}/dv"))["status"].get("restartCount", 0)) >= 2

    await suite.eventually(again, 270)
    service = {"metadata": {"name": "i-made-this-up"}, "spec": {"ports": [{"port": 80}]}}
    await suite.create("/api/v1/namespaces/kube-system/services", service)
    await suite.eventually(lambda: has_phase(suite, "dv", "Succeeded"), 600)


async def has_phase(suite: Suite, own: str, phase: str) -> bool:
    return bool((await suite.get(f"{VOLUMES}/{own}"))["status"]["phase"] == phase)


async def test_disks_that_are_too_small(suite: Suite) -> None:
    """A DataVolume smaller than any machine's disk gets no claim, and says why; a claim it describes itself may be as small."""
    await suite.create(VOLUMES, volume("dv", size="1048575"))
    why = "PVC Spec is not valid - storage size should be at least 1MiB"
    for kind in ("Bound", "Ready"):
        await says(suite, "dv", kind, "ErrClaimNotValid", why)
    await has_event(suite, "dv", "Normal", "ErrClaimNotValid")
    assert [one["type"] for one in await suite.items(EVENTS) if one["reason"] == "ErrClaimNotValid"] == [
        "Normal"
    ]
    assert (await suite.call("GET", f"{CLAIMS}/dv"))[0] == 404
    small = like_claim("small")
    small["spec"]["pvc"]["resources"]["requests"]["storage"] = "1000Ki"
    await suite.create(VOLUMES, small)
    await succeeded(suite, "small")
