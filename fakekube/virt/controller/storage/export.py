"""Exports: a service, a token, a pod that serves the volumes once nobody uses them, and links in the status.

What is exported is `export_source`'s, what it is made of `exporter`'s and `export_manifest`'s, what is behind the links
`virt.export_server`'s.
Origin: kubevirt: pkg/storage/export/export/export.go
"""

import hashlib
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.client.controller import Result, owner_of
from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import rfc3339
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import (
    condition_is,
    dig,
    is_final,
    is_terminating,
    key,
    name,
    namespace,
)
from fakekube.machinery.resources import (
    BACKUPS,
    CONFIG_MAPS,
    EXPORTS,
    MACHINE_ACTIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    SERVICES,
    SNAPSHOTS,
    VIRTUAL_MACHINES,
    VOLUME_SNAPSHOTS,
    Resource,
)
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, instance
from fakekube.virt.controller.storage import common, export_manifest, export_source, exporter
from fakekube.virt.controller.storage.export_source import Offer
from fakekube.virt.controller.wiring import Wiring

_INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
_ROUTES = Resource("route.openshift.io", "v1", "routes", "Route")
_SUFFIX = 10


class Exports(common.Part):
    """See the module text."""

    resource, kind = EXPORTS, "virtualmachineexport"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        self._backups = self.objects  # until `follow`
        self.objects.add_index("source", common.named_by("source"))
        of_source = common.same_key(self.objects, "source")
        ours = ",".join(f"{label}={value}" for label, value in exporter.SELECTED.items())
        self._pods = Informer(wiring.client, PODS, clock=wiring.clock, label_selector=ours)
        self._services = Informer(wiring.client, SERVICES, clock=wiring.clock, label_selector=ours)
        self.controller.source(self._pods, _owner)
        self.controller.source(self._services, _owner)
        self.controller.source(informers.claims, self._of_claim)
        self.controller.source(informers.data_volumes, self._of_claim)
        self._of_own(informers.vms, of_source)
        self._of_own(informers.vmis, self._of_user)
        self.controller.source(informers.kubevirts, lambda _old, _new: map(key, self.objects.objects()))

    def follow(self, snapshots: common.Part, backups: common.Part) -> None:
        """Be woken when the snapshot to export is ready, and when a backup has something to be fetched."""
        self.controller.source(snapshots.objects, common.same_key(self.objects, "source"))
        self.controller.source(backups.objects, common.same_key(self.objects, "source"))
        self._backups = backups.objects

    def _of_claim(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """A claim is exported itself, with the machines that use it, or has been made for an export."""
        claim = new or old or {}
        named = [key(claim), *map(key, self._informers.vms.by_index("claim", key(claim)))]
        return [
            *(key(one) for own in named for one in self.objects.by_index("source", own)),
            *_owner(old, new),
        ]

    def _of_user(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """A VMI comes, ends or goes: what its machine or its claims are exported as is free, or in use."""
        if old is not None and new is not None and dig(old, "status", "phase") == dig(new, "status", "phase"):
            return ()
        vmi = new or old or {}
        named = [name(vmi), *(instance.claim_name(volume) for volume in instance.volumes(vmi))]
        return [
            key(one) for own in named for one in self.objects.by_index("source", f"{namespace(vmi)}/{own}")
        ]

    async def _reconcile(self, obj: Object) -> Result | None:
        if is_terminating(obj):
            return None
        left = (exporter.ends(obj) - self._clock.now()).total_seconds()
        if left <= 0:
            await self._client.delete_if_present(self.resource, name(obj), namespace(obj))
            return None
        if not dig(obj, "status", "phase"):
            obj = await self._begin(obj)
        if key_of(obj) not in self._services:
            await self._make(obj, SERVICES, exporter.service(obj), "ServiceCreated", "service")
        offer = await self._offer(obj)
        pod = await self._pod(obj, offer)
        await self._say(obj, offer, pod)
        return Result(requeue_after=left)

    async def _begin(self, obj: Object) -> Object:
        token = dig(obj, "spec", "tokenSecretRef")
        if not token:
            token = f"export-token-{name(obj)}"
            data = {"token": hashlib.sha256(self._ids.uid().encode()).hexdigest()[:20]}
            made = exporter.owned(obj, "Secret", token, type="Opaque", stringData=data)
            await self._make(obj, SECRETS, made, "SecretCreated", "default secret")
        told = (self._told("Ready", False, "Initializing"), self._told("PVCReady", False, "Unknown"))
        return await self._tell(
            obj,
            told,
            phase="Pending",
            tokenSecretRef=token,
            serviceName=exporter.named(obj),
            ttlExpirationTime=rfc3339(exporter.ends(obj)),
        )

    # What is exported.

    async def _offer(self, obj: Object) -> Offer:
        source, space = dig(obj, "spec", "source", default={}), namespace(obj)
        own = source.get("name", "")
        if source.get("kind") == "PersistentVolumeClaim":
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, own, space)
            used = bool(self._informers.vmis.by_index("claim", f"{space}/{own}"))
            return export_source.of_claim(f"{space}/{own}", claim, self._volume(space, own), used=used)
        if source.get("kind") == "VirtualMachine":
            return await self._offer_of_machine(space, own)
        if source.get("kind") == BACKUPS.kind:
            return export_source.of_backup(self._backups.get(f"{space}/{own}"))
        return await self._offer_of_snapshot(obj, space, own)

    async def _offer_of_machine(self, space: str, own: str) -> Offer:
        where = f"{space}/{own}"
        vm = await self._client.find(VIRTUAL_MACHINES, own, space)
        if vm is None:
            return Offer(obstacle="VMNotFound", message=f"Virtual Machine {where} not found", machine=own)
        claims, populated = [], True
        for volume in self._informers.volumes_of(vm):
            if not (used := instance.claim_name(volume)):
                continue
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, used, space)
            if claim is not None:
                claims.append(claim)
                populated = populated and export_source.is_populated(claim, self._volume(space, used))
            elif "dataVolume" in volume:
                populated = False
        vmi = self._informers.vmis.get(where)
        runs = vmi is not None and not is_final(vmi)
        return export_source.of_machine(where, own, claims, populated=populated, runs=runs)

    async def _offer_of_snapshot(self, obj: Object, space: str, own: str) -> Offer:
        snapshot = await self._client.find(SNAPSHOTS, own, space)
        machine = dig(snapshot, "spec", "source", "name")
        if not dig(snapshot, "status", "readyToUse"):
            text = f"VirtualMachineSnapshot {space}/{own} is not ready to use"
            return Offer(obstacle="Initializing", message=text, machine=machine)
        content = dig(snapshot, "status", "virtualMachineSnapshotContentName", default="")
        kept = await self._client.find(common.CONTENTS, content, space)
        claims = [
            await self._restored(obj, backup)
            for backup in dig(kept, "spec", "volumeBackups", default=())
            if backup.get("volumeSnapshotName")
        ]
        if not claims:
            text = f"VirtualMachineSnapshot {space}/{own} does not contain any volume snapshots"
            return Offer(obstacle="NoVolumeSnapshot", message=text, empty=True, machine=machine)
        return Offer(claims, machine=machine)

    async def _restored(self, obj: Object, backup: Object) -> Object:
        taken = await self._client.find(VOLUME_SNAPSHOTS, backup["volumeSnapshotName"], namespace(obj))
        wanted = exporter.claim(obj, backup, taken)
        found = await self._client.find(PERSISTENT_VOLUME_CLAIMS, name(wanted), namespace(obj))
        return found or await self._client.create(PERSISTENT_VOLUME_CLAIMS, wanted)

    def _volume(self, space: str, own: str) -> Object | None:
        return self._informers.data_volumes.get(f"{space}/{own}")

    # The pod.

    async def _pod(self, obj: Object, offer: Offer) -> Object | None:
        """The pod to serve it, if there is one now. One that has ended, or is not wanted any more, goes; how it ended is told."""
        pod = self._pods.get(key_of(obj))
        kubevirt = self._informers.kubevirt
        wanted = exporter.certificate(kubevirt)
        if pod is not None:
            if is_terminating(pod):
                return None
            if (why := exporter.goes(pod, offer, wanted)) is None:
                return pod
            self._recorder.event(obj, WARNING, *why)
            await self._client.delete_if_present(PODS, name(pod), namespace(pod))
            for volume in dig(pod, "spec", "volumes", default=()):
                if volume["name"] == exporter.CERTIFICATES:
                    await self._client.delete_if_present(
                        SECRETS, volume["secret"]["secretName"], namespace(pod)
                    )
            return pod if offer.available and is_final(pod) else None
        if not offer.available:
            return None
        secret = f"secret-{self._ids.suffix(_SUFFIX)}"
        made = exporter.pod(
            obj,
            offer.claims,
            secret,
            given=wanted,
            now=self._clock.now(),
            kubevirt=kubevirt,
            manifest=await self._manifest(obj, offer),
        )
        if offer.backup is not None:
            made["spec"]["containers"][0]["env"] += exporter.backup_variables(offer.backup)
        if not await self._make(obj, PODS, made, "ExporterPodCreated", "exporter pod"):
            return None
        data = {"tls.crt": "", "tls.key": ""}
        await self._client.create(
            SECRETS, exporter.owned(obj, "Secret", secret, type="Opaque", stringData=data)
        )
        return made

    async def _manifest(self, obj: Object, offer: Offer) -> str:
        """The config map with what is kept of the machine, if one is exported; it is made with the first pod."""
        space = namespace(obj)
        if offer.machine is None or await self._client.find(VIRTUAL_MACHINES, offer.machine, space) is None:
            return ""
        vm = await self._client.get(MACHINE_ACTIONS, offer.machine, space, subresource="expand-spec")
        claims = {}
        for own in export_manifest.apart(vm):
            if (claim := await self._client.find(PERSISTENT_VOLUME_CLAIMS, own, space)) is not None:
                claims[own] = claim
        made = export_manifest.config_map(obj, vm, claims, await self._authority(), await self._outside())
        await self._make(obj, CONFIG_MAPS, made, "DataManifestCreated", "exporter data manifest")
        return name(made)

    async def _make(self, obj: Object, resource: Resource, wanted: Object, reason: str, what: str) -> bool:
        if await self._client.create_if_absent(resource, wanted) is None:
            return False
        self._recorder.event(obj, NORMAL, reason, f"Created {what} {namespace(obj)}/{name(wanted)}")
        return True

    # What is told.

    async def _say(self, obj: Object, offer: Offer, pod: Object | None) -> None:
        said, message = offer.claims_said
        told = [self._told("PVCReady", said == "PVCBound", said, message)]
        if dig(obj, "spec", "source", "kind") == BACKUPS.kind:
            told = []
        if dig(obj, "spec", "source", "kind") == "VirtualMachineSnapshot":
            told = [
                self._told("VolumesCreated", bool(offer.claims), "VolumesCreated" if offer.claims else said)
            ]
        links: Object | None = None
        ready, phase = False, "Pending"
        if pod is not None and is_final(pod):
            over = dig(pod, "status", "phase") == "Succeeded"
            phase, reason, why = ("Terminated", "PodCompleted", "") if over else ("Pending", "Unknown", "")
        elif pod is not None and condition_is(pod, "Ready"):
            ready, phase, reason, why = True, "Ready", "PodReady", ""
            links = await self._links(obj, offer)
        elif pod is not None or offer.available:
            reason, why = "PodPending", ""
        else:
            reason, why = offer.obstacle, offer.message
            phase = "Skipped" if offer.empty else "Pending"
        if offer.told is not None:
            ready, (reason, why) = not offer.obstacle, offer.told
        told.append(self._told("Ready", ready, reason, why))
        await self._tell(obj, told, phase=phase, links=links, virtualMachineName=offer.machine)

    async def _links(self, obj: Object, offer: Offer) -> Object:
        return exporter.links(obj, offer, await self._authority(), *await self._outside())

    async def _authority(self) -> str:
        """Whom to trust inside the cluster."""
        kubevirt = self._informers.kubevirt
        if kubevirt is None:
            return ""
        trusted = await self._client.find(CONFIG_MAPS, "kubevirt-export-ca", namespace(kubevirt))
        return str(dig(trusted, "data", "ca-bundle", default=""))

    async def _outside(self) -> tuple[str, str]:
        """The host that leads to the proxy of exports, and whom to trust there; empty if there is none."""
        kubevirt = self._informers.kubevirt
        if kubevirt is None:
            return "", ""
        space = namespace(kubevirt)
        host, secret = exporter.external_host((await self._client.list(_INGRESSES, space)).items)
        if not host:
            return await self._routed(space)
        shown = await self._client.find(SECRETS, secret, space) if secret else None
        return host, b64decode(dig(shown, "data", "tls.crt", default="")).decode().strip()

    async def _routed(self, space: str) -> tuple[str, str]:
        """The same by a route, where there are any."""
        try:
            routes = (await self._client.list(_ROUTES, space)).items
        except NotFound:
            return "", ""
        if not (host := exporter.routed_host(routes)):
            return "", ""
        trusted = await self._client.find(CONFIG_MAPS, "kube-root-ca.crt", space)
        return host, str(dig(trusted, "data", "ca.crt", default="")).strip()

    def _told(self, type_: str, status: bool, reason: str, message: str = "") -> conditions.Condition:
        return {**self._said(type_, status, reason), **({"message": message} if message else {})}


def key_of(export: Mapping[str, Any]) -> str:
    """Where the pod and the service of an export stand."""
    return f"{namespace(export)}/{exporter.named(export)}"


_owner = owner_of(EXPORTS.kind)
