"""How ObjectTransfers move what they move, step by step: each looks at what there is, does one thing, and says how it stands.

A DataVolume leaves its claim behind, which a transfer of its own moves, and is made anew around it.
Origin: cdi: pkg/controller/transfer
"""

import json
from typing import Any

from fakekube.client.client import Client
from fakekube.machinery.objects import (
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
from fakekube.virt.cdi import transfer_rules
from fakekube.virt.cdi.claims import MOVING
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.in_use import Awaited, Users
from fakekube.virt.cdi.rules import POPULATED_FOR
from fakekube.virt.cdi.transfer_rules import COMPLETE, RUNNING, Told, claim_of, claimed_by, target

_USED_AS_SOURCE = (
    "provisioner.storage.kubernetes.io/cloning-protection",
    "snapshot.storage.kubernetes.io/pvc-as-source-protection",
)


class Mover:
    """See the module text."""

    def __init__(self, client: Client, *, users: Users, configuration: Configuration) -> None:
        self._client = client
        self._users = users
        self._configuration = configuration

    async def wait(self, transfer: Object) -> Told:
        """Until what is to be moved is there, full, and used by nobody; then it is this transfer's."""
        return await (self._claim_waits if _moves_claim(transfer) else self._volume_waits)(transfer)

    async def move(self, transfer: Object) -> Told:
        """The next step."""
        return await (self._move_claim if _moves_claim(transfer) else self._move_volume)(transfer)

    # --- what is waited for --------------------------------------------------------------------------------------

    async def _volume_waits(self, transfer: Object) -> Told:
        volume = await self._source(transfer, DATA_VOLUMES)
        if volume is None:
            return Told("No source")
        if dig(volume, "status", "phase") != "Succeeded":
            return Told("Source not populated")
        claim = claim_of(volume)
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
        if claimed_by(volume) != (namespace(claim), name(claim)):
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
            own = await self._client.create(
                OBJECT_TRANSFERS, transfer_rules.of_claim(transfer, moving, self._configuration.marks)
            )
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
            there = await self._client.create(DATA_VOLUMES, transfer_rules.remade(transfer))
        if dig(there, "status", "phase") != "Succeeded":
            return Told("Waiting for target DataVolume")
        if own is not None:
            await self._client.delete_if_present(OBJECT_TRANSFERS, moving)
        return COMPLETE

    async def _leave(self, volume: Object) -> Told:
        """A DataVolume goes without its claim."""
        claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, claim_of(volume), namespace(volume))
        if claim is None:
            return Told("Source DV has no PVC")
        others = [one for one in owners(claim) if one.get("uid") != uid(volume)]
        if others != owners(claim) or POPULATED_FOR in annotations(claim):
            meta = {"ownerReferences": others or None, "annotations": {POPULATED_FOR: None}}
            await self._patch(PERSISTENT_VOLUME_CLAIMS, claim, meta)
        elif not is_terminating(volume):
            await self._client.delete_if_present(DATA_VOLUMES, name(volume), namespace(volume))
        return RUNNING

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
            return RUNNING
        wanted, was = target(transfer["spec"]), transfer["spec"]["source"]
        holder = claimed_by(volume)
        if holder in (None, (was["namespace"], was["name"])):
            volume = await self._change(volume, claimRef={"namespace": wanted[0], "name": wanted[1]})
        elif holder != wanted:
            return Told("PV bound to wrong PVC", phase="Error")
        there = await self._target(transfer, PERSISTENT_VOLUME_CLAIMS)
        if there is None:
            await self._client.create(PERSISTENT_VOLUME_CLAIMS, transfer_rules.remade(transfer))
            return RUNNING
        if dig(there, "status", "phase") != "Bound":
            return Told("Waiting for target to be bound")
        if policy != reclaim:
            await self._change(volume, persistentVolumeReclaimPolicy=reclaim)
            return RUNNING
        return COMPLETE

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


def _moves_claim(transfer: Object) -> bool:
    return bool(dig(transfer, "spec", "source", "kind") == PERSISTENT_VOLUME_CLAIMS.kind)
