"""CDI's functional specs of claims cloned from claims and snapshots: the ways to clone, sources in use, what is told meanwhile.

Left out: hashes of contents, size detection, the pods and sources a populator makes on its way; there are no bytes to move.
Origin: cdi: tests/{cloner,csiclone,smartclone,clone-populator}_test.go, pkg/controller/clone/*_test.go,
pkg/controller/datavolume/{pvc,snapshot}-clone-controller_test.go
"""

from typing import Any

import pytest

from fakekube.machinery.objects import annotations
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
    set_up,
    succeeded,
    volume,
)

OTHER = "kubevirt-test-alternative1"
CDI = "/apis/cdi.kubevirt.io/v1beta1"
PROFILE = f"{CDI}/storageprofiles/{CLASS}"
PODS = f"/api/v1/namespaces/{NS}/pods"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    suite = await suite_of(pace="realistic")
    await set_up(suite)
    await suite.create("/api/v1/namespaces", {"metadata": {"name": OTHER}})
    return suite


async def filled(suite: Suite, own: str = "source", **more: Any) -> None:
    await suite.create(VOLUMES, volume(own, **more))
    await succeeded(suite, own)


def clone(own: str = "target", of: str = "source", kind: str = "pvc", **more: Any) -> Object:
    return volume(own, source={kind: {"namespace": NS, "name": of}}, **more)


async def run(suite: Suite, of: str, *, read_only: bool = False, own: str = "temp-pod") -> None:
    """A pod that uses a claim, once it runs."""
    mount = {"name": "disk", "mountPath": "/pvc", "readOnly": read_only}
    disk = {"name": "disk", "persistentVolumeClaim": {"claimName": of}}
    spec = {"containers": [{"name": "main", "image": "alpine", "volumeMounts": [mount]}], "volumes": [disk]}
    await suite.create(PODS, {"metadata": {"name": own}, "spec": spec})

    async def runs() -> bool:
        return bool((await suite.get(f"{PODS}/{own}"))["status"].get("phase") == "Running")

    await suite.eventually(runs, 90)


async def phase(suite: Suite, own: str = "target", space: str = NS) -> str:
    found = await suite.get(f"{VOLUMES.replace(NS, space)}/{own}")
    return str(found.get("status", {}).get("phase", ""))


async def reaches(suite: Suite, wanted: str, own: str = "target", space: str = NS) -> None:
    async def look() -> bool:
        return await phase(suite, own, space) == wanted

    await suite.eventually(look, 180)


async def messages(suite: Suite, reason: str, space: str = NS) -> list[str]:
    return [one["message"] for one in await suite.items(EVENTS.replace(NS, space)) if one["reason"] == reason]


@pytest.mark.parametrize("space", [NS, OTHER])
async def test_a_source_in_use(suite: Suite, space: str) -> None:
    """[4954] [4987] A clone waits until no pod uses its source any more, in whichever namespace, and says who does."""
    await filled(suite)
    await run(suite, "source")
    await suite.create(VOLUMES.replace(NS, space), clone())

    async def told() -> bool:
        return bool(await messages(suite, "CloneSourceInUse", space))

    await suite.eventually(told, 90)
    await suite.cluster.advance(120)
    text = f"pod {NS}/temp-pod using PersistentVolumeClaim source"
    assert await messages(suite, "CloneSourceInUse", space) == [text]
    assert await phase(suite, space=space) == "CSICloneInProgress"
    await suite.delete(f"{PODS}/temp-pod")
    await reaches(suite, "Succeeded", space=space)
    done = f"Successfully cloned from {NS}/source into {space}/target"
    assert await messages(suite, "CloneSucceeded", space) == [done]


async def test_a_source_that_is_read(suite: Suite) -> None:
    """Whoever cannot write to it does not matter."""
    await filled(suite)
    await run(suite, "source", read_only=True)
    await suite.create(VOLUMES, clone())
    await succeeded(suite, "target")
    assert await messages(suite, "CloneSourceInUse") == []


async def test_a_source_that_is_being_filled(suite: Suite) -> None:
    """A clone waits until its source is there, and full."""
    await suite.create(VOLUMES, volume("source", source={"http": {"url": "http://nowhere.invalid/x"}}))
    await suite.create(VOLUMES, clone())
    await reaches(suite, "CSICloneInProgress")
    await suite.cluster.advance(120)
    assert await phase(suite) == "CSICloneInProgress"
    await suite.gone(f"{VOLUMES}/source")
    await suite.cluster.advance(1)
    await filled(suite)
    await succeeded(suite, "target")


