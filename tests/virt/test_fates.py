"""What can go wrong, provoked by one annotation each, and the status it shows: named after the failure catalogue."""

import pytest

from fakekube.machinery.errors import Forbidden, InternalError
from fakekube.machinery.objects import condition, dig, is_terminating, name, uid
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    MIGRATIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    RESOURCE_QUOTAS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)

NS = "default"
MOVABLE = {
    "interfaces": [{"name": "default", "masquerade": {}}],
    "networks": [{"name": "default", "pod": {}}],
}
FEDORA = [{"name": "containerdisk", "containerDisk": {"image": "registry.example/fedora:42"}}]


@pytest.fixture
async def world(make_world):
    """A cluster of two nodes whose pods the real kubelet runs."""
    async with make_world(real_kubelet=True).running() as made:
        yield made


def told(world, own, kind):
    return [one[:3] for one in world.events(own, kind)]


def brief(obj, kind):
    found = condition(obj, kind)
    return found and (found["status"], found.get("reason", ""), found.get("message", ""))


async def migrate(world, own="mig"):
    meta = {"name": own, "namespace": NS, "finalizers": ["kubevirt.io/migrationJobFinalize"]}
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration"}
    world.informer(MIGRATIONS)
    await world.client.create(MIGRATIONS, {**kind, "metadata": meta, "spec": {"vmiName": "vm"}})


async def migration_ends(world, own="mig", seconds=400.0):
    """The phase a migration ends in."""
    found = {}

    def reached():
        return found.get("phase") in ("Succeeded", "Failed")

    await world.settle()
    for _ in range(500):
        found = (await world.client.get(MIGRATIONS, own, NS)).get("status") or {}
        if reached():
            return found
        due = world.clock.next_due()
        assert due is not None
        world.clock.advance(due)
        await world.settle()
    raise AssertionError(found)


async def test_f01_dies_before_it_runs(world):
    """F-01: `fail-to-start` fails the launcher, the VM counts failures and backs off, and tries again."""
    await world.create_vm(fate="fail-to-start")
    await world.until(lambda: dig(world.vm(), "status", "startFailure", "consecutiveFailCount") == 2, 200)
    assert world.statuses()[1:5] == ["Stopped", "Starting", "CrashLoopBackOff", "Starting"]
    assert dig(world.vm(), "status", "startFailure", "retryAfterTimestamp")
    phases = world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase")
    assert phases == ["Pending", "Scheduling", "Failed"] * 2
    assert ended_with(world) == {("Failed", 1, "Error")}
    assert ("False", "PodTerminating") in world.ready_history(VIRTUAL_MACHINE_INSTANCES)
    assert ("False", "VMINotExists") in world.ready_history(VIRTUAL_MACHINES)[2:]
    tried = world.told(VIRTUAL_MACHINE_INSTANCES, "vm", uid)
    assert len(tried) == 2
    counted = {(one[1], one[3]) for one in world.events("vm", "VirtualMachine")}
    assert ("SuccessfulCreate", 2) in counted


def ended_with(world):
    """How the launchers that failed have done so: their phase, and exit code and reason of compute."""
    failed = [
        new for _, kind, _, new in world.changes if kind == PODS and dig(new, "status", "phase") == "Failed"
    ]
    ends = set()
    for pod in failed:
        compute = next(one for one in pod["status"]["containerStatuses"] if one["name"] == "compute")
        ended = compute["state"]["terminated"]
        ends.add((pod["status"]["phase"], ended["exitCode"], ended["reason"]))
    return ends


@pytest.mark.parametrize(("strategy", "shown"), [("Once", "CrashLoopBackOff"), ("Manual", "Stopped")])
async def test_f01_strategies_that_do_not_try_again(world, strategy, shown):
    """F-01: with Once a failed start is CrashLoopBackOff for ever, with Manual it is Stopped; neither is tried again."""
    await world.create_vm(strategy=strategy, fate="fail-to-start")
    await world.settle()
    if strategy == "Manual":
        start = [{"op": "add", "path": "/status/stateChangeRequests", "value": [{"action": "Start"}]}]
        await world.client.patch(VIRTUAL_MACHINES, "vm", NS, start, type="json", subresource="status")
    await world.until(lambda: dig(world.vmi(), "status", "phase") == "Failed")
    entered = [one["phase"] for one in world.vmi()["status"]["phaseTransitionTimestamps"]]
    assert entered == ["Pending", "Scheduling", "Failed"]
    await world.elapse(600)
    assert (world.status(), len(world.told(VIRTUAL_MACHINE_INSTANCES, "vm", uid))) == (shown, 1)


