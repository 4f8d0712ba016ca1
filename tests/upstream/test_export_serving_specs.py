"""Upstream's functional specs of what exports serve: the manifests of a machine, with which it is made anew, and its volumes.

Sums of what is on volumes are compared in `test_export_download_specs`.
Origin: kubevirt: tests/storage/{export,memorydump}.go, pkg/virtctl/vmexport, pkg/storage/export/virt-exportserver
"""

import gzip
import io
import json
import tarfile
from base64 import b64decode
from typing import Any

import pytest
import yaml

from fakekube.machinery.objects import annotations, dig, labels, name
from tests.upstream import storage
from tests.upstream.conftest import Object, Suite
from tests.upstream.forwards import Got, asked
from tests.upstream.storage import CLAIMS, NS, VOLUMES, Machine
from tests.upstream.test_export_specs import REGISTRY, SECRETS, SERVICES, Export, filled, suite

__all__ = ["suite"]

MAPS = f"/api/v1/namespaces/{NS}/configmaps"
ALL, SECRET = "/internal/manifests/all", "/internal/manifests/secret"


async def get(export: Export, target: str, token: str | None = None, **more: Any) -> Got:
    """What its pod answers; without another token to who has the right one."""
    if token is None:
        own = (await export.status())["tokenSecretRef"]
        token = b64decode((await export.suite.get(f"{SECRETS}/{own}"))["data"]["token"]).decode()
    return await asked(export.suite, export.pod_path, target, x_kubevirt_export_token=token, **more)


async def documents(export: Export, target: str) -> list[Object]:
    """The manifests as `virtctl vmexport download --manifest` asks for them: each ends with a line of its own."""
    got = await get(export, target, Accept="application/yaml")
    assert got.status == 200
    *texts, rest = got.body.decode().split("\n---\n")
    assert rest == ""
    return [yaml.safe_load(one) for one in texts]


async def exported(suite: Suite, *, snapshot: bool = False) -> tuple[Machine, Export]:
    """A machine on a DataVolume of its own that has run, and its export, or that of its snapshot, once it is ready."""
    vm = await Machine.of(suite, storage.on_template(strategy="Always", labels={"a": "b"}))
    await vm.stop()
    if snapshot:
        taken = await storage.ready(suite, await storage.take(suite, vm))
        export = await Export.of(suite, "VirtualMachineSnapshot", name(taken))
    else:
        export = await Export.of(suite, "VirtualMachine", vm.name)
    await export.ready()
    return vm, export


@pytest.mark.parametrize("snapshot", [False, True], ids=["machine", "snapshot"])
async def test_a_machine_made_anew(suite: Suite, snapshot: bool) -> None:
    """From what is served in YAML a machine is made that imports its volume from there, let in by a secret."""
    _, export = await exported(suite, snapshot=snapshot)
    trusted, vm = await documents(export, ALL)
    (secret,) = await documents(export, SECRET)
    base = f"https://virt-export-{export.name}.{NS}.svc/volumes"
    (template,) = vm["spec"]["dataVolumeTemplates"]
    own = f"{export.name}-dv" if snapshot else "dv"
    assert template["spec"]["source"] == {
        "http": {
            "url": f"{base}/{own}/disk.img.gz",
            "certConfigMap": f"export-ca-cm-{export.name}",
            "secretExtraHeaders": [f"header-secret-{export.name}"],
        }
    }
    assert set(vm) == {"apiVersion", "kind", "metadata", "spec"}
    assert vm["metadata"]["labels"] == {"a": "b"}
    assert "uid" not in vm["metadata"]
    assert trusted["data"]["ca.pem"] == (await export.status())["links"]["internal"]["cert"]
    assert secret["stringData"]["token"].startswith("x-kubevirt-export-token:")
    await suite.create(SECRETS, secret)
    await suite.create(MAPS, trusted)
    vm["metadata"]["name"] += "-clone"
    template["metadata"]["name"] += "-clone"
    vm["spec"]["template"]["spec"]["volumes"][0]["dataVolume"]["name"] = template["metadata"]["name"]
    vm["spec"]["runStrategy"] = "Always"
    await Machine.of(suite, vm)


