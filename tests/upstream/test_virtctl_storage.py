"""virtctl's commands about volumes, as the calls they make one after the other: uploads to what is there already, that wait, fail, or
become the source of others, and downloads of memory dumps.

Origin: kubevirt: pkg/virtctl/{imageupload,vmexport,memorydump}/, tests/virtctl/{imageupload,memorydump}.go
"""

import io
import tarfile
from typing import Any

import pytest

from fakekube.agents.volume_contents import volume_of
from fakekube.machinery.objects import annotations, name
from tests.upstream.conftest import Object, Suite
from tests.upstream.forwards import asked
from tests.upstream.test_virtctl import CORE, NS, VM, VMS, VOLUMES, Virtctl, blank, claim, machine, upload

CDI = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}"
CLAIMS = f"{CORE}/persistentvolumeclaims"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
EXPORTS = f"/apis/export.kubevirt.io/v1/namespaces/{NS}/virtualmachineexports"
NOTE = "cdi.kubevirt.io/storage."
FORCED = {f"{NOTE}bind.immediate.requested": ""}
IMAGE = b"a disk\n"


@pytest.fixture
async def virtctl(suite: Suite) -> Virtctl:
    return Virtctl(suite)


async def storage_class(virtctl: Virtctl, own: str, provisioner: str, binding: str = "Immediate") -> None:
    made = {"metadata": {"name": own}, "provisioner": provisioner, "volumeBindingMode": binding}
    await virtctl.suite.create(CLASSES, made)


def wanted(kind: str, own: str, storage: str = "", **notes: str) -> Object:
    """What `image-upload` makes, of a volume or a claim."""
    if kind == "dv":
        made = blank(own)
        made["spec"] |= {"source": {"upload": {}}, "contentType": "kubevirt"}
        spec = made["spec"]["storage"]
    else:
        made = claim(own)
        notes = {f"{NOTE}upload.target": "", f"{NOTE}contentType": "kubevirt", **notes}
        spec = made["spec"]
    if storage:
        spec |= {"storageClassName": storage}
    made["metadata"]["annotations"] = notes
    return made


async def failures(virtctl: Virtctl, own: str) -> list[str]:
    """What events make `image-upload` give up."""
    uids = set[str]()
    for path in (f"{CLAIMS}/{own}", f"{VOLUMES}/{own}"):
        status, found = await virtctl.suite.call("GET", path)
        uids |= {found["metadata"]["uid"]} if status == 200 else set()
    _, listed = await virtctl.suite.call("GET", f"{CORE}/events", fieldSelector=f"involvedObject.name={own}")
    reasons = ("ProvisioningFailed", "ErrClaimNotValid")
    return [
        one["reason"]
        for one in listed["items"]
        if one["reason"] in reasons and one["involvedObject"]["uid"] in uids
    ]


async def uploaded(virtctl: Virtctl, kind: str, own: str) -> None:
    """Waits as `image-upload` does, uploads, and waits until that has been processed."""

    async def ready() -> bool:
        if kind == "dv":
            return bool(
                (await virtctl.suite.get(f"{VOLUMES}/{own}")).get("status", {}).get("phase") == "UploadReady"
            )
        return annotations(await virtctl.suite.get(f"{CLAIMS}/{own}")).get(f"{NOTE}pod.ready") == "true"

    async def processed() -> bool:
        return annotations(await virtctl.suite.get(f"{CLAIMS}/{own}")).get(f"{NOTE}pod.phase") == "Succeeded"

    await virtctl.suite.eventually(ready, 300, 2)
    assert await failures(virtctl, own) == []
    await upload(virtctl, own, IMAGE)
    await virtctl.suite.eventually(processed, 60, 2)
    held = virtctl.suite.cluster.contents.of(volume_of(await virtctl.suite.get(f"{CLAIMS}/{own}")))
    assert (held.files["disk.img"] or "").encode().rstrip(b"\0") == IMAGE


@pytest.mark.parametrize("kind", ["dv", "pvc"])
async def test_forced_binding(virtctl: Virtctl, kind: str) -> None:
    """[11655] `--force-bind`: where volumes wait for their consumer there need not be one."""
    await storage_class(virtctl, "late", "local.example", "WaitForFirstConsumer")
    path = VOLUMES if kind == "dv" else CLAIMS
    made = wanted(kind, "disk", "late", **FORCED)
    if kind == "dv":
        made["spec"]["storage"]["accessModes"] = ["ReadWriteOnce"]
    await virtctl.suite.create(path, made)
    await uploaded(virtctl, kind, "disk")


async def test_a_claim_that_is_there(virtctl: Virtctl) -> None:
    """`--no-create`: virtctl marks the claim as one for uploads, by an update of what it has read."""
    await virtctl.suite.create(CLAIMS, claim("disk"))
    await virtctl.suite.cluster.settle()
    found = await virtctl.suite.get(f"{CLAIMS}/disk")
    found["metadata"].setdefault("annotations", {})[f"{NOTE}upload.target"] = ""
    assert (await virtctl.suite.call("PUT", f"{CLAIMS}/disk", found))[0] == 200
    await uploaded(virtctl, "pvc", "disk")


