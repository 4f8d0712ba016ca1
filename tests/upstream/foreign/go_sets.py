"""virt-controller's passes over what makes many guests: replica sets of instances, and pools of machines.

Origin: kubevirt: pkg/virt-controller/watch/{replicaset/replicaset,pool/pool}.go, pkg/controller/controller_ref_manager.go
"""

import copy

from fakekube.machinery import selectors
from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, Object
from tests.upstream.foreign import go_objects as objects
from tests.upstream.foreign.go_controller import DELETE, NS, OBSERVED, VMIS
from tests.upstream.foreign.go_machines import REVISIONS, VMS, Machines
from tests.upstream.foreign.go_migrations import VirtController
from tests.upstream.foreign.go_objects import FINAL, tested

SETS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstancereplicasets"
POOLS = f"/apis/pool.kubevirt.io/v1beta1/namespaces/{NS}/virtualmachinepools"
FINALIZER = "pool.kubevirt.io/finalizer"
REVISION = "kubevirt.io/vm-pool-revision-name"
_FOREGROUND = {**DELETE, "propagationPolicy": "Foreground"}


def _owner(obj: Object, group: str) -> Object:
    meta = {key: obj["metadata"][key] for key in ("name", "uid")}
    own = {"apiVersion": group, "kind": obj["kind"], **meta}
    return {**own, "controller": True, "blockOwnerDeletion": True}


def _ready(obj: Object) -> bool:
    listed = (obj.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in listed)


