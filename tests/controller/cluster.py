"""A cluster for the pool controller: the API server, KubeVirt and garbage collection in a few lines, and faults.

What KubeVirt and the garbage collector do here is the least the pool depends on; the real ones have their own tests.
"""

import asyncio
import contextlib
from pathlib import Path

import orjson

import fakekube.virt.operator
from controller.app import PoolController
from fakekube.api.apiserver import ApiServer
from fakekube.client.client import Client
from fakekube.clock import ManualClock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    CRDS,
    DATA_VOLUMES,
    EVENTS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from fakekube.machinery.wire import Response
from fakekube.store.memory import MemoryStore

NS = "default"
VM_FINALIZER = "kubevirt.io/virtualMachineControllerFinalize"
POOL_FINALIZER = "pool.kubevirt.io/finalizer"
_MANIFESTS = Path(fakekube.virt.operator.__file__).parent / "manifests"
_NEEDED = [VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINE_POOLS, DATA_VOLUMES]
DEFINITIONS = [orjson.loads((_MANIFESTS / f"{resource.qualified}.json").read_bytes()) for resource in _NEEDED]


class Wire:
    """What lies between one controller and the API: remembers writes, holds watches back, loses and refuses."""

    def __init__(self, api):
        self.api = api
        self.writes = []
        self.refuse = None  # request → Response instead of asking the API
        self.after = (
            None  # called with each write that was answered; may raise, or return something to wait for
        )
        self.flowing = asyncio.Event()
        self.flowing.set()

    async def __call__(self, request):
        if self.refuse is not None and (refusal := self.refuse(request)) is not None:
            return refusal
        response = await self.api(request)
        if request.method != "GET" and "/events" not in request.path:
            if response.status < 400:
                self.writes.append(f"{request.method} {request.path}")
            if self.after is not None and (doing := self.after(request, response)) is not None:
                await doing
        if response.stream is not None:
            response.stream = self._held(response.stream)
        if response.events is not None:  # who shares objects gets these in place of the stream
            response.events = self._held(response.events)
        return response

    async def _held(self, stream):
        async for chunk in stream:
            await self.flowing.wait()
            yield chunk


def refusal(code, reason, message="refused"):
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }
    return Response(code, orjson.dumps(body))


