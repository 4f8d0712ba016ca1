"""What goes on in a container when somebody has a command carried out there, or attaches to it; and how either ends the other."""

from functools import partial

from fakekube.agents import containers
from fakekube.agents.node_server import channels, commands, lasting, logs
from fakekube.agents.node_server.commands import Asked
from fakekube.agents.node_server.log_reading import LogReading
from fakekube.agents.node_server.written import Here
from fakekube.client.client import Client
from fakekube.clock import Clock, rfc3339
from fakekube.machinery import objects
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object

_KILLED = 128 + 9  # by SIGKILL


class Sessions:
    """See the module text."""

    def __init__(
        self, client: Client, clock: Clock, logs: LogReading, inside: commands.Inside | None
    ) -> None:
        self._client = client
        self._clock = clock
        self._logs = logs
        self._inside = inside

    def executing(self, here: Here, asked: Asked, pod: Object, container: str) -> channels.Run:
        command = commands.executing(here, asked, self._clock, partial(self._act, pod))

        async def run(talk: channels.Talk) -> Object:
            try:
                return await lasting.with_run(self._client, pod, container, command(talk))
            except lasting.Killed:
                return commands.verdict(_KILLED)

        return run

    def attached(self, here: Here, asked: Asked, pod: Object, container: str) -> channels.Run:
        """Whoever only looks on sees what comes. As of real runtimes, nobody hears from an attachment how the container ended."""
        if not asked.stdin:
            return self._logs.until_ended(pod, container)
        talking = commands.attached(here, asked, self._clock)

        async def run(talk: channels.Talk) -> Object:
            try:
                told = await lasting.with_run(self._client, pod, container, talking(talk))
            except lasting.Killed:
                return commands.verdict(0)
            await self._end(pod, container, commands.exit_code(told))
            return commands.verdict(0)

        return run

    async def _act(self, pod: Object, act: str) -> None:
        if self._inside is not None:
            await self._inside.act(pod, act)

    async def _end(self, pod: Object, container: str, code: int) -> None:
        """What ran in a container has ended; what follows from that is the kubelet's business."""
        now, member = rfc3339(self._clock.now()), logs.member_of(pod, container)

        def ended(spec: containers.Container, before: containers.Status | None) -> containers.Status:
            if before is None or spec["name"] != container:
                return before or containers.waiting(spec, reason="ContainerCreating")
            found = containers.ended(pod, spec, before, now, code)
            return containers.unprobed(found) if member == "ephemeralContainers" else found

        while True:
            try:
                found = await self._client.get(PODS, objects.name(pod), objects.namespace(pod))
                if objects.uid(found) != objects.uid(pod):
                    return
                reported = {containers.STATUSES[member]: containers.statuses(found, member, ended)}
                changed = {**found, "status": {**found["status"], **reported}}
                await self._client.update(PODS, changed, subresource="status")
            except Conflict:
                continue  # somebody else's report: the list is told as a whole
            except NotFound:
                pass  # it has gone meanwhile, and the container with it
            return
