"""The marks KubeVirt's controllers leave on objects: labels, annotations, finalizers, and the words of their statuses.

Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/types.go
"""

from typing import Final

# Annotations.
LATEST_OBSERVED: Final = "kubevirt.io/latest-observed-api-version"
STORAGE_OBSERVED: Final = "kubevirt.io/storage-observed-api-version"
VM_GENERATION: Final = "kubevirt.io/vm-generation"
IMMEDIATE_DATA_VOLUMES: Final = "kubevirt.io/immediate-data-volume-creation"
ADOPT_CLAIM: Final = "cdi.kubevirt.io/allowClaimAdoption"
CREATE_MIGRATION_TARGET: Final = "kubevirt.io/create-migration-target"
RESTORE_RUN_STRATEGY: Final = "kubevirt.io/restore-run-strategy"
EPHEMERAL_PROVISIONING: Final = "kubevirt.io/ephemeral-provisioning"
MEMORY_OVERHEAD: Final = "kubevirt.io/memory-overhead-bytes"
MIGRATION_TRANSPORT_UNIX: Final = "kubevirt.io/migrationTransportUnix"
DOMAIN: Final = "kubevirt.io/domain"
MIGRATION_JOB_NAME: Final = "kubevirt.io/migrationJobName"
NON_ROOT: Final = "kubevirt.io/nonroot"
TARGET_READY: Final = "kubevirt.io/migration-target-ready-timestamp"
HEARTBEAT: Final = "kubevirt.io/heartbeat"
KEEP_LAUNCHER: Final = "kubevirt.io/keep-launcher-alive-after-failure"
TARGET_IMAGE: Final = "kubevirt.io/func-test-migration-target-image-override"
FAIL_FAST: Final = "kubevirt.io/func-test-virt-launcher-fail-fast"
EVICT_ONLY: Final = "descheduler.alpha.kubernetes.io/request-evict-only"
PREFER_NO_EVICTION: Final = "descheduler.alpha.kubernetes.io/prefer-no-eviction"

# Labels.
CREATED_BY: Final = "kubevirt.io/created-by"
NODE_NAME: Final = "kubevirt.io/nodeName"
APP: Final = "kubevirt.io"
VM_NAME: Final = "vm.kubevirt.io/name"
VMI_ID: Final = "vmi.kubevirt.io/id"
SCHEDULABLE: Final = "kubevirt.io/schedulable"
MIGRATION_JOB_UID: Final = "kubevirt.io/migrationJobUID"
MIGRATION_TARGET_NODE: Final = "kubevirt.io/migrationTargetNodeName"
CPU_LIMITS: Final = "kubevirt.io/vmi-pod-cpu-resource-limits"
MEMORY_REQUESTS: Final = "kubevirt.io/vmi-pod-memory-resource-requests"
OVERHEAD_RATIO: Final = "kubevirt.io/memory-hotplug-overhead-ratio"
MIGRATION_NAME: Final = "kubevirt.io/migrationName"
OUTDATED_LAUNCHER: Final = "kubevirt.io/outdatedLauncherImage"

# Finalizers.
VM_FINALIZER: Final = "kubevirt.io/virtualMachineControllerFinalize"  # on VMs and on the VMIs made for them
VMI_FINALIZER: Final = "kubevirt.io/foregroundDeleteVirtualMachine"
OLD_VMI_FINALIZER: Final = "foregroundDeleteVirtualMachine"
MIGRATION_FINALIZER: Final = "kubevirt.io/migrationJobFinalize"

# Phases of a VirtualMachineInstance.
PENDING: Final = "Pending"
SCHEDULING: Final = "Scheduling"
SCHEDULED: Final = "Scheduled"
RUNNING: Final = "Running"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
WAITING_FOR_SYNC: Final = "WaitingForSync"

UNPROCESSED = frozenset(("", PENDING))

# The pod condition that gates readiness on the guest not being paused.
UNPAUSED: Final = "kubevirt.io/virtual-machine-unpaused"

OBSERVED_VERSIONS = {LATEST_OBSERVED: "v1", STORAGE_OBSERVED: "v1"}
