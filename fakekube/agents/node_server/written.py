"""What commands have written in containers: a container's own files last until it is started again, those in volumes,
which containers of a pod share, until the pod has gone. They are kept in memory, beside what is on volumes, and none
before something is written. What is in claims is kept by whoever keeps volumes (`volume_contents`); what configuration
brings (`mounted`) is read anew, and only read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from fakekube.agents.node_server import logs, online, volume_images
from fakekube.agents.node_server.place import FOLDER, Container, Files, is_below, resolved
from fakekube.agents.node_server.volume_images import Claimed
from fakekube.agents.volume_contents import VolumeContents
from fakekube.machinery.objects import Obj, dig, uid
from fakekube.machinery.wire import Object

T = TypeVar("T")
_CONFIGURATION = ("configMap", "secret", "downwardAPI", "projected")
_KERNEL = ("/dev", "/proc", "/sys")


class _Area(Struct, frozen=True):
    """What is at a path: kept under a name, `below` a folder there. `run`: of the container whose own it is; `claimed`: the volume that
    is, and keeps it."""

    path: str
    name: str
    below: str = ""
    run: str = ""
    only_read: bool = False
    claimed: Claimed | None = None
    is_device: bool = False

    def inside(self, path: str) -> str:
        return self.below + path.removeprefix(self.path)

    def outside(self, path: str) -> str | None:
        return self.path + path.removeprefix(self.below) if is_below(path, self.below) else None


class _Kept(Struct, frozen=True):
    run: str
    files: Files


def _areas(pod: Obj, name: str, claims: Mapping[str, Claimed]) -> Iterator[_Area]:
    """Of a container, the innermost first; a device is the image on its volume. `claims`: volumes that are claimed."""
    spec = logs.spec_of(pod, name)
    volumes = {one["name"]: one for one in dig(pod, "spec", "volumes", default=())}
    mounts = spec.get("volumeMounts") or ()
    for mount in sorted(mounts, key=lambda one: len(one["mountPath"]), reverse=True):
        own = volumes.get(mount["name"], {})
        sealed = any(kind in own for kind in _CONFIGURATION)
        sealed = sealed or bool(dig(own, "persistentVolumeClaim", "readOnly", default=False))
        below = mount.get("subPath", "").strip("/")
        path = resolved(mount["mountPath"].rstrip("/"))
        yield _Area(
            path,
            f"volume {mount['name']}",
            f"/{below}" if below else "",
            only_read=sealed or bool(mount.get("readOnly")),
            claimed=claims.get(mount["name"]),
        )
    for device in spec.get("volumeDevices") or ():
        yield _Area(
            device["devicePath"],
            f"volume {device['name']}",
            f"/{volume_images.FILE}",
            claimed=claims.get(device["name"]),
            is_device=True,
        )
    sealed = bool(dig(spec, "securityContext", "readOnlyRootFilesystem", default=False))
    run = logs.status_of(pod, name).get("containerID", "")
    yield _Area("", f"container {name}", run=run, only_read=sealed)


class Written:
    """`lives` tells whether a pod is there yet: of others nothing is kept. `contents`: of volumes that are claimed."""

    def __init__(self, lives: Callable[[Object], bool], contents: VolumeContents) -> None:
        self._lives = lives
        self._contents = contents
        self._pods: dict[str, Mapping[str, _Kept]] = contents.beside("containers")  # by uids

    def forget(self, old: Object | None, new: Object | None) -> None:
        """Told of pods that change: of one that has gone nothing is kept."""
        if self._pods and new is None and old is not None:
            self._pods.pop(uid(old), None)

    def files(self, pod: Object, areas: Sequence[_Area]) -> Files:
        """What a container finds of it."""
        found = dict[str, str | None]()
        for area in reversed(areas):
            for path, text in self._in(pod, area).items():
                if (outside := area.outside(path)) is not None:
                    found[outside] = text
        return found

    def _in(self, pod: Object, area: _Area) -> Files:
        if (on := area.claimed) is not None:
            found = volume_images.files(self._contents.of(on.volume), on)
            return {f"/{path}": text for path, text in found.items()}
        kept = self._pods.get(uid(pod), {}).get(area.name)
        return kept.files if kept is not None and kept.run == area.run else {}

    def keep(self, pod: Object, areas: Sequence[_Area], wrote: Files, given: Files) -> None:
        """`given`: what is there of itself, of which it has to be remembered that it was removed."""
        if not self._lives(pod):
            return
        changed = dict[str, tuple[_Area, dict[str, str | None]]]()
        for path, text in wrote.items():
            area = next(one for one in areas if is_below(path, one.path))
            if area.path or not any(is_below(path, one) for one in _KERNEL):
                if area.name not in changed:
                    changed[area.name] = area, dict(self._in(pod, area))
                files = changed[area.name][1]
                files[area.inside(path)] = text
                if text is None and path not in given:
                    del files[area.inside(path)]
        for area, files in changed.values():
            if (on := area.claimed) is not None:
                there = {path.removeprefix("/"): text for path, text in files.items()}
                before = self._contents.of(on.volume)
                self._contents.put(on.volume, volume_images.held(there, before, on))
            else:
                self._pods[uid(pod)] = {**self._pods.get(uid(pod), {}), area.name: _Kept(area.run, files)}


class Here:
    """A container, and who remembers what is written there. `network`: whom it reaches."""

    def __init__(
        self,
        written: Written,
        pod: Object,
        name: str,
        container: Container,
        *,
        claims: Mapping[str, Claimed],
        network: online.Network,
    ) -> None:
        self._written, self._pod, self._network = written, pod, network
        self._areas = list(_areas(pod, name, claims))
        there = {resolved(path): text for path, text in container.files.items()}
        folders = [one.path for one in self._areas if one.path not in there and not one.is_device]
        made = {f"{one}/{FOLDER}": "" for one in [*folders, container.workdir.rstrip("/")] if one}
        files = {**made, **there}
        mounts = {one.path: one.only_read for one in self._areas}
        self._container = replace(container, files=files, given=files, mounts=mounts)

    def now(self) -> Container:
        """With all that has been written."""
        return self._container.after(self._written.files(self._pod, self._areas))

    async def play(self, run: Callable[[Container], T], variables: Mapping[str, str] | None = None) -> T:
        """What comes of commands, in a shell with these variables."""

        def now() -> Container:
            return self.now() if variables is None else replace(self.now(), environment=variables)

        return await online.played(now, run, self._network)

    def keep(self, wrote: Files) -> None:
        if wrote:
            self._written.keep(self._pod, self._areas, wrote, self._container.files)
