"""Machines through both webhooks: what is filled in, what is refused and in which words."""

from uuid import UUID

import pytest

from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, Invalid
from fakekube.machinery.resources import (
    DATA_SOURCES,
    KUBEVIRTS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.virt.api import instance_spec, machine_rules, resources
from fakekube.virt.api.in_order import InOrder
from fakekube.virt.api.inference import Inference
from fakekube.virt.causes import Cause
from fakekube.virt.config import ClusterConfig
from fakekube.virt.instancetypes.kinds import CLUSTER_PREFERENCES

NS = "default"
DENIED = 'admission webhook "virtualmachine-validator.kubevirt.io" denied the request: '
CONFIG = ClusterConfig("amd64")


def template(domain=None, **spec):
    return {"spec": {"domain": {"devices": {}, "memory": {"guest": "1Gi"}, **(domain or {})}, **spec}}


def machine(name="x", **spec):
    body = {"runStrategy": "Halted", "template": template(), **spec}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": NS},
        "spec": {key: value for key, value in body.items() if value is not None},
    }


def causes(**spec):
    return machine_rules.validate(machine(**spec), None, CONFIG)


def messages(**spec):
    return [cause.message for cause in causes(**spec)]


async def refused(cluster, **spec):
    with pytest.raises(Invalid) as caught:
        await cluster.client.create(VIRTUAL_MACHINES, machine(**spec))
    return caught.value


def test_what_is_gone_in_machines_that_are_there():
    """An old machine may be written with it, which does not let in a new one that is alike."""
    both = {"name": "n", "masquerade": {}, "macvtap": {}}
    given = template({"devices": {"interfaces": [both]}}, networks=[{"name": "n", "pod": {}}])
    vm, known = machine(template=given), InOrder()
    assert machine_rules.validate(vm, vm, CONFIG, known=known) == []
    (found,) = machine_rules.validate(vm, None, CONFIG, known=known)
    assert found.message == "Macvtap network binding has been discontinued since v1.3"


async def test_v021_identity(cluster):
    """V-021: a new machine gets a UUID and a serial number, and they differ."""
    firmware = (await cluster.vm())["spec"]["template"]["spec"]["domain"]["firmware"]
    assert [str(UUID(firmware[one])) for one in ("uuid", "serial")] == [firmware["uuid"], firmware["serial"]]
    assert firmware["uuid"] != firmware["serial"]


async def test_v022_identity_stays(cluster):
    """V-022: updates neither change the identity nor bring it back."""
    made = await cluster.vm()
    made["metadata"]["labels"] = {"a": "b"}
    same = await cluster.client.update(VIRTUAL_MACHINES, made)
    path = ("spec", "template", "spec", "domain", "firmware")
    assert _at(same, path) == _at(made, path)
    del same["spec"]["template"]["spec"]["domain"]["firmware"]
    again = await cluster.client.update(VIRTUAL_MACHINES, same)
    assert "firmware" not in again["spec"]["template"]["spec"]["domain"]


def _at(obj, path):
    for step in path:
        obj = obj[step]
    return obj


