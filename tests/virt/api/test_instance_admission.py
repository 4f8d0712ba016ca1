"""Instances, replica sets, migrations, storage operations and evictions through their webhooks."""

import orjson
import pytest

from fakekube.clock import rfc3339
from fakekube.machinery.errors import ApiError, BadRequest, Invalid
from fakekube.machinery.resources import (
    KUBEVIRTS,
    MIGRATIONS,
    NODES,
    PODS,
    PRESETS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    VMI_REPLICA_SETS,
)
from fakekube.machinery.wire import Request
from fakekube.virt.api import defaults, storage_operations, workloads
from fakekube.virt.api.instance_defaults import set_instance_defaults
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller.informers import MIGRATION_POLICIES
from fakekube.virt.controller.storage.common import CLONES
from fakekube.virt.instancetypes.kinds import (
    CLUSTER_INSTANCETYPES,
    CLUSTER_PREFERENCES,
    INSTANCETYPES,
    PREFERENCES,
)

NS = "default"
CONFIG = ClusterConfig("amd64")


def defaulted(spec, config=CONFIG):
    set_instance_defaults(spec, config)
    return spec


def spec_of(domain=None, **more):
    return {"domain": {"devices": {}, **(domain or {})}, **more}


async def test_new_instances_are_pending(cluster):
    """V-104, V-111: a new instance is Pending since now, kept by a finalizer, and counts its memory and CPUs."""
    made = await cluster.client.create(
        VIRTUAL_MACHINE_INSTANCES,
        {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": {
                "name": "x",
                "namespace": NS,
                "finalizers": ["kubevirt.io/virtualMachineControllerFinalize"],
            },
            "spec": spec_of({"memory": {"guest": "128Mi"}}),
            "status": {"virtualMachineRevisionName": "r"},
        },
    )
    assert made["metadata"]["finalizers"] == [
        "kubevirt.io/virtualMachineControllerFinalize",
        "kubevirt.io/foregroundDeleteVirtualMachine",
    ]
    assert made["status"] == {
        "virtualMachineRevisionName": "r",
        "guestOSInfo": {},
        "runtimeUser": 107,
        "currentCPUTopology": {"cores": 1, "sockets": 1, "threads": 1},
        "memory": {"guestAtBoot": "128Mi", "guestCurrent": "128Mi", "guestRequested": "128Mi"},
        "phase": "Pending",
        "phaseTransitionTimestamps": [
            {"phase": "Pending", "phaseTransitionTimestamp": rfc3339(cluster.clock.now())}
        ],
    }
    assert made["metadata"]["annotations"] == {"kubevirt.io/pci-topology-version": "v3"}


@pytest.mark.parametrize(
    ("resource", "spec", "field"),
    [
        (VIRTUAL_MACHINE_INSTANCES, {"domain": "x"}, "spec.domain"),
        (VIRTUAL_MACHINE_INSTANCES, spec_of({"cpu": "x"}), "spec.domain.cpu"),
        (VIRTUAL_MACHINE_INSTANCES, spec_of({"clock": "x"}), "spec.domain.clock"),
        (VIRTUAL_MACHINES, {"template": {"spec": {"domain": "x"}}}, "spec.template.spec.domain"),
        (CLONES, {"source": {"kind": "VirtualMachine", "name": "x"}, "target": "x"}, "spec.target"),
    ],
)
async def test_what_no_webhook_can_read(cluster, resource, spec, field):
    """Objects of wrong types are refused by their definition, whatever a mutating webhook made of them."""
    preset = {"apiVersion": PRESETS.api_version, "kind": PRESETS.kind}
    given = {"selector": {}, "domain": {"devices": {}, "clock": {"utc": {}, "timer": {}}}}
    await cluster.client.create(
        PRESETS, {**preset, "metadata": {"name": "p", "namespace": NS}, "spec": given}
    )
    made = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
    with pytest.raises(Invalid) as caught:
        await cluster.client.create(resource, {**made, "metadata": {"name": "x", "namespace": NS}})
    assert f'{field} in body must be of type object: "string"' in caught.value.message


