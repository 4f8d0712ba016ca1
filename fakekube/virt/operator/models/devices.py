"""`spec.domain.devices`: disks, interfaces and everything else plugged into the guest.

Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/schema.go
"""

from typing import Any, Literal

from fakekube.virt.operator.models.base import Empty, Int32, Model, opt, req

MANY: dict[str, Any] = {"maxItems": 256}


class Enabled(Model):
    """A feature that can be switched."""

    enabled: bool | None = opt("Whether it is on; on when unset.")


class DiskTarget(Model):
    """Attached as a disk."""

    bus: str | None = opt("virtio, sata, scsi or usb.")
    pci_address: str | None = opt("Address on the guest's PCI bus.")
    readonly: bool | None = opt("Whether the guest may only read.")


class LunTarget(Model):
    """Attached as a LUN."""

    bus: str | None = opt("virtio, sata or scsi.")
    readonly: bool | None = opt("Whether the guest may only read.")
    reservation: bool | None = opt("Whether SCSI persistent reservations work.")


class CDRomTarget(Model):
    """Attached as a CD-ROM."""

    bus: str | None = opt("virtio, sata or scsi.")
    readonly: bool | None = opt("Whether the guest may only read; true when unset.")
    tray: str | None = opt("open or closed.")


class CustomBlockSize(Model):
    """Block sizes in bytes."""

    discard_granularity: int | None = None
    logical: int | None = None
    physical: int | None = None


class BlockSize(Model):
    """The block sizes the guest sees."""

    custom: CustomBlockSize | None = None
    match_volume: Enabled | None = opt("Take them from the volume.")


class Disk(Model):
    """A disk, LUN or CD-ROM, connected to the volume of the same name."""

    block_size: BlockSize | None = None
    boot_order: int | None = opt("Place among the boot devices, from 1.")
    cache: str | None = opt("none, writethrough or writeback.")
    cdrom: CDRomTarget | None = None
    changed_block_tracking: bool | None = opt("Record changed blocks for incremental backups.")
    dedicated_io_thread: bool | None = opt("An I/O thread of its own.", name="dedicatedIOThread")
    disk: DiskTarget | None = None
    error_policy: str | None = opt("stop, ignore, report or enospace.")
    io: str | None = opt("native, default or threads.")
    lun: LunTarget | None = None
    name: str = req("Name of the device, and of its volume.")
    serial: str | None = opt("Serial number.")
    shareable: bool | None = opt("Whether several guests may write.")
    tag: str | None = opt("Shown to the guest in the config drive's metadata.")


class WatchdogModel(Model):
    """A watchdog's model."""

    action: str | None = opt("poweroff, reset or shutdown; reset when unset.")


class Watchdog(Model):
    """A device that acts when the guest hangs."""

    diag288: WatchdogModel | None = opt("The model of s390x.")
    i6300esb: WatchdogModel | None = opt("The model of the other architectures.", name="i6300esb")
    name: str


class DHCPPrivateOptions(Model):
    """One private DHCP option."""

    option: int = req("224 to 254.")
    value: str


class DHCPOptions(Model):
    """What DHCP tells the guest."""

    boot_file_name: str | None = opt("Option 67.")
    ntp_servers: list[str] | None = opt("Option 42.")
    private_options: list[DHCPPrivateOptions] | None = opt("Options 224 to 254.")
    tftp_server_name: str | None = opt("Option 66.")


class Port(Model):
    """A port forwarded to the guest."""

    name: str | None = opt("Name services may refer to.")
    port: Int32 = req("1 to 65535.")
    protocol: str | None = opt("TCP or UDP.")


class PluginBinding(Model):
    """A network binding registered in the KubeVirt object."""

    name: str


class Interface(Model):
    """A network interface, connected to the network of the same name."""

    acpi_index: int | None = opt("Index that keeps the device's name stable.")
    binding: PluginBinding | None = None
    boot_order: int | None = opt("Place among the boot devices, from 1.")
    bridge: Empty | None = opt("Connect by a Linux bridge.")
    dhcp_options: DHCPOptions | None = None
    mac_address: str | None = opt("MAC address.")
    macvtap: Empty | None = opt("Discontinued in v1.3.")
    masquerade: Empty | None = opt("Connect by address translation.")
    model: str | None = opt("e1000, e1000e, igb, ne2k_pci, pcnet, rtl8139 or virtio.")
    name: str = req("Name of the interface, and of its network.")
    passt: Empty | None = opt("Discontinued in v1.3.")
    passt_binding: Empty | None = opt("Connect by passt.")
    pci_address: str | None = opt("Address on the guest's PCI bus.")
    ports: list[Port] | None = opt("Ports to forward.")
    slirp: Empty | None = opt("Discontinued in v1.3.")
    sriov: Empty | None = opt("Pass an SR-IOV function through.")
    state: str | None = opt("up, down, or absent to unplug it.")
    tag: str | None = opt("Shown to the guest in the config drive's metadata.")


