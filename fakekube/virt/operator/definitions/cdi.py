"""The custom resources of CDI.

Origin: cdi: the kubebuilder markers of its types.
"""

from collections.abc import Mapping

from fakekube.virt.operator.definitions.definition import (
    AGE,
    ALPHA_BETA,
    BETA,
    PHASE,
    STATUS,
    Column,
    Definition,
)
from fakekube.virt.operator.models import cdi, datavolume

CDI = "cdi.kubevirt.io"
CDI_LABELS: Mapping[str, str] = {
    "app.kubernetes.io/component": "storage",
    "app.kubernetes.io/managed-by": "cdi-operator",
    "cdi.kubevirt.io": "",
    "operator.cdi.kubevirt.io": "",
}

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "datavolumes",
        CDI,
        datavolume.DataVolume,
        BETA,
        ("dv", "dvs"),
        columns=(
            Column("Phase", ".status.phase", description="The phase the data volume is in"),
            Column(
                "Progress",
                ".status.progress",
                description="Transfer progress in percentage if known, N/A otherwise",
            ),
            Column(
                "Restarts",
                ".status.restartCount",
                "integer",
                "The number of times the transfer has been restarted.",
            ),
            AGE,
        ),
        subresources=STATUS,
        labels=CDI_LABELS,
    ),
    Definition("datasources", CDI, datavolume.DataSource, BETA, ("das",), labels=CDI_LABELS),
    Definition(
        "dataimportcrons",
        CDI,
        datavolume.DataImportCron,
        BETA,
        ("dic", "dics"),
        columns=(
            Column(
                "Format", ".status.sourceFormat", description="The format in which created sources are saved"
            ),
        ),
        labels=CDI_LABELS,
    ),
    Definition(
        "storageprofiles",
        CDI,
        cdi.StorageProfile,
        BETA,
        namespaced=False,
        categories=(),
        subresources=STATUS,
        labels=CDI_LABELS,
    ),
    Definition("cdiconfigs", CDI, cdi.CDIConfig, BETA, namespaced=False, categories=(), labels=CDI_LABELS),
    Definition(
        "cdis",
        CDI,
        cdi.CDI,
        ALPHA_BETA,
        ("cdi", "cdis"),
        namespaced=False,
        categories=(),
        columns=(AGE, PHASE),
        labels={"operator.cdi.kubevirt.io": ""},
    ),
    Definition(
        "objecttransfers",
        CDI,
        cdi.ObjectTransfer,
        BETA,
        ("ot", "ots"),
        namespaced=False,
        categories=(),
        columns=(AGE, PHASE),
        subresources=STATUS,
        labels=CDI_LABELS,
    ),
    Definition(
        "volumeimportsources", CDI, datavolume.VolumeImportSource, BETA, categories=(), labels=CDI_LABELS
    ),
    Definition(
        "volumeuploadsources", CDI, datavolume.VolumeUploadSource, BETA, categories=(), labels=CDI_LABELS
    ),
    Definition(
        "volumeclonesources", CDI, datavolume.VolumeCloneSource, BETA, categories=(), labels=CDI_LABELS
    ),
)
