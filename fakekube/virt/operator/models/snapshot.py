"""Snapshots of machines, their contents, and restores.

Origin: kubevirt: staging/src/kubevirt.io/api/snapshot/v1beta1/types.go
"""

from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema

from fakekube.virt.operator.models.base import (
    Condition,
    Duration,
    Labels,
    Model,
    Resource,
    TemplateMetadata,
    Time,
    opt,
    req,
)
from fakekube.virt.operator.models.kubernetes import PersistentVolumeClaimSpec, TypedLocalObjectReference
from fakekube.virt.operator.models.machine import MachineSpec, MachineStatus

KeptMetadata = Annotated[
    dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
]


class SnapshotError(Model):
    """The last error."""

    message: str | None = None
    time: Time | None = None


class SnapshotSpec(Model):
    """What is snapshotted."""

    deletion_policy: str | None = opt("Delete or Retain the content.")
    failure_deadline: Duration | None = opt("How long it may take; 5 minutes when unset.")
    source: TypedLocalObjectReference = req("The machine.", map_type="atomic")


class SourceIndication(Model):
    """Something to know about how it was taken."""

    indication: str
    message: str


class SnapshotVolumes(Model):
    """Which volumes are part of it."""

    excluded_volumes: list[str] | None = opt(list_type="set")
    included_volumes: list[str] | None = opt(list_type="set")


class SnapshotStatus(Model):
    """How far it has come."""

    conditions: list[Condition] | None = opt(list_type="atomic")
    creation_time: Time | None = opt(nullable=True)
    error: SnapshotError | None = None
    indications: list[str] | None = opt(list_type="set")
    phase: str | None = None
    ready_to_use: bool | None = None
    snapshot_volumes: SnapshotVolumes | None = None
    source_indications: list[SourceIndication] | None = opt(list_type="atomic")
    source_uid: str | None = opt(name="sourceUID")
    virtual_machine_snapshot_content_name: str | None = None


class VirtualMachineSnapshot(Resource):
    """Takes a snapshot of a machine."""

    spec: SnapshotSpec
    status: SnapshotStatus | None = None


class KeptMachine(Model):
    """A machine as it was."""

    metadata: TemplateMetadata = None
    spec: MachineSpec | None = None
    status: MachineStatus | None = None


class SourceSpec(Model):
    """What was snapshotted."""

    virtual_machine: KeptMachine | None = None


class KeptClaim(Model):
    """A claim as it was."""

    metadata: KeptMetadata | None = None
    spec: PersistentVolumeClaimSpec | None = None


class VolumeBackup(Model):
    """What a volume is restored from."""

    persistent_volume_claim: KeptClaim
    volume_name: str
    volume_snapshot_name: str | None = None


class SnapshotContentSpec(Model):
    """What a snapshot consists of."""

    source: SourceSpec
    virtual_machine_snapshot_name: str | None = None
    volume_backups: list[VolumeBackup] | None = opt(list_type="atomic")


class ContentVolumeStatus(Model):
    """How far the snapshot of a volume has come."""

    creation_time: Time | None = opt(nullable=True)
    error: SnapshotError | None = None
    ready_to_use: bool | None = None
    volume_snapshot_name: str


class SnapshotContentStatus(Model):
    """How far it has come."""

    creation_time: Time | None = opt(nullable=True)
    error: SnapshotError | None = None
    ready_to_use: bool | None = None
    volume_snapshot_status: list[ContentVolumeStatus] | None = opt(list_type="atomic")


class VirtualMachineSnapshotContent(Resource):
    """What a snapshot consists of."""

    spec: SnapshotContentSpec
    status: SnapshotContentStatus | None = None


class VolumeRestoreOverride(Model):
    """What is different about a restored volume."""

    annotations: Labels | None = None
    labels: Labels | None = None
    restore_name: str | None = None
    volume_name: str | None = None


class RestoreSpec(Model):
    """What is restored to where."""

    patches: list[str] | None = opt("JSON patches of a target that is created.", list_type="atomic")
    target: TypedLocalObjectReference = req("The machine.", map_type="atomic")
    target_readiness_policy: (
        Literal["StopTarget", "WaitGracePeriod", "FailImmediate", "WaitEventually"] | None
    ) = opt("What happens while the target runs.", default="WaitGracePeriod")
    virtual_machine_snapshot_name: str
    volume_ownership_policy: str | None = opt("Vm or None.")
    volume_restore_overrides: list[VolumeRestoreOverride] | None = opt(list_type="atomic")
    volume_restore_policy: str | None = opt("RandomizeNames, InPlace or PrefixTargetName.")


class VolumeRestore(Model):
    """A restored volume."""

    data_volume_name: str | None = None
    persistent_volume_claim: str
    volume_name: str
    volume_snapshot_name: str


class RestoreStatus(Model):
    """How far it has come."""

    complete: bool | None = None
    conditions: list[Condition] | None = opt(list_type="atomic")
    deleted_data_volumes: list[str] | None = opt(list_type="set")
    restore_time: Time | None = None
    restores: list[VolumeRestore] | None = opt(list_type="atomic")


class VirtualMachineRestore(Resource):
    """Brings a machine back to a snapshot."""

    spec: RestoreSpec
    status: RestoreStatus | None = None
