"""DataVolume and the other objects of CDI that bring data into claims.

Origin: cdi: staging/src/kubevirt.io/containerized-data-importer-api/pkg/apis/core/v1beta1/types.go
"""

from typing import Literal

from fakekube.virt.operator.models.base import (
    Empty,
    Int32,
    Model,
    Resource,
    Time,
    opt,
    req,
)
from fakekube.virt.operator.models.kubernetes import (
    LabelSelector,
    PersistentVolumeClaimSpec,
    TypedLocalObjectReference,
    TypedObjectReference,
    VolumeResourceRequirements,
)


class NamespacedName(Model):
    """An object, by namespace and name."""

    name: str
    namespace: str


class HTTPSource(Model):
    """A web server."""

    cert_config_map: str | None = opt("Config map with its certificate authority.")
    extra_headers: list[str] | None = opt("Headers to send.")
    secret_extra_headers: list[str] | None = opt("Secrets with headers to send.")
    secret_ref: str | None = opt("Secret with user and password.")
    url: str


class S3Source(Model):
    """An S3 bucket."""

    cert_config_map: str | None = opt("Config map with its certificate authority.")
    secret_ref: str | None = opt("Secret with the keys.")
    url: str


class GCSSource(Model):
    """A Google storage bucket."""

    secret_ref: str | None = opt("Secret with the credentials.")
    url: str


class Platform(Model):
    """What the image must run on."""

    architecture: str | None = None


class RegistrySource(Model):
    """A container registry."""

    cert_config_map: str | None = opt("Config map with its certificate authority.")
    image_stream: str | None = opt("Image stream to import.")
    platform: Platform | None = None
    pull_method: str | None = opt("pod or node.")
    secret_ref: str | None = opt("Secret with user and password.")
    url: str | None = opt("docker://… or oci-archive://…")


class ImageIOSource(Model):
    """A disk of oVirt."""

    cert_config_map: str | None = opt("Config map with its certificate authority.")
    disk_id: str
    insecure_skip_verify: bool | None = None
    secret_ref: str | None = opt("Secret with user and password.")
    url: str


class VDDKSource(Model):
    """A disk of VMware."""

    backing_file: str | None = None
    extra_args: str | None = None
    init_image_url: str | None = opt(name="initImageURL")
    secret_ref: str | None = opt("Secret with user and password.")
    thumbprint: str | None = None
    url: str | None = None
    uuid: str | None = None


class ImportSource(Model):
    """Where data is imported from; exactly one member."""

    blank: Empty | None = opt("Nowhere: an empty disk.")
    gcs: GCSSource | None = None
    http: HTTPSource | None = None
    imageio: ImageIOSource | None = None
    registry: RegistrySource | None = None
    s3: S3Source | None = None
    vddk: VDDKSource | None = None


class DataVolumeSource(ImportSource):
    """Where the data comes from; exactly one member."""

    pvc: NamespacedName | None = opt("A claim to clone.")
    snapshot: NamespacedName | None = opt("A volume snapshot to clone.")
    upload: Empty | None = opt("A client uploads it.")


class DataVolumeSourceRef(Model):
    """A DataSource that names the source."""

    kind: str = req("DataSource.")
    name: str
    namespace: str | None = None


class Checkpoint(Model):
    """One step of an import in several steps."""

    current: str
    previous: str


class StorageSpec(Model):
    """What storage is asked for; CDI fills in what is missing."""

    access_modes: list[str] | None = opt("How the volume is mounted.")
    data_source: TypedLocalObjectReference | None = opt(
        "A snapshot or claim to start from.", map_type="atomic"
    )
    data_source_ref: TypedObjectReference | None = opt("Any object to start from.")
    resources: VolumeResourceRequirements | None = None
    selector: LabelSelector | None = opt("Which volumes may be bound.", map_type="atomic")
    storage_class_name: str | None = opt("Class of the storage.")
    volume_mode: str | None = opt("Filesystem or Block.")
    volume_name: str | None = opt("The volume to bind.")


