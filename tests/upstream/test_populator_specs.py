"""CDI's functional specs of claims that its populators fill, and of claims that ask for an import themselves.

Left out: what is in the images, importer pods, imports in stages, sources in other namespaces, sizes found out by a pod.
Origin: cdi: tests/{import,clone-populator,upload}_test.go, pkg/controller/populators/*_test.go
"""

from typing import Any

import pytest

from fakekube.machinery.objects import annotations, dig, finalizers, labels, owners, uid
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite
from tests.upstream.storage import (
    CLAIMS,
    CLASS,
    EVENTS,
    NS,
    TAKEN,
    VOLUMES,
    claim,
    has_event,
    reasons,
    set_up,
    succeeded,
    volume,
)
from tests.upstream.test_upload_specs import holds, sent, token_of

CDI = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}"
PERSISTENT = "/api/v1/persistentvolumes"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
PODS = f"/api/v1/namespaces/{NS}/pods"
NOTE = "cdi.kubevirt.io/storage."
NOW = {f"{NOTE}bind.immediate.requested": ""}
HTTP = {"http": {"url": "http://images.example/tinyCore.iso"}}
SOURCES = {
    "http": HTTP,
    "registry": {"registry": {"url": "docker://registry:5000/tinycore"}},
    "imageio": {
        "imageio": {
            "url": "https://imageio.example/x",
            "diskId": "1",
            "secretRef": "keys",
            "certConfigMap": "certs",
        }
    },
    "vddk": {
        "vddk": {
            "url": "https://vcenter.example/sdk",
            "uuid": "u",
            "backingFile": "f",
            "thumbprint": "t",
            "secretRef": "keys",
            "initImageURL": "vddk:1",
        }
    },
    "blank": {"blank": {}},
}


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    """Transfers take their time: what there is meanwhile can be seen."""
    suite = await suite_of(pace="realistic")
    await set_up(suite)
    await suite.create(f"/api/v1/namespaces/{NS}/secrets", {"metadata": {"name": "keys"}})
    await suite.create(f"/api/v1/namespaces/{NS}/configmaps", {"metadata": {"name": "certs"}})
    return suite


def populated(
    own: str, kind: str = "VolumeImportSource", notes: dict[str, str] | None = None, **more: Any
) -> Object:
    """A claim that is to be filled from `source` of that kind."""
    made = claim(own, **more)
    made["metadata"]["annotations"] = notes or {}
    reference = {"apiGroup": "cdi.kubevirt.io", "kind": kind, "name": "source"}
    made["spec"] |= {"dataSourceRef": reference}
    return made


async def source(suite: Suite, kind: str = "VolumeImportSource", **spec: Any) -> None:
    made = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": kind, "metadata": {"name": "source"}}
    await suite.create(f"{CDI}/{kind.lower()}s", {**made, "spec": spec})


async def there(suite: Suite, path: str) -> Object:
    """What is there, once it is."""

    async def look() -> Object | None:
        status, found = await suite.call("GET", path)
        return found if status == 200 else None

    return dict(await suite.eventually(look, 60))


async def prime_of(suite: Suite, target: Object) -> Object:
    return await there(suite, f"{CLAIMS}/prime-{uid(target)}")


async def gone(suite: Suite, path: str) -> None:
    async def look() -> bool:
        return (await suite.call("GET", path))[0] == 404

    await suite.eventually(look, 60)


async def bound(suite: Suite, own: str) -> Object:
    async def look() -> Object | None:
        found = await suite.get(f"{CLAIMS}/{own}")
        return found if dig(found, "status", "phase") == "Bound" else None

    return dict(await suite.eventually(look, 180))


async def says(suite: Suite, own: str, **wanted: str) -> Object:
    """The claim, once its annotations of those names (dots for underscores) say so."""

    async def look() -> Object | None:
        found = await suite.get(f"{CLAIMS}/{own}")
        notes = {f"{NOTE}{one.replace('_', '.')}": value for one, value in wanted.items()}
        return found if notes.items() <= annotations(found).items() else None

    return dict(await suite.eventually(look, 180))


