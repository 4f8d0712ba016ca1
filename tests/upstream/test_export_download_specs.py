"""Upstream's functional specs that fetch an export in a pod, inside the cluster and through virt-exportproxy, and compare what came.

Certificates are not judged here, and redirections not followed.
Origin: kubevirt: tests/storage/export.go ("should make a PVC export available"), cmd/virt-exportproxy/virt-exportproxy_test.go
"""

from datetime import timedelta

import pytest

from fakekube.agents.volume_contents import volume_of
from fakekube.clock import rfc3339
from fakekube.machinery.objects import dig
from tests.upstream import consoles, launchers, storage
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.forwards import asked
from tests.upstream.guests import Guest
from tests.upstream.storage import CLAIMS, NS, VOLUMES, Machine
from tests.upstream.test_contents_specs import CLOUD, imported, says
from tests.upstream.test_export_specs import PODS, Export, filled, suite

__all__ = ["suite"]

TEXT = "written by a guest"
PROXY = "/api/export.kubevirt.io/v1/namespaces"
PROXIES = "/api/v1/namespaces/kubevirt/pods"


async def written(suite: Suite, mode: str = "Filesystem", size: str = "1Gi", content: str = "") -> Object:
    """A claim with the disk of a machine that has written on it, and has stopped."""
    made = imported("source")
    made["spec"]["storage"] |= {"volumeMode": mode, "resources": {"requests": {"storage": size}}}
    await suite.create(VOLUMES, made)
    await storage.succeeded(suite, "source")
    disks = {"disk0": {"dataVolume": {"name": "source"}}, "disk1": CLOUD}
    vm = await Machine.of(suite, storage.machine(strategy="Always", disks=disks))
    await consoles.login_to_cirros(Guest(suite, "vm"))
    await says(Guest(suite, "vm"), f"echo '{TEXT}' > /told")
    await vm.stop()
    if content:
        mark = {"metadata": {"annotations": {"cdi.kubevirt.io/storage.contentType": content}}}
        await suite.patch(f"{CLAIMS}/source", mark, MERGE_PATCH)
    return await suite.get(f"{CLAIMS}/source")


async def mounting(suite: Suite, claim: str) -> Object:
    """A pod that has a claim at `/data`, or as `/dev/volume`."""
    block = (await suite.get(f"{CLAIMS}/{claim}"))["spec"].get("volumeMode") == "Block"
    container: Object = {"name": "c", "image": "alpine", "command": ["sleep", "360"]}
    if block:
        container["volumeDevices"] = [{"name": "v", "devicePath": "/dev/volume"}]
    else:
        container["volumeMounts"] = [{"name": "v", "mountPath": "/data"}]
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": claim}}
    path = f"{PODS}/with-{claim}"
    await suite.create(
        PODS,
        {"metadata": {"name": f"with-{claim}"}, "spec": {"containers": [container], "volumes": [volume]}},
    )

    async def runs() -> bool:
        return dig(await suite.get(path), "status", "phase") == "Running"

    await suite.eventually(runs, 60)
    return await suite.get(path)


async def inside(suite: Suite, pod: Object, *words: str) -> str:
    return await launchers.run(Guest(suite, "none"), *words, pod=pod, container="c")


async def target(suite: Suite, like: Object) -> Object:
    """A pod on an empty claim like another one."""
    spec = {one: value for one, value in like["spec"].items() if one not in ("volumeName", "dataSource")}
    spec.pop("dataSourceRef", None)
    await suite.create(CLAIMS, {"metadata": {"name": "target"}, "spec": spec})
    pod = await mounting(suite, "target")
    await suite.cluster.advance(1)  # until the exporter's service has its endpoints
    return pod


def url(status: Object, kind: str, *, proxied: bool) -> str:
    (found,) = [
        one["url"] for one in status["links"]["internal"]["volumes"][0]["formats"] if one["format"] == kind
    ]
    host, _, path = str(found).removeprefix("https://").partition("/")
    proxy = f"https://virt-exportproxy.kubevirt.svc{PROXY}/{NS}/virtualmachineexports/{Export.name}/{path}"
    return proxy if proxied else f"https://{host}/{path}"


