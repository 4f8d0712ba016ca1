"""Upstream's functional specs of monitoring: what Prometheus is told of machines, migrations, snapshots, and by what rules it alarms.

There is no Prometheus here: samples are fetched where it would fetch them, its rules are read where it would read them.
Origin: kubevirt: tests/monitoring/{metrics,vm_monitoring,monitoring,component_monitoring}.go
"""

import pytest

from tests.upstream import guests, storage
from tests.upstream.conftest import Make, Suite
from tests.upstream.guests import NS, Guest, guest
from tests.upstream.scrapes import samples, value
from tests.upstream.storage import Machine

CPU = tuple(f"kubevirt_vmi_cpu_{one}usage_seconds_total" for one in ("", "system_", "user_"))
CLAIMS = f"/api/v1/namespaces/{NS}/persistentvolumeclaims"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of(pace="realistic"))


async def test_a_machines_life(suite: Suite) -> None:
    """From its creation until it is gone a machine is told of, with its disks, its cards, and its guest's file systems."""
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "512Mi"}}}
    await suite.create(CLAIMS, {"metadata": {"name": "test-vm-pvc"}, "spec": size})
    spec = guest("fedora-with-test-tooling")
    spec["domain"]["devices"]["disks"].append({"name": "testdisk", "disk": {"bus": "virtio"}})
    spec["volumes"].append({"name": "testdisk", "persistentVolumeClaim": {"claimName": "test-vm-pvc"}})
    vm = await guests.machine(suite, spec, runStrategy="Always")
    await vm.has("AgentConnected")
    own = {"namespace": NS, "name": vm.name}
    assert await value(suite, "kubevirt_vm_info", **own, status="running", status_group="running") == 1
    mounted = await samples(suite, "kubevirt_vmi_filesystem_capacity_bytes", **own)
    assert {size > 0 for _, size in mounted} == {True}
    disk = {"persistentvolumeclaim": "test-vm-pvc", "volume_mode": "Filesystem", "device": "testdisk"}
    assert await value(suite, "kubevirt_vm_disk_allocated_size_bytes", **own, **disk) == 512 * 2**20
    card = {"binding_type": "core", "network": "pod networking", "binding_name": "masquerade"}
    for kind in ("vm", "vmi"):
        assert await value(suite, f"kubevirt_{kind}_vnic_info", **own, **card) == 1
    await suite.delete(vm.vm_path)

    async def gone() -> bool:
        return not await samples(suite, "kubevirt_vm_info")

    await suite.eventually(gone, 60)


async def test_how_many_machines(suite: Suite) -> None:
    """What the rule of their number counts: each that there is."""
    for at in range(5):
        await guests.machine(suite, guest(""), f"vm-{at}", runStrategy="Halted")
    assert len(await samples(suite, "kubevirt_vm_info", namespace=NS)) == 5


async def test_phases(suite: Suite) -> None:
    """Changes of phases are counted in every bucket that is documented."""
    await guests.instance(suite, guest(""))
    bounds = (
        "0.5",
        "1",
        "2",
        "5",
        "10",
        "20",
        "30",
        "40",
        "50",
        "60",
        "90",
        "120",
        "180",
        "300",
        "600",
        "1200",
        "1800",
        "3600",
    )
    for bound in bounds:
        assert await samples(suite, "kubevirt_vmi_phase_transition_time_seconds_bucket", le=bound)


async def test_while_it_runs(suite: Suite) -> None:
    """CPU time is told of a machine that runs or is paused, not of one that is off; so is how fast memory gets dirty."""
    vm = await guests.machine(suite, guest(""), "on", runStrategy="Always")
    for _ in range(2):
        for metric in (*CPU, "kubevirt_vmi_dirty_rate_bytes_per_second"):
            assert await value(suite, metric, name="on", namespace=NS) is not None
        await vm.act("pause")
        await vm.has("Paused")
    await guests.machine(suite, guest(""), "off", runStrategy="Halted")
    for metric in CPU:
        assert await value(suite, metric, name="off", namespace=NS) is None


