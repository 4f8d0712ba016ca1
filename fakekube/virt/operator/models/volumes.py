"""Volumes, networks, credentials and probes of an instance.

Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/{schema,types}.go
"""

from fakekube.virt.operator.models.base import Empty, Int32, Model, Quantity, opt, req, rules
from fakekube.virt.operator.models.devices import Disk
from fakekube.virt.operator.models.kubernetes import (
    DownwardAPIVolumeFile,
    ExecAction,
    HTTPGetAction,
    LocalObjectReference,
    TCPSocketAction,
)

_LABEL = "Label of the volume inside the guest."


class HostDisk(Model):
    """A file on the node."""

    capacity: Quantity | None = opt("Size, if it is created.")
    path: str
    shared: bool | None = opt("Whether the path is shared between nodes.")
    type: str = req("Disk or DiskOrCreate.")


class ClaimSource(Model):
    """A claim."""

    claim_name: str = req("Name of the claim.")
    read_only: bool | None = opt("Whether it is mounted for reading only.")


class PluggableClaimSource(ClaimSource):
    """A claim, used as a disk."""

    hotpluggable: bool | None = opt("Whether it may be plugged out.")


class DataVolumeSource(Model):
    """A DataVolume, used as a disk."""

    hotpluggable: bool | None = opt("Whether it may be plugged out.")
    name: str = req("Name of the DataVolume, and of its claim.")


class HotplugVolumeSource(Model):
    """What may be plugged in later."""

    data_volume: DataVolumeSource | None = None
    persistent_volume_claim: PluggableClaimSource | None = None


class CloudInitSource(Model):
    """Data for cloud-init."""

    network_data: str | None = opt("Network configuration.")
    network_data_base64: str | None = opt("The same, in base64.", name="networkDataBase64")
    network_data_secret_ref: LocalObjectReference | None = opt("The same, in a secret.", map_type="atomic")
    secret_ref: LocalObjectReference | None = opt("User data in a secret.", map_type="atomic")
    user_data: str | None = opt("User data.")
    user_data_base64: str | None = opt("The same, in base64.", name="userDataBase64")


class SysprepSource(Model):
    """An answer file for Windows."""

    config_map: LocalObjectReference | None = opt("It lies in a config map.", map_type="atomic")
    secret: LocalObjectReference | None = opt("It lies in a secret.", map_type="atomic")


class ContainerDiskSource(Model):
    """A disk image inside a container image."""

    image: str = req("The container image.")
    image_pull_policy: str | None = opt("Always, Never or IfNotPresent.")
    image_pull_secret: str | None = opt("Secret to pull it with.")
    path: str | None = opt("Path of the disk inside it.")


class EphemeralVolumeSource(Model):
    """A claim whose changes are thrown away."""

    persistent_volume_claim: ClaimSource | None = None


class EmptyDiskSource(Model):
    """A scratch disk."""

    capacity: Quantity


class ConfigMapVolumeSource(LocalObjectReference):
    """A config map as a disk."""

    optional: bool | None = opt("Whether it may be missing.")
    volume_label: str | None = opt(_LABEL)


class SecretVolumeSource(Model):
    """A secret as a disk."""

    optional: bool | None = opt("Whether it may be missing.")
    secret_name: str | None = opt("Name of the secret.")
    volume_label: str | None = opt(_LABEL)


class DownwardAPIVolumeSource(Model):
    """Facts about the pod as a disk."""

    fields: list[DownwardAPIVolumeFile] | None = opt("The files.")
    volume_label: str | None = opt(_LABEL)


class ServiceAccountVolumeSource(Model):
    """A service account's token as a disk."""

    service_account_name: str | None = opt("Name of the service account.")


class ContainerPathVolumeSource(Model):
    """A path of the launcher's container."""

    path: str = req(
        "Where it lies.",
        maxLength=4096,
        minLength=1,
        **rules(
            ("self.startsWith('/')", "path must be an absolute path"),
            ("!self.contains('..')", "path must not contain '..'"),
        ),
    )
    read_only: bool | None = opt(
        "Whether the guest may only read.",
        default=True,
        **rules(("self == true", "readOnly must be true, write access is not supported")),
    )


