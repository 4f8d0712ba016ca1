"""`spec.domain` without its devices: resources, CPU, memory, firmware, clock, features.

Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/schema.go
"""

from typing import Literal

from fakekube.virt.operator.models.base import (
    Empty,
    Model,
    Quantity,
    ResourceList,
    UInt32,
    opt,
    req,
)
from fakekube.virt.operator.models.devices import Devices


class FeatureState(Model):
    """A feature that can be switched."""

    enabled: bool | None = opt("Whether it is on; on when unset.")


class ResourceRequirements(Model):
    """CPU and memory of the guest and its pod."""

    limits: ResourceList | None = opt("The most: cpu, memory.")
    overcommit_guest_overhead: bool | None = opt("Leave the overhead of virtualisation out of the request.")
    requests: ResourceList | None = opt("The least: cpu, memory.")


class CPUFeature(Model):
    """One CPU flag."""

    name: str
    policy: str | None = opt("force, require, optional, disable or forbid; require when unset.")


class NUMA(Model):
    """NUMA topology of the guest."""

    guest_mapping_passthrough: Empty | None = opt("Follow the host CPUs given to the pod.")


class Realtime(Model):
    """Tuning for low latency."""

    mask: str | None = opt("Which virtual CPUs, for example 0-3,^1.")


class CPU(Model):
    """Topology, model and placement of the virtual CPUs."""

    cores: UInt32 | None = opt("Cores per socket.")
    dedicated_cpu_placement: bool | None = opt("Pin every virtual CPU to a host CPU of its own.")
    features: list[CPUFeature] | None = opt("CPU flags.")
    isolate_emulator_thread: bool | None = opt("One more dedicated CPU, for the emulator.")
    max_sockets: UInt32 | None = opt("Sockets up to which CPUs may be plugged in.")
    model: str | None = opt("CPU model; host-model when unset.")
    numa: NUMA | None = None
    realtime: Realtime | None = None
    sockets: UInt32 | None = opt("Sockets.")
    threads: UInt32 | None = opt("Threads per core.")


class CPUTopology(Model):
    """Virtual CPUs as sockets, cores and threads."""

    cores: UInt32 | None = opt("Cores per socket.")
    sockets: UInt32 | None = opt("Sockets.")
    threads: UInt32 | None = opt("Threads per core.")


class Hugepages(Model):
    """Memory in large pages."""

    page_size: str | None = opt("2Mi or 1Gi on amd64.")


class ReservedOverhead(Model):
    """Memory set aside beside the guest's."""

    added_overhead: Quantity | None = opt("How much is added to the computed overhead.")
    mem_lock: str | None = opt("Whether the overhead counts as locked memory.")


class Memory(Model):
    """Memory the guest sees."""

    guest: Quantity | None = opt("Memory at start; the requested memory when unset.")
    hugepages: Hugepages | None = None
    max_guest: Quantity | None = opt("Memory up to which more may be plugged in.")
    reserved_overhead: ReservedOverhead | None = None


class MemoryStatus(Model):
    """Memory of the running guest."""

    guest_at_boot: Quantity | None = opt("What it started with.")
    guest_current: Quantity | None = opt("What it has.")
    guest_requested: Quantity | None = opt("What it shall have.")
    memory_overhead: Quantity | None = opt("What virtualisation takes in addition.")


class Machine(Model):
    """The emulated chipset."""

    type: str | None = opt("QEMU machine type.")


class BIOS(Model):
    """Boot by BIOS."""

    use_serial: bool | None = opt("Show the BIOS on the serial console.")


class EFI(Model):
    """Boot by EFI."""

    persistent: bool | None = opt("Keep the NVRAM over restarts.")
    secure_boot: bool | None = opt("Verify what boots; on when unset, needs SMM.")


class Bootloader(Model):
    """How the guest boots."""

    bios: BIOS | None = None
    efi: EFI | None = None


class KernelBootContainer(Model):
    """An image that brings a kernel."""

    image: str = req("The image.")
    image_pull_policy: str | None = opt("Always, Never or IfNotPresent.")
    image_pull_secret: str | None = opt("Secret to pull it with.")
    initrd_path: str | None = opt("Path of the initial ramdisk.")
    kernel_path: str | None = opt("Path of the kernel.")


class KernelBoot(Model):
    """Boot a kernel directly."""

    container: KernelBootContainer | None = None
    kernel_args: str | None = opt("Arguments of the kernel.")


class ACPITables(Model):
    """Tables handed to the guest."""

    msdm_name_ref: str | None = opt("Volume of the secret with the MSDM table.")
    slic_name_ref: str | None = opt("Volume of the secret with the SLIC table.")


class Firmware(Model):
    """What runs before the guest's own software."""

    acpi: ACPITables | None = None
    bootloader: Bootloader | None = None
    kernel_boot: KernelBoot | None = None
    serial: str | None = opt("Serial number of the system.")
    uuid: str | None = opt("UUID the firmware reports.")


class ClockOffsetUTC(Model):
    """UTC, with an offset."""

    offset_seconds: int | None = opt("Seconds relative to UTC.")