def test_network_by_default():
    """Without networks an instance gets the pod's, by the cluster's binding; if it wants one at all."""
    found = defaulted(spec_of())
    assert found["networks"] == [{"name": "default", "pod": {}}]
    assert found["domain"]["devices"]["interfaces"] == [{"name": "default", "bridge": {}}]
    masquerade = ClusterConfig("amd64", {"network": {"defaultNetworkInterface": "masquerade"}})
    assert "masquerade" in defaulted(spec_of(), masquerade)["domain"]["devices"]["interfaces"][0]
    assert "networks" not in defaulted(spec_of({"devices": {"autoattachPodInterface": False}}))


@pytest.mark.parametrize(
    ("image", "policy"),
    [("a:latest", "Always"), ("a", "Always"), ("a:v1", "IfNotPresent"), ("a@sha256:0", "IfNotPresent")],
)
def test_pull_policies(image, policy):
    """V-110: moving tags are pulled always."""
    found = defaulted(spec_of(volumes=[{"name": "v", "containerDisk": {"image": image}}]))
    assert found["volumes"][0]["containerDisk"]["imagePullPolicy"] == policy


def test_disks_by_default():
    """V-106: volumes get disks; disks get a bus; CD-ROMs are closed and read-only."""
    disks = [{"name": "c", "cdrom": {}}, {"name": "l", "lun": {}}]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in "clv"]
    found = defaulted(spec_of({"devices": {"disks": disks}}, volumes=volumes))
    assert found["domain"]["devices"]["disks"] == [
        {"name": "c", "cdrom": {"bus": "sata", "readonly": True, "tray": "closed"}},
        {"name": "l", "lun": {"bus": "sata"}},
        {"name": "v", "disk": {"bus": "sata"}},
    ]


@pytest.mark.parametrize(
    ("domain", "memory"),
    [
        ({"resources": {"requests": {"memory": "2Gi"}}}, {"guest": "2Gi", "maxGuest": "8Gi"}),
        ({"resources": {"limits": {"memory": "512Mi"}}}, {"guest": "512Mi"}),
        (
            {"memory": {"hugepages": {"pageSize": "1Gi"}}},
            {"hugepages": {"pageSize": "1Gi"}, "guest": "1Gi", "maxGuest": "4Gi"},
        ),
        ({"memory": {"guest": "1025Mi"}}, {"guest": "1025Mi"}),
        ({"memory": {"guest": "1Gi"}}, {"guest": "1Gi", "maxGuest": "4Gi"}),
        ({"memory": {"guest": "128Mi"}}, {"guest": "128Mi"}),
        ({"memory": {"guest": "2Gi", "maxGuest": "3Gi"}}, {"guest": "2Gi", "maxGuest": "3Gi"}),
        ({}, None),
    ],
)
def test_memory_by_default(domain, memory):
    """V-108, V-109: memory comes from what is requested; it may grow fourfold where it is large and aligned."""
    assert defaulted(spec_of(domain))["domain"].get("memory") == memory


@pytest.mark.parametrize(
    ("domain", "cpu"),
    [
        ({}, {"cores": 1, "threads": 1, "sockets": 1, "maxSockets": 4}),
        (
            {"resources": {"limits": {"cpu": "1500m"}}},
            {"cores": 1, "threads": 1, "sockets": 2, "maxSockets": 8},
        ),
        ({"cpu": {"cores": 2}}, {"cores": 2}),
        (
            {"cpu": {"sockets": 100, "cores": 4, "threads": 1}},
            {"sockets": 100, "cores": 4, "threads": 1, "maxSockets": 128},
        ),
    ],
)
def test_cpus_by_default(domain, cpu):
    """V-107: CPUs become sockets, which may grow fourfold up to 512 CPUs; given parts stay alone."""
    assert defaulted(spec_of(domain))["domain"]["cpu"] == {**cpu, "model": "host-model"}


def test_stage_rollout_plans_no_growth():
    """Where changes wait for the next start, nothing is reserved for growing."""
    found = defaulted(
        spec_of({"memory": {"guest": "2Gi"}}), ClusterConfig("amd64", {"vmRolloutStrategy": "Stage"})
    )
    assert "maxSockets" not in found["domain"]["cpu"]
    assert "maxGuest" not in found["domain"]["memory"]


