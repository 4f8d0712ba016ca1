"""How a claim is cloned: by its driver, by a snapshot, or byte by byte where that cannot be. Pure.

Left out: which driver has taken a snapshot.
Origin: cdi: pkg/controller/clone/planner.go
"""

from msgspec import Struct

from fakekube.machinery.objects import Obj, dig
from fakekube.virt import quantities
from fakekube.virt.cdi.sources import CLONE_TYPE, Origin

COPY, SNAPSHOT = "copy", "snapshot"
_FALLBACK = "cdi.kubevirt.io/cloneFallbackReason"
_NO_SNAPSHOTS = ("NoVolumeSnapshotClass", "No compatible volumesnapshotclass found")
_NO_MATCH = ("IncompatibleProvisioners", "Provisioners are incompatible")
_OTHER_MODE = ("IncompatibleVolumeModes", "The volume modes of source and target are incompatible")
_NO_GROWTH = ("NoVolumeExpansion", "No volume expansion is possible")


class Way(Struct, frozen=True):
    """`reason`, `message`: why it is not the way it should be, if it is not."""

    strategy: str
    reason: str = ""
    message: str = ""

    @property
    def notes(self) -> dict[str, str]:
        """Annotations of the claim."""
        return {CLONE_TYPE: self.strategy, **({_FALLBACK: self.message} if self.message else {})}


class Asked(Struct, frozen=True):
    """`source`: the claim or snapshot; `wanted`: what the clone is to be like, of `size`; their classes, as far as they are
    known; `strategy`: how the class is cloned, where nothing is against it."""

    origin: Origin
    source: Obj
    wanted: Obj
    size: str
    target_class: Obj | None
    source_class: Obj | None
    strategy: str
    can_snapshot: bool


def way(asked: Asked) -> Way:
    """How it is cloned."""
    grows = bool(dig(asked.target_class, "allowVolumeExpansion"))
    if asked.origin.kind == SNAPSHOT:
        small = _is_smaller(dig(asked.source, "status", "restoreSize"), asked.size)
        return Way(COPY, *_NO_GROWTH) if small and not grows else Way(SNAPSHOT)
    if asked.strategy == SNAPSHOT and not asked.can_snapshot:
        return Way(COPY, *_NO_SNAPSHOTS)
    if asked.strategy == COPY:
        return Way(COPY)
    if dig(asked.source_class, "provisioner") != dig(asked.target_class, "provisioner"):
        return Way(COPY, *_NO_MATCH)
    if _mode(dig(asked.source, "spec")) != _mode(asked.wanted):
        return Way(COPY, *_OTHER_MODE)
    if not grows and _is_smaller(dig(asked.source, "status", "capacity", "storage"), asked.size):
        return Way(COPY, *_NO_GROWTH)
    return Way(asked.strategy)


def _mode(wanted: Obj | None) -> str:
    return str(dig(wanted, "volumeMode", default="Filesystem") or "Filesystem")


def _is_smaller(source: str | None, target: str) -> bool:
    return source is not None and bool(target) and quantities.exact(source) < quantities.exact(target)
