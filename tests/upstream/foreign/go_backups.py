"""virt-controller on machines whose changed blocks are recorded, and on backups of them, which it notes before they begin.

Origin: kubevirt: pkg/storage/cbt/{cbt,backup,backup_target_pvc}.go, pkg/storage/backend-storage/backend-storage.go
"""

from typing import Any

from fakekube.virt.controller import persistent_state
from tests.upstream.conftest import JSON_PATCH, Object
from tests.upstream.foreign import go_objects as objects
from tests.upstream.foreign.go_controller import CLAIMS, NS
from tests.upstream.foreign.go_machines import SUBRESOURCES, Machines
from tests.upstream.foreign.go_objects import tested

BACKUPS = f"/apis/backup.kubevirt.io/v1alpha1/namespaces/{NS}/virtualmachinebackups"
_FINALIZER = "backup.kubevirt.io/vmbackup-protection"
_JOB, _BESIDE = "/status/changedBlockTracking/backupStatus", "/spec/utilityVolumes"


def _tracking(obj: Object | None) -> Object:
    return ((obj or {}).get("status") or {}).get("changedBlockTracking") or {}


class Backups(Machines):
    """The whole of it. Every machine is recorded."""

    async def step(self) -> None:
        await super().step()
        for one in await self.suite.items(BACKUPS):
            await self.backup(one)

    async def state(self) -> list[tuple[str, str]]:
        found = [*await self.suite.items(BACKUPS), *await self.suite.items(CLAIMS)]
        mine = [(one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found]
        return sorted([*await super().state(), *mine])

    # Machines and instances.

    async def keep(self, vm: Object) -> None:
        vm["status"].setdefault("changedBlockTracking", {"state": "Initializing"})

    async def status(self, vm: Object, vmi: Object | None, expected: str) -> Object:
        made = await super().status(vm, vmi, expected)
        state = _tracking(vmi).get("state") or _tracking(vm)["state"]
        return {**made, "changedBlockTracking": {"state": state}}

    async def instance(self) -> None:
        """What is remembered has a claim, which the instance tells of before its launcher comes."""
        vmi = await self.vmi()
        if vmi["status"]["phase"] == "Pending" and not persistent_state.current_name(vmi):
            claim = await self.remembered()
            if claim is None:
                mark = {persistent_state.LABEL: self.name}
                body = persistent_state.build(vmi, mark, "standard", "ReadWriteOnce")
                await self.suite.create(CLAIMS, body)
            elif claim["status"]["phase"] == "Bound":
                entries = persistent_state.with_entry(vmi["status"].get("volumeStatus") or (), vmi, claim)
                await self.put({**vmi, "status": {**vmi["status"], "volumeStatus": entries}})
            return
        await super().instance()

    async def remembered(self) -> Object | None:
        found = await self.suite.items(CLAIMS, f"{persistent_state.LABEL}={self.name}")
        return found[0] if found else None

    async def plug(self, vmi: Object, pod: Object) -> None:
        await super().plug(_with_beside(vmi), pod)

    async def bound(self, vmi: Object) -> list[Object]:
        return await super().bound(_with_beside(vmi))

    async def volumes(self, vmi: Object, pod: Object) -> list[Object]:
        made = await super().volumes(_with_beside(vmi), pod)
        return persistent_state.with_entry(made, vmi, await self.remembered())

    # Backups.

    async def backup(self, obj: Object) -> None:
        if not await self.there() or objects.has({"status": {}, **obj}, "Complete"):
            return
        vmi, own = await self.vmi(), obj["metadata"]["name"]
        volume, job = f"{own}-backup-target-pvc", _tracking(vmi).get("backupStatus")
        if not any(one["status"] == "True" for one in _told(obj, "Progressing")):
            if _tracking(vmi).get("state") == "Enabled":
                await self.begin(obj, vmi, volume, job)
        elif job and job.get("completed") and await self.detached(vmi, volume):
            await self.suite.patch(self.path, [{"op": "remove", "path": _JOB}], JSON_PATCH)
            status = {
                **obj["status"],
                "includedVolumes": job["volumes"],
                "checkpointName": job["checkpointName"],
            }
            status["conditions"] = [
                {**one, "lastProbeTime": None, "message": "Successfully completed VirtualMachineBackup"}
                for one in (
                    await self.condition("Progressing", "False", "Completed"),
                    await self.condition("Complete", "True", "Completed"),
                )
            ]
            await self.suite.done("PUT", f"{BACKUPS}/{own}/status", {**obj, "status": status})

    async def condition(self, kind: str, status: str, reason: str) -> Object:
        return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": await self.now()}

    async def begin(self, obj: Object, vmi: Object, volume: str, job: Object | None) -> None:
        own, old = obj["metadata"]["name"], obj["metadata"].get("finalizers")
        if _FINALIZER not in (old or ()):
            ops = tested("/metadata/finalizers", old, [*(old or ()), _FINALIZER])
            obj = await self.suite.patch(f"{BACKUPS}/{own}", ops, JSON_PATCH)
        if job is None:
            note = {"backupName": own, "startTimestamp": obj["metadata"]["creationTimestamp"]}
            ops = [{"op": "test", "path": _JOB, "value": None}, {"op": "add", "path": _JOB, "value": note}]
            await self.suite.patch(self.path, ops, JSON_PATCH)
        if (await self.suite.call("GET", f"{CLAIMS}/{obj['spec']['pvcName']}"))[0] == 404:
            return
        if not any(one["name"] == volume for one in vmi["spec"].get("utilityVolumes") or ()):
            made = [{"name": volume, "claimName": obj["spec"]["pvcName"], "type": "Backup"}]
            ops = [
                {"op": "test", "path": _BESIDE, "value": None},
                {"op": "add", "path": _BESIDE, "value": made},
            ]
            await self.suite.patch(self.path, ops, JSON_PATCH)
            return
        told = (one for one in vmi["status"]["volumeStatus"] if one["name"] == volume)
        if next(told, {}).get("phase") != "MountedToPod":
            return
        options = {"backupName": own, "cmd": "Start", "mode": "Push"}
        options["backupStartTime"] = obj["metadata"]["creationTimestamp"]
        options["targetPath"] = f"/var/run/kubevirt/hotplug-disks/{volume}"
        path = f"{SUBRESOURCES}/virtualmachineinstances/{self.name}/backup"
        await self.suite.done("PUT", path, options)
        progress = {**await self.condition("Progressing", "True", "InProgress"), "lastProbeTime": None}
        status = {"type": "Full", "conditions": [{**progress, "message": "Backup is in progress"}]}
        await self.suite.done("PUT", f"{BACKUPS}/{own}/status", {**obj, "status": status})

    async def detached(self, vmi: Object, volume: str) -> bool:
        beside = vmi["spec"].get("utilityVolumes")
        if any(one["name"] == volume for one in beside or ()):
            ops = [{"op": "test", "path": _BESIDE, "value": beside}, {"op": "remove", "path": _BESIDE}]
            await self.suite.patch(self.path, ops, JSON_PATCH)
            return False
        return all(one["name"] != volume for one in vmi["status"]["volumeStatus"])


def _told(obj: Object, kind: str) -> list[Any]:
    return [one for one in (obj.get("status") or {}).get("conditions") or () if one["type"] == kind]


def _with_beside(vmi: Object) -> Object:
    """What is beside the guest is plugged as its own volumes are."""
    known = {one["name"] for one in vmi["spec"].get("volumes") or ()}
    more = [
        {"name": one["name"], "persistentVolumeClaim": {"claimName": one["claimName"], "hotpluggable": True}}
        for one in vmi["spec"].get("utilityVolumes") or ()
        if one["name"] not in known
    ]
    return {**vmi, "spec": {**vmi["spec"], "volumes": [*(vmi["spec"].get("volumes") or ()), *more]}}
