"""Which releases a cluster says it is: shown wherever a real one shows them, without any other effect."""

import re

from msgspec import Struct
from msgspec.structs import force_setattr

_RELEASE = re.compile(r"v?(\d+)\.(\d+)\.(\d+)([-+][0-9A-Za-z.+-]+)?")


_LIKE = {"kubernetes": "v1.36.2", "kubevirt": "v1.9.0"}


class BadVersion(ValueError):
    """Something that is no release; the text shows how they look."""


class Versions(Struct, frozen=True):
    """Kubernetes' release is in /version and on nodes, KubeVirt's in its installation. Raises BadVersion."""

    kubernetes: str = _LIKE["kubernetes"]
    kubevirt: str = _LIKE["kubevirt"]

    def __post_init__(self) -> None:
        for name, said in (("kubernetes", self.kubernetes), ("kubevirt", self.kubevirt)):
            if _RELEASE.fullmatch(said) is None:
                raise BadVersion(f"{said!r} is no version of {name}; write it like {_LIKE[name]}")
            force_setattr(self, name, f"v{said.removeprefix('v')}")

    @property
    def minor(self) -> tuple[int, int]:
        """Kubernetes' major and minor version."""
        found = _RELEASE.fullmatch(self.kubernetes)
        assert found is not None
        return int(found[1]), int(found[2])
