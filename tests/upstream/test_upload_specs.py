"""CDI's functional specs of uploads through a forwarded port: who is let in, once, by which paths, and from pages.

Left out: what has been uploaded, images that are too large, and the pods, services and secrets of upload servers.
Origin: cdi: tests/upload_test.go, pkg/uploadproxy/uploadproxy.go; kubevirt: tests/storage/imageupload.go
"""

import pytest

from fakekube.machinery.objects import annotations, name
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.forwards import Got, asked
from tests.upstream.storage import CLAIMS, NS, claim, has_event, set_up

TOKENS = f"/apis/upload.cdi.kubevirt.io/v1beta1/namespaces/{NS}/uploadtokenrequests"
CDI_PODS = "/api/v1/namespaces/cdi/pods"
PATHS = [
    f"/{version}/upload{kind}"
    for version in ("v1beta1", "v1alpha1")
    for kind in ("", "-async", "-form", "-form-async")
]
FOO = "foo.bar.com"


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


async def sent(suite: Suite, path: str, token: str, method: str = "POST", **headers: str) -> Got:
    """What is sent to CDI's proxy as `kubectl port-forward svc/cdi-uploadproxy` does it."""
    pod, *_ = await suite.items(CDI_PODS, "cdi.kubevirt.io=cdi-uploadproxy")
    headers = {"Origin": FOO, **({"Authorization": f"Bearer {token}"} if token else {}), **headers}
    return await asked(suite, f"{CDI_PODS}/{name(pod)}", path, method=method, body=b"QFI\xfb", **headers)


async def token_of(suite: Suite) -> str:
    request = {
        "apiVersion": "upload.cdi.kubevirt.io/v1beta1",
        "kind": "UploadTokenRequest",
        "metadata": {"name": "token"},
        "spec": {"pvcName": "upload-test"},
    }
    return str((await suite.create(TOKENS, request))["status"]["token"])


@pytest.mark.parametrize("path", PATHS)
async def test_uploads(suite: Suite, path: str) -> None:
    """[1368] [5078]–[5082] [4988] By each path, once: the claim says it is full, and a second upload is refused."""
    token = await token_of(suite)
    got = await sent(suite, path, token)
    assert (got.status, got.body, got.headers["access-control-allow-origin"]) == (200, b"", "*")
    found = await suite.get(f"{CLAIMS}/upload-test")
    assert annotations(found)["cdi.kubevirt.io/storage.pod.phase"] == "Succeeded"
    again = await sent(suite, path, token)
    assert (again.status, again.headers["access-control-allow-origin"]) == (503, "*")


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
