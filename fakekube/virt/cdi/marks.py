"""Labels CDI puts on what it makes, and those it carries over from what something is made of. Pure.

Origin: cdi: pkg/util/util.go (SetRecommendedLabels, GetRecommendedInstallerLabelsFromCr), pkg/controller/common/util.go (CopyAllowedLabels),
pkg/controller/datavolume/util.go (updateDataVolumeDefaultInstancetypeLabels)
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


INSTANCES = tuple(
    f"instancetype.kubevirt.io/default-{member}{kind}"
    for member in ("instancetype", "preference")
    for kind in ("", "-kind")
)  # what instances are like by default


def of(cdi: Obj | None) -> dict[str, str]:
    """Labels of what CDI makes, which is part of the product the CDI object is part of."""
    theirs = labels(cdi) if cdi is not None else {}
    return {**RECOMMENDED, **{key: theirs[key] for key in _OF_PRODUCT if key in theirs}}


def of_instances(volume: Obj, source: Obj | None) -> dict[str, str]:
    """What a DataVolume is to say of instances, as what it is made of does; nothing, where it says something itself."""
    if source is None or any(one in labels(volume) for one in INSTANCES):
        return {}
    theirs = labels(source)
    return {one: theirs[one] for one in INSTANCES if one in theirs}


def carried(theirs: Mapping[str, str]) -> dict[str, str]:
    """Those of KubeVirt and its kin: what instances are like by default, for one."""
    return {key: value for key, value in theirs.items() if _CARRIED.fullmatch(key)}
