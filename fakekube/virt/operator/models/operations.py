"""Clones, exports and backups of machines, migration policies, plugins.

Origin: kubevirt: staging/src/kubevirt.io/api/{clone,export,backup,migrations,plugin}
"""

from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema

from fakekube.virt.operator.models.base import (
    Condition,
    Duration,
    Empty,
    Int64,
    Labels,
    Model,
    Quantity,
    Resource,
    Time,
    opt,
    req,
    rules,
)
from fakekube.virt.operator.models.kubernetes import MetaCondition, TypedLocalObjectReference
from fakekube.virt.operator.models.kubevirt import Filled
from fakekube.virt.operator.models.migration import Milliseconds

_KNOWN_SOURCE = (
    "!has(self.apiGroup) || (self.apiGroup == 'kubevirt.io' && self.kind == 'VirtualMachine') || "
    "(self.apiGroup == 'backup.kubevirt.io' && self.kind == 'VirtualMachineBackupTracker')"
)
_KNOWN_SOURCE_TEXT = (
    "kind must be VirtualMachine for kubevirt.io or VirtualMachineBackupTracker for backup.kubevirt.io"
)
_PULL_RULE = (
    "!has(self.mode) || self.mode != 'Pull' || (has(self.tokenSecretRef) && self.tokenSecretRef != \"\")"
)
IMMUTABLE = ("self == oldSelf", "spec is immutable after creation")


class TemplateFilters(Model):
    """Which marks of the template are taken over."""

    annotation_filters: list[str] | None = opt(list_type="atomic")
    label_filters: list[str] | None = opt(list_type="atomic")


class CloneSpec(Model):
    """What is cloned, and what becomes different."""

    annotation_filters: list[str] | None = opt("Which annotations are taken over.", list_type="atomic")
    label_filters: list[str] | None = opt("Which labels are taken over.", list_type="atomic")
    new_mac_addresses: Labels | None = opt("MAC address by interface.")
    new_sm_bios_serial: str | None = opt("Serial number of the system.", name="newSMBiosSerial")
    patches: list[str] | None = opt("JSON patches of the target.", list_type="atomic")
    source: TypedLocalObjectReference = req("A machine or a snapshot.", map_type="atomic")
    target: TypedLocalObjectReference | None = opt("The new machine.", map_type="atomic")
    template: TemplateFilters | None = None
    volume_name_policy: str | None = opt("RandomizeNames.")


class CloneStatus(Model):
    """How far it has come."""

    conditions: list[Condition] | None = opt(list_type="atomic")
    creation_time: Time | None = opt(nullable=True)
    phase: str | None = None
    restore_name: str | None = opt(nullable=True)
    snapshot_name: str | None = opt(nullable=True)
    target_name: str | None = opt(nullable=True)


class VirtualMachineClone(Resource):
    """Makes a machine from another one."""

    spec: CloneSpec
    status: CloneStatus | None = None


class ExportSpec(Model):
    """What is offered for download."""

    source: TypedLocalObjectReference = req("A machine, snapshot or claim.", map_type="atomic")
    token_secret_ref: str | None = opt("Secret with the token clients show.")
    ttl_duration: Duration | None = opt("For how long; 2 hours when unset.")


class ExportManifest(Model):
    """A manifest for download."""

    type: str
    url: str


class ExportFormat(Model):
    """A volume for download in one format."""

    format: str
    url: str


class ExportVolume(Model):
    """A volume for download."""

    formats: list[ExportFormat] | None = opt(list_keys=("format",))
    name: str


class ExportEndpoint(Model):
    """One end of a backup for download."""

    endpoint: str
    url: str


class ExportBackup(Model):
    """A backup for download."""

    endpoints: list[ExportEndpoint] | None = opt(list_keys=("endpoint",))
    name: str


class ExportLink(Model):
    """What can be downloaded from one side."""

    backups: list[ExportBackup] | None = opt(list_keys=("name",))
    cert: str = req("The server's certificate authority.")
    manifests: list[ExportManifest] | None = opt(list_keys=("type",))
    volumes: list[ExportVolume] | None = opt(list_keys=("name",))


class ExportLinks(Model):
    """What can be downloaded."""

    external: ExportLink | None = None
    internal: ExportLink | None = None


class ExportStatus(Model):
    """How far it has come."""

    conditions: list[Condition] | None = opt(list_type="atomic")
    links: ExportLinks | None = None
    phase: str | None = None
    service_name: str | None = None
    token_secret_ref: str | None = None
    ttl_expiration_time: Time | None = None
    virtual_machine_name: str | None = None


class VirtualMachineExport(Resource):
    """Offers volumes for download."""

    spec: ExportSpec
    status: ExportStatus | None = None


