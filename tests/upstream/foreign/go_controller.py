"""KubeVirt's virt-controller as far as instances go, with what is plugged into them: pass by pass the requests the program
makes, with the bodies Go's encoders make of its types. It knows a server by its address alone.

Origin: kubevirt: pkg/virt-controller/watch/vmi/{lifecycle,storage,volume-hotplug}.go
"""

from typing import Any, Self

from fakekube.clock import rfc3339
from fakekube.virt.controller import hotplug, launcher_pod, persistent_state
from fakekube.virt.controller.launcher_facts import Settings, Target
from tests.upstream.conftest import STRATEGIC, Object, Suite
from tests.upstream.foreign import go_objects as objects
from tests.upstream.foreign.go_objects import FINAL
from tests.upstream.foreign.go_values import Types

NS = "default"
CORE = f"/api/v1/namespaces/{NS}"
PODS, CLAIMS = f"{CORE}/pods", f"{CORE}/persistentvolumeclaims"
VMIS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances"
MIGRATIONS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstancemigrations"
GATE = "kubevirt.io/virtual-machine-unpaused"
NODE = "kubevirt.io/nodeName"
OWN = "kubevirt.io/virtualMachineControllerFinalize"
FOREGROUND = "kubevirt.io/foregroundDeleteVirtualMachine"
OBSERVED = ("kubevirt.io/latest-observed-api-version", "kubevirt.io/storage-observed-api-version")
IMAGE = "quay.io/kubevirt/virt-launcher:v1.9.0"
DELETE = {"kind": "DeleteOptions", "apiVersion": "v1"}


