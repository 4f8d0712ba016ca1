"""Snapshots, restores, clones and exports, with all of KubeVirt in place."""

from pathlib import Path

import pytest
import yaml

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import condition, dig, finalizers, name, uid
from fakekube.machinery.resources import (
    EVENTS,
    EXPORTS,
    PERSISTENT_VOLUME_CLAIMS,
    RESTORES,
    SECRETS,
    SERVICES,
    SNAPSHOTS,
    VIRTUAL_MACHINES,
)
from fakekube.traffic import history
from fakekube.virt.controller.storage import clone, common, restore, restoring

NS = "default"
CSI = Path(__file__).parents[2] / "examples/csi-snapshots.yaml"


class Site:
    """A cluster with a VM named vm on a claim named data."""

    def __init__(self, cluster):
        self.cluster, self.client = cluster, cluster.client()

    async def with_csi(self):
        await self.cluster.apply([one for one in yaml.safe_load_all(CSI.read_text()) if one])
        await self.cluster.settle()

    async def machine(self, strategy="Halted"):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        meta = {"name": "data", "namespace": NS}
        await self.client.create(
            PERSISTENT_VOLUME_CLAIMS,
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec},
        )
        template = {
            "domain": {
                "devices": {
                    "interfaces": [{"name": "default", "masquerade": {}, "macAddress": "02:00:00:00:00:09"}]
                },
                "memory": {"guest": "128Mi"},
            },
            "networks": [{"name": "default", "pod": {}}],
            "volumes": [
                {"name": "disk", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "boot", "containerDisk": {"image": "registry.example/cirros:1"}},
            ],
        }
        vm = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": {"name": "vm", "namespace": NS, "labels": {"app": "x", "keep": "y"}},
            "spec": {"runStrategy": strategy, "template": {"spec": template}},
        }
        made = await self.client.create(VIRTUAL_MACHINES, vm)
        await self.cluster.settle()
        return made

    async def make(self, resource, own, *, fate="", **spec):
        meta = {"name": own, "namespace": NS, "annotations": {"fakekube.io/fate": fate} if fate else {}}
        made = await self.client.create(
            resource,
            {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec},
        )
        await self.cluster.settle()
        return made

    async def snapshot(self, own="snap", source="vm", **more):
        reference = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": source}
        return await self.make(SNAPSHOTS, own, source=reference, **more)

    async def get(self, resource, own):
        return await self.client.get(resource, own, NS)

    async def values(self, resource, own, *path):
        """The values a member went through."""
        served = self.cluster.api.catalog.find(resource.group, resource.version, resource.plural)
        states = await history.states(self.cluster.api.store, served, f"{served.prefix}{NS}/{own}")
        found = []
        for state in states:
            if (value := dig(state, *path)) not in found[-1:]:
                found.append(value)
        return found

    async def reasons(self):
        return [one["reason"] for one in (await self.client.list(EVENTS, NS)).items]


@pytest.fixture
async def site():
    async with Cluster(clock=ManualClock(), seed=1, without=["pool-controller"]) as cluster:
        await cluster.settle()
        yield Site(cluster)


def brief(obj, kind):
    found = condition(obj, kind)
    return found and (found["status"], found["reason"])


async def test_v232_snapshot_of_a_stopped_vm(site):
    """V-232: InProgress, then Succeeded and ready; the content keeps the VM; the source is let go."""
    await site.with_csi()
    vm = await site.machine()
    made = await site.snapshot()
    assert await site.values(SNAPSHOTS, "snap", "status", "phase") == [None, "InProgress", "Succeeded"]
    snapshot = await site.get(SNAPSHOTS, "snap")
    status = snapshot["status"]
    own = f"vmsnapshot-content-{uid(made)}"
    assert (status["readyToUse"], status["virtualMachineSnapshotContentName"], status["sourceUID"]) == (
        True,
        own,
        uid(vm),
    )
    assert status["snapshotVolumes"] == {"includedVolumes": ["disk"], "excludedVolumes": ["boot"]}
    assert (brief(snapshot, "Progressing"), brief(snapshot, "Ready")) == (
        ("False", "Operation complete"),
        ("True", "Ready"),
    )
    content = await site.get(common.CONTENTS, own)
    assert dig(content, "spec", "source", "virtualMachine", "spec", "template") == vm["spec"]["template"]
    (backup,) = content["spec"]["volumeBackups"]
    assert backup["volumeSnapshotName"] == f"vmsnapshot-{uid(made)}-volume-disk"
    assert content["status"]["readyToUse"] is True
    vm = await site.get(VIRTUAL_MACHINES, "vm")
    assert "snapshotInProgress" not in vm["status"]
    assert "snapshot.kubevirt.io/snapshot-source-protection" not in finalizers(vm)
    assert "snap" in await site.values(VIRTUAL_MACHINES, "vm", "status", "snapshotInProgress")
    assert "SuccessfulVirtualMachineSnapshotContentCreate" in await site.reasons()
    await site.client.delete(SNAPSHOTS, "snap", NS)
    await site.cluster.settle()
    for resource, gone in ((SNAPSHOTS, "snap"), (common.CONTENTS, own)):
        with pytest.raises(NotFound):
            await site.get(resource, gone)


