"""What a memory dump leaves on its claim: a file in place of the last one. A line is in it, as there is no memory to write.

Origin: kubevirt: pkg/virt-launcher/virtwrap/manager.go (memoryDump)
"""

from fakekube.agents.volume_contents import VolumeContents, volume_of
from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj, dig, name, namespace
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object

_ENDS = ".memory.dump"
_PHASES = ("MemoryDumpInProgress", "MemoryDumpCompleted")


class Dumps:
    """See the module text."""

    def __init__(self, client: Client, *, clock: Clock, vmis: Informer, contents: VolumeContents) -> None:
        self._client = client
        self._contents = contents
        self.controller = Controller("virt-handler: memory dumps", self._keep, clock=clock)
        vmis.on_change(self._look)

    def _look(self, old: Object | None, new: Object | None) -> None:
        for one in dumped(old, new):
            self.controller.queue.add(one)

    async def _keep(self, one: str) -> None:
        space, claim, guest, file = one.split(" ", 3)
        found = await self._client.find(PERSISTENT_VOLUME_CLAIMS, claim, space) if claim and file else None
        if found is None:
            return
        volume = volume_of(found)
        present = self._contents.read(volume, "files")
        others = {path: text for path, text in present.items() if not path.endswith(_ENDS)}
        self._contents.write(volume, "files", {**others, file: f"The memory of {guest} would be here.\n"})


def dumped(old: Obj | None, new: Obj | None) -> list[str]:
    """Dumps that have begun, or were seen when they were over, once each: namespace, claim, guest and file. As long as nothing is
    new of its volumes a guest is not looked at."""
    there, before = (dig(vmi, "status", "volumeStatus", default=()) for vmi in (new, old))
    if not there or there is before or new is None:
        return []
    return [
        " ".join((namespace(new), told.get("claimName", ""), name(new), told.get("targetFileName", "")))
        for entry in there
        if entry.get("phase") in _PHASES and (told := entry.get("memoryDumpVolume")) and entry not in before
    ]
