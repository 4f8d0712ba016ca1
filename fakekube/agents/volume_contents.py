"""What has been written on volumes: the cluster's storage, behind every driver.

It is no object and nobody watches it: whoever mounts a volume reads and writes here, whoever makes, copies or deletes volumes and
snapshots says so. Contents are values, so copies cost nothing; of a volume nobody has written on there are none.
What actors remember of containers and guests, which no volume holds, lies `beside` it: it comes along wherever contents do, into forks
and back to an earlier state.
A volume holds files, as pods and shared file systems of guests find them; a guest's disk is an image in one of them, or lies on the
bare volume, so it is held apart: files on it are not the volume's. As what image others find it is `node_server.volume_images`'.
"""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents.volume_objects import volume_name
from fakekube.machinery.objects import Obj, dig

Part = Literal["files", "disk"]
Files = Mapping[str, str | None]  # by paths; None: what an image brings is there no more


class Held(Struct, frozen=True):
    """What is on a volume, or was when its snapshot was taken."""

    files: Files = field(default_factory=dict)
    disk: Files = field(default_factory=dict)


_NOTHING = Held()


class Whole(Struct, frozen=True):
    """All there is at a moment."""

    volumes: Mapping[str, Held] = field(default_factory=dict)
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class VolumeContents:
    """See the module text. Volumes are called as their PersistentVolumes are, see `volume_of`; snapshots as `snapshot` says."""

    def __init__(self) -> None:
        self._held: Mapping[str, Held] = {}
        self._beside: dict[str, dict[str, Any]] = {}

    def of(self, own: str) -> Held:
        return self._held.get(own, _NOTHING)

    def read(self, own: str, part: Part) -> Files:
        held = self.of(own)
        return held.disk if part == "disk" else held.files

    def write(self, own: str, part: Part, files: Files) -> None:
        """From now on that part of a volume holds these."""
        self.put(own, replace(self.of(own), **{part: files}))

    def copy(self, source: str, target: str) -> None:
        """The target holds what the source does now."""
        self.put(target, self.of(source))

    def forget(self, own: str) -> None:
        self.put(own, _NOTHING)

    def put(self, own: str, held: Held) -> None:
        """From now on a volume holds this."""
        if held == self.of(own):
            return
        others = {one: kept for one, kept in self._held.items() if one != own}
        self._held = others if held == _NOTHING else {**others, own: held}

    def beside(self, what: str) -> dict[str, Any]:
        """What is remembered under that name. Whoever changes it puts values there that do not change."""
        return self._beside.setdefault(what, {})

    def state(self) -> Mapping[str, Held]:
        """All volumes that hold something, as they are now."""
        return self._held

    def whole(self) -> Whole:
        return Whole(self._held, {what: dict(known) for what, known in self._beside.items()})

    def become(self, whole: Whole) -> None:
        self._held = whole.volumes
        for what in {**self._beside, **whole.beside}:
            known = self.beside(what)
            known.clear()
            known.update(whole.beside.get(what, {}))


def volume_of(claim: Obj) -> str:
    """The volume of a claim, which may be still to be made."""
    return str(dig(claim, "spec", "volumeName") or volume_name(claim))


def snapshot(own: str) -> str:
    """How a VolumeSnapshot is called here. `own`: its key."""
    return f"snapshot {own}"