class Input(Model):
    """An input device."""

    bus: str | None = opt("virtio or usb.")
    name: str
    type: str = req("tablet.")


class ClaimRequest(Model):
    """A device, by name and by where it comes from."""

    claim_name: str | None = opt("Resource claim the device is allocated in.")
    device_name: str | None = opt("Resource name of the device plugin.")
    name: str
    request_name: str | None = opt("Request inside the claim.")
    tag: str | None = opt("Shown to the guest in the config drive's metadata.")


class HostDevice(ClaimRequest):
    """A device of the host, passed through."""


class VGPUDisplayOptions(Model):
    """Display of a virtual GPU."""

    enabled: bool | None = opt("Whether it has one; it does when unset.")
    ram_fb: Enabled | None = opt("A frame buffer for booting.", name="ramFB")


class VGPUOptions(Model):
    """Settings of a virtual GPU."""

    display: VGPUDisplayOptions | None = None


class GPU(ClaimRequest):
    """A GPU, passed through."""

    virtual_gpu_options: VGPUOptions | None = opt(name="virtualGPUOptions")


class Filesystem(Model):
    """A shared file system."""

    name: str = req("Name of the file system, and of its volume.")
    virtiofs: Empty


class SoundDevice(Model):
    """A sound card."""

    model: str | None = opt("ich9 or ac97.")
    name: str


class TPMDevice(Model):
    """A trusted platform module."""

    enabled: bool | None = opt("Whether it exists; it does when unset.")
    persistent: bool | None = opt("Whether its state outlives restarts.")


class VideoDevice(Model):
    """The graphics card."""

    type: str | None = opt("virtio, vga, bochs, ramfb.")


class PanicDevice(Model):
    """A device that reports guest crashes."""

    model: Literal["hyperv", "isa", "pvpanic"] | None = opt("Its model; by architecture when unset.")


class Devices(Model):
    """What is plugged into the guest."""

    autoattach_graphics_device: bool | None = opt("Whether there is a graphics card; there is when unset.")
    autoattach_input_device: bool | None = opt("Whether a tablet is added.")
    autoattach_mem_balloon: bool | None = opt("Whether there is a memory balloon; there is when unset.")
    autoattach_pod_interface: bool | None = opt("Whether the pod network is connected; it is when unset.")
    autoattach_serial_console: bool | None = opt("Whether there is a serial console; there is when unset.")
    autoattach_vsock: bool | None = opt("Whether a VSOCK address is given.", name="autoattachVSOCK")
    block_multi_queue: bool | None = opt("Several queues for virtio disks.")
    client_passthrough: Empty | None = opt("Redirect USB devices of clients.")
    disable_hotplug: bool | None = opt("Refuse to plug in disks later.")
    disks: list[Disk] | None = opt("Disks, LUNs and CD-ROMs.", **MANY)
    downward_metrics: Empty | None = opt("A serial port with metrics of the host.")
    filesystems: list[Filesystem] | None = opt("Shared file systems.", list_type="atomic")
    gpus: list[GPU] | None = opt("GPUs, passed through.", list_type="atomic")
    host_devices: list[HostDevice] | None = opt("Devices of the host, passed through.", list_type="atomic")
    inputs: list[Input] | None = opt("Input devices.")
    interfaces: list[Interface] | None = opt("Network interfaces.", **MANY)
    log_serial_console: bool | None = opt("Whether the serial console is written to a log.")
    network_interface_multiqueue: bool | None = opt("Several queues for virtio interfaces.")
    panic_devices: list[PanicDevice] | None = opt("Devices that report crashes.")
    rng: Empty | None = opt("A random number generator.")
    sound: SoundDevice | None = None
    tpm: TPMDevice | None = None
    use_virtio_transitional: bool | None = opt("Speak virtio 0.9 to old guests.")
    video: VideoDevice | None = None
    watchdog: Watchdog | None = None
