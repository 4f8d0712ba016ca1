"""virt-handler and the guests of all nodes as one actor: a VMI that is Scheduled boots, runs and ends here.

What happens when is data: `stages/guest.yaml` for guests, `stages/launcher.yaml` for the pods around them; what the stages
name is computed by `guest_view` and `launcher`, from the fate (`fates`) and from what `domain` and `migration` say. Here is
what holds them together, and commands from virt-api; what nodes know is `knowledge`'s.
The order of writes is the contract real controllers rely on: Running comes with its entry in phaseTransitionTimestamps,
events follow the write they tell of, no finalizer is ever touched.
Origin: kubevirt: pkg/virt-handler/vm.go
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from fakekube.agents import identities
from fakekube.agents.node_server.logs import Line
from fakekube.agents.node_server.place import Program
from fakekube.agents.volume_contents import VolumeContents
from fakekube.client.client import Client
from fakekube.client.controller import Controller, owner_of
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.lifecycle import loading, script
from fakekube.lifecycle.player import Player
from fakekube.lifecycle.stage import CHAOS, INSTANT, Pace, Stage
from fakekube.machinery.errors import BadRequest, Conflict
from fakekube.machinery.objects import dig, is_final, key, uid
from fakekube.machinery.resources import PODS, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt import sides
from fakekube.virt.handler import (
    backups,
    commands,
    dumps,
    fates,
    guest_view,
    guest_volumes,
    launcher,
    probing,
    rfb,
    streams,
)
from fakekube.virt.handler.deeds import Deeds
from fakekube.virt.handler.guest_devices import NOTHING, Contents
from fakekube.virt.handler.inside import Inside
from fakekube.virt.handler.knowledge import ON_NODE, Knowledge
from fakekube.virt.handler.nodes import Heartbeats

_STAGES = Path(__file__).parent / "stages"
_ATTEMPTS = 5
_NAMES = {("kubevirt.io", "VirtualMachineInstance"): guest_view.NAMES, ("", "Pod"): launcher.NAMES}


@cache
def standard_stages(pace: Pace = INSTANT) -> tuple[Stage, ...]:
    """The standard stages of guests and of launcher pods, read once."""
    files = ("guest.yaml", "launcher.yaml", *(("chaos.yaml",) if pace is CHAOS else ()))
    return tuple(stage for file in files for stage in loading.packaged(_STAGES / file, names=_NAMES))


class VirtHandler:
    """See the module text. `stages`: somebody's own, beside and in place of the standard ones."""

    name = "virt-handler"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        contents: VolumeContents,
        pace: Pace = INSTANT,
        stages: Sequence[Stage] = (),
        workers: int = 1,
    ) -> None:
        self._client = client
        self._clock = clock
        self._contents = contents
        for_guests = [one for one in stages if one.kind == VIRTUAL_MACHINE_INSTANCES.kind]
        for_launchers = [one for one in stages if one.kind == PODS.kind and one.name.startswith("launcher-")]
        standard = standard_stages(pace)
        self._everybody = bool(for_guests)  # stages may be about guests that are none of a node's business
        labels = Recorder(client, "node-labeller", clock=clock, ids=ids)
        self._heartbeats = Heartbeats(client, clock=clock, recorder=labels)
        self._knowledge = Knowledge(client, self._heartbeats, clock)
        self._vmis, self._pods = self._knowledge.vmis, self._knowledge.pods
        voice = Recorder(client, self.name, clock=clock, ids=ids)
        kubelet = Recorder(client, "kubelet", clock=clock, ids=ids)
        self._voice, self._recorders = voice, (voice, kubelet, labels)
        self._guests = Player(
            client,
            VIRTUAL_MACHINE_INSTANCES,
            script.merged(standard, for_guests),
            clock=clock,
            ids=ids,
            pace=pace,
            context=self._knowledge.guest,
            recorder=voice,
            host=_node_of_guest,
            informer=self._vmis,
            keys=self._about_guests,
            whole=True,
            workers=workers,
            name=self.name,
        )
        self._guests.controller.source(self._pods, owner_of(VIRTUAL_MACHINE_INSTANCES.kind))
        self._launchers = Player(
            client,
            PODS,
            script.merged(standard, for_launchers),
            clock=clock,
            ids=ids,
            pace=pace,
            context=self._knowledge.launcher,
            recorder=kubelet,
            host=_node_of_pod,
            client_for=lambda pod: identities.as_kubelet(client, _node_of_pod(pod)),
            informer=self._pods,
            workers=workers,
            name="virt-handler: launchers",
        )
        self._launchers.controller.source(self._vmis, self._launchers_of)
        self.deeds = Deeds(
            client,
            clock,
            self._knowledge,
            voice,
            wake=self._guests.controller.queue.add,
            probe=self._probe,
        )
        self._streams = streams.Streams(clock, self.deeds.act, self._around, contents)
        self._knowledge.listening = self._streams.listening
        self.inside = Inside(
            client,
            self._vmis,
            crash=partial(self.deeds.act, deed="panic"),
            merges=self._heartbeats.merges_on,
            configuration=self._heartbeats.configuration,
            said=self._console_log,
            more=self._streams.transcripts.more,
        )
        self._pods.on_change(self.inside.forget)
        self._backups = backups.Backups(
            client, clock, self._vmis, pace=pace, reaches=lambda vmi: bool(self._knowledge.guest(vmi))
        )
        self._dumps = dumps.Dumps(client, clock=clock, vmis=self._vmis, contents=contents)
        self._hanging_up = Controller("virt-handler: streams", self._streams.hang_up, clock=clock)
        self._hanging_up.source(self._vmis, self._over)
        self._copying = Controller("virt-handler: volumes", self._copy, clock=clock)
        self._due: dict[str, None] = {}  # what it has to copy: a guest's uid and two claims
        self._vmis.on_change(self._moved)
        self._heartbeats.on_change(self._wake)

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on, and every event has been sent."""
        return all(one.idle for one in self._controllers()) and all(one.idle for one in self._recorders)

    def _controllers(self) -> tuple[Controller, ...]:
        return (
            self._guests.controller,
            self._launchers.controller,
            self._hanging_up,
            self._copying,
            self._backups.controller,
            self._dumps.controller,
            self._heartbeats.controller,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for recorder in self._recorders:
                tasks.create_task(recorder.run())
            for controller in self._controllers():
                tasks.create_task(controller.run())

    # What wakes whom.

    def _about_guests(self, old: Object | None, new: Object | None) -> Iterable[str]:
        """Guests that nodes have, and those that come from another instance; and those that have just ended."""
        vmi = new or old
        if vmi is None:
            return ()
        here = dig(vmi, "status", "phase") in ON_NODE
        own = (key(vmi),) if here or self._everybody else ()
        return (*own, *(key(one) for one in self._knowledge.receivers_of(vmi)))

    def _launchers_of(self, _old: Object | None, new: Object | None) -> Iterable[str]:
        if new is None:
            return ()
        ended = is_final(new)
        moves = ended or dig(new, "status", "migrationState")
        if moves or fates.of(new) is not fates.NONE or probing.probes(new):
            return [key(pod) for pod in self._pods.by_index("owner", uid(new))]
        return ()

    def _moved(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is None:
            self._streams.transcripts.forget(uid(old))
        if old is None or new is None:
            return
        if self._contents.state():
            self._to_copy(new, guest_volumes.copied(old, new))
        if not sides.receives(new):
            return
        if dig(old, "status", "phase") != "Running" == dig(new, "status", "phase"):
            source = self._knowledge.origin_of(new).vmi
            if source is not None:
                self._streams.moved(source, uid(new))
                self._to_copy(new, guest_volumes.brought(source, new))

    def _to_copy(self, vmi: Object, claims: Iterable[tuple[str, str]]) -> None:
        for pair in claims:
            self._due[one := " ".join((uid(vmi), *pair))] = None
            self._copying.queue.add(one)

    async def _copy(self, one: str) -> None:
        """A guest's disk has come from one claim to another. Who is at its console writes on the one it has left, and is cut off."""
        guest, source, target = one.split(" ")
        await self._streams.cut_off(guest)
        await guest_volumes.copy(
            self._client, self._contents, source, target, if_=lambda: self._due.pop(one, "") is None
        )

    def _over(self, old: Object | None, new: Object | None) -> Iterable[str]:
        vmi = new or old
        if vmi is None or (new is not None and not is_final(vmi)):
            return ()
        return (uid(vmi),) if self._streams.knows(uid(vmi)) else ()

    def _wake(self, node: str) -> None:
        """The virt-handler of a node lives again: look at all its guests."""
        for vmi in self._vmis.objects():
            if dig(vmi, "status", "nodeName") == node:
                self._guests.controller.queue.add(key(vmi))

    # Commands from virt-api.

    async def command(self, namespace: str, name: str, verb: str, options: dict[str, Any]) -> Object | None:
        """Carry out what a subresource asks of a guest; answers only the commands that ask something of its agent."""
        for attempt in range(_ATTEMPTS):
            vmi = await self._reach(namespace, name)
            if verb == "screenshot":
                return {"image": rfb.screenshot()}
            if verb in backups.VERBS:
                await self._backups.command(vmi, verb, options)
                return None
            told = commands.answer(vmi, verb)
            if told is not None:
                return told
            changed = commands.applied(vmi, verb, self._now())
            if verb in ("reset", "softreboot"):
                self._streams.rebooted(uid(vmi))
                self._probe(vmi)
            if verb == "softreboot":
                said = ("Normal", "SoftRebooted", "VirtualMachineInstance soft rebooted")
                self._voice.event(vmi, *said, host=_node_of_guest(vmi))
            if verb in ("pause", "unpause"):
                self._streams.paused(uid(vmi), verb == "pause")
            if verb == "freeze":
                self._knowledge.thaw_later(vmi, options.get("unfreezeTimeout"))
            if changed == vmi:
                return None
            try:
                await self._client.update(VIRTUAL_MACHINE_INSTANCES, changed)
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return None
        return None

    async def open(
        self, namespace: str, name: str, kind: streams.Kind, port: int = 0, protocol: str = "tcp"
    ) -> streams.Serve:
        """How to talk to a guest's console, screen, port or USB. Raises ApiError."""
        past_node = kind == "portforward"  # virt-api itself dials the guest's address
        vmi = await self._reach(namespace, name, past_node=past_node)
        given = await self._given(vmi) if kind == "console" else NOTHING
        return self._streams.serve(vmi, kind, port, protocol, given)

    async def _reach(self, namespace: str, name: str, *, past_node: bool = False) -> Object:
        """The instance. Raises BadRequest where its node has no virt-handler that could be asked."""
        vmi = await self._client.get(VIRTUAL_MACHINE_INSTANCES, name, namespace)
        node = _node_of_guest(vmi)
        if not past_node and not self._heartbeats.is_housed(node):
            raise BadRequest(f"No virt-handler on node {node} found")
        return vmi

    async def _given(self, vmi: Object) -> Contents:
        from fakekube.virt.handler import guest_given  # noqa: PLC0415 - few guests are looked into

        known = self._vmis.get(key(vmi))
        if known is not None and any(guest_volumes.copied(known, vmi)):
            vmi = known  # what is written until it is seen that it has moved is copied then
        for one in [one for one in self._due if one.startswith(uid(vmi))]:
            await self._copy(one)
        return await guest_given.to(self._client, vmi, self._contents, self._heartbeats.configuration())

    async def _around(self, vmi: Object) -> Mapping[str, Program]:
        """How a guest tries its network."""
        from fakekube.virt.handler import surroundings  # noqa: PLC0415 - few guests do

        return await surroundings.programs(
            self._client, vmi, list(self._vmis.objects()), self._streams, self._given
        )

    async def _console_log(self, vmi: Object) -> list[Line]:
        return self._streams.console_log(vmi, await self._given(vmi))

    def _probe(self, vmi: Object) -> None:
        """Servers in the guest have come or gone: look at its launchers again."""
        for pod in self._pods.by_index("owner", uid(vmi)):
            self._launchers.controller.queue.add(key(pod))

    def _now(self) -> str:
        return rfc3339(self._clock.now())


def _node_of_guest(vmi: Object) -> str:
    return str(dig(vmi, "status", "nodeName", default=""))


def _node_of_pod(pod: Object) -> str:
    return str(dig(pod, "spec", "nodeName", default=""))