async def test_v023_v024_v025_platform(cluster):
    """V-023, V-024, V-025: architecture, chipset and the topology mark."""
    made = await cluster.vm()
    assert made["spec"]["template"]["spec"]["architecture"] == "amd64"
    assert made["spec"]["template"]["spec"]["domain"]["machine"] == {"type": "q35"}
    annotations = made["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"kubevirt.io/pci-topology-version": "v3"}
    assert made["spec"]["template"]["spec"].keys() == {"architecture", "domain"}


async def test_v023_the_default_is_the_clusters(cluster):
    """V-023: the architecture nobody named is the one KubeVirt tells in its status, and so is the chipset that goes with it."""
    obj = await cluster.client.get(KUBEVIRTS, "kubevirt", "kubevirt")
    status = {**obj["status"], "defaultArchitecture": "arm64"}
    await cluster.client.update(KUBEVIRTS, {**obj, "status": status}, subresource="status")
    spec = (await cluster.vm())["spec"]["template"]["spec"]
    assert (spec["architecture"], spec["domain"]["machine"]) == ("arm64", {"type": "virt"})


async def test_v026_v039_no_run_strategy(cluster):
    """V-026, V-039: a machine says how it runs; the refusal names webhook and field."""
    error = await refused(cluster, runStrategy=None)
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == DENIED + "RunStrategy must be specified"
    assert [cause["field"] for cause in error.details["causes"]] == ["spec.running"]


VOLUME = {"name": "v", "containerDisk": {"image": "i"}}
AT = "spec.template.spec"


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        ({"running": True}, "spec.running", "Running and RunStrategy are mutually exclusive."),  # V-027
        ({"runStrategy": "Sometimes"}, "spec.runStrategy", "Invalid RunStrategy (Sometimes)"),  # V-028
        (
            {"template": template({"devices": {"disks": [{"name": "d"}]}})},  # V-030
            f"{AT}.domain.devices.disks[0].name",
            f"{AT}.domain.devices.disks[0].Name 'd' not found.",
        ),
        (
            {
                "template": template({"devices": {"disks": [{"name": "v"}]}}, volumes=[VOLUME, VOLUME])
            },  # V-033
            f"{AT}.volumes[1].name",
            f"{AT}.volumes[1] and {AT}.volumes[0] must not have the same Name.",
        ),
        (
            {
                "dataVolumeTemplates": [
                    {"metadata": {"name": "d"}, "spec": {"storage": {}, "source": {"blank": {}}}}
                ]
            },  # V-034
            "spec.dataVolumeTemplate[0]",
            "DataVolumeTemplate entry spec.dataVolumeTemplate[0] must be referenced in the VMI template's",
        ),
        (
            {
                "template": template(volumes=[{"name": "v", "cloudInitNoCloud": {"userData": "x" * 2049}}])
            },  # V-035
            f"{AT}.volumes[0].cloudInitNoCloud",
            f"{AT}.volumes[0].cloudInitNoCloud userdata exceeds 2048 byte limit.",
        ),
        (
            {"template": template({"resources": {"requests": {"memory": "512Ki"}}})},  # V-036
            f"{AT}.domain.resources.requests.memory",
            f"{AT}.domain.resources.requests.memory '512Ki': must be greater than or equal to 1M.",
        ),
        (
            {"template": template({"machine": {"type": "pc"}})},  # V-037
            f"{AT}.domain.machine.type",
            f"{AT}.domain.machine.type is not supported: pc (allowed values: [q35* pc-q35*])",
        ),
    ],
)
async def test_v039_refusals_are_answered_alike(cluster, spec, field, text):
    """V-039: whatever is wrong with a machine, the answer is 422 Invalid in the webhook's name, cause and field with it."""
    error = await refused(cluster, **spec)
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message.startswith(DENIED + text)
    causes = error.details["causes"]
    assert (causes[0]["field"], causes[0]["message"].startswith(text)) == (field, True)
    assert all(one["field"] and one["reason"] for one in causes)
    assert not (await cluster.client.list(VIRTUAL_MACHINES, NS)).items


def test_v027_both_run_fields():
    """V-027: one of the two fields, not both."""
    (cause,) = causes(running=True)
    assert cause.message.startswith("Running and RunStrategy are mutually exclusive. Note that Running is")
    assert cause.field == "spec.running"


def test_v028_unknown_run_strategy():
    """V-028: run strategies have names."""
    (cause,) = causes(runStrategy="Sometimes")
    assert (cause.message, cause.field) == ("Invalid RunStrategy (Sometimes)", "spec.runStrategy")


async def test_v029_running_is_deprecated(cluster):
    """V-029: the old field is accepted with a warning."""
    answer = await cluster.client.request(
        "POST", VIRTUAL_MACHINES.path(NS), body=machine(running=True, runStrategy=None)
    )
    warnings = [value for key, value in answer.headers if key.lower() == "warning"]
    assert answer.status == 201
    assert any(
        "spec.running is deprecated, please use spec.runStrategy instead." in text for text in warnings
    )


def test_v030_disk_without_volume():
    """V-030: a disk needs a volume; the message has a capital N, the field has not."""
    (cause,) = causes(template=template({"devices": {"disks": [{"name": "d"}]}}))
    path = "spec.template.spec.domain.devices.disks[0]"
    assert cause == (f"{path}.Name 'd' not found.", f"{path}.name", "FieldValueInvalid")


async def test_v031_volume_without_disk(cluster):
    """V-031: a volume may lack a disk; the stored template stays as it is."""
    volumes = [{"name": "v", "containerDisk": {"image": "i"}}]
    made = await cluster.vm(template=template(volumes=volumes))
    assert "disks" not in made["spec"]["template"]["spec"]["domain"]["devices"]
    assert made["spec"]["template"]["spec"]["volumes"] == volumes