@pytest.mark.parametrize("proxied", [False, True], ids=["internal", "proxy"])
@pytest.mark.parametrize(
    ("kind", "mode", "content", "size"),
    [
        ("raw", "Filesystem", "", "16Mi"),
        ("raw", "Filesystem", "", "1Mi"),
        ("gzip", "Filesystem", "", "16Mi"),
        ("dir", "Filesystem", "archive", "3Mi"),
        ("tar.gz", "Filesystem", "archive", "16Mi"),
        ("raw", "Block", "", "3Mi"),
    ],
)
async def test_what_comes(
    suite: Suite, kind: str, mode: str, content: str, *, size: str, proxied: bool
) -> None:
    """What a pod fetches, whatever its format, is what another pod finds on the source; the next machine finds it on the target."""
    source = await written(suite, mode, size, content)
    file = "/dev/volume" if mode == "Block" else "/data/disk.img"
    first = await mounting(suite, "source")
    wanted = (await inside(suite, first, "md5sum", file)).split()[0]
    await suite.delete(f"{PODS}/with-source")
    export = await Export.of(suite, "PersistentVolumeClaim", "source")
    status = await export.ready()
    pod = await target(suite, source)
    at = url(status, kind, proxied=proxied) + ("/disk.img" if kind == "dir" else "")
    ends = {"gzip": ".gz", "tar.gz": ".tar.gz"}.get(kind, "")
    to = file if kind != "tar.gz" else "/data/disk.tar.gz"
    to += ends if kind == "gzip" else ""
    token = "?x-kubevirt-export-token=source"
    await inside(suite, pod, "curl", "-L", "--cacert", "/ca", f"{at}{token}", "--output", to)
    if kind == "gzip":
        await inside(suite, pod, "/usr/bin/gzip", "-d", to)
    if kind == "tar.gz":
        unpack = ("/usr/bin/tar", "--strip-components", "1", "-xzvf", to, "-C", "/data", "./disk.img")
        assert await inside(suite, pod, *unpack) == "./disk.img\n"
    assert (await inside(suite, pod, "md5sum", file)).split()[0] == wanted
    assert "told" in await inside(suite, pod, "tar", "tf", file)
    there = volume_of(await suite.get(f"{CLAIMS}/target"))
    assert suite.cluster.contents.read(there, "disk")["told"] == f"{TEXT}\n"


async def test_blank_disks(suite: Suite) -> None:
    """A disk of which nobody has written anything is there, and zeros, however large."""
    await filled(suite)
    pod = await mounting(suite, "pvc")
    assert await inside(suite, pod, "ls", "/data") == "disk.img\n"
    blank = (await inside(suite, pod, "md5sum", "/data/disk.img")).split()[0]
    assert await inside(suite, pod, "rm", "/data/disk.img") == ""
    assert await inside(suite, pod, "ls", "/data") == ""
    await filled(suite, "other")
    await suite.delete(f"{PODS}/with-pvc")
    export = await Export.of(suite, "PersistentVolumeClaim", "other")
    at = url(await export.ready(), "raw", proxied=False)
    pod = await target(suite, await suite.get(f"{CLAIMS}/other"))
    await inside(suite, pod, "curl", "-H", "x-kubevirt-export-token: other", at, "-o", "/data/disk.img")
    assert (await inside(suite, pod, "md5sum", "/data/disk.img")).split()[0] == blank


async def test_through_the_proxy(suite: Suite) -> None:
    """It leads to exporters whoever asks, by either version; who has no token, or wants nothing there, is told."""
    proxy = (await suite.items(PROXIES, "kubevirt.io=virt-exportproxy"))[0]["metadata"]["name"]

    async def status(path: str, token: str = "", method: str = "GET") -> int:
        told = await asked(suite, f"{PROXIES}/{proxy}", path, x_kubevirt_export_token=token, method=method)
        return told.status

    own = f"{PROXY}/{NS}/virtualmachineexports/{Export.name}"
    assert await status(f"{own}/volumes/pvc/disk.img.gz") == 404
    export = await Export.of(suite, "PersistentVolumeClaim", "pvc")
    await export.says("PVCReady", "PVCNotFound", f"PersistentVolumeClaim {NS}/pvc not found")
    assert await status(f"{own}/volumes/pvc/disk.img.gz") == 503
    await suite.create(VOLUMES, storage.volume("pvc", size="1Mi"))
    await export.ready()
    assert await status(f"{own}/volumes/pvc/disk.img.gz", "pvc") == 200
    assert await status(f"{own.replace('/v1/', '/v1beta1/')}/volumes/pvc/disk.img", "pvc") == 200
    assert await status(f"{own}/volumes/pvc/disk.img.gz", "wrong") == 401
    assert await status(f"{own}/volumes/pvc/disk.img.gz", "pvc", "POST") == 400
    assert await status(f"{own}/nothing", "pvc") == 404
    assert await status(own, "pvc") == 400
    assert await status("/", "pvc") == 400
    assert await status("/healthz") == 200


