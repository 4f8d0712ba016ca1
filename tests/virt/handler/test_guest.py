"""Guests on emulated nodes, with the real kubelet beside them: they boot, end and come to grief as their fates have it."""

import pytest

from fakekube.machinery.errors import BadRequest, InternalError
from fakekube.machinery.objects import condition, dig, name, uid
from fakekube.machinery.resources import MIGRATIONS, PODS, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES

NS = "default"
FEDORA = [{"name": "containerdisk", "containerDisk": {"image": "registry.example/fedora:42"}}]


@pytest.fixture
async def world(make_world):
    """A cluster whose pods the real kubelet runs."""
    async with make_world(real_kubelet=True).running() as made:
        yield made


async def test_boot(world):
    """V-118, V-127: events follow the write, and what virt-handler writes at Running is as recorded."""
    vmi = await world.running_vm()
    status = vmi["status"]
    (interface,) = status["interfaces"]
    pod = world.pods()[0]
    assert interface == {
        "infoSource": "domain",
        "ipAddress": pod["status"]["podIP"],
        "ipAddresses": [pod["status"]["podIP"]],
        "linkState": "up",
        "mac": interface["mac"],
        "name": "default",
        "podInterfaceName": "eth0",
        "queueCount": 1,
    }
    assert interface["mac"].startswith("02:00:00:")
    assert status["machine"] == {"type": "pc-q35-rhel9.6.0"}
    assert (status["migrationMethod"], status["selinuxContext"], status["guestOSInfo"]) == (
        "BlockMigration",
        "none",
        {},
    )
    memory = {
        "guestAtBoot": "128Mi",
        "guestCurrent": "128Mi",
        "guestRequested": "128Mi",
        "memoryOverhead": "288Mi",
    }
    assert status["memory"] == memory
    assert status["volumeStatus"] == [{"name": "containerdisk", "target": "vda"}]
    told = [one[1:3] for one in world.events("vm", "VirtualMachineInstance")][-2:]
    assert told == [
        ("Created", "VirtualMachineInstance defined."),
        ("Started", "VirtualMachineInstance started."),
    ]


async def test_stop(world):
    """V-058, V-131: the launcher lives on after its deletion until the guest has ended, then everything goes."""
    await world.running_vm(terminationGracePeriodSeconds=3)
    await world.patch_vm({"runStrategy": "Halted"})
    await world.until(lambda: world.status() == "Stopping")
    pod = world.pods()[0]
    assert (bool(pod["metadata"]["deletionTimestamp"]), pod["status"]["phase"]) == (True, "Running")
    await world.until(lambda: world.vmi() is None)
    assert world.pods() == []
    told = [one[1:3] for one in world.events("vm", "VirtualMachineInstance")]
    assert ("ShuttingDown", "Signaled Graceful Shutdown") in told
    assert told.index(("Deleted", "Signaled Deletion")) < told.index(
        ("Stopped", "The VirtualMachineInstance was shut down.")
    )
    phases = world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase")
    assert phases[-1] == "Succeeded"


async def test_agent(world):
    """V-126: a guest with an agent connects a while after it runs, and then tells its operating system."""
    await world.create_vm(volumes=FEDORA)
    await world.until(lambda: condition(world.vm(), "AgentConnected"))
    connected = condition(world.vmi(), "AgentConnected")
    assert (bool(connected["lastProbeTime"]), connected["lastTransitionTime"]) == (True, None)
    assert "reason" not in connected
    assert world.vmi()["status"]["guestOSInfo"]["id"] == "fedora"
    assert world.vmi()["status"]["interfaces"][0]["infoSource"] == "domain, guest-agent"
    told = await world.handler.command(NS, "vm", "guestosinfo", {})
    assert (told["hostname"], told["os"]["id"]) == ("vm", "fedora")
    assert {"name": "guest-ping", "enabled": True} in told["supportedCommands"]
    assert {"guestAgentVersion", "timezone", "userList", "fsInfo"} <= told.keys()  # V-177
    assert told["fsInfo"]["disks"]


async def test_no_agent(world):
    """A guest without an agent answers nothing."""
    await world.running_vm()
    with pytest.raises(InternalError, match="Guest agent is not responding"):
        await world.handler.command(NS, "vm", "userlist", {})