class Instances:
    """See the module text. `work` makes passes until there is nothing left to do."""

    def __init__(self, suite: Suite, types: Types, name: str = "vm") -> None:
        self.suite, self.types, self.name = suite, types, name
        self.path = f"{VMIS}/{name}"

    @classmethod
    async def at(cls, suite: Suite) -> Self:
        return cls(suite, await Types.of(suite))

    async def now(self) -> str:
        return rfc3339(self.suite.cluster.clock.now())

    # Reading.

    async def vmi(self) -> Object:
        """As it is in the controller's cache: of Go's types."""
        return self.types.again("virtualmachineinstances", "v1", await self.suite.get(self.path))

    async def pods(self, vmi: Object) -> list[Object]:
        found = await self.suite.items(PODS, "kubevirt.io")
        return [one for one in found if objects.is_of(one, vmi)]

    async def attachments(self, pod: Object) -> list[Object]:
        return [one for one in await self.suite.items(PODS, "kubevirt.io") if objects.is_of(one, pod)]

    async def there(self) -> bool:
        return (await self.suite.call("GET", self.path))[0] == 200

    # Instances.

    async def create(self, spec: Object, grace: int = 0, **meta: Any) -> Object:
        """As the controller of machines makes one."""
        body = {
            "kind": "VirtualMachineInstance",
            "apiVersion": "kubevirt.io/v1",
            "metadata": {
                "name": self.name,
                "namespace": NS,
                "creationTimestamp": None,
                "finalizers": [OWN],
                **meta,
            },
            "spec": {**spec, "terminationGracePeriodSeconds": grace},
            "status": {"guestOSInfo": {}, "runtimeUser": 0},
        }
        return await self.suite.create(VMIS, body)

    async def work(self, passes: int = 20, seconds: float = 1) -> None:
        """Passes, a moment after each other, until one changes nothing."""
        for _ in range(passes):
            before = await self.state()
            await self.step()
            await self.suite.cluster.advance(seconds)
            if await self.state() == before:
                return
        raise AssertionError(f"there was always something to do: {await self.state()}")

    async def state(self) -> list[tuple[str, str]]:
        """What there is of the instance, and in which version."""
        found = [*await self.suite.items(VMIS), *await self.suite.items(MIGRATIONS)]
        found += await self.suite.items(PODS)
        return sorted((one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found)

    async def step(self) -> None:
        if await self.there():
            await self.instance()

    async def instance(self) -> None:
        """One pass over the instance."""
        vmi = await self.vmi()
        if not set(OBSERVED) <= set(vmi["metadata"].get("annotations") or {}):
            marks = {**(vmi["metadata"].get("annotations") or {}), **dict.fromkeys(OBSERVED, "v1")}
            await self.put({**vmi, "metadata": {**vmi["metadata"], "annotations": marks}})
            return
        pods = await self.pods(vmi)
        pod = objects.current(vmi, pods)
        if "deletionTimestamp" in vmi["metadata"]:
            for one in pods:
                if "deletionTimestamp" not in one["metadata"] or one["status"]["phase"] in FINAL:
                    await self.suite.gone(f"{PODS}/{one['metadata']['name']}", DELETE)
        elif vmi["status"]["phase"] not in FINAL:
            if pod is None and vmi["status"]["phase"] == "Pending":
                pod = await self.launch(vmi)
                pods = [pod]
            elif pod is not None and objects.runs(pod):
                await self.plug(vmi, pod)
        await self.tell(vmi, pods, pod)

    async def launch(self, vmi: Object, target: Target | None = None, **affinity: Any) -> Object:
        state = persistent_state.current_name(vmi)
        pod = launcher_pod.build(vmi, Settings(launcher_image=IMAGE), target=target, state=state)
        pod["metadata"]["creationTimestamp"] = None
        if affinity:
            pod["spec"]["affinity"] = {**(pod["spec"].get("affinity") or {}), **affinity}
        return await self.suite.create(PODS, {**pod, "status": {}})

    async def put(self, vmi: Object) -> Object:
        return await self.suite.done("PUT", self.path, vmi)

    async def tell(self, vmi: Object, pods: list[Object], pod: Object | None) -> None:
        """What the pass found out, written into the instance and its pod."""
        status = {**vmi["status"]}
        if pods or "activePods" in status:
            status["activePods"] = {one["metadata"]["uid"]: one["spec"].get("nodeName", "") for one in pods}
        status["conditions"] = objects.put(status.get("conditions"), await self.readiness(vmi, pod))
        meta = {**vmi["metadata"], "labels": dict(vmi["metadata"].get("labels") or {})}
        if pod is not None:
            status["launcherContainerImageVersion"] = IMAGE
            pod = await self.gate(vmi, pod)
            await self.label(meta, pod)
        phase = status["phase"]
        if phase == "Pending":
            if pod is not None:
                status["phase"] = "Scheduling"
            elif "deletionTimestamp" in meta:
                status["phase"] = "Failed"
        elif phase == "Scheduling":
            if pod is None:
                status["phase"] = "Failed"
            else:
                status["qosClass"] = pod["status"].get("qosClass") or ""
                if objects.runs(pod) and "deletionTimestamp" not in meta:
                    node = pod["spec"]["nodeName"]
                    status |= {"phase": "Scheduled", "nodeName": node, "migrationTransport": "Unix"}
                    meta["labels"][NODE] = node
                    status["interfaces"] = [
                        {"name": one["name"], "podInterfaceName": "eth0"}
                        for one in vmi["spec"].get("networks") or ()
                    ]
                    status["volumeStatus"] = await self.volumes(vmi, pod)
                elif pod["status"].get("phase") in FINAL or "deletionTimestamp" in pod["metadata"]:
                    status["phase"] = "Failed"
        elif phase in ("Scheduled", "Running"):
            if pod is None:
                status["phase"] = "Failed"
            else:
                status["volumeStatus"] = await self.volumes(vmi, pod)
                status["conditions"] = objects.put(status["conditions"], *objects.asked(vmi))
        elif not pods:
            kept = [one for one in meta.get("finalizers") or () if one not in (FOREGROUND, OWN)]
            meta["finalizers"] = kept
            status.pop("launcherContainerImageVersion", None)
        if phase in ("Scheduled", "Running"):
            await self.patch(vmi, status, meta["labels"])
        elif status != vmi["status"] or meta.get("finalizers") != vmi["metadata"].get("finalizers"):
            if status["phase"] != phase:
                entry = {"phase": status["phase"], "phaseTransitionTimestamp": await self.now()}
                status["phaseTransitionTimestamps"] = [*status["phaseTransitionTimestamps"], entry]
            await self.put({**vmi, "metadata": meta, "status": status})

    async def patch(self, vmi: Object, status: Object, labels: dict[str, str]) -> None:
        """Only what differs, and only while it is as it was."""
        operations: list[Object] = []
        members = ("volumeStatus", "conditions", "activePods", "phase", "launcherContainerImageVersion")
        for member in members:
            old, new, path = vmi["status"].get(member), status.get(member), f"/status/{member}"
            if old == new or (not old and not new):
                continue
            if not old and member in ("volumeStatus", "launcherContainerImageVersion"):
                operations.append({"op": "add", "path": path, "value": new})
            else:
                operations += objects.tested(path, old, new)
        if labels != (vmi["metadata"].get("labels") or {}):
            operations += objects.tested("/metadata/labels", vmi["metadata"].get("labels"), labels)
        if operations:
            await self.suite.patch(self.path, operations)

    async def readiness(self, vmi: Object, pod: Object | None) -> Object:
        now = await self.now()
        times = {"lastProbeTime": now, "lastTransitionTime": now}
        told = {"type": "Ready", "status": "False", **times}
        if pod is None:
            text = "virt-launcher pod has not yet been scheduled"
            return {**told, "reason": "PodNotExists", "message": text}
        if pod["status"].get("phase") in FINAL or "deletionTimestamp" in pod["metadata"]:
            return {**told, "reason": "PodTerminating", "message": "virt-launcher pod is terminating"}
        if vmi["status"]["phase"] != "Running":
            text = "Guest VM is not reported as running"
            return {**told, "reason": "GuestNotRunning", "message": text}
        (its,) = [one for one in pod["status"]["conditions"] if one["type"] == "Ready"]
        members = ("status", "lastProbeTime", "lastTransitionTime", "reason", "message")
        return {"type": "Ready", **{key: its[key] for key in members if key in its}}

    async def gate(self, vmi: Object, pod: Object) -> Object:
        """The condition of the pod that says whether the guest stands still."""
        paused = any(one["type"] == "Paused" for one in vmi["status"].get("conditions") or ())
        listed = pod["status"].get("conditions") or []
        its = next((one["status"] for one in listed if one["type"] == GATE), "")
        if (its == "True") != paused or (paused and not its):
            return pod
        now = await self.now()
        told = {"type": GATE, "status": "False" if paused else "True", "lastProbeTime": now}
        told["lastTransitionTime"] = now
        told["reason"] = "Paused" if paused else "NotPaused"
        told["message"] = f"the virtual machine is {'' if paused else 'not '}paused"
        order = [{"type": one["type"]} for one in objects.put(listed, told)]
        change = {"status": {"$setElementOrder/conditions": order, "conditions": [told]}}
        return await self.suite.patch(f"{PODS}/{pod['metadata']['name']}/status", change, STRATEGIC)

    async def label(self, meta: Object, pod: Object) -> None:
        """The pod says where the guest is."""
        old, node = pod["metadata"]["labels"], meta["labels"].get(NODE)
        if node == old.get(NODE):
            return
        new = {**old, NODE: node} if node else {key: one for key, one in old.items() if key != NODE}
        await self.suite.patch(
            f"{PODS}/{pod['metadata']['name']}", objects.tested("/metadata/labels", old, new)
        )

    # What is plugged in.

    async def plug(self, vmi: Object, pod: Object) -> None:
        volumes = await self.bound(vmi)
        present = [one for one in await self.attachments(pod) if objects.is_there(one)]
        current = next((one for one in present if objects.brings(one, volumes)), None)
        if volumes and current is None and all(one["status"]["phase"] == "Running" for one in present):
            made = hotplug.attachment_pod(vmi, pod, volumes, Settings(launcher_image=IMAGE))
            made["metadata"]["creationTimestamp"] = None
            current = await self.suite.create(PODS, {**made, "status": {}})
        runs = current is not None and current["status"]["phase"] == "Running"
        held = objects.held(vmi)
        for one in present:
            brought = {volume["name"] for volume in one["spec"]["volumes"]}
            if one is not current and (runs or not volumes) and brought.isdisjoint(held):
                options = {**DELETE, "gracePeriodSeconds": 0}
                await self.suite.gone(f"{PODS}/{one['metadata']['name']}", options)

    async def bound(self, vmi: Object) -> list[Object]:
        claims = {one["metadata"]["name"]: one for one in await self.suite.items(CLAIMS)}
        return [
            volume
            for volume in vmi["spec"].get("volumes") or ()
            if (claim := objects.claim_of(volume)).get("hotpluggable")
            and claims.get(claim["claimName"], {}).get("status", {}).get("phase") == "Bound"
        ]

    async def volumes(self, vmi: Object, pod: Object) -> list[Object]:
        """`status.volumeStatus`."""
        old = {one["name"]: one for one in vmi["status"].get("volumeStatus") or ()}
        present = await self.attachments(pod)
        bound = await self.bound(vmi)
        current = next((one for one in present if objects.brings(one, bound)), None)
        made = []
        for volume in vmi["spec"].get("volumes") or ():
            entry = {**(old.pop(volume["name"], None) or {"name": volume["name"], "target": ""})}
            if objects.claim_of(volume).get("hotpluggable"):
                if "memoryDump" in volume:
                    entry.setdefault("memoryDumpVolume", {"claimName": volume["name"]})
                entry = objects.plugged(entry, current)
            made.append(entry)
        for entry in old.values():
            brings = (
                one for one in present if any(v["name"] == entry["name"] for v in one["spec"]["volumes"])
            )
            if "hotplugVolume" in entry and next(brings, None) is not None:
                kept = entry["phase"] in ("Ready", "MountedToPod")
                made.append(entry if kept else {**entry, "phase": "Detaching"})
        return sorted(made, key=lambda entry: str(entry["name"]))