async def test_f02_dies_after_it_ran(world):
    """F-02: `crash-after` lets it run first: no back-off, it is made anew at once, again and again."""
    await world.create_vm(fate="crash-after=5s")
    first = uid(await world.until(world.vmi))
    await world.until(lambda: world.vmi() and uid(world.vmi()) != first and world.status() == "Running")
    assert world.statuses()[2:] == ["Starting", "Running", "Stopped", "Starting", "Running"]
    assert world.history(VIRTUAL_MACHINES, "vm", "status", "startFailure") == [None]
    life = ["Pending", "Scheduling", "Scheduled", "Running"]
    phases = world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase")
    assert phases == [*life, "Failed", *life]


async def test_f03_unschedulable(world):
    """F-03: `unschedulable` is told by pod, VMI and VM; with a duration it passes."""
    await world.create_vm(fate="unschedulable=30s")
    await world.until(lambda: world.status() == "ErrorUnschedulable")
    text = (
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. "
        "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    )
    assert brief(world.pods()[0], "PodScheduled") == ("False", "Unschedulable", text)
    assert brief(world.vmi(), "PodScheduled") == ("False", "Unschedulable", text)
    assert brief(world.vm(), "PodScheduled") == ("False", "Unschedulable", text)
    assert world.vmi()["status"]["phase"] == "Scheduling"
    assert brief(world.vmi(), "Ready")[:2] == ("False", "GuestNotRunning")
    assert ("Warning", "FailedScheduling", text) in told(world, name(world.pods()[0]), "Pod")
    await world.until(world.is_ready)
    assert condition(world.vmi(), "PodScheduled") is None
    assert world.statuses()[2:] == ["Starting", "ErrorUnschedulable", "Starting", "Running"]


async def test_f03_annotation_taken_off_the_pod(world):
    """F-03: without its annotation the pod is scheduled."""
    await world.create_vm(fate="unschedulable")
    await world.until(lambda: world.status() == "ErrorUnschedulable")
    patch = {"metadata": {"annotations": {"fakekube.io/fate": None}}}
    await world.client.patch(PODS, name(world.pods()[0]), NS, patch, type="merge")
    await world.until(world.is_ready)


@pytest.mark.parametrize(
    ("fate", "reason", "event"),
    [("image-pull-error", "ErrImagePull", "Failed"), ("image-pull-backoff", "ImagePullBackOff", "BackOff")],
)
async def test_f04_f05_image_cannot_be_pulled(world, fate, reason, event):
    """F-04, F-05: what the kubelet says about an image is what VMI and VM say."""
    await world.create_vm(fate=fate)
    await world.until(lambda: world.status() == reason)
    pod = world.pods()[0]
    waiting = dig(pod, "status", "initContainerStatuses", 1, "state", "waiting")
    assert (waiting["reason"], pod["status"]["phase"]) == (reason, "Pending")
    assert brief(world.vmi(), "Synchronized") == ("False", reason, waiting["message"])
    assert brief(world.vm(), "Synchronized") == ("False", reason, waiting["message"])
    assert world.vmi()["status"]["phase"] == "Scheduling"
    assert (brief(pod, "PodScheduled")[0], brief(pod, "Initialized")[0]) == ("True", "False")
    kinds = {one[:2] for one in told(world, name(pod), "Pod")}
    assert ("Normal" if event == "BackOff" else "Warning", event) in kinds
    if event == "BackOff":
        assert waiting["message"].startswith('Back-off pulling image "')


async def test_f04_f05_the_kubelet_alternates_until_the_image_comes(world):
    """F-04, F-05, V-137: VM and VMI follow the kubelet from one reason to the other, and forget both when the guest runs."""
    await world.create_vm(fate="image-pull-error=25s")
    await world.until(world.is_ready)
    pulls = ["ErrImagePull", "ImagePullBackOff"] * 2
    assert world.statuses()[2:] == ["Starting", *pulls, "Starting", "Running"]
    assert condition(world.vmi(), "Synchronized") is None
    assert condition(world.vm(), "Synchronized") is None
    kinds = {one[:2] for one in told(world, name(world.pods()[0]), "Pod")}
    assert {
        ("Normal", "BackOff"),
        ("Normal", "Pulling"),
        ("Warning", "Failed"),
        ("Normal", "Pulled"),
    } <= kinds


async def test_f07_claim_that_nobody_binds(world):
    """F-07: `unbound` on a claim leaves the launcher unschedulable, until it is taken off."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk", "namespace": NS, "annotations": {"fakekube.io/fate": "unbound"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    await world.client.create(PERSISTENT_VOLUME_CLAIMS, claim)
    await world.create_vm(volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}])
    await world.until(lambda: world.status() == "ErrorUnschedulable")
    assert "unbound immediate PersistentVolumeClaims" in brief(world.vmi(), "PodScheduled")[2]
    patch = {"metadata": {"annotations": {"fakekube.io/fate": None}}}
    await world.client.patch(PERSISTENT_VOLUME_CLAIMS, "disk", NS, patch, type="merge")
    await world.until(world.is_ready)


async def test_f11_quota_of_volumes(world):
    """F-11: `quota` on a DataVolume: it stays Pending, and the VM says that it exceeds the quota."""
    template = {
        "metadata": {"name": "dv", "annotations": {"fakekube.io/fate": "quota"}},
        "spec": {"source": {"blank": {}}, "pvc": {"accessModes": ["ReadWriteOnce"]}},
    }
    await world.create_vm(
        dataVolumeTemplates=[template], volumes=[{"name": "dv", "dataVolume": {"name": "dv"}}]
    )
    await world.until(lambda: brief(world.vm(), "Failure"))
    text = "DataVolume dv exceeds quota limits"
    failed = brief(world.vm(), "Failure")
    why = "Error encountered while creating DataVolumes: DataVolume dv importer is not running due to an error: "
    assert failed[:2] == ("True", "FailedCreate")
    assert failed[2].startswith(why)
    assert world.status() == "Provisioning"
    assert ("Warning", "FailedDataVolumeImport", text) in told(world, "vm", "VirtualMachine")
    volume = await world.client.get(DATA_VOLUMES, "dv", NS)
    assert volume["status"]["phase"] == "Pending"
    assert brief(volume, "Bound")[:2] == ("False", "ErrExceededQuota")


async def test_f13_launcher_refused(world):
    """F-13: a refused launcher pod is told by the VMI, which stays Pending and is tried again."""
    create = world.client.create

    async def refusing(resource, obj, *args, **kwargs):
        if resource == PODS:
            raise Forbidden('pods "virt-launcher-vm" is forbidden: exceeded quota: q')
        return await create(resource, obj, *args, **kwargs)

    world.client.create = refusing
    await world.create_vm()
    await world.settle()
    text = 'failed to create virtual machine pod: pods "virt-launcher-vm" is forbidden: exceeded quota: q'
    assert brief(world.vmi(), "Synchronized") == ("False", "FailedCreate", text)
    assert (world.vmi()["status"]["phase"], world.status()) == ("Pending", "Starting")
    assert brief(world.vm(), "Synchronized") == ("False", "FailedCreate", text)
    assert brief(world.vmi(), "Ready")[:2] == ("False", "PodNotExists")
    assert told(world, "vm", "VirtualMachineInstance")[0] == (
        "Warning",
        "FailedCreate",
        'Error creating pod: pods "virt-launcher-vm" is forbidden: exceeded quota: q',
    )
    world.client.create = create
    await world.until(world.is_ready)


async def test_f15_domain_cannot_be_defined(world):
    """F-15: `fail-to-sync` keeps the VMI Scheduled and says why, again and again."""
    await world.create_vm(fate="fail-to-sync")
    await world.until(lambda: condition(world.vmi() or {}, "Synchronized"))
    await world.elapse(25)
    status, reason, message = brief(world.vmi(), "Synchronized")
    assert (status, reason) == ("False", "Synchronizing with the Domain failed.")
    assert message.startswith('server error. command SyncVMI failed: "LibvirtError(')
    assert (world.vmi()["status"]["phase"], world.status()) == ("Scheduled", "Starting")
    (event,) = [one for one in world.events("vm", "VirtualMachineInstance") if one[1] == "SyncFailed"]
    assert (event[0], event[2], event[3]) == ("Warning", message, 3)


@pytest.mark.parametrize(
    ("fate", "reason"), [("oom-after=5s", "OOMKilled"), ("liveness-fails-after=5s", "Error")]
)
async def test_f23_f27_launcher_killed(world, fate, reason):
    """F-23, F-27: with its launcher killed, the guest has failed."""
    await world.running_vm(strategy="Once", fate=fate)
    await world.until(lambda: dig(world.vmi(), "status", "phase") == "Failed")
    await world.settle()
    pod = world.pods()[0]
    compute = next(one for one in pod["status"]["containerStatuses"] if one["name"] == "compute")
    ended = compute["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], pod["status"]["phase"]) == (137, reason, "Failed")
    assert world.status() == "Stopped"
    reasons = {one[1] for one in told(world, name(pod), "Pod")}
    assert {"Unhealthy", "Killing"} & reasons == ({"Unhealthy", "Killing"} if reason == "Error" else set())
    ended = ("Warning", "Stopped", "The VirtualMachineInstance crashed.")
    assert ended in told(world, "vm", "VirtualMachineInstance")
    assert brief(world.vmi(), "Ready")[:2] == ("False", "PodTerminating")


async def test_f26_readiness_flaps(world):
    """F-26: `flap-readiness` turns pod, VMI and VM over, with the kubelet's event; the VM stays Running."""
    await world.running_vm(fate="flap-readiness=2s")
    await world.until(lambda: not world.is_ready())
    assert brief(world.vmi(), "Ready") == (
        "False",
        "ContainersNotReady",
        "containers with unready status: [compute]",
    )
    assert world.status() == "Running"
    await world.until(world.is_ready)
    assert ("Warning", "Unhealthy", "Readiness probe failed: ") in told(world, name(world.pods()[0]), "Pod")


async def test_f29_agent_lost(world):
    """F-29: `agent-lost-after` takes the connection away, and leaves what the agent had told."""
    await world.create_vm(fate="agent-lost-after=10s", volumes=FEDORA)
    await world.until(lambda: condition(world.vm(), "AgentConnected"))
    await world.until(lambda: condition(world.vm(), "AgentConnected") is None)
    status = world.vmi()["status"]
    assert status["guestOSInfo"]["id"] == "fedora"
    assert [(one["infoSource"], one.get("interfaceName")) for one in status["interfaces"]] == [
        ("domain", None)
    ]
    assert (world.status(), world.is_ready()) == ("Running", True)
    for question in ("guestosinfo", "userlist", "filesystemlist"):
        with pytest.raises(InternalError, match="Guest agent is not responding"):
            await world.handler.command(NS, "vm", question, {})


async def test_f31_stuck_in_deletion(world):
    """F-31: `stuck-in-deletion` leaves a deleted VMI running, and its VM Stopping, far beyond its grace period."""
    await world.running_vm(fate="stuck-in-deletion", terminationGracePeriodSeconds=2)
    await world.patch_vm({"runStrategy": "Halted"})
    await world.elapse(25)
    assert (is_terminating(world.vmi()), world.status()) == (True, "Stopping")
    assert dig(world.vmi(), "status", "phase") == "Running"
    assert "kubevirt.io/foregroundDeleteVirtualMachine" in world.vmi()["metadata"]["finalizers"]
    assert is_terminating(world.pods()[0])
    await world.elapse(8)
    assert (world.vmi(), world.pods(), world.status()) == (None, [], "Stopped")
    assert world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase")[-1] == "Failed"


async def test_f33_restart_required(world):
    """F-33: a change that needs a restart is told, while the VM goes on."""
    await world.running_vm()
    domain = {"devices": {"autoattachGraphicsDevice": False}}
    await world.patch_vm({"template": {"spec": {"domain": domain}}})
    await world.until(lambda: condition(world.vm(), "RestartRequired"))
    status, _, message = brief(world.vm(), "RestartRequired")
    assert (status, message) == ("True", "a non-live-updatable field was changed in the template spec")
    said = world.vm()["status"]
    assert said["observedGeneration"] < said["desiredGeneration"] == world.vm()["metadata"]["generation"]
    assert (world.status(), world.is_ready()) == ("Running", True)


async def test_f41_target_unschedulable(world):
    """F-41: `target-unschedulable`: after 300 s the target pod is given up, and the guest stays."""
    await world.running_vm(fate="target-unschedulable", **MOVABLE)
    await migrate(world)
    status = await migration_ends(world)
    assert status["phase"] == "Failed"
    text = "Migration target pod for VMI [default/vm] is currently unschedulable."
    kinds = told(world, "mig", "VirtualMachineInstanceMigration")
    assert ("Warning", "migrationTargetPodUnschedulable", text) in kinds
    assert world.clock.monotonic() == pytest.approx(300, abs=2)
    assert (world.status(), world.vmi()["status"]["nodeName"]) == ("Running", "node01")
    await world.elapse(5)
    assert [dig(pod, "spec", "nodeName") for pod in world.pods()] == ["node01"]


async def test_f42_target_dies(world):
    """F-42: `target-dies`: the migration has failed for want of its target, and the guest stays."""
    await world.running_vm(fate="target-dies", **MOVABLE)
    await migrate(world)
    assert (await migration_ends(world))["phase"] == "Failed"
    await world.elapse(5)
    state = world.vmi()["status"]["migrationState"]
    assert (state["failed"], state["completed"], state["failureReason"]) == (
        True,
        True,
        "Target pod is down",
    )
    assert (world.status(), world.vmi()["status"]["nodeName"], world.is_ready()) == (
        "Running",
        "node01",
        True,
    )
    kinds = told(world, "mig", "VirtualMachineInstanceMigration")
    assert kinds[-1] == (
        "Warning",
        "FailedMigration",
        "Migration failed because target pod shutdown during migration",
    )


async def test_f44_stuck_migration(world):
    """F-44: `stuck-migration`: without progress for 150 s the source gives it up."""
    await world.running_vm(fate="stuck-migration", **MOVABLE)
    await migrate(world)
    await world.until(lambda: world.status() == "Migrating")
    began = world.clock.monotonic()
    assert (await migration_ends(world))["phase"] == "Failed"
    assert world.clock.monotonic() - began == pytest.approx(150, abs=1)
    state = world.vmi()["status"]["migrationState"]
    assert (state["abortStatus"], state["failureReason"]) == (
        "Succeeded",
        "Live migration stuck for 150 seconds and has been aborted",
    )
    await world.settle()
    assert world.status() == "Running"
    assert world.history(VIRTUAL_MACHINES, "vm", "status", "printableStatus")[-2:] == ["Migrating", "Running"]


async def test_f44_slow_migration(world):
    """F-44: one that would take longer than the settings allow for the guest's memory is given up after that time."""
    await world.running_vm(fate="migration-takes=10m", **MOVABLE)
    await migrate(world)
    await world.until(lambda: world.status() == "Migrating")
    began = world.clock.monotonic()
    assert (await migration_ends(world))["phase"] == "Failed"
    assert world.clock.monotonic() - began == pytest.approx(150, abs=1)
    state = world.vmi()["status"]["migrationState"]
    assert state["failureReason"] == "Live migration is not completed after 150 seconds and has been aborted"
    assert (state["abortStatus"], world.vmi()["status"]["nodeName"]) == ("Succeeded", "node01")


async def test_f16_not_guaranteed(world):
    """F-16: `not-guaranteed` leaves a guest with dedicated CPUs waiting for a launcher that is guaranteed them."""
    cpu = {"cores": 2, "dedicatedCpuPlacement": True}
    await world.create_vm(cpu=cpu, fate="not-guaranteed")
    await world.until(lambda: brief(world.vmi() or {}, "Synchronized"))
    await world.elapse(30)
    assert world.pods()[0]["status"]["qosClass"] == "Burstable"
    assert brief(world.vmi(), "Synchronized") == (
        "False",
        "FailedGuaranteeResources",
        "failed to guarantee pod resources",
    )
    assert (world.vmi()["status"]["phase"], world.status()) == ("Scheduling", "Starting")
    event = ("Warning", "FailedGuaranteeResources", "failed to guarantee pod resources")
    assert event in told(world, "vm", "VirtualMachineInstance")


async def test_dedicated_cpus(world):
    """Without that fate a guest with dedicated CPUs runs in a launcher that is guaranteed them."""
    vmi = await world.running_vm(cpu={"cores": 2, "dedicatedCpuPlacement": True})
    assert vmi["status"]["qosClass"] == "Guaranteed"
    (compute,) = world.pods()[0]["spec"]["containers"]
    assert compute["resources"]["limits"]["cpu"] == compute["resources"]["requests"]["cpu"] == "2"


async def test_f46_no_quota_for_the_target(world):
    """F-46: a quota refuses the target; the migration says so, and goes on when there is room."""
    await world.running_vm(**MOVABLE)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": NS}}
    await world.client.create(RESOURCE_QUOTAS, {**quota, "spec": {"hard": {"pods": "1"}}})
    await migrate(world)
    await world.elapse(5)
    found = await world.client.get(MIGRATIONS, "mig", NS)
    assert found["status"]["phase"] == "Pending"
    assert condition(found, "migrationRejectedByResourceQuota")["status"] == "True"
    assert (world.status(), len(world.pods())) == ("Running", 1)
    await world.client.delete(RESOURCE_QUOTAS, "q", NS)
    ended = await migration_ends(world)
    assert (ended["phase"], ended.get("conditions")) == ("Succeeded", None)