async def test_commands(world):
    """Freezing shows in the VMI and goes again; a reboot shows in an event alone; what nobody knows is refused."""
    vmi = await world.running_vm(volumes=FEDORA)
    await world.elapse(30)
    await world.handler.command(NS, "vm", "freeze", {})
    await world.settle()
    assert world.vmi()["status"]["fsFreezeStatus"] == "frozen"
    await world.handler.command(NS, "vm", "unfreeze", {})
    await world.handler.command(NS, "vm", "softreboot", {})
    await world.settle()
    assert "fsFreezeStatus" not in world.vmi()["status"]
    assert uid(world.vmi()) == uid(vmi)
    told = world.events("vm", "VirtualMachineInstance")[-1]
    assert told == ("Normal", "SoftRebooted", "VirtualMachineInstance soft rebooted", 1)
    with pytest.raises(BadRequest, match="levitate"):
        await world.handler.command(NS, "vm", "levitate", {})


async def test_a_freeze_ends_by_itself(world):
    """Frozen file systems thaw after the time-out they were frozen with; without one they stay so."""
    await world.running_vm(volumes=FEDORA)
    await world.elapse(30)
    await world.handler.command(NS, "vm", "freeze", {"unfreezeTimeout": "5m0s"})
    await world.elapse(299)
    assert world.vmi()["status"]["fsFreezeStatus"] == "frozen"
    await world.elapse(2)
    assert "fsFreezeStatus" not in world.vmi()["status"]
    await world.handler.command(NS, "vm", "freeze", {})
    await world.elapse(600)
    assert world.vmi()["status"]["fsFreezeStatus"] == "frozen"


async def test_failing_boots(world):
    """V-081: told to fail its first two boots, the guest runs at the third."""
    await world.create_vm(fate="fail-to-boot=2")
    await world.until(world.is_ready, seconds=120)
    counted = world.history(VIRTUAL_MACHINES, "vm", "status", "startFailure", "consecutiveFailCount")
    assert counted == [None, 1, 2, None]
    assert world.statuses() == [None, "Stopped", *["Starting", "CrashLoopBackOff"] * 2, "Starting", "Running"]


async def test_failing_boots_of_the_next_one(world):
    """Another machine of the same name fails as often as the one before: it is another one."""
    for number in (1, 2):
        await world.create_vm(fate="fail-to-boot=1")
        await world.until(world.is_ready, seconds=120)
        counted = world.history(VIRTUAL_MACHINES, "vm", "status", "startFailure", "consecutiveFailCount")
        assert counted.count(1) == number
        await world.client.delete(VIRTUAL_MACHINES, "vm", NS)
        await world.until(lambda: world.vm() is None)


async def test_crash(world):
    """F-20: told to crash, the guest fails after that time, and Always brings it back at once."""
    first = await world.running_vm(fate="crash-after=5s")
    started = world.clock.monotonic()
    await world.until(lambda: world.vmi() and uid(world.vmi()) != uid(first))
    assert world.clock.monotonic() - started == pytest.approx(5.0, abs=0.1)
    told = [one[:3] for one in world.events("vm", "VirtualMachineInstance")]
    assert ("Warning", "Stopped", "The VirtualMachineInstance crashed.") in told
    assert "startFailure" not in world.vm()["status"]


@pytest.mark.parametrize(
    ("strategy", "fate", "phase"),
    [
        ("Once", "crash-after=5s", "Failed"),
        ("Manual", "crash-after=5s", "Failed"),
        ("RerunOnFailure", "crash-after=5s", "again"),
        ("Always", "shutdown-after=5s", "again"),
        ("Manual", "shutdown-after=5s", "Succeeded"),
        ("RerunOnFailure", "shutdown-after=5s", "gone"),
    ],
)
async def test_what_strategies_make_of_an_end(world, strategy, fate, phase):
    """F-20, F-21: a guest that has ended is made again, stays as it is, or goes, as its strategy has it."""
    await world.create_vm(strategy=strategy, fate=fate)
    await world.settle()
    if strategy == "Manual":
        start = [{"op": "add", "path": "/status/stateChangeRequests", "value": [{"action": "Start"}]}]
        await world.client.patch(VIRTUAL_MACHINES, "vm", NS, start, type="json", subresource="status")
    await world.until(world.is_ready)
    first = uid(world.vmi())
    crashed = ("Warning", "Stopped", "The VirtualMachineInstance crashed.")
    over = ("Normal", "Stopped", "The VirtualMachineInstance was shut down.")
    if phase == "again":
        await world.until(lambda: world.is_ready() and uid(world.vmi()) != first)
        assert world.statuses()[-3:] == ["Stopped", "Starting", "Running"]
    else:
        await world.elapse(120)
        assert world.status() == "Stopped"
        assert dig(world.vmi(), "status", "phase") == (None if phase == "gone" else phase)
        assert world.vm()["status"].get("created") == (None if phase == "gone" else True)
        if phase != "gone":
            told = condition(world.vmi(), "Ready")
            assert (told["status"], told["reason"]) == ("False", "PodTerminating")
    told = [one[:3] for one in world.events("vm", "VirtualMachineInstance")]
    assert (crashed if fate.startswith("crash") else over) in told


