"""CDI's functional specs of its configuration: scratch space, the address of uploads, the share of file systems.

Left out: routes, which OpenShift has.
Origin: cdi: tests/{cdiconfig,operator}_test.go; pkg/controller/config-controller_test.go
"""

import pytest

from tests.upstream.conftest import MERGE_PATCH, Object, Suite, conditions

CDI = "/apis/cdi.kubevirt.io/v1beta1"
INSTALLED, CONFIG = f"{CDI}/cdis/cdi", f"{CDI}/cdiconfigs/config"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/cdi/ingresses"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
URL = "www.super-duper-test.ingress.tt.org"


async def say(suite: Suite, **config: object) -> None:
    await suite.patch(INSTALLED, {"spec": {"config": config}}, MERGE_PATCH)


async def told(suite: Suite, member: str) -> object:
    await suite.cluster.settle()
    return (await suite.get(CONFIG))["status"].get(member)


async def is_default(suite: Suite, own: str, value: str) -> None:
    await suite.patch(f"{CLASSES}/{own}", {"metadata": {"annotations": {DEFAULT: value}}}, MERGE_PATCH)


async def another_class(suite: Suite) -> None:
    await suite.create(CLASSES, {"metadata": {"name": "second"}, "provisioner": "example.com/second"})


async def test_scratch_space(suite: Suite) -> None:
    """[3962] [3964] [3966] It is of the default class, of the new one after a switch, of none where there is none."""
    assert await told(suite, "scratchSpaceStorageClass") == "standard"
    await is_default(suite, "standard", "false")
    assert await told(suite, "scratchSpaceStorageClass") is None
    await another_class(suite)
    await is_default(suite, "second", "true")
    assert await told(suite, "scratchSpaceStorageClass") == "second"


async def test_scratch_space_chosen(suite: Suite) -> None:
    """[3965] [3967] A class that is named is taken, if there is such a one."""
    await say(suite, scratchSpaceStorageClass="invalidsc")
    assert (await suite.get(CONFIG))["spec"]["scratchSpaceStorageClass"] == "invalidsc"
    assert await told(suite, "scratchSpaceStorageClass") == "standard"
    await another_class(suite)
    await say(suite, scratchSpaceStorageClass="second")
    assert await told(suite, "scratchSpaceStorageClass") == "second"


def ingress(*rules: Object, **spec: object) -> Object:
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "test-ingress"}}
    return {**body, "spec": {**spec, **({"rules": list(rules)} if rules else {})}}


def backend(service: str) -> Object:
    return {"service": {"name": service, "port": {"number": 443}}}


def rule(service: str) -> Object:
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend(service)}]
    return {"host": URL, "http": {"paths": paths}}


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (ingress(rule("cdi-uploadproxy")), URL),
        (ingress(rule("other"), defaultBackend=backend("cdi-uploadproxy")), URL),
        (ingress(rule("cdi-uploadproxy"), defaultBackend=backend("other")), None),
        (ingress(rule("other")), None),
        (ingress({"host": URL}), None),
    ],
)
async def test_uploads(suite: Suite, made: Object, wanted: str | None) -> None:
    """[3960] [3961] Uploads go where an ingress to the proxy is, or where it is said."""
    assert await told(suite, "uploadProxyURL") is None
    await suite.create(INGRESSES, made)
    assert await told(suite, "uploadProxyURL") == wanted
    await say(suite, uploadProxyURLOverride="www.override.tt.org")
    assert await told(suite, "uploadProxyURL") == "www.override.tt.org"
    await say(suite, uploadProxyURLOverride=None)
    await suite.delete(f"{INGRESSES}/test-ingress")
    assert await told(suite, "uploadProxyURL") is None


async def test_shares_of_file_systems(suite: Suite) -> None:
    """Each class has what is said of it, else what is said of all, else six hundredths."""
    await another_class(suite)
    every = {"standard": "0.06", "second": "0.06"}
    assert await told(suite, "filesystemOverhead") == {"global": "0.06", "storageClass": every}
    await say(suite, filesystemOverhead={"global": "0.5", "storageClass": {"second": "0.1", "none": "1"}})
    every = {"standard": "0.5", "second": "0.1"}
    assert await told(suite, "filesystemOverhead") == {"global": "0.5", "storageClass": every}


async def test_the_rest(suite: Suite) -> None:
    """Requests and limits are filled up, other members told as they are; the object comes back, and says what CDI's says."""
    limits = {"cpu": "750m", "memory": "600M"}
    requests = {"cpu": "100m", "memory": "60M"}
    proxy = {"HTTPProxy": "", "HTTPSProxy": "", "noProxy": "", "trustedCAProxy": ""}
    assert await told(suite, "defaultPodResourceRequirements") == {"limits": limits, "requests": requests}
    assert (await told(suite, "preallocation"), await told(suite, "importProxy")) == (False, proxy)
    await say(
        suite,
        podResourceRequirements={"limits": {"cpu": "2"}},
        preallocation=True,
        importProxy={"noProxy": "x"},
        imagePullSecrets=[{"name": "pull"}],
    )
    wanted = {"limits": {**limits, "cpu": "2"}, "requests": requests}
    assert await told(suite, "defaultPodResourceRequirements") == wanted
    assert (await told(suite, "preallocation"), await told(suite, "importProxy")) == (True, {"noProxy": "x"})
    assert await told(suite, "imagePullSecrets") == [{"name": "pull"}]
    await suite.patch(CONFIG, {"spec": {"preallocation": False}}, MERGE_PATCH)
    assert await told(suite, "preallocation") is True
    await suite.delete(CONFIG)
    assert await told(suite, "preallocation") is True
    assert (await suite.get(CONFIG))["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "cdi-controller"


async def test_installed_again(suite: Suite) -> None:
    """CDI is deployed as often as somebody creates its object, and its configuration is kept."""
    await say(suite, preallocation=True)
    for version in ("v1beta1", "v1alpha1"):
        await suite.cluster.settle()
        await suite.delete(INSTALLED)
        made = {
            "apiVersion": f"cdi.kubevirt.io/{version}",
            "kind": "CDI",
            "metadata": {"name": "cdi"},
            "spec": {},
        }
        await suite.create(f"/apis/cdi.kubevirt.io/{version}/cdis", made)

        async def deployed() -> bool:
            told = conditions(await suite.get(INSTALLED))
            return told == {"Available": "True", "Progressing": "False", "Degraded": "False"}

        await suite.eventually(deployed, 60)
        assert (await suite.get(INSTALLED))["spec"]["config"]["preallocation"] is True
        assert await told(suite, "preallocation") is True
