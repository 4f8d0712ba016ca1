"""KubeVirt: the object that installs and configures KubeVirt.

Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/{types,componentconfig}.go
"""

from typing import Annotated, Literal

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
    UInt32,
    opt,
)
from fakekube.virt.operator.models.kubernetes import (
    Affinity,
    CertConfig,
    ContainerResources,
    LabelSelector,
    LocalObjectReference,
    Toleration,
)
from fakekube.virt.operator.models.migration import MigrationConfiguration

Filled = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1})]
Tenfold = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 10})]


class NodePlacement(Model):
    """On which nodes components run."""

    affinity: Affinity | None = None
    node_selector: Labels | None = None
    tolerations: list[Toleration] | None = None


class ComponentConfig(Model):
    """Where and how often components run."""

    node_placement: NodePlacement | None = None
    replicas: int | None = opt("How many of each.")


class Patch(Model):
    """A change to an installed object."""

    patch: str
    resource_name: Filled
    resource_type: Filled
    type: str


class Flags(Model):
    """Command line flags by component."""

    api: Labels | None = None
    controller: Labels | None = None
    handler: Labels | None = None


class CustomizeComponents(Model):
    """Changes to what is installed."""

    flags: Flags | None = None
    patches: list[Patch] | None = opt(list_type="atomic")


class SelfSigned(Model):
    """Certificates KubeVirt signs itself."""

    ca: CertConfig | None = None
    ca_overlap_interval: Duration | None = None
    ca_rotate_interval: Duration | None = None
    cert_rotate_interval: Duration | None = None
    server: CertConfig | None = None


class CertificateRotation(Model):
    """How certificates are renewed."""

    self_signed: SelfSigned | None = None


class WorkloadUpdateStrategy(Model):
    """How running instances get a new launcher."""

    batch_eviction_interval: Duration | None = None
    batch_eviction_size: int | None = None
    workload_update_methods: list[str] | None = opt("LiveMigrate, Evict.", list_type="atomic")


class TokenBucket(Model):
    """A request budget."""

    burst: int
    qps: float


class RateLimiter(Model):
    """How requests are limited."""

    token_bucket_rate_limiter: TokenBucket | None = None


class RestClient(Model):
    """How a component talks to the API."""

    rate_limiter: RateLimiter | None = None


class ReloadableConfiguration(Model):
    """Settings that need no restart."""

    rest_client: RestClient | None = None


class DiskVerification(Model):
    """Limits on looking into disks."""

    memory_limit: Quantity


class LogVerbosity(Model):
    """How much components log."""

    node_verbosity: dict[str, int] | None = None
    virt_api: int | None = opt(name="virtAPI")
    virt_controller: int | None = None
    virt_handler: int | None = None
    virt_launcher: int | None = None
    virt_operator: int | None = None
    virt_synchronization_controller: int | None = None


class DeveloperConfiguration(Model):
    """Settings for experiments."""

    cluster_profiler: bool | None = None
    cpu_allocation_ratio: int | None = opt("Virtual CPUs per requested CPU; 10 when unset.")
    disabled_feature_gates: list[str] | None = opt("Gates to close.", list_type="atomic")
    disk_verification: DiskVerification | None = None
    feature_gates: list[str] | None = opt("Gates to open.", list_type="atomic")
    log_verbosity: LogVerbosity | None = None
    memory_overcommit: Tenfold | None = opt("Guest memory per pod memory, in percent; 100 when unset.")
    minimum_cluster_tsc_frequency: Int64 | None = opt(name="minimumClusterTSCFrequency")
    minimum_reserve_pvc_bytes: Int64 | None = opt(name="minimumReservePVCBytes")
    node_selectors: Labels | None = None
    pvc_tolerate_less_space_up_to_percent: int | None = None
    use_emulation: bool | None = opt("Fall back to emulation without hardware support.")


class BindingMigration(Model):
    """How a network binding survives migration."""

    method: str | None = None


class BindingPlugin(Model):
    """A network binding."""

    compute_resource_overhead: ContainerResources | None = None
    domain_attachment_type: str | None = None
    downward_api: str | None = opt(name="downwardAPI")
    migration: BindingMigration | None = None
    network_attachment_definition: str | None = None
    sidecar_image: str | None = None


class NetworkConfiguration(Model):
    """Network defaults."""

    binding: dict[str, BindingPlugin] | None = None
    default_network_interface: str | None = opt("Binding of the default interface.")
    permit_bridge_interface_on_pod_network: bool | None = None
    permit_slirp_interface: bool | None = None


class SMBios(Model):
    """What guests read about their machine."""

    family: str | None = None
    manufacturer: str | None = None
    product: str | None = None
    sku: str | None = None
    version: str | None = None


