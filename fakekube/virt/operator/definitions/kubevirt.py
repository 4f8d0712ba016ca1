"""The custom resources of KubeVirt.

Origin: kubevirt: pkg/virt-operator/resource/generate/components/crds.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.virt.operator.definitions.definition import (
    AGE,
    ALPHA,
    ALPHA_BETA,
    BETA,
    PHASE,
    STATUS,
    Column,
    Definition,
    Version,
)
from fakekube.virt.operator.models import (
    instance,
    instancetype,
    kubevirt,
    machine,
    migration,
    operations,
    pool,
    snapshot,
)

KUBEVIRT = "kubevirt.io"
SCALE: Mapping[str, Any] = {
    "status": {},
    "scale": {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.labelSelector",
    },
}
CORE = (
    Version("v1", storage=True),
    Version(
        "v1alpha3",
        deprecation="kubevirt.io/v1alpha3 is now deprecated and will be removed in a future release.",
    ),
)

SOURCE_KIND = Column("SourceKind", ".spec.source.kind")
SOURCE_NAME = Column("SourceName", ".spec.source.name")
READY_TO_USE = Column("ReadyToUse", ".status.readyToUse", "boolean")
CREATION_TIME = Column("CreationTime", ".status.creationTime", "date")
ERROR = Column("Error", ".status.error.message")


def _condition(name: str, type_: str, priority: int = 0) -> Column:
    return Column(name, f".status.conditions[?(@.type=='{type_}')].status", priority=priority)


def _counts(of: str) -> tuple[Column, ...]:
    return (
        Column("Desired", ".spec.replicas", "integer", f"Number of desired {of}"),
        Column("Current", ".status.replicas", "integer", f"Number of managed and not final or deleted {of}"),
        Column(
            "Ready",
            ".status.readyReplicas",
            "integer",
            f"Number of managed {of} which are ready to receive traffic",
        ),
        AGE,
    )


def _preset(version: str) -> str:
    return f"kubevirt.io/{version} VirtualMachineInstancePresets is now deprecated and will be removed in v2."


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "virtualmachines",
        KUBEVIRT,
        machine.VirtualMachine,
        CORE,
        ("vm", "vms"),
        columns=(
            AGE,
            Column("Status", ".status.printableStatus", description="Human Readable Status"),
            _condition("Ready", "Ready"),
        ),
        subresources=STATUS,
    ),
    Definition(
        "virtualmachineinstances",
        KUBEVIRT,
        instance.VirtualMachineInstance,
        CORE,
        ("vmi", "vmis"),
        columns=(
            AGE,
            PHASE,
            Column("IP", ".status.interfaces[0].ipAddress"),
            Column("NodeName", ".status.nodeName"),
            _condition("Ready", "Ready"),
            _condition("Live-Migratable", "LiveMigratable", 1),
            _condition("Paused", "Paused", 1),
        ),
    ),
    Definition(
        "virtualmachineinstancepresets",
        KUBEVIRT,
        instance.VirtualMachineInstancePreset,
        (
            Version("v1", deprecation=_preset("v1")),
            Version("v1alpha3", storage=True, deprecation=_preset("v1alpha3")),
        ),
        ("vmipreset", "vmipresets"),
    ),
    Definition(
        "virtualmachineinstancereplicasets",
        KUBEVIRT,
        instance.VirtualMachineInstanceReplicaSet,
        CORE,
        ("vmirs", "vmirss"),
        columns=_counts("VirtualMachineInstances"),
        subresources=SCALE,
    ),
    Definition(
        "virtualmachineinstancemigrations",
        KUBEVIRT,
        migration.VirtualMachineInstanceMigration,
        CORE,
        ("vmim", "vmims"),
        columns=(
            Column("Phase", ".status.phase", description="The current phase of VM instance migration"),
            Column("VMI", ".spec.vmiName", description="The name of the VMI to perform the migration on"),
        ),
        subresources=STATUS,
    ),
    Definition(
        "kubevirts",
        KUBEVIRT,
        kubevirt.KubeVirt,
        CORE,
        ("kv", "kvs"),
        columns=(AGE, PHASE),
        subresources=STATUS,
        labels={"operator.kubevirt.io": ""},
    ),
    Definition(
        "virtualmachinepools",
        "pool.kubevirt.io",
        pool.VirtualMachinePool,
        ALPHA_BETA,
        ("vmpool", "vmpools"),
        columns=_counts("VirtualMachines"),
        subresources=SCALE,
    ),
    Definition(
        "virtualmachinesnapshots",
        "snapshot.kubevirt.io",
        snapshot.VirtualMachineSnapshot,
        ALPHA_BETA,
        ("vmsnapshot", "vmsnapshots"),
        columns=(SOURCE_KIND, SOURCE_NAME, PHASE, READY_TO_USE, CREATION_TIME, ERROR),
        subresources=STATUS,
    ),
    Definition(
        "virtualmachinesnapshotcontents",
        "snapshot.kubevirt.io",
        snapshot.VirtualMachineSnapshotContent,
        ALPHA_BETA,
        ("vmsnapshotcontent", "vmsnapshotcontents"),
        columns=(READY_TO_USE, CREATION_TIME, ERROR),
        subresources=STATUS,
    ),
    Definition(
        "virtualmachinerestores",
        "snapshot.kubevirt.io",
        snapshot.VirtualMachineRestore,
        ALPHA_BETA,
        ("vmrestore", "vmrestores"),
        columns=(
            Column("TargetKind", ".spec.target.kind"),
            Column("TargetName", ".spec.target.name"),
            Column("Complete", ".status.complete", "boolean"),
            Column("RestoreTime", ".status.restoreTime", "date"),
        ),
        subresources=STATUS,
    ),
    Definition(
        "virtualmachineclones",
        "clone.kubevirt.io",
        operations.VirtualMachineClone,
        ALPHA_BETA,
        ("vmclone", "vmclones"),
        columns=(
            PHASE,
            Column("SourceVirtualMachine", ".spec.source.name"),
            Column("TargetVirtualMachine", ".spec.target.name"),
        ),
        subresources=STATUS,
    ),
    Definition(
        "virtualmachineexports",
        "export.kubevirt.io",
        operations.VirtualMachineExport,
        (
            Version(
                "v1beta1",
                deprecation="export.kubevirt.io/v1beta1 VirtualMachineExport is now deprecated "
                "and will be removed in a future version.",
            ),
            Version("v1", storage=True),
        ),
        ("vmexport", "vmexports"),
        columns=(SOURCE_KIND, SOURCE_NAME, PHASE),
        subresources=STATUS,
    ),
    Definition(
        "virtualmachinebackups",
        "backup.kubevirt.io",
        operations.VirtualMachineBackup,
        ALPHA,
        ("vmbackup", "vmbackups"),
        columns=(
            SOURCE_KIND,
            SOURCE_NAME,
            Column("Type", ".status.type"),
            Column("CheckpointName", ".status.checkpointName"),
        ),
        subresources=STATUS,
    ),
    Definition(
        "virtualmachinebackuptrackers",
        "backup.kubevirt.io",
        operations.VirtualMachineBackupTracker,
        ALPHA,
        ("vmbackuptracker", "vmbackuptrackers"),
        columns=(
            SOURCE_KIND,
            SOURCE_NAME,
            Column("LatestCheckpoint", ".status.latestCheckpoint.name"),
            Column("CheckpointTime", ".status.latestCheckpoint.creationTime", "date"),
        ),
        subresources=STATUS,
    ),
    Definition(
        "virtualmachineinstancetypes",
        "instancetype.kubevirt.io",
        instancetype.VirtualMachineInstancetype,
        BETA,
        ("vminstancetype", "vminstancetypes", "vmf", "vmfs"),
    ),
    Definition(
        "virtualmachineclusterinstancetypes",
        "instancetype.kubevirt.io",
        instancetype.VirtualMachineClusterInstancetype,
        BETA,
        ("vmclusterinstancetype", "vmclusterinstancetypes", "vmcf", "vmcfs"),
        namespaced=False,
        categories=(),
    ),
    Definition(
        "virtualmachinepreferences",
        "instancetype.kubevirt.io",
        instancetype.VirtualMachinePreference,
        BETA,
        ("vmpref", "vmprefs", "vmp", "vmps"),
    ),
    Definition(
        "virtualmachineclusterpreferences",
        "instancetype.kubevirt.io",
        instancetype.VirtualMachineClusterPreference,
        BETA,
        ("vmcp", "vmcps"),
        namespaced=False,
        categories=(),
    ),
    Definition(
        "migrationpolicies",
        "migrations.kubevirt.io",
        operations.MigrationPolicy,
        ALPHA,
        namespaced=False,
        categories=(),
        subresources=STATUS,
    ),
    Definition("plugins", "plugin.kubevirt.io", operations.Plugin, ALPHA, namespaced=False, categories=()),
)
