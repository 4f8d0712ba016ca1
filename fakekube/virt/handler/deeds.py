"""What is done to a guest from within, or to its process: it ends, its agent comes and goes, servers in it begin to listen."""

from collections.abc import Callable

from fakekube.client.client import Client
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import dig, key, name, namespace, uid
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt.handler import fates
from fakekube.virt.handler.guest_moves import Launchers
from fakekube.virt.handler.guest_view import GuestView, Memory
from fakekube.virt.handler.knowledge import Knowledge
from fakekube.virt.handler.shell import Deed

_ATTEMPTS = 5
_GUESTS = ("qemu-kvm", "qemu-system-x86_64", "virt-launcher")  # processes a guest does not survive


class Deeds:
    """See the module text. `wake` looks at a guest again, by its key; `probe` at its launchers."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        knowledge: Knowledge,
        recorder: Recorder,
        *,
        wake: Callable[[str], None],
        probe: Callable[[Object], None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._knowledge = knowledge
        self._recorder = recorder
        self._wake = wake
        self._probe = probe

    async def act(self, vmi: Object, deed: Deed) -> None:
        """What somebody did to a guest."""
        if deed in ("listens", "reboot"):
            self._probe(vmi)
        if deed == "listens" or (
            deed == "reboot" and dig(vmi, "spec", "domain", "rebootPolicy") != "Terminate"
        ):
            return
        for attempt in range(_ATTEMPTS):
            try:
                found = await self._client.get(VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi))
                if uid(found) != uid(vmi) or dig(found, "status", "phase") != "Running":
                    return
                if deed in ("agent-on", "agent-off"):
                    await self._agent(found, works=deed == "agent-on")
                else:
                    await self.end(found, panicked=deed == "panic")
            except NotFound:
                return
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    async def _agent(self, vmi: Object, *, works: bool) -> None:
        self._knowledge.agent_works(vmi, works=works)
        if works:
            self._wake(key(vmi))
        elif view := self._knowledge.guest(vmi):
            status = view["guest"]["disconnected"]
            await self._client.update(VIRTUAL_MACHINE_INSTANCES, {**vmi, "status": status})

    async def end(self, vmi: Object, *, panicked: bool) -> None:
        """The guest ends by itself."""
        view = GuestView(
            vmi, self._clock.now(), fate=fates.NONE, memory=Memory(""), launchers=Launchers(None)
        )
        status = view["failed" if panicked else "succeeded"]
        await self._client.update(VIRTUAL_MACHINE_INSTANCES, {**vmi, "status": status})
        said = (
            ("Warning", "Stopped", "The VirtualMachineInstance crashed.")
            if panicked
            else ("Normal", "Stopped", "The VirtualMachineInstance was shut down.")
        )
        self._recorder.event(vmi, *said, host=str(dig(vmi, "status", "nodeName", default="")))

    def kill(self, node: str, processes: str) -> None:
        """Some pod has killed processes of a node. virt-handlers and virtqemuds are started again, guests are not."""
        if not any(processes in one for one in _GUESTS):
            return
        for vmi in self._knowledge.vmis.objects():
            if dig(vmi, "status", "nodeName") == node and dig(vmi, "status", "phase") == "Running":
                self._knowledge.kill(vmi)
                self._wake(key(vmi))