class DataVolumeSpec(Model):
    """Which data, on which storage."""

    checkpoints: list[Checkpoint] | None = opt("Steps of the import.")
    content_type: Literal["kubevirt", "archive"] | None = opt("What the data is.")
    final_checkpoint: bool | None = opt("Whether the current step is the last.")
    preallocation: bool | None = opt("Take all space at once.")
    priority_class_name: str | None = opt("Priority of the worker pods.")
    pvc: PersistentVolumeClaimSpec | None = None
    source: DataVolumeSource | None = None
    source_ref: DataVolumeSourceRef | None = None
    storage: StorageSpec | None = None


class CDICondition(Model):
    """One observed aspect of an object."""

    last_heartbeat_time: Time | None = None
    last_transition_time: Time | None = None
    message: str | None = None
    reason: str | None = None
    status: str
    type: str


class DataVolumeStatus(Model):
    """How far the data has come."""

    claim_name: str | None = opt("The claim that holds it.")
    conditions: list[CDICondition] | None = None
    phase: str | None = opt("Where in its life it is.")
    progress: str | None = opt("Percentage, or N/A.")
    restart_count: Int32 | None = opt("How often the worker pod was restarted.")


class DataVolume(Resource):
    """A claim together with the data that shall be in it."""

    spec: DataVolumeSpec
    status: DataVolumeStatus | None = None


class DataSourceSource(Model):
    """What a DataSource stands for; exactly one member."""

    data_source: NamespacedName | None = None
    pvc: NamespacedName | None = None
    snapshot: NamespacedName | None = None


class DataSourceSpec(Model):
    """What it stands for."""

    source: DataSourceSource


class DataSourceStatus(Model):
    """What it stands for at the moment."""

    conditions: list[CDICondition] | None = None
    source: DataSourceSource | None = None


class DataSource(Resource):
    """A name for data that may change."""

    spec: DataSourceSpec
    status: DataSourceStatus | None = None


class DataImportCronSpec(Model):
    """What is imported, and when."""

    garbage_collect: str | None = opt("Outdated or Never.")
    imports_to_keep: Int32 | None = opt("How many imports are kept; 3 when unset.")
    managed_data_source: str = req("DataSource that follows the newest import.")
    retention_policy: str | None = opt("None or All.")
    schedule: str = req("When to look, as cron writes it.")
    service_account_name: str | None = opt(
        "The account that may clone the claim it follows; `default` when unset."
    )
    template: DataVolume


class ImportStatus(Model):
    """An import under way."""

    data_volume_name: str = req(name="DataVolumeName")
    digest: str = req(name="Digest")


class DataImportCronStatus(Model):
    """What was imported."""

    conditions: list[CDICondition] | None = None
    current_imports: list[ImportStatus] | None = None
    last_execution_timestamp: Time | None = None
    last_import_timestamp: Time | None = None
    last_imported_pvc: NamespacedName | None = opt(name="lastImportedPVC")
    source_format: str | None = None


class DataImportCron(Resource):
    """Imports an image again and again."""

    spec: DataImportCronSpec
    status: DataImportCronStatus | None = None


class VolumeImportSourceSpec(Model):
    """What to fill a claim with."""

    checkpoints: list[Checkpoint] | None = None
    content_type: str | None = None
    final_checkpoint: bool | None = None
    preallocation: bool | None = None
    source: ImportSource | None = None
    target_claim: str | None = None


class VolumeImportSource(Resource):
    """Fills claims by an import."""

    spec: VolumeImportSourceSpec
    status: Empty | None = None


class VolumeUploadSourceSpec(Model):
    """What to fill a claim with."""

    content_type: str | None = None
    preallocation: bool | None = None


class VolumeUploadSource(Resource):
    """Fills claims by an upload."""

    spec: VolumeUploadSourceSpec
    status: Empty | None = None


class VolumeCloneSourceSpec(Model):
    """What to fill a claim with."""

    preallocation: bool | None = None
    priority_class_name: str | None = None
    source: TypedLocalObjectReference = req("A claim or volume snapshot.", map_type="atomic")


class VolumeCloneSource(Resource):
    """Fills claims by a clone."""

    spec: VolumeCloneSourceSpec