async def test_v233_locked_source_and_f52_deadline(site):
    """V-233, F-52: `never-ready`: run state and volumes of the source are locked until the deadline fails the snapshot."""
    await site.machine()
    await site.snapshot(fate="never-ready", failureDeadline="1m0s")
    for spec, text in (
        ({"runStrategy": "Always"}, 'Cannot update vm running state until snapshot "snap" completes'),
        (
            {"template": {"spec": {"volumes": []}}},
            'Cannot update vm disks or volumes until snapshot "snap" completes',
        ),
    ):
        with pytest.raises(ApiError, match=text) as refused:
            await site.client.patch(VIRTUAL_MACHINES, "vm", NS, {"spec": spec}, type="merge")
        assert refused.value.code == 422
    await site.cluster.advance(61)
    snapshot = await site.get(SNAPSHOTS, "snap")
    assert snapshot["status"]["phase"] == "Failed"
    assert brief(snapshot, "Failure") == ("True", "snapshot deadline exceeded")
    assert brief(snapshot, "Progressing") == ("False", "Operation failed")
    await site.client.patch(VIRTUAL_MACHINES, "vm", NS, {"spec": {"runStrategy": "Always"}}, type="merge")


async def test_f53_snapshot_of_a_missing_vm(site):
    """F-53: it stays InProgress and says that its source is not there; it goes on when that comes."""
    await site.snapshot()
    snapshot = await site.get(SNAPSHOTS, "snap")
    assert (snapshot["status"]["phase"], snapshot["status"]["readyToUse"]) == ("InProgress", False)
    assert brief(snapshot, "Progressing") == ("False", "Source does not exist")
    await site.machine()
    assert (await site.get(SNAPSHOTS, "snap"))["status"]["phase"] == "Succeeded"


async def test_f54_without_snapshot_classes(site):
    """F-54: without a VolumeSnapshotClass volumes are excluded, and the VM says so."""
    await site.machine(strategy="Always")
    await site.snapshot()
    snapshot = await site.get(SNAPSHOTS, "snap")
    assert snapshot["status"]["snapshotVolumes"]["excludedVolumes"] == ["disk", "boot"]
    assert snapshot["status"]["indications"] == ["NoGuestAgent", "Online", "PartialSnapshot"]
    told = {one["indication"]: one["message"] for one in snapshot["status"]["sourceIndications"]}
    assert list(told) == snapshot["status"]["indications"]
    assert told["NoGuestAgent"].startswith("Guest agent was not available. Snapshot is crash-consistent")
    statuses = (await site.get(VIRTUAL_MACHINES, "vm"))["status"]["volumeSnapshotStatuses"]
    assert [one["enabled"] for one in statuses] == [False, False]
    content = await site.get(common.CONTENTS, snapshot["status"]["virtualMachineSnapshotContentName"])
    assert content["spec"].get("volumeBackups", []) == []
    assert snapshot["status"]["phase"] == "Succeeded"