async def test_even_threads(cluster):
    """Instances whose emulator has a CPU of its own are marked to have an even number where the KubeVirt object says so."""
    mark = "alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity"
    cpu = {"cores": 2, "dedicatedCpuPlacement": True, "isolateEmulatorThread": True}
    domain = {"devices": {}, "memory": {"guest": "1Gi"}, "cpu": cpu}
    await cluster.configure(developerConfiguration={"featureGates": ["AlignCPUs"]})
    assert mark not in (await cluster.vmi("before", domain=domain))["metadata"]["annotations"]
    await cluster.client.patch(
        KUBEVIRTS, "kubevirt", "kubevirt", {"metadata": {"annotations": {mark: ""}}}, type="merge"
    )
    assert (await cluster.vmi(domain=domain))["metadata"]["annotations"][mark] == ""
    assert mark not in (await cluster.vmi("other"))["metadata"]["annotations"]
    await cluster.configure(developerConfiguration={})
    assert mark not in (await cluster.vmi("shut", domain=domain))["metadata"]["annotations"]


def test_arguments_stay_as_they_are(cluster):
    """Mutating webhooks return new objects."""
    vmi = {"metadata": {"name": "x"}, "spec": spec_of()}
    defaults.instance(vmi, CONFIG, cluster.ids, cluster.clock.now())
    assert vmi == {"metadata": {"name": "x"}, "spec": spec_of()}


async def test_status_belongs_to_kubevirt(cluster):
    """V-113: a change of status by anybody else is silently undone."""
    made = await cluster.vmi()
    made["status"]["phase"] = "Failed"
    kept = await cluster.client.update(VIRTUAL_MACHINE_INSTANCES, made)
    assert kept["status"]["phase"] == "Running"


async def test_spec_belongs_to_kubevirt(cluster):
    """V-114: a change of spec by anybody else is refused."""
    made = await cluster.vmi()
    made["spec"]["terminationGracePeriodSeconds"] = 5
    with pytest.raises(Invalid, match="update of VMI object is restricted"):
        await cluster.client.update(VIRTUAL_MACHINE_INSTANCES, made)
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, made)


async def test_reserved_labels(cluster):
    """V-115: KubeVirt's labels are neither set nor changed by others."""
    made = await cluster.vmi()
    made["metadata"]["labels"] = {"kubevirt.io/nodeName": "n"}
    text = "modification of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
    with pytest.raises(Invalid, match=text):
        await cluster.client.update(VIRTUAL_MACHINE_INSTANCES, made)
    made["metadata"]["labels"] = {"mine": "yes"}
    await cluster.client.update(VIRTUAL_MACHINE_INSTANCES, made)


async def test_reserved_labels_of_new_instances(cluster):
    """V-115: a user who creates an instance with such a label is told so."""
    obj = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": "x", "namespace": NS, "labels": {"kubevirt.io/nodeName": "n"}},
        "spec": spec_of({"memory": {"guest": "1Gi"}}),
    }
    with pytest.raises(Invalid, match=r"creation of the following reserved kubevirt.io/ labels"):
        await cluster.client.create(VIRTUAL_MACHINE_INSTANCES, obj)


async def test_memory_is_asked_for(cluster):
    """V-112: an instance without any memory is refused."""
    obj = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": "x", "namespace": NS},
        "spec": spec_of(),
    }
    with pytest.raises(Invalid, match="no memory requested, at least one of"):
        await cluster.client.create(VIRTUAL_MACHINE_INSTANCES, obj)


def test_reserved_labels_at_creation():
    """They are not set at creation either, but by KubeVirt."""
    vmi = {
        "metadata": {"labels": {"kubevirt.io/created-by": "u"}},
        "spec": defaulted(spec_of({"memory": {"guest": "1Gi"}})),
    }
    (cause,) = workloads.instance(vmi, CONFIG, component=False)
    assert cause.field == "metadata.labels"
    assert workloads.instance(vmi, CONFIG, component=True) == []