class SwitchedTimer(Model):
    """A timer that can be left out."""

    present: bool | None = opt("Whether it exists; it does when unset.")


class RTCTimer(SwitchedTimer):
    """The real time clock."""

    tick_policy: str | None = opt("delay or catchup.")
    track: str | None = opt("guest or wall.")


class HPETTimer(SwitchedTimer):
    """The high precision event timer."""

    tick_policy: str | None = opt("delay, catchup, merge or discard.")


class PITTimer(SwitchedTimer):
    """The programmable interval timer."""

    tick_policy: str | None = opt("delay, catchup or discard.")


class Timer(Model):
    """The timers the guest has."""

    hpet: HPETTimer | None = None
    hyperv: SwitchedTimer | None = None
    kvm: SwitchedTimer | None = None
    pit: PITTimer | None = None
    rtc: RTCTimer | None = None


class Clock(Model):
    """The guest's clock."""

    timer: Timer | None = None
    timezone: str | None = opt("Time zone, for example Europe/Vienna.")
    utc: ClockOffsetUTC | None = None


class FeatureAPIC(FeatureState):
    """The interrupt controller."""

    end_of_interrupt: bool | None = opt("Notify at the end of an interrupt.")


class FeatureSpinlocks(FeatureState):
    """Spinlock retries."""

    spinlocks: UInt32 | None = opt("Retries before the host is told; at least 4096.")


class FeatureVendorID(FeatureState):
    """The hypervisor's vendor."""

    vendorid: str | None = opt("Up to twelve characters.")


class SyNICTimer(FeatureState):
    """Timers of the synthetic interrupt controller."""

    direct: FeatureState | None = None


class TLBFlush(FeatureState):
    """Flushes of the TLB by the hypervisor."""

    direct: FeatureState | None = None
    extended: FeatureState | None = None


class FeatureHyperv(Model):
    """What Windows guests expect of a hypervisor."""

    evmcs: FeatureState | None = None
    frequencies: FeatureState | None = None
    ipi: FeatureState | None = None
    reenlightenment: FeatureState | None = None
    relaxed: FeatureState | None = None
    reset: FeatureState | None = None
    runtime: FeatureState | None = None
    spinlocks: FeatureSpinlocks | None = None
    synic: FeatureState | None = None
    synictimer: SyNICTimer | None = None
    tlbflush: TLBFlush | None = None
    vapic: FeatureState | None = None
    vendorid: FeatureVendorID | None = None
    vpindex: FeatureState | None = None


class FeatureKVM(Model):
    """How much of KVM the guest sees."""

    hidden: bool | None = opt("Hide KVM from discovery.")


class Features(Model):
    """Hypervisor features."""

    acpi: FeatureState | None = None
    apic: FeatureAPIC | None = None
    hyperv: FeatureHyperv | None = None
    hyperv_passthrough: FeatureState | None = opt("All Hyper-V features the host has; prevents migration.")
    kvm: FeatureKVM | None = None
    pvspinlock: FeatureState | None = None
    smm: FeatureState | None = None


class Chassis(Model):
    """What the guest reads about its case."""

    asset: str | None = None
    manufacturer: str | None = None
    serial: str | None = None
    sku: str | None = None
    version: str | None = None


class DiskIOThreads(Model):
    """Threads for disk I/O."""

    supplemental_pool_thread_count: UInt32 | None = opt("How many, with the policy supplementalPool.")


class SEVPolicy(Model):
    """Guest policy of AMD SEV."""

    encrypted_state: bool | None = opt("Require SEV-ES.")


class SEV(Model):
    """AMD secure encrypted virtualisation."""

    attestation: Empty | None = None
    dh_cert: str | None = opt("Key of the guest's owner, base64.")
    policy: SEVPolicy | None = None
    session: str | None = opt("Session blob, base64.")


class SEVSNP(Model):
    """AMD SEV-SNP."""

    author_key: str | None = None
    cbitpos: str | None = None
    id_auth: str | None = None
    id_block: str | None = None
    kernel_hashes: str | None = None
    policy: str | None = None
    reduced_phys_bits: str | None = None
    vcek: str | None = None


class LaunchSecurity(Model):
    """Memory encryption."""

    sev: SEV | None = None
    snp: SEVSNP | None = None
    tdx: Empty | None = opt("Intel trust domain extensions.")


class DomainSpec(Model):
    """The virtual hardware."""

    chassis: Chassis | None = None
    clock: Clock | None = opt("The guest's clock.", preserve=True)
    cpu: CPU | None = None
    devices: Devices
    features: Features | None = None
    firmware: Firmware | None = None
    io_threads: DiskIOThreads | None = None
    io_threads_policy: str | None = opt("shared, auto or supplementalPool.")
    launch_security: LaunchSecurity | None = None
    machine: Machine | None = None
    memory: Memory | None = None
    reboot_policy: Literal["Reboot", "Terminate"] | None = opt("What a reboot from inside does.")
    resources: ResourceRequirements | None = None
