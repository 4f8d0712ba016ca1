"""virt-controller's passes over snapshots of machines, what they contain, and restores, at most one of each.

Origin: kubevirt: pkg/storage/snapshot/{snapshot,source,restore}.go
"""

import copy

from fakekube.virt.controller import vmi_template
from tests.upstream.conftest import JSON_PATCH, Object
from tests.upstream.foreign import go_objects as objects
from tests.upstream.foreign.go_controller import CLAIMS, NS, VMIS
from tests.upstream.foreign.go_machines import REVISIONS, SUBRESOURCES, VMS, VOLUMES, Machines
from tests.upstream.foreign.go_objects import tested

_GROUP = f"/apis/snapshot.kubevirt.io/v1beta1/namespaces/{NS}"
SNAPSHOTS = f"{_GROUP}/virtualmachinesnapshots"
CONTENTS = f"{_GROUP}/virtualmachinesnapshotcontents"
RESTORES = f"{_GROUP}/virtualmachinerestores"
TAKEN = f"/apis/snapshot.storage.k8s.io/v1/namespaces/{NS}/volumesnapshots"
_PROTECTION = "snapshot.kubevirt.io"
_RESTORED = "restore.kubevirt.io/lastRestoreUID"
_FOR = "cdi.kubevirt.io/storage.populatedFor"
_LOCKED, _UNLOCKED = "Source locked and operation in progress", "Source not locked"


