"""Labels and annotations only KubeVirt may use, or only with a feature gate. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/{vmi-create,vmi-update}-admitter.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.causes import Cause, not_supported
from fakekube.virt.config import ClusterConfig

LABELS = (
    "kubevirt.io/created-by",
    "kubevirt.io/migrationJobUID",
    "kubevirt.io/nodeName",
    "kubevirt.io/migrationTargetNodeName",
    "kubevirt.io/schedulable",
    "kubevirt.io/install-strategy",
)
_IGNITION = "kubevirt.io/ignitiondata"
_SIDECARS = "hooks.kubevirt.io/hookSidecars"


def reserved_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of the labels that are KubeVirt's."""
    return {key: labels[key] for key in LABELS if key in labels}


def template_metadata(
    path: str, meta: Mapping[str, Any], config: ClusterConfig, *, component: bool = False
) -> Iterator[Cause]:
    """Metadata of an instance, or of a template for one."""
    if not component and reserved_labels(meta.get("labels") or {}):
        yield not_supported(
            "creation of the following reserved kubevirt.io/ labels on a VMI object is prohibited",
            f"{path}.labels",
        )
    annotations = meta.get("annotations") or {}
    field = f"{path}.annotations"
    if annotations.get(_IGNITION) and not config.gate("ExperimentalIgnitionSupport"):
        yield Cause(
            "ExperimentalIgnitionSupport feature gate is not enabled in kubevirt-config, invalid entry "
            f"{field}.{_IGNITION}",
            field,
        )
    if annotations.get(_SIDECARS) and not config.gate("Sidecar"):
        yield Cause(
            f"sidecar feature gate is not enabled in kubevirt-config, invalid entry {field}.{_SIDECARS}",
            field,
        )