async def late_class(suite: Suite) -> str:
    made = {"metadata": {"name": "late"}, "provisioner": "fakekube.io/volumes"}
    await suite.create(CLASSES, {**made, "volumeBindingMode": "WaitForFirstConsumer"})
    return "late"


# --- imports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["Filesystem", "Block"])
@pytest.mark.parametrize("kind", SOURCES)
async def test_imports(suite: Suite, kind: str, mode: str) -> None:
    """[11001–11011] The claim waits while another one is imported into in its place, gets its volume, and that one goes."""
    wanted = populated("target")
    wanted["metadata"]["labels"] = {"test.kubevirt.io/mine": "yes"}
    wanted["spec"]["volumeMode"] = mode
    target = await suite.create(CLAIMS, wanted)
    await has_event(suite, "target", "Normal", "ExternalProvisioning")
    await source(suite, source=SOURCES[kind], preallocation=True)
    prime = await prime_of(suite, target)
    assert [one["uid"] for one in owners(prime)] == [uid(target)]
    assert {"app": "containerized-data-importer", **labels(target)}.items() <= labels(prime).items()
    assert annotations(prime)[f"{NOTE}populator.kind"] == "VolumeImportSource"
    assert annotations(prime)[f"{NOTE}import.source"] == ("none" if kind == "blank" else kind)
    assert prime["spec"]["volumeMode"] == mode
    found = await says(suite, "target", pod_phase="Running", condition_running="true")
    assert dig(found, "status", "phase") == "Pending"
    assert annotations(found)[f"{NOTE}populator.pvcPrime"] == prime["metadata"]["name"]
    found = await bound(suite, "target")
    told = await says(
        suite, "target", populator_progress="100.0%", pod_phase="Succeeded", preallocation="true"
    )
    assert annotations(told)[f"{NOTE}condition.running.reason"] == "Completed"
    held = await suite.get(f"{PERSISTENT}/{found['spec']['volumeName']}")
    assert held["spec"]["claimRef"]["uid"] == uid(target)
    await gone(suite, f"{CLAIMS}/{prime['metadata']['name']}")
    for reason in ("CreatedPVCPrimeSuccessfully", "importSucceeded"):
        await has_event(suite, "target", "Normal", reason)


async def test_claims_of_late_classes(suite: Suite) -> None:
    """A class that binds late has the population wait for a pod, and tells where; or the claim asks for it at once."""
    storage = await late_class(suite)
    await source(suite, source=HTTP)
    target = await suite.create(CLAIMS, populated("target", storage=storage))
    await suite.create(CLAIMS, populated("now", notes=NOW, storage=storage))
    await bound(suite, "now")
    assert (await suite.call("GET", f"{CLAIMS}/prime-{uid(target)}"))[0] == 404
    disk = {"name": "disk", "persistentVolumeClaim": {"claimName": "target"}}
    pod = {"containers": [{"name": "c", "image": "i"}], "volumes": [disk]}
    await suite.create(PODS, {"metadata": {"name": "consumer"}, "spec": pod})
    prime = await prime_of(suite, target)
    node = annotations(prime)["volume.kubernetes.io/selected-node"]
    await bound(suite, "target")

    async def runs() -> bool:
        found = await suite.get(f"{PODS}/consumer")
        return (dig(found, "spec", "nodeName"), dig(found, "status", "phase")) == (node, "Running")

    await suite.eventually(runs, 60)


