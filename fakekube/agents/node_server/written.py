"""What commands have written in containers: a container's own files last until it is started again, those in volumes, which containers
of a pod share, until the pod has gone. They are kept in memory, and none before something is written.

What configuration brings (`mounted`) is read anew, and only read. A claim is a volume like any other: each pod has its own of it.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents.node_server import logs
from fakekube.agents.node_server.place import FOLDER, Container, Files, is_below
from fakekube.machinery.objects import Obj, dig, uid
from fakekube.machinery.wire import Object

_CONFIGURATION = ("configMap", "secret", "downwardAPI", "projected")
_KERNEL = ("/dev", "/proc", "/sys")


class _Area(Struct, frozen=True):
    """What is at a path: kept under a name, `below` a folder there. `run`: of the container whose own it is."""

    path: str
    name: str
    below: str = ""
    run: str = ""
    only_read: bool = False

    def inside(self, path: str) -> str:
        return self.below + path.removeprefix(self.path)

    def outside(self, path: str) -> str | None:
        return self.path + path.removeprefix(self.below) if is_below(path, self.below) else None


class _Kept(Struct):
    run: str
    files: dict[str, str | None] = field(default_factory=dict)


def _areas(pod: Obj, name: str) -> Iterator[_Area]:
    """Of a container, the innermost first."""
    spec = logs.spec_of(pod, name)
    volumes = {one["name"]: one for one in dig(pod, "spec", "volumes", default=())}
    mounts = spec.get("volumeMounts") or ()
    for mount in sorted(mounts, key=lambda one: len(one["mountPath"]), reverse=True):
        configured = any(kind in volumes.get(mount["name"], {}) for kind in _CONFIGURATION)
        below = mount.get("subPath", "").strip("/")
        path = mount["mountPath"].rstrip("/")
        only_read = configured or bool(mount.get("readOnly"))
        yield _Area(path, f"volume {mount['name']}", f"/{below}" if below else "", only_read=only_read)
    sealed = bool(dig(spec, "securityContext", "readOnlyRootFilesystem", default=False))
    run = logs.status_of(pod, name).get("containerID", "")
    yield _Area("", f"container {name}", run=run, only_read=sealed)


class Written:
    """`lives` tells whether a pod is there yet: of others nothing is kept."""

    def __init__(self, lives: Callable[[Object], bool]) -> None:
        self._lives = lives
        self._pods: dict[str, dict[str, _Kept]] = {}

    def forget(self, old: Object | None, new: Object | None) -> None:
        """Told of pods that change: of one that has gone nothing is kept."""
        if self._pods and new is None and old is not None:
            self._pods.pop(uid(old), None)

    def files(self, pod: Object, name: str) -> Files:
        """What a container finds of it."""
        there = self._pods.get(uid(pod))
        found = dict[str, str | None]()
        for area in reversed(list(_areas(pod, name))) if there else ():
            kept = there.get(area.name) if there else None
            if kept is None or kept.run != area.run:
                continue
            for path, text in kept.files.items():
                if (outside := area.outside(path)) is not None:
                    found[outside] = text
        return found

    def keep(self, pod: Object, name: str, wrote: Files, given: Files) -> None:
        """`given`: what is there of itself, of which it has to be remembered that it was removed."""
        areas = list(_areas(pod, name))
        for path, text in wrote.items() if self._lives(pod) else ():
            area = next(one for one in areas if is_below(path, one.path))
            if any(is_below(path, one) for one in _KERNEL) and not area.path:
                continue
            there = self._pods.setdefault(uid(pod), {})
            kept = there.get(area.name)
            if kept is None or kept.run != area.run:
                kept = there[area.name] = _Kept(area.run)
            if text is not None or path in given:
                kept.files[area.inside(path)] = text
            else:
                kept.files.pop(area.inside(path), None)


class Here:
    """A container, and who remembers what is written there."""

    def __init__(self, written: Written, pod: Object, name: str, container: Container) -> None:
        areas = list(_areas(pod, name))
        folders = [one.path for one in areas if one.path and one.path not in container.files]
        files = {**{f"{one}/{FOLDER}": "" for one in folders}, **container.files}
        mounts = {one.path: one.only_read for one in areas}
        self._written, self._pod, self._name = written, pod, name
        self._container = replace(container, files=files, given=files, mounts=mounts)

    def now(self) -> Container:
        """With all that has been written."""
        return self._container.after(self._written.files(self._pod, self._name))

    def keep(self, wrote: Files) -> None:
        if wrote:
            self._written.keep(self._pod, self._name, wrote, self._container.files)