async def test_v032_no_memory(cluster):
    """V-032: a machine without memory is accepted; its instance is not."""
    spec = {"domain": {"devices": {}}}
    await cluster.vm(runStrategy="Always", template={"spec": spec})
    obj = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    meta = {"name": "x", "namespace": NS}
    with pytest.raises(Invalid) as caught:
        await cluster.client.create(VIRTUAL_MACHINE_INSTANCES, {**obj, "metadata": meta})
    assert (
        "no memory requested, at least one of 'spec.domain.memory.guest', "
        "'spec.domain.memory.hugepages.pageSize' or 'spec.domain.resources.requests.memory' must be set"
    ) in caught.value.message


def test_v033_volumes_of_one_name():
    """V-033: names of volumes are unique."""
    volume = {"name": "v", "containerDisk": {"image": "i"}}
    found = messages(template=template(volumes=[volume, copy_of(volume)]))
    text = "spec.template.spec.volumes[1] and spec.template.spec.volumes[0] must not have the same Name."
    assert text in found


def test_v034_unused_data_volume_template():
    """V-034: a DataVolume is made to be used."""
    spec = {"storage": {}, "source": {"blank": {}}}
    (cause,) = causes(dataVolumeTemplates=[{"metadata": {"name": "d"}, "spec": spec}])
    assert cause.field == "spec.dataVolumeTemplate[0]"
    assert cause.message == (
        "DataVolumeTemplate entry spec.dataVolumeTemplate[0] must be referenced in the VMI template's 'volumes' list"
    )


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, "Missing Data volume PVC or Storage"),
        (
            {"pvc": {}, "storage": {}},
            "Duplicate storage definition, both target storage and target pvc defined",
        ),
        ({"pvc": {}}, "Data volume should have either Source, SourceRef, or be externally populated"),
        ({"pvc": {}, "source": {}}, "Missing dataVolume valid source"),
        ({"pvc": {}, "source": {"blank": {}, "upload": {}}}, "Multiple dataVolume sources"),
    ],
)
def test_data_volume_templates_are_complete(spec, text):
    """Each DataVolume template has one storage and one source."""
    assert messages(dataVolumeTemplates=[{"metadata": {"name": "d"}, "spec": spec}]) == [text]


def test_v035_large_user_data():
    """V-035: cloud-init data in a manifest is limited."""
    volume = {"name": "v", "cloudInitNoCloud": {"userData": "x" * 2049}}
    assert messages(template=template(volumes=[volume])) == [
        (
            "spec.template.spec.volumes[0].cloudInitNoCloud userdata exceeds 2048 byte limit. "
            "Should use UserDataSecretRef for larger data."
        )
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({}, " must have at least one userdatasource or one networkdatasource set."),
        ({"userData": "a", "secretRef": {"name": "s"}}, " must have only one userdatasource set."),
        (
            {"userDataBase64": "?"},
            ".userDataBase64.cloudInitNoCloud.userDataBase64 is not a valid base64 value.",
        ),
    ],
)
def test_cloud_init_data_has_one_source(data, text):
    """User data comes from exactly one place."""
    volume = {"name": "v", "cloudInitNoCloud": data}
    assert messages(template=template(volumes=[volume])) == [
        f"spec.template.spec.volumes[0].cloudInitNoCloud{text}"
    ]


def test_v036_little_memory():
    """V-036: less than a megabyte is a mistake."""
    resources = {"requests": {"memory": "512Ki"}}
    assert messages(template=template({"resources": resources})) == [
        "spec.template.spec.domain.resources.requests.memory '512Ki': must be greater than or equal to 1M."
    ]


def test_v037_unknown_machine_type():
    """V-037: chipsets are chosen from a list of patterns."""
    assert messages(template=template({"machine": {"type": "pc"}})) == [
        "spec.template.spec.domain.machine.type is not supported: pc (allowed values: [q35* pc-q35*])"
    ]


async def test_v038_many_causes(cluster):
    """V-038: ten causes are told, the others counted."""
    disks = [{"name": f"d{index}"} for index in range(12)]
    error = await refused(cluster, template=template({"devices": {"disks": disks}}))
    assert error.message.endswith("disks[9].Name 'd9' not found., and 2 more validation errors")
    assert len(error.details["causes"]) == 10


async def test_v040_receiver_needs_a_gate(cluster):
    """V-040: waiting for a migration needs its feature gate."""
    gates = {"disabledFeatureGates": ["DecentralizedLiveMigration"]}
    await cluster.configure(developerConfiguration=gates)
    error = await refused(cluster, runStrategy="WaitAsReceiver")
    assert "DecentralizedLiveMigration feature gate is not enabled in kubevirt resource" in error.message


