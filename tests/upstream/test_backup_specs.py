"""Upstream's functional specs of backups: full ones and of changes, pushed to a claim or fetched by an export, and their ends.

What a backup consists of is not there to be looked at.
Origin: kubevirt: tests/storage/backup.go; pkg/storage/cbt/backup_test.go, pkg/storage/admitters/backup_test.go
"""

from typing import Any

import pytest

from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES
from tests.upstream.conftest import Make, Object, Suite, conditions
from tests.upstream.storage import (
    CLAIMS,
    NS,
    VOLUMES,
    Machine,
    claim,
    has_event,
    on_template,
    reasons,
    reference,
    set_up,
    succeeded,
    volume,
)
from tests.upstream.storage import machine as storage_machine
from tests.upstream.test_changed_block_specs import LABEL, choose, enabled, kept, restarted

GROUP = f"/apis/backup.kubevirt.io/v1alpha1/namespaces/{NS}"
BACKUPS = f"{GROUP}/virtualmachinebackups"
TRACKERS = f"{GROUP}/virtualmachinebackuptrackers"
EXPORTS = f"/apis/export.kubevirt.io/v1/namespaces/{NS}/virtualmachineexports"
MACHINE = reference("vm")
TRACKER = reference("tracker", "VirtualMachineBackupTracker", "backup.kubevirt.io")
DONE = ("True", "Completed")


async def prepared(suite: Suite) -> Suite:
    await set_up(suite)
    await choose(suite, "IncrementalBackup", "UtilityVolumes")
    await suite.create(CLAIMS, claim("target-pvc", size="2Gi"))
    return suite


@pytest.fixture
async def ready(suite: Suite) -> Suite:
    return await prepared(suite)


@pytest.fixture
async def slow(suite_of: Make) -> Suite:
    """Backups take their time."""
    return await prepared(await suite_of(pace="realistic"))


async def machine(suite: Suite, **more: Any) -> Machine:
    vm = await Machine.of(suite, on_template(strategy="Always", labels=LABEL, **more))
    await vm.runs("AgentConnected")
    await enabled(vm)
    return vm