class ReplicaSets(VirtController):
    """Instances, and the sets they are of."""

    async def step(self) -> None:
        for one in await self.suite.items(VMIS):
            self.name = one["metadata"]["name"]
            self.path = f"{VMIS}/{self.name}"
            await super().step()
        for one in await self.suite.items(SETS):
            obj = {**one, "kind": "VirtualMachineInstanceReplicaSet"}
            await self.replica_set(self.types.again("virtualmachineinstancereplicasets", "v1", obj))

    async def state(self) -> list[tuple[str, str]]:
        found = await self.suite.items(SETS)
        mine = [(one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found]
        return sorted([*await super().state(), *mine])

    async def replica_set(self, obj: Object) -> None:
        spec, meta, path = obj["spec"], obj["metadata"], f"{SETS}/{obj['metadata']['name']}"
        marks = meta.get("annotations") or {}
        if not set(OBSERVED) <= set(marks):
            meta = {**meta, "annotations": {**marks, **dict.fromkeys(OBSERVED, "v1")}}
            await self.suite.done("PUT", path, {**obj, "metadata": meta})
            return
        selector = selectors.from_object(spec["selector"])
        owned = await self.claimed(obj, selector)
        alive = [one for one in owned if "deletionTimestamp" not in one["metadata"]]
        active = [one for one in alive if one["status"]["phase"] not in FINAL]
        if not (spec.get("paused") or "deletionTimestamp" in meta):
            missing = spec.get("replicas", 1) - len(active)
            for _ in range(missing):
                await self.suite.create(VMIS, self.instance_of(obj))
            finished = [one for one in alive if one not in active]
            for one in (*active[: max(0, -missing)], *finished):
                await self.suite.gone(f"{VMIS}/{one['metadata']['name']}", DELETE)
        status = {**obj["status"], "labelSelector": str(selector), "replicas": len(active)}
        status["readyReplicas"] = sum(_ready(one) for one in active)
        status = {key: value for key, value in status.items() if value}
        paused = {"type": "ReplicaPaused", "status": "True", "reason": "Paused"}
        paused |= {"message": "Controller got paused", "lastProbeTime": None}
        if spec.get("paused") and not objects.has(obj, "ReplicaPaused"):
            status["conditions"] = [{**paused, "lastTransitionTime": await self.now()}]
        elif not spec.get("paused"):
            status.pop("conditions", None)
        if status != obj["status"]:
            await self.suite.done("PUT", f"{path}/status", {**obj, "status": status})

    def instance_of(self, obj: Object) -> Object:
        template = copy.deepcopy(obj["spec"]["template"])
        meta = {**(template.get("metadata") or {}), "generateName": obj["metadata"]["name"]}
        meta |= {"creationTimestamp": None, "ownerReferences": [_owner(obj, "kubevirt.io/v1")]}
        body = {"kind": "VirtualMachineInstance", "apiVersion": "kubevirt.io/v1", "metadata": meta}
        return {**body, "spec": template["spec"], "status": {"guestOSInfo": {}, "runtimeUser": 0}}

    async def claimed(self, obj: Object, selector: selectors.Selector) -> list[Object]:
        """What it owns; strays that match are adopted, what does not match any more is released."""
        found = []
        for one in await self.suite.items(VMIS):
            path, fits = f"{VMIS}/{one['metadata']['name']}", selector.matches(one["metadata"].get("labels"))
            owners = one["metadata"].get("ownerReferences") or ()
            if objects.is_of(one, obj):
                if not fits and "deletionTimestamp" not in obj["metadata"]:
                    await self.suite.patch(path, {"metadata": {"ownerReferences": []}}, MERGE_PATCH)
            elif not fits or owners or {"deletionTimestamp"} & {*one["metadata"], *obj["metadata"]}:
                continue
            else:
                await self.suite.get(f"{SETS}/{obj['metadata']['name']}")
                meta = {"ownerReferences": [_owner(obj, "kubevirt.io/v1")], "uid": one["metadata"]["uid"]}
                await self.suite.patch(path, {"metadata": meta}, MERGE_PATCH)
            if fits:
                found.append(one)
        return found


class Pools(Machines):
    """Machines, and the pools they are of, which update them proactively."""

    async def step(self) -> None:
        for one in await self.suite.items(VMS):
            self.name = one["metadata"]["name"]
            self.path = f"{VMIS}/{self.name}"
            await super().step()
        for one in await self.suite.items(POOLS):
            obj = {**one, "kind": "VirtualMachinePool"}
            await self.pool(self.types.again("virtualmachinepools", "v1beta1", obj))

    async def state(self) -> list[tuple[str, str]]:
        found = [*await self.suite.items(POOLS), *await self.suite.items(REVISIONS)]
        mine = [(one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found]
        return sorted([*await super().state(), *mine])

    async def pool(self, obj: Object) -> None:
        path, spec = f"{POOLS}/{obj['metadata']['name']}", obj["spec"]
        owned = [one for one in await self.suite.items(VMS) if objects.is_of(one, obj)]
        if "deletionTimestamp" in obj["metadata"]:
            for one in owned:
                await self.let_free(f"{VMS}/{one['metadata']['name']}", one)
            await self.let_free(path, obj)
            await self.prune(obj, owned)
            return
        if FINALIZER not in (obj["metadata"].get("finalizers") or ()):
            old = obj["metadata"].get("finalizers")
            ops = tested("/metadata/finalizers", old, [*(old or ()), FINALIZER])
            obj["metadata"] = (await self.suite.patch(path, ops))["metadata"]
        difference = len(owned) - spec.get("replicas", 1)
        if difference < 0:
            revision = await self.revision(obj)
            taken = {one["metadata"]["name"] for one in await self.suite.items(VMS)}
            names = (f"{obj['metadata']['name']}-{index}" for index in range(len(taken) - difference))
            for name in [one for one in names if one not in taken][:-difference]:
                await self.suite.create(VMS, self.machine_of(obj, name, revision))
        elif difference > 0:
            going = [one for one in owned if "deletionTimestamp" in one["metadata"]]
            for one in [one for one in owned if one not in going][: max(0, difference - len(going))]:
                at = f"{VMS}/{one['metadata']['name']}"
                await self.let_free(at, one)
                await self.suite.gone(at, _FOREGROUND)
        elif not await self.updated(obj, owned):
            await self.prune(obj, owned)
        for one in owned:
            if "deletionTimestamp" in one["metadata"]:
                await self.let_free(f"{VMS}/{one['metadata']['name']}", one)
        status = {**obj["status"], "replicas": len(owned), "readyReplicas": sum(map(_ready, owned))}
        status["labelSelector"] = str(selectors.from_object(spec["selector"]))
        status = {key: value for key, value in status.items() if value}
        if status != obj["status"] or len(owned) != status.get("readyReplicas", 0):
            await self.suite.done("PUT", f"{path}/status", {**obj, "status": status})

    async def let_free(self, path: str, obj: Object) -> None:
        old = obj["metadata"].get("finalizers") or []
        if FINALIZER in old:
            left = [one for one in old if one != FINALIZER] or None
            await self.suite.call(
                "PATCH", path, tested("/metadata/finalizers", old, left), content=JSON_PATCH
            )

    async def revision(self, obj: Object) -> str:
        name = f"{obj['metadata']['name']}-{obj['metadata']['generation']}"
        if (await self.suite.call("GET", f"{REVISIONS}/{name}"))[0] == 404:
            meta = {"name": name, "namespace": NS, "creationTimestamp": None}
            meta |= {"ownerReferences": [_owner(obj, "pool.kubevirt.io/v1beta1")]}
            body = {"kind": "ControllerRevision", "apiVersion": "apps/v1", "metadata": meta}
            number = obj["metadata"]["generation"]
            await self.suite.create(REVISIONS, {**body, "data": obj["spec"], "revision": number})
        return name

    def machine_of(self, obj: Object, name: str, revision: str) -> Object:
        template = copy.deepcopy(obj["spec"]["virtualMachineTemplate"])
        inner = template["spec"]["template"].setdefault("metadata", {})
        inner |= {"creationTimestamp": None, "labels": {**(inner.get("labels") or {}), REVISION: revision}}
        meta = {"name": name, "namespace": NS, "creationTimestamp": None, "finalizers": [FINALIZER]}
        meta |= {"labels": {**template["metadata"]["labels"], REVISION: revision}}
        meta |= {"ownerReferences": [_owner(obj, "pool.kubevirt.io/v1beta1")]}
        body = {"kind": "VirtualMachine", "apiVersion": "kubevirt.io/v1", "metadata": meta}
        return {**body, "spec": template["spec"], "status": {}}

    async def updated(self, obj: Object, owned: list[Object]) -> bool:
        """Whether machines were written anew; where none is, instances follow theirs: they go, or are named after it."""
        wanted, outdated = obj["spec"]["virtualMachineTemplate"], []
        for one in owned:
            known = await self.suite.get(f"{REVISIONS}/{one['metadata']['labels'][REVISION]}")
            if known["data"]["virtualMachineTemplate"] != wanted:
                outdated.append(one)
        for one in outdated:
            name = one["metadata"]["name"]
            made = self.machine_of(obj, name, await self.revision(obj))
            meta = {**one["metadata"], "labels": made["metadata"]["labels"]}
            await self.suite.done("PUT", f"{VMS}/{name}", {**one, "metadata": meta, "spec": made["spec"]})
        for one in owned:
            found, vmi = await self.suite.call("GET", f"{VMIS}/{one['metadata']['name']}")
            if one in outdated or found == 404 or "deletionTimestamp" in vmi["metadata"]:
                continue
            its, old = one["metadata"]["labels"][REVISION], vmi["metadata"]["labels"]
            if old[REVISION] == its:
                continue
            templates = [
                (await self.suite.get(f"{REVISIONS}/{name}"))["data"]["virtualMachineTemplate"]["spec"][
                    "template"
                ]
                for name in (its, old[REVISION])
            ]
            path = f"{VMIS}/{one['metadata']['name']}"
            if templates[0] != templates[1]:
                await self.suite.gone(path, DELETE)
            else:
                await self.suite.patch(path, tested("/metadata/labels", old, {**old, REVISION: its}))
        return bool(outdated)

    async def prune(self, obj: Object, owned: list[Object]) -> None:
        used = {one["metadata"]["labels"][REVISION] for one in owned}
        used |= {one["metadata"]["labels"].get(REVISION) for one in await self.suite.items(VMIS)}
        for one in await self.suite.items(REVISIONS):
            name = one["metadata"]["name"]
            if objects.is_of(one, obj) and name not in used:
                await self.suite.gone(f"{REVISIONS}/{name}", {**DELETE, "apiVersion": "apps/v1"})