async def test_v041_unknown_instancetype(cluster):
    """V-041: a size that does not exist yet is no reason to refuse."""
    made = await cluster.vm(instancetype={"name": "none"})
    assert made["spec"]["instancetype"] == {"name": "none"}


def test_v042_instancetype_conflict():
    """V-042: what the size decides, the template does not."""
    vm = machine(instancetype={"name": "s"}, template=template({"cpu": {"cores": 2}}))
    size = {"cpu": {"guest": 1}, "memory": {"guest": "1Gi"}}
    found = machine_rules.validate(vm, None, CONFIG, size=size)
    assert [cause.message for cause in found] == [
        "VM field(s) spec.template.spec.domain.cpu.cores conflicts with selected instance type",
        "VM field(s) spec.template.spec.domain.memory.guest conflicts with selected instance type",
    ]


RATIO = "Spec.PreferSpreadSocketToCoreRatio or Spec.CPU.PreferSpreadOptions.Ratio"


@pytest.mark.parametrize("topology", ["spread", "preferSpread"])
@pytest.mark.parametrize(
    ("guest", "preference", "by"),
    [
        (3, {}, f"the {RATIO} of 2 provided by the preference"),
        (2, {"preferSpreadSocketToCoreRatio": 3}, f"the {RATIO} of 3 provided by the preference"),
        (4, {"preferSpreadSocketToCoreRatio": 3}, f"the {RATIO} of 3 provided by the preference"),
        (4, {"cpu": {"spreadOptions": {"ratio": 3}}}, f"the {RATIO} of 3 provided by the preference"),
        (3, {"cpu": {"spreadOptions": {"across": "CoresThreads"}}}, "the number of threads per core 2"),
        (5, {"cpu": {"spreadOptions": {"across": "CoresThreads"}}}, "the number of threads per core 2"),
        (
            5,
            {"cpu": {"spreadOptions": {"across": "SocketsCoresThreads"}}},
            f"the number of threads per core 2 and {RATIO} of 2",
        ),
        (
            6,
            {"cpu": {"spreadOptions": {"across": "SocketsCoresThreads", "ratio": 4}}},
            f"the number of threads per core 2 and {RATIO} of 4",
        ),
        (4, {}, None),
        (6, {"preferSpreadSocketToCoreRatio": 3}, None),
        (6, {"cpu": {"spreadOptions": {"across": "CoresThreads"}}}, None),
        (8, {"cpu": {"spreadOptions": {"across": "SocketsCoresThreads"}}}, None),
    ],
)
def test_cpus_that_cannot_be_spread(topology, guest, preference, by):
    """An instancetype's CPUs divide as the preference spreads them, or the machine is refused."""
    wanted = {**preference, "cpu": {**preference.get("cpu", {}), "preferredCPUTopology": topology}}
    size = {"cpu": {"guest": guest}, "memory": {"guest": "1Gi"}}
    vm = machine(instancetype={"name": "s"}, preference={"name": "p"}, template=template({"memory": None}))
    del vm["spec"]["template"]["spec"]["domain"]["memory"]
    found = machine_rules.validate(vm, None, CONFIG, size=size, preference=wanted)
    text = f"{guest} vCPUs provided by the instance type are not divisible by {by}"
    assert found == ([Cause(text, "instancetype.spec.cpu.guest")] if by else [])
    assert machine_rules.validate(vm, None, CONFIG, preference=wanted) == []


