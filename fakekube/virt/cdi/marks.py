"""Labels CDI puts on what it makes, and those it carries over from what something is made of. Pure.

Origin: cdi: pkg/util/util.go (SetRecommendedLabels, GetRecommendedInstallerLabelsFromCr), pkg/controller/common/util.go (CopyAllowedLabels)
"""

import re
from collections.abc import Mapping

from fakekube.machinery.objects import Obj, labels

OURS = {"app": "containerized-data-importer", "cdi.kubevirt.io": ""}
RECOMMENDED = {
    "app.kubernetes.io/component": "storage",
    "app.kubernetes.io/managed-by": "cdi-controller",
}
_OF_PRODUCT = ("app.kubernetes.io/part-of", "app.kubernetes.io/version")  # of the CDI object
_CARRIED = re.compile(r"([\w.]+\.kubevirt\.io|kubevirt\.io)/[\w.-]+")


def of(cdi: Obj | None) -> dict[str, str]:
    """Labels of what CDI makes, which is part of the product the CDI object is part of."""
    theirs = labels(cdi) if cdi is not None else {}
    return {**RECOMMENDED, **{key: theirs[key] for key in _OF_PRODUCT if key in theirs}}


def carried(theirs: Mapping[str, str]) -> dict[str, str]:
    """Those of KubeVirt and its kin: what instances are like by default, for one."""
    return {key: value for key, value in theirs.items() if _CARRIED.fullmatch(key)}