class Storage(Machines):
    """The whole of it, with snapshots and restores."""

    async def step(self) -> None:
        await super().step()
        for one in await self.suite.items(SNAPSHOTS):
            await self.snapshot(one)
        for one in await self.suite.items(CONTENTS):
            await self.content(one)
        for one in await self.suite.items(RESTORES):
            await self.restore(one)

    async def state(self) -> list[tuple[str, str]]:
        kinds = (SNAPSHOTS, CONTENTS, RESTORES, TAKEN, CLAIMS)
        found = [one for kind in kinds for one in await self.suite.items(kind)]
        mine = [(one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found]
        return sorted([*await super().state(), *mine])

    async def protect(self, path: str, obj: Object, name: str, *, on: bool = True) -> Object:
        """With or without one of our finalizers."""
        own, old = f"{_PROTECTION}/{name}-protection", obj["metadata"].get("finalizers")
        if (own in (old or ())) == on:
            return obj
        new = [*(old or ()), own] if on else [one for one in old if one != own]
        ops = tested("/metadata/finalizers", old, new)
        return await self.suite.patch(f"{path}/{obj['metadata']['name']}", ops, JSON_PATCH)

    async def written(self, path: str, obj: Object, status: Object) -> Object:
        """The status, where it differs."""
        if status == obj.get("status"):
            return obj
        at = f"{path}/{obj['metadata']['name']}/status"
        made: Object = await self.suite.done("PUT", at, {**obj, "status": status})
        return made

    async def condition(self, kind: str, *, holds: bool, reason: str) -> Object:
        times = {"lastProbeTime": await self.now(), "lastTransitionTime": await self.now()}
        return {"type": kind, "status": "True" if holds else "False", "reason": reason, **times}

    # Snapshots.

    async def snapshot(self, obj: Object) -> None:
        vm, own = await self.vm(), obj["metadata"]["name"]
        name = f"vmsnapshot-content-{obj['metadata']['uid']}"
        found, content = await self.suite.call("GET", f"{CONTENTS}/{name}")
        if "deletionTimestamp" in obj["metadata"]:
            if found == 200:
                await self.suite.gone(f"{CONTENTS}/{name}")
            await self.protect(SNAPSHOTS, obj, "vmsnapshot", on=False)
            return
        obj = await self.protect(SNAPSHOTS, obj, "vmsnapshot")
        status = {"readyToUse": False, **(obj.get("status") or {}), "sourceUID": vm["metadata"]["uid"]}
        locked = vm["status"].get("snapshotInProgress") == own
        if "status" in obj and status.get("phase") == "InProgress":
            if not locked:
                await self.lock(vm, own)
            elif found == 404:
                await self.suite.create(CONTENTS, await self.contents(obj, name, vm))
        elif locked:
            await self.unlock(vm)
        told = content.get("status") or {} if found == 200 else {}
        status |= {key: told[key] for key in ("creationTime", "readyToUse") if key in told}
        done = "creationTime" in told
        status["phase"] = "Succeeded" if done else "InProgress"
        reason = "Operation complete" if done else _LOCKED if locked else _UNLOCKED
        conditions = [await self.condition("Progressing", holds=locked and not done, reason=reason)]
        ready = bool(status["readyToUse"])
        reason = "Ready" if ready else "Not ready"
        conditions.append(await self.condition("Ready", holds=ready, reason=reason))
        status["conditions"] = objects.put(status.get("conditions"), *conditions)
        if found == 200:
            status["virtualMachineSnapshotContentName"] = name
        if done:
            backed = [one["volumeName"] for one in content["spec"]["volumeBackups"]]
            status["snapshotVolumes"] = {"includedVolumes": backed}
        await self.written(SNAPSHOTS, obj, status)

    async def lock(self, vm: Object, own: str) -> None:
        vm = await self.written(VMS, vm, {**vm["status"], "snapshotInProgress": own})
        await self.protect(VMS, vm, "snapshot-source")

    async def unlock(self, vm: Object) -> None:
        vm = {**vm, **await self.protect(VMS, vm, "snapshot-source", on=False)}
        kept = {key: one for key, one in vm["status"].items() if key != "snapshotInProgress"}
        await self.written(VMS, vm, kept)

    async def contents(self, obj: Object, name: str, vm: Object) -> Object:
        """The machine as it runs, and its claims."""
        spec, meta = vm["spec"], vm["metadata"]
        if await self.there():
            revision = (await self.vmi())["status"]["virtualMachineRevisionName"]
            spec = (await self.suite.get(f"{REVISIONS}/{revision}"))["data"]["spec"]
        kept = {key: meta[key] for key in ("name", "namespace", "uid", "annotations", "finalizers")}
        source = {"metadata": {**kept, "creationTimestamp": None}, "spec": spec, "status": {}}
        backups = []
        for volume in spec["template"]["spec"]["volumes"]:
            if "dataVolume" not in volume:
                continue
            claim = await self.suite.get(f"{CLAIMS}/{volume['dataVolume']['name']}")
            told = {key: claim["metadata"].get(key) or {} for key in ("labels", "annotations")}
            told |= {"name": claim["metadata"]["name"], "namespace": NS, "creationTimestamp": None}
            taken = f"vmsnapshot-{obj['metadata']['uid']}-volume-{volume['name']}"
            pvc = {"metadata": told, "spec": claim["spec"]}
            backups.append(
                {"volumeName": volume["name"], "persistentVolumeClaim": pvc, "volumeSnapshotName": taken}
            )
        body = {"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": "VirtualMachineSnapshotContent"}
        finalizers = [f"{_PROTECTION}/vmsnapshotcontent-protection"]
        body["metadata"] = {
            "name": name,
            "namespace": NS,
            "creationTimestamp": None,
            "finalizers": finalizers,
        }
        named = {"virtualMachineSnapshotName": obj["metadata"]["name"]}
        body["spec"] = {**named, "source": {"virtualMachine": source}, "volumeBackups": backups}
        return body

    async def content(self, obj: Object) -> None:
        if "deletionTimestamp" in obj["metadata"]:
            await self.protect(CONTENTS, obj, "vmsnapshotcontent", on=False)
            return
        frozen, listed = False, []
        for backup in obj["spec"]["volumeBackups"]:
            name = backup["volumeSnapshotName"]
            found, taken = await self.suite.call("GET", f"{TAKEN}/{name}")
            if found == 404:
                if not frozen:
                    await self.freeze()
                    frozen = True
                taken = await self.take(obj, backup)
            told = taken.get("status") or {}
            members = {key: told[key] for key in ("readyToUse", "creationTime") if key in told}
            listed.append({"volumeSnapshotName": name, **members})
        status = {**(obj.get("status") or {}), "volumeSnapshotStatus": listed}
        if "creationTime" not in status and all("creationTime" in one for one in listed):
            await self.freeze(thaw=True)
            status["creationTime"] = await self.now()
        status["readyToUse"] = all(one.get("readyToUse") for one in listed)
        await self.written(CONTENTS, obj, status)

    async def freeze(self, *, thaw: bool = False) -> None:
        if not await self.there() or not objects.has(await self.vmi(), "AgentConnected"):
            return
        path, body = f"{SUBRESOURCES}/virtualmachineinstances/{self.name}", {"unfreezeTimeout": "5m0s"}
        verb = "unfreeze" if thaw else "freeze"
        await self.suite.done("PUT", f"{path}/{verb}", None if thaw else body)
        if not thaw:
            assert (await self.suite.get(f"{VMIS}/{self.name}"))["status"]["fsFreezeStatus"] == "frozen"

    async def take(self, content: Object, backup: Object) -> Object:
        owner = {key: content[key] for key in ("apiVersion", "kind")}
        owner |= {key: content["metadata"][key] for key in ("name", "uid")}
        owner |= {"controller": True, "blockOwnerDeletion": True}
        labels = {"snapshot.kubevirt.io/source-vm-name": self.name}
        meta = {"name": backup["volumeSnapshotName"], "creationTimestamp": None, "labels": labels}
        source = {"persistentVolumeClaimName": backup["persistentVolumeClaim"]["metadata"]["name"]}
        body = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}
        spec = {"source": source, "volumeSnapshotClassName": "standard-snapshots"}
        made = {**body, "metadata": {**meta, "ownerReferences": [owner]}, "spec": spec}
        return await self.suite.create(TAKEN, made)

    # Restores.

    async def restore(self, obj: Object) -> None:
        name = obj["metadata"]["name"]
        if "status" not in obj:
            reason = "Initializing VirtualMachineRestore"
            told = [
                await self.condition(one, holds=one != "Ready", reason=reason)
                for one in ("Progressing", "Ready")
            ]
            await self.written(RESTORES, obj, {"complete": False, "conditions": told})
            return
        if obj["status"]["complete"] or await self.there():
            return
        vm = await self.vm()
        if not obj["metadata"].get("ownerReferences"):
            meta = {**obj["metadata"], "ownerReferences": [vmi_template._owner(vm)]}
            meta["finalizers"] = [f"{_PROTECTION}/vmrestore-protection"]
            obj = await self.suite.done("PUT", f"{RESTORES}/{name}", {**obj, "metadata": meta})
        mark = f"{name}-{obj['metadata']['uid']}"
        restored = vm["metadata"]["annotations"].get(_RESTORED) == mark
        if not restored and "restoreInProgress" not in vm["status"]:
            vm = await self.written(VMS, vm, {**vm["status"], "restoreInProgress": name})
        snapshot = await self.suite.get(f"{SNAPSHOTS}/{obj['spec']['virtualMachineSnapshotName']}")
        content = await self.suite.get(
            f"{CONTENTS}/{snapshot['status']['virtualMachineSnapshotContentName']}"
        )
        (backup,) = content["spec"]["volumeBackups"]
        own = f"restore-{obj['metadata']['uid']}-{backup['volumeName']}"
        status = dict(obj["status"])
        status["restores"] = [
            {
                "volumeName": backup["volumeName"],
                "persistentVolumeClaim": own,
                "volumeSnapshotName": backup["volumeSnapshotName"],
                "dataVolumeName": own,
            }
        ]
        if not restored and await self.volumes_restored(obj, vm, backup, own):
            await self.rewrite(vm, content, own, mark)
        elif restored:
            kept = {key: one for key, one in vm["status"].items() if key != "restoreInProgress"}
            await self.written(VMS, vm, kept)
            await self.suite.gone(f"{VOLUMES}/{backup['persistentVolumeClaim']['metadata']['name']}")
            status |= {"complete": True, "restoreTime": await self.now()}
        await self.written(RESTORES, obj, status)

    async def volumes_restored(self, obj: Object, vm: Object, backup: Object, own: str) -> bool:
        """Whether the claim made from the snapshot is bound, and a DataVolume has taken it over."""
        found, claim = await self.suite.call("GET", f"{CLAIMS}/{own}")
        if found == 404:
            source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot"}
            source["name"] = backup["volumeSnapshotName"]
            old = backup["persistentVolumeClaim"]["spec"]
            spec = {key: old[key] for key in ("accessModes", "resources", "storageClassName", "volumeMode")}
            meta = {"name": own, "creationTimestamp": None, "ownerReferences": [vmi_template._owner(vm)]}
            meta["annotations"] = {"restore.kubevirt.io/name": obj["metadata"]["name"]}
            body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "status": {}}
            await self.suite.create(
                CLAIMS, {**body, "spec": {**spec, "dataSource": source, "dataSourceRef": source}}
            )
            return False
        if claim["status"]["phase"] != "Bound":
            return False
        if _FOR not in claim["metadata"]["annotations"]:
            meta = {**claim["metadata"], "annotations": {**claim["metadata"]["annotations"], _FOR: own}}
            del meta["ownerReferences"]
            await self.suite.done("PUT", f"{CLAIMS}/{own}", {**claim, "metadata": meta})
            return False
        found, volume = await self.suite.call("GET", f"{VOLUMES}/{own}")
        if found == 404:
            (template,) = vm["spec"]["dataVolumeTemplates"]
            marks = {"restore.kubevirt.io/name": obj["metadata"]["name"]}
            marks["cdi.kubevirt.io/storage.prePopulated"] = "true"
            meta = {"name": own, "namespace": NS, "creationTimestamp": None, "annotations": marks}
            body = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": meta}
            await self.suite.create(VOLUMES, {**body, "spec": template["spec"], "status": {}})
            return False
        return bool((volume.get("status") or {}).get("phase") == "Succeeded")

    async def rewrite(self, vm: Object, content: Object, own: str, mark: str) -> None:
        spec = copy.deepcopy(content["spec"]["source"]["virtualMachine"]["spec"])
        spec["runStrategy"] = vm["spec"]["runStrategy"]
        spec["dataVolumeTemplates"][0]["metadata"] = {"name": own, "creationTimestamp": None}
        for volume in spec["template"]["spec"]["volumes"]:
            if "dataVolume" in volume:
                volume["dataVolume"] = {"name": own}
        meta = {**vm["metadata"], "annotations": {**vm["metadata"]["annotations"], _RESTORED: mark}}
        await self.suite.done("PUT", self.machine, {**vm, "metadata": meta, "spec": spec})
