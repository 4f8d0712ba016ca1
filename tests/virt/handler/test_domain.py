"""What a running guest looks like, and what its fate says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.virt import multus, tsc
from fakekube.virt.handler import domain, fates, labeller, migratability, migration
from fakekube.virt.handler.fates import Fate

BRIDGE = {"name": "default", "bridge": {}}
MASQUERADE = {"name": "default", "masquerade": {}}
DISK = {"name": "root", "containerDisk": {"image": "registry.example/cirros:devel"}}
CLAIM = {"name": "root", "persistentVolumeClaim": {"claimName": "disk"}}
NETWORK_TEXT = (
    "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network"
)
DISK_TEXT = (
    "cannot migrate VMI: PVC disk is not shared, live migration requires that all PVCs must be shared "
    "(using ReadWriteMany access mode)"
)


def vmi(interface=MASQUERADE, volume=DISK, *, modes=("ReadWriteOnce",), annotations=None):
    devices = {"interfaces": [interface], "disks": [{"name": "root", "disk": {"bus": "virtio"}}]}
    entry = {"name": "root", "target": ""}
    if "persistentVolumeClaim" in volume:
        entry["persistentVolumeClaimInfo"] = {"accessModes": list(modes)}
    return {
        "metadata": {"name": "vm", "namespace": "ns", "annotations": annotations or {}},
        "spec": {
            "domain": {"devices": devices},
            "networks": [{"name": "default", "pod": {}}],
            "volumes": [volume],
        },
        "status": {"volumeStatus": [entry]},
    }


def told(instance):
    return [
        (one["type"], one["status"], one.get("reason"), one.get("message"))
        for one in migratability.conditions(instance)
    ]


def test_bridge():
    """V-121: the default network keeps a guest where it is; the method is told all the same."""
    storage = f"InterfaceNotLiveMigratable: {NETWORK_TEXT}"
    assert told(vmi(BRIDGE)) == [
        ("LiveMigratable", "False", "InterfaceNotLiveMigratable", NETWORK_TEXT),
        ("StorageLiveMigratable", "False", "NotMigratable", storage),
    ]
    assert migratability.method(vmi(BRIDGE)) == "BlockMigration"


def test_masquerade():
    """V-122: masquerade and a containerDisk move, by copying the blocks."""
    assert told(vmi()) == [
        ("LiveMigratable", "True", None, None),
        ("StorageLiveMigratable", "True", None, None),
    ]
    assert migratability.method(vmi()) == "BlockMigration"


def test_claim_not_shared():
    """V-123: a ReadWriteOnce claim keeps the guest, and is named."""
    assert told(vmi(volume=CLAIM))[0] == ("LiveMigratable", "False", "DisksNotLiveMigratable", DISK_TEXT)
    shared = vmi(volume=CLAIM, modes=["ReadWriteMany"])
    assert (told(shared)[0][1], migratability.method(shared)) == ("True", "LiveMigration")


def test_claims_on_their_way():
    """What a migration copies to another claim keeps the guest nowhere, and is copied."""
    moving = vmi(volume=CLAIM)
    moving["status"]["migratedVolumes"] = [{"volumeName": CLAIM["name"]}]
    assert (told(moving)[0][1], migratability.method(moving)) == ("True", "BlockMigration")
    moving = vmi(volume=CLAIM, modes=["ReadWriteMany"])
    moving["status"]["migratedVolumes"] = [{"volumeName": CLAIM["name"]}]
    assert migratability.method(moving) == "BlockMigration"


@pytest.mark.parametrize(
    ("disk", "method"),
    [
        ({"cdrom": {}}, "LiveMigration"),
        ({"cdrom": {"readonly": False}}, "BlockMigration"),
        ({"disk": {"readonly": True}}, "BlockMigration"),
    ],
)
def test_disks_nobody_writes_to(disk, method):
    """Only CD-ROMs are there again without being copied."""
    found = vmi(volume={"name": "d", "containerDisk": {"image": "i"}})
    found["spec"]["domain"]["devices"]["disks"] = [{"name": "d", **disk}]
    assert migratability.method(found) == method


@pytest.mark.parametrize("shared", [True, False])
def test_files_of_the_host(shared):
    found = vmi(volume={"name": "d", "hostDisk": {"path": "/data/d.img", "shared": shared}})
    says = told(found)[0]
    if shared:
        assert (says[1], migratability.method(found)) == ("True", "LiveMigration")
    else:
        text = "cannot migrate VMI with non-shared HostDisk"
        assert says == ("LiveMigratable", "False", "DisksNotLiveMigratable", text)
        assert migratability.method(found) == "BlockMigration"


def test_network_first():
    """V-124: of network and disk the network is told."""
    assert told(vmi(BRIDGE, CLAIM))[0][2] == "InterfaceNotLiveMigratable"


@pytest.mark.parametrize(
    ("domain_", "reason", "message"),
    [
        ({"devices": {"gpus": [{"name": "a"}]}}, "HostDevice", "VMI uses a PCI host devices"),
        ({"launchSecurity": {"snp": {}}}, "SEV", "VMI uses SEV"),
        ({"launchSecurity": {"tdx": {}}}, "TDX", "VMI uses TDX"),
        (
            {"devices": {"disks": [{"name": "a", "lun": {"reservation": True}}]}},
            "PersistentReservation",
            "VMI uses SCSI persistent reservation",
        ),
        (
            {"features": {"hyperv": {"reenlightenment": {"enabled": True}}}},
            "NoTSCFrequency",
            tsc.NOT_MIGRATABLE,
        ),
        (
            {"features": {"hypervPassthrough": {"enabled": True}}},
            "HypervPassthrough",
            "VMI uses hyperv passthrough",
        ),
    ],
)
def test_bound_to_the_host(domain_, reason, message):
    """What a guest has of its host keeps it, and its disks, there."""
    instance = vmi()
    instance["spec"]["domain"] |= domain_
    reason += "NotLiveMigratable"
    assert told(instance) == [
        ("LiveMigratable", "False", reason, message),
        ("StorageLiveMigratable", "False", "NotMigratable", f"{reason}: {message}"),
    ]


def test_secure_execution():
    """A guest whose memory its host cannot read stays with that host."""
    instance = vmi()
    instance["spec"] |= {"architecture": "s390x"}
    instance["spec"]["domain"]["launchSecurity"] = {}
    assert told(instance)[0][2:] == ("SecureExecutionNotLiveMigratable", "VMI uses Secure Execution")


def test_allowed_bridge():
    """V-125: an annotation lets a bridge move."""
    allowed = vmi(BRIDGE, annotations={"kubevirt.io/allow-pod-bridge-network-live-migration": ""})
    assert told(allowed)[0][1] == "True"


@pytest.mark.parametrize(("kind", "moves"), [("registered", "True"), ("other", "False")])
def test_bindings(kind, moves):
    """A binding plugin keeps its guest where it is unless it is registered as one that bears migrations."""
    bound = vmi({"name": "default", "binding": {"name": kind}})
    (live, _) = migratability.conditions(bound, lambda plugin: plugin == "registered")
    assert live["status"] == moves
    assert live.get("message", NETWORK_TEXT) == NETWORK_TEXT


def test_mac_address():
    """The same guest keeps its address over restarts; a given one is used."""
    assert domain.mac_address(vmi(), MASQUERADE) == domain.mac_address(vmi(), MASQUERADE)
    assert (
        domain.mac_address(vmi(), {"name": "default", "macAddress": "02:aa:bb:cc:dd:ee"})
        == "02:aa:bb:cc:dd:ee"
    )


LAUNCHER = {
    "metadata": {
        "annotations": {
            "k8s.v1.cni.cncf.io/network-status": '[{"name":"ns/skynet","interface":"pod8367cd66fdd"}]'
        }
    },
    "status": {"podIPs": [{"ip": "10.244.0.7"}]},
}


def on_a_card(**given):
    made = vmi()
    made["spec"]["domain"]["devices"]["interfaces"] = [MASQUERADE, {"name": "card", "sriov": {}, **given}]
    made["spec"]["networks"].append({"name": "card", "multus": {"networkName": "skynet"}})
    return made


def test_a_card_passed_through():
    """A card of the host has neither queues nor a link that KubeVirt knows of; its address is told if the spec gives one."""
    made = on_a_card(macAddress="DE-AD-00-00-BE-EF")
    own = multus.pod_interface("card")
    assert domain.interfaces(made, LAUNCHER, agent=False)[1] == {
        "name": "card",
        "mac": "de:ad:00:00:be:ef",
        "podInterfaceName": own,
        "infoSource": "domain, multus-status",
    }
    assert domain.interfaces(made, LAUNCHER, agent=True)[1] == {
        "name": "card",
        "mac": "de:ad:00:00:be:ef",
        "podInterfaceName": own,
        "interfaceName": "eth1",
        "infoSource": "domain, guest-agent, multus-status",
    }


def test_a_card_without_an_address():
    """What the agent tells of a card whose address nobody knows belongs to no interface of the spec."""
    made = on_a_card()
    first, card, seen = domain.interfaces(made, LAUNCHER, agent=True)
    assert (first["name"], first["infoSource"]) == ("default", "domain, guest-agent")
    assert card["infoSource"] == "domain, multus-status"
    assert "mac" not in card
    assert {"mac", "infoSource", "interfaceName"} == set(seen)
    assert (seen["infoSource"], seen["interfaceName"]) == ("guest-agent", "eth1")
    made["status"]["interfaces"] = [first, card, seen]
    assert domain.rewired(made, LAUNCHER, agent=True) is None


@pytest.mark.parametrize(
    ("model", "several", "count"),
    [(None, True, 6), ("virtio", True, 6), ("e1000", True, 1), (None, False, 1)],
)
def test_queues(model, several, count):
    """Only virtio interfaces have several queues: one for each CPU, where that is asked for."""
    interface = {**MASQUERADE, "model": model} if model else MASQUERADE
    made = vmi(interface)
    made["spec"]["domain"]["cpu"] = {"sockets": 3, "cores": 2}
    made["spec"]["domain"]["devices"]["networkInterfaceMultiqueue"] = several
    (told_of,) = domain.interfaces(made, LAUNCHER, agent=False)
    assert told_of["queueCount"] == count


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("", Fate()),
        ("crash-after=5s", Fate(crash_after=5.0)),
        ("boot-after=1m, no-agent", Fate(boot_after=60.0, no_agent=True)),
        ("fail-to-boot=2", Fate(failed_boots=2)),
        ("fail-to-boot", Fate(failed_boots=fates.ALWAYS)),
        ("shutdown-after=250ms", Fate(shutdown_after=0.25)),
        ("migration-takes=2h,fail-migration", Fate(migration_takes=7200.0, fail_migration=True)),
        ("nonsense, crash-after=soon, ignore-shutdown", Fate(ignore_shutdown=True)),
    ],
)
def test_fates(text, fate):
    """A fate is read word by word; words nobody knows change nothing."""
    assert fates.read(text) == fate


@given(st.text(max_size=40))
def test_any_text_is_a_fate(text):
    """Annotations are written by hand: no text whatever stops a node."""
    assert isinstance(fates.read(text), Fate)


def moving(**state):
    labels = {"kubevirt.io/nodeName": "a", "kubevirt.io/migrationTargetNodeName": "b"}
    state = {"migrationUid": "m", "sourcePod": "p1", "targetPod": "p2", "targetNode": "b", **state}
    return {"metadata": {"labels": labels}, "status": {"nodeName": "a", "migrationState": state}}


def walk(vmi_object, **more):
    """The names of all steps until nothing is left to do, and the VMI then."""
    names, options = [], {"address": "10.0.0.2", "fails": False, **more}
    while (step := migration.next_step(vmi_object, "2026-01-01T00:00:00Z", **options)) is not None:
        names.append(step.name)
        vmi_object = step.vmi
    return names, vmi_object


def test_steps_of_a_migration():
    """The five writes of a migration, in their order."""
    names, after = walk(moving())
    assert names == ["prepare", "start", "arrive", "complete", "clean"]
    assert after["status"]["nodeName"] == "b"
    assert after["metadata"]["labels"] == {"kubevirt.io/nodeName": "b"}


def test_what_a_moved_guest_costs():
    """A guest that has come is reckoned with what its new launcher takes, not with what it left."""
    grown = moving(targetMemoryOverhead="512Mi")
    grown["status"]["memory"] = {"guestCurrent": "1Gi", "memoryOverhead": "256Mi"}
    _, after = walk(grown)
    assert after["status"]["memory"] == {"guestCurrent": "1Gi", "memoryOverhead": "512Mi"}
    _, failed = walk(grown, fails=True)
    assert failed["status"]["memory"]["memoryOverhead"] == "256Mi"


@pytest.mark.parametrize(
    ("cpu", "told"),
    [
        ({"cores": 2, "sockets": 2}, None),
        ({"cores": 2, "sockets": 2, "dedicatedCpuPlacement": True}, [0, 1, 2, 3]),
        ({"cores": 2, "dedicatedCpuPlacement": True, "isolateEmulatorThread": True}, [0, 1, 2]),
    ],
)
def test_cpus_at_the_target(cpu, told):
    """A guest that has CPUs for itself is told which at the target."""
    (name, *_), after = walk({**moving(), "spec": {"domain": {"cpu": cpu}}})
    assert (name, after["status"]["migrationState"].get("targetCPUSet")) == ("prepare", told)


def test_steps_of_a_failure():
    """A failing migration stops at the copying; the label goes, the node stays."""
    names, after = walk(moving(), fails=True)
    assert names == ["prepare", "start", "fail", "clean"]
    assert (after["status"]["nodeName"], after["status"]["migrationState"]["failed"]) == ("a", True)


def test_steps_of_an_abort():
    """An abort that is asked for is the next thing done."""
    names, after = walk(moving(abortRequested=True, targetNodeAddress="x"))
    assert names == ["fail", "clean"]
    assert after["status"]["migrationState"]["abortStatus"] == "Succeeded"


def test_node_labels():
    """Labels somebody set are left alone, but a silenced node becomes schedulable again."""
    assert labeller.missing({"metadata": {"labels": dict(labeller.CAPABILITIES)}}, {}) == {}
    own = {**labeller.CAPABILITIES, "cpumanager": "false", "kubevirt.io/schedulable": "false"}
    assert labeller.missing({"metadata": {"labels": own}}, {}) == {"kubevirt.io/schedulable": "true"}


def running(modes, told, **state):
    """An instance on a claim of these access modes that has been told to be so migratable."""
    made = vmi(volume=CLAIM, modes=modes)
    status = made.setdefault("status", {})
    status["conditions"] = [
        {"type": "Ready", "status": "True"},
        *migratability.conditions(vmi(volume=CLAIM, modes=told)),
    ]
    return {**made, "status": {**status, **state}}


def test_reconsidered():
    """A guest whose claims are others is told anew whether it can move, but not while it moves."""
    once, many = ["ReadWriteOnce"], ["ReadWriteMany"]
    assert migratability.reconsidered(running(once, once)) is None
    now = migratability.reconsidered(running(many, once))
    assert [(one["type"], one["status"]) for one in now["conditions"]] == [
        ("Ready", "True"),
        ("LiveMigratable", "True"),
        ("StorageLiveMigratable", "True"),
    ]
    assert now["migrationMethod"] == "LiveMigration"
    assert migratability.reconsidered(running(once, many))["conditions"][1]["message"] == DISK_TEXT
    assert migratability.reconsidered(running(many, once, migrationState={"migrationUid": "u"})) is None
    assert migratability.reconsidered(running(many, once, migrationState={"completed": True})) is not None
    unknown = running(many, once)
    unknown["status"]["volumeStatus"] = []
    assert migratability.reconsidered(unknown) is None
    assert migratability.reconsidered(vmi()) is None