class Volume(Model):
    """A named volume; exactly one source."""

    cloud_init_config_drive: CloudInitSource | None = opt("Data for cloud-init, as a config drive.")
    cloud_init_no_cloud: CloudInitSource | None = opt("Data for cloud-init, as a NoCloud disk.")
    config_map: ConfigMapVolumeSource | None = None
    container_disk: ContainerDiskSource | None = None
    container_path: ContainerPathVolumeSource | None = None
    data_volume: DataVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = opt(name="downwardAPI")
    downward_metrics: Empty | None = opt("A disk with metrics of the host.")
    empty_disk: EmptyDiskSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    host_disk: HostDisk | None = None
    memory_dump: PluggableClaimSource | None = opt("A claim that receives a memory dump.")
    name: str = req("Name of the volume.")
    persistent_volume_claim: PluggableClaimSource | None = None
    secret: SecretVolumeSource | None = None
    service_account: ServiceAccountVolumeSource | None = None
    sysprep: SysprepSource | None = None


class UtilityVolume(ClaimSource):
    """A claim mounted beside the guest."""

    name: str
    type: str | None = opt("MemoryDump or Backup.")


class AddVolumeOptions(Model):
    """A volume to plug in."""

    disk: Disk
    dry_run: list[str] | None = opt("All: check, but do nothing.", list_type="atomic")
    name: str
    volume_source: HotplugVolumeSource


class RemoveVolumeOptions(Model):
    """A volume to plug out."""

    dry_run: list[str] | None = opt("All: check, but do nothing.", list_type="atomic")
    name: str


class PodNetwork(Model):
    """The pod's own network."""

    vm_ipv6_network_cidr: str | None = opt("IPv6 range inside the guest.", name="vmIPv6NetworkCIDR")
    vm_network_cidr: str | None = opt("IPv4 range inside the guest.", name="vmNetworkCIDR")


class MultusNetwork(Model):
    """A network attachment definition."""

    default: bool | None = opt("Whether it replaces the pod's network.")
    network_name: str = req("Its name, or namespace/name.")


class NetworkResourceClaim(Model):
    """A network device from a resource claim."""

    claim_name: str | None = opt("Resource claim the device is allocated in.")
    request_name: str | None = opt("Request inside the claim.")


class Network(Model):
    """A named network; exactly one source."""

    multus: MultusNetwork | None = None
    name: str
    pod: PodNetwork | None = None
    resource_claim: NetworkResourceClaim | None = None


class CredentialSecret(Model):
    """A secret with credentials."""

    secret_name: str


class CredentialSource(Model):
    """Where credentials come from."""

    secret: CredentialSecret | None = None


class GuestAgentUsers(Model):
    """Users whose keys the guest agent sets."""

    users: list[str] = req("Names of the users.", list_type="set")


class KeyPropagation(Model):
    """How keys reach the guest."""

    config_drive: Empty | None = opt("In cloud-init's config drive.")
    no_cloud: Empty | None = opt("In cloud-init's NoCloud data.")
    qemu_guest_agent: GuestAgentUsers | None = None


class PasswordPropagation(Model):
    """How passwords reach the guest."""

    qemu_guest_agent: Empty | None = opt("By the guest agent.")


class SSHPublicKey(Model):
    """SSH keys."""

    propagation_method: KeyPropagation
    source: CredentialSource


class UserPassword(Model):
    """Passwords."""

    propagation_method: PasswordPropagation
    source: CredentialSource


class AccessCredential(Model):
    """Credentials handed to the guest."""

    ssh_public_key: SSHPublicKey | None = None
    user_password: UserPassword | None = None


class Probe(Model):
    """A health check."""

    exec: ExecAction | None = opt(name="exec")
    failure_threshold: Int32 | None = opt("Failures in a row that count; 3 when unset.")
    guest_agent_ping: Empty | None = opt("Ask the guest agent.")
    http_get: HTTPGetAction | None = None
    initial_delay_seconds: Int32 | None = opt("Seconds before the first check.")
    period_seconds: Int32 | None = opt("Seconds between checks; 10 when unset.")
    success_threshold: Int32 | None = opt("Successes in a row that count; 1 when unset.")
    tcp_socket: TCPSocketAction | None = None
    timeout_seconds: Int32 | None = opt("Seconds one check may take; 1 when unset.")