@pytest.mark.parametrize(
    ("constraint", "found"),
    [
        (
            {"topologyKey": "hostname=host1"},
            'topologySpreadConstraints[0].topologyKey: Invalid value: "hostname=host1": name part must consist of',
        ),
        ({"topologyKey": ""}, "topologySpreadConstraints[0].topologyKey: Required value: can not be empty"),
        (
            {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
            (
                "topologySpreadConstraints.labelSelector.matchExpressions[0].values: Required value: "
                "must be specified when `operator` is 'In' or 'NotIn'"
            ),
        ),
        ({}, None),
    ],
)
def test_spreading(constraint, found):
    """Where guests are spread over is a label's name, and which guests, a selector that says what it compares with."""
    one = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", **constraint}
    said = messages(template=template(topologySpreadConstraints=[one]))
    assert [text[: len("spec.template.spec.") + len(found or "")] for text in said] == (
        [f"spec.template.spec.{found}"] if found else []
    )


@pytest.mark.parametrize("own", ["", "arm64", "amd64"])
@pytest.mark.parametrize("default", ["arm64", "amd64"])
def test_threads_on_arm(own, default):
    """CPUs of its own have no threads on Arm, be it the guest's architecture or, where it has none, the cluster's."""
    cpu = {"cores": 1, "threads": 2, "dedicatedCpuPlacement": True}
    spec = {"domain": {"devices": {}, "cpu": cpu}, **({"architecture": own} if own else {})}
    found = [cause.field for cause in resources.cpu_pinning("spec", spec, default_architecture=default)]
    assert ("spec.architecture" in found) == ((own or default) == "arm64")


@pytest.mark.parametrize(
    ("devices", "inside", "said"),
    [
        ({"filesystems": [{"name": "v", "virtiofs": {}}]}, "/var/run/secrets", []),
        (
            {"disks": [{"name": "v"}]},
            "/data",
            ["must be mapped to a filesystem, not a disk", "must have a matching filesystem"],
        ),
        ({}, "/data", ["not found.", "must have a matching filesystem"]),
        *(
            ({"filesystems": [{"name": "v", "virtiofs": {}}]}, inside, [f"reserved path prefix {prefix}"])
            for inside, prefix in (
                ("/var/run/kubevirt/a", "/var/run/kubevirt"),
                ("/var/run/kubevirt-private", "/var/run/kubevirt"),
                ("/var/run/libvirt", "/var/run/libvirt"),
            )
        ),
    ],
)
def test_container_paths(devices, inside, said):
    """What is shared from the launcher is a file system, and not a directory the launcher needs itself."""
    memory = {"guest": "1Gi"}
    spec = {
        "domain": {"devices": devices, "memory": memory},
        "volumes": [{"name": "v", "containerPath": {"path": inside}}],
    }
    found = [cause.message for cause in instance_spec.validate_instance("spec", spec)]
    assert len(found) == len(said)
    assert all(part in text for part, text in zip(said, found, strict=True))


def test_matchers_are_named_or_inferred():
    """An instancetype has a name or a volume to infer it from."""
    assert messages(preference={}) == [
        "Either Name or InferFromVolume should be provided within the PreferenceMatcher"
    ]
    assert messages(instancetype={"name": "a", "inferFromVolume": "v"}) == [
        "Name already set, should be cleared before setting inferFromVolume"
    ]


def test_preference_requirements():
    """A preference may demand more than the machine has."""
    vm = machine(preference={"name": "p"})
    needs = {"requirements": {"memory": {"guest": "2Gi"}}}
    (cause,) = machine_rules.validate(vm, None, CONFIG, preference=needs)
    assert cause.message.startswith("failure checking preference requirements: insufficient Memory resources")


def test_v233_run_state_during_snapshot():
    """V-233: while a snapshot is taken, neither run state nor disks change."""
    old = machine() | {"status": {"snapshotInProgress": "s"}}
    (cause,) = machine_rules.validate(machine(runStrategy="Always"), old, CONFIG)
    assert cause.message == 'Cannot update vm running state until snapshot "s" completes'
    volumes = [{"name": "v", "containerDisk": {"image": "i"}}]
    (cause,) = machine_rules.validate(machine(template=template(volumes=volumes)), old, CONFIG)
    assert cause.message == 'Cannot update vm disks or volumes until snapshot "s" completes'


def test_run_strategy_during_restore():
    """While a restore is under way the machine stays stopped."""
    old = machine() | {"status": {"restoreInProgress": "r"}}
    (cause,) = machine_rules.validate(machine(runStrategy="Always"), old, CONFIG)
    assert cause.message == 'Cannot update VM runStrategy until restore "r" completes'


@pytest.mark.parametrize(
    ("domain", "spec", "text"),
    [
        ({"cpu": {"sockets": 5, "maxSockets": 4}}, {}, "Number of sockets in CPU topology is greater than"),
        (
            {"cpu": {"isolateEmulatorThread": True}},
            {},
            "IsolateEmulatorThread should be only set in combination",
        ),
        (
            {"firmware": {"bootloader": {"efi": {}}}},
            {},
            "spec.template.spec.domain has EFI SecureBoot enabled.",
        ),
        ({"ioThreadsPolicy": "none"}, {}, "Invalid IOThreadsPolicy (none)"),
        (
            {"devices": {"inputs": [{"name": "i", "type": "mouse"}]}},
            {},
            "Input device can have only tablet type.",
        ),
        (
            {"devices": {"hostDevices": [{"name": "h"}]}},
            {},
            "Host Devices feature gate is not enabled in kubevirt",
        ),
        (
            {},
            {"evictionStrategy": "Run"},
            "spec.template.spec.evictionStrategy is set with an unrecognized option",
        ),
        (
            {},
            {"startStrategy": "Slow"},
            "spec.template.spec.startStrategy is set with an unrecognized option: Slow",
        ),
        (
            {},
            {"hostname": "A_b"},
            "spec.template.spec.hostname does not conform to the kubernetes DNS_LABEL rules :",
        ),
        (
            {},
            {"hostname": "a" * 64},  # V-139
            "spec.template.spec.hostname does not conform to the kubernetes DNS_LABEL rules :",
        ),
        ({}, {"dnsPolicy": "None"}, "must provide `dnsConfig` when `dnsPolicy` is None"),
        ({}, {"networks": [{"name": "n", "pod": {}}]}, "spec.template.spec.networks[0].name 'n' not found."),
        (
            {},
            {"volumes": [{"name": "v"}]},
            "spec.template.spec.volumes[0] must have exactly one source type set",
        ),
        ({}, {"livenessProbe": {}}, "either spec.template.spec.livenessProbe.tcpSocket, "),
        (
            {"devices": {"interfaces": [{"name": "n", "bridge": {}}]}},
            {},
            "spec.template.spec.domain.devices.interfaces[0].name 'n' not found.",
        ),
        (
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
            {},
            (
                "spec.template.spec.domain.resources.requests.cpu '2' is greater than "
                "spec.template.spec.domain.resources.limits.cpu '1'"
            ),
        ),
        (
            {},
            {"volumes": [{"name": "v", "hostDisk": {"path": "/d", "type": "Disk"}}]},
            "HostDisk feature gate is not enabled",
        ),
        (
            {"devices": {"disks": [{"name": "v", "disk": {"bus": "ide"}}]}},
            {"volumes": [{"name": "v", "containerDisk": {"image": "i"}}]},
            "IDE bus is not supported",
        ),
        (
            {"devices": {"disks": [{"name": "v", "disk": {"bus": "isa"}}]}},
            {"volumes": [{"name": "v", "containerDisk": {"image": "i"}}]},
            (
                "spec.template.spec.domain.devices.disks[0] is set with an unrecognized bus isa, must be one of: "
                "[virtio scsi sata usb]"
            ),
        ),
    ],
)
def test_specs_are_refused_with_upstream_words(domain, spec, text):
    """The common mistakes, each with its message."""
    found = messages(template=template(domain, **spec))
    assert any(message.startswith(text) for message in found), found


@pytest.mark.parametrize(
    ("interface", "network", "text"),
    [
        ({"slirp": {}}, {"pod": {}}, "Slirp interface support has been discontinued since v1.3"),
        (
            {"masquerade": {}},
            {"multus": {"networkName": "m"}},
            "Masquerade interface only implemented with pod",
        ),
        ({}, {"pod": {}}, "logical n interface must have exactly one binding method or binding plugin"),
        (
            {"bridge": {}, "model": "ne1"},
            {"pod": {}},
            "interface spec.domain.devices.interfaces[0].name uses model ne1",
        ),
        (
            {"bridge": {}, "macAddress": "x"},
            {"pod": {}},
            "interface spec.domain.devices.interfaces[0].name has malformed",
        ),
        ({"bridge": {}, "ports": [{"port": 0}]}, {"pod": {}}, "Port field is mandatory."),
        ({"bridge": {}}, {"multus": {"networkName": ""}}, "CNI delegating plugin must have a networkName"),
        ({"bridge": {}}, {}, "should have a network type"),
    ],
)
def test_networks_are_refused_with_upstream_words(interface, network, text):
    """Interfaces and networks fit each other."""
    from fakekube.virt.api import workloads

    spec = template(
        {"devices": {"interfaces": [{"name": "n", **interface}]}}, networks=[{"name": "n", **network}]
    )
    spec["spec"]["architecture"] = "amd64"
    found = workloads.instance({"metadata": {}, "spec": spec["spec"]}, CONFIG, component=False)
    assert any(cause.message.startswith(text) for cause in found), found


def test_bridge_on_the_pod_network_can_be_forbidden():
    """The cluster may allow only masquerade on the pod network."""
    config = ClusterConfig("amd64", {"network": {"permitBridgeInterfaceOnPodNetwork": False}})
    bridge = {"devices": {"interfaces": [{"name": "default", "bridge": {}}]}}
    spec = template(bridge, networks=[{"name": "default", "pod": {}}])
    found = machine_rules.validate(machine(template=spec), None, config)
    assert [cause.message for cause in found] == [
        "Bridge on pod network configuration is not enabled under kubevirt-config"
    ]


@pytest.mark.parametrize(
    ("network", "text"),
    [
        ({"permitBridgeInterfaceOnPodNetwork": False}, "bridge interface is not enabled in kubevirt-config"),
        ({"defaultNetworkInterface": "slirp"}, "slirp interface is deprecated as of v1.3"),
    ],
)
async def test_no_network_by_default(cluster, network, text):
    """Who says nothing of networks is refused where the cluster's own binding is none, machines as well as instances."""
    await cluster.configure(network=network)
    for makes in (cluster.vm, cluster.vmi):
        with pytest.raises(BadRequest) as caught:
            await makes()
        assert (caught.value.code, caught.value.message.partition(": ")[2]) == (400, text)
    await cluster.vm(template=template({"devices": {"autoattachPodInterface": False}}))


async def test_what_is_made_no_more(cluster):
    """A machine with a discontinued binding is not made: its field is told as if the template's spec were the machine's."""
    given = template({"devices": {"interfaces": [{"name": "n", "slirp": {}}]}})
    given["spec"]["networks"] = [{"name": "n", "pod": {}}]
    error = await refused(cluster, template=given)
    assert error.message == f"{DENIED}Slirp interface support has been discontinued since v1.3"
    assert error.details["causes"][0]["field"] == "spec.domain.devices.interfaces[0].slirp"
    old = machine(template=given)
    none = "logical n interface must have exactly one binding method or binding plugin"
    assert [one.message for one in machine_rules.validate(old, old, CONFIG)] == [none]


@pytest.mark.parametrize(
    ("domain", "spec", "text"),
    [
        ({"launchSecurity": {}}, {}, "Memory hotplug is not compatible with encrypted VMs"),
        (
            {"cpu": {"numa": {"guestMappingPassthrough": {}}}},
            {},
            "Memory hotplug is not compatible with guest mapping passthrough",
        ),
        (
            {"cpu": {"realtime": {}, "numa": {"guestMappingPassthrough": {}}}},
            {},
            "Memory hotplug is not compatible with realtime VMs",
        ),
        (
            {"memory": {"maxGuest": "4Gi"}},
            {},
            "Guest memory must be configured when memory hotplug is enabled",
        ),
        (
            {"memory": {"guest": "4112Mi", "maxGuest": "4Gi"}},
            {},
            "Guest memory is greater than the configured maxGuest memory",
        ),
        ({"memory": {"guest": "1Gi", "maxGuest": "2049Mi"}}, {}, "MaxGuest must be 2Mi aligned"),
        ({"memory": {"guest": "1025Mi", "maxGuest": "4Gi"}}, {}, "Guest memory must be 2Mi aligned"),
        (
            {"memory": {"guest": "2G", "maxGuest": "16Gi", "hugepages": {"pageSize": "1Gi"}}},
            {},
            "Guest memory must be 1Gi aligned",
        ),
        ({}, {"architecture": "arm64"}, "Memory hotplug is only available for x86_64 VMs"),
        (
            {"memory": {"guest": "512Mi", "maxGuest": "4Gi"}},
            {},
            "Memory hotplug is only available for VMs with at least 1Gi of guest memory",
        ),
    ],
)
def test_memory_that_cannot_grow(domain, spec, text):
    """A machine whose memory is to grow can have it grown, where changes reach guests that run."""
    given = template({"memory": {"guest": "1Gi", "maxGuest": "4Gi"}, **domain}, **spec)
    given["spec"].setdefault("architecture", "amd64")
    cause = Cause(text, "spec.template.spec.domain.memory.guest")
    assert cause in causes(template=given)
    staged = ClusterConfig("amd64", {"vmRolloutStrategy": "Stage"})
    assert cause not in machine_rules.validate(machine(template=given), None, staged)


def test_too_many_sockets_are_told_twice():
    """Of more sockets than there may be a machine is told as every guest, and as one that changes while it runs."""
    given = template({"cpu": {"sockets": 25, "maxSockets": 24}})
    text = "Number of sockets in CPU topology is greater than the maximum sockets allowed"
    assert causes(template=given) == [Cause(text, "spec.template.spec.domain.cpu.sockets")] * 2


async def test_infer_from_volume(cluster):
    """A size can be inferred from the labels of the claim a volume uses."""
    labels = {
        "instancetype.kubevirt.io/default-instancetype": "small",
        "instancetype.kubevirt.io/default-instancetype-kind": "VirtualMachineInstancetype",
    }
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": "c", "namespace": NS, "labels": labels}
    await cluster.client.create(
        PERSISTENT_VOLUME_CLAIMS,
        {"apiVersion": "v1", "kind": PERSISTENT_VOLUME_CLAIMS.kind, "metadata": meta, "spec": spec},
    )
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    made = await cluster.vm(template=template(volumes=volumes), instancetype={"inferFromVolume": "v"})
    assert made["spec"]["instancetype"] == {"name": "small", "kind": "VirtualMachineInstancetype"}


def from_source(name, space=None, kind="DataSource"):
    reference = {"kind": kind, "name": name, **({"namespace": space} if space else {})}
    size = {"resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": f"dv-{name}"}, "spec": {"storage": size, "sourceRef": reference}}