def test_hotplug_limits_stay():
    """Even KubeVirt does not move the limits of a running instance."""
    old = {"spec": spec_of({"cpu": {"maxSockets": 4}, "memory": {"maxGuest": "4Gi"}})}
    new = {"spec": spec_of({"cpu": {"maxSockets": 8}, "memory": {"maxGuest": "8Gi"}})}
    assert [cause.message for cause in workloads.instance_update(new, old, component=True)] == [
        "CPU topology maxSockets changed",
        "Memory maxGuest changed",
    ]


async def test_policies_of_migrations(cluster):
    """What a policy limits may be nothing, and not less; changes are judged as well."""
    meta = {"name": "p"}
    policy = {"apiVersion": "migrations.kubevirt.io/v1alpha1", "kind": "MigrationPolicy", "metadata": meta}
    spec = {"selectors": {}, "completionTimeoutPerGiB": 0, "bandwidthPerMigration": "0Mi"}
    made = await cluster.client.create(MIGRATION_POLICIES, {**policy, "spec": spec})
    for wrong in (
        {"completionTimeoutPerGiB": -1},
        {"bandwidthPerMigration": "-1Mi"},
        {"bandwidthPerMigration": "-1m"},
    ):
        (member,) = wrong
        for attempt in (
            cluster.client.create(
                MIGRATION_POLICIES, {**policy, "metadata": {"name": "q"}, "spec": spec | wrong}
            ),
            cluster.client.update(MIGRATION_POLICIES, {**made, "spec": spec | wrong}),
        ):
            with pytest.raises(Invalid) as refused:
                await attempt
            assert refused.value.message == (
                'admission webhook "migration-policy-validator.kubevirt.io" denied the request: must not be negative'
            )
            (cause,) = refused.value.details["causes"]
            assert (cause["reason"], cause["field"]) == ("FieldValueInvalid", f"spec.{member}")


@pytest.mark.parametrize("resource", [INSTANCETYPES, CLUSTER_INSTANCETYPES])
async def test_sizes(cluster, resource):
    """A size whose memory is overcommitted has none in huge pages."""
    body = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": resource.kind}
    meta = {"name": "s", **({"namespace": NS} if resource.namespaced else {})}
    spec = {"cpu": {"guest": 1}, "memory": {"guest": "1Gi", "hugepages": {"pageSize": "2Mi"}}}
    made = await cluster.client.create(resource, {**body, "metadata": meta, "spec": spec})
    wrong = {**spec, "memory": {**spec["memory"], "overcommitPercent": 10}}
    with pytest.raises(Invalid) as refused:
        await cluster.client.update(resource, {**made, "spec": wrong})
    own = "spec.memory.overcommitPercent"
    assert refused.value.message == (
        f'admission webhook "{resource.kind.lower()}-validator.instancetype.kubevirt.io" denied the request: '
        f"{own} and spec.memory.hugepages should not be requested together."
    )
    assert refused.value.details["causes"][0]["field"] == own


@pytest.mark.parametrize(
    ("cpu", "right"),
    [
        ({"preferredCPUTopology": "spread", "spreadOptions": {"across": "CoresThreads", "ratio": 4}}, False),
        (
            {"preferredCPUTopology": "preferSpread", "spreadOptions": {"across": "CoresThreads", "ratio": 1}},
            False,
        ),
        ({"preferredCPUTopology": "spread", "spreadOptions": {"across": "CoresThreads"}}, True),
        ({"preferredCPUTopology": "spread", "spreadOptions": {"across": "SocketsCores", "ratio": 4}}, True),
        ({"preferredCPUTopology": "cores", "spreadOptions": {"across": "CoresThreads", "ratio": 4}}, True),
        ({"preferredCPUTopology": "spread"}, True),
    ],
)
@pytest.mark.parametrize("resource", [PREFERENCES, CLUSTER_PREFERENCES])
async def test_preferences(cluster, resource, cpu, right):
    """CPUs spread over cores and threads have two threads for each core."""
    body = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": resource.kind, "spec": {"cpu": cpu}}
    meta = {"name": "p", **({"namespace": NS} if resource.namespaced else {})}
    if right:
        await cluster.client.create(resource, {**body, "metadata": meta})
        return
    text = "only a ratio of 2 .1 core 2 threads. is allowed when spreading vCPUs over cores and threads"
    with pytest.raises(Invalid, match=text) as refused:
        await cluster.client.create(resource, {**body, "metadata": meta})
    assert refused.value.details["causes"][0]["field"] == "spec.cpu.spreadOptions.ratio"