@pytest.mark.parametrize(
    ("of", "notes", "wanted"),
    [("1Gi", {"cdi.kubevirt.io/storage.contentType": "archive"}, "1Gi"), ("2Gi", {}, "1Gi")],
    ids=["content", "size"],
)
async def test_a_source_that_comes_and_is_another(
    suite: Suite, of: str, notes: dict[str, str], wanted: str
) -> None:
    """What a source may not be when the clone is made it may not be when it comes later, either: until there is another one there is
    no claim, and that is told."""
    by_claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": wanted}}}
    body = clone()
    body["spec"] = {"source": body["spec"]["source"], "pvc": {**by_claim, "storageClassName": CLASS}}
    await suite.create(VOLUMES, body)
    await has_event(suite, "target", "Warning", "CloneWithoutSource")
    came = claim("source", size=of)
    await suite.create(CLAIMS, {**came, "metadata": {"name": "source", "annotations": notes}})
    text = "The clone doesn't meet the validation requirements"
    await has_event(suite, "target", "Warning", "CloneValidationFailed", text)
    await suite.cluster.advance(60)
    assert (await suite.call("GET", f"{CLAIMS}/target"))[0] == 404
    assert await phase(suite) == ""
    await suite.delete(f"{CLAIMS}/source")
    await suite.cluster.advance(1)
    await suite.create(CLAIMS, claim("source"))
    await succeeded(suite, "target")