@pytest.mark.parametrize(
    ("sources", "own", "preferred", "found"),
    [
        ([("arm", None)], "", "", "arm64"),
        ([("arm", "other")], "", "", "arm64"),
        ([("points", None)], "", "", "arm64"),
        ([("missing", None), ("nonsense", None), ("silent", None), ("arm", None)], "", "", "arm64"),
        ([("nonsense", None)], "", "", "amd64"),
        ([("arm", None)], "s390x", "", "s390x"),
        ([("arm", None)], "", "s390x", "s390x"),
        ([], "", "", "amd64"),
    ],
)
async def test_architecture_of_data_sources(cluster, sources, own, preferred, found):
    """A machine is of the architecture its disks are built for, unless it or its preference says another one."""
    marks = {"arm": "arm64", "nonsense": "foobar", "silent": "", "points": "amd64"}
    await cluster.client.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
    )
    pvc = {"pvc": {"name": "c", "namespace": NS}}
    for name, space in ((one, space) for one in marks for space in (NS, "other")):
        points = {"dataSource": {"name": "arm", "namespace": space}}
        meta = {"labels": {"template.kubevirt.io/architecture": marks[name]} if marks[name] else {}}
        body = {
            "apiVersion": "cdi.kubevirt.io/v1beta1",
            "kind": "DataSource",
            "metadata": {"name": name, "namespace": space, **meta},
        }
        await cluster.client.create(
            DATA_SOURCES, {**body, "spec": {"source": points if name == "points" else pvc}}
        )
    spec = template(**({"architecture": own} if own else {}))
    spec["spec"]["volumes"] = [{"name": one, "dataVolume": {"name": f"dv-{one}"}} for one, _ in sources]
    more = {"dataVolumeTemplates": [from_source(*one) for one in sources]} if sources else {}
    if preferred:
        kind = {"apiVersion": CLUSTER_PREFERENCES.api_version, "kind": CLUSTER_PREFERENCES.kind}
        await cluster.client.create(
            CLUSTER_PREFERENCES,
            {**kind, "metadata": {"name": "p"}, "spec": {"preferredArchitecture": preferred}},
        )
        more["preference"] = {"name": "p"}
    made = await cluster.vm(template=spec, **more)
    assert made["spec"]["template"]["spec"]["architecture"] == found