async def test_kept_volumes(suite: Suite) -> None:
    """A volume that is kept for the claim is its own at once, whenever its class binds."""
    storage = await late_class(suite)
    await source(suite, source=HTTP)
    await suite.create(CLAIMS, populated("target", notes=NOW, storage=storage))
    own = (await bound(suite, "target"))["spec"]["volumeName"]
    keep = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    await suite.patch(f"{PERSISTENT}/{own}", keep, MERGE_PATCH)
    await suite.delete(f"{CLAIMS}/target")
    await gone(suite, f"{CLAIMS}/target")
    free = {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
    await suite.patch(f"{PERSISTENT}/{own}", free, MERGE_PATCH)
    await suite.create(CLAIMS, populated("target", storage=storage))
    assert (await bound(suite, "target"))["spec"]["volumeName"] == own


async def test_sources_that_go(suite: Suite) -> None:
    """Once the population has begun its source is needed no more."""
    await source(suite, source=HTTP)
    target = await suite.create(CLAIMS, populated("target"))
    await prime_of(suite, target)
    await suite.delete(f"{CDI}/volumeimportsources/source")
    await bound(suite, "target")


async def test_sources_for_another_claim(suite: Suite) -> None:
    """A source may be meant for one claim."""
    await source(suite, source=HTTP, targetClaim="mine")
    other = await suite.create(CLAIMS, populated("other"))
    await suite.create(CLAIMS, populated("mine"))
    await bound(suite, "mine")
    assert (await suite.call("GET", f"{CLAIMS}/prime-{uid(other)}"))[0] == 404
    assert dig(await suite.get(f"{CLAIMS}/other"), "status", "phase") == "Pending"


async def test_what_is_retained(suite: Suite) -> None:
    """Who wants to look at it keeps what was filled in place of the claim, without its volume."""
    await source(suite, source=HTTP)
    notes = {f"{NOTE}pod.retainAfterCompletion": "true"}
    target = await suite.create(CLAIMS, populated("target", notes=notes))
    await bound(suite, "target")
    await has_event(suite, f"prime-{uid(target)}", "Warning", "RetainedPVCPrime")
    assert dig(await prime_of(suite, target), "status", "phase") == "Lost"
    await suite.delete(f"{CLAIMS}/target")
    await gone(suite, f"{CLAIMS}/prime-{uid(target)}")


async def test_imports_that_fail(suite: Suite) -> None:
    """The claim stays Pending and tells why; when somebody is there it is filled after all."""
    await source(suite, source={"http": {"url": "http://files.default/x"}})
    target = await suite.create(CLAIMS, populated("target"))
    found = await says(suite, "target", pod_restarts="2", condition_running_reason="Error")
    why = 'Unable to connect to http data source: Get "http://files.default/x": dial tcp: lookup files.default: no such host'
    assert annotations(found)[f"{NOTE}condition.running.message"] == why
    assert annotations(found)[f"{NOTE}pod.phase"] == "Running"
    assert dig(found, "status", "phase") == "Pending"
    told = [one["message"] for one in await suite.items(EVENTS) if one["reason"] == "ErrImportFailed"]
    assert {why, f"[prime-{uid(target)}] : {why}"} <= set(told)
    service = {"metadata": {"name": "files"}, "spec": {"ports": [{"port": 80}]}}
    await suite.create("/api/v1/namespaces/default/services", service)
    await bound(suite, "target")


async def test_data_volumes_by_populator(suite: Suite) -> None:
    """A DataVolume whose claim a populator of CDI's fills is done when that is."""
    await source(suite, source=HTTP)
    made = volume("dv")
    del made["spec"]["source"]
    made["spec"]["storage"]["dataSourceRef"] = populated("x")["spec"]["dataSourceRef"]
    await suite.create(VOLUMES, made)
    target = await there(suite, f"{CLAIMS}/dv")
    await prime_of(suite, target)
    assert reasons(await suite.get(f"{VOLUMES}/dv"))["Bound"] == ("False", "Pending")
    await succeeded(suite, "dv")
    await has_event(suite, "dv", "Normal", "ExternalPopulationSucceeded")


# --- uploads -----------------------------------------------------------------------------------------------------------


async def test_uploads(suite: Suite) -> None:
    """What is sent for the claim is received by the one in its place, once."""
    await source(suite, "VolumeUploadSource")
    target = await suite.create(CLAIMS, populated("upload-test", "VolumeUploadSource"))
    found = await says(suite, "upload-test", pod_ready="true", pod_phase="Running")
    assert dig(found, "status", "phase") == "Pending"
    prime = await prime_of(suite, target)
    assert annotations(found)[f"{NOTE}populator.pvcPrime"] == prime["metadata"]["name"]
    assert annotations(prime)[f"{NOTE}upload.target"] == ""
    token = await token_of(suite)
    assert (await sent(suite, "/v1beta1/upload", token)).status == 200
    found = await bound(suite, "upload-test")
    found = await says(suite, "upload-test", pod_phase="Succeeded")
    assert f"{NOTE}populator.pvcPrime" not in annotations(found)
    assert (await holds(suite)).files["disk.img"]
    await has_event(suite, "upload-test", "Normal", "UploadSucceeded")
    await gone(suite, f"{CLAIMS}/{prime['metadata']['name']}")
    again = await sent(suite, "/v1beta1/upload", token)
    text = b"rejecting Upload Request for PVC upload-test that already finished uploading"
    assert (again.status, again.body) == (503, text)


# --- clones ------------------------------------------------------------------------------------------------------------


async def origin(suite: Suite, size: str = "1Gi", mode: str = "Filesystem") -> None:
    """A claim that is full."""
    made = volume("gold", size=size)
    made["spec"]["storage"]["volumeMode"] = mode
    await suite.create(VOLUMES, made)
    await succeeded(suite, "gold")


GOLD = {"kind": "PersistentVolumeClaim", "name": "gold"}


async def cloned(suite: Suite, own: str = "target") -> Object:
    async def look() -> Object | None:
        found = await suite.get(f"{CLAIMS}/{own}")
        done = annotations(found).get("cdi.kubevirt.io/clonePhase") == "Succeeded"
        return found if done and "cdi.kubevirt.io/clonePopulator" not in finalizers(found) else None

    found = dict(await suite.eventually(look, 240))
    assert dig(found, "status", "phase") == "Bound"
    assert annotations(found)[f"{NOTE}populator.progress"] == "100.0%"
    return found


@pytest.mark.parametrize("last", ["target", "source", "origin"])
async def test_clones(suite: Suite, last: str) -> None:
    """[10973] Whichever of claim, VolumeCloneSource and source comes last; nothing temporary is left."""
    steps = {
        "origin": lambda: origin(suite),
        "source": lambda: source(suite, "VolumeCloneSource", source=GOLD),
        "target": lambda: suite.create(CLAIMS, populated("target", "VolumeCloneSource")),
    }
    for one in sorted(steps, key=lambda one: one == last):
        await steps[one]()
        await suite.cluster.advance(6)
    found = await cloned(suite)
    assert annotations(found)["cdi.kubevirt.io/cloneType"] == "csi-clone"
    assert labels(found)["app"] == "containerized-data-importer"
    await gone(suite, f"{CLAIMS}/tmp-pvc-{uid(found)}")
    if last == "origin":
        await has_event(suite, "target", "Warning", "CloneWithoutSource")


@pytest.mark.parametrize("way", ["csi-clone", "snapshot", "copy"])
async def test_ways_somebody_asks_for(suite: Suite, way: str) -> None:
    """[10977] [10993] [10995] The claim may say how; each way has its phases, and leaves no claim and no snapshot behind."""
    await origin(suite)
    await source(suite, "VolumeCloneSource", source=GOLD)
    notes = {"cdi.kubevirt.io/cloneType": way}
    target = await suite.create(CLAIMS, populated("target", "VolumeCloneSource", notes))
    if way == "copy":
        await says(suite, "target", populator_progress="42.00%")
        told = annotations(await suite.get(f"{CLAIMS}/target"))
        assert told["cdi.kubevirt.io/clonePhase"] == "HostClone"
    found = await cloned(suite)
    assert annotations(found)["cdi.kubevirt.io/cloneType"] == way
    assert annotations(found).get("k8s.io/CloneOf") == ("true" if way == "copy" else None)
    await gone(suite, f"{CLAIMS}/tmp-pvc-{uid(target)}")
    await gone(suite, f"{TAKEN}/tmp-snapshot-{uid(target)}")


async def test_larger_clones(suite: Suite) -> None:
    """A clone may be larger than its source, but not smaller."""
    await origin(suite)
    await source(suite, "VolumeCloneSource", source=GOLD)
    await suite.create(CLAIMS, populated("target", "VolumeCloneSource", size="2Gi"))
    assert (await cloned(suite))["status"]["capacity"]["storage"] == "2Gi"
    await suite.create(CLAIMS, populated("small", "VolumeCloneSource", size="512Mi"))
    await has_event(suite, "small", "Warning", "ErrIncompatiblePVC")
    await has_event(suite, "small", "Warning", "CloneValidationFailed")
    told = annotations(await suite.get(f"{CLAIMS}/small"))
    assert told["cdi.kubevirt.io/clonePhase"] == "Error"
    why = "target resources requests storage size is smaller than the source 536870912 < 1073741824"
    assert told["cdi.kubevirt.io/cloneError"] == why


@pytest.mark.parametrize(("of", "to"), [("Block", "Filesystem"), ("Filesystem", "Block")])
async def test_clones_of_another_mode(suite: Suite, of: str, to: str) -> None:
    """[10975] [11044] They are copied, and the claim tells why."""
    await origin(suite, mode=of)
    await source(suite, "VolumeCloneSource", source=GOLD)
    wanted = populated("target", "VolumeCloneSource")
    wanted["spec"]["volumeMode"] = to
    await suite.create(CLAIMS, wanted)
    found = await cloned(suite)
    assert annotations(found)["cdi.kubevirt.io/cloneType"] == "copy"
    why = "The volume modes of source and target are incompatible"
    assert annotations(found)["cdi.kubevirt.io/cloneFallbackReason"] == why
    await has_event(suite, "target", "Warning", "IncompatibleVolumeModes")


@pytest.mark.parametrize("grows", [True, False])
async def test_clones_of_snapshots(suite: Suite, grows: bool) -> None:
    """[10997] [10999] A snapshot is enough, when its claim has gone; where volumes do not grow what is larger is a copy."""
    await origin(suite)
    if not grows:
        await suite.patch(f"{CLASSES}/{CLASS}", {"allowVolumeExpansion": False}, MERGE_PATCH)
    taken = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}
    spec = {"source": {"persistentVolumeClaimName": "gold"}}
    await suite.create(TAKEN, {**taken, "metadata": {"name": "gold"}, "spec": spec})

    async def ready() -> bool:
        return bool(dig(await suite.get(f"{TAKEN}/gold"), "status", "readyToUse"))

    await suite.eventually(ready, 60)
    await suite.delete(f"{VOLUMES}/gold")
    await gone(suite, f"{CLAIMS}/gold")
    named = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "gold"}
    await source(suite, "VolumeCloneSource", source=named)
    await suite.create(CLAIMS, populated("target", "VolumeCloneSource", size="2Gi"))
    found = await cloned(suite)
    assert annotations(found)["cdi.kubevirt.io/cloneType"] == ("snapshot" if grows else "copy")
    assert found["status"]["capacity"]["storage"] == "2Gi"
    if not grows:
        await has_event(suite, "target", "Warning", "NoVolumeExpansion")
    assert dig(await suite.get(f"{TAKEN}/gold"), "status", "readyToUse") is True


