"""CDI's functional specs of uploads through a forwarded port: who is let in, once, by which paths, and from pages.

Left out: images that are too large, and the pods, services and secrets of upload servers.
Origin: cdi: tests/upload_test.go, pkg/uploadproxy/uploadproxy.go, pkg/uploadserver/uploadserver.go; kubevirt: tests/storage/imageupload.go
"""

import gzip
import hashlib
import io
import tarfile

import pytest

from fakekube.agents.volume_contents import Held, volume_of
from fakekube.machinery.objects import annotations, name
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.forwards import Got, asked
from tests.upstream.storage import CLAIMS, CLASS, NS, VOLUMES, claim, has_event, set_up, succeeded, volume
from tests.upstream.test_export_download_specs import inside, mounting, url, written
from tests.upstream.test_export_specs import Export

TOKENS = f"/apis/upload.cdi.kubevirt.io/v1beta1/namespaces/{NS}/uploadtokenrequests"
CDI_PODS = "/api/v1/namespaces/cdi/pods"
PATHS = [
    f"/{version}/upload{kind}"
    for version in ("v1beta1", "v1alpha1")
    for kind in ("", "-async", "-form", "-form-async")
]
FOO = "foo.bar.com"
IMAGE = b"QFI\xfb" + bytes(range(256)) * 400
FORM = "multipart/form-data; boundary=xyz"


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await set_up(suite)
    wanted: Object = claim("upload-test")
    wanted["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.upload.target": ""}
    await suite.create(CLAIMS, wanted)

    async def ready() -> bool:
        found = await suite.get(f"{CLAIMS}/upload-test")
        return annotations(found).get("cdi.kubevirt.io/storage.pod.ready") == "true"

    await suite.eventually(ready, 270)
    return suite


async def sent(
    suite: Suite, path: str, token: str, method: str = "POST", *, body: bytes = IMAGE, **headers: str
) -> Got:
    """What is sent to CDI's proxy as `kubectl port-forward svc/cdi-uploadproxy` does it."""
    pod, *_ = await suite.items(CDI_PODS, "cdi.kubevirt.io=cdi-uploadproxy")
    headers = {"Origin": FOO, **({"Authorization": f"Bearer {token}"} if token else {}), **headers}
    return await asked(suite, f"{CDI_PODS}/{name(pod)}", path, method=method, body=body, **headers)


async def token_of(suite: Suite, claim_name: str = "upload-test") -> str:
    request = {
        "apiVersion": "upload.cdi.kubevirt.io/v1beta1",
        "kind": "UploadTokenRequest",
        "metadata": {"name": "token"},
        "spec": {"pvcName": claim_name},
    }
    return str((await suite.create(TOKENS, request))["status"]["token"])


def form(image: bytes, field: str = "file") -> bytes:
    """What a page sends, with something else before the image."""
    head = f'--xyz\r\nContent-Disposition: form-data; name="{field}"; filename="x"\r\n\r\n'.encode()
    other = b'--xyz\r\nContent-Disposition: form-data; name="more"; filename="file"\r\n\r\nno\r\n'
    return other + head + image + b"\r\n--xyz--\r\n"