async def test_a_snapshot_that_is_too_large(suite: Suite) -> None:
    """So it is with snapshots; how large they are is known once they are taken, and a clone of no size of its own waits for that."""
    for own, more in (("small", {}), ("open", {"storage": {"storageClassName": CLASS}})):
        body = clone(own, "taken", "snapshot")
        body["spec"] |= more
        await suite.create(VOLUMES, body)
        await has_event(suite, own, "Warning", "CloneWithoutSource")
    await filled(suite, size="2Gi")
    kind = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}
    spec = {"source": {"persistentVolumeClaimName": "source"}}
    await suite.create(TAKEN, {**kind, "metadata": {"name": "taken"}, "spec": spec})
    await has_event(suite, "small", "Warning", "CloneValidationFailed")
    await succeeded(suite, "open")
    found = await suite.get(f"{CLAIMS}/open")
    assert found["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert (await suite.call("GET", f"{CLAIMS}/small"))[0] == 404


async def test_a_claim_in_use(suite: Suite) -> None:
    """An import into a claim of a class without a driver waits until no pod uses that any more; a populator has it alone."""
    await suite.create(CLASSES, {"metadata": {"name": "plain"}, "provisioner": "plain"})
    http = {"http": {"url": "http://example/x"}}
    await suite.create(VOLUMES, volume("dv", source=http, storage="plain"))
    await run(suite, "dv")
    await has_event(suite, "dv", "Warning", "ImportTargetInUse")
    await suite.cluster.advance(120)
    assert await messages(suite, "ImportTargetInUse") == [f"pod {NS}/temp-pod using PersistentVolumeClaim dv"]
    assert await phase(suite, "dv") == "ImportScheduled"
    await suite.delete(f"{PODS}/temp-pod")
    await succeeded(suite, "dv")

    await suite.create(VOLUMES, volume("other", source=http))
    await run(suite, "other", own="another")
    await succeeded(suite, "other")


async def test_drivers(suite: Suite) -> None:
    """Populators fill claims of classes that have a driver, or whose DataVolume says so."""
    await suite.create(CLASSES, {"metadata": {"name": "plain"}, "provisioner": "plain"})
    uses = "cdi.kubevirt.io/storage.usePopulator"

    async def used(own: str, storage: str = CLASS, **notes: str) -> str:
        made = volume(own, storage=storage)
        made["metadata"]["annotations"] = notes
        await suite.create(VOLUMES, made)
        await succeeded(suite, own)
        return annotations(await suite.get(f"{CLAIMS}/{own}"))[uses]

    assert await used("a") == "true"
    assert await used("b", "plain") == "false"
    assert await used("c", "plain", **{uses: "true"}) == "true"
    await suite.create("/apis/storage.k8s.io/v1/csidrivers", {"metadata": {"name": "plain"}, "spec": {}})
    assert await used("d", "plain") == "true"


SMART = "Creating snapshot for smart-clone is in progress (for pvc {source})"


@pytest.mark.parametrize(
    ("way", "passes", "message"),
    [
        ("csi-clone", "CSICloneInProgress", "CSI Volume clone in progress (for pvc {source})"),
        ("snapshot", "SnapshotForSmartCloneInProgress", SMART),
        ("copy", "CloneInProgress", "Cloning from {source} into {target} in progress"),
    ],
)
async def test_ways_to_clone(suite: Suite, way: str, passes: str, message: str) -> None:
    """[3494] [10977] [10993] [10995] A class says how its claims are cloned; claim and DataVolume say how they were."""
    await filled(suite)
    await suite.patch(PROFILE, {"spec": {"cloneStrategy": way}}, MERGE_PATCH)
    await suite.cluster.settle()
    await suite.create(VOLUMES, clone())
    await reaches(suite, passes)
    await succeeded(suite, "target")
    names = {"source": f"{NS}/source", "target": f"{NS}/target"}
    assert await messages(suite, passes) == [message.format(**names)]
    scheduled = f"Cloning from {NS}/source into {NS}/target scheduled"
    assert await messages(suite, "CloneScheduled") == [scheduled]
    for path in (CLAIMS, VOLUMES):
        assert annotations(await suite.get(f"{path}/target"))["cdi.kubevirt.io/cloneType"] == way


async def test_one_way_for_all(suite: Suite) -> None:
    """[5278] CDI says it of all classes."""
    await filled(suite)
    await suite.patch(f"{CDI}/cdis/cdi", {"spec": {"cloneStrategyOverride": "copy"}}, MERGE_PATCH)
    await suite.cluster.settle()
    await suite.create(VOLUMES, clone())
    await succeeded(suite, "target")
    assert await messages(suite, "CSICloneInProgress") == []
    assert len(await messages(suite, "CloneInProgress")) == 1


@pytest.mark.parametrize(
    ("modes", "storage", "reason", "message"),
    [
        (
            ("Block", "Filesystem"),
            CLASS,
            "IncompatibleVolumeModes",
            "The volume modes of source and target are incompatible",
        ),
        (("Filesystem", "Filesystem"), "driven", "IncompatibleProvisioners", "Provisioners are incompatible"),
    ],
)
async def test_a_clone_unlike_its_source(
    suite: Suite, modes: tuple[str, str], storage: str, reason: str, message: str
) -> None:
    """[10975] [11044] It is copied, and the claim says why."""
    await suite.create("/apis/storage.k8s.io/v1/csidrivers", {"metadata": {"name": "driven"}, "spec": {}})
    await suite.create(CLASSES, {"metadata": {"name": "driven"}, "provisioner": "driven"})
    profile = f"{CDI}/storageprofiles/driven"

    async def known() -> bool:
        return (await suite.call("GET", profile))[0] == 200

    await suite.eventually(known, 30)
    await suite.patch(profile, {"spec": {"cloneStrategy": "csi-clone"}}, MERGE_PATCH)
    await suite.cluster.settle()
    given = volume("source")
    given["spec"]["storage"]["volumeMode"] = modes[0]
    await suite.create(VOLUMES, given)
    await succeeded(suite, "source")
    wanted = clone(storage=storage)
    wanted["spec"]["storage"]["volumeMode"] = modes[1]
    await suite.create(VOLUMES, wanted)
    await reaches(suite, "CloneInProgress")
    await succeeded(suite, "target")
    found = annotations(await suite.get(f"{CLAIMS}/target"))
    assert found["cdi.kubevirt.io/cloneType"] == "copy"
    assert found["cdi.kubevirt.io/cloneFallbackReason"] == message
    assert await messages(suite, reason) == [message]


async def test_a_clone_of_a_snapshot(suite: Suite) -> None:
    """A snapshot is never in use."""
    await filled(suite)
    taken: Object = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}
    taken |= {"metadata": {"name": "taken"}, "spec": {"source": {"persistentVolumeClaimName": "source"}}}
    await suite.create(TAKEN, taken)
    await suite.cluster.settle()
    await run(suite, "source")
    await suite.create(VOLUMES, clone(of="taken", kind="snapshot"))
    await reaches(suite, "CloneFromSnapshotSourceInProgress")
    await succeeded(suite, "target")
    text = f"Creating PVC from snapshot source is in progress (for snapshot {NS}/taken)"
    assert await messages(suite, "CloneFromSnapshotSourceInProgress") == [text]


async def test_the_product(suite: Suite) -> None:
    """What CDI makes is part of the product its object is part of."""
    product = {"app.kubernetes.io/part-of": "testing", "app.kubernetes.io/version": "v0.0.0-tests"}
    await suite.patch(f"{CDI}/cdis/cdi", {"metadata": {"labels": product}}, MERGE_PATCH)
    await suite.cluster.settle()
    await filled(suite)
    await suite.create(CLASSES, {"metadata": {"name": "new"}, "provisioner": "new"})
    await suite.cluster.settle()
    for path in (f"{CLAIMS}/source", f"{CDI}/cdiconfigs/config", f"{CDI}/storageprofiles/new"):
        labels = (await suite.get(path))["metadata"]["labels"]
        assert product.items() <= labels.items()
        assert labels["app.kubernetes.io/managed-by"] == "cdi-controller"