def new(kind: str, name: str, *, version: str = "backup.kubevirt.io/v1alpha1", **spec: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def body(name: str, source: Object = MACHINE, target: str = "target-pvc", **spec: Any) -> Object:
    return new("VirtualMachineBackup", name, source=source, pvcName=target, **spec)


def export(source: Object) -> Object:
    return new("VirtualMachineExport", "x", version="export.kubevirt.io/v1", source=source)


async def begin(suite: Suite, name: str, source: Object = MACHINE, **spec: Any) -> str:
    await suite.create(BACKUPS, body(name, source, **spec))
    return f"{BACKUPS}/{name}"


async def ended(suite: Suite, path: str, how: str = "Complete") -> Object:
    async def look() -> Object | None:
        found = await suite.get(path)
        return found if conditions(found).get(how) == "True" else None

    found = dict(await suite.eventually(look, 180, 2))
    assert conditions(found)["Progressing"] == "False"
    return found


async def says(suite: Suite, path: str, reason: str, message: str) -> Object:
    async def look() -> Object | None:
        found = await suite.get(path)
        told = {one["type"]: one for one in found.get("status", {}).get("conditions", ())}
        one = told.get("Progressing", {})
        return found if (one.get("reason"), one.get("message")) == (reason, message) else None

    return dict(await suite.eventually(look, 60))


async def track(suite: Suite) -> str:
    await suite.create(TRACKERS, new("VirtualMachineBackupTracker", "tracker", source=MACHINE))
    return f"{TRACKERS}/tracker"


async def checkpoint(suite: Suite, path: str) -> Object:
    return (await suite.get(path)).get("status", {}).get("latestCheckpoint") or {}


async def gone(suite: Suite, path: str) -> None:
    async def look() -> bool:
        return (await suite.call("GET", path))[0] == 404

    await suite.eventually(look, 180, 2)


async def test_full(ready: Suite) -> None:
    """A backup copies all volumes to its claim, tells how it went, and leaves nothing at the guest; it can be made again."""
    vm = await machine(ready)
    for _ in range(2):
        made = await ended(ready, await begin(ready, "vmbackup"))
        status = made["status"]
        assert status["type"] == "Full"
        assert status["includedVolumes"] == [{"volumeName": "disk0"}]
        assert reasons(made)["Complete"] == DONE
        assert reasons(made)["Progressing"] == ("False", "Completed")
        assert reasons(made)["Quiesced"] == ("True", "QuiesceSucceeded")
        messages = {one["type"]: one["message"] for one in status["conditions"]}
        assert messages["Complete"] == "Successfully completed VirtualMachineBackup"
        await has_event(ready, "vmbackup", "Normal", "VirtualMachineBackupCompletedSuccessfully")
        vmi = await vm.vmi()
        assert vmi["status"]["changedBlockTracking"] == {"state": "Enabled"}
        assert "utilityVolumes" not in vmi["spec"]
        assert made["metadata"]["finalizers"] == ["backup.kubevirt.io/vmbackup-protection"]
        await ready.delete(f"{BACKUPS}/vmbackup")
        await gone(ready, f"{BACKUPS}/vmbackup")
    assert ready.cluster.actors["virt-handler"]._backups._due == {}  # type: ignore[attr-defined]


async def test_of_changes(ready: Suite) -> None:
    """A tracker remembers the last checkpoint: the first backup is full, the next is of changes, unless it is not to be."""
    await machine(ready)
    path = await track(ready)
    full = await ended(ready, await begin(ready, "first", TRACKER))
    assert full["status"]["type"] == "Full"
    first = await checkpoint(ready, path)
    assert first["name"] == full["status"]["checkpointName"]
    assert first["creationTime"] == full["metadata"]["creationTimestamp"]
    await ready.cluster.advance(5)
    second = await ended(ready, await begin(ready, "second", TRACKER))
    assert second["status"]["type"] == "Incremental"
    latest = await checkpoint(ready, path)
    assert latest["name"] == second["status"]["checkpointName"] != first["name"]
    third = await ended(ready, await begin(ready, "third", TRACKER, forceFullBackup=True))
    assert third["status"]["type"] == "Full"
    rows = (await ready.call("GET", BACKUPS, accept="application/json;as=Table;v=v1;g=meta.k8s.io"))[1]
    assert [row["cells"][1:4] for row in rows["rows"]] == [
        ["VirtualMachineBackupTracker", "tracker", kind] for kind in ("Full", "Incremental", "Full")
    ]


async def test_two_disks(ready: Suite) -> None:
    """All disks on claims are copied, plugged ones too; others are not."""
    vm = await machine(ready)
    await ready.create(VOLUMES, volume("plugged", size="256Mi"))
    await succeeded(ready, "plugged")
    disk = {"name": "extra", "disk": {"bus": "scsi"}, "serial": "1"}
    given = {"name": "extra", "disk": disk, "volumeSource": {"dataVolume": {"name": "plugged"}}}
    assert await vm.act("addvolume", given) == {}

    async def plugged() -> bool:
        told = {one["name"]: one.get("phase") for one in (await vm.vmi())["status"]["volumeStatus"]}
        return told.get("extra") == "Ready"

    await ready.eventually(plugged, 120)
    made = await ended(ready, await begin(ready, "vmbackup"))
    assert {one["volumeName"] for one in made["status"]["includedVolumes"]} == {"disk0", "extra"}


async def test_over_restarts(ready: Suite) -> None:
    """The checkpoint outlives the guest, which is told of it when it begins anew: the next backup is of changes."""
    vm = await machine(ready)
    path = await track(ready)
    await ended(ready, await begin(ready, "first", TRACKER))
    before = await checkpoint(ready, path)
    await vm.stop()
    await vm.start()
    await enabled(vm)
    assert await checkpoint(ready, path) == before
    assert "checkpointRedefinitionRequired" not in (await ready.get(path))["status"]
    made = await ended(ready, await begin(ready, "second", TRACKER))
    assert made["status"]["type"] == "Incremental"


async def test_lost_checkpoint(ready: Suite) -> None:
    """A guest whose claim of state was lost knows no checkpoint: the tracker forgets it, says so, and the next is full."""
    vm = await machine(ready)
    path = await track(ready)
    await ended(ready, await begin(ready, "first", TRACKER))
    before = await checkpoint(ready, path)
    await vm.stop()
    (state,) = await kept(ready)
    await ready.delete(f"{CLAIMS}/{state['metadata']['name']}")
    await ready.cluster.advance(5)
    await vm.start()
    await enabled(vm)
    await has_event(ready, "tracker", "Warning", "CheckpointRedefinitionFailed")
    assert await checkpoint(ready, path) == {}
    (event,) = [
        one
        for one in await ready.items(f"/api/v1/namespaces/{NS}/events")
        if one["reason"] == "CheckpointRedefinitionFailed"
    ]
    assert event["message"].startswith(f"Failed to redefine checkpoint {before['name']}: ")
    assert event["message"].endswith(". Checkpoint cleared, next backup will be full.")
    made = await ended(ready, await begin(ready, "second", TRACKER))
    assert made["status"]["type"] == "Full"


async def test_too_small(ready: Suite) -> None:
    """A claim without room for all volumes fails a full backup, and no checkpoint is remembered."""
    await machine(ready)
    path = await track(ready)
    await ready.create(CLAIMS, claim("small", size="64Mi"))
    made = await ended(ready, await begin(ready, "vmbackup", TRACKER, target="small"), "Failed")
    (told,) = [one for one in made["status"]["conditions"] if one["type"] == "Failed"]
    assert told["reason"] == "Failed"
    assert told["message"] == "Backup has failed: No space left on device"
    await has_event(ready, "vmbackup", "Warning", "VirtualMachineBackupFailed")
    assert "status" not in await ready.get(path)


async def test_what_is_waited_for(ready: Suite) -> None:
    """A tracker, a machine, a guest, tracked volumes, and the claim may come later; what is missing is told."""
    path = await begin(ready, "vmbackup", TRACKER)
    await says(ready, path, "Initializing", "BackupTracker tracker does not exist")
    await track(ready)
    await says(ready, path, "Initializing", f"VM {NS}/vm doesnt exist")
    vm = await Machine.of(ready, on_template())
    await says(ready, path, "Initializing", "vm vm is not running, cannot do backup")
    assert await vm.act("start") == {}
    await says(ready, path, "Initializing", "vm vm has no ChangedBlockTracking, cannot start backup")
    await ready.delete(f"{CLAIMS}/target-pvc")
    await ready.patch(vm.path, [{"op": "add", "path": "/metadata/labels", "value": LABEL}])
    await restarted(vm)
    await says(ready, path, "Initializing", f"PVC {NS}/target-pvc doesnt exist")
    await ready.create(CLAIMS, claim("target-pvc", size="2Gi"))
    await ended(ready, path)


async def test_aborted(slow: Suite) -> None:
    """A backup deleted while it is pushed is aborted, which is a warning; it fails, and is gone."""
    vm = await machine(slow)
    path = await begin(slow, "vmbackup")
    found = await says(slow, path, "Initiated", "Backup is in progress")
    assert found["status"]["startTimestamp"]

    async def working() -> bool:
        job = (await vm.vmi())["status"]["changedBlockTracking"].get("backupStatus", {})
        return job.get("volumes") == [{"volumeName": "disk0"}]

    await slow.eventually(working, 10)
    refused = await slow.refused("POST", BACKUPS, body("other"))
    assert refused["details"]["causes"][0] == {
        "reason": "FieldValueInvalid",
        "message": 'VirtualMachineBackup "vmbackup" in progress for source',
        "field": "spec.source",
    }
    await slow.delete(path)
    await has_event(slow, "vmbackup", "Warning", "VirtualMachineBackupAborting")
    await has_event(slow, "vmbackup", "Warning", "VirtualMachineBackupFailed")
    await gone(slow, path)
    assert (await vm.vmi())["status"]["changedBlockTracking"] == {"state": "Enabled"}


async def test_source_ends(slow: Suite) -> None:
    """A backup does not outlive the guest it is made of."""
    vm = await machine(slow)
    path = await begin(slow, "vmbackup")
    await says(slow, path, "Initiated", "Backup is in progress")
    await vm.stop()
    made = await ended(slow, path, "Failed")
    assert reasons(made)["Failed"] == ("True", "SourceLost")
    messages = {one["type"]: one["message"] for one in made["status"]["conditions"]}
    assert messages["Failed"] == "Backup has failed: VMI was deleted during backup"


async def test_migrations_wait(slow: Suite) -> None:
    """While a guest is backed up it does not migrate, and while it migrates no backup begins."""
    vm = await machine(slow, modes=["ReadWriteMany"])
    node = (await vm.vmi())["status"]["nodeName"]
    path = await begin(slow, "vmbackup")
    await says(slow, path, "Initiated", "Backup is in progress")
    assert await vm.act("migrate") == {}
    made = await ended(slow, path)
    assert made["status"]["type"] == "Full"

    async def moves() -> bool:
        state = (await vm.vmi())["status"].get("migrationState", {})
        return bool(state.get("startTimestamp") and not state.get("endTimestamp"))

    await slow.eventually(moves, 60)
    second = await begin(slow, "second")
    text = "vm vm is currently migrating, waiting for migration to complete before starting backup"
    await says(slow, second, "Initializing", text)
    await ended(slow, second)
    assert (await vm.vmi())["status"]["nodeName"] != node


async def pulled(suite: Suite, **spec: Any) -> tuple[Machine, str]:
    vm = await machine(suite)
    await track(suite)
    secret = {"metadata": {"name": "token"}, "stringData": {"token": "t" * 12}}
    await suite.create(f"/api/v1/namespaces/{NS}/secrets", secret)
    return vm, await begin(suite, "vmbackup", TRACKER, mode="Pull", tokenSecretRef="token", **spec)


async def test_fetched(ready: Suite) -> None:
    """A backup to be fetched is offered by an export of its name until it is deleted, which completes it."""
    vm, path = await pulled(ready)
    made = await says(ready, path, "ExportReady", "Backup export is ready to pull")
    made_of = await ready.get(f"{EXPORTS}/vmbackup")
    assert made_of["spec"]["source"] == reference("vmbackup", "VirtualMachineBackup", "backup.kubevirt.io")
    assert made_of["spec"]["tokenSecretRef"] == "token"
    assert reasons(made_of)["Ready"] == ("True", "VirtualMachineBackupReady")
    status = made["status"]
    assert status["exportUID"] == made_of["metadata"]["uid"]
    assert status["endpointCert"] == made_of["status"]["links"]["internal"]["cert"] != ""
    base = f"https://virt-export-vmbackup.{NS}.svc/exports/disk0"
    assert status["includedVolumes"] == [
        {"volumeName": "disk0", "dataEndpoint": f"{base}/data", "mapEndpoint": f"{base}/map"}
    ]
    await ready.delete(path)
    await has_event(ready, "vmbackup", "Normal", "VirtualMachineBackupAborting")
    await has_event(ready, "vmbackup", "Normal", "VirtualMachineBackupCompletedSuccessfully")
    await gone(ready, path)
    await gone(ready, f"{EXPORTS}/vmbackup")
    assert (await checkpoint(ready, f"{TRACKERS}/tracker"))["name"] == status["checkpointName"]
    assert (await vm.vmi())["status"]["changedBlockTracking"] == {"state": "Enabled"}


async def test_fetched_anew(ready: Suite) -> None:
    """An export that somebody deletes is made again, and fetched from anew."""
    _, path = await pulled(ready)
    before = await says(ready, path, "ExportReady", "Backup export is ready to pull")
    await ready.delete(f"{EXPORTS}/vmbackup")

    async def again() -> bool:
        found = await ready.get(path)
        ready_again = reasons(found)["Progressing"] == ("True", "ExportReady")
        return ready_again and found["status"]["exportUID"] != before["status"]["exportUID"]

    await ready.eventually(again, 60)


async def test_fetched_for_so_long(ready: Suite) -> None:
    """What is not fetched in time is over, and counts as complete."""
    _, path = await pulled(ready, ttlDuration="5m")
    await says(ready, path, "ExportReady", "Backup export is ready to pull")
    await ready.cluster.advance(300)
    made = await ended(ready, path)
    assert reasons(made)["Complete"] == DONE
    await has_event(ready, "vmbackup", "Normal", "VirtualMachineBackupAborting")


async def test_what_is_refused(ready: Suite) -> None:
    """Definitions say what a backup needs; its gate has to be open, its name free, and its spec stays."""
    fetched = await ready.refused("POST", BACKUPS, body("x", mode="Pull"))
    assert "tokenSecretRef is required when mode is Pull" in fetched["message"]
    nowhere = new("VirtualMachineBackup", "x", source=MACHINE)
    assert "pvcName is required" in (await ready.refused("POST", BACKUPS, nowhere))["message"]
    await begin(ready, "vmbackup")
    twice = await ready.refused("POST", BACKUPS, body("vmbackup"))
    assert twice["message"].endswith('VirtualMachineBackup "vmbackup" already exists')
    change = [{"op": "replace", "path": "/spec/pvcName", "value": "other"}]
    changed = await ready.refused(
        "PATCH", f"{BACKUPS}/vmbackup", change, content="application/json-patch+json"
    )
    assert "spec is immutable after creation" in changed["message"]
    await choose(ready)
    shut = await ready.refused("POST", BACKUPS, body("y", TRACKER))
    assert shut["message"].endswith("IncrementalBackup feature gate not enabled")


async def test_exports_are_of_backups_too(ready: Suite) -> None:
    """Each kind of source has its group, and a name; an export of no backup says that there is none."""
    for kind, group, name, text in (
        ("VirtualMachineBackup", "backup.kubevirt.io", "", "VirtualMachineBackup name must not be empty"),
        ("VirtualMachine", "x", "a", "VM API group must be kubevirt.io"),
        ("VirtualMachineSnapshot", "x", "a", "VMSnapshot API group must be snapshot.kubevirt.io"),
        ("PersistentVolumeClaim", "x", "a", "PVC API group must be missing or blank"),
        ("Pod", "", "a", "invalid kind"),
    ):
        wrong = export(reference(name, kind, group))
        assert (await ready.refused("POST", EXPORTS, wrong))["message"].endswith(text)
    await ready.create(EXPORTS, export(reference("none", "VirtualMachineBackup", "backup.kubevirt.io")))
    await ready.cluster.settle()
    found = await ready.get(f"{EXPORTS}/x")
    assert reasons(found)["Ready"] == ("False", "VirtualMachineBackupReady")


async def test_commands(ready: Suite) -> None:
    """Launchers refuse commands about backups they do not make, and guests that are not recorded know no checkpoints."""
    vm = await machine(ready)
    own = "virtualmachineinstances"
    told = await vm.act("backup", {"backupName": "x", "cmd": "Abort"}, own)
    assert "failed to abort backup: could not find ongoing backup" in told["message"]
    writer = ready.cluster.client().as_user("system:serviceaccount:kubevirt:kubevirt-controller")
    change = [
        {"op": "add", "path": "/status/changedBlockTracking/backupStatus", "value": {"backupName": "y"}}
    ]
    await writer.patch(VIRTUAL_MACHINE_INSTANCES, "vm", NS, change, type="json")
    for command, text in (
        ("Start", "backup y already in progress, need to wait for completion"),
        ("Abort", "failed to abort backup: requested backup differs from ongoing one"),
        ("Export", "requested backup differs from ongoing one"),
    ):
        told = await vm.act("backup", {"backupName": "x", "cmd": command}, own)
        assert text in told["message"]
    await vm.stop()
    assert (await vm.act("backup", {}, own))["code"] == 404
    other = await Machine.of(ready, storage_machine("other", "Always"))
    told = await other.act("redefine-checkpoint", {"name": "x"}, own)
    assert told["message"].endswith("ChangedBlockTracking is not enabled")
