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


# Rules, and who finds the pods.

MONITORING = "/apis/monitoring.coreos.com/v1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RULES = f"{MONITORING}/namespaces/kubevirt/prometheusrules/prometheus-kubevirt-rules"
MONITOR = f"{MONITORING}/namespaces/monitoring/servicemonitors/prometheus-kubevirt-rules"
KINDS = (("PrometheusRule", "prometheusrules"), ("ServiceMonitor", "servicemonitors"))


async def define(suite: Suite) -> None:
    """What prometheus-operator reads, and the account of a Prometheus."""
    for kind, plural in KINDS:
        spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.monitoring.coreos.com"},
            "spec": {
                "group": "monitoring.coreos.com",
                "scope": "Namespaced",
                "names": names,
                "versions": [version],
            },
        }
        await suite.create(DEFINITIONS, body)
    await suite.cluster.settle()


async def a_prometheus(suite: Suite) -> None:
    await suite.create("/api/v1/namespaces", {"metadata": {"name": "monitoring"}})
    accounts = "/api/v1/namespaces/monitoring/serviceaccounts"
    await suite.create(accounts, {"metadata": {"name": "prometheus-k8s"}})
    await suite.cluster.settle()


async def test_rules(suite: Suite) -> None:
    """[4614] [8821] [8822] Rules are there once they are defined; alerts have runbooks of their name, and say how bad it is."""
    await define(suite)
    groups = (await suite.get(RULES))["spec"]["groups"]
    assert groups[0]["rules"]
    alerts = [one for group in groups for one in group["rules"] if "alert" in one]
    assert {one["alert"] for one in alerts} >= {
        *("VirtAPIDown", "VirtControllerDown", "VirtOperatorDown", "NoReadyVirtController"),
        *("NoReadyVirtOperator", "LowVirtAPICount", "LowVirtControllersCount", "LowVirtOperatorCount"),
        *("KubeVirtVMIExcessiveMigrations", "KubeVirtNoAvailableNodesToRunVMs", "VMCannotBeEvicted"),
        "OrphanedVirtualMachineInstances",
    }
    for one in alerts:
        assert one["annotations"]["summary"]
        assert one["annotations"]["runbook_url"].endswith(one["alert"])
        labels = one["labels"]
        assert labels["severity"] in ("info", "warning", "critical")
        assert labels["operator_health_impact"] in ("none", "warning", "critical")
        assert labels["kubernetes_operator_part_of"] == labels["kubernetes_operator_component"] == "kubevirt"
    names = {one["record"] for group in groups for one in group["rules"] if "record" in one}
    assert names >= {"kubevirt_number_of_vms", "kubevirt_virt_operator_up", "kubevirt_vmi_phase_count"}


async def test_changed_rules(suite: Suite) -> None:
    """They are put back, unless virt-operator is scaled to nothing: then, when it comes back."""
    await define(suite)
    before = (await suite.get(RULES))["spec"]
    scale = "/apis/apps/v1/namespaces/kubevirt/deployments/virt-operator/scale"

    async def scaled(replicas: int) -> None:
        await suite.patch(scale, {"spec": {"replicas": replicas}}, "application/merge-patch+json")
        await suite.cluster.settle()

    await suite.patch(RULES, [{"op": "replace", "path": "/spec/groups", "value": []}])
    await suite.cluster.settle()
    assert (await suite.get(RULES))["spec"] == before
    await scaled(0)
    await suite.delete(RULES)
    await suite.cluster.settle()
    assert (await suite.call("GET", RULES))[0] == 404
    await scaled(2)
    assert (await suite.get(RULES))["spec"] == before


async def test_service_monitor(suite: Suite) -> None:
    """[2936] [4616] Where there is a Prometheus it is told of KubeVirt's namespace and may look there; the namespace says that
    it wants to be looked at."""
    await define(suite)
    assert (await suite.call("GET", MONITOR))[0] == 404
    await a_prometheus(suite)
    spec = (await suite.get(MONITOR))["spec"]
    assert spec["namespaceSelector"] == {"matchNames": ["kubevirt"]}
    query = ",".join(f"{key}={value}" for key, value in spec["selector"]["matchLabels"].items())
    services = await suite.items("/api/v1/namespaces/kubevirt/services", query)
    ports = {one["metadata"]["name"]: one["spec"]["ports"][0]["name"] for one in services}
    assert ports == {"kubevirt-prometheus-metrics": "metrics", "kubevirt-operator-webhook": "webhooks"}
    assert spec["endpoints"][0]["port"] == "metrics"
    rights = "/apis/rbac.authorization.k8s.io/v1/namespaces/kubevirt/rolebindings/kubevirt-monitoring"
    (subject,) = (await suite.get(rights))["subjects"]
    assert (subject["name"], subject["namespace"]) == ("prometheus-k8s", "monitoring")
    space = await suite.get("/api/v1/namespaces/kubevirt")
    assert space["metadata"]["labels"]["openshift.io/cluster-monitoring"] == "true"


async def test_another_prometheus(suite: Suite) -> None:
    """The KubeVirt object says which account looks, and where its monitors are to be."""
    await define(suite)
    await a_prometheus(suite)
    await suite.delete(MONITOR)
    await suite.create("/api/v1/namespaces", {"metadata": {"name": "mine"}})
    await suite.create("/api/v1/namespaces/mine/serviceaccounts", {"metadata": {"name": "own"}})
    change = {"monitorNamespace": "mine", "monitorAccount": "own", "serviceMonitorNamespace": "default"}
    await suite.patch(guests.KUBEVIRT, {"spec": change}, "application/merge-patch+json")
    await suite.cluster.settle()
    own = "servicemonitors/prometheus-kubevirt-rules"
    assert (await suite.get(f"{MONITORING}/namespaces/default/{own}"))["spec"]["endpoints"]