async def test_shutdown_from_inside(world):
    """F-21, V-133: told to shut down, the guest succeeds and its launcher stays as Succeeded."""
    await world.running_vm(strategy="Once", fate="shutdown-after=5s")
    await world.until(lambda: world.status() == "Stopped")
    await world.elapse(60)
    assert world.vmi()["status"]["phase"] == "Succeeded"
    assert [pod["status"]["phase"] for pod in world.pods()] == ["Succeeded"]


async def test_io_error(world):
    """F-28: told to hit a disk error, the guest is paused by it."""
    await world.running_vm(fate="io-error-after=2s")
    await world.until(lambda: world.status() == "Paused")
    told = condition(world.vmi(), "Paused")
    assert (told["reason"], told["message"]) == (
        "PausedIOError",
        "VMI was paused, low-level IO error detected",
    )
    await world.settle()
    assert (told["status"], world.vmi()["status"]["phase"], world.is_ready()) == ("True", "Running", False)
    for obj in (world.pods()[0], world.vmi(), world.vm()):
        ready = condition(obj, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "ReadinessGatesNotReady")


async def test_ignored_shutdown(world):
    """F-30: a guest that ignores ACPI is Stopping for its whole grace period, and then killed."""
    await world.running_vm(fate="ignore-shutdown", terminationGracePeriodSeconds=20)
    await world.patch_vm({"runStrategy": "Halted"})
    started = world.clock.monotonic()
    await world.elapse(19)
    assert (world.status(), world.vmi()["status"]["phase"]) == ("Stopping", "Running")
    told = [one[1:3] for one in world.events("vm", "VirtualMachineInstance")]
    assert ("ShuttingDown", "Signaled Graceful Shutdown") in told
    await world.until(lambda: world.vmi() is None)
    assert world.clock.monotonic() - started >= 20
    assert world.history(VIRTUAL_MACHINE_INSTANCES, "vm", "status", "phase")[-1] == "Failed"


async def test_slow_boot(world):
    """F-14: told to boot slowly, the guest is Scheduled meanwhile, and the VM Starting."""
    await world.create_vm(fate="boot-after=30s")
    await world.until(lambda: dig(world.vmi(), "status", "phase") == "Scheduled")
    await world.elapse(25)
    assert (world.vmi()["status"]["phase"], world.status()) == ("Scheduled", "Starting")
    assert condition(world.vmi(), "Ready")["reason"] == "GuestNotRunning"
    await world.until(world.is_ready)


async def test_flapping(world):
    """F-26: told to flap, the guest is ready and not ready by turns, while the VM stays Running."""
    await world.running_vm(fate="flap-readiness=2s")
    await world.until(lambda: not world.is_ready())
    assert condition(world.vm(), "Ready")["reason"] == "ContainersNotReady"
    await world.until(world.is_ready)
    assert world.statuses()[3:] == ["Running"]


async def test_launcher_deleted_by_hand(world):
    """F-22: deleting the launcher shuts its guest down, and Always makes a new one."""
    first = await world.running_vm()
    await world.client.delete(PODS, name(world.pods()[0]), NS)
    await world.until(lambda: world.is_ready() and uid(world.vmi()) != uid(first))


async def test_migration_with_the_real_kubelet(world):
    """V-203: the source launcher ends as Succeeded after the guest has left it."""

    movable = {
        "interfaces": [{"name": "default", "masquerade": {}}],
        "networks": [{"name": "default", "pod": {}}],
    }
    await world.running_vm(**movable)
    meta = {"name": "mig", "namespace": NS, "finalizers": ["kubevirt.io/migrationJobFinalize"]}
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration"}
    await world.client.create(MIGRATIONS, {**kind, "metadata": meta, "spec": {"vmiName": "vm"}})
    await world.until(lambda: dig(world.vmi(), "status", "migrationState", "completed"))
    await world.elapse(5)
    ended = {dig(pod, "spec", "nodeName"): pod["status"]["phase"] for pod in world.pods()}
    assert ended == {"node01": "Succeeded", "node02": "Running"}
    assert world.is_ready()
