"""Claims that pods use: nothing is imported into them, and nothing cloned from them, before nobody does any more. Pods are
followed once somebody asks.

Where a populator fills a claim it is CDI's alone until it is full: only imports into claims of classes without one look for pods.
Origin: cdi: pkg/controller/common/util.go (GetPodsUsingPVCs), pkg/controller/{import,clone}-controller.go, pkg/controller/clone/common.go
"""

from typing import NamedTuple

from fakekube.agents.storage_protection import claims_of_pod
from fakekube.client.client import Client
from fakekube.client.late import WantedInformer
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj, annotations, dig, key, name
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.claims import USES_POPULATOR
from fakekube.virt.cdi.sources import IMPORT, Origin, transfer_of

_USES = "the claims it uses"
_TEMPORARY = "kubevirt.io/ephemeral-provisioning"
_MOUNTS = ("volumeMounts", "volumeDevices")


class Awaited(NamedTuple):
    """A claim that is waited for: its key, the reason of the events that tell who uses it, and whether he may read it."""

    claim: str
    reason: str
    may_be_read: bool


def awaited(volume: Obj, claim: Obj, origin: Origin | None) -> Awaited | None:
    """Which claim nobody may use before what a DataVolume is about to do begins, if that matters."""
    phase, transfer = dig(volume, "status", "phase"), transfer_of(volume, claim, origin)
    if transfer is IMPORT:
        alone = annotations(claim).get(USES_POPULATOR) == "true"
        waits = phase == transfer.scheduled and not alone
        return Awaited(key(claim), "ImportTargetInUse", may_be_read=False) if waits else None
    if origin is None or origin.kind != "pvc" or phase != transfer.in_progress:
        return None
    return Awaited(origin.key, "CloneSourceInUse", may_be_read=True)


class Users:
    """Pods, by the claims they use."""

    def __init__(self, client: Client, *, clock: Clock) -> None:
        self._client = client
        self.pods = WantedInformer(client, PODS, clock=clock, transform=_slim)
        self.pods.add_index(_USES, claims_of_pod)

    async def of(self, wanted: Awaited) -> list[Obj]:
        """Those that stand in the way."""
        space, _, own = wanted.claim.partition("/")
        if self.pods.resource_version:
            known = self.pods.by_index(_USES, wanted.claim)
        else:
            self.pods.begin()
            listed = (await self._client.list(PODS, space)).items
            known = [pod for pod in listed if wanted.claim in claims_of_pod(pod)]
        found = [pod for pod in known if not _has_ended(pod) and not (wanted.may_be_read and reads(pod, own))]
        return sorted(found, key=name)


def reads(pod: Obj, claim: str) -> bool:
    """Whether it cannot write to the claim: devices are always written to."""
    for volume in dig(pod, "spec", "volumes", default=()):
        used = volume.get("persistentVolumeClaim")
        if used is None or used.get("claimName") != claim or used.get("readOnly"):
            continue
        for container in dig(pod, "spec", "containers", default=()):
            mounts = (one for one in container.get("volumeMounts") or () if not one.get("readOnly"))
            if any(
                one["name"] == volume["name"] for one in (*mounts, *(container.get("volumeDevices") or ()))
            ):
                return False
    return True


def _has_ended(pod: Obj) -> bool:
    """A launcher that only has a volume bound has nothing else to do: here its pod stays until it is deleted."""
    return _TEMPORARY in annotations(pod) or dig(pod, "status", "phase") in ("Succeeded", "Failed")


def _slim(pod: Object) -> Object:
    """What is kept of one."""
    volumes = [one for one in dig(pod, "spec", "volumes", default=()) if "persistentVolumeClaim" in one]
    containers = [
        {member: one[member] for member in _MOUNTS if member in one}
        for one in dig(pod, "spec", "containers", default=())
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": pod["metadata"],
        "spec": {"volumes": volumes, "containers": containers if volumes else []},
        "status": {"phase": dig(pod, "status", "phase", default="")},
    }
