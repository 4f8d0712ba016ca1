"""ObjectTransfers: a claim, or a DataVolume with its claim, goes to another namespace or gets another name, and keeps its volume.

    new ──► Pending, until it is there, full, and nobody uses it ──► Running ──► Complete, or Error

A DataVolume leaves its claim behind, which a transfer of its own moves, and is made anew around it. Transfers are followed
once there is one.
Origin: cdi: pkg/controller/transfer
"""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.late import WantedInformer
from fakekube.clock import Clock, rfc3339
from fakekube.machinery.errors import ApiError, Conflict, NotFound
from fakekube.machinery.objects import (
    Obj,
    annotations,
    dig,
    finalizers,
    is_terminating,
    name,
    namespace,
    owners,
    uid,
)
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    OBJECT_TRANSFERS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    Resource,
)
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.claims import MOVING
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.in_use import Awaited, Users
from fakekube.virt.cdi.marks import OURS
from fakekube.virt.cdi.populator_rules import target
from fakekube.virt.cdi.rules import POPULATED_FOR

_FINALIZER = "cdi.kubevirt.io/objectTransfer"
_BOUND = "pv.kubernetes.io/bind-completed"
_USED_AS_SOURCE = (
    "provisioner.storage.kubernetes.io/cloning-protection",
    "snapshot.storage.kubernetes.io/pvc-as-source-protection",
)
_OF_ITS_OWN = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "generateName",
    "selfLink",
)
_AGAIN = 2.0


class Told(Struct, frozen=True):
    """What a transfer says; `phase`, `data`: if they change."""

    message: str
    reason: str = ""
    phase: str = ""
    data: Mapping[str, str] | None = None


_RUNNING = Told("Running")
_COMPLETE = Told("Transfer complete", phase="Complete")