async def test_in_json(suite: Suite) -> None:
    """Who does not ask for YAML gets a list, by the API server's proxy as well."""
    vm, export = await exported(suite)
    listed = json.loads((await get(export, ALL)).body)
    assert (listed["kind"], listed["apiVersion"]) == ("List", "v1")
    assert [one["kind"] for one in listed["items"]] == ["ConfigMap", "VirtualMachine"]
    assert [name(one) for one in listed["items"]] == [f"export-ca-cm-{export.name}", vm.name]
    proxied = f"{SERVICES}/https:virt-export-{export.name}:443/proxy{ALL}"
    await suite.cluster.advance(1)  # until the service has its endpoints
    status, answer = await suite.call("GET", proxied, **{"x-kubevirt-export-token": vm.name})
    assert (status, json.loads(answer)) == (200, listed)


async def test_volumes_of_their_own(suite: Suite) -> None:
    """A machine is served as it is without its instance type, with a DataVolume for each volume it does not bring itself."""
    kinds = "/apis/instancetype.kubevirt.io/v1beta1/virtualmachineclusterinstancetypes"
    made = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": "VirtualMachineClusterInstancetype"}
    size = {"cpu": {"guest": 4}, "memory": {"guest": "128Mi"}}
    await suite.create(kinds, {**made, "metadata": {"name": "four"}, "spec": size})
    await filled(suite, "data")
    await suite.create(VOLUMES, storage.volume("blank"))
    await storage.succeeded(suite, "blank")
    disks = {"disk0": {"dataVolume": {"name": "data"}}, "init": {"cloudInitNoCloud": {"userData": "#!"}}}
    body = storage.machine(disks={**disks, "blank": {"persistentVolumeClaim": {"claimName": "blank"}}})
    del body["spec"]["template"]["spec"]["domain"]["resources"]
    body["spec"]["instancetype"] = {"name": "four"}
    vm = await Machine.of(suite, body)
    export = await Export.of(suite, "VirtualMachine", vm.name)
    await export.ready()
    _, machine, *volumes = await documents(export, ALL)
    assert machine["spec"]["template"]["spec"]["domain"]["cpu"]["sockets"] == 4
    assert "instancetype" not in machine["spec"]
    assert [name(one) for one in volumes] == ["data", "blank"]
    for one in volumes:
        asked_for = one["spec"]["pvc"]["resources"]["requests"]
        assert asked_for == (await suite.get(f"{CLAIMS}/{name(one)}"))["spec"]["resources"]["requests"]
        assert "storageClassName" not in one["spec"]["pvc"]
        assert f"/volumes/{name(one)}/disk.img.gz" in one["spec"]["source"]["http"]["url"]


async def test_who_is_let_in(suite: Suite) -> None:
    """The token is asked for, in the query or as a header; manifests can only be fetched, and from outside where there is a way."""
    _, export = await exported(suite)
    for target in (ALL, SECRET, "/volumes/dv/disk.img.gz"):
        assert (await get(export, target, "wrong")).status == 401
        assert (await get(export, target, method="POST")).status == 400
    own = (await export.status())["tokenSecretRef"]
    token = b64decode((await suite.get(f"{SECRETS}/{own}"))["data"]["token"]).decode()
    assert (await get(export, f"{ALL}?x-kubevirt-export-token={token}", "wrong")).status == 200
    assert (await get(export, "/nothing", "wrong")).status == 404
    assert (await get(export, "/external/manifests/all")).status == 404
    ready = await get(export, "/healthz", "wrong")
    assert (ready.status, ready.body) == (200, b"OK")
    assert (await get(export, ALL, "\xff")).status == 401
    await suite.call(
        "PATCH", f"{SECRETS}/{own}", {"data": {"token": None}}, content="application/merge-patch+json"
    )
    assert (await get(export, ALL, "")).status == 500, "no token is not the empty one"


