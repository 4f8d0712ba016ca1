"""Labels CDI puts on what it makes, and those it carries over from what something is made of. Pure.

Origin: cdi: pkg/util/util.go (SetRecommendedLabels), pkg/controller/common/util.go (CopyAllowedLabels)
"""

import re
from collections.abc import Mapping

LABELS = {
    "app": "containerized-data-importer",
    "app.kubernetes.io/component": "storage",
    "app.kubernetes.io/managed-by": "cdi-controller",
    "cdi.kubevirt.io": "",
}
RECOMMENDED = {key: value for key, value in LABELS.items() if key.startswith("app.")}
_CARRIED = re.compile(r"([\w.]+\.kubevirt\.io|kubevirt\.io)/[\w.-]+")


def carried(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of KubeVirt and its kin: what instances are like by default, for one."""
    return {key: value for key, value in labels.items() if _CARRIED.fullmatch(key)}
