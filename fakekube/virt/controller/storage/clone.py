"""Clones: a snapshot of the source, restored to a new VM, with new addresses and serial numbers.

Origin: kubevirt: pkg/virt-controller/watch/clone/{clone,clone_base}.go, pkg/virt-controller/watch/clone/patch-generator.go
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

import orjson

from fakekube.client.recorder import NORMAL
from fakekube.machinery.objects import (
    annotations,
    dig,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    owner_reference,
    uid,
)
from fakekube.machinery.resources import RESTORES, SNAPSHOTS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance
from fakekube.virt.controller.storage import common, restoring
from fakekube.virt.controller.wiring import Wiring

SNAPSHOTTING, RESTORING, CREATING = "SnapshotInProgress", "RestoreInProgress", "CreatingTargetVM"
_OWN_MARKS = "restore.kubevirt.io/"


class Clones(common.Part):
    """See the module text."""

    resource, kind = common.CLONES, "virtualmachineclone"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        self.objects.add_index("source", common.named_by("source"))
        self.objects.add_index("restore", _restore_of)
        self._of_own(informers.vms, common.same_key(self.objects, "source"))
        self.controller.source(informers.claims, self._of_claim)

    def _of_claim(self, old: Object | None, new: Object | None) -> Iterable[str]:
        claim = new or old or {}
        restore = annotations(claim).get(restoring.NAME)
        known = self.objects.by_index("restore", f"{namespace(claim)}/{restore}") if restore else ()
        return [key(one) for one in known]

    def follow(self, *parts: common.Part) -> None:
        """Be woken by the snapshots and restores made for clones."""
        for part in parts:
            self.controller.source(part.objects, _clone_of)

    async def _reconcile(self, obj: Object) -> None:
        phase = dig(obj, "status", "phase", default="")
        if is_terminating(obj) or phase == "Failed":
            return
        if phase == "":
            await self._begin(obj)
        elif phase == SNAPSHOTTING:
            await self._after_snapshot(obj)
        elif phase == RESTORING:
            await self._after_restore(obj)
        elif phase == CREATING:
            await self._after_creation(obj)
        elif dig(obj, "status", "restoreName"):
            await self._tidy(obj)

    async def _begin(self, obj: Object) -> None:
        source = dig(obj, "spec", "source", default={})
        own, space = source.get("name", ""), namespace(obj)
        if source.get("kind") == "VirtualMachineSnapshot":
            await self._step(obj, SNAPSHOTTING, snapshotName=own, targetName=self._target(obj))
            return
        vm = await self._client.find(VIRTUAL_MACHINES, own, space)
        if vm is None:
            message = f"Source doesn't exist: VirtualMachine {space}/{own}"
            await self._pend(obj, "SourceDoesNotExist", message)
            return
        if unfit := _not_snapshottable(vm):
            message = f"Virtual Machine volume {unfit} is not supported by snapshots"
            await self._pend(obj, "VMVolumeSnapshotsInvalid", message)
            return
        snapshot = f"tmp-snapshot-{uid(obj)}"
        wanted = self._owned(obj, SNAPSHOTS.api_version, SNAPSHOTS.kind, snapshot)
        reference = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": own}
        await self._client.create_if_absent(SNAPSHOTS, {**wanted, "spec": {"source": reference}})
        self._recorder.event(
            obj, NORMAL, "SnapshotCreated", f"created snapshot {snapshot} for clone {name(obj)}"
        )
        await self._step(obj, SNAPSHOTTING, snapshotName=snapshot, targetName=self._target(obj))

    async def _pend(self, obj: Object, event: str, message: str) -> None:
        self._recorder.event(obj, NORMAL, event, message)
        await self._tell(
            obj, (self._said("Progressing", True, "Pending"), self._said("Ready", False, "Pending"))
        )

    def _target(self, obj: Object) -> str:
        given = dig(obj, "spec", "target", "name")
        return given or f"{dig(obj, 'spec', 'source', 'name')}-clone-{self._ids.suffix()}"

    async def _after_snapshot(self, obj: Object) -> None:
        space = namespace(obj)
        snapshot = await self._client.find(SNAPSHOTS, dig(obj, "status", "snapshotName", default=""), space)
        if not dig(snapshot, "status", "readyToUse"):
            return
        content = await self._client.find(
            common.CONTENTS, dig(snapshot, "status", "virtualMachineSnapshotContentName", default=""), space
        )
        if content is None:
            return
        self._recorder.event(obj, NORMAL, "SnapshotReady", f"snapshot {name(snapshot or {})} is ready to use")
        restore = f"tmp-restore-{uid(obj)}"
        wanted = self._owned(obj, RESTORES.api_version, RESTORES.kind, restore)
        target = {
            "apiGroup": "kubevirt.io",
            "kind": "VirtualMachine",
            "name": dig(obj, "status", "targetName"),
        }
        kept = dig(content, "spec", "source", "virtualMachine", default={})
        spec = {
            "target": target,
            "virtualMachineSnapshotName": name(snapshot or {}),
            "patches": [orjson.dumps(one).decode() for one in differences(obj, kept)]
            + list(dig(obj, "spec", "patches", default=())),
        }
        await self._client.create_if_absent(RESTORES, {**wanted, "spec": spec})
        self._recorder.event(
            obj, NORMAL, "RestoreCreated", f"created restore {restore} for clone {name(obj)}"
        )
        await self._step(obj, RESTORING, restoreName=restore)

    async def _after_restore(self, obj: Object) -> None:
        restore = await self._client.find(
            RESTORES, dig(obj, "status", "restoreName", default=""), namespace(obj)
        )
        if dig(restore, "status", "complete"):
            self._recorder.event(obj, NORMAL, "RestoreReady", f"restore {name(restore or {})} is ready")
            await self._step(obj, CREATING)

    async def _after_creation(self, obj: Object) -> None:
        space, target = namespace(obj), dig(obj, "status", "targetName", default="")
        if await self._client.find(VIRTUAL_MACHINES, target, space) is None:
            return
        self._recorder.event(
            obj, NORMAL, "TargetVMCreated", f"created target VM {target} for clone {name(obj)}"
        )
        told = (self._said("Progressing", False, "Ready"), self._said("Ready", True, "Ready"))
        await self._tell(obj, told, phase="Succeeded", creationTime=self._now())

    async def _tidy(self, obj: Object) -> None:
        """Snapshot and restore go once nothing is filled from them any more: when every claim is bound."""
        space, restored = namespace(obj), dig(obj, "status", "restoreName", default="")
        restore = await self._client.find(RESTORES, restored, space)
        for one in dig(restore, "status", "restores", default=()):
            claim = self._informers.claims.get(f"{space}/{one['persistentVolumeClaim']}")
            if dig(claim, "status", "phase") != "Bound":
                return
        self._recorder.event(obj, NORMAL, "PVCBound", f"all PVC for clone {name(obj)} are bound")
        await self._client.delete_if_present(RESTORES, restored, space)
        if dig(obj, "spec", "source", "kind") != "VirtualMachineSnapshot":
            await self._client.delete_if_present(
                SNAPSHOTS, dig(obj, "status", "snapshotName", default=""), space
            )
        await self._tell(obj, snapshotName=None, restoreName=None)

    async def _step(self, obj: Object, phase: str, **members: str) -> None:
        reason = "Still processing"
        told = (self._said("Progressing", True, reason), self._said("Ready", False, reason))
        await self._tell(obj, told, phase=phase, **members)

    def _owned(self, obj: Object, api_version: str, kind: str, own: str) -> Object:
        owner = owner_reference({**obj, "apiVersion": self.resource.api_version, "kind": self.resource.kind})
        meta = {"name": own, "namespace": namespace(obj), "ownerReferences": [owner]}
        return {"apiVersion": api_version, "kind": kind, "metadata": meta}


def differences(clone: Object, kept: Object) -> list[Object]:
    """The JSON patch operations that make another machine of a copy. Pure."""
    made: list[Object] = []
    template = "/spec/template"
    firmware = dig(kept, "spec", "template", "spec", "domain", "firmware")
    path = f"{template}/spec/domain/firmware"
    if firmware is not None and "uuid" in firmware:
        made.append({"op": "remove", "path": f"{path}/uuid"})
    serial = dig(clone, "spec", "newSMBiosSerial")
    if serial:
        if firmware is None:
            made.append({"op": "add", "path": path, "value": {}})
        made.append({"op": "add", "path": f"{path}/serial", "value": serial})
    elif firmware is not None and "serial" in firmware:
        made.append({"op": "remove", "path": f"{path}/serial"})
    addresses = dig(clone, "spec", "newMacAddresses", default={})
    interfaces = dig(kept, "spec", "template", "spec", "domain", "devices", "interfaces", default=())
    for number, interface in enumerate(interfaces):
        at = f"{template}/spec/domain/devices/interfaces/{number}/macAddress"
        if wanted := addresses.get(interface["name"]):
            made.append({"op": "add", "path": at, "value": wanted})
        elif interface.get("macAddress"):
            made.append({"op": "remove", "path": at})
    spec = clone["spec"]
    made += _filtered("/metadata/labels", labels(kept), spec.get("labelFilters"))
    own = {key: value for key, value in annotations(kept).items() if not key.startswith(_OWN_MARKS)}
    made += _filtered("/metadata/annotations", own, spec.get("annotationFilters"))
    filters = spec.get("template") or {}
    meta = dig(kept, "spec", "template", default={})
    made += _filtered(f"{template}/metadata/labels", labels(meta), filters.get("labelFilters"))
    made += _filtered(f"{template}/metadata/annotations", annotations(meta), filters.get("annotationFilters"))
    return made


def _filtered(path: str, present: Iterable[str], filters: Iterable[str] | None) -> list[Object]:
    """Remove the keys no filter lets through; `!` before a filter keeps out. Without filters everything stays."""
    if not filters:
        return []
    wanted = [one for one in filters if not one.startswith("!")] or ["*"]
    unwanted = [one[1:] for one in filters if one.startswith("!")]
    dropped = [
        key
        for key in present
        if not any(fnmatchcase(key, one) for one in wanted) or any(fnmatchcase(key, one) for one in unwanted)
    ]
    return [
        {"op": "remove", "path": f"{path}/{key.replace('~', '~0').replace('/', '~1')}"} for key in dropped
    ]


def _not_snapshottable(vm: Object) -> str:
    """The first volume of a claim that cannot be snapshotted, as far as the VM knows."""
    told = {
        one["name"]: one.get("enabled") for one in dig(vm, "status", "volumeSnapshotStatuses", default=())
    }
    for volume in instance.template_volumes(vm):
        if instance.claim_name(volume) and not told.get(volume["name"]):
            return str(volume["name"])
    return ""


def _restore_of(obj: Object) -> Iterable[str]:
    restore = dig(obj, "status", "restoreName")
    return (f"{namespace(obj)}/{restore}",) if restore else ()


def _clone_of(old: Object | None, new: Object | None) -> Iterable[str]:
    changed = new or old
    owner: Object = next(iter(dig(changed, "metadata", "ownerReferences", default=())), {})
    return (f"{namespace(changed or {})}/{owner['name']}",) if owner.get("kind") == common.CLONES.kind else ()
