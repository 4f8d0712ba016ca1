"""Upstream's functional specs of what guests find on their volumes: files of hosts, shared and missing claims, throwaway and shared files.

Left out: what is in the disks, NFS, nodes with read-only directories, and I/O errors: there are no bytes.
Origin: kubevirt: tests/storage/{storage,hostdisk,reservation}.go, tests/containerdisk_test.go, tests/virtiofs/{config,feature_gate}.go
"""

from functools import partial
from typing import Any

import pytest

from fakekube.machinery.objects import dig
from tests.upstream.conftest import Make, Object, Suite, conditions
from tests.upstream.guests import PODS, VMIS, Guest, configure, guest, migrate
from tests.upstream.storage import CLAIMS, EVENTS, NS, Machine, claim, machine, set_up


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    suite = await suite_of(pace="realistic")
    await set_up(suite)
    return suite


def on(source: Object, name: str = "vmi", **disk: Any) -> Object:
    """A guest with one disk, on this volume."""
    spec = guest("")
    spec["domain"]["devices"]["disks"] = [{"name": "disk0", "disk": {"bus": "virtio"}, **disk}]
    return vmi({**spec, "volumes": [{"name": "disk0", **source}]}, name)


def vmi(spec: Object, name: str = "vmi") -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name},
        "spec": spec,
    }


async def runs(suite: Suite, body: Object) -> Object:
    await suite.create(VMIS, body)
    return await ready(suite, body["metadata"]["name"])


async def ready(suite: Suite, name: str) -> Object:
    async def look() -> Object | None:
        found = await suite.get(f"{VMIS}/{name}")
        return found if conditions(found).get("Ready") == "True" else None

    return dict(await suite.eventually(look, 240))


async def refused(suite: Suite, body: Object) -> str:
    status, answer = await suite.call("POST", VMIS, body)
    assert (status, answer["code"]) == (422, 422), answer
    return str(answer["message"])


async def launcher(suite: Suite, name: str) -> Object:
    [pod] = [
        one
        for one in (await suite.get(PODS))["items"]
        if one["metadata"]["labels"].get("kubevirt.io/created-by")
        == (await suite.get(f"{VMIS}/{name}"))["metadata"]["uid"]
    ]
    return dict(pod)


async def test_files_of_hosts(suite: Suite) -> None:
    disk = {"path": "/data/disk.img", "type": "DiskOrCreate", "capacity": "1Gi"}
    assert "HostDisk feature gate is not enabled" in await refused(suite, on({"hostDisk": disk}))
    await configure(suite, developerConfiguration={"featureGates": ["HostDisk"]})
    said = await refused(suite, on({"hostDisk": {**disk, "type": "Disk"}}))
    assert "hostDisk.capacity is allowed to pass only with spec.volumes[0].hostDisk.type equal to" in said
    assert "has invalid value 'unknown', allowed are" in await refused(
        suite, on({"hostDisk": {**disk, "type": "unknown"}})
    )
    found = await runs(suite, on({"hostDisk": disk}))
    [live] = [one for one in found["status"]["conditions"] if one["type"] == "LiveMigratable"]
    assert (live["status"], live["reason"]) == ("False", "DisksNotLiveMigratable")
    assert live["message"] == "cannot migrate VMI with non-shared HostDisk"
    [volume] = [one for one in (await launcher(suite, "vmi"))["spec"]["volumes"] if one["name"] == "disk0"]
    assert volume["hostPath"]["path"] == "/data"


async def test_missing_claims(suite: Suite) -> None:
    await suite.create(VMIS, on({"persistentVolumeClaim": {"claimName": "later"}}))
    text = f"PVC {NS}/later does not exist, waiting for it to appear"

    async def look() -> Object | None:
        found = await suite.get(f"{VMIS}/vmi")
        return found if "PodScheduled" in conditions(found) else None

    found = await suite.eventually(look, 60)
    assert found["status"]["phase"] == "Pending"
    told = {
        one["type"]: (one["status"], one["reason"], one["message"])
        for one in found["status"]["conditions"]
        if "message" in one
    }
    assert told["PodScheduled"] == ("False", "Unschedulable", text)
    assert told["Synchronized"] == ("False", "FailedPvcNotFound", text)
    assert ("FailedPvcNotFound", text) in [
        (one["reason"], one["message"]) for one in (await suite.get(EVENTS))["items"]
    ]
    await suite.create(CLAIMS, claim("later"))
    assert (await ready(suite, "vmi"))["status"]["phase"] == "Running"