async def test_what_is_kept_of_the_machine(suite: Suite) -> None:
    """The pod is given a config map about the machine, which is told of and goes with the export."""
    _, export = await exported(suite)
    kept = await suite.get(f"{MAPS}/exporter-vm-manifest-{export.name}")
    assert kept["data"]["export-name"] == export.name
    assert json.loads(kept["data"]["virtualmachine-manifest"])["metadata"]["name"] == "vm"
    pod = await export.pod()
    assert "exporter-vm-manifest-test-export" in [
        dig(one, "configMap", "name") for one in pod["spec"]["volumes"]
    ]
    await storage.has_event(suite, export.name, "Normal", "DataManifestCreated")
    await suite.delete(export.path)

    async def gone() -> bool:
        return (await suite.call("GET", f"{MAPS}/{name(kept)}"))[0] == 404

    await suite.eventually(gone, 60)


async def test_volumes(suite: Suite) -> None:
    """A disk is as large as its claim, whole, a range of it, or packed, to the secret's holder; it is blank."""
    made = storage.volume("small", size="3Mi", **REGISTRY)
    await suite.create(VOLUMES, made)
    await storage.succeeded(suite, "small")
    export = await Export.of(suite, "PersistentVolumeClaim", "small")
    await export.ready()
    raw = await get(export, "/volumes/small/disk.img")
    assert (raw.status, raw.headers["content-length"], raw.body) == (200, "3145728", bytes(3 * 2**20))
    packed = await get(export, "/volumes/small/disk.img.gz")
    assert gzip.decompress(packed.body) == raw.body
    assert (await get(export, ALL)).status == 404, "a claim is no machine"
    head = await get(export, "/volumes/small/disk.img", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    size = 3 * 2**20
    for asked_for, first, last in (
        ("bytes=0-1023", 0, 1023),
        (f"bytes={size - 2}-", size - 2, size - 1),
        ("bytes=-10", size - 10, size - 1),
        (f"bytes=5-{2 * size}", 5, size - 1),
    ):
        part = await get(export, "/volumes/small/disk.img", Range=asked_for)
        told = (part.status, part.headers["content-range"], len(part.body))
        assert told == (206, f"bytes {first}-{last}/{size}", last - first + 1)
    for asked_for in (f"bytes={size}-", "bytes=-0", "bytes=5-4"):
        past = await get(export, "/volumes/small/disk.img", Range=asked_for)
        assert (past.status, past.headers["content-range"]) == (416, f"bytes */{size}")
    for asked_for in ("bytes=-", "bytes=0-1,4-5", "lines=1-2", f"bytes=0-{'9' * 5000}"):
        assert (await get(export, "/volumes/small/disk.img", Range=asked_for)).status == 200


async def test_archives(suite: Suite) -> None:
    """A claim that holds files is served as an archive and as a folder."""
    source = {"http": {"url": "http://images.example/archive.tar"}}
    pvc = await filled(suite, contentType="archive", source=source)
    export = await Export.of(suite, "PersistentVolumeClaim", pvc)
    await export.ready()
    got = await get(export, f"/volumes/{pvc}/disk.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(got.body), mode="r:gz") as archive:
        assert archive.getnames() == ["."]
    folder = await get(export, f"/volumes/{pvc}/dir?a=b")
    assert (folder.status, folder.headers["location"]) == (301, f"/volumes/{pvc}/dir/?a=b")
    assert (await get(export, f"/volumes/{pvc}/dir/")).status == 200
    assert (await get(export, f"/volumes/{pvc}/dir/disk.img")).status == 404


async def test_labels_of_exports(suite: Suite) -> None:
    """`vmexport create --labels --annotations`: the pod has them as well."""
    await filled(suite, "data")
    spec = {"source": storage.reference("data", "PersistentVolumeClaim", "")}
    body = storage.body_of("VirtualMachineExport", Export.name, "export.kubevirt.io", **spec)
    body |= {"apiVersion": "export.kubevirt.io/v1"}
    body["metadata"] |= {"labels": {"mine": "yes"}, "annotations": {"note": "kept"}}
    await suite.create(Export.path.rpartition("/")[0], body)
    export = Export(suite)
    await export.ready()
    pod = await export.pod()
    assert (labels(pod)["mine"], annotations(pod)["note"]) == ("yes", "kept")
    assert labels(pod)["kubevirt.io.virt-export-service"] == Export.name