def tar(**files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for own, data in files.items():
            member = tarfile.TarInfo(f"inside/{own}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "inside"
        archive.addfile(link)
    return made.getvalue()


async def holds(suite: Suite, own: str = "upload-test") -> Held:
    """What the volume of a claim holds."""
    return suite.cluster.contents.of(volume_of(await suite.get(f"{CLAIMS}/{own}")))


async def contains(suite: Suite, content: str) -> None:
    """That is what the claim is for."""
    note = {"cdi.kubevirt.io/storage.contentType": content}
    await suite.patch(f"{CLAIMS}/upload-test", {"metadata": {"annotations": note}}, MERGE_PATCH)


@pytest.mark.parametrize("path", PATHS)
async def test_uploads(suite: Suite, path: str) -> None:
    """[1368] [5078]–[5082] [4988] By each path, once: the claim holds what was sent, says so, and a second upload is refused."""
    token = await token_of(suite)
    if "form" in path:
        got = await sent(suite, path, token, body=form(IMAGE), Content_Type=FORM)
    else:
        got = await sent(suite, path, token)
    assert (got.status, got.body, got.headers["access-control-allow-origin"]) == (200, b"", "*")
    found = await suite.get(f"{CLAIMS}/upload-test")
    assert annotations(found)["cdi.kubevirt.io/storage.pod.phase"] == "Succeeded"
    await has_event(suite, "upload-test", "Normal", "UploadSucceeded", "Upload Successful")
    again = await sent(suite, path, token)
    assert (again.status, again.headers["access-control-allow-origin"]) == (503, "*")
    image = (await holds(suite)).files["disk.img"] or ""
    assert image.encode(errors="surrogateescape").rstrip(b"\0") == IMAGE


async def test_what_pods_find(suite: Suite) -> None:
    """[1368] A pod on the claim finds the image, with zeros after it, or what it was before it was packed."""
    got = await sent(suite, PATHS[1], await token_of(suite), body=gzip.compress(IMAGE))
    assert got.status == 200
    pod = await mounting(suite, "upload-test")
    found = (await inside(suite, pod, "sh", "-c", f"head -c {len(IMAGE)} /data/disk.img | md5sum")).split()[0]
    assert found == hashlib.md5(IMAGE).hexdigest()


@pytest.mark.parametrize("packed", [False, True], ids=["tar", "tar.gz"])
async def test_archives(suite: Suite, *, packed: bool) -> None:
    """The files of an archive lie on the claim; links are left out."""
    await contains(suite, "archive")
    archive = tar(a=b"one\n", b=IMAGE)
    got = await sent(
        suite, PATHS[0], await token_of(suite), body=gzip.compress(archive) if packed else archive
    )
    assert got.status == 200
    pod = await mounting(suite, "upload-test")
    assert await inside(suite, pod, "cat", "/data/inside/a") == "one\n"
    assert sorted((await holds(suite)).files) == ["inside/a", "inside/b"]


@pytest.mark.parametrize(
    ("content", "body", "why"),
    [
        ("archive", b"no archive", "target directory: unable to untar files from endpoint"),
        ("archive", b"\x1f\x8b no gzip", "target directory: unable to untar files from endpoint"),
        ("kubevirt", gzip.compress(IMAGE)[:-9], "target file"),
    ],
)
async def test_what_cannot_be_read(suite: Suite, content: str, body: bytes, why: str) -> None:
    """Is refused, with the reason where the upload is asynchronous; then something better may be sent."""
    await contains(suite, content)
    token = await token_of(suite)
    got = await sent(suite, PATHS[0], token, body=body)
    assert (got.status, got.body) == (500, b"")
    got = await sent(suite, PATHS[1], token, body=body)
    text = f"Saving stream failed: Unable to transfer source data to {why}"
    assert (got.status, got.body.decode()) == (500, text)
    assert await holds(suite) == Held()
    assert (await sent(suite, PATHS[0], token, body=gzip.compress(tar(a=b"1")))).status == 200


async def test_other_requests(suite: Suite) -> None:
    """Only POST uploads: HEAD tells that there is an asynchronous way, and a form without a file is a mistake."""
    token = await token_of(suite)
    for method, path, status in (
        ("HEAD", PATHS[0], 404),
        ("HEAD", PATHS[1], 200),
        ("GET", PATHS[0], 404),
        ("PUT", PATHS[1], 404),
    ):
        assert (await sent(suite, path, token, method, body=b"")).status == status
    assert (await sent(suite, PATHS[2], token)).status == 400
    wrong = form(IMAGE, "other")
    assert (await sent(suite, PATHS[3], token, body=wrong, Content_Type=FORM)).status == 400
    found = await suite.get(f"{CLAIMS}/upload-test")
    assert annotations(found)["cdi.kubevirt.io/storage.pod.phase"] == "Running"


@pytest.mark.parametrize("body", [b"x" * (2 << 20), b"x" * (17 << 20)], ids=["unkept", "unread"])
async def test_large_images(suite: Suite, body: bytes) -> None:
    """Images there is no room for are taken, and leave a blank disk."""
    assert (await sent(suite, PATHS[0], await token_of(suite), body=body)).status == 200
    assert not ((await holds(suite)).files["disk.img"] or "").strip("\0")


@pytest.mark.parametrize("kind", ["raw", "gzip"])
async def test_what_was_downloaded(suite: Suite, kind: str) -> None:
    """A disk that an exporter served is the same disk once it is uploaded, for pods and guests."""
    source = await written(suite, size="16Mi")
    export = await Export.of(suite, "PersistentVolumeClaim", "source")
    where = url(await export.ready(), kind, proxied=False).removeprefix("https://").partition("/")[2]
    path = f"/{where}?x-kubevirt-export-token=source"
    exporter = f"/api/v1/namespaces/{NS}/pods/{name(await export.pod())}"
    image = await asked(suite, exporter, path)
    assert image.status == 200
    got = await sent(suite, PATHS[1], await token_of(suite), body=image.body)
    assert got.status == 200
    there = suite.cluster.contents.of(volume_of(source)).disk
    assert there
    found = {path: text for path, text in (await holds(suite)).disk.items() if not path.endswith("/.")}
    assert found == there


@pytest.mark.parametrize("kind", ["claim", "volume"])
async def test_targets_in_use(suite: Suite, kind: str) -> None:
    """Where no populator has a claim for itself nobody receives anything into one that a pod uses, and the pod is named."""
    plain = {"cdi.kubevirt.io/storage.usePopulator": "false"}
    if kind == "claim":
        await suite.create(CLAIMS, claim("used"))
    else:
        made = volume("used", source={"upload": {}})
        late = "/apis/storage.k8s.io/v1/storageclasses"
        found = await suite.get(f"{late}/{CLASS}")
        body = {"metadata": {"name": "late"}, "provisioner": found["provisioner"]}
        await suite.create(late, {**body, "volumeBindingMode": "WaitForFirstConsumer"})
        made["spec"]["storage"] |= {"storageClassName": "late", "volumeMode": "Filesystem"}
        await suite.create(VOLUMES, {**made, "metadata": {"name": "used", "annotations": plain}})

        async def there() -> bool:
            return (await suite.call("GET", f"{CLAIMS}/used"))[0] == 200

        await suite.eventually(there, 30)
    pod = await mounting(suite, "used")
    if kind == "claim":
        note = {"metadata": {"annotations": {"cdi.kubevirt.io/storage.upload.target": ""}}}
        await suite.patch(f"{CLAIMS}/used", note, MERGE_PATCH)
    text = f"pod {NS}/{name(pod)} using PersistentVolumeClaim used"
    await has_event(suite, "used", "Warning", "UploadTargetInUse", text)
    await suite.cluster.advance(60)
    token = await token_of(suite, "used")
    refused = await sent(suite, PATHS[0], token)
    assert (refused.status, refused.body) == (503, b"timed out waiting for the condition")
    if kind == "volume":
        assert (await suite.get(f"{VOLUMES}/used"))["status"]["phase"] == "UploadScheduled"
    await suite.delete(f"{CLAIMS.replace('persistentvolumeclaims', 'pods')}/{name(pod)}")

    async def received() -> bool:
        return (await sent(suite, PATHS[0], token)).status == 200

    await suite.eventually(received, 60)
    if kind == "volume":
        await succeeded(suite, "used")


async def test_data_volumes(suite: Suite) -> None:
    """`image-upload dv` into a device, of which a clone holds the same."""
    made = volume("dv", source={"upload": {}})
    made["spec"]["storage"]["volumeMode"] = "Block"
    await suite.create(VOLUMES, made)

    async def ready() -> bool:
        return bool((await suite.get(f"{VOLUMES}/dv"))["status"].get("phase") == "UploadReady")

    await suite.eventually(ready, 60)
    assert (await sent(suite, PATHS[1], await token_of(suite, "dv"))).status == 200
    await succeeded(suite, "dv")
    copy = volume("copy", source={"pvc": {"namespace": NS, "name": "dv"}})
    copy["spec"]["storage"]["volumeMode"] = "Block"
    await suite.create(VOLUMES, copy)
    await succeeded(suite, "copy")
    pod = await mounting(suite, "copy")
    found = (await inside(suite, pod, "sh", "-c", f"head -c {len(IMAGE)} /dev/volume | md5sum")).split()[0]
    assert found == hashlib.md5(IMAGE).hexdigest()


async def test_strangers(suite: Suite) -> None:
    """[1369] Without a token of CDI's nobody is let in, and pages are told so as well."""
    for token, status in (("abc", 401), ("", 400)):
        got = await sent(suite, PATHS[0], token)
        assert (got.status, got.headers["access-control-allow-origin"]) == (status, "*")


async def test_pages_that_ask_first(suite: Suite) -> None:
    """A browser asks whether a page may upload with a token: it may, from anywhere."""
    asks = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    got = await sent(suite, PATHS[0], "", "OPTIONS", **asks)
    assert (got.status, got.headers["access-control-allow-origin"]) == (204, "*")
    assert got.headers["access-control-allow-methods"] == "POST"
    assert got.headers["access-control-allow-headers"] == "authorization"
    got = await sent(suite, PATHS[0], "", "OPTIONS", Access_Control_Request_Method="TRACE")
    assert (got.status, "access-control-allow-origin" in got.headers) == (204, False)


async def test_what_is_said_back_is_harmless(suite: Suite) -> None:
    """What somebody has written into a claim reaches no page as it is."""
    note = {"cdi.kubevirt.io/storage.contentType": "<script>Bad stuff here...</script>"}
    await suite.patch(f"{CLAIMS}/upload-test", {"metadata": {"annotations": note}}, MERGE_PATCH)
    got = await sent(suite, PATHS[0], await token_of(suite))
    assert got.status == 400
    assert b"&lt;script&gt;" in got.body
    assert b"<script>" not in got.body
    assert b"upload-test" in got.body


async def test_claims_nobody_provisions(suite: Suite) -> None:
    """`image-upload pvc --storage-class` of volumes made by hand: virtctl finds out by an event that there will be none."""
    made = {"metadata": {"name": "no-sc"}, "provisioner": "kubernetes.io/no-provisioner"}
    await suite.create("/apis/storage.k8s.io/v1/storageclasses", made)
    await suite.create(CLAIMS, claim("nowhere", storage="no-sc"))
    await has_event(suite, "nowhere", "Warning", "ProvisioningFailed")