async def test_shared_disks(suite: Suite) -> None:
    """Two guests write to one disk where both call it shareable; the claim may be on files of a node, or a device."""
    shared = claim("shared")
    shared["spec"] |= {"accessModes": ["ReadWriteMany"]}
    await suite.create(CLAIMS, shared)
    source = {"persistentVolumeClaim": {"claimName": "shared"}}
    for name in ("one", "two"):
        found = await runs(suite, on(source, name, shareable=True))
        [volume] = found["status"]["volumeStatus"]
        assert volume["persistentVolumeClaimInfo"]["claimName"] == "shared"


async def test_throwaway_disks(suite: Suite) -> None:
    await suite.create(CLAIMS, claim("base"))
    await runs(suite, on({"ephemeral": {"persistentVolumeClaim": {"claimName": "base"}}}, "ephemeral"))
    mounted = {one["name"]: one for one in (await launcher(suite, "ephemeral"))["spec"]["volumes"]}
    assert dig(mounted, "disk0", "persistentVolumeClaim", "claimName") == "base"
    spec = guest()
    spec["domain"]["devices"]["disks"].append({"name": "empty", "serial": "FB-fb_18030C10002032", "disk": {}})
    spec["volumes"].append({"name": "empty", "emptyDisk": {"capacity": "1Gi"}})
    found = await runs(suite, vmi(spec, "empty"))
    assert {one["name"]: one["target"] for one in found["status"]["volumeStatus"]} == {
        "disk0": "vda",
        "empty": "sda",
    }