class BackupSpec(Model):
    """What is backed up, and to where."""

    force_full_backup: bool | None = None
    mode: Literal["Push", "Pull"] | None = None
    pvc_name: str | None = None
    skip_quiesce: bool | None = None
    source: TypedLocalObjectReference = req(
        "A machine or a tracker.",
        map_type="atomic",
        **rules(
            ("has(self.apiGroup)", "apiGroup is required"),
            (
                "!has(self.apiGroup) || self.apiGroup == 'kubevirt.io' || self.apiGroup == 'backup.kubevirt.io'",
                "apiGroup must be kubevirt.io or backup.kubevirt.io",
            ),
            (_KNOWN_SOURCE, _KNOWN_SOURCE_TEXT),
            ("self.name != ''", "name is required"),
        ),
    )
    token_secret_ref: str | None = None
    ttl_duration: Duration | None = None


class BackedUpVolume(Model):
    """A volume of the backup."""

    data_endpoint: str | None = None
    map_endpoint: str | None = None
    volume_name: str


class BackupResult(Model):
    """How far it has come."""

    checkpoint_name: str | None = None
    conditions: list[MetaCondition] | None = opt(list_keys=("type",))
    endpoint_cert: str | None = None
    export_uid: str | None = opt(name="exportUID")
    included_volumes: list[BackedUpVolume] | None = opt(list_type="atomic")
    start_timestamp: Time | None = None
    type: str | None = None


class VirtualMachineBackup(Resource):
    """Makes a backup of a machine."""

    spec: BackupSpec = req(
        "What is backed up, and to where.",
        **rules(
            IMMUTABLE,
            ('has(self.pvcName) && self.pvcName != ""', "pvcName is required"),
            (_PULL_RULE, "tokenSecretRef is required when mode is Pull"),
        ),
    )
    status: BackupResult | None = None


class TrackerSpec(Model):
    """Which machine is tracked."""

    source: TypedLocalObjectReference = req(
        "The machine.",
        map_type="atomic",
        **rules(
            ("has(self.apiGroup) && self.apiGroup == 'kubevirt.io'", "apiGroup must be kubevirt.io"),
            ("self.kind == 'VirtualMachine'", "kind must be VirtualMachine"),
            ("self.name != ''", "name is required"),
        ),
    )


class BackupCheckpoint(Model):
    """A moment incremental backups start from."""

    creation_time: Time | None = None
    name: str | None = None


class TrackerStatus(Model):
    """Where the next backup starts."""

    checkpoint_redefinition_required: bool | None = None
    latest_checkpoint: BackupCheckpoint | None = None


class VirtualMachineBackupTracker(Resource):
    """Remembers the last checkpoint of a machine."""

    spec: TrackerSpec = req("Which machine is tracked.", **rules(IMMUTABLE))
    status: TrackerStatus | None = None


class PolicySelectors(Model):
    """Which instances a policy is for."""

    namespace_selector: Labels | None = opt("Labels of the namespace.")
    virtual_machine_instance_selector: Labels | None = opt("Labels of the instance.")


class MigrationPolicySpec(Model):
    """How certain instances migrate."""

    allow_auto_converge: bool | None = None
    allow_post_copy: bool | None = None
    allow_workload_disruption: bool | None = None
    bandwidth_per_migration: Quantity | None = None
    completion_timeout_per_gi_b: Int64 | None = opt(name="completionTimeoutPerGiB")
    max_downtime_ms: Milliseconds | None = None
    selectors: PolicySelectors


class MigrationPolicy(Resource):
    """Migration options for certain instances."""

    spec: MigrationPolicySpec
    status: Empty | None = opt(nullable=True)


class CELDomainHook(Model):
    """A CEL expression on the domain."""

    expression: Filled


class SidecarDomainHook(Model):
    """A sidecar that changes the domain."""

    socket_path: Filled


class DomainHook(Model):
    """A change to the libvirt domain."""

    cel: CELDomainHook | None = None
    condition: str | None = None
    failure_strategy: str | None = None
    sidecar: SidecarDomainHook | None = None
    timeout: Duration | None = None


class NodeHook(Model):
    """Something done on the node."""

    condition: str | None = None
    failure_strategy: str | None = None
    permitted_hooks: list[str] = req(list_type="atomic", minItems=1)
    socket: Filled
    timeout: Duration | None = None


class AdmissionReference(Model):
    """An admission object that belongs to the plugin."""

    name: Filled


class PluginSpec(Model):
    """What a plugin does."""

    condition: str | None = opt("CEL: for which machines.")
    domain_hooks: list[DomainHook] | None = opt(list_type="atomic")
    failure_strategy: str | None = opt("Fail or Ignore.")
    mutating_admission_policies: list[AdmissionReference] | None = opt(list_type="atomic")
    mutating_admission_webhooks: list[AdmissionReference] | None = opt(list_type="atomic")
    node_hooks: list[NodeHook] | None = opt(list_type="atomic")
    validating_admission_policies: list[AdmissionReference] | None = opt(list_type="atomic")
    validating_admission_webhooks: list[AdmissionReference] | None = opt(list_type="atomic")


class Plugin(Resource):
    """An extension of KubeVirt."""

    spec: PluginSpec
    status: Annotated[dict[str, Any] | None, WithJsonSchema({"type": "object"})] = None
