"""CDI's functional specs of claims that are rendered as they are made: by the label on them, or on their DataVolumes.

Left out: sizes that are corrected for a file system.
Origin: cdi: tests/{datavolume,clone-populator}_test.go, pkg/apiserver/webhooks/pvc-mutate_test.go; kubevirt: tests/libstorage
"""

from typing import Any

import pytest

from fakekube.machinery.objects import condition, dig
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import CLAIMS, EVENTS, NS, VOLUMES, set_up, succeeded, volume

CDI = "/apis/cdi.kubevirt.io/v1beta1"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
CLONES = f"{CDI}/namespaces/{NS}/volumeclonesources"
HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
LABEL = "cdi.kubevirt.io/applyStorageProfile"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
OF_MACHINES = "storageclass.kubevirt.io/is-default-virt-class"
BY_PROFILE = "FromStorageProfile"
MISSING = "PVC spec is missing accessMode and no storageClass to choose profile"
NEW = "new-profile"
BLOCKS = [{"accessModes": ["ReadWriteMany"], "volumeMode": "Block"}]
DENIED = 'admission webhook "pvc-mutate.cdi.kubevirt.io" denied the request: '


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await set_up(suite)
    return suite


def claim(own: str = "claim", size: str = "1Gi", **spec: Any) -> Object:
    body: Object = {"resources": {"requests": {"storage": size}}, **spec}
    return {"metadata": {"name": own, "labels": {LABEL: "true"}}, "spec": body}


def labelled(own: str = "dv", **storage: object) -> Object:
    made = volume(own)
    made["metadata"]["labels"] = {LABEL: "true"}
    made["spec"]["storage"] = {"resources": {"requests": {"storage": "1Gi"}}, **storage}
    return made


async def marked(suite: Suite, own: str, mark: str, value: str = "true") -> None:
    await suite.patch(f"{CLASSES}/{own}", {"metadata": {"annotations": {mark: value}}}, MERGE_PATCH)


async def another_class(suite: Suite, *known: object) -> None:
    """A class, and what its profile says."""
    await suite.create(CLASSES, {"metadata": {"name": NEW}, "provisioner": "example.com/second"})
    await suite.cluster.settle()
    if known:
        profile = f"{CDI}/storageprofiles/{NEW}"
        await suite.patch(profile, {"spec": {"claimPropertySets": [*known]}}, MERGE_PATCH)
        await suite.cluster.settle()


async def refused(suite: Suite, made: Object) -> str:
    status, answer = await suite.call("POST", CLAIMS, made)
    assert (status, answer["message"][: len(DENIED)]) == (400, DENIED), answer
    return str(answer["message"][len(DENIED) :])


def modes(made: Object) -> tuple[str, list[str], str]:
    spec = made["spec"]
    return spec["storageClassName"], spec["accessModes"], spec["volumeMode"]


async def test_what_claims_leave_open(suite: Suite) -> None:
    """Class, access modes and volume mode come from where a DataVolume's come from."""
    await another_class(suite, *BLOCKS)
    plain = await suite.create(CLAIMS, claim())
    assert modes(plain) == ("standard", ["ReadWriteOnce"], "Filesystem")
    made = await suite.create(CLAIMS, claim("blocks", storageClassName=NEW, volumeMode=BY_PROFILE))
    assert modes(made) == (NEW, ["ReadWriteMany"], "Block")
    said: Object = {"storageClassName": NEW, "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"}
    assert modes(await suite.create(CLAIMS, claim("said", **said))) == (
        NEW,
        ["ReadWriteOnce"],
        "Filesystem",
    )


async def test_the_class_of_machines(suite: Suite) -> None:
    """Where there is no default class, the one marked for machines counts; not for archives."""
    await another_class(suite, *BLOCKS)
    await marked(suite, "standard", DEFAULT, "false")
    await marked(suite, NEW, OF_MACHINES)
    made = await suite.create(CLAIMS, claim(volumeMode=BY_PROFILE))
    assert modes(made) == (NEW, ["ReadWriteMany"], "Block")
    archive = claim("archive", volumeMode=BY_PROFILE)
    archive["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.contentType": "archive"}
    assert await refused(suite, archive) == MISSING
    archive["spec"]["volumeMode"] = "Block"
    assert await refused(suite, archive) == "ContentType Archive cannot have block volumeMode"