async def test_classes_that_cannot(suite: Suite) -> None:
    """A clone says what is wrong with its class; when that has come it goes on."""
    await origin(suite)
    await source(suite, "VolumeCloneSource", source=GOLD)
    await suite.create(CLASSES, {"metadata": {"name": "rbd"}, "provisioner": "kubernetes.io/rbd"})
    reasons = {
        "later": "storage class later not found",
        "": f"PVC {NS}/none has empty storage class name",
        "rbd": f"can't use populator for PVC {NS}/rbd with in-tree storage class kubernetes.io/rbd",
    }
    for storage, why in reasons.items():
        own = storage or "none"
        await suite.create(CLAIMS, populated(own, "VolumeCloneSource", storage=storage))
        await suite.cluster.settle()
        told = annotations(await suite.get(f"{CLAIMS}/{own}"))
        assert (told["cdi.kubevirt.io/clonePhase"], told["cdi.kubevirt.io/cloneError"]) == ("Error", why)
    made = {"metadata": {"name": "later"}, "provisioner": "fakekube.io/volumes"}
    await suite.create(CLASSES, {**made, "allowVolumeExpansion": True})
    found = await cloned(suite, "later")
    assert "cdi.kubevirt.io/cloneError" not in annotations(found)


# --- claims that ask for an import themselves --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notes", "mode"),
    [
        ({"source": "none"}, "Filesystem"),
        ({"source": "none"}, "Block"),
        ({"endpoint": "http://images.example/x"}, "Block"),
        ({"endpoint": "http://images.example/archive.tar", "secretName": "keys"}, "Filesystem"),
    ],
    ids=["blank", "blank block", "block", "archive"],
)
async def test_annotations(suite: Suite, notes: dict[str, str], mode: str) -> None:
    """[4969] [4971] [2145] A claim says in annotations what it is to be imported from, and how far that is."""
    made = claim("create-image")
    made["metadata"]["annotations"] = {f"{NOTE}import.{one}": value for one, value in notes.items()}
    made["spec"]["volumeMode"] = mode
    await suite.create(CLAIMS, made)
    await says(suite, "create-image", pod_phase="Succeeded")
    if (notes, mode) != ({"source": "none"}, "Block"):
        await has_event(suite, "create-image", "Normal", "ImportSucceeded")
        told = annotations(await suite.get(f"{CLAIMS}/create-image"))
        assert told[f"{NOTE}import.importPodName"] == "importer-create-image"
        assert told[f"{NOTE}condition.running.message"] == "Import Complete"


