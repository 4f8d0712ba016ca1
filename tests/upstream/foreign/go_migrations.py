"""virt-controller's passes over migrations.

Origin: kubevirt: pkg/virt-controller/watch/migration/migration.go
"""

from fakekube.virt.controller.launcher_facts import Target
from tests.upstream.conftest import JSON_PATCH, Object
from tests.upstream.foreign import go_objects as objects
from tests.upstream.foreign.go_controller import DELETE, MIGRATIONS, OBSERVED, PODS, Instances
from tests.upstream.foreign.go_objects import FINAL

TARGET_NODE = "kubevirt.io/migrationTargetNodeName"
JOB = "kubevirt.io/migrationJobUID"
MIGRATING = "kubevirt.io/migrationJobFinalize"
READY_AT = "kubevirt.io/migration-target-ready-timestamp"
_CHANGES = ("HotVCPUChange", "HotMemoryChange", "MigrationRequired")


class VirtController(Instances):
    """The whole of it, as far as it goes here."""

    async def step(self) -> None:
        await super().step()
        for migration in await self.suite.items(MIGRATIONS):
            await self.migration(self.types.again("virtualmachineinstancemigrations", "v1", migration))

    async def migration(self, job: Object) -> None:
        """One pass over a migration."""
        meta, status = {**job["metadata"]}, dict(job.get("status") or {})
        path = f"{MIGRATIONS}/{meta['name']}"
        if not set(OBSERVED) <= set(meta.get("annotations") or {}):
            marks = {**(meta.get("annotations") or {}), **dict.fromkeys(OBSERVED, "v1")}
            await self.suite.done("PUT", path, {**job, "metadata": {**meta, "annotations": marks}})
            return
        if not await self.there():
            if "deletionTimestamp" not in meta:
                await self.suite.gone(path, DELETE)
            return
        vmi = await self.vmi()
        target = next(
            (one for one in await self.pods(vmi) if one["metadata"]["labels"].get(JOB) == meta["uid"]),
            None,
        )
        state = vmi["status"].get("migrationState") or {}
        ours, deleting = state.get("migrationUid") == meta["uid"], "deletionTimestamp" in meta
        phase = status.get("phase") or ""
        if phase not in FINAL and not (ours and state.get("completed")):
            await self.advance(job, vmi, target, ours=ours)
        if phase in FINAL:
            if ours:
                status["migrationState"] = state
            meta["finalizers"] = [one for one in meta.get("finalizers") or () if one != MIGRATING]
        elif (
            (deleting and not ours)
            or (target is not None and target["status"]["phase"] in FINAL)
            or (ours and state.get("failed"))
        ):
            status["phase"] = "Failed"
        else:
            status["phase"] = await self.next_phase(phase, vmi, target, state, ours=ours)
        if status != job["status"]:
            if status["phase"] != phase:
                entry = {"phase": status["phase"], "phaseTransitionTimestamp": await self.now()}
                known = status.get("phaseTransitionTimestamps") or []
                status["phaseTransitionTimestamps"] = [*known, entry]
            job = await self.suite.done("PUT", f"{path}/status", {**job, "status": status})
        if meta.get("finalizers") != job["metadata"].get("finalizers"):
            version = job["metadata"]["resourceVersion"]
            changed = {**job, "metadata": {**meta, "resourceVersion": version}}
            await self.suite.done("PUT", path, changed)

    async def advance(self, job: Object, vmi: Object, target: Object | None, *, ours: bool) -> None:
        phase = job["status"].get("phase")
        if (
            phase in ("Pending", "Scheduling", "Scheduled")
            and "deletionTimestamp" in job["metadata"]
            and not ours
        ):
            if target is not None:
                await self.suite.gone(f"{PODS}/{target['metadata']['name']}", DELETE)
        elif phase == "Pending" and target is None:
            term = {
                "labelSelector": {"matchLabels": {"kubevirt.io/created-by": vmi["metadata"]["uid"]}},
                "topologyKey": "kubernetes.io/hostname",
            }
            apart = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
            await self.launch(vmi, Target(job), podAntiAffinity=apart)
        elif phase == "Scheduled" and target is not None and objects.runs(target) and not ours:
            await self.hand_over(job, vmi, target)
        elif phase == "Running" and "deletionTimestamp" in job["metadata"] and ours:
            aborted = {**vmi["status"]["migrationState"], "abortRequested": True}
            new = {**vmi["status"], "migrationState": aborted}
            if new != vmi["status"]:  # all of it, or nothing
                await self.suite.patch(self.path, objects.tested("/status", vmi["status"], new))

    async def hand_over(self, job: Object, vmi: Object, target: Object) -> None:
        """The instance is the target node's, too."""
        source = vmi["status"]["nodeName"]
        state = {
            "targetNode": target["spec"]["nodeName"],
            "targetPod": target["metadata"]["name"],
            "sourceNode": source,
            "migrationUid": job["metadata"]["uid"],
            "sourcePod": next(
                one["metadata"]["name"]
                for one in await self.pods(vmi)
                if one["spec"].get("nodeName") == source
            ),
            "migrationConfiguration": {
                "nodeDrainTaintKey": "kubevirt.io/drain",
                "parallelOutboundMigrationsPerNode": 2,
                "parallelMigrationsPerCluster": 5,
                "allowAutoConverge": False,
                "bandwidthPerMigration": "0",
                "completionTimeoutPerGiB": 150,
                "progressTimeout": 150,
                "unsafeMigrationOverride": False,
                "allowPostCopy": False,
                "allowWorkloadDisruption": False,
            },
        }
        old = vmi["status"].get("migrationState")
        op = {"op": "replace" if old else "add", "path": "/status/migrationState", "value": state}
        operations = [{"op": "test", "path": "/status/migrationState", "value": old}, op]
        labels = vmi["metadata"].get("labels") or {}
        moved = {**labels, TARGET_NODE: target["spec"]["nodeName"]}
        if objects.has(vmi, "HotMemoryChange"):
            asked = target["spec"]["containers"][0]["resources"]["requests"]["memory"]
            moved["kubevirt.io/vmi-pod-memory-resource-requests"] = asked
        operations += objects.tested("/metadata/labels", labels, moved)
        await self.suite.patch(self.path, operations)

    async def next_phase(
        self, phase: str, vmi: Object, target: Object | None, state: Object, *, ours: bool
    ) -> str:
        if phase == "":
            return "Pending"
        if phase == "Pending":
            return "Scheduling" if target is not None else phase
        if phase == "Scheduling":
            return "Scheduled" if target is not None and objects.runs(target) else phase
        if phase == "Scheduled":
            return "PreparingTarget" if ours and state.get("targetNode") else phase
        if phase == "PreparingTarget":
            return "TargetReady" if state.get("targetNodeAddress") else phase
        if phase == "TargetReady":
            return "Running" if state.get("startTimestamp") else phase
        assert target is not None
        if state.get("targetNodeDomainReadyTimestamp") and READY_AT not in target["metadata"]["annotations"]:
            at = f"/metadata/annotations/{READY_AT.replace('/', '~1')}"
            told = [{"op": "add", "path": at, "value": state["targetNodeDomainReadyTimestamp"]}]
            await self.suite.patch(f"{PODS}/{target['metadata']['name']}", told, JSON_PATCH)
        done = state.get("completed") and not any(objects.has(vmi, one) for one in _CHANGES)
        return "Succeeded" if done else phase