async def test_what_no_claim_is_made_of(suite: Suite) -> None:
    """Nobody knows the modes, there is no class, it is too small, or has no size."""
    await another_class(suite)
    made = claim(storageClassName=NEW, volumeMode=BY_PROFILE)
    assert await refused(suite, made) == f"no accessMode specified in StorageProfile {NEW}"
    assert await refused(suite, claim(storageClassName="none")) == MISSING
    small = claim(size="1000Ki")
    assert await refused(suite, small) == "PVC Spec is not valid - storage size should be at least 1MiB"
    del small["spec"]["resources"]
    assert await refused(suite, small) == "PVC Spec is not valid - missing storage size"


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "none"])
async def test_sizes_of_clones(suite: Suite, kind: str) -> None:
    """A claim a populator is to clone has the size of its source, once there is one."""
    await suite.create(VOLUMES, volume("source", size="2Gi"))
    await succeeded(suite, "source")
    if kind != "none":
        source = {"kind": kind, "name": "source"}
        source_of = {
            "apiVersion": "cdi.kubevirt.io/v1beta1",
            "kind": "VolumeCloneSource",
            "metadata": {"name": "clone"},
        }
        await suite.create(CLONES, {**source_of, "spec": {"source": source}})
    reference = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeCloneSource", "name": "clone"}
    made = claim(dataSourceRef=reference)
    del made["spec"]["resources"]
    status, answer = await suite.call("POST", CLAIMS, made)
    if kind == "none":
        assert (status, answer["reason"]) == (422, "Invalid")
        return
    assert (status, answer["spec"]["resources"]["requests"]["storage"]) == (201, "2Gi")


async def test_it_can_be_disabled(suite: Suite) -> None:
    """Then claims are as they are made; DataVolumes are rendered by their controller."""
    [hook] = (await suite.get(f"{HOOKS}/cdi-api-pvc-mutate"))["webhooks"]
    assert hook["objectSelector"] == {"matchLabels": {LABEL: "true"}}
    config = {"spec": {"config": {"webhookPvcRendering": "Disabled"}}}
    await suite.patch(f"{CDI}/cdis/cdi", config, MERGE_PATCH)
    await suite.cluster.settle()
    status, answer = await suite.call("POST", CLAIMS, claim())
    assert (status, answer["message"].partition(":")[0]) == (
        422,
        'PersistentVolumeClaim "claim" is invalid',
    )
    await another_class(suite)
    await suite.create(VOLUMES, labelled(storageClassName=NEW))
    assert await told(suite) == (
        "False",
        "ErrClaimNotValid",
        f"no accessMode specified in StorageProfile {NEW}",
    )


async def told(suite: Suite, own: str = "dv") -> tuple[str, str, str]:
    await suite.cluster.settle()
    found = condition(await suite.get(f"{VOLUMES}/{own}"), "Bound") or {}
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize("mode", [BY_PROFILE, None])
async def test_claims_of_data_volumes(suite: Suite, mode: str | None) -> None:
    """[11047] [11049] Those of DataVolumes with the label are rendered alike: a mode that is left open is the server's own."""
    await another_class(suite, *BLOCKS, {"accessModes": ["ReadOnlyMany"], "volumeMode": "Filesystem"})
    open_ = {} if mode is None else {"volumeMode": mode}
    await suite.create(VOLUMES, labelled(storageClassName=NEW, **open_))
    await suite.cluster.settle()
    made = modes(await suite.get(f"{CLAIMS}/dv"))
    wanted = (["ReadOnlyMany"], "Filesystem") if mode is None else (["ReadWriteMany"], "Block")
    assert made == (NEW, *wanted)


async def test_data_volumes_that_wait_for_a_profile(suite: Suite) -> None:
    """[11046] [11050] [11051] Without a default class there is no claim, and the DataVolume says no more; with one there is."""
    await marked(suite, "standard", DEFAULT, "false")
    await suite.create(VOLUMES, labelled())
    assert await told(suite) == ("False", "NotFound", "No PVC found")
    found = [one for one in await suite.items(EVENTS) if one["reason"] == "NotFound"]
    assert [(one["type"], one["message"]) for one in found] == [("Normal", "No PVC found")]
    assert not [one for one in await suite.items(EVENTS) if one["reason"] == "ErrClaimNotValid"]
    await marked(suite, "standard", DEFAULT)
    await succeeded(suite, "dv")
    assert dig(await suite.get(f"{CLAIMS}/dv"), "spec", "storageClassName") == "standard"