async def test_they_never_fail_for_good(suite: Suite) -> None:
    """[4980] The importer is restarted for ever: the claim says Running."""
    made = claim("import-archive")
    made["metadata"]["annotations"] = {f"{NOTE}import.endpoint": "http://localhost/nothing"}
    await suite.create(CLAIMS, made)
    await says(suite, "import-archive", pod_phase="Running", condition_running="false")

    async def running() -> bool:
        told = annotations(await suite.get(f"{CLAIMS}/import-archive"))
        return told[f"{NOTE}pod.phase"] == "Running"

    await suite.consistently(running, 60)
    await has_event(suite, "import-archive", "Warning", "ErrImportFailed")


async def test_what_imports_wait_for(suite: Suite) -> None:
    """A claim somebody uses is not imported into, nor one whose keys are not there."""
    made = claim("used")
    await suite.create(CLAIMS, made)
    disk = {"name": "disk", "persistentVolumeClaim": {"claimName": "used"}}
    pod = {"containers": [{"name": "c", "image": "i"}], "volumes": [disk]}
    await suite.create(PODS, {"metadata": {"name": "user"}, "spec": pod})
    notes = {f"{NOTE}import.endpoint": "http://images.example/x", f"{NOTE}import.secretName": "later"}
    await suite.patch(f"{CLAIMS}/used", {"metadata": {"annotations": notes}}, MERGE_PATCH)
    await says(suite, "used", pod_phase="Pending")
    await suite.cluster.advance(30)
    await says(suite, "used", pod_phase="Pending")
    await suite.create(f"/api/v1/namespaces/{NS}/secrets", {"metadata": {"name": "later"}})
    await has_event(suite, "used", "Warning", "ImportTargetInUse")
    await says(suite, "used", pod_phase="Pending")
    await suite.delete(f"{PODS}/user")
    await says(suite, "used", pod_phase="Succeeded")
    assert dig(await suite.get(f"{CLAIMS}/used"), "spec", "storageClassName") == CLASS
