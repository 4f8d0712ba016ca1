"""DataVolumes and claims that are imported from exports, as the manifests of an export have it.

Certificates are not judged.
Origin: kubevirt: tests/storage/export.go ("should generate updated DataVolumeTemplates"); cdi: pkg/importer/http-datasource.go
"""

import pytest

from fakekube.agents.volume_contents import Held, volume_of
from tests.upstream import storage
from tests.upstream.conftest import Object, Suite
from tests.upstream.storage import CLAIMS, NS, VOLUMES
from tests.upstream.test_export_download_specs import TEXT, inside, mounting, url, written
from tests.upstream.test_export_serving_specs import MAPS
from tests.upstream.test_export_specs import SECRETS, Export, suite

__all__ = ["suite"]

UNABLE = "Unable to connect to http data source: "


async def exported(suite: Suite, *, content: str = "") -> tuple[Export, Object]:
    """The export of a claim on whose disk a guest has written, its status, and what importers need."""
    await written(suite, size="16Mi", content=content)
    export = await Export.of(suite, "PersistentVolumeClaim", "source")
    status = await export.ready()
    trusted = {"metadata": {"name": "ca"}, "data": {"ca.pem": status["links"]["internal"]["cert"]}}
    await suite.create(MAPS, trusted)
    await allowed(suite, "source")
    return export, status


async def allowed(suite: Suite, token: str) -> None:
    await suite.gone(f"{SECRETS}/header")
    header = {"token": f"x-kubevirt-export-token:{token}"}
    await suite.create(SECRETS, {"metadata": {"name": "header"}, "stringData": header})


def source(at: str) -> Object:
    return {"http": {"url": at, "certConfigMap": "ca", "secretExtraHeaders": ["header"]}}


async def holds(suite: Suite, claim: str) -> Held:
    return suite.cluster.contents.of(volume_of(await suite.get(f"{CLAIMS}/{claim}")))


async def says(suite: Suite, why: str) -> None:
    """The importer has failed, and will be restarted."""

    async def look() -> bool:
        found = await suite.get(f"{VOLUMES}/copy")
        running = next(one for one in found["status"]["conditions"] if one["type"] == "Running")
        wanted = ("Error", f"{UNABLE}{why}", "ImportInProgress")
        return (running["reason"], running["message"], found["status"]["phase"]) == wanted

    await suite.eventually(look, 180)


@pytest.mark.parametrize("kind", ["raw", "gzip"])
async def test_disks(suite: Suite, kind: str) -> None:
    """What a guest has written is on the disk of whoever imports it, for pods and guests."""
    _, status = await exported(suite)
    at = url(status, kind, proxied=False)
    await suite.create(VOLUMES, storage.volume("copy", size="16Mi", source=source(at)))
    await storage.succeeded(suite, "copy")
    assert (await holds(suite, "copy")).disk["told"] == f"{TEXT}\n"
    sums = [
        (await inside(suite, await mounting(suite, claim), "md5sum", "/data/disk.img")).split()[0]
        for claim in ("source", "copy")
    ]
    assert sums[0] == sums[1]


async def test_archives(suite: Suite) -> None:
    """So it is with the files of an archive."""
    _, status = await exported(suite, content="archive")
    made = storage.volume("copy", size="16Mi", source=source(url(status, "tar.gz", proxied=False)))
    made["spec"]["contentType"] = "archive"
    await suite.create(VOLUMES, made)
    await storage.succeeded(suite, "copy")
    pod = await mounting(suite, "copy")
    assert "told" in await inside(suite, pod, "tar", "tf", "/data/disk.img")


async def test_claims(suite: Suite) -> None:
    """A claim that names a VolumeImportSource holds it, too."""
    _, status = await exported(suite)
    cdi = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}/volumeimportsources"
    kind = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "VolumeImportSource"}
    spec = {"source": source(url(status, "gzip", proxied=False))}
    await suite.create(cdi, {**kind, "metadata": {"name": "there"}, "spec": spec})
    wanted = storage.claim("copy", size="16Mi")
    named = {"apiGroup": "cdi.kubevirt.io", "kind": "VolumeImportSource", "name": "there"}
    await suite.create(CLAIMS, {**wanted, "spec": {**wanted["spec"], "dataSourceRef": named}})

    async def bound() -> bool:
        return bool((await suite.get(f"{CLAIMS}/copy"))["status"]["phase"] == "Bound")

    await suite.eventually(bound, 180)
    assert (await holds(suite, "copy")).disk["told"] == f"{TEXT}\n"


async def test_who_is_not_let_in(suite: Suite) -> None:
    """The importer fails without the token, and where there is nothing of that name; with what it needs it goes on."""
    _, status = await exported(suite)
    await allowed(suite, "wrong")
    at = url(status, "gzip", proxied=False)
    await suite.create(VOLUMES, storage.volume("copy", size="16Mi", source=source(at)))
    await says(suite, "expected status code 200, got 401. Status: 401 Unauthorized")
    await storage.has_event(suite, "copy", "Warning", "Error")
    assert await holds(suite, "copy") == Held()
    await allowed(suite, "source")
    await storage.succeeded(suite, "copy")
    assert (await holds(suite, "copy")).disk["told"] == f"{TEXT}\n"


async def test_an_exporter_that_is_not_there(suite: Suite) -> None:
    """While an exporter gives way to a pod nobody is behind its service; then it is fetched."""
    export, status = await exported(suite)
    vmi = storage.machine("user", disks={"disk0": {"persistentVolumeClaim": {"claimName": "source"}}})
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "user"}}
    await suite.create(storage.VMIS, {**kind, "spec": vmi["spec"]["template"]["spec"]})
    await export.says("Ready", "InUse", f"PersistentVolumeClaim {NS}/source is in use")
    at = url(status, "raw", proxied=False)
    await suite.create(VOLUMES, storage.volume("copy", size="16Mi", source=source(at)))
    address = (await suite.get(export.service))["spec"]["clusterIP"]
    await says(suite, f'Get "{at}": dial tcp {address}:443: connect: connection refused')
    await suite.delete(f"{storage.VMIS}/user")
    await storage.succeeded(suite, "copy")
    assert (await holds(suite, "copy")).disk["told"] == f"{TEXT}\n"
