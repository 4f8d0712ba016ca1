"""virt-controller's passes over machines: what starts and stops them, what they tell, what changes while they run.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go
"""

import copy
from collections.abc import Mapping
from typing import Any

from fakekube.machinery import quantities
from fakekube.virt.controller import vmi_template
from tests.upstream.conftest import JSON_PATCH, Object
from tests.upstream.foreign import go_machine_status as told
from tests.upstream.foreign.go_controller import CLAIMS, NS, OBSERVED, OWN, VMIS
from tests.upstream.foreign.go_migrations import VirtController
from tests.upstream.foreign.go_objects import FINAL, tested

VMS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
REVISIONS = f"/apis/apps/v1/namespaces/{NS}/controllerrevisions"
VOLUMES = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}/datavolumes"
SUBRESOURCES = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}"
GENERATION = "kubevirt.io/vm-generation"
_READY = ("Succeeded", "WaitForFirstConsumer", "PendingPopulation")


class Machines(VirtController):
    """The whole of it, machines included. A machine and its instance have the same name."""

    @property
    def machine(self) -> str:
        return f"{VMS}/{self.name}"

    async def vm(self) -> Object:
        found = self.types.again("virtualmachines", "v1", await self.suite.get(self.machine))
        return {**found, "spec": encoded(found["spec"])}

    async def has_machine(self) -> bool:
        return (await self.suite.call("GET", self.machine))[0] == 200

    async def state(self) -> list[tuple[str, str]]:
        found = [*await self.suite.items(VMS), *await self.suite.items(VOLUMES)]
        mine = [(one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found]
        return sorted([*await super().state(), *mine])

    async def step(self) -> None:
        if await self.has_machine():
            await self.pass_over(await self.vm())
        await super().step()

    async def pass_over(self, vm: Object) -> None:
        marks = vm["metadata"].get("annotations") or {}
        if not set(OBSERVED) <= set(marks):
            meta = {**vm["metadata"], "annotations": {**marks, **dict.fromkeys(OBSERVED, "v1")}}
            await self.suite.done("PUT", self.machine, {**vm, "metadata": meta})
            return
        before = vm
        vmi = await self.vmi() if await self.there() else None
        vm, expected = await self.sync(vm, vmi)
        if not vm:
            return
        vmi = await self.vmi() if vmi is not None and await self.there() else vmi
        status = await self.status(vm, vmi, expected)
        if status != before["status"]:
            await self.suite.done("PUT", f"{self.machine}/status", {**vm, "status": status})
        if vmi is not None and vmi["status"]["phase"] in FINAL and OWN in vmi["metadata"]["finalizers"]:
            await self.let_go(self.path, vmi)

    async def let_go(self, path: str, obj: Object) -> None:
        old = obj["metadata"]["finalizers"]
        ops = tested("/metadata/finalizers", old, [one for one in old if one != OWN])
        await self.suite.patch(path, ops, JSON_PATCH)

    async def sync(self, vm: Object, vmi: Object | None) -> tuple[Object, str]:
        """The machine as it is written then, and whether an instance is expected to come or to go."""
        finalizers = vm["metadata"].get("finalizers")
        if "deletionTimestamp" in vm["metadata"]:
            if vmi is None or "orphan" in (finalizers or ()):
                if OWN in (finalizers or ()):
                    await self.let_go(self.machine, vm)
                return {}, ""
            return vm, await self.stop(vmi)
        if OWN not in (finalizers or ()):
            ops = tested("/metadata/finalizers", finalizers, [*(finalizers or ()), OWN])
            written = await self.suite.patch(self.machine, ops, JSON_PATCH)
            vm = {**vm, "metadata": written["metadata"]}
        await self.keep(vm)
        if vmi is not None:
            await self.follow_generation(vm, vmi)
        if not await self.volumes_are_ready(vm) and vm["spec"].get("runStrategy") != "Halted":
            return vm, ""
        expected = await self.run(vm, vmi)
        if vmi is not None and not expected and "deletionTimestamp" not in vmi["metadata"]:
            vm = await self.change(vm, vmi)
        return vm, expected

    async def keep(self, vm: Object) -> None:
        """What a machine names is kept as it is now."""

    async def follow_generation(self, vm: Object, vmi: Object) -> None:
        """The instance is marked with the machine's generation, while it is still as its template."""
        marks, now = vmi["metadata"].get("annotations"), str(vm["metadata"]["generation"])
        if (marks or {}).get(GENERATION) == now:
            return
        revision = await self.suite.get(f"{REVISIONS}/{vmi['status']['virtualMachineRevisionName']}")
        if encoded(revision["data"]["spec"])["template"] == vm["spec"]["template"]:
            ops = tested("/metadata/annotations", marks, {**(marks or {}), GENERATION: now})
            await self.suite.patch(self.path, ops, JSON_PATCH)

    async def volumes_are_ready(self, vm: Object) -> bool:
        ready = True
        for template in vm["spec"].get("dataVolumeTemplates") or ():
            status, found = await self.suite.call("GET", f"{VOLUMES}/{template['metadata']['name']}")
            ready = ready and status == 200 and found.get("status", {}).get("phase") in _READY
            if status == 404:
                meta = {**template["metadata"], "namespace": NS, "creationTimestamp": None}
                meta |= {"labels": {"kubevirt.io/created-by": vm["metadata"]["uid"]}}
                meta |= {"annotations": {"cdi.kubevirt.io/allowClaimAdoption": "true"}}
                meta |= {"ownerReferences": [vmi_template._owner(vm)]}
                body = {"kind": "DataVolume", "apiVersion": "cdi.kubevirt.io/v1beta1", "metadata": meta}
                await self.suite.create(VOLUMES, {**body, "spec": template["spec"], "status": {}})
        return ready

    # Starting and stopping.

    async def run(self, vm: Object, vmi: Object | None) -> str:
        strategy, request = vm["spec"]["runStrategy"], told.first_request(vm)
        if vmi is None:
            wanted = strategy in ("Always", "Once") or request.get("action") == "Start"
            if strategy == "RerunOnFailure" and vm["status"].get("runStrategy") != strategy:
                wanted = True
            if strategy == "Halted" or not wanted or told.waits(vm, await self.now()):
                return ""
            return await self.start(vm)
        ended = vmi["status"]["phase"] in FINAL
        asked = request.get("action") == "Stop" and request.get("uid") == vmi["metadata"]["uid"]
        if strategy == "Halted" or asked or (ended and strategy in ("Always", "RerunOnFailure")):
            gone = await self.stop(vmi)
            if gone and strategy == "RerunOnFailure" and vmi["status"]["phase"] == "Failed":
                wish = [*(vm["status"].get("stateChangeRequests") or ()), {"action": "Start"}]
                ops = [{"op": "add", "path": "/status/stateChangeRequests", "value": wish}]
                written = await self.suite.patch(f"{self.machine}/status", ops, JSON_PATCH)
                vm["status"], vm["metadata"] = written["status"], written["metadata"]
            return gone
        return ""

    async def stop(self, vmi: Object) -> str:
        if "deletionTimestamp" in vmi["metadata"]:
            return ""
        await self.suite.delete(self.path, {"kind": "DeleteOptions", "apiVersion": "kubevirt.io/v1"})
        return "stop"

    async def start(self, vm: Object) -> str:
        whole, asked = await self.whole(vm), told.first_request(vm)
        tracking = (vm["status"].get("changedBlockTracking") or {}).get("state", "")
        paused = asked.get("data", {}).get("paused") == "true"
        vmi = vmi_template.build(whole, paused=paused, tracking=tracking)
        meta = {"creationTimestamp": None, **vmi["metadata"]}
        revision = vmi_template.revision(vm)
        known = await self.suite.items(REVISIONS)
        for one in known:
            name = one["metadata"]["name"]
            if name.startswith(f"revision-start-vm-{vm['metadata']['uid']}"):
                if one["revision"] == vm["metadata"]["generation"]:
                    break
                await self.suite.delete(
                    f"{REVISIONS}/{name}", {"kind": "DeleteOptions", "apiVersion": "apps/v1"}
                )
        else:
            body = {**revision, "metadata": {**revision["metadata"], "creationTimestamp": None}}
            await self.suite.create(REVISIONS, body)
        await self.suite.create(
            VMIS,
            {
                **vmi,
                "metadata": meta,
                "spec": encoded(vmi["spec"]),
                "status": {"guestOSInfo": {}, "runtimeUser": 0, **vmi["status"]},
            },
        )
        return "start"

    async def whole(self, vm: Object) -> Object:
        """What an instance is made from."""
        return vm

    # While it runs.

    async def change(self, vm: Object, vmi: Object) -> Object:
        wanted = copy.deepcopy(vm)
        for request in vm["status"].get("volumeRequests") or ():
            await self.volume(wanted, vmi, request)
        if not vm["status"].get("volumeRequests"):
            await self.declare(vm, vmi)
        await self.dump(wanted, vmi)
        template = wanted["spec"]["template"]["spec"]
        await self.live(template, encoded(vmi["spec"]), vmi)
        if wanted["spec"] == vm["spec"]:
            return vm
        written: Object = await self.suite.done("PUT", self.machine, wanted)
        return {**written, "status": wanted["status"]}

    async def declare(self, vm: Object, vmi: Object) -> None:
        """Volumes that can be plugged are what the template says; one that is to be another goes first."""
        template, spec = vm["spec"]["template"]["spec"], vmi["spec"]
        volumes = {one["name"]: one for one in template.get("volumes") or ()}
        there, disks = spec.get("volumes") or [], spec["domain"]["devices"].get("disks") or []
        told = {one["name"] for one in vmi["status"].get("volumeStatus") or ()}
        told |= {one["name"] for one in there}
        left = [one for one in there if not declared(one) or volumes.get(one["name"]) == one]
        left += [one for own, one in volumes.items() if declared(one) and own not in told]
        kept, known = {one["name"] for one in left}, {one["name"] for one in disks}
        drives = template["domain"]["devices"].get("disks") or []
        left_disks = [one for one in disks if one["name"] in kept]
        left_disks += [one for one in drives if one["name"] in kept and one["name"] not in known]
        if (left, left_disks) == (there, disks):
            return
        pairs = {"/spec/volumes": (there, left), "/spec/domain/devices/disks": (disks, left_disks)}
        ops = [{"op": "test", "path": path, "value": old} for path, (old, _) in pairs.items()]
        ops += [{"op": "replace", "path": path, "value": new} for path, (_, new) in pairs.items()]
        await self.suite.patch(self.path, ops, JSON_PATCH)

    async def volume(self, vm: Object, vmi: Object, request: Object) -> None:
        """A queued request reaches the template, and the instance by its own subresource."""
        spec, devices = (one := vm["spec"]["template"]["spec"]), one["domain"]["devices"]
        there = {one["name"] for one in vmi["spec"].get("volumes") or ()}
        verb = "addvolume" if "addVolumeOptions" in request else "removevolume"
        options = request.get("addVolumeOptions") or request["removeVolumeOptions"]
        name = options["name"]
        if verb == "addvolume":
            (kind,) = options["volumeSource"]
            source = {kind: {**options["volumeSource"][kind], "hotpluggable": True}}
            if all(one["name"] != name for one in spec.get("volumes") or ()):
                spec["volumes"] = [*(spec.get("volumes") or ()), {"name": name, **source}]
                disk = {**options["disk"], "name": name}
                devices["disks"] = [*(devices.get("disks") or ()), disk]
        else:
            spec["volumes"] = [one for one in spec["volumes"] if one["name"] != name]
            devices["disks"] = [one for one in devices["disks"] if one["name"] != name]
        if (name in there) == (verb == "removevolume"):
            path = f"{SUBRESOURCES}/virtualmachineinstances/{self.name}/{verb}"
            await self.suite.done("PUT", path, options)

    async def dump(self, vm: Object, vmi: Object) -> None:
        """The claim a guest's memory is written into joins template and instance, and leaves the instance when it is."""
        request = vm["status"].get("memoryDumpRequest") or {}
        phase, own = request.get("phase"), request.get("claimName")
        there: list[Object] = vmi["spec"].get("volumes") or []
        without = [one for one in there if one["name"] != own]
        if phase == "Associating":
            made = {"name": own, "memoryDump": {"claimName": own, "hotpluggable": True}}
            template = vm["spec"]["template"]["spec"]
            template["volumes"] = [*(one for one in template["volumes"] if one["name"] != own), made]
            if len(without) == len(there):
                ops = tested("/spec/volumes", there, [*there, made])
                await self.suite.patch(self.path, ops, JSON_PATCH)
        elif phase == "Unmounting" and len(without) < len(there):
            path = "/metadata/annotations/kubevirt.io~1memory-dump"
            mark = [{"op": "replace", "path": path, "value": request["fileName"]}]
            await self.suite.patch(f"{CLAIMS}/{own}", mark, JSON_PATCH)
            await self.suite.patch(self.path, tested("/spec/volumes", there, without), JSON_PATCH)

    async def live(self, wanted: Object, spec: Object, vmi: Object) -> None:
        """CPUs, memory, and where the guest may go: tested against the instance as Go writes what it has read."""
        cpu, now = wanted["domain"].get("cpu") or {}, spec["domain"].get("cpu") or {}
        if cpu.get("sockets") and cpu["sockets"] > now["sockets"]:
            ops = tested("/spec/domain/cpu/sockets", now["sockets"], cpu["sockets"])
            await self.suite.patch(self.path, ops, JSON_PATCH)
        for member in ("nodeSelector", "affinity", "tolerations"):
            old, new, path = spec.get(member), wanted.get(member), f"/spec/{member}"
            if old != new:
                ops = tested(path, old, new) if old and new else [{"op": "add", "path": path, "value": new}]
                await self.suite.patch(
                    self.path, ops if new else [{"op": "remove", "path": path}], JSON_PATCH
                )
        guest, old = wanted["domain"].get("memory", {}).get("guest"), spec["domain"]["memory"]["guest"]
        if guest and guest != old:
            ops = tested("/spec/domain/memory/guest", old, guest)
            asked = spec["domain"]["resources"].get("requests", {}).get("memory")
            if asked:
                ops += tested("/spec/domain/resources/requests/memory", asked, guest)
            await self.suite.patch(self.path, ops, JSON_PATCH)

    # What it tells.

    async def status(self, vm: Object, vmi: Object | None, expected: str) -> Object:
        found = await self.suite.items(VOLUMES)
        named = {
            one["dataVolume"]["name"]
            for one in vm["spec"]["template"]["spec"].get("volumes") or ()
            if "dataVolume" in one
        }
        volumes = [one for one in found if one["metadata"]["name"] in named]
        status = told.status(vm, vmi, expected, volumes, await self.now())
        return self.types.again("virtualmachines", "v1", {"status": status})["status"]


def declared(volume: Object) -> bool:
    """Whether a volume can be plugged, and is none that comes and goes by itself."""
    kinds = ("dataVolume", "persistentVolumeClaim")
    return any((volume.get(kind) or {}).get("hotpluggable") for kind in kinds)


def encoded(spec: Any, key: str = "") -> Any:
    """A spec as Go writes what it has read: quantities in their canonical spelling, a domain with devices and resources."""
    if isinstance(spec, Mapping):
        if key in ("requests", "limits"):
            return {name: quantities.canonical(str(one)) for name, one in spec.items()}
        made = {name: encoded(one, name) for name, one in spec.items()}
        if key == "domain":
            made = {"devices": {}, "resources": {}, **made}
        return made
    if isinstance(spec, list):
        return [encoded(one) for one in spec]
    return quantities.canonical(spec) if key in ("guest", "maxGuest", "capacity") else spec
