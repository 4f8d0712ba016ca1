"""VirtualMachineInstance, and what is made of its spec: templates, replica sets, presets.

Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/types.go
"""

from typing import Annotated

from pydantic import WithJsonSchema

from fakekube.virt.operator.models.base import (
    Checksum,
    Condition,
    Int32,
    Int64,
    Labels,
    Model,
    Resource,
    ResourceList,
    TemplateMetadata,
    Time,
    opt,
    req,
)
from fakekube.virt.operator.models.devices import MANY
from fakekube.virt.operator.models.domain import CPUTopology, DomainSpec, Machine, MemoryStatus
from fakekube.virt.operator.models.kubernetes import (
    Affinity,
    LabelSelector,
    PodDNSConfig,
    Toleration,
    TopologySpreadConstraint,
)
from fakekube.virt.operator.models.migration import MigrationState
from fakekube.virt.operator.models.volumes import AccessCredential, Network, Probe, UtilityVolume, Volume

Percent = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^(0(?:\.\d{1,3})?|1)$"})]


class ResourceClaim(Model):
    """A resource claim the instance waits for."""

    name: str
    resource_claim_name: str | None = opt("A claim of the namespace.")
    resource_claim_template_name: str | None = opt("A template to make a claim from.")


class InstanceSpec(Model):
    """What an instance shall be."""

    access_credentials: list[AccessCredential] | None = opt(
        "Credentials handed to the guest.", list_type="atomic", **MANY
    )
    affinity: Affinity | None = None
    architecture: str | None = opt("amd64, arm64 or s390x; the cluster's default when unset.")
    dns_config: PodDNSConfig | None = None
    dns_policy: str | None = opt("ClusterFirst, ClusterFirstWithHostNet, Default or None.")
    domain: DomainSpec
    eviction_strategy: str | None = opt(
        "What a drain does: None, LiveMigrate, LiveMigrateIfPossible, External."
    )
    hostname: str | None = opt("Host name; the instance's name when unset.")
    liveness_probe: Probe | None = opt("When it fails, the instance is stopped.")
    networks: list[Network] | None = opt("Networks the interfaces connect to.", **MANY)
    node_selector: Labels | None = opt("Labels a node must have.")
    priority_class_name: str | None = opt("Priority of the pod.")
    readiness_probe: Probe | None = opt("While it fails, services leave the instance out.")
    resource_claims: list[ResourceClaim] | None = opt("Claims to wait for.", list_keys=("name",))
    scheduler_name: str | None = opt("Scheduler of the pod.")
    service_account_name: str | None = opt("Service account of the pod.")
    start_strategy: str | None = opt("Paused: start without running.")
    subdomain: str | None = opt("Makes the host name a full one.")
    termination_grace_period_seconds: Int64 | None = opt("Seconds the guest has to shut down.")
    tolerations: list[Toleration] | None = opt("Taints that are stood.")
    topology_spread_constraints: list[TopologySpreadConstraint] | None = opt(
        "How instances are spread.", list_keys=("topologyKey", "whenUnsatisfiable")
    )
    utility_volumes: list[UtilityVolume] | None = opt(
        "Claims mounted beside the guest.", list_keys=("name",), **MANY
    )
    volumes: list[Volume] | None = opt("Volumes the disks connect to.", **MANY)


class PhaseTransition(Model):
    """When a phase was entered."""

    phase: str | None = None
    phase_transition_timestamp: Time | None = None


class InstanceInterface(Model):
    """A network interface of the running guest."""

    info_source: str | None = opt("Who reported it: domain, guest-agent, multus-status.")
    interface_name: str | None = opt("Name inside the guest.")
    ip_address: str | None = opt("First address.")
    ip_addresses: list[str] | None = opt("All addresses.")
    link_state: str | None = opt("up or down.")
    mac: str | None = opt("MAC address.")
    name: str | None = opt("Name of the network.")
    pod_interface_name: str | None = opt("Name inside the pod.")
    queue_count: Int32 | None = opt("Queues of the interface.")


class GuestOSInfo(Model):
    """What the guest agent says about the system."""

    id: str | None = None
    kernel_release: str | None = None
    kernel_version: str | None = None
    machine: str | None = None
    name: str | None = None
    pretty_name: str | None = None
    version: str | None = None
    version_id: str | None = None


class ClaimInfo(Model):
    """What the node has to know of a claim."""

    access_modes: list[str] | None = opt("How the volume is mounted.", list_type="atomic")
    capacity: ResourceList | None = opt("What it has.")
    claim_name: str | None = opt("Name of the claim.")
    filesystem_overhead: Percent | None = opt("Share kept free for the file system.")
    preallocated: bool | None = opt("Whether the space is taken already.")
    requests: ResourceList | None = opt("What it asked for.")
    volume_mode: str | None = opt("Filesystem or Block.")


class MigratedVolume(Model):
    """A volume on its way to another claim."""

    destination_pvc_info: ClaimInfo | None = opt(name="destinationPVCInfo")
    source_pvc_info: ClaimInfo | None = opt(name="sourcePVCInfo")
    volume_name: str


class ContainerDiskInfo(Model):
    """A file taken from a container image."""

    checksum: Checksum | None = opt("Its checksum.")