class Transfers:
    """An actor, see the module text."""

    def __init__(self, client: Client, *, clock: Clock, users: Users, configuration: Configuration) -> None:
        self._client = client
        self._clock = clock
        self._users = users
        self._configuration = configuration
        self._transfers = WantedInformer(client, OBJECT_TRANSFERS, clock=clock)
        self.controller = Controller("transfer-controller", self._reconcile, clock=clock)
        self.controller.source(self._transfers)

    def begin(self) -> None:
        """There is one now."""
        self._transfers.begin()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            if (await self._client.metadata_only().list(OBJECT_TRANSFERS)).items:
                self.begin()
        except NotFound:
            pass  # they are not even defined
        await self.controller.run()

    async def _reconcile(self, own: str) -> Result | None:
        transfer = self._transfers.get(own)
        if transfer is None:
            return None
        phase = dig(transfer, "status", "phase", default="")
        try:
            if phase == "Complete" or (is_terminating(transfer) and phase != "Running"):
                await self._let_go(transfer)
                return None
            await self._tell(transfer, await self._told(transfer, phase))
        except (Conflict, NotFound):
            return Result(requeue_after=_AGAIN)  # something has changed meanwhile
        return Result(requeue_after=_AGAIN) if phase != "Error" else None

    async def _told(self, transfer: Object, phase: str) -> Told | None:
        """What there is to say after one step."""
        moves_claim = dig(transfer, "spec", "source", "kind") == PERSISTENT_VOLUME_CLAIMS.kind
        try:
            if phase == "":
                if _FINALIZER not in finalizers(transfer):
                    meta = {"finalizers": [*finalizers(transfer), _FINALIZER]}
                    await self._patch(OBJECT_TRANSFERS, transfer, meta)
                return Told("Initializing", phase="Pending")
            if phase == "Pending":
                return await (self._claim_waits if moves_claim else self._volume_waits)(transfer)
            if phase == "Running":
                return await (self._move_claim if moves_claim else self._move_volume)(transfer)
        except (Conflict, NotFound):
            raise
        except ApiError as error:
            return Told("Error", error.message)
        return None

    # --- what is waited for --------------------------------------------------------------------------------------

    async def _volume_waits(self, transfer: Object) -> Told:
        volume = await self._source(transfer, DATA_VOLUMES)
        if volume is None:
            return Told("No source")
        if dig(volume, "status", "phase") != "Succeeded":
            return Told("Source not populated")
        claim = _claim_of(volume)
        if await self._is_used(namespace(volume), claim):
            return Told("Pods using DataVolume PVC")
        return await self._take(transfer, DATA_VOLUMES, volume, pvcName=claim)

    async def _claim_waits(self, transfer: Object) -> Told:
        claim = await self._source(transfer, PERSISTENT_VOLUME_CLAIMS)
        if claim is None:
            return Told("No source")
        own = dig(claim, "spec", "volumeName", default="")
        if not own or dig(claim, "status", "phase") != "Bound":
            return Told("PVC not bound")
        for finalizer in _USED_AS_SOURCE:
            if finalizer in finalizers(claim):
                return Told(f"PVC has finalizer: {finalizer}")
        volume = await self._client.get(PERSISTENT_VOLUMES, own)
        if _claimed_by(volume) != (namespace(claim), name(claim)):
            return Told("PV not bound")
        if await self._is_used(namespace(claim), name(claim)):
            return Told("Pods using PVC")
        return await self._take(transfer, PERSISTENT_VOLUME_CLAIMS, claim, pvName=own)

    async def _take(self, transfer: Object, resource: Resource, source: Object, **data: str) -> Told:
        """The source is this transfer's, which remembers what it was like."""
        other = annotations(source).get(MOVING)
        if other is not None and other != name(transfer):
            return Told("Source in use by another transfer", other)
        if other is None:
            source = await self._patch(resource, source, {"annotations": {MOVING: name(transfer)}})
        kept = {member: value for member, value in source.items() if member != "status"}
        return Told("Running", phase="Running", data={"source": json.dumps(kept), **data})

    # --- how it is moved -----------------------------------------------------------------------------------------

    async def _move_volume(self, transfer: Object) -> Told:
        source = await self._source(transfer, DATA_VOLUMES)
        if source is not None:
            return await self._leave(source)
        moving = f"pvc-transfer-{uid(transfer)}"
        own = await self._client.find(OBJECT_TRANSFERS, moving)
        there = await self._target(transfer, DATA_VOLUMES)
        if there is None and own is None:
            own = await self._client.create(OBJECT_TRANSFERS, self._of_claim(transfer, moving))
        if own is not None:
            if dig(own, "status", "phase") != "Complete":
                return Told("PVC transfer in progress")
            claim = await self._target(transfer, PERSISTENT_VOLUME_CLAIMS)
            if claim is None:
                return Told("Transferred PVC does not exist", phase="Error")
            full_for = annotations(claim).get(POPULATED_FOR)
            wanted = target(transfer["spec"])[1]
            if full_for is None:
                await self._patch(PERSISTENT_VOLUME_CLAIMS, claim, {"annotations": {POPULATED_FOR: wanted}})
            elif full_for != wanted:
                return Told("Error", "PVC populated for a different DataVolume")
        if there is None:
            there = await self._client.create(DATA_VOLUMES, remade(transfer))
        if dig(there, "status", "phase") != "Succeeded":
            return Told("Waiting for target DataVolume")
        if own is not None:
            await self._client.delete_if_present(OBJECT_TRANSFERS, moving)
        return _COMPLETE

    async def _leave(self, volume: Object) -> Told:
        """A DataVolume goes without its claim."""
        claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, _claim_of(volume), namespace(volume))
        if claim is None:
            return Told("Source DV has no PVC")
        others = [one for one in owners(claim) if one.get("uid") != uid(volume)]
        if others != owners(claim) or POPULATED_FOR in annotations(claim):
            meta = {"ownerReferences": others or None, "annotations": {POPULATED_FOR: None}}
            await self._patch(PERSISTENT_VOLUME_CLAIMS, claim, meta)
        elif not is_terminating(volume):
            await self._client.delete_if_present(DATA_VOLUMES, name(volume), namespace(volume))
        return _RUNNING

    async def _move_claim(self, transfer: Object) -> Told:
        data: dict[str, str] = dig(transfer, "status", "data", default={})
        own, reclaim = data.get("pvName"), data.get("pvReclaim")
        if own is None:
            return Told("PV name missing", phase="Error")
        volume = await self._client.get(PERSISTENT_VOLUMES, own)
        policy = dig(volume, "spec", "persistentVolumeReclaimPolicy")
        if reclaim is None:
            return Told("Running", data={**data, "pvReclaim": policy})
        source = await self._source(transfer, PERSISTENT_VOLUME_CLAIMS)
        if source is not None and dig(source, "spec", "volumeName") == own:
            if policy != "Retain":
                await self._change(volume, persistentVolumeReclaimPolicy="Retain")
            elif not is_terminating(source):
                await self._client.delete_if_present(
                    PERSISTENT_VOLUME_CLAIMS, name(source), namespace(source)
                )
            return _RUNNING
        wanted, was = target(transfer["spec"]), transfer["spec"]["source"]
        holder = _claimed_by(volume)
        if holder in (None, (was["namespace"], was["name"])):
            volume = await self._change(volume, claimRef={"namespace": wanted[0], "name": wanted[1]})
        elif holder != wanted:
            return Told("PV bound to wrong PVC", phase="Error")
        there = await self._target(transfer, PERSISTENT_VOLUME_CLAIMS)
        if there is None:
            await self._client.create(PERSISTENT_VOLUME_CLAIMS, remade(transfer))
            return _RUNNING
        if dig(there, "status", "phase") != "Bound":
            return Told("Waiting for target to be bound")
        if policy != reclaim:
            await self._change(volume, persistentVolumeReclaimPolicy=reclaim)
            return _RUNNING
        return _COMPLETE

    # --- what is read and written --------------------------------------------------------------------------------

    async def _source(self, transfer: Object, resource: Resource) -> Object | None:
        source = transfer["spec"]["source"]
        return await self._client.find(resource, source["name"], source["namespace"])

    async def _target(self, transfer: Object, resource: Resource) -> Object | None:
        space, own = target(transfer["spec"])
        return await self._client.find(resource, own, space)

    async def _is_used(self, space: str, claim: str) -> bool:
        return bool(await self._users.of(Awaited(f"{space}/{claim}", "", may_be_read=False)))

    async def _patch(self, resource: Resource, obj: Object, meta: Object) -> Object:
        space = namespace(obj) or None
        return await self._client.patch(resource, name(obj), space, {"metadata": meta}, type="merge")

    async def _change(self, volume: Object, **spec: Any) -> Object:
        return await self._client.update(PERSISTENT_VOLUMES, {**volume, "spec": {**volume["spec"], **spec}})

    async def _let_go(self, transfer: Object) -> None:
        if _FINALIZER in finalizers(transfer):
            left = [one for one in finalizers(transfer) if one != _FINALIZER]
            await self._patch(OBJECT_TRANSFERS, transfer, {"finalizers": left or None})

    async def _tell(self, transfer: Object, told: Told | None) -> None:
        status = dict(transfer.get("status") or {})
        if told is None:
            return
        now = rfc3339(self._clock.now())
        done = told.phase == "Complete"
        said = {"type": "Complete", "status": str(done), "message": told.message, "reason": told.reason}
        old: Obj = next(iter(status.get("conditions") or ()), {})
        if any(old.get(member) != value for member, value in said.items()):
            status["conditions"] = [{**said, "lastTransitionTime": now, "lastHeartbeatTime": now}]
        if told.phase:
            status["phase"] = told.phase
        if told.data is not None:
            status["data"] = dict(told.data)
        if done:
            status.pop("data", None)
        if status != transfer.get("status"):
            current = await self._client.get(OBJECT_TRANSFERS, name(transfer))
            await self._client.update(OBJECT_TRANSFERS, {**current, "status": status}, subresource="status")

    def _of_claim(self, transfer: Object, own: str) -> Object:
        """The transfer of the claim of a DataVolume that is moved."""
        space, wanted = target(transfer["spec"])
        left = {
            "kind": PERSISTENT_VOLUME_CLAIMS.kind,
            "namespace": transfer["spec"]["source"]["namespace"],
            "name": dig(transfer, "status", "data", "pvcName"),
        }
        spec = {"source": left, "target": {"namespace": space, "name": wanted}, "parentName": name(transfer)}
        return {
            "apiVersion": OBJECT_TRANSFERS.api_version,
            "kind": OBJECT_TRANSFERS.kind,
            "metadata": {"name": own, "labels": {**OURS, **self._configuration.marks}},
            "spec": spec,
        }


def remade(transfer: Obj) -> Object:
    """What is moved, as it is to be made where it goes."""
    made: Object = json.loads(dig(transfer, "status", "data", "source", default="{}"))
    space, own = target(transfer["spec"])
    meta = {member: value for member, value in made["metadata"].items() if member not in _OF_ITS_OWN}
    notes = {key: value for key, value in annotations(made).items() if key not in (MOVING, _BOUND)}
    if space != transfer["spec"]["source"]["namespace"]:
        meta.pop("ownerReferences", None)
    return {**made, "metadata": {**meta, "name": own, "namespace": space, "annotations": notes}}


def _claim_of(volume: Obj) -> str:
    return annotations(volume).get(POPULATED_FOR) or name(volume)


def _claimed_by(volume: Obj) -> tuple[str, str] | None:
    held = dig(volume, "spec", "claimRef")
    return (held.get("namespace", ""), held.get("name", "")) if held is not None else None
