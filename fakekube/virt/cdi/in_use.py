"""What DataVolumes wait for before they are filled: claims that pods use, what importers need, and whether anybody is where they get
images from. Nothing is imported into a claim, and nothing cloned from one, before nobody uses it any more. Pods are followed once
somebody asks.

Where a populator fills a claim it is CDI's alone until it is full: only imports and uploads into claims of classes without one look
for pods.
Origin: cdi: pkg/controller/common/util.go (GetPodsUsingPVCs), pkg/controller/{import,clone}-controller.go, pkg/controller/clone/common.go
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from fakekube.agents.claims_used import claims_of
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.client.late import WantedInformer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import Clock
from fakekube.machinery.objects import (
    Obj,
    annotations,
    controller_of,
    dig,
    is_final,
    key,
    name,
    split_key,
    uid,
)
from fakekube.machinery.resources import DATA_VOLUMES, PODS
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import needs, reaching
from fakekube.virt.cdi.claims import USES_POPULATOR
from fakekube.virt.cdi.exported import Exports
from fakekube.virt.cdi.needs import Need
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


def _begins_import(volume: Obj, claim: Obj, origin: Origin | None) -> bool:
    """Whether it is to be imported, and that has not begun."""
    transfer = transfer_of(volume, claim, origin)
    return transfer is IMPORT and dig(volume, "status", "phase") == transfer.scheduled


def _needed(volume: Obj, claim: Obj, origin: Origin | None) -> list[Need]:
    """What its importer needs, while that has not begun."""
    return needs.of(volume) if _begins_import(volume, claim, origin) else []


def _comes_from(volume: Obj, claim: Obj, origin: Origin | None) -> reaching.Service | None:
    """The Service it is to be imported from, until that is done."""
    transfer = transfer_of(volume, claim, origin)
    waits = transfer is IMPORT and dig(volume, "status", "phase") in (
        transfer.scheduled,
        transfer.in_progress,
    )
    return reaching.service_of(reaching.endpoint_of(volume)) if waits else None


class Users:
    """Pods, by the claims they use."""

    def __init__(self, client: Client, *, clock: Clock) -> None:
        self._client = client
        self.pods = WantedInformer(client, PODS, clock=clock, transform=_slim)
        self.pods.add_index(_USES, claims_of)

    async def of(self, wanted: Awaited) -> list[Obj]:
        """Those that stand in the way."""
        space, _, own = wanted.claim.partition("/")
        if self.pods.resource_version:
            known = self.pods.by_index(_USES, wanted.claim)
        else:
            self.pods.begin()
            listed = map(_slim, (await self._client.list(PODS, space)).items)
            known = [pod for pod in listed if wanted.claim in claims_of(pod)]
        found = [pod for pod in known if not _has_ended(pod) and not (wanted.may_be_read and reads(pod, own))]
        return sorted(found, key=name)


class Waiting:
    """Of DataVolumes that must not begin yet: on what, and whether it is over. `volumes`, `claims`: caches somebody else has;
    `exports` brings what comes from those, `origin` tells what a DataVolume clones."""

    def __init__(
        self,
        client: Client,
        users: Users,
        recorder: Recorder,
        *,
        volumes: Informer,
        claims: Informer,
        exports: Exports,
        origin: Callable[[Object], Origin | None],
    ) -> None:
        self._client = client
        self._users = users
        self._recorder = recorder
        self._volumes, self._claims = volumes, claims
        self._exports = exports
        self._origin = origin
        self._over: dict[str, str] = {}  # uids of those that have begun, by key
        self._told: dict[str, list[str]] = {}  # who was in the way
        self._lacks: dict[str, Need] = {}  # what was not there when it was last looked for
        self._trouble: dict[str, str] = {}  # why those at Services could not be imported; empty if they could

    def on(self, volume: Object, claim: Object) -> bool:
        """Whether it waits for anything."""
        if self._over.get(key(volume)) == uid(volume):
            return False
        origin = self._origin(volume)
        if awaited(volume, claim, origin) is not None or _needed(volume, claim, origin):
            return True
        return key(volume) not in self._trouble and _comes_from(volume, claim, origin) is not None

    def lacks_vddk(self, own: str) -> bool:
        """Whether it waits for somebody to say which image has VDDK."""
        return self._lacks.get(own) == needs.VDDK

    async def is_over(self, volume: Object, claim: Object) -> bool:
        """Whether it may begin now; who is in the way is told, once."""
        own, origin = key(volume), self._origin(volume)
        if await self._is_lacking(own, _needed(volume, claim, origin)):
            return False
        wanted = awaited(volume, claim, origin)
        users = await self._users.of(wanted) if wanted is not None else []
        if wanted is None or (not users and (wanted.claim == own or self._is_full(wanted.claim))):
            if _comes_from(volume, claim, origin) is not None:
                self._trouble[own] = await self._exports.bring(volume, claim)
            self._over[own] = uid(volume)
            return True
        told = words(users, split_key(wanted.claim)[1])
        if self._told.get(own) != told:
            self._told[own] = told
            for text in told:
                self._recorder.event(claim, WARNING, wanted.reason, text)
        return False

    def trouble(self, own: str) -> str:
        """Why it could not be imported from a Service when that was last tried."""
        return self._trouble.get(own, "")

    async def is_told_otherwise(self, volume: Object, claim: Object) -> bool:
        """Try again; whether there is something else to be told of it then."""
        before = self.trouble(key(volume))
        self._trouble[key(volume)] = await self._exports.bring(volume, claim)
        return self.trouble(key(volume)) != before

    async def _is_lacking(self, own: str, needed: list[Need]) -> bool:
        for need in needed:
            if await self._client.find(need.resource, need.name, need.space) is None:
                self._lacks[own] = need
                return True
        self._lacks.pop(own, None)
        return False

    def forget(self, own: str) -> None:
        """It has gone, or is done."""
        self._over.pop(own, None)
        self._told.pop(own, None)
        self._lacks.pop(own, None)
        self._trouble.pop(own, None)

    def _is_full(self, own: str) -> bool:
        """Whether a claim is there to be cloned."""
        claim = self._claims.get(own)
        if claim is None or dig(claim, "status", "phase") != "Bound":
            return False
        owner = controller_of(claim)
        if owner is None or owner.get("kind") != DATA_VOLUMES.kind:
            return True
        filling = self._volumes.get(f"{split_key(own)[0]}/{owner.get('name')}")
        return bool(dig(filling, "status", "phase") == "Succeeded")


def words(users: Iterable[Obj], claim: str) -> list[str]:
    """What is told of pods that use a claim."""
    return [f"pod {key(pod)} using PersistentVolumeClaim {claim}" for pod in users]


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
    return _TEMPORARY in annotations(pod) or is_final(pod)


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