async def test_migrations(suite: Suite) -> None:
    """One that succeeds and one that fails: told as such, and in no other phase."""
    vmi = await guests.instance(suite, guest())
    await (await guests.migrate(vmi)).succeeds()
    for phase in ("pending", "scheduling", "unset", "running"):
        assert await value(suite, f"kubevirt_vmi_migrations_in_{phase}_phase") == 0
    marks = {"vmi": vmi.name, "namespace": NS}
    assert await value(suite, "kubevirt_vmi_migration_succeeded", **marks) == 1
    stuck = await stays(suite, "stuck")
    timeout = {"kubevirt.io/migrationUnschedulablePodTimeoutSeconds": "60"}
    failing = await guests.migrate(stuck, marks=timeout)
    await failing.is_in("Failed", 120)
    for phase in ("scheduling", "unset"):
        assert await value(suite, f"kubevirt_vmi_migrations_in_{phase}_phase") == 0
    assert await value(suite, "kubevirt_vmi_migration_failed", vmi="stuck", namespace=NS) == 1


async def stays(suite: Suite, name: str) -> Guest:
    """A guest that no other node will have."""
    node = (await suite.items(guests.NODES))[0]["metadata"]["name"]
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return await guests.instance(suite, guest(affinity={"nodeAffinity": required}), name)


async def test_snapshots(suite_of: Make) -> None:
    """When one was taken is told, with the machine it is of."""
    suite = await suite_of()
    await storage.set_up(suite)
    vm = await Machine.of(suite, storage.machine(strategy="Always"))
    own = await storage.take(suite, vm)
    snapshot = await storage.ready(suite, own)
    marks = {"name": "vm", "snapshot_name": snapshot["metadata"]["name"], "namespace": storage.NS}
    taken = await value(suite, "kubevirt_vmsnapshot_succeeded_timestamp_seconds", **marks)
    assert (taken or 0) > 0


async def test_guests_systems(suite: Suite) -> None:
    """[11267] What the guest's agent says of its system is told of the instance."""
    vmi = await guests.instance(suite, guest("fedora-with-test-tooling"))
    status = (await vmi.has("AgentConnected"))["status"]
    told = status["guestOSInfo"]
    marks = {
        "guest_os_kernel_release": told["kernelRelease"],
        "guest_os_arch": told["machine"],
        "guest_os_machine": status["machine"]["type"],
        "guest_os_name": told["name"],
        "guest_os_version_id": told["versionId"],
        "vmi_pod": (await vmi.pod())["metadata"]["name"],
    }
    assert await value(suite, "kubevirt_vmi_info", **marks) == 1


async def test_who_cannot_be_evicted(suite: Suite) -> None:
    """VMCannotBeEvicted: a guest that is to migrate when its node is drained, and cannot."""
    spec = guest(evictionStrategy="LiveMigrate")
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", "bridge": {}}]
    await guests.instance(suite, spec)
    assert await value(suite, "kubevirt_vmi_non_evictable", namespace=NS) == 1


async def test_components(suite: Suite) -> None:
    """Whoever is ready says so, and nobody does of a component that is scaled to nothing."""
    for component in ("virt_operator", "virt_controller", "virt_api", "virt_handler"):
        ready = await samples(suite, f"kubevirt_{component}_ready_status")
        assert [one for _, one in ready] == [1.0, 1.0]
    deployments = "/apis/apps/v1/namespaces/kubevirt/deployments"
    for name in ("virt-operator", "virt-controller"):
        scale = f"{deployments}/{name}/scale"
        await suite.patch(scale, {"spec": {"replicas": 0}}, "application/merge-patch+json")

        async def none(name: str = name) -> bool:
            return not await samples(suite, f"kubevirt_{name.replace('-', '_')}_ready_status")

        await suite.eventually(none, 60)


async def test_scraped_by_way_of_the_service(suite: Suite) -> None:
    """Whoever cannot reach pods asks the API server to: the service's port speaks TLS."""
    service = "/api/v1/namespaces/kubevirt/services/https:kubevirt-prometheus-metrics:metrics"
    status, said = await suite.call("GET", f"{service}/proxy/metrics")
    assert status == 200
    assert b"kubevirt_info{" in said