@pytest.mark.parametrize(
    ("kind", "reason"), [("dv", "ErrClaimNotValid"), ("pvc", "ProvisioningFailed")], ids=["dv", "pvc"]
)
async def test_nobody_provisions(virtctl: Virtctl, kind: str, reason: str) -> None:
    """[11658] Where no volume will come of it, an event of the very object says so before the time is up."""
    await storage_class(virtctl, "nobody", "kubernetes.io/no-provisioner")
    made = wanted(kind, "disk", "nobody", **FORCED)
    await virtctl.suite.create(VOLUMES if kind == "dv" else CLAIMS, made)

    async def told() -> bool:
        return reason in await failures(virtctl, "disk")

    await virtctl.suite.eventually(told, 300, 2)


async def test_a_source_for_others(virtctl: Virtctl) -> None:
    """`--datasource`: made with the labels of the claim, ready once the upload is done; one that is there is patched."""
    marks = {"instancetype.kubevirt.io/default-instancetype": "u1.small"}
    made = wanted("dv", "disk", **FORCED)
    made["metadata"]["labels"] = marks
    await virtctl.suite.create(VOLUMES, made)
    await uploaded(virtctl, "dv", "disk")
    assert marks.items() <= (await virtctl.suite.get(f"{CLAIMS}/disk"))["metadata"]["labels"].items()
    status, _ = await virtctl.suite.call("GET", f"{CDI}/datasources/disk")
    assert status == 404
    pvc = {"name": "disk", "namespace": NS}
    source = {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataSource",
        "metadata": {"name": "disk", "namespace": NS, "creationTimestamp": None, "labels": marks},
        "spec": {"source": {"pvc": pvc}},
        "status": {"source": {}},
    }
    await virtctl.suite.create(f"{CDI}/datasources", source)

    async def ready() -> bool:
        found = (await virtctl.suite.get(f"{CDI}/datasources/disk")).get("status", {})
        told = {one["type"]: one["status"] for one in found.get("conditions", ())}
        return told.get("Ready") == "True"

    await virtctl.suite.eventually(ready, 60)
    change = [
        {"op": "replace", "path": "/metadata/labels", "value": {"a": "b"}},
        {"op": "replace", "path": "/spec/source/pvc", "value": pvc},
    ]
    assert (await virtctl.suite.patch(f"{CDI}/datasources/disk", change))["metadata"]["labels"]["a"] == "b"


async def exported(virtctl: Virtctl, own: str, source: Object) -> bytes:
    """`vmexport download --port-forward`: an export with a token, until its inner links are there; what its pod serves packed."""
    spec = {"tokenSecretRef": f"secret-{own}", "source": source}
    kind = {"apiVersion": "export.kubevirt.io/v1", "kind": "VirtualMachineExport"}
    await virtctl.suite.create(
        EXPORTS, {**kind, "metadata": {"name": own, "creationTimestamp": None}, "spec": spec}
    )
    secret = {"metadata": {"name": f"secret-{own}"}, "type": "Opaque", "data": {"token": "dG9rZW4="}}
    await virtctl.suite.create(f"{CORE}/secrets", secret)

    async def ready() -> Any:
        status = (await virtctl.suite.get(f"{EXPORTS}/{own}")).get("status", {})
        return status.get("phase") == "Ready" and status["links"].get("internal")

    links = await virtctl.suite.eventually(ready, 120, 2)
    (volume,) = links["volumes"]
    (at,) = [one["url"] for one in volume["formats"] if one["format"] in ("gzip", "tar.gz")]
    service = await virtctl.suite.get(f"{CORE}/services/virt-export-{own}")
    selector = ",".join(f"{label}={value}" for label, value in service["spec"]["selector"].items())
    (pod,) = await virtctl.suite.items(f"{CORE}/pods", selector)
    got = await asked(
        virtctl.suite,
        f"{CORE}/pods/{name(pod)}",
        "/" + at.removeprefix("https://").partition("/")[2],
        X_Kubevirt_Export_Token="token",
    )
    await virtctl.suite.delete(f"{EXPORTS}/{own}", {})
    assert got.status == 200
    return got.body


async def test_downloads_of_dumps(virtctl: Virtctl) -> None:
    """[9343] [9344] `memory-dump download`: the claim of a dump is exported packed, under a name made of the machine's and its own."""
    await virtctl.suite.create(VMS, machine())
    await virtctl.until("Running")
    await virtctl.suite.create(CLAIMS, claim("dump"))
    assert await virtctl.put(f"{VM}/memorydump", {"claimName": "dump"}) == 202

    async def complete() -> Any:
        request = (await virtctl.vm())["status"].get("memoryDumpRequest", {})
        return request if request.get("phase") == "Completed" else None

    request = dict(await virtctl.suite.eventually(complete, 600, 2))
    source = {"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "dump"}
    packed = await exported(virtctl, "export-vm-dump", source)
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        (file,) = [one for one in archive if one.isreg()]
    assert file.name.removeprefix("./") == request["fileName"]
    assert file.size > 0