async def test_v234_f55_restore(site):
    """V-234, F-55: a restore waits for its target to be stopped, then puts it on restored claims."""
    await site.with_csi()
    await site.machine(strategy="Always")
    await site.snapshot()
    patch = {"spec": {"template": {"spec": {"domain": {"memory": {"guest": "256Mi"}}}}}}
    await site.client.patch(VIRTUAL_MACHINES, "vm", NS, patch, type="merge")
    target = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}
    made = await site.make(RESTORES, "back", target=target, virtualMachineSnapshotName="snap")
    waiting = await site.get(RESTORES, "back")
    assert waiting["status"]["complete"] is False
    assert brief(waiting, "Ready")[1].startswith("Waiting for target VM to be powered off.")
    assert brief(waiting, "Ready") == ("False", restore.GRACE_PERIOD)
    await site.client.patch(VIRTUAL_MACHINES, "vm", NS, {"spec": {"runStrategy": "Halted"}}, type="merge")
    await site.cluster.advance(60)
    done = await site.get(RESTORES, "back")
    claim = f"restore-{uid(made)}-disk"
    assert (done["status"]["complete"], bool(done["status"]["restoreTime"])) == (True, True)
    assert [one["persistentVolumeClaim"] for one in done["status"]["restores"]] == [claim]
    assert brief(done, "Ready") == ("True", "Operation complete")
    vm = await site.get(VIRTUAL_MACHINES, "vm")
    spec = vm["spec"]["template"]["spec"]
    assert spec["domain"]["memory"]["guest"] == "128Mi"
    assert spec["volumes"][0] == {"name": "disk", "persistentVolumeClaim": {"claimName": claim}}
    assert vm["spec"]["runStrategy"] == "Halted"
    assert vm["metadata"]["annotations"][restoring.LAST] == f"back-{uid(made)}"
    assert "restoreInProgress" not in vm["status"]
    assert (await site.get(PERSISTENT_VOLUME_CLAIMS, claim))["status"]["phase"] == "Bound"
    assert "VirtualMachineRestoreComplete" in await site.reasons()


async def test_v235_clone(site):
    """V-235: through snapshot and restore to a new VM with its own addresses, and nothing temporary stays."""
    await site.with_csi()
    vm = await site.machine()
    source = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}
    made = await site.make(clone.Clones.resource, "copy", source=source, labelFilters=["*", "!app"])
    phases = await site.values(common.CLONES, "copy", "status", "phase")
    assert phases == [None, "SnapshotInProgress", "RestoreInProgress", "CreatingTargetVM", "Succeeded"]
    done = await site.get(common.CLONES, "copy")
    own = done["status"]["targetName"]
    assert own.startswith("clone-vm-")
    assert "snapshotName" not in done["status"]
    assert brief(done, "Ready") == ("True", "Ready")
    twin = await site.get(VIRTUAL_MACHINES, own)
    assert twin["metadata"]["labels"] == {"keep": "y"}
    domain, was = (one["spec"]["template"]["spec"]["domain"] for one in (twin, vm))
    assert domain["firmware"]["uuid"] != was["firmware"]["uuid"]
    assert "macAddress" not in domain["devices"]["interfaces"][0]
    claim = twin["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claim.startswith("restore-")
    assert twin["spec"]["runStrategy"] == "Halted"
    for resource, temporary in (
        (SNAPSHOTS, f"tmp-snapshot-{uid(made)}"),
        (RESTORES, f"tmp-restore-{uid(made)}"),
    ):
        with pytest.raises(NotFound):
            await site.get(resource, temporary)
    reasons = await site.reasons()
    for reason in ("SnapshotCreated", "SnapshotReady", "RestoreCreated", "RestoreReady", "TargetVMCreated"):
        assert reason in reasons


async def test_v236_export(site):
    """V-236: Pending, then Ready with links, token and end; a VM has to be stopped; after its time it is over."""
    await site.machine(strategy="Always")
    claim = {"kind": "PersistentVolumeClaim", "apiGroup": "", "name": "data"}
    await site.make(EXPORTS, "out", source=claim)
    assert brief(await site.get(EXPORTS, "out"), "Ready") == ("False", "InUse")
    await site.client.patch(VIRTUAL_MACHINES, "vm", NS, {"spec": {"runStrategy": "Halted"}}, type="merge")
    await site.cluster.advance(60)
    status = (await site.get(EXPORTS, "out"))["status"]
    assert await site.values(EXPORTS, "out", "status", "phase") == [None, "Pending", "Ready"]
    (volume,) = status["links"]["internal"]["volumes"]
    assert (volume["name"], [one["format"] for one in volume["formats"]]) == ("data", ["dir", "tar.gz"])
    assert (status["tokenSecretRef"], status["serviceName"]) == ("export-token-out", "virt-export-out")
    assert status["ttlExpirationTime"] == "2026-01-01T02:00:00Z"
    assert dig(await site.get(SECRETS, "export-token-out"), "data", "token")
    assert name(await site.get(SERVICES, "virt-export-out")) == "virt-export-out"
    machine = {"kind": "VirtualMachine", "apiGroup": "kubevirt.io", "name": "vm"}
    await site.make(EXPORTS, "whole", source=machine)
    whole = (await site.get(EXPORTS, "whole"))["status"]
    assert [one["type"] for one in whole["links"]["internal"]["manifests"]] == ["all", "auth-header-secret"]
    await site.cluster.advance(7201)
    with pytest.raises(NotFound):
        await site.get(EXPORTS, "out")