class ArchSpecific(Model):
    """Defaults of one architecture."""

    emulated_machines: list[str] | None = opt(list_type="atomic")
    machine_type: str | None = None
    ovmf_path: str | None = None


class ArchConfiguration(Model):
    """Defaults by architecture."""

    amd64: ArchSpecific | None = None
    arm64: ArchSpecific | None = None
    default_architecture: str | None = None
    ppc64le: ArchSpecific | None = opt(name="ppc64le")
    s390x: ArchSpecific | None = opt(name="s390x")


class SupportContainerResources(Model):
    """Resources of one kind of helper container."""

    resources: ContainerResources
    type: str


class PciHostDevice(Model):
    """A PCI device that may be passed through."""

    external_resource_provider: bool | None = None
    pci_vendor_selector: str
    resource_name: str


class MediatedHostDevice(Model):
    """A mediated device that may be passed through."""

    external_resource_provider: bool | None = None
    mdev_name_selector: str
    resource_name: str


class USBSelector(Model):
    """A USB device by vendor and product."""

    product: str
    vendor: str


class USBHostDevice(Model):
    """USB devices that may be passed through."""

    external_resource_provider: bool | None = None
    resource_name: str
    selectors: list[USBSelector] | None = opt(list_type="atomic")


class PermittedHostDevices(Model):
    """What may be passed through."""

    mediated_devices: list[MediatedHostDevice] | None = opt(list_type="atomic")
    pci_host_devices: list[PciHostDevice] | None = opt(list_type="atomic")
    usb: list[USBHostDevice] | None = opt(list_type="atomic")


class NodeMediatedDevices(Model):
    """Mediated devices of certain nodes."""

    mediated_device_types: list[str] | None = opt(list_type="atomic")
    mediated_devices_types: list[str] | None = opt(list_type="atomic")
    node_selector: Labels


class MediatedDevices(Model):
    """Which mediated devices are made."""

    enabled: bool | None = None
    mediated_device_types: list[str] | None = opt(list_type="atomic")
    mediated_devices_types: list[str] | None = opt(list_type="atomic")
    node_mediated_device_types: list[NodeMediatedDevices] | None = opt(list_type="atomic")


class TLSConfiguration(Model):
    """Which TLS is spoken."""

    ciphers: list[str] | None = opt(list_type="set")
    min_tls_version: Literal["VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"] | None = opt(
        name="minTLSVersion"
    )


class CustomProfile(Model):
    """A seccomp profile."""

    localhost_profile: str | None = None
    runtime_default_profile: bool | None = None


class InstanceProfile(Model):
    """The launcher's seccomp profile."""

    custom_profile: CustomProfile | None = None


class Seccomp(Model):
    """Seccomp settings."""

    virtual_machine_instance_profile: InstanceProfile | None = None


class MachineOptions(Model):
    """Defaults of all machines."""

    disable_free_page_reporting: Empty | None = None
    disable_serial_console_log: Empty | None = None


class KSM(Model):
    """On which nodes equal pages are merged."""

    node_label_selector: LabelSelector | None = opt(map_type="atomic")


class LiveUpdate(Model):
    """How far CPUs and memory may grow while running."""

    max_cpu_sockets: UInt32 | None = None
    max_guest: Quantity | None = None
    max_hotplug_ratio: UInt32 | None = opt("Default limit as a multiple of the start; 4 when unset.")


class Deployment(Model):
    """Whether something optional is installed."""

    enabled: bool | None = opt(nullable=True)


class InstancetypeConfiguration(Model):
    """How machines refer to instancetypes."""

    reference_policy: Literal["reference", "expand", "expandAll"] | None = opt(nullable=True)


class Hypervisor(Model):
    """A hypervisor of the nodes."""

    name: Literal["kvm", "hyperv-direct"] | None = None


class TrackingSelectors(Model):
    """For which machines changed blocks are recorded."""

    namespace_label_selector: LabelSelector | None = opt(map_type="atomic")
    virtual_machine_label_selector: LabelSelector | None = opt(map_type="atomic")


class TDXAttestation(Model):
    """Attestation of Intel TDX."""

    enforced: bool | None = opt(default=False)
    qgs_socket_path: str | None = opt(default="/var/run/tdx-qgs/qgs.socket")


class TDX(Model):
    """Intel TDX."""

    attestation: TDXAttestation | None = None


class ConfidentialCompute(Model):
    """Encrypted guests."""

    tdx: TDX | None = opt(nullable=True)