async def test_data_sources_of_impossible_names_tell_nothing(cluster):
    """A DataSource nobody can make is passed over like one that is missing: it is for others to refuse its name."""
    vm = machine(dataVolumeTemplates=[from_source(".."), from_source("x", "..")])
    assert await Inference(cluster.client).architecture(vm, NS) == ""


async def test_terminating_machines_are_left_alone(cluster):
    """A machine that is being deleted can lose its finalizers, whatever its spec says."""
    made = await cluster.vm()
    made["metadata"]["finalizers"] = ["example.com/keep"]
    await cluster.client.update(VIRTUAL_MACHINES, made)
    await cluster.client.delete(VIRTUAL_MACHINES, "x", NS)
    left = await cluster.get(VIRTUAL_MACHINES)
    left["spec"].pop("runStrategy")
    left["metadata"]["finalizers"] = []
    await cluster.client.update(VIRTUAL_MACHINES, left)
    assert not (await cluster.client.list(VIRTUAL_MACHINES, NS)).items


async def test_v241_no_default_architecture(cluster):
    """V-241: without a KubeVirt object in a phase there is no architecture to default to."""
    obj = await cluster.client.get(KUBEVIRTS, "kubevirt", "kubevirt")
    await cluster.client.update(KUBEVIRTS, {**obj, "status": {}}, subresource="status")
    with pytest.raises(Invalid) as caught:
        await cluster.vmi()
    assert "unsupported architecture: " in caught.value.message
