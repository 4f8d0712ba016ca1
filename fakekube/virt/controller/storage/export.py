"""Exports: what would be offered for download, told in the status; there is no server behind the links.

Origin: kubevirt: pkg/storage/export/export/{export,pvc-source,vm-source,vmsnapshot-source}.go
"""

import hashlib
from collections.abc import Iterable
from datetime import timedelta

from fakekube.client.controller import Result
from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery.durations import given as seconds
from fakekube.machinery.errors import AlreadyExists
from fakekube.machinery.objects import annotations, dig, is_terminating, key, name, namespace, owner_reference
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, VIRTUAL_MACHINES, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance
from fakekube.virt.controller.storage import common
from fakekube.virt.controller.wiring import Wiring

SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICES = Resource("", "v1", "services", "Service")
_TTL = 7200.0
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\n(nothing is served)\n-----END CERTIFICATE-----\n"
_CONTENT = "cdi.kubevirt.io/storage.contentType"


class Exports(common.Part):
    """See the module text."""

    resource, kind = common.EXPORTS, "virtualmachineexport"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        self.objects.add_index("source", common.named_by("source"))
        of_source = common.same_key(self.objects, "source")
        self.controller.source(informers.claims, of_source)
        self.controller.source(informers.vms, of_source)
        self.controller.source(informers.vmis, self._of_user)

    def _of_user(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """A VMI comes or goes: what its machine or its claims are exported as is free, or in use."""
        if old is not None and new is not None:
            return ()
        vmi = new or old or {}
        named = [name(vmi), *(instance.claim_name(volume) for volume in instance.volumes(vmi))]
        return [
            key(one) for own in named for one in self.objects.by_index("source", f"{namespace(vmi)}/{own}")
        ]

    async def _reconcile(self, obj: Object) -> Result | None:
        phase = dig(obj, "status", "phase", default="")
        if is_terminating(obj) or phase == "Terminated":
            return None
        if not phase:
            obj = await self._begin(obj)
        left = (parse_rfc3339(obj["status"]["ttlExpirationTime"]) - self._clock.now()).total_seconds()
        if left <= 0:
            told = [self._said("Ready", False, "PodCompleted")]
            await self._tell(obj, told, phase="Terminated", links=None)
            return None
        claims, reason = await self._claims(obj)
        if reason == "" and not claims:
            await self._tell(obj, phase="Skipped")
        elif reason:
            told = [self._said("PVCReady", False, reason), self._said("Ready", False, "PodPending")]
            await self._tell(obj, told, phase="Pending", links=None)
        else:
            told = [self._said("PVCReady", True, "PVCBound"), self._said("Ready", True, "PodReady")]
            await self._tell(obj, told, phase="Ready", links={"internal": links(obj, claims)})
        return Result(requeue_after=left)

    async def _begin(self, obj: Object) -> Object:
        token, service = dig(obj, "spec", "tokenSecretRef"), f"virt-export-{name(obj)}"
        if not token:
            token = f"export-token-{name(obj)}"
            data = {"token": hashlib.sha256(self._ids.uid().encode()).hexdigest()[:20]}
            await self._make(SECRETS, self._owned(obj, "Secret", token, type="Opaque", stringData=data))
        spec = {
            "ports": [{"name": "export", "port": 443, "targetPort": 8443, "protocol": "TCP"}],
            "selector": {"kubevirt.io.virt-export-service": name(obj)},
        }
        await self._make(SERVICES, self._owned(obj, "Service", service, spec=spec))
        ends = self._clock.now() + timedelta(seconds=seconds(dig(obj, "spec", "ttlDuration"), _TTL))
        source = dig(obj, "spec", "source", default={})
        told = (self._said("Ready", False, "Initializing"), self._said("PVCReady", False, "Unknown"))
        return await self._tell(
            obj,
            told,
            phase="Pending",
            tokenSecretRef=token,
            serviceName=service,
            ttlExpirationTime=rfc3339(ends),
            virtualMachineName=source.get("name") if source.get("kind") == "VirtualMachine" else None,
        )

    async def _claims(self, obj: Object) -> tuple[list[Object], str]:
        """The claims to export, or why there are none yet."""
        source, space = dig(obj, "spec", "source", default={}), namespace(obj)
        own = source.get("name", "")
        if source.get("kind") == "PersistentVolumeClaim":
            wanted = [own]
        elif source.get("kind") == "VirtualMachine":
            vm = await self._find(VIRTUAL_MACHINES, space, own)
            if vm is None:
                return [], "PVCNotFound"
            if self._informers.vmis.get(key(vm)) is not None:
                return [], "InUse"
            volumes = dig(vm, "spec", "template", "spec", "volumes", default=())
            wanted = [used for volume in volumes if (used := instance.claim_name(volume))]
        else:
            snapshot = await self._find(common.SNAPSHOTS, space, own)
            if not dig(snapshot, "status", "readyToUse"):
                return [], "PVCPending"
            content = dig(snapshot, "status", "virtualMachineSnapshotContentName", default="")
            kept = await self._find(common.CONTENTS, space, content)
            backups = dig(kept, "spec", "volumeBackups", default=())
            return [one["persistentVolumeClaim"] for one in backups], ""
        found: list[Object] = []
        for one in wanted:
            claim = await self._find(PERSISTENT_VOLUME_CLAIMS, space, one)
            if claim is None:
                return [], "PVCNotFound"
            if dig(claim, "status", "phase") != "Bound":
                return [], "PVCPending"
            if self._informers.vmis.by_index("claim", f"{space}/{one}"):
                return [], "InUse"
            found.append(claim)
        return found, ""

    def _owned(self, obj: Object, kind: str, own: str, **members: object) -> Object:
        owner = owner_reference({**obj, "apiVersion": self.resource.api_version, "kind": self.resource.kind})
        meta = {"name": own, "namespace": namespace(obj), "ownerReferences": [owner]}
        return {"apiVersion": "v1", "kind": kind, "metadata": meta, **members}

    async def _make(self, resource: Resource, wanted: Object) -> None:
        try:
            await self._client.create(resource, wanted)
        except AlreadyExists:
            return


def links(export: Object, claims: Iterable[Object]) -> Object:
    """`status.links.internal`. Pure."""
    base = f"https://virt-export-{name(export)}.{namespace(export)}.svc"
    volumes = []
    for claim in claims:
        at = f"{base}/volumes/{name(claim)}"
        disk = dig(claim, "spec", "volumeMode") == "Block" or annotations(claim).get(_CONTENT) == "kubevirt"
        names = (
            (("raw", "disk.img"), ("gzip", "disk.img.gz"))
            if disk
            else (("dir", "dir"), ("tar.gz", "disk.tar.gz"))
        )
        formats = [{"format": kind, "url": f"{at}/{file}"} for kind, file in names]
        volumes.append({"name": name(claim), "formats": formats})
    made: Object = {"cert": _CERTIFICATE, "volumes": volumes}
    if dig(export, "spec", "source", "kind") != "PersistentVolumeClaim":
        secret = f"{base}/internal/manifests/secret"
        manifests = (("all", f"{base}/internal/manifests/all"), ("auth-header-secret", secret))
        made["manifests"] = [{"type": kind, "url": url} for kind, url in manifests]
    return made
