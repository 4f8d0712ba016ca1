"""virt-controller on machines that name instance types and preferences: it keeps what they are in revisions.

Origin: kubevirt: pkg/instancetype/controller/vm/controller.go, pkg/instancetype/revision/{store,patch}.go
"""

from typing import Any

from fakekube.virt.controller import instancetypes
from tests.upstream.conftest import JSON_PATCH, Object
from tests.upstream.foreign.go_controller import NS
from tests.upstream.foreign.go_machines import REVISIONS, Machines

_GROUP = "instancetype.kubevirt.io"
_LABEL = f"{_GROUP}/object-"
SIZES = f"/apis/{_GROUP}/v1beta1/namespaces/{NS}/virtualmachineinstancetypes"
PREFERENCES = f"/apis/{_GROUP}/v1beta1/namespaces/{NS}/virtualmachinepreferences"
_MEMBERS = {
    "instancetype": (SIZES, "VirtualMachineInstancetype"),
    "preference": (PREFERENCES, "VirtualMachinePreference"),
}


class Sized(Machines):
    """Machines with an instance type and a preference of their namespace. `in_spec`: as releases before 1.4 kept them."""

    in_spec = False

    async def keep(self, vm: Object) -> None:
        operations: list[Object] = []
        for member, (path, kind) in _MEMBERS.items():
            if member not in vm["spec"] or self.kept(vm, member):
                continue
            matcher = vm["spec"][member]
            found = await self.suite.get(f"{path}/{matcher['name']}")
            name = await self.store(vm, found, kind)
            if self.in_spec:
                at = f"/spec/{member}/revisionName"
                operations += [{"op": "test", "path": at, "value": None}]
                operations += [{"op": "add", "path": at, "value": name}]
                matcher["revisionName"] = name
                continue
            ref = {"name": matcher["name"], "kind": matcher["kind"]}
            vm["status"][f"{member}Ref"] = {**ref, "controllerRevisionRef": {"name": name}}
            value = vm["status"][f"{member}Ref"]
            operations.append({"op": "add", "path": f"/status/{member}Ref", "value": value})
        if operations:
            path = self.machine if self.in_spec else f"{self.machine}/status"
            status, written = await self.suite.call("PATCH", path, operations, content=JSON_PATCH)
            if status == 422 and not self.in_spec:
                return  # a new machine has no status to patch yet: it is written as a whole when the pass ends
            assert status == 200, written
            vm["metadata"] = written["metadata"]

    def kept(self, vm: Object, member: str) -> Any:
        ref = vm["status"].get(f"{member}Ref") or {}
        return vm["spec"][member].get("revisionName") or ref.get("controllerRevisionRef", {}).get("name")

    async def store(self, vm: Object, found: Object, kind: str) -> str:
        meta = found["metadata"]
        told = {"generation": str(meta["generation"]), "kind": kind, "name": meta["name"]}
        told |= {"uid": meta["uid"], "version": "v1beta1"}
        name = f"{vm['metadata']['name']}-{meta['name']}-v1beta1-{meta['uid']}-{meta['generation']}"
        members = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")
        left = {key: meta[key] for key in members}
        owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "controller": True}
        owner |= {key: vm["metadata"][key] for key in ("name", "uid")} | {"blockOwnerDeletion": True}
        labels = {f"{_LABEL}{key}": one for key, one in told.items()}
        its = {"name": name, "namespace": NS, "creationTimestamp": None, "labels": labels}
        data = {"kind": kind, "apiVersion": f"{_GROUP}/v1beta1", "metadata": left, "spec": found["spec"]}
        body = {"kind": "ControllerRevision", "apiVersion": "apps/v1", "data": data, "revision": 0}
        made = await self.suite.call(
            "POST", REVISIONS, {**body, "metadata": {**its, "ownerReferences": [owner]}}
        )
        assert made[0] in (201, 409), made
        return name

    async def whole(self, vm: Object) -> Object:
        specs = {}
        for member in _MEMBERS:
            if member in vm["spec"]:
                revision = await self.suite.get(f"{REVISIONS}/{self.kept(vm, member)}")
                specs[member] = revision["data"]["spec"]
        refs = {f"{member}Ref": vm["spec"][member] for member in specs}
        found = instancetypes.Found(specs.get("instancetype"), specs.get("preference"), refs)
        return instancetypes.expanded(vm, found)
