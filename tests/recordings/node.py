"""The node side the recordings were made with: scheduler, kubelet, virt-handler, CDI and binder as one small script.

It does what the recorded one did, after the same delays, and nothing of its own accord: what virt-controller makes of it
is what is compared. `Behaviour` says how it is told to misbehave; `told` carries out the instructions of a recording.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, Conflict, NotFound
from fakekube.machinery.objects import condition, dig, is_terminating, key, name, namespace, uid
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    Resource,
)
from fakekube.machinery.wire import Object

_GATE = "kubevirt.io/virtual-machine-unpaused"
_DIGEST = "sha256:" + "0" * 64
_NETWORK = (
    "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network"
)
_NO_ROOM = (
    "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available: 1 No preemption "
    "victims found for incoming pod."
)


@dataclass(frozen=True)
class Behaviour:
    """How long things take, in seconds, and how they go."""

    schedule: float | str | None = 0.1  # or "unschedulable"; None: never
    pod_start: float = 0.3
    pod: str = "ok"
    vmi_start: float = 0.3
    vmi: str = "ok"
    stop: float = 0.3
    stop_phase: str = "Succeeded"
    pod_stop: float = 0.2
    dv: str = "ok"
    dv_time: float = 0.8
    pvc: str = "ok"
    mig: str = "ok"


class Node:
    """See the module text. `run` it with informers of pods, VMIs, DataVolumes and claims that are running."""

    def __init__(self, client: Client, clock: Clock, informers: dict[Resource, Informer]) -> None:
        self.client, self.clock = client, clock
        self.informers = informers
        self.rules: list[tuple[re.Pattern[str], dict[str, Any]]] = []
        self.by_hand = False  # then nothing happens unless told
        self._recorders: dict[str, Recorder] = {}
        self._tasks: asyncio.TaskGroup
        self._addresses = 0
        self._running: set[tuple[str, str]] = set()
        self._moved: set[str] = set()
        self._paused: asyncio.Event = asyncio.Event()

    def behaviour(self, of: str) -> Behaviour:
        made = Behaviour()
        for pattern, settings in self.rules:
            if pattern.search(of):
                made = replace(made, **settings)
        return made

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for host in ("node01", "node02"):
                recorder = Recorder(self.client, "virt-handler", clock=self.clock, ids=Ids(1), host=host)
                self._recorders[host] = recorder
                tasks.create_task(recorder.run())
            self._watch(PODS, self._pod_changed)
            self._watch(VIRTUAL_MACHINE_INSTANCES, self._vmi_changed)
            self._watch(DATA_VOLUMES, self._volume_changed)
            self._watch(PERSISTENT_VOLUME_CLAIMS, self._claim_changed)
            await asyncio.Event().wait()

    def _watch(self, resource: Resource, tell: Callable[[Object], None]) -> None:
        self.informers[resource].on_change(lambda _old, new: tell(new) if new is not None else None)

    def _once(self, what: str, obj: Object, play: Callable[[Object], Awaitable[None]]) -> None:
        """Play a part for an object, once in its life."""
        mark = what, uid(obj)
        if mark not in self._running:
            self._running.add(mark)
            self._tasks.create_task(self._play(play, obj))

    async def _play(self, play: Callable[[Object], Awaitable[None]], obj: Object) -> None:
        try:
            await play(obj)
        except NotFound:
            return

    def now(self) -> str:
        return rfc3339(self.clock.now())

    # Writing.

    async def change(
        self, resource: Resource, obj: Object, how: Callable[[Object], Object | None], sub: str = ""
    ) -> Object | None:
        """Write what `how` makes of the newest state; once more when somebody else was quicker."""
        while True:
            found = await self.client.get(resource, name(obj), namespace(obj) or None)
            if uid(found) != uid(obj):
                return None
            made = how(copy_of(found))
            if made is None:
                return None
            try:
                return await self.client.update(resource, made, subresource=sub or None)
            except Conflict:
                continue

    async def set_pod(self, pod: Object, **status: Any) -> None:
        def how(found: Object) -> Object:
            listed = {one["type"]: one for one in found["status"].get("conditions", ())}
            for new in status.pop("conditions", ()):
                old = listed.get(new["type"], {})
                since = old if old.get("status") == new["status"] else new
                listed[new["type"]] = {**new, "lastTransitionTime": since["lastTransitionTime"]}
            found["status"] |= {**status, "conditions": list(listed.values())}
            return found

        await self.change(PODS, pod, how, "status")

    def say(self, type_: str, status: str, reason: str = "", message: str = "") -> Object:
        made: Object = {"type": type_, "status": status, "lastProbeTime": None}
        made["lastTransitionTime"] = self.now()
        return made | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})

    # Scheduler and kubelet.

    def _pod_changed(self, pod: Object) -> None:
        if self.by_hand or namespace(pod) == "kubevirt":
            return
        self._once("pod", pod, self._start_pod)
        if dig(pod, "status", "phase") == "Running" and condition(pod, "ContainersReady") is not None:
            self._tasks.create_task(self._play(self._gate, pod))
        if (
            is_terminating(pod)
            and dig(pod, "metadata", "deletionGracePeriodSeconds")
            and _vmi_of(pod) is not None
        ):
            if dig(pod, "status", "phase") in ("Succeeded", "Failed"):
                self._once("remove", pod, self._remove)
            elif self._without_guest(pod):
                self._once("stop", pod, self._stop_idle)

    def _without_guest(self, pod: Object) -> bool:
        vmi = self.vmi_of(pod)
        if vmi is None:
            return True
        phase = dig(vmi, "status", "phase", default="")
        return phase in ("", "Pending", "Scheduling", "Scheduled")

    def vmi_of(self, pod: Object) -> Object | None:
        found = self.informers[VIRTUAL_MACHINE_INSTANCES].get(f"{namespace(pod)}/{_vmi_of(pod)}")
        owner = dig(pod, "metadata", "ownerReferences", 0, "uid")
        return found if found is not None and uid(found) == owner else None

    async def _start_pod(self, pod: Object) -> None:
        own = str(_vmi_of(pod) or name(pod))
        how = self.behaviour(own)
        if how.schedule is None:
            return
        if how.schedule == "unschedulable":
            await self.clock.sleep(0.1)
            await self.set_pod(pod, conditions=[self.say("PodScheduled", "False", "Unschedulable", _NO_ROOM)])
            return
        await self.clock.sleep(float(how.schedule))
        await self.bind(pod)
        await self._create(pod)
        await self.clock.sleep(how.pod_start)
        if self.behaviour(own).pod == "fail":
            await self._fail(pod)
        elif self.behaviour(own).pod in ("errimagepull", "imagepullbackoff"):
            await self.wait_for_image(pod, "ErrImagePull", "failed to pull and unpack image: not found")
        else:
            await self.start_containers(pod)

    async def bind(self, pod: Object, host: str = "") -> None:
        if not host:
            vmi = self.vmi_of(pod)
            source = dig(vmi, "status", "nodeName", default="") if vmi is not None else ""
            host = "node02" if source == "node01" else "node01"
        target = {"apiVersion": "v1", "kind": "Node", "name": host}
        meta = {"name": name(pod), "namespace": namespace(pod)}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
        path = f"/api/v1/namespaces/{namespace(pod)}/pods/{name(pod)}/binding"
        await self.client.request("POST", path, body=body)

    def _containers(self, pod: Object, state: Callable[[Object], Object], group: str) -> list[Object]:
        return [
            {
                "name": one["name"],
                "lastState": {},
                "restartCount": 0,
                "image": one["image"],
                "imageID": "",
                **state(one),
            }
            for one in pod["spec"].get(group, ())
        ]

    async def _create(self, pod: Object) -> None:
        def waiting(_one: Object) -> Object:
            return {"state": {"waiting": {"reason": "PodInitializing"}}, "ready": False, "started": False}

        names = " ".join(one["name"] for one in pod["spec"]["containers"])
        why = "ContainersNotReady", f"containers with unready status: [{names}]"
        await self.set_pod(
            pod,
            hostIP="10.0.0.1",
            startTime=self.now(),
            initContainerStatuses=self._containers(pod, waiting, "initContainers"),
            containerStatuses=self._containers(pod, waiting, "containers"),
            conditions=[
                self.say("PodReadyToStartContainers", "False"),
                self.say("Initialized", "False"),
                self.say("Ready", "False", *why),
                self.say("ContainersReady", "False", *why),
            ],
        )

    async def start_containers(self, pod: Object) -> None:
        now = self.now()
        self._addresses += 1
        address = f"10.244.0.{self._addresses}"

        def running(one: Object) -> Object:
            image = one["image"].rpartition(":")[0] + "@" + _DIGEST
            if one.get("restartPolicy") or not one["name"].startswith("volume"):
                state: Object = {"running": {"startedAt": now}}
                return {"state": state, "ready": True, "started": True, "imageID": image}
            ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
            return {"state": {"terminated": ended}, "ready": True, "started": False, "imageID": image}

        found = await self.client.get(PODS, name(pod), namespace(pod))
        await self.set_pod(
            pod,
            phase="Running",
            podIP=address,
            podIPs=[{"ip": address}],
            initContainerStatuses=self._containers(pod, running, "initContainers"),
            containerStatuses=self._containers(pod, running, "containers"),
            conditions=[
                self.say("PodReadyToStartContainers", "True"),
                self.say("Initialized", "True"),
                self._ready(found),
                self.say("ContainersReady", "True"),
            ],
        )

    def _ready(self, pod: Object) -> Object:
        gate = condition(pod, _GATE)
        if gate is not None and gate["status"] == "True":
            return self.say("Ready", "True")
        if gate is None:
            message = f'corresponding condition of pod readiness gate "{_GATE}" does not exist.'
        else:
            message = f'the status of pod readiness gate "{_GATE}" is not "True", but {gate["status"]}'
        if not any(one["conditionType"] == _GATE for one in pod["spec"].get("readinessGates", ())):
            return self.say("Ready", "True")
        return self.say("Ready", "False", "ReadinessGatesNotReady", message)

    async def _gate(self, pod: Object) -> None:
        def how(found: Object) -> Object | None:
            listed = found["status"]["conditions"]
            contained, old = condition(found, "ContainersReady"), condition(found, "Ready")
            new = self._ready(found)
            if found["status"]["phase"] != "Running" or contained is None or contained["status"] != "True":
                return None
            if old is not None and all(old.get(one) == new.get(one) for one in ("status", "reason")):
                return None
            found["status"]["conditions"] = [new if one["type"] == "Ready" else one for one in listed]
            return found

        await self.change(PODS, pod, how, "status")

    async def wait_for_image(self, pod: Object, reason: str, message: str) -> None:
        def waiting(_one: Object) -> Object:
            state = {"waiting": {"reason": reason, "message": message}}
            return {"state": state, "ready": False, "started": False}

        await self.set_pod(pod, containerStatuses=self._containers(pod, waiting, "containers"))

    async def _fail(self, pod: Object) -> None:
        await self.end_pod(pod, "Failed")

    async def end_pod(self, pod: Object, phase: str = "Succeeded") -> None:
        now = self.now()
        code, why = (0, "Completed") if phase == "Succeeded" else (1, "Error")
        done = f"Pod{'Completed' if phase == 'Succeeded' else 'Failed'}"

        def ended(one: Object) -> Object:
            state = {"terminated": {"exitCode": code, "reason": why, "startedAt": now, "finishedAt": now}}
            image = one["image"].rpartition(":")[0] + "@" + _DIGEST
            return {"state": state, "ready": False, "started": False, "imageID": image}

        found = await self.client.get(PODS, name(pod), namespace(pod))
        if dig(found, "status", "phase") not in ("Pending", "Running"):
            return
        said = [self.say("Ready", "False", done), self.say("ContainersReady", "False", done)]
        initialised = self.say("Initialized", "True", "PodCompleted" if phase == "Succeeded" else "")
        await self.set_pod(
            pod,
            phase=phase,
            containerStatuses=self._containers(pod, ended, "containers"),
            conditions=[initialised, *said],
        )

    async def _stop_idle(self, pod: Object) -> None:
        await self.clock.sleep(self.behaviour(str(_vmi_of(pod))).pod_stop)
        if dig(pod, "spec", "nodeName"):
            found = await self.client.get(PODS, name(pod), namespace(pod))
            if dig(found, "status", "phase") in ("Pending", "Running"):
                await self.end_pod(pod)

    async def _remove(self, pod: Object) -> None:
        await self.clock.sleep(0.2)
        await self.remove(pod)

    async def remove(self, pod: Object) -> None:
        await self.client.delete(PODS, name(pod), namespace(pod), grace_seconds=0)

    # virt-handler.

    def _vmi_changed(self, vmi: Object) -> None:
        if self.by_hand:
            return
        phase = dig(vmi, "status", "phase", default="")
        if phase == "Scheduled":
            self._once("boot", vmi, self._boot)
        if phase == "Running" and is_terminating(vmi):
            self._once("shutdown", vmi, self._shut_down)
        if phase in ("Succeeded", "Failed"):
            self._once("over", vmi, self._end_pods)
        moving = dig(vmi, "status", "migrationState", "migrationUid", default="")
        if moving and moving not in self._moved and dig(vmi, "status", "migrationState", "targetNode"):
            self._moved.add(moving)
            self._tasks.create_task(self._play(self._migrate, vmi))

    async def _boot(self, vmi: Object) -> None:
        how = self.behaviour(name(vmi))
        await self.clock.sleep(how.vmi_start)
        if how.vmi == "fail":
            await self.end_guest(vmi, "Failed")
        else:
            await self.run_guest(vmi)

    async def run_guest(self, vmi: Object) -> None:
        def how(found: Object) -> Object | None:
            if is_terminating(found) or dig(found, "status", "phase") != "Scheduled":
                return None
            status = found["status"]
            status["conditions"] = [*status.get("conditions", ()), *self._migratable(found)]
            pod = self.pod_of(found) or {}
            status |= {
                "phase": "Running",
                "interfaces": self._interfaces(found, pod),
                "machine": {"type": "pc-q35-rhel9.6.0"},
                "migrationMethod": "BlockMigration",
                "selinuxContext": "none",
            }
            guest = dig(found, "spec", "domain", "memory", "guest")
            amounts = {"guestAtBoot": guest, "guestCurrent": guest, "guestRequested": guest}
            status["memory"] = {**status.get("memory", {}), **amounts}
            self._enter(found, "Running")
            return found

        if await self.change(VIRTUAL_MACHINE_INSTANCES, vmi, how) is not None:
            self.tell(vmi, NORMAL, "Created", "VirtualMachineInstance defined.")
            self.tell(vmi, NORMAL, "Started", "VirtualMachineInstance started.")

    def _enter(self, vmi: Object, phase: str) -> None:
        entry = {"phase": phase, "phaseTransitionTimestamp": self.now()}
        vmi["status"]["phaseTransitionTimestamps"] = [
            *vmi["status"].get("phaseTransitionTimestamps", ()),
            entry,
        ]

    def _migratable(self, vmi: Object) -> list[Object]:
        made = []
        bridged = any(
            "bridge" in one for one in dig(vmi, "spec", "domain", "devices", "interfaces", default=())
        )
        for type_, reason, message in (
            ("LiveMigratable", "InterfaceNotLiveMigratable", _NETWORK),
            ("StorageLiveMigratable", "NotMigratable", f"InterfaceNotLiveMigratable: {_NETWORK}"),
        ):
            one: Object = {"type": type_, "status": "False" if bridged else "True"}
            one |= {"lastProbeTime": None, "lastTransitionTime": None}
            made.append(one | ({"reason": reason, "message": message} if bridged else {}))
        return made

    def _interfaces(self, vmi: Object, pod: Object) -> list[Object]:
        made = []
        for entry in dig(vmi, "status", "interfaces", default=()):
            address = dig(pod, "status", "podIP", default="")
            told = {"infoSource": "domain", "ipAddress": address, "ipAddresses": [address], "linkState": "up"}
            made.append({**entry, **told, "mac": "02:00:00:00:00:01", "queueCount": 1})
        return made

    def pod_of(self, vmi: Object) -> Object | None:
        return next(iter(self.pods_of(vmi)), None)

    def pods_of(self, vmi: Object) -> list[Object]:
        return [
            pod
            for pod in self.informers[PODS].in_namespace(namespace(vmi))
            if dig(pod, "metadata", "ownerReferences", 0, "uid") == uid(vmi)
        ]

    def tell(self, vmi: Object, type_: str, reason: str, message: str, host: str = "") -> None:
        host = host or dig(vmi, "status", "nodeName", default="") or "node01"
        self._recorders[host].event(vmi, type_, reason, message)

    async def _shut_down(self, vmi: Object) -> None:
        how = self.behaviour(name(vmi))
        await self.clock.sleep(how.stop)
        await self.end_guest(vmi, how.stop_phase)

    async def end_guest(self, vmi: Object, phase: str, *, entered: bool = True) -> None:
        deleted = False

        def how(found: Object) -> Object | None:
            nonlocal deleted
            deleted = is_terminating(found)
            if dig(found, "status", "phase") not in ("Scheduled", "Running"):
                return None
            found["status"]["phase"] = phase
            if entered:
                self._enter(found, phase)
            return found

        if await self.change(VIRTUAL_MACHINE_INSTANCES, vmi, how) is None or not entered:
            return
        if deleted:
            if dig(vmi, "spec", "terminationGracePeriodSeconds"):
                self.tell(vmi, NORMAL, "ShuttingDown", "Signaled Graceful Shutdown")
            self.tell(vmi, NORMAL, "Deleted", "Signaled Deletion")
        if phase == "Succeeded":
            self.tell(vmi, NORMAL, "Stopped", "The VirtualMachineInstance was shut down.")
        else:
            self.tell(vmi, WARNING, "Stopped", "The VirtualMachineInstance crashed.")

    async def _end_pods(self, vmi: Object) -> None:
        await self.clock.sleep(self.behaviour(name(vmi)).pod_stop)
        for pod in self.pods_of(vmi):
            if dig(pod, "status", "phase") in ("Pending", "Running"):
                await self.end_pod(pod, dig(vmi, "status", "phase"))

    # Live migration.

    async def _migrate(self, vmi: Object) -> None:
        async def set_state(**state: Any) -> Object | None:
            def how(found: Object) -> Object:
                found["status"]["migrationState"] |= state
                return found

            return await self.change(VIRTUAL_MACHINE_INSTANCES, vmi, how)

        state = vmi["status"]["migrationState"]
        source, target = state["sourceNode"], state["targetNode"]
        await self.clock.sleep(0.2)
        ports = {"41111": 0, "42222": 49152}
        await set_state(targetNodeAddress="10.0.0.2", targetDirectMigrationNodePorts=ports)
        self.tell(vmi, NORMAL, "PreparingTarget", "VirtualMachineInstance Migration Target Prepared.", source)
        listening = "Migration Target is listening at 10.0.0.2, on ports: 41111,42222"
        self.tell(vmi, NORMAL, "PreparingTarget", listening, source)
        await self.clock.sleep(0.2)
        await set_state(startTimestamp=self.now(), mode="PreCopy")
        self.tell(vmi, NORMAL, "Migrating", "VirtualMachineInstance is migrating.", source)
        how = self.behaviour(name(vmi)).mig
        waited = 0.0
        while waited < (0.5 if how != "slow" else 60.0):
            await self.clock.sleep(0.1)
            waited += 0.1
            found = await self.client.get(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi))
            if dig(found, "status", "migrationState", "abortRequested"):
                how = "abort"
                break
        if how in ("fail", "abort"):
            why = "scripted failure" if how == "fail" else "migration aborted"
            failure = f"Live migration failed: {why}" if how == "fail" else "Live migration aborted"
            more = {"abortStatus": "Succeeded"} if how == "abort" else {}
            ended = {"completed": True, "failed": True, "failureReason": failure, "endTimestamp": self.now()}
            await set_state(**ended, **more)
            text = f"VirtualMachineInstance migration uid {state['migrationUid']} failed. reason:{failure}"
            self.tell(vmi, WARNING, "Migrated", text, source)
            leaving = state["targetPod"]
        else:
            await self._arrive(vmi, target)
            self.tell(
                vmi, NORMAL, "Migrated", f"The VirtualMachineInstance migrated to node {target}.", target
            )
            await self.clock.sleep(0.2)
            await set_state(completed=True)
            leaving = state.get("sourcePod") or ""
        await self.clock.sleep(0.1)
        await self.change(VIRTUAL_MACHINE_INSTANCES, vmi, _without_target)
        await self.clock.sleep(0.2)
        for pod in self.pods_of(vmi):
            if name(pod) == leaving:
                await self.end_pod(pod)

    async def _arrive(self, vmi: Object, target: str) -> None:
        now = self.now()

        def how(found: Object) -> Object:
            state = {
                "targetNodeDomainDetected": True,
                "targetNodeDomainReadyTimestamp": now,
                "endTimestamp": now,
            }
            found["status"]["migrationState"] |= state
            found["status"]["nodeName"] = target
            found["status"].pop("launcherContainerImageVersion", None)
            found["metadata"]["labels"]["kubevirt.io/nodeName"] = target
            return found

        await self.change(VIRTUAL_MACHINE_INSTANCES, vmi, how)

    # CDI and the binder.

    def _volume_changed(self, volume: Object) -> None:
        self._once("import", volume, self._import)

    async def _import(self, volume: Object) -> None:
        how = self.behaviour(name(volume))
        await self.clock.sleep(0.05)
        if how.dv == "stuck":
            await self._volume_status(volume, "Pending", "", bound=False)
            return
        try:
            await self.client.create(PERSISTENT_VOLUME_CLAIMS, _claim(volume))
        except ApiError:
            done = await self.client.get(DATA_VOLUMES, name(volume), namespace(volume))
            if dig(done, "status", "phase") == "Succeeded":
                return
        await self.clock.sleep(0.15)
        if how.dv == "wffc":
            await self._volume_status(volume, "WaitForFirstConsumer", "N/A", bound=False)
            return
        await self._volume_status(volume, "ImportScheduled", "N/A")
        half = max(0.2, how.dv_time / 2 - 0.2)
        await self.clock.sleep(half)
        running = self._cdi("Running", "True", "Pod is running", "")
        await self._volume_status(volume, "ImportInProgress", "42.00%", running)
        await self.clock.sleep(how.dv_time / 2)
        if how.dv == "fail":
            failed = self._cdi("Running", "False", "Error", "Unable to process data: exit status 1")
            await self._volume_status(volume, "Failed", "42.00%", failed, restartCount=1)
        else:
            await self.succeed(volume)

    async def succeed(self, volume: Object) -> None:
        done = self._cdi("Running", "False", "Completed", "Import Complete")
        await self._volume_status(volume, "Succeeded", "100.0%", done)

    def _cdi(self, type_: str, status: str, reason: str, message: str | None = None) -> Object:
        made = {"type": type_, "status": status, "reason": reason}
        made |= {"lastTransitionTime": self.now(), "lastHeartbeatTime": self.now()}
        return made | ({"message": message} if message is not None else {})

    async def _volume_status(
        self,
        volume: Object,
        phase: str,
        progress: str,
        running: Object | None = None,
        *,
        bound: bool = True,
        **more: Any,
    ) -> None:
        own = name(volume)
        word = "Bound" if bound else "Pending"
        ready = ("True", "") if phase == "Succeeded" else ("False", "TransferRunning")
        conditions = [
            self._cdi("Ready", *ready),
            self._cdi("Bound", str(bound), word, f"PVC {own} {word}"),
            running or self._cdi("Running", "False", "", ""),
        ]
        status = {"claimName": own, "phase": phase, "progress": progress, "conditions": conditions, **more}
        await self.change(DATA_VOLUMES, volume, lambda found: {**found, "status": status}, "status")

    def _claim_changed(self, claim: Object) -> None:
        if is_terminating(claim):
            self._once("let go", claim, self._let_go)
            return
        how = self.behaviour(name(claim))
        if how.pvc == "ok" and how.dv != "wffc":
            self._once("bind", claim, self.bind_claim)

    async def _let_go(self, claim: Object) -> None:
        def used() -> bool:
            return any(
                dig(volume, "persistentVolumeClaim", "claimName") == name(claim)
                for pod in self.informers[PODS].in_namespace(namespace(claim))
                for volume in pod["spec"].get("volumes", ())
            )

        while used():
            await self.clock.sleep(0.05)

        def how(found: Object) -> Object:
            found["metadata"]["finalizers"] = []
            return found

        await self.change(PERSISTENT_VOLUME_CLAIMS, claim, how)

    async def bind_claim(self, claim: Object) -> None:
        await self.clock.sleep(0.05)

        def placed(found: Object) -> Object:
            marks = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
            found["metadata"]["annotations"] = {**found["metadata"].get("annotations", {}), **marks}
            found["spec"]["volumeName"] = f"pv-{name(claim)}"
            return found

        await self.change(PERSISTENT_VOLUME_CLAIMS, claim, placed)
        status = {
            "phase": "Bound",
            "accessModes": claim["spec"]["accessModes"],
            "capacity": claim["spec"]["resources"]["requests"],
        }
        await self.change(
            PERSISTENT_VOLUME_CLAIMS, claim, lambda found: {**found, "status": status}, "status"
        )


def _vmi_of(pod: Object) -> str | None:
    found = dig(pod, "metadata", "labels", "vmi.kubevirt.io/id")
    return str(found) if found else None


def _without_target(vmi: Object) -> Object:
    vmi["metadata"].get("labels", {}).pop("kubevirt.io/migrationTargetNodeName", None)
    return vmi


def _claim(volume: Object) -> Object:
    storage = dig(volume, "spec", "storage") or dig(volume, "spec", "pvc")
    owner = {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "name": name(volume),
        "uid": uid(volume),
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = {"app": "containerized-data-importer", "app.kubernetes.io/managed-by": "cdi-controller"}
    marks = {
        "cdi.kubevirt.io/storage.contentType": "kubevirt",
        "cdi.kubevirt.io/storage.usePopulator": "false",
    }
    meta = {
        "name": name(volume),
        "namespace": namespace(volume),
        "labels": labels,
        "annotations": marks,
        "ownerReferences": [owner],
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": meta,
        "spec": {**storage, "volumeMode": "Filesystem"},
    }


def nodes(now: str) -> Iterable[Object]:
    """The two nodes of the recordings."""
    for host in ("node01", "node02"):
        labels = {
            "kubevirt.io/schedulable": "true",
            "kubernetes.io/hostname": host,
            "kubernetes.io/arch": "amd64",
            "cpu-vendor.node.kubevirt.io/Intel": "true",
        }
        meta = {"name": host, "labels": labels, "annotations": {"kubevirt.io/heartbeat": now}}
        ready = [{"type": "Ready", "status": "True"}]
        amounts = {"cpu": "640", "memory": "2Ti", "pods": "5000", "ephemeral-storage": "2Ti"}
        amounts |= {f"devices.kubevirt.io/{device}": "1000" for device in ("kvm", "tun", "vhost-net")}
        status = {"capacity": amounts, "allocatable": amounts, "conditions": ready}
        yield {"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status}


async def heartbeat(client: Client, clock: Clock, quiet: set[str]) -> None:
    """Every 30 s each node says that its virt-handler lives; those in `quiet` do not."""
    while True:
        await clock.sleep(30)
        for host in {"node01", "node02"} - quiet:
            mark = {"metadata": {"annotations": {"kubevirt.io/heartbeat": rfc3339(clock.now())}}}
            await client.patch(NODES, host, None, mark, type="merge")


__all__ = ["Behaviour", "Node", "heartbeat", "key", "nodes"]
