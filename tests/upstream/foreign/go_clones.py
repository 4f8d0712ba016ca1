"""KubeVirt's virt-controller with its clone controller: on top of machines, snapshots and restores.

Origin: kubevirt: pkg/virt-controller/watch/clone/{clone,util,vm-target}.go
"""

import copy
import json

from fakekube.virt import json_patch
from fakekube.virt.controller import vmi_template
from tests.upstream.conftest import Object, Suite
from tests.upstream.foreign import go_objects as objects
from tests.upstream.foreign.go_controller import CLAIMS, DELETE, NS
from tests.upstream.foreign.go_machines import VMS
from tests.upstream.foreign.go_storage import CONTENTS, RESTORES, SNAPSHOTS, Storage

CLONES = f"/apis/clone.kubevirt.io/v1beta1/namespaces/{NS}/virtualmachineclones"
_RESTORED = "restore.kubevirt.io/lastRestoreUID"
_INTERFACE = "/spec/template/spec/domain/devices/interfaces/0/macAddress"
_FIRMWARE = "/spec/template/spec/domain/firmware"


class Clones(Storage):
    """The whole of it."""

    user: Suite  # somebody else

    async def step(self) -> None:
        await super().step()
        for one in await self.suite.items(CLONES):
            await self.clone(self.types.again("virtualmachineclones", "v1beta1", one))

    async def state(self) -> list[tuple[str, str]]:
        found = await self.suite.items(CLONES)
        mine = [(one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found]
        return sorted([*await super().state(), *mine])

    async def clone(self, obj: Object) -> None:
        status, uid = dict(obj["status"]), obj["metadata"]["uid"]
        phase, target = status.get("phase"), obj["spec"]["target"]["name"]
        there = (await self.suite.call("GET", f"{VMS}/{target}"))[0] == 200
        if phase == "Succeeded" and not there:
            await self.suite.gone(f"{CLONES}/{obj['metadata']['name']}", DELETE)
            return
        ready = False
        if phase is None:
            source = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": self.name}
            named = await self.made(obj, SNAPSHOTS, f"tmp-snapshot-{uid}", {"source": source})
            status |= {"phase": "SnapshotInProgress", "snapshotName": named}
        elif phase == "SnapshotInProgress":
            snapshot = await self.suite.get(f"{SNAPSHOTS}/{status['snapshotName']}")
            if (snapshot.get("status") or {}).get("readyToUse"):
                content = snapshot["status"]["virtualMachineSnapshotContentName"]
                spec = self.restored(obj, snapshot, await self.suite.get(f"{CONTENTS}/{content}"))
                status["restoreName"] = await self.made(obj, RESTORES, f"tmp-restore-{uid}", spec)
                status["phase"] = "RestoreInProgress"
        elif phase == "RestoreInProgress":
            restore = await self.suite.get(f"{RESTORES}/{status['restoreName']}")
            if (restore.get("status") or {}).get("complete") and there:
                status |= {"phase": "Succeeded", "targetName": restore["spec"]["target"]["name"]}
        elif "restoreName" in status and await self.are_bound(status["restoreName"]):
            ready = True
            for path in (f"{RESTORES}/{status['restoreName']}", f"{SNAPSHOTS}/{status['snapshotName']}"):
                await self.suite.gone(path, DELETE)
            del status["restoreName"], status["snapshotName"]
        done = status["phase"] == "Succeeded"
        reason = "Ready" if done else "Still processing"
        told = [
            {**await self.condition(kind, holds=holds, reason=reason), "lastProbeTime": None}
            for kind, holds in (("Progressing", not done), ("Ready", done))
        ]
        if status != obj["status"] or ready:
            status["conditions"] = objects.put(status.get("conditions"), *told)
            await self.written(CLONES, obj, status)

    # The restore of a clone, whose target is not there yet.

    async def restore(self, obj: Object) -> None:
        if "deletionTimestamp" in obj["metadata"]:
            await self.protect(RESTORES, obj, "vmrestore", on=False)
            return
        target = obj["spec"]["target"]["name"]
        if target == self.name or "status" not in obj or obj["status"]["complete"]:
            await super().restore(obj)
            return
        found, vm = await self.suite.call("GET", f"{VMS}/{target}")
        if found == 404:
            snapshot = await self.suite.get(f"{SNAPSHOTS}/{obj['spec']['virtualMachineSnapshotName']}")
            content = snapshot["status"]["virtualMachineSnapshotContentName"]
            kept = (await self.suite.get(f"{CONTENTS}/{content}"))["spec"]["source"]["virtualMachine"]
            await self.suite.create(VMS, self.target(obj, kept))
            return
        if not obj["metadata"].get("finalizers"):
            meta = {**obj["metadata"], "ownerReferences": [vmi_template._owner(vm)]}
            meta["finalizers"] = ["snapshot.kubevirt.io/vmrestore-protection"]
            path = f"{RESTORES}/{obj['metadata']['name']}"
            obj = await self.suite.done("PUT", path, {**obj, "metadata": meta})
        status = {**obj["status"], "complete": True, "restoreTime": await self.now()}
        told = [
            await self.condition(one, holds=one == "Ready", reason="Operation complete")
            for one in ("Progressing", "Ready")
        ]
        status["conditions"] = objects.put(status["conditions"], *told)
        await self.written(RESTORES, obj, status)

    def target(self, obj: Object, kept: Object) -> Object:
        """The machine as it was, patched in memory; what is empty then is not sent."""
        meta = {key: kept["metadata"][key] for key in ("labels", "annotations") if key in kept["metadata"]}
        mark = f"{obj['metadata']['name']}-{obj['metadata']['uid']}"
        meta["annotations"] = {**(meta.get("annotations") or {}), _RESTORED: mark}
        meta |= {"name": obj["spec"]["target"]["name"], "namespace": NS, "creationTimestamp": None}
        vm = {"metadata": meta, "spec": {**kept["spec"], "runStrategy": "Halted"}}
        vm = json_patch.applied(copy.deepcopy(vm), [json.loads(one) for one in obj["spec"]["patches"]])
        domain = vm["spec"]["template"]["spec"]["domain"]
        for one in (domain["firmware"], *domain["devices"]["interfaces"]):
            for member in [key for key, value in one.items() if value == ""]:
                del one[member]
        return {"kind": "VirtualMachine", "apiVersion": "kubevirt.io/v1", **vm, "status": {}}

    async def made(self, obj: Object, path: str, name: str, spec: Object) -> str:
        owner = {"apiVersion": "clone.kubevirt.io/v1beta1", "kind": "VirtualMachineClone"}
        owner |= {key: obj["metadata"][key] for key in ("name", "uid")}
        owner |= {"controller": True, "blockOwnerDeletion": True}
        kind = "VirtualMachineSnapshot" if path == SNAPSHOTS else "VirtualMachineRestore"
        meta = {"name": name, "namespace": NS, "creationTimestamp": None, "ownerReferences": [owner]}
        body = {"apiVersion": "snapshot.kubevirt.io/v1beta1", "kind": kind, "metadata": meta}
        await self.suite.create(path, {**body, "spec": spec})
        return name

    def restored(self, obj: Object, snapshot: Object, content: Object) -> Object:
        """The patches, each a text, as the program orders them."""
        kept = content["spec"]["source"]["virtualMachine"]["metadata"]
        address = (obj["spec"].get("newMacAddresses") or {}).get("default", "")
        told = [{"op": "replace", "path": _INTERFACE, "value": address}]
        told.append({"op": "replace", "path": f"{_FIRMWARE}/serial", "value": ""})
        if "annotationFilters" in obj["spec"]:
            marks = (one for one in kept.get("annotations") or () if one != _RESTORED)
            told += [
                {"op": "remove", "path": f"/metadata/annotations/{one.replace('/', '~1')}", "value": None}
                for one in marks
            ]
        told.append({"op": "replace", "path": f"{_FIRMWARE}/uuid", "value": ""})
        texts = [json.dumps(one, separators=(",", ":")) for one in told]
        named = {"target": obj["spec"]["target"], "virtualMachineSnapshotName": snapshot["metadata"]["name"]}
        return {**named, "patches": texts}

    async def are_bound(self, restore: str) -> bool:
        listed = (await self.suite.get(f"{RESTORES}/{restore}"))["status"].get("restores") or ()
        claims = [await self.suite.get(f"{CLAIMS}/{one['persistentVolumeClaim']}") for one in listed]
        return all(one["status"]["phase"] == "Bound" for one in claims)
