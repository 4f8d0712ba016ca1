"""Exports: a service, a token, a pod that serves the volumes once nobody uses them, and links in the status.

What is exported is `export_offers`', what it is made of `exporter`'s and `export_manifest`'s, where it is to be had `export_links`',
what is behind the links `virt.export_server`'s.
Origin: kubevirt: pkg/storage/export/export/export.go
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.client.controller import Result, owner_of
from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import rfc3339
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
    VIRTUAL_MACHINES,
    Resource,
)
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, instance
from fakekube.virt.controller.storage import common, export_links, export_manifest, exporter
from fakekube.virt.controller.storage.export_offers import Offers
from fakekube.virt.controller.storage.export_source import Offer
from fakekube.virt.controller.storage.export_trust import Trust
from fakekube.virt.controller.wiring import Wiring

_SUFFIX = 10


class Exports(common.Part):
    """See the module text."""

    resource, kind = EXPORTS, "virtualmachineexport"

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        informers = wiring.informers
        self._offers = Offers(wiring.client, informers, self.objects)  # until `follow` there are no backups
        self._trust = Trust(wiring.client, lambda: informers.kubevirt)
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
        self._offers.backups = backups.objects

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
        offer = await self._offers.of(obj)
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
            serviceName=export_links.named(obj),
            ttlExpirationTime=rfc3339(exporter.ends(obj)),
        )

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
        made = export_manifest.config_map(
            obj, vm, claims, await self._trust.inside(), await self._trust.outside()
        )
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
        return export_links.links(obj, offer, await self._trust.inside(), *await self._trust.outside())

    def _told(self, type_: str, status: bool, reason: str, message: str = "") -> conditions.Condition:
        return {**self._said(type_, status, reason), **({"message": message} if message else {})}


def key_of(export: Mapping[str, Any]) -> str:
    """Where the pod and the service of an export stand."""
    return f"{namespace(export)}/{export_links.named(export)}"


_owner = owner_of(EXPORTS.kind)