class Cluster:
    """See the module text. Time stands still except in `pass_time`."""

    def __init__(self, *, rbac=False):
        self.clock = ManualClock()
        self.ids = Ids(1)
        self.api = ApiServer(MemoryStore(), clock=self.clock, ids=self.ids, rbac=rbac)
        self.admin = Client(self.api).as_user("admin", "system:masters")
        self.controllers = {}
        self.virt_works = True  # whether VMs get VMIs and terminating ones go
        self.boots = True  # whether VMIs become ready
        self.most_alive = 0  # the most VMs of one pool that were there and not terminating at any time

    async def start(self):
        await self.api.start()
        for definition in DEFINITIONS:
            await self.admin.create(CRDS, copy_of(definition))

    async def stop(self):
        for task, _, _ in list(self.controllers.values()):
            await _end(task)
        self.api.close()

    async def control(
        self, name="a", user="system:serviceaccount:kubevirt:kubevirt-controller", refuse=None, **more
    ):
        """Start a controller, or one more; its wire."""
        wire = Wire(self.api)
        wire.refuse = refuse
        client = Client(wire).as_user(user)
        controller = PoolController(client, clock=self.clock, ids=Ids(len(self.controllers)), **more)
        self.controllers[name] = (asyncio.create_task(controller.run()), wire, controller)
        await self.settle()
        return wire

    async def kill(self, name="a"):
        task, _, _ = self.controllers.pop(name)
        await _end(task)

    # Looking

    async def pool(self, name="p"):
        return await self.admin.get(VIRTUAL_MACHINE_POOLS, name, NS)

    async def listed(self, resource):
        """By name; nothing where there is no such resource."""
        try:
            found = await self.admin.list(resource, NS)
        except NotFound:
            return {}
        return {objects.name(obj): obj for obj in found.items}

    async def vms(self):
        return await self.listed(VIRTUAL_MACHINES)

    async def events(self):
        return [(one["type"], one["reason"], one["message"]) for one in (await self.listed(EVENTS)).values()]

    # Acting

    async def create_pool(self, pool):
        pool = copy_of(pool)
        pool["metadata"] = {
            "name": pool["metadata"]["name"],
            "namespace": NS,
            **{key: pool["metadata"][key] for key in ("finalizers",) if pool["metadata"].get("foreign")},
        }
        return await self.admin.create(VIRTUAL_MACHINE_POOLS, pool)

    async def change_pool(self, name="p", **spec):
        return await self.admin.patch(VIRTUAL_MACHINE_POOLS, name, NS, {"spec": spec}, type="merge")

    async def change_vm(self, name, patch, *, subresource=None):
        return await self.admin.patch(
            VIRTUAL_MACHINES, name, NS, patch, type="merge", subresource=subresource
        )

    # Time

    async def pass_time(self, seconds):
        """Let everything that is due in the next `seconds` happen, each thing at its moment."""
        end = self.clock.monotonic() + seconds
        await self.settle()
        while (due := self.clock.next_due()) is not None and self.clock.monotonic() + due <= end:
            self.clock.advance(due)
            await self.settle()
        self.clock.advance(end - self.clock.monotonic())
        await self.settle()

    async def settle(self):
        """Return when nobody does anything any more without time passing."""
        quiet = 0
        while quiet < 3:
            before = self.api.store.revision
            for _ in range(25):
                await asyncio.sleep(0)
            await self._virt()
            await self._collect()
            idle = all(one.idle or not one.synced for _, _, one in self.controllers.values())
            quiet = quiet + 1 if idle and self.api.store.revision == before else 0

    async def _virt(self):
        """The least of KubeVirt: finalizer, DataVolumes, VMIs, Ready, and an end."""
        vms, vmis = await self.vms(), await self.listed(VIRTUAL_MACHINE_INSTANCES)
        pools = {}
        for vm in vms.values():
            owner = objects.controller_of(vm)
            if owner and not objects.is_terminating(vm):
                pools[owner["uid"]] = pools.get(owner["uid"], 0) + 1
        self.most_alive = max([self.most_alive, *pools.values()])
        if not self.virt_works:
            return
        for name, vm in vms.items():
            with contextlib.suppress(ApiError):
                await self._virt_vm(name, vm, vmis.get(name))

    async def _virt_vm(self, name, vm, vmi):
        held = objects.finalizers(vm)
        if objects.is_terminating(vm):
            if vmi is not None:
                await self.admin.delete(VIRTUAL_MACHINE_INSTANCES, name, NS)
            await self._virt_ready(vm, None)
            if VM_FINALIZER in held:
                await self.change_vm(name, {"metadata": {"finalizers": objects.without(held, VM_FINALIZER)}})
            return
        if VM_FINALIZER not in held:
            await self.change_vm(name, {"metadata": {"finalizers": [*held, VM_FINALIZER]}})
        await self._virt_storage(vm)
        if vmi is None and vm["spec"].get("runStrategy") == "Always":
            template = vm["spec"]["template"]
            body = {
                "apiVersion": "kubevirt.io/v1",
                "kind": "VirtualMachineInstance",
                "metadata": {
                    "name": name,
                    "namespace": NS,
                    "labels": template["metadata"]["labels"],
                    "ownerReferences": [objects.owner_reference(vm)],
                },
                "spec": template["spec"],
            }
            vmi = await self.admin.create(VIRTUAL_MACHINE_INSTANCES, body)
        if vmi is not None and self.boots and not objects.condition_is(vmi, "Ready"):
            status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            vmi = await self.admin.update(VIRTUAL_MACHINE_INSTANCES, {**vmi, "status": status})
        await self._virt_ready(vm, vmi)

    async def _virt_ready(self, vm, vmi):
        ready = vmi is not None and objects.condition_is(vmi, "Ready")
        if objects.condition(vm, "Ready") is None or objects.condition_is(vm, "Ready") != ready:
            condition = {"type": "Ready", "status": str(ready), "lastProbeTime": rfc3339(self.clock.now())}
            status = {"conditions": [condition], "printableStatus": "Running" if ready else "Starting"}
            await self.change_vm(objects.name(vm), {"status": status}, subresource="status")

    async def _virt_storage(self, vm):
        """Make DataVolumes, or adopt those that are there."""
        for template in vm["spec"].get("dataVolumeTemplates") or ():
            name = template["metadata"]["name"]
            try:
                volume = await self.admin.get(DATA_VOLUMES, name, NS)
            except NotFound:
                body = {**template, "apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume"}
                volume = await self.admin.create(DATA_VOLUMES, body, NS)
            if objects.controller_of(volume) is None:
                owners = [*objects.owners(volume), objects.owner_reference(vm)]
                await self.admin.patch(
                    DATA_VOLUMES, name, NS, {"metadata": {"ownerReferences": owners}}, type="merge"
                )

    async def _collect(self):
        """The least of garbage collection: what has owners, but none that exists, goes. Foreground, orphans."""
        kinds = (
            VIRTUAL_MACHINE_POOLS,
            VIRTUAL_MACHINES,
            VIRTUAL_MACHINE_INSTANCES,
            DATA_VOLUMES,
            CONTROLLER_REVISIONS,
        )
        everything = [(resource, obj) for resource in kinds for obj in (await self.listed(resource)).values()]
        alive = {objects.uid(obj) for _, obj in everything}
        for resource, obj in everything:
            held, mine = (
                objects.finalizers(obj),
                [
                    (kind, one)
                    for kind, one in everything
                    if any(owner["uid"] == objects.uid(obj) for owner in objects.owners(one))
                ],
            )
            with contextlib.suppress(ApiError):
                if "orphan" in held or "foregroundDeletion" in held:
                    await self._finish(resource, obj, mine)
                owners = objects.owners(obj)
                if (
                    owners
                    and not objects.is_terminating(obj)
                    and not any(one["uid"] in alive for one in owners)
                ):
                    await self.admin.delete(resource, objects.name(obj), NS, uid=objects.uid(obj))

    async def _finish(self, resource, obj, mine):
        held = objects.finalizers(obj)
        if "orphan" in held:
            for kind, one in mine:
                kept = [owner for owner in objects.owners(one) if owner["uid"] != objects.uid(obj)]
                await self.admin.patch(
                    kind, objects.name(one), NS, {"metadata": {"ownerReferences": kept or None}}, type="merge"
                )
        elif mine:
            for kind, one in mine:
                if not objects.is_terminating(one):
                    await self.admin.delete(kind, objects.name(one), NS)
            return
        kept = [one for one in held if one not in ("orphan", "foregroundDeletion")]
        await self.admin.patch(
            resource, objects.name(obj), NS, {"metadata": {"finalizers": kept}}, type="merge"
        )


async def _end(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