class Configuration(Model):
    """Defaults and limits of the cluster."""

    additional_guest_memory_overhead_ratio: str | None = None
    api_configuration: ReloadableConfiguration | None = None
    architecture_configuration: ArchConfiguration | None = None
    auto_cpu_limit_namespace_label_selector: LabelSelector | None = opt(
        name="autoCPULimitNamespaceLabelSelector", map_type="atomic"
    )
    changed_block_tracking_label_selectors: TrackingSelectors | None = opt(nullable=True)
    common_instancetypes_deployment: Deployment | None = opt(nullable=True)
    confidential_compute: ConfidentialCompute | None = opt(nullable=True)
    controller_configuration: ReloadableConfiguration | None = None
    cpu_model: str | None = opt("Default CPU model.")
    cpu_request: Quantity | None = opt("CPU requested per instance; 100m when unset.")
    default_runtime_class: str | None = None
    developer_configuration: DeveloperConfiguration | None = None
    emulated_machines: list[str] | None = None
    eviction_strategy: str | None = opt("Default eviction strategy.")
    handler_configuration: ReloadableConfiguration | None = None
    hypervisors: list[Hypervisor] | None = opt(list_type="atomic", maxItems=1)
    image_pull_policy: str | None = None
    instancetype: InstancetypeConfiguration | None = opt(nullable=True)
    ksm_configuration: KSM | None = None
    live_update_configuration: LiveUpdate | None = None
    machine_type: str | None = None
    mediated_devices_configuration: MediatedDevices | None = None
    mem_balloon_stats_period: UInt32 | None = None
    migrations: MigrationConfiguration | None = None
    min_cpu_model: str | None = opt(name="minCPUModel")
    network: NetworkConfiguration | None = None
    obsolete_cpu_models: dict[str, bool] | None = opt(name="obsoleteCPUModels")
    ovmf_path: str | None = None
    permitted_host_devices: PermittedHostDevices | None = None
    persistent_reservation_configuration: Deployment | None = opt(nullable=True)
    role_aggregation_strategy: Literal["AggregateToDefault", "Manual"] | None = None
    seccomp_configuration: Seccomp | None = None
    selinux_launcher_type: str | None = None
    smbios: SMBios | None = None
    support_container_resources: list[SupportContainerResources] | None = opt(list_keys=("type",))
    supported_guest_agent_versions: list[str] | None = None
    tls_configuration: TLSConfiguration | None = None
    virt_template_deployment: Deployment | None = opt(nullable=True)
    virtual_machine_instances_per_node: int | None = None
    virtual_machine_options: MachineOptions | None = None
    vm_rollout_strategy: Literal["Stage", "LiveUpdate"] | None = opt(
        "Whether changes reach running instances.", nullable=True
    )
    vm_state_storage_class: str | None = None
    webhook_configuration: ReloadableConfiguration | None = None


class KubeVirtSpec(Model):
    """What to install, and how it behaves."""

    certificate_rotate_strategy: CertificateRotation | None = None
    configuration: Configuration | None = None
    customize_components: CustomizeComponents | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: list[LocalObjectReference] | None = opt(list_type="atomic")
    image_registry: str | None = None
    image_tag: str | None = None
    infra: ComponentConfig | None = None
    monitor_account: str | None = None
    monitor_namespace: str | None = None
    product_component: str | None = None
    product_name: str | None = None
    product_version: str | None = None
    service_monitor_namespace: str | None = None
    synchronization_placement: ComponentConfig | None = None
    synchronization_port: str | None = None
    uninstall_strategy: str | None = opt("RemoveWorkloads or BlockUninstallIfWorkloadsExist.")
    workload_update_strategy: WorkloadUpdateStrategy | None = None
    workloads: ComponentConfig | None = None


class GenerationStatus(Model):
    """The generation of an installed object."""

    group: str
    hash: str | None = None
    last_generation: Int64
    name: str
    namespace: str | None = None
    resource: str


class KubeVirtStatus(Model):
    """What is installed."""

    conditions: list[Condition] | None = None
    default_architecture: str | None = opt("Architecture of machines that name none.")
    generations: list[GenerationStatus] | None = opt(list_type="atomic")
    observed_deployment_config: str | None = None
    observed_deployment_id: str | None = opt(name="observedDeploymentID")
    observed_generation: Int64 | None = None
    observed_kube_virt_registry: str | None = None
    observed_kube_virt_version: str | None = None
    operator_version: str | None = None
    outdated_virtual_machine_instance_workloads: int | None = None
    phase: str | None = opt("Deploying, Deployed, Deleting or Deleted.")
    synchronization_addresses: list[str] | None = opt(list_type="atomic")
    target_deployment_config: str | None = None
    target_deployment_id: str | None = opt(name="targetDeploymentID")
    target_kube_virt_registry: str | None = None
    target_kube_virt_version: str | None = None


class KubeVirt(Resource):
    """An installation of KubeVirt."""

    spec: KubeVirtSpec
    status: KubeVirtStatus | None = None