async def test_files_of_a_pod(suite: Suite) -> None:
    """What pods have written on a claim is served as a folder and file by file."""
    await suite.create(CLAIMS, storage.claim("files"))
    pod = await mounting(suite, "files")
    await inside(suite, pod, "sh", "-c", "mkdir /data/sub; echo one > /data/a.txt; echo two > /data/sub/b")
    await suite.delete(f"{PODS}/with-files")
    export = await Export.of(suite, "PersistentVolumeClaim", "files")
    await export.ready()

    async def get(path: str, **more: str) -> tuple[int, str, str]:
        got = await asked(
            suite, export.pod_path, f"/volumes/files/dir{path}", x_kubevirt_export_token="files", **more
        )
        return got.status, got.headers.get("location", ""), got.body.decode()

    listed = '<a href="a.txt">a.txt</a>\n<a href="sub/">sub/</a>\n'
    assert await get("/") == (200, "", f"<!doctype html>\n<pre>\n{listed}</pre>\n")
    assert await get("/a.txt") == (200, "", "one\n")
    assert await get("/a.txt", Range="bytes=1-2") == (206, "", "ne")
    assert (await get("/a.txt/"))[:2] == (301, "../a.txt")
    assert (await get("/sub"))[:2] == (301, "sub/")
    assert await get("/sub/b") == (200, "", "two\n")
    assert (await get("/none"))[0] == 404


async def test_an_exporter_ends(suite: Suite) -> None:
    """An exporter serves until its certificate is due; then the next one does, with another, and that is told."""
    durations = {"selfSigned": {"server": {"duration": "20m0s", "renewBefore": "10m0s"}}}
    kubevirt = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"
    await suite.patch(kubevirt, {"spec": {"certificateRotateStrategy": durations}}, MERGE_PATCH)
    export = await Export.of(suite, "PersistentVolumeClaim", await filled(suite))
    await export.ready()
    pod = await export.pod()

    async def stays() -> bool:
        return (await export.pod())["metadata"]["uid"] == pod["metadata"]["uid"]

    await suite.consistently(stays, 580, 20)
    fresh = await export.another(export.pod_path, pod)
    await export.ready()
    assert fresh["metadata"]["uid"] != pod["metadata"]["uid"]
    text = f"Exporter pod {NS}/virt-export-{export.name} is in phase Succeeded"
    await storage.has_event(suite, export.name, "Warning", "ExporterPodFailedOrCompleted", text)


async def test_who_runs_an_exporter(suite: Suite) -> None:
    """What a pod of somebody's own runs as the exporter's does ends at its deadline, too; that one goes on."""
    export = await Export.of(suite, "PersistentVolumeClaim", await filled(suite))
    await export.ready()
    pod = await export.pod()
    spec = {member: value for member, value in pod["spec"].items() if member != "nodeName"}
    due = rfc3339(suite.cluster.clock.now() + timedelta(seconds=10))
    for one in spec["containers"][0]["env"]:
        one["value"] = due if one["name"] == "DEADLINE" else one["value"]
    path = f"{PODS}/{pod['metadata']['name']}-xxx"
    await suite.create(PODS, {"metadata": {"name": path.rpartition("/")[2]}, "spec": spec})

    async def over() -> bool:
        return dig(await suite.get(path), "status", "phase") == "Succeeded"

    await suite.eventually(over, 90)
    assert (await export.pod())["metadata"]["uid"] == pod["metadata"]["uid"]