class KernelBootStatus(Model):
    """The kernel that was booted directly."""

    initrd_info: ContainerDiskInfo | None = None
    kernel_info: ContainerDiskInfo | None = None


class HotplugVolumeStatus(Model):
    """The pod that brings a plugged-in volume to the node."""

    attach_pod_name: str | None = None
    attach_pod_uid: str | None = opt(name="attachPodUID")


class MemoryDumpInfo(Model):
    """A memory dump."""

    claim_name: str | None = None
    end_timestamp: Time | None = None
    start_timestamp: Time | None = None
    target_file_name: str | None = None


class VolumeStatus(Model):
    """A volume of the running guest."""

    container_disk_volume: ContainerDiskInfo | None = None
    hotplug_volume: HotplugVolumeStatus | None = None
    memory_dump_volume: MemoryDumpInfo | None = None
    message: str | None = opt("A sentence about the phase.")
    name: str
    persistent_volume_claim_info: ClaimInfo | None = None
    phase: str | None = opt("How far plugging in or out has come.")
    reason: str | None = opt("A word about the phase.")
    size: Int64 | None = opt("Bytes.")
    target: str = req("Device inside the guest, for example vda.")


class TopologyHints(Model):
    """What the scheduler must respect."""

    tsc_frequency: Int64 | None = None


class BackupVolumeInfo(Model):
    """A volume of a backup."""

    volume_name: str


class BackupStatus(Model):
    """A backup that was made."""

    backup_msg: str | None = None
    backup_name: str | None = None
    checkpoint_name: str | None = None
    completed: bool | None = None
    end_timestamp: Time | None = None
    failed: bool | None = None
    quiesce_status: str | None = None
    start_timestamp: Time | None = None
    volumes: list[BackupVolumeInfo] | None = opt(list_type="atomic")


class ChangedBlockTracking(Model):
    """Whether changed blocks are recorded."""

    backup_status: BackupStatus | None = opt(nullable=True)
    state: str


class InstanceStatus(Model):
    """What an instance is."""

    active_pods: Labels | None = opt("UID of every pod of this instance, and its node.")
    changed_block_tracking: ChangedBlockTracking | None = opt(nullable=True)
    conditions: list[Condition] | None = opt("What holds at the moment.")
    current_cpu_topology: CPUTopology | None = opt(name="currentCPUTopology")
    evacuation_node_name: str | None = opt("The node it has to leave.")
    fs_freeze_status: str | None = opt("frozen, while its file systems are.")
    guest_os_info: GuestOSInfo | None = opt(name="guestOSInfo")
    interfaces: list[InstanceInterface] | None = opt("Network interfaces.")
    kernel_boot_status: KernelBootStatus | None = None
    launcher_container_image_version: str | None = opt("Image of the launcher.")
    machine: Machine | None = None
    memory: MemoryStatus | None = None
    migrated_volumes: list[MigratedVolume] | None = opt("Volumes on their way.", list_type="atomic")
    migration_method: str | None = opt("LiveMigration or BlockMigration.")
    migration_state: MigrationState | None = None
    migration_transport: str | None = opt("How migration data travels.")
    node_name: str | None = opt("The node it runs on.")
    phase: str | None = opt("Where in its life it is.")
    phase_transition_timestamps: list[PhaseTransition] | None = opt(
        "When each phase was entered.", list_type="atomic"
    )
    qos_class: str | None = opt("Quality of service of the pod.")
    reason: str | None = opt("A word about the phase.")
    runtime_user: Int64 | None = opt("User the launcher runs as.")
    selinux_context: str | None = opt("SELinux context of the launcher.")
    topology_hints: TopologyHints | None = None
    virtual_machine_revision_name: str | None = opt("Revision of the machine it was made from.")
    volume_status: list[VolumeStatus] | None = opt("Volumes.", list_type="atomic")
    vsockcid: Checksum | None = opt("VSOCK address.", name="VSOCKCID")


class VirtualMachineInstance(Resource):
    """A virtual machine that runs, or is about to."""

    spec: InstanceSpec
    status: InstanceStatus | None = None


class InstanceTemplate(Model):
    """What instances are made from."""

    metadata: TemplateMetadata = None
    spec: InstanceSpec | None = None


class ReplicaSetSpec(Model):
    """Which instances, and how many."""

    paused: bool | None = opt("Whether the controller leaves it alone.")
    replicas: Int32 | None = opt("How many; 1 when unset.")
    selector: LabelSelector = req("Which instances belong to it.", map_type="atomic")
    template: InstanceTemplate


class ReplicaSetStatus(Model):
    """Which instances there are."""

    conditions: list[Condition] | None = None
    label_selector: str | None = opt("The selector as text.")
    ready_replicas: Int32 | None = opt("How many are ready.")
    replicas: Int32 | None = opt("How many are not finished.")


class VirtualMachineInstanceReplicaSet(Resource):
    """Keeps a number of equal instances running."""

    spec: ReplicaSetSpec
    status: ReplicaSetStatus | None = opt("Which instances there are.", nullable=True)


class PresetSpec(Model):
    """Which instances get what."""

    domain: DomainSpec | None = None
    selector: LabelSelector = req("Which instances.", map_type="atomic")


class VirtualMachineInstancePreset(Resource):
    """Domain settings for instances with certain labels. Instancetypes and preferences replace it."""

    spec: PresetSpec | None = None