async def test_shared_files(suite: Suite) -> None:
    """Claims are shared with guests where a gate allows it, configuration always is."""
    await suite.create(CLAIMS, claim("files"))
    await suite.create(
        f"/api/v1/namespaces/{NS}/configmaps", {"metadata": {"name": "conf"}, "data": {"a": "b"}}
    )
    await suite.create(
        f"/api/v1/namespaces/{NS}/secrets", {"metadata": {"name": "key"}, "stringData": {"a": "b"}}
    )
    claimed = filesystems(files={"persistentVolumeClaim": {"claimName": "files"}})
    for source in ({"persistentVolumeClaim": {"claimName": "files"}}, {"dataVolume": {"name": "files"}}):
        assert "virtiofs feature gate is not enabled" in await refused(suite, vmi(filesystems(files=source)))
    configured = filesystems(
        conf={"configMap": {"name": "conf"}},
        key={"secret": {"secretName": "key"}},
        account={"serviceAccount": {"serviceAccountName": "default"}},
        told={"downwardAPI": {"fields": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    )
    found = await runs(suite, vmi(configured, "configured"))
    running = (await launcher(suite, "configured"))["status"]["containerStatuses"]
    names = {one["name"] for one in running if one["ready"]}
    assert names == {"compute", "virtiofs-conf", "virtiofs-key", "virtiofs-account", "virtiofs-told"}
    assert conditions(found)["LiveMigratable"] == "True"
    await configure(suite, developerConfiguration={"featureGates": ["EnableVirtioFsStorageVolumes"]})
    found = await runs(suite, vmi(claimed, "claimed"))
    [live] = [one for one in found["status"]["conditions"] if one["type"] == "LiveMigratable"]
    assert (live["status"], live["reason"]) == ("False", "DisksNotLiveMigratable")
    pod = await launcher(suite, "claimed")
    [sharing] = [one for one in pod["spec"]["containers"] if one["name"] == "virtiofs-files"]
    assert {"--shared-dir=/files", "--migration-verify-handles"} <= set(sharing["args"])
    assert {one["name"] for one in sharing["volumeMounts"]} == {"virtiofs-containers", "files"}
    await suite.delete(f"{VMIS}/claimed")

    async def gone() -> bool:
        return (await suite.call("GET", f"{VMIS}/claimed"))[0] == 404

    await suite.eventually(gone, 60)


def filesystems(**volumes: Object) -> Object:
    spec = guest()
    spec["domain"]["devices"]["filesystems"] = [{"name": name, "virtiofs": {}} for name in volumes]
    spec["volumes"] += [{"name": name, **source} for name, source in volumes.items()]
    return spec


async def test_reservations(suite: Suite) -> None:
    """Handlers have somebody beside them who reserves SCSI devices, as long as the KubeVirt object wants that."""

    async def helped(wanted: bool) -> bool:
        handlers = await suite.items("/api/v1/namespaces/kubevirt/pods", "kubevirt.io=virt-handler")
        found = {
            (
                "pr-helper" in {each["name"] for each in one["status"]["containerStatuses"]},
                conditions(one)["Ready"],
            )
            for one in handlers
        }
        return found == {(wanted, "True")}

    await suite.create(CLAIMS, claim("lun"))
    lun = on({"persistentVolumeClaim": {"claimName": "lun"}})
    lun["spec"]["domain"]["devices"]["disks"] = [
        {"name": "disk0", "lun": {"bus": "scsi", "reservation": True}}
    ]
    await suite.create(VMIS, lun)

    async def waits() -> bool:
        return conditions(await suite.get(f"{VMIS}/vmi")).get("PodScheduled") == "False"

    await suite.eventually(waits, 60)
    for enabled in (True, False):
        await configure(suite, persistentReservationConfiguration={"enabled": enabled})
        await suite.eventually(partial(helped, enabled), 300)
        assert (await ready(suite, "vmi"))["status"]["phase"] == "Running"


async def test_container_disks(suite: Suite) -> None:
    """Where in its image a disk lies may be said, but not outside of it; another may be a CD-ROM."""
    spec = guest()
    disk = {"image": "registry:5000/kubevirt/cirros-custom-container-disk-demo:devel"}
    spec["volumes"][0]["containerDisk"] = {**disk, "path": "../test"}
    status, answer = await suite.call("POST", VMIS, vmi(spec))
    assert status == 422
    assert "must be an absolute path to a file without relative components" in answer["message"]
    assert "denied the request" in answer["message"]
    spec["volumes"][0]["containerDisk"] = {**disk, "path": "/custom-disk/downloaded"}
    spec["volumes"].append(
        {"name": "disk4", "containerDisk": {"image": "registry:5000/kubevirt/virtio:devel"}}
    )
    spec["domain"]["devices"]["disks"].append({"name": "disk4", "cdrom": {"bus": "sata"}})
    found = await runs(suite, vmi(spec))
    assert {one["name"]: one["target"] for one in found["status"]["volumeStatus"]}["disk4"] == "sda"


async def test_the_same_machine_again_and_again(suite: Suite) -> None:
    vm = await Machine.of(suite, machine())
    for _ in range(3):
        await vm.start()
        await vm.stop()


async def test_images_become_volumes_by_migration(suite: Suite) -> None:
    """Launchers carry images as containers while a gate is shut; guests leave such launchers by migration."""
    await configure(suite, developerConfiguration={"disabledFeatureGates": ["ImageVolume"]})
    await runs(suite, vmi(guest()))
    before = await launcher(suite, "vmi")
    assert "container-disk-binary" in {one["name"] for one in before["spec"]["initContainers"]}
    await configure(suite, developerConfiguration={"disabledFeatureGates": []})
    await (await migrate(Guest(suite, "vmi"))).succeeds()
    [after] = [
        one for one in (await suite.get(PODS))["items"] if one["metadata"]["uid"] != before["metadata"]["uid"]
    ]
    assert "container-disk-binary" not in {one["name"] for one in after["spec"].get("initContainers", ())}
