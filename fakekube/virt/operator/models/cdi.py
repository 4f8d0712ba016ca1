"""The installation and configuration of CDI, storage profiles, object transfers.

Origin: cdi: staging/src/kubevirt.io/containerized-data-importer-api/pkg/apis/core/v1beta1/types.go
"""

from typing import Annotated, Literal

from pydantic import WithJsonSchema

from fakekube.virt.operator.models.base import (
    Int32,
    Labels,
    Model,
    Resource,
    Time,
    opt,
    req,
    rules,
)
from fakekube.virt.operator.models.datavolume import CDICondition
from fakekube.virt.operator.models.kubernetes import (
    Affinity,
    CertConfig,
    ContainerResources,
    LocalObjectReference,
    Toleration,
)
from fakekube.virt.operator.models.kubevirt import Patch

Percent = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^(0(?:\.\d{1,3})?|1)$"})]


class ClaimPropertySet(Model):
    """Access and volume mode that work together."""

    access_modes: list[str] = req(
        maxItems=4,
        **rules(
            (
                "self.all(am, am in ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'])",
                "Illegal AccessMode",
            )
        ),
    )
    volume_mode: Literal["Block", "Filesystem"]


class StorageProfileSpec(Model):
    """What to know about a storage class."""

    claim_property_sets: list[ClaimPropertySet] | None = opt(maxItems=8)
    clone_strategy: str | None = opt("copy, snapshot or csi-clone.")
    data_import_cron_source_format: str | None = opt("snapshot or pvc.")
    snapshot_class: str | None = None


class StorageProfileStatus(StorageProfileSpec):
    """What is known about a storage class."""

    provisioner: str | None = None
    storage_class: str | None = None


class StorageProfile(Resource):
    """How CDI uses a storage class."""

    spec: StorageProfileSpec
    status: StorageProfileStatus | None = None


class FilesystemOverhead(Model):
    """Share of a volume kept free for the file system."""

    global_: Percent | None = opt("For all storage classes.", name="global")
    storage_class: dict[str, Percent] | None = opt("For single storage classes.")


class ImportProxy(Model):
    """The proxy imports go through."""

    http_proxy: str | None = opt(name="HTTPProxy")
    https_proxy: str | None = opt(name="HTTPSProxy")
    no_proxy: str | None = None
    trusted_ca_proxy: str | None = opt(name="trustedCAProxy")


class CustomTLS(Model):
    """A TLS profile of one's own."""

    ciphers: list[str] | None = None
    min_tls_version: str | None = opt(name="minTLSVersion")


class TLSProfile(Model):
    """The named TLS profile, or one's own."""

    custom: CustomTLS | None = opt(nullable=True)
    intermediate: Labels | None = opt(nullable=True)
    modern: Labels | None = opt(nullable=True)
    old: Labels | None = opt(nullable=True)
    type: str | None = None


class ConfigSpec(Model):
    """How imports are done."""

    data_volume_ttl_seconds: Int32 | None = opt(name="dataVolumeTTLSeconds")
    feature_gates: list[str] | None = None
    filesystem_overhead: FilesystemOverhead | None = None
    image_pull_secrets: list[LocalObjectReference] | None = None
    import_proxy: ImportProxy | None = None
    insecure_registries: list[str] | None = None
    log_verbosity: Int32 | None = None
    pod_resource_requirements: ContainerResources | None = None
    preallocation: bool | None = None
    scratch_space_storage_class: str | None = None
    tls_security_profile: TLSProfile | None = None
    upload_proxy_url_override: str | None = opt(name="uploadProxyURLOverride")
    webhook_pvc_rendering: Literal["Enabled", "Disabled"] | None = opt(
        "Whether claims whose label asks for it are rendered as they are made."
    )


class ConfigStatus(Model):
    """How imports are done at the moment."""

    default_pod_resource_requirements: ContainerResources | None = None
    filesystem_overhead: FilesystemOverhead | None = None
    image_pull_secrets: list[LocalObjectReference] | None = None
    import_proxy: ImportProxy | None = None
    preallocation: bool | None = None
    scratch_space_storage_class: str | None = None
    upload_proxy_ca: str | None = opt(name="uploadProxyCA")
    upload_proxy_url: str | None = opt(name="uploadProxyURL")


class CDIConfig(Resource):
    """Configuration of CDI."""

    spec: ConfigSpec
    status: ConfigStatus | None = None


class NodePlacement(Model):
    """On which nodes pods run."""

    affinity: Affinity | None = None
    node_selector: Labels | None = None
    tolerations: list[Toleration] | None = None


class Infra(NodePlacement):
    """Where and how often components run."""

    api_server_replicas: Int32 | None = None
    deployment_replicas: Int32 | None = None
    upload_proxy_replicas: Int32 | None = None


class Certificates(Model):
    """Life of CDI's certificates."""

    ca: CertConfig | None = None
    client: CertConfig | None = None
    server: CertConfig | None = None


class CDIFlags(Model):
    """Command line flags by component."""

    api: Labels | None = None
    controller: Labels | None = None
    upload_proxy: Labels | None = None


class CDICustomize(Model):
    """Changes to what is installed."""

    flags: CDIFlags | None = None
    patches: list[Patch] | None = opt(list_type="atomic")


class CDISpec(Model):
    """What to install, and how it behaves."""

    cert_config: Certificates | None = None
    clone_strategy_override: Literal["copy", "snapshot", "csi-clone"] | None = None
    config: ConfigSpec | None = None
    customize_components: CDICustomize | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    infra: Infra | None = None
    priority_class: str | None = None
    uninstall_strategy: Literal["RemoveWorkloads", "BlockUninstallIfWorkloadsExist"] | None = None
    workload: NodePlacement | None = None


class CDIStatus(Model):
    """What is installed."""

    conditions: list[CDICondition] | None = None
    observed_version: str | None = None
    operator_version: str | None = None
    phase: str | None = None
    target_version: str | None = None


class CDI(Resource):
    """An installation of CDI."""

    spec: CDISpec
    status: CDIStatus | None = None


class TransferSource(Model):
    """What is moved."""

    kind: str
    name: str
    namespace: str
    required_annotations: Labels | None = None


class TransferTarget(Model):
    """Where it is moved to."""

    name: str | None = None
    namespace: str | None = None


class TransferSpec(Model):
    """What is moved, and where to."""

    parent_name: str | None = None
    source: TransferSource
    target: TransferTarget


class TransferCondition(Model):
    """One observed aspect of a transfer."""

    last_heartbeat_time: Time | None = None
    last_transition_time: Time | None = None
    message: str | None = None
    reason: str | None = None
    status: str
    type: str


class TransferStatus(Model):
    """How far it has come."""

    conditions: list[TransferCondition] | None = None
    data: Labels | None = opt("What must not be lost on the way.")
    phase: str | None = None


class ObjectTransfer(Resource):
    """Moves a claim or DataVolume to another namespace."""

    spec: TransferSpec
    status: TransferStatus | None = None
