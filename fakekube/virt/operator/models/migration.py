"""Migration as an instance's status tells it, VirtualMachineInstanceMigration, and the options of both.

Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/types.go
"""

from typing import Annotated, Literal

from pydantic import WithJsonSchema

from fakekube.virt.operator.models.base import (
    Condition,
    Int64,
    Labels,
    Model,
    Natural64,
    Positive32,
    Positive64,
    Quantity,
    Resource,
    Time,
    UInt32,
    opt,
    req,
)

Milliseconds = Annotated[
    int, WithJsonSchema({"type": "integer", "format": "int64", "minimum": 1, "maximum": 2000000})
]
PercentInt = Annotated[
    int, WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0, "maximum": 100})
]


class StallDetector(Model):
    """When a migration counts as stuck."""

    completion_timeout_factor: Quantity | None = None
    ewma_alpha: Quantity | None = None
    patience_window_decay_factor: Quantity | None = None
    precopy_possible_factor: Quantity | None = None
    search_local_minima: bool | None = None
    stall_margin: PercentInt | None = None
    stall_progress_timeout: Natural64 | None = None
    switchover_timeout: Natural64 | None = None


class DowntimeTuning(Model):
    """How the allowed downtime grows."""

    cooldown_seconds: Positive32 | None = None
    initial_ms: Positive64 | None = None
    start_after_iteration: Positive64 | None = None
    steps: Positive32 | None = None


class ExperimentalMigrationOptions(Model):
    """Options that may go away."""

    compression: Literal["none", "zstd"] | None = None
    downtime_tuning: DowntimeTuning | None = None
    stall_detector: StallDetector | None = None


class MigrationOptions(Model):
    """How migrations are done."""

    allow_auto_converge: bool | None = opt("Slow the guest down until it can be moved.")
    allow_post_copy: bool | None = opt("Start on the target before all memory is there.")
    allow_workload_disruption: bool | None = opt("Pause the guest rather than give up.")
    bandwidth_per_migration: Quantity | None = opt("Bytes per second; 0 is no limit.")
    completion_timeout_per_gi_b: Int64 | None = opt(
        "Seconds per GiB a migration may take.", name="completionTimeoutPerGiB"
    )
    disable_tls: bool | None = opt("Send memory unencrypted.", name="disableTLS")
    experimental: ExperimentalMigrationOptions | None = None
    match_selinux_level_on_migration: bool | None = opt(
        "Give the target an SELinux level of its own.", name="matchSELinuxLevelOnMigration"
    )
    max_downtime_ms: Milliseconds | None = opt("Milliseconds the guest may stand still.")
    network: str | None = opt("Network migration data travels on.")
    node_drain_taint_key: str | None = opt("Taint that makes instances leave a node.")
    parallel_migrations_per_cluster: UInt32 | None = opt("Migrations at a time.")
    parallel_outbound_migrations_per_node: UInt32 | None = opt("Migrations at a time away from one node.")
    progress_timeout: Int64 | None = opt("Seconds without progress until it is given up.")
    unsafe_migration_override: bool | None = opt("Migrate even where it is unsafe.")
    utility_volumes_timeout: Int64 | None = opt("Seconds to wait for utility volumes to go.")


class MigrationConfiguration(MigrationOptions):
    """How migrations are done in this cluster."""

    cross_cluster_network: str | None = opt("Network between clusters.")
    decentralized_live_migration_datapath: Literal["Direct", "Proxy"] | None = opt(
        "How data travels between clusters."
    )


class Side(Model):
    """One end of a migration."""

    domain_name: str | None = None
    domain_namespace: str | None = None
    migration_uid: str | None = opt(name="migrationUID")
    node: str | None = None
    persistent_state_pvc_name: str | None = opt(name="persistentStatePVCName")
    pod: str | None = None
    selinux_context: str | None = None
    sync_address: str | None = None
    virtual_machine_instance_uid: str | None = opt(name="virtualMachineInstanceUID")


class SourceState(Side):
    """The end the guest leaves."""

    node_selectors: Labels | None = None


class TargetState(Side):
    """The end the guest goes to."""

    attachment_pod_uid: str | None = opt(name="attachmentPodUID")
    cpu_set: list[int] | None = opt(list_type="atomic")
    direct_migration_node_ports: dict[str, int] | None = None
    domain_detected: bool | None = None
    domain_ready_timestamp: Time | None = None
    node_address: str | None = None
    node_topology: str | None = None


class MigrationState(Model):
    """The last migration of an instance, or the one under way."""

    abort_requested: bool | None = None
    abort_status: str | None = opt("Succeeded, Failed or Aborting.")
    completed: bool | None = None
    end_timestamp: Time | None = opt(nullable=True)
    failed: bool | None = None
    failure_reason: str | None = None
    migration_configuration: MigrationOptions | None = None
    migration_network_type: str | None = opt("Pod or Migration.")
    migration_policy_name: str | None = None
    migration_uid: str | None = opt("UID of the migration object.")
    mode: str | None = opt("PreCopy, PostCopy or Paused.")
    source_node: str | None = None
    source_persistent_state_pvc_name: str | None = opt(name="sourcePersistentStatePVCName")
    source_pod: str | None = None
    source_state: SourceState | None = None
    start_timestamp: Time | None = opt(nullable=True)
    target_attachment_pod_uid: str | None = opt(name="targetAttachmentPodUID")
    target_cpu_set: list[int] | None = opt(name="targetCPUSet", list_type="atomic")
    target_direct_migration_node_ports: dict[str, int] | None = None
    target_memory_overhead: Quantity | None = None
    target_node: str | None = None
    target_node_address: str | None = None
    target_node_domain_detected: bool | None = None
    target_node_domain_ready_timestamp: Time | None = None
    target_node_topology: str | None = None
    target_persistent_state_pvc_name: str | None = opt(name="targetPersistentStatePVCName")
    target_pod: str | None = None
    target_state: TargetState | None = None


class MigrationSource(Model):
    """Where to send the guest."""

    connect_url: str = req("Address of the other side.", name="connectURL")
    migration_id: str = req("Name both sides know the migration by.", name="migrationID")


class MigrationTarget(Model):
    """What to receive."""

    migration_id: str = req("Name both sides know the migration by.", name="migrationID")


class MigrationSpec(Model):
    """Which instance is moved, and where to."""

    added_node_selector: Labels | None = opt("Labels the target node must have in addition.")
    priority: Literal["system-critical", "user-triggered", "system-maintenance"] | None = opt(
        "Place in the queue."
    )
    receive: MigrationTarget | None = None
    send_to: MigrationSource | None = None
    vmi_name: str | None = opt("The instance.")


class MigrationPhaseTransition(Model):
    """When a phase was entered."""

    phase: str | None = None
    phase_transition_timestamp: Time | None = None


class MigrationStatus(Model):
    """How far a migration has come."""

    conditions: list[Condition] | None = None
    migration_state: MigrationState | None = None
    phase: str | None = None
    phase_transition_timestamps: list[MigrationPhaseTransition] | None = opt(list_type="atomic")
    synchronization_addresses: list[str] | None = opt(list_type="atomic")


class VirtualMachineInstanceMigration(Resource):
    """Moves an instance to another node."""

    spec: MigrationSpec
    status: MigrationStatus | None = None
