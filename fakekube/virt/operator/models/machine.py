"""VirtualMachine: the wish for an instance, and what became of it.

Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/types.go
"""

from fakekube.virt.operator.models.base import (
    Condition,
    Empty,
    Int64,
    Labels,
    Model,
    Resource,
    TemplateMetadata,
    Time,
    opt,
    req,
)
from fakekube.virt.operator.models.datavolume import DataVolumeSpec
from fakekube.virt.operator.models.instance import ChangedBlockTracking, InstanceTemplate, MigratedVolume
from fakekube.virt.operator.models.volumes import AddVolumeOptions, RemoveVolumeOptions


class DataVolumeTemplate(Model):
    """A DataVolume made for this machine."""

    api_version: str | None = opt("Kept for old manifests; ignored.")
    kind: str | None = opt("Kept for old manifests; ignored.")
    metadata: TemplateMetadata = None
    spec: DataVolumeSpec
    status: Empty | None = opt("Kept for old manifests; ignored.", nullable=True)


class Matcher(Model):
    """An instancetype or preference, by name or by the volume that suggests one."""

    infer_from_volume: str | None = opt("Volume whose labels name it.")
    infer_from_volume_failure_policy: str | None = opt("Reject or Ignore.")
    kind: str | None = opt("Namespaced or cluster kind; the cluster kind when unset.")
    name: str | None = opt("Its name.")
    revision_name: str | None = opt("Revision that keeps a copy of it.")


class MachineSpec(Model):
    """What instance there shall be, and when."""

    data_volume_templates: list[DataVolumeTemplate] | None = opt("DataVolumes made for this machine.")
    instancetype: Matcher | None = None
    preference: Matcher | None = None
    run_strategy: str | None = opt("Always, Halted, Manual, RerunOnFailure, Once or WaitAsReceiver.")
    running: bool | None = opt("Deprecated: true is Always, false is Halted.")
    template: InstanceTemplate
    update_volumes_strategy: str | None = opt("What a change of volumes does: Migration or Replacement.")


class ControllerRevisionRef(Model):
    """A revision, by name."""

    name: str | None = None


class MatcherStatus(Model):
    """The instancetype or preference in use."""

    controller_revision_ref: ControllerRevisionRef | None = None
    infer_from_volume: str | None = None
    infer_from_volume_failure_policy: str | None = None
    kind: str | None = None
    name: str | None = None


class MemoryDumpRequest(Model):
    """A memory dump that was asked for."""

    claim_name: str = req("Claim that receives it.")
    end_timestamp: Time | None = None
    file_name: str | None = None
    message: str | None = None
    phase: str
    remove: bool | None = opt("Whether the claim shall be let go.")
    start_timestamp: Time | None = None


class StartFailure(Model):
    """Starts that failed in a row."""

    consecutive_fail_count: int | None = None
    last_failed_vmi_uid: str | None = opt(name="lastFailedVMIUID")
    retry_after_timestamp: Time | None = None


class StateChangeRequest(Model):
    """A start or stop that was asked for."""

    action: str = req("Start or Stop.")
    data: Labels | None = None
    uid: str | None = opt("The instance to stop.")


class VolumeRequest(Model):
    """A volume to plug in or out."""

    add_volume_options: AddVolumeOptions | None = None
    remove_volume_options: RemoveVolumeOptions | None = None


class VolumeSnapshotStatus(Model):
    """Whether snapshots of a volume can be taken."""

    enabled: bool
    name: str
    reason: str | None = None


class VolumeMigrationState(Model):
    """Volumes on their way."""

    migrated_volumes: list[MigratedVolume] | None = opt(list_type="atomic")


class VolumeUpdateState(Model):
    """What a change of volumes has come to."""

    volume_migration_state: VolumeMigrationState | None = None


class MachineStatus(Model):
    """What became of the wish."""

    changed_block_tracking: ChangedBlockTracking | None = opt(nullable=True)
    conditions: list[Condition] | None = opt("What holds at the moment.")
    created: bool | None = opt("Whether an instance exists.")
    desired_generation: Int64 | None = opt("Generation the instance should have.")
    instancetype_ref: MatcherStatus | None = opt(nullable=True)
    memory_dump_request: MemoryDumpRequest | None = opt(nullable=True)
    observed_generation: Int64 | None = opt("Generation the instance has.")
    preference_ref: MatcherStatus | None = opt(nullable=True)
    printable_status: str | None = opt("One word for people.", default="Stopped")
    ready: bool | None = opt("Whether the instance is ready.")
    restore_in_progress: str | None = opt("The restore under way.")
    run_strategy: str | None = opt("The run strategy last acted on.")
    snapshot_in_progress: str | None = opt("The snapshot under way.")
    start_failure: StartFailure | None = opt(nullable=True)
    state_change_requests: list[StateChangeRequest] | None = opt("Starts and stops still to do.")
    volume_requests: list[VolumeRequest] | None = opt("Volumes still to plug.", list_type="atomic")
    volume_snapshot_statuses: list[VolumeSnapshotStatus] | None = opt("Which volumes can be snapshotted.")
    volume_update_state: VolumeUpdateState | None = None


class VirtualMachine(Resource):
    """A virtual machine, running or not."""

    spec: MachineSpec
    status: MachineStatus | None = None
