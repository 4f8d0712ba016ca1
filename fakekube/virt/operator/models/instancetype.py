"""Instancetypes and preferences, for one namespace or for all.

Origin: kubevirt: staging/src/kubevirt.io/api/instancetype/v1beta1/types.go
"""

from typing import Annotated, Literal

from pydantic import WithJsonSchema

from fakekube.virt.operator.models.base import (
    Empty,
    Int64,
    Labels,
    Model,
    Positive32,
    Quantity,
    Resource,
    UInt32,
    opt,
)
from fakekube.virt.operator.models.devices import GPU, BlockSize, HostDevice, TPMDevice, VGPUOptions
from fakekube.virt.operator.models.domain import (
    EFI,
    NUMA,
    ClockOffsetUTC,
    CPUFeature,
    DiskIOThreads,
    FeatureAPIC,
    FeatureHyperv,
    FeatureKVM,
    FeatureState,
    Hugepages,
    LaunchSecurity,
    Realtime,
    Timer,
)

Share = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 100})]
Topology = Literal[
    "preferCores",
    "preferSockets",
    "preferThreads",
    "preferSpread",
    "preferAny",
    "cores",
    "sockets",
    "threads",
    "spread",
    "any",
]


class CPUInstancetype(Model):
    """CPUs of the size."""

    dedicated_cpu_placement: bool | None = opt(name="dedicatedCPUPlacement")
    guest: UInt32
    isolate_emulator_thread: bool | None = None
    max_sockets: Positive32 | None = None
    model: str | None = None
    numa: NUMA | None = None
    realtime: Realtime | None = None


class MemoryInstancetype(Model):
    """Memory of the size."""

    guest: Quantity
    hugepages: Hugepages | None = None
    max_guest: Quantity | None = None
    overcommit_percent: Share | None = None


class InstancetypeSpec(Model):
    """A size machines may have."""

    annotations: Labels | None = None
    cpu: CPUInstancetype
    gpus: list[GPU] | None = opt(list_type="atomic")
    host_devices: list[HostDevice] | None = opt(list_type="atomic")
    io_threads: DiskIOThreads | None = None
    io_threads_policy: str | None = None
    launch_security: LaunchSecurity | None = None
    memory: MemoryInstancetype
    node_selector: Labels | None = None
    scheduler_name: str | None = None


class VirtualMachineInstancetype(Resource):
    """A size machines of this namespace may have."""

    spec: InstancetypeSpec


class VirtualMachineClusterInstancetype(Resource):
    """A size machines may have."""

    spec: InstancetypeSpec


class PreferredClockOffset(Model):
    """The clock's offset."""

    timezone: str | None = None
    utc: ClockOffsetUTC | None = None


class ClockPreferences(Model):
    """Preferred clock."""

    preferred_clock_offset: PreferredClockOffset | None = None
    preferred_timer: Timer | None = None


class SpreadOptions(Model):
    """How CPUs are spread."""

    across: Literal["SocketsCoresThreads", "SocketsCores", "CoresThreads"] | None = None
    ratio: Positive32 | None = None


class CPUPreferences(Model):
    """Preferred CPUs."""

    preferred_cpu_features: list[CPUFeature] | None = opt(name="preferredCPUFeatures")
    preferred_cpu_topology: Topology | None = opt(name="preferredCPUTopology")
    spread_options: SpreadOptions | None = None


class DevicePreferences(Model):
    """Preferred devices."""

    preferred_autoattach_graphics_device: bool | None = None
    preferred_autoattach_input_device: bool | None = None
    preferred_autoattach_mem_balloon: bool | None = None
    preferred_autoattach_pod_interface: bool | None = None
    preferred_autoattach_serial_console: bool | None = None
    preferred_block_multi_queue: bool | None = None
    preferred_cdrom_bus: str | None = None
    preferred_disable_hotplug: bool | None = None
    preferred_disk_block_size: BlockSize | None = None
    preferred_disk_bus: str | None = None
    preferred_disk_cache: str | None = None
    preferred_disk_dedicated_io_thread: bool | None = None
    preferred_disk_io: str | None = opt(name="preferredDiskIO")
    preferred_input_bus: str | None = None
    preferred_input_type: str | None = None
    preferred_interface_masquerade: Empty | None = None
    preferred_interface_model: str | None = None
    preferred_lun_bus: str | None = None
    preferred_network_interface_multi_queue: bool | None = None
    preferred_panic_device_model: str | None = None
    preferred_rng: Empty | None = None
    preferred_sound_model: str | None = None
    preferred_tpm: TPMDevice | None = opt(name="preferredTPM")
    preferred_use_virtio_transitional: bool | None = None
    preferred_video_type: str | None = None
    preferred_virtual_gpu_options: VGPUOptions | None = opt(name="preferredVirtualGPUOptions")


class FeaturePreferences(Model):
    """Preferred hypervisor features."""

    preferred_acpi: FeatureState | None = None
    preferred_apic: FeatureAPIC | None = None
    preferred_hyperv: FeatureHyperv | None = None
    preferred_kvm: FeatureKVM | None = None
    preferred_pvspinlock: FeatureState | None = None
    preferred_smm: FeatureState | None = None


class FirmwarePreferences(Model):
    """Preferred firmware."""

    preferred_efi: EFI | None = None
    preferred_use_bios: bool | None = None
    preferred_use_bios_serial: bool | None = None
    preferred_use_efi: bool | None = None
    preferred_use_secure_boot: bool | None = None


class MachinePreferences(Model):
    """Preferred chipset."""

    preferred_machine_type: str | None = None


class VolumePreferences(Model):
    """Preferred storage."""

    preferred_storage_class_name: str | None = None


class CPURequirement(Model):
    """CPUs the guest needs."""

    guest: UInt32


class MemoryRequirement(Model):
    """Memory the guest needs."""

    guest: Quantity


class PreferenceRequirements(Model):
    """What the guest needs at least."""

    architecture: str | None = None
    cpu: CPURequirement | None = None
    memory: MemoryRequirement | None = None


class PreferenceSpec(Model):
    """What a guest works best with."""

    annotations: Labels | None = None
    clock: ClockPreferences | None = None
    cpu: CPUPreferences | None = None
    devices: DevicePreferences | None = None
    features: FeaturePreferences | None = None
    firmware: FirmwarePreferences | None = None
    machine: MachinePreferences | None = None
    prefer_spread_socket_to_core_ratio: UInt32 | None = None
    preferred_architecture: str | None = None
    preferred_subdomain: str | None = None
    preferred_termination_grace_period_seconds: Int64 | None = None
    requirements: PreferenceRequirements | None = None
    volumes: VolumePreferences | None = None


class VirtualMachinePreference(Resource):
    """What a guest works best with, for this namespace."""

    spec: PreferenceSpec


class VirtualMachineClusterPreference(Resource):
    """What a guest works best with."""

    spec: PreferenceSpec
