"""Which part of a claim's size its filesystem needs for itself, by CDI's configuration. Pure.

Origin: kubevirt: pkg/storage/types/cdi.go (GetFilesystemOverhead), pkg/storage/types/pvc.go
"""

from collections.abc import Iterable

from fakekube.machinery.objects import Obj, dig

_WITHOUT_CDI = "0.06"


def of(claim: Obj, config: Obj | None) -> str | None:
    """The part, as a decimal fraction; None when CDI's configuration is there and says nothing yet."""
    if dig(claim, "spec", "volumeMode") == "Block":
        return "0"
    if config is None:
        return _WITHOUT_CDI
    told = dig(config, "status", "filesystemOverhead")
    if not told:
        return None
    for_class = (told.get("storageClass") or {}).get(dig(claim, "spec", "storageClassName", default=""))
    return str(for_class or told.get("global") or _WITHOUT_CDI)


def is_known(claims: Iterable[Obj], config: Obj | None) -> bool:
    """Whether it can be told for all of them. Until then no guest on a filesystem is handed to its node."""
    return all(of(claim, config) is not None for claim in claims)
