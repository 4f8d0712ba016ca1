"""Runs the pods that are bound to nodes, by the stages of `stages/`: one actor speaks for every node's kubelet.

A node has a kubelet while its Ready condition is True. On others (a bare Node somebody made, a broken one) pods stay as
they are.

Who decides when containers end? Usually the kubelet: after a DELETE it stops them. `ends_elsewhere` picks pods whose
work lives elsewhere (a virtual machine in a launcher pod). Those run on, also when deleted, until whoever does the work
reports the end in `pods/status`: `phase: Succeeded` or `Failed`, or one main container as `state.terminated`. The kubelet
then ends the rest, and removes the pod if it was deleted. When the grace period is over it does not wait any longer.
`killed` is told of the processes of a node that some pod has killed: node, part of their names.
Upstream: k8s: pkg/kubelet/kubelet.go, pkg/kubelet/status/status_manager.go
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from fakekube.agents import identities, killers
from fakekube.agents.pods.addresses import Addresses, of_pod
from fakekube.agents.pods.attachments import Attachments
from fakekube.agents.pods.mounts import Mounts
from fakekube.agents.pods.view import NAMES, PodView
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.lifecycle import loading, script
from fakekube.lifecycle.player import Player
from fakekube.lifecycle.stage import CHAOS, INSTANT, Pace, Stage
from fakekube.machinery import objects
from fakekube.machinery.resources import NODES, PODS
from fakekube.machinery.wire import Object

_STAGES = Path(__file__).parent / "stages"


def never(_pod: Object) -> bool:
    return False


def nobody(_node: str, _processes: str) -> None:
    return


@cache
def standard_stages(pace: Pace = INSTANT) -> tuple[Stage, ...]:
    """The stages of pods in `stages/`, read once."""
    files = ("chaos.yaml", "fates.yaml", "pod.yaml") if pace is CHAOS else ("fates.yaml", "pod.yaml")
    return tuple(stage for file in files for stage in loading.packaged(_STAGES / file, names=NAMES))


class Kubelet:
    """An actor. `stages`: somebody's own, beside and in place of the `standard` ones; None: of those for the pace."""

    name = "kubelet"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        pace: Pace = INSTANT,
        ends_elsewhere: Callable[[Object], bool] = never,
        killed: Callable[[str, str], None] = nobody,
        stages: Sequence[Stage] = (),
        standard: Sequence[Stage] | None = None,
    ) -> None:
        self._clock = clock
        self._client = client
        self._ends_elsewhere = ends_elsewhere
        self._killed = killed
        self._clients: dict[str, Client] = {}
        reader = identities.as_kubelet(client, "fakekube")
        self._recorder = Recorder(reader, "kubelet", clock=clock, ids=ids)
        self._nodes = Informer(reader, NODES, clock=clock)
        self._pods = Informer(reader, PODS, clock=clock)
        self._pods.add_index("node", _node_of)
        self._addresses = Addresses()
        self._pods.on_change(self._note_address)
        self._pods.on_change(self._note_killers)
        self._player = Player(
            reader,
            PODS,
            script.merged(standard_stages(pace) if standard is None else standard, stages),
            clock=clock,
            ids=ids,
            pace=pace,
            context=self._context,
            recorder=self._recorder,
            host=lambda pod: pod["spec"].get("nodeName") or "",
            client_for=self._as_node_of,
            informer=self._pods,
            keys=_bound_key,
            name=self.name,
        )
        self._player.controller.source(self._nodes, self._pods_of_changed)
        wake = self._player.controller.queue.add
        self._mounts = Mounts(client, clock=clock, wake=wake)
        self._attachments = Attachments(reader, clock=clock, ids=ids, wake=wake)
        self._pods.on_change(self._mounts.note)
        self._pods.on_change(self._attachments.note)
        self._nodes.on_change(self._forget_node)

    @property
    def idle(self) -> bool:
        return self._player.idle and self._recorder.idle and self._attachments.idle

    @property
    def pods(self) -> Informer:
        return self._pods

    def runs(self, pod: Object) -> bool:
        """Whether it is there yet, and no other of its name."""
        found = self._pods.get(objects.key(pod))
        return found is not None and objects.uid(found) == objects.uid(pod)

    @property
    def informers(self) -> Sequence[Informer]:
        return (self._pods, self._nodes)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run(), name="kubelet: events")
            tasks.create_task(self._player.run(), name="kubelet: pods")
            tasks.create_task(self._mounts.run(), name="kubelet: mounts")
            tasks.create_task(self._attachments.run(), name="kubelet: networks")

    def _context(self, pod: Object) -> Mapping[str, Any]:
        node = self._nodes.get(pod["spec"].get("nodeName") or "")
        view = PodView(
            pod,
            rfc3339(self._clock.now()),
            node=node if node is not None and objects.condition_is(node, "Ready") else None,
            ends_elsewhere=self._ends_elsewhere(pod),
            address=partial(of_pod, self._addresses),
            mounts=self._mounts.unmounted,
            attachments=self._attachments,
        )
        return {"pod": view}

    def _pods_of_changed(self, old: Object | None, new: Object | None) -> Iterable[str]:
        if new is None or (old is not None and objects.condition_is(old, "Ready")):
            return ()
        return [objects.key(pod) for pod in self._pods.by_index("node", objects.name(new))]

    def _as_node_of(self, pod: Object) -> Client:
        node = pod["spec"].get("nodeName") or ""
        client = self._clients.get(node)
        if client is None:
            client = self._clients[node] = identities.as_kubelet(self._client, node)
        return client

    def _forget_node(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._clients.pop(objects.name(old), None)

    def _note_address(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        if new is None or objects.is_final(new):
            self._addresses.release(objects.uid(pod))
        elif address := objects.dig(new, "status", "podIP"):
            self._addresses.take(objects.uid(new), address)

    def _note_killers(self, old: Object | None, new: Object | None) -> None:
        """A pod that kills processes of its node has begun to run."""
        if new is None or objects.dig(new, "status", "phase") != "Running" or not new["spec"].get("hostPID"):
            return
        what = killers.victims(new)
        if what and objects.dig(old or {}, "status", "phase") != "Running":
            self._killed(new["spec"].get("nodeName") or "", what)


def _bound_key(_old: Object | None, new: Object | None) -> Iterable[str]:
    return (objects.key(new),) if new is not None and new["spec"].get("nodeName") else ()


def _node_of(pod: Object) -> Iterable[str]:
    node = pod["spec"].get("nodeName")
    return (node,) if node else ()