async def test_replica_set_selector(cluster):
    """A replica set selects what it makes."""
    obj = {
        "apiVersion": "kubevirt.io/v1",
        "kind": VMI_REPLICA_SETS.kind,
        "metadata": {"name": "r", "namespace": NS},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": spec_of()}},
    }
    with pytest.raises(Invalid, match=r"selector does not match labels\."):
        await cluster.client.create(VMI_REPLICA_SETS, obj)


def migration(name="m", vmi="x"):
    spec = {"vmiName": vmi} if vmi else {}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": MIGRATIONS.kind,
        "metadata": {"name": name, "namespace": NS},
        "spec": spec,
    }


async def test_v199_migration_marks(cluster):
    """V-199: a migration is found by its instance's name and kept by a finalizer."""
    await cluster.vmi()
    made = await cluster.client.create(MIGRATIONS, migration())
    assert made["metadata"]["labels"] == {"kubevirt.io/vmi-name": "x"}
    assert made["metadata"]["finalizers"] == ["kubevirt.io/migrationJobFinalize"]


async def test_v208_one_migration_at_a_time(cluster):
    """V-208: an instance migrates once at a time."""
    await cluster.vmi()
    first = await cluster.client.create(MIGRATIONS, migration())
    with pytest.raises(ApiError) as caught:
        await cluster.client.create(MIGRATIONS, migration("n"))
    assert (
        f"in-flight migration detected. Active migration job ({first['metadata']['uid']})"
        in caught.value.message
    )


async def test_v209_migration_of_nothing(cluster):
    """V-209: a migration names an instance that exists."""
    with pytest.raises(Invalid, match="vmiName is missing"):
        await cluster.client.create(MIGRATIONS, migration(vmi=""))
    with pytest.raises(BadRequest, match='the VMI "default/x" does not exist') as caught:
        await cluster.client.create(MIGRATIONS, migration())
    assert caught.value.code == 400


async def test_v210_migration_spec_is_immutable(cluster):
    """V-210: a migration's spec never changes."""
    await cluster.vmi()
    made = await cluster.client.create(MIGRATIONS, migration())
    made["spec"]["vmiName"] = "y"
    with pytest.raises(Invalid, match="update of Migration object's spec is restricted"):
        await cluster.client.update(MIGRATIONS, made)


def test_migration_label_stays():
    """The label a migration is found by stays while it is under way."""
    old = migration() | {"metadata": {"labels": {"kubevirt.io/vmi-name": "x"}}}
    without, other = (
        migration() | {"metadata": {"labels": one}} for one in ({}, {"kubevirt.io/vmi-name": "y"})
    )
    assert "can't be removed" in workloads.migration_update(without, old)[0].message
    assert "can't be modified" in workloads.migration_update(other, old)[0].message
    assert workloads.migration_update(without, old | {"status": {"phase": "Failed"}}) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"kind": "VirtualMachine", "name": "x"}, "missing apiGroup"),
        ({"apiGroup": "apps", "kind": "VirtualMachine", "name": "x"}, "invalid apiGroup"),
        ({"apiGroup": "kubevirt.io", "kind": "Pod", "name": "x"}, "invalid kind"),
    ],
)
def test_storage_operations_name_their_source(source, text):
    """Snapshots are taken of machines."""
    assert [cause.message for cause in storage_operations.snapshot({"spec": {"source": source}}, None)] == [
        text
    ]
    good = {"spec": {"source": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "x"}}}
    assert storage_operations.snapshot(good, None) == []
    (cause,) = storage_operations.snapshot(good, {"spec": {}})
    assert cause.message == "spec in immutable after creation"


async def pod_of(cluster, name="virt-launcher-x-1"):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NS, "annotations": {"kubevirt.io/domain": "x"}},
        "spec": {"containers": [{"name": "compute", "image": "i"}], "nodeName": "n1"},
    }
    await cluster.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    await cluster.client.create(PODS, pod)


