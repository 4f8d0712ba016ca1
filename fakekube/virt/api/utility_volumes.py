"""Volumes mounted beside a guest, which only KubeVirt itself adds, and takes away. Pure.

Origin: kubevirt: pkg/storage/admitters/storagehotplug.go
"""

from collections.abc import Iterator

from fakekube.machinery.objects import Obj, dig
from fakekube.virt.causes import Cause, duplicate, required
from fakekube.virt.config import ClusterConfig

_FIELD = "spec.utilityVolumes"


def creation(spec: Obj) -> Iterator[Cause]:
    """A guest begins without."""
    if spec.get("utilityVolumes") is not None:
        text = "cannot create VMI with utility volumes in spec, utility volumes can only be added via hotplug"
        yield Cause(text, _FIELD)


def update(vmi: Obj, old: Obj, config: ClusterConfig) -> list[Cause]:
    """What is wrong with those of a changed instance."""
    asked = dig(vmi, "spec", "utilityVolumes", default=())
    if asked and not config.gate("UtilityVolumes"):
        return [Cause("UtilityVolumes feature gate is not enabled", _FIELD)]
    return list(_each(vmi)) or list(_against(vmi, old))[:1]


def _each(vmi: Obj) -> Iterator[Cause]:
    volumes = {one["name"]: index for index, one in enumerate(dig(vmi, "spec", "volumes", default=()))}
    seen: dict[str, int] = {}
    for index, one in enumerate(dig(vmi, "spec", "utilityVolumes", default=())):
        here, own = f"{_FIELD}[{index}]", one.get("name") or ""
        if not own:
            yield required("UtilityVolume 'name' must be set", f"{here}.name")
        other = seen.setdefault(own, index)
        if other != index:
            yield duplicate(f"{here} and {_FIELD}[{other}] must not have the same Name.", f"{here}.name")
        if own in volumes:
            yield duplicate(
                f"{here} conflicts with spec.volumes[{volumes[own]}]. UtilityVolume names must be unique across both "
                "volumes and utilityVolumes.",
                f"{here}.name",
            )
        if not one.get("claimName"):
            yield required("UtilityVolume PVC 'claimName' must be set", f"{here}.claimName")


def _against(vmi: Obj, old: Obj) -> Iterator[Cause]:
    """None of them becomes another one, or is of those a guest began with."""
    told = dig(old, "status", "volumeStatus", default=())
    permanent = {one["name"] for one in told if "hotplugVolume" not in one}
    before = {one["name"]: one for one in dig(old, "spec", "utilityVolumes", default=())}
    asked = dig(vmi, "spec", "utilityVolumes", default=())
    for one in asked:
        if one["name"] in permanent:
            yield Cause(
                f"utility volume {one['name']} cannot be a permanent volume, utility volumes must always be hotplug"
            )
    for one in asked:
        if before.get(one["name"], one) != one:
            yield Cause(f"utility volume {one['name']} has changed")