async def evict(cluster, name="virt-launcher-x-1"):
    """What virt-api answers when the server asks about an eviction."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NS}}
    question = {"uid": "u", "operation": "CREATE", "namespace": NS, "name": name, "object": body}
    request = Request("POST", "/pod-eviction-validate", body=orjson.dumps({"request": question}))
    return orjson.loads((await cluster.api(request)).body)["response"]


MIGRATABLE = {"type": "LiveMigratable", "status": "True", "lastProbeTime": None, "lastTransitionTime": None}


async def test_v213_eviction_moves_the_guest(cluster):
    """V-213: the pod stays, the instance is marked to leave its node."""
    await cluster.vmi(evictionStrategy="LiveMigrate", status={"nodeName": "n1", "conditions": [MIGRATABLE]})
    await pod_of(cluster)
    verdict = await evict(cluster)
    text = 'Eviction triggered evacuation of VMI "default/x"'
    assert not verdict["allowed"]
    assert (verdict["status"]["code"], verdict["status"]["message"]) == (429, text)
    assert (await cluster.get(VIRTUAL_MACHINE_INSTANCES))["status"]["evacuationNodeName"] == "n1"
    assert (await evict(cluster))["status"]["message"] == f"Evacuation in progress: {text}"


async def test_v214_eviction_without_strategy(cluster):
    """V-214: instances without an eviction strategy go with their pod."""
    await cluster.vmi(status={"nodeName": "n1"})
    await pod_of(cluster)
    assert (await evict(cluster))["allowed"]


async def test_eviction_of_what_cannot_move(cluster):
    """An instance that should migrate but cannot blocks the eviction."""
    await cluster.vmi(evictionStrategy="LiveMigrate", status={"nodeName": "n1"})
    await pod_of(cluster)
    status = (await evict(cluster))["status"]
    text = "VMI x is configured with an eviction strategy but is not live-migratable"
    assert (status["code"], status["message"]) == (429, text)


async def test_eviction_of_other_pods(cluster):
    """Other pods are not KubeVirt's business."""
    await pod_of(cluster, "web-1")
    assert (await evict(cluster, "web-1"))["allowed"]


def test_what_is_named_is_on():
    """Features and timers that are named are on unless they are said to be off; Hyper-V's bring what they need."""
    features = {
        "apic": {},
        "smm": {"enabled": False},
        "kvm": {"hidden": True},
        "hyperv": {"spinlocks": {}, "vendorid": {"vendorid": "a"}, "synictimer": {"direct": {}}, "evmcs": {}},
    }
    timer = {"hpet": {"present": False}, "pit": {"tickPolicy": "delay"}}
    domain = defaulted(spec_of({"features": features, "clock": {"utc": {}, "timer": timer}}))["domain"]
    on = {"enabled": True}
    assert domain["features"] == {
        "acpi": on,
        "apic": on,
        "smm": {"enabled": False},
        "kvm": {"hidden": True},
        "hyperv": {
            "spinlocks": {**on, "spinlocks": 4096},
            "vendorid": {**on, "vendorid": "a"},
            "synictimer": {**on, "direct": on},
            **dict.fromkeys(("evmcs", "vapic", "synic", "vpindex"), on),
        },
    }
    assert domain["cpu"]["features"] == [{"name": "vmx", "policy": "require"}]
    assert domain["clock"]["timer"] == {
        "hpet": {"present": False},
        "pit": {"present": True, "tickPolicy": "delay"},
    }


def test_watchdogs():
    """A watchdog is the architecture's, and resets the guest unless it is to do something else."""
    given = {"devices": {"watchdog": {"name": "a"}}}
    assert defaulted(spec_of(given))["domain"]["devices"]["watchdog"]["i6300esb"] == {"action": "reset"}
    other = {"devices": {"watchdog": {"name": "a", "i6300esb": {"action": "poweroff"}}}}
    assert defaulted(spec_of(other))["domain"]["devices"]["watchdog"]["i6300esb"] == {"action": "poweroff"}
