"""Plays the steps of a recording on fakekube, in virtual time, and records what comes of it in the same form.

The division of labour is the recording's: the API server, the garbage collector, virt-controller and the pool controller
are fakekube's; scheduler, kubelet, virt-handler, CDI and binder are the script of `node`, and one admission step stands in
for virt-api.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from controller.app import PoolController
from fakekube.agents.autoscaling.controller import AUTOSCALERS, HorizontalPodAutoscaler
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import ManualClock, rfc3339
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import dig, name, namespace, uid
from fakekube.machinery.resources import (
    CDI_CONFIGS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DATA_SOURCES,
    DATA_VOLUMES,
    EVENTS,
    MIGRATIONS,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
    VMI_REPLICA_SETS,
    Resource,
)
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.controller.informers import MIGRATION_POLICIES
from tests.recordings import instructions, lots
from tests.recordings.facts import Change
from tests.recordings.node import Node, heartbeat, nodes
from tests.recordings.reading import Recording, Step

NS = "recorded"
KINDS: dict[str, Resource] = {
    "vmpool": VIRTUAL_MACHINE_POOLS,
    "vm": VIRTUAL_MACHINES,
    "vmi": VIRTUAL_MACHINE_INSTANCES,
    "vmim": MIGRATIONS,
    "vmirs": VMI_REPLICA_SETS,
    "pod": PODS,
    "controllerrevision": CONTROLLER_REVISIONS,
    "pvc": PERSISTENT_VOLUME_CLAIMS,
    "dv": DATA_VOLUMES,
    "policy": MIGRATION_POLICIES,
    "das": DATA_SOURCES,
    "event": EVENTS,
    "hpa": AUTOSCALERS,
}
_START = datetime(2026, 8, 1, tzinfo=UTC)
_REGISTRY = "quay.io/kubevirt/"  # of which the recorded virt-controller was not told
_PARTS = ("garbage-collector", "virt-operator", "virt-controller", "metrics")
_POOL_DELAY = 1.0
_SYNC, _WINDOW = 5.0, 10.0  # how the recorded autoscaler was set


class Run:
    """One recording being played. After `play`, `changes` is what came of it and `refusals` what clients were told."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.clock = ManualClock(_START)
        self.cluster = Cluster(only=_PARTS, clock=self.clock, seed=7)
        self.cluster.ids.random = lots.Drawn(recording.facts, 7)
        self.client: Client = self.cluster.client()
        self.informers = {one: Informer(self.client, one, clock=self.clock) for one in KINDS.values()}
        self.node = Node(self.client, self.clock, self.informers)
        self.resources = {step.line["res"] for step in recording.steps if step.request}
        self.quiet: set[str] = set()  # nodes without a heartbeat
        self.answers: list[tuple[Step, int, str]] = []
        self._seen: list[tuple[float, str, Object | None, Object | None]] = []
        self._begun = 0.0

    async def play(self) -> list[Change]:
        """Raises TimeoutError, NeverSettles and what a broken cluster raises."""
        self.cluster.services.set("recorded-node", "admission", _admission(self.clock))
        async with self.cluster:
            with contextlib.ExitStack() as ending:
                tasks = await self._set_up()
                for task in tasks:
                    ending.callback(task.cancel)
                under_way = await self._follow_steps()
                await self._until(self.recording.until or self.recording.duration)
                for task in [*under_way, *(one for one in tasks if one.done())]:
                    await task  # it tells what went wrong
            await asyncio.sleep(0)
        return _Normal(self._seen).changes

    async def _forget_overhead(self) -> None:
        """CDI's configuration as it is before CDI has looked at it."""
        found = await self.client.get(CDI_CONFIGS, "config", None)
        found.pop("status", None)
        await self.client.update(CDI_CONFIGS, found)

    async def _set_up(self) -> list[asyncio.Task[None]]:
        pools = PoolController(
            self.client.as_user("system:serviceaccount:kubevirt:kubevirt-controller", "system:masters"),
            clock=self.clock,
            ids=self.cluster.ids,
            reconcile_delay=_POOL_DELAY,
        )
        await self.cluster.advance(2)
        await self.client.create(
            NAMESPACES,
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}},
        )
        for one in nodes(rfc3339(self.clock.now())):
            await self.client.create(NODES, one)
        await self.client.create(MUTATING_WEBHOOKS, _WEBHOOK)
        tasks = [asyncio.create_task(one.run()) for one in self.informers.values()]
        tasks.append(asyncio.create_task(self.node.run()))
        tasks.append(asyncio.create_task(pools.run()))
        if "hpa" in self.resources:
            scaler = HorizontalPodAutoscaler(
                self.client,
                clock=self.clock,
                ids=self.cluster.ids,
                sync=_SYNC,
                window=_WINDOW,
                initialization=timedelta(),
            )
            tasks.append(asyncio.create_task(scaler.run()))
        tasks.append(asyncio.create_task(heartbeat(self.client, self.clock, self.quiet)))
        await self.cluster.advance(0.9)
        for one in (await self.client.list(DAEMON_SETS, "kubevirt")).items:
            await self.client.delete(DAEMON_SETS, name(one), "kubevirt")  # the recorded cluster had none
        for short, resource in KINDS.items():
            self.informers[resource].on_change(self._note(short))
        if "CDIConfig without status" in self.recording.about:
            await self._forget_overhead()
        self._begun = self.clock.monotonic()
        return tasks

    def _note(self, short: str) -> Callable[[Object | None, Object | None], None]:
        def note(old: Object | None, new: Object | None) -> None:
            if namespace(new or old or {}) == NS:
                self._seen.append((self.clock.monotonic() - self._begun, short, old, new))

        return note

    async def _until(self, moment: float) -> None:
        await self.cluster.advance(max(0.0, self._begun + moment - self.clock.monotonic()))

    async def _follow_steps(self) -> list[asyncio.Task[None]]:
        """Returns the instructions that may take until the end."""
        steps = self.recording.steps
        if any("node" in step.line and step.line["node"].startswith("pod: ") for step in steps):
            self.node.by_hand = True
        under_way: list[asyncio.Task[None]] = []
        for step in steps:
            await self._until(step.at)
            if step.request:
                code, text = await self._request(step.line)
                self.answers.append((step, code, text))
            else:
                told = asyncio.create_task(instructions.follow(step.line, self))
                await self.cluster.settle()
                under_way.append(told)
        return under_way

    # What the scenario's client does.

    async def _request(self, line: Object) -> tuple[int, str]:
        resource, own = KINDS[line["res"]], self._own_name(line)
        body = self._with_uids(line.get("body"))
        try:
            if line["do"] == "create":
                meta = {**body["metadata"], **({"namespace": NS} if resource.namespaced else {})}
                if line["res"] == "vmpool" and "hpa" in self.resources:
                    meta["annotations"] = {instructions.LOAD: "50m"}
                await self.client.create(resource, {**body, "metadata": meta})
                return 201, ""
            if line["do"] == "patch":
                kind = line["patchType"]
                await self.client.patch(resource, own, NS, body, type=kind, subresource=line.get("sub"))
            else:
                options = dict(body or {})
                policy = options.get("propagationPolicy")
                await self.client.delete(resource, own, NS, propagation=policy)
        except ApiError as error:
            return error.code, error.message
        return 200, ""

    def _own_name(self, line: Object) -> str:
        """`$vmi` stands for the oldest instance, whose name may be generated."""
        oldest = line["name"] == f"${line['res']}"
        return name(self.all(line["res"])[0]) if oldest else str(line["name"])

    def _with_uids(self, body: Any) -> Any:
        """The body with the uids of this run where the recording has names of objects."""
        text = json.dumps(body)
        for short, resource in KINDS.items():
            if "$uid(" + short not in text:
                continue
            for obj in self.informers[resource].in_namespace(NS):
                text = text.replace(f"$uid({short}/{name(obj)})", uid(obj))
                for number in range(2, 10):
                    text = text.replace(f"$uid({short}/{name(obj)}#{number})", uid(obj))
        return json.loads(text.replace("$ns", NS))

    def get(self, short: str, own: str) -> Object | None:
        return self.informers[KINDS[short]].get(f"{NS}/{own}")

    def all(self, short: str) -> list[Object]:
        return self.informers[KINDS[short]].in_namespace(NS)


# The one thing virt-api does that virt-controller depends on.

_WEBHOOK: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "recorded"},
    "webhooks": [
        {
            "name": "recorded.kubevirt.io",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {"service": {"namespace": "recorded-node", "name": "admission", "path": "/"}},
            "rules": [
                {
                    "apiGroups": ["kubevirt.io"],
                    "apiVersions": ["v1"],
                    "resources": ["virtualmachineinstances", "virtualmachineinstancemigrations"],
                    "operations": ["CREATE"],
                }
            ],
        }
    ],
}


def _admission(clock: ManualClock) -> Callable[[Request], Any]:
    async def handler(request: Request) -> Response:
        review = orjson.loads(request.body)
        obj = review["request"]["object"]
        made = json.loads(json.dumps(obj))
        held = made["metadata"].setdefault("finalizers", [])
        if obj["kind"] == "VirtualMachineInstance":
            held.append("kubevirt.io/foregroundDeleteVirtualMachine")
            entered = {"phase": "Pending", "phaseTransitionTimestamp": rfc3339(clock.now())}
            made.setdefault("status", {}).update(
                phase="Pending", phaseTransitionTimestamps=[entered], runtimeUser=107
            )
        else:
            held.append("kubevirt.io/migrationJobFinalize")
            made["metadata"].setdefault("labels", {})["kubevirt.io/vmi-name"] = dig(obj, "spec", "vmiName")
        patch = [
            {"op": "add", "path": f"/{member}", "value": made[member]}
            for member in ("metadata", "status")
            if member in made
        ]
        answer = {
            "uid": review["request"]["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(orjson.dumps(patch)).decode(),
        }
        return Response(body=orjson.dumps({**review, "response": answer}))

    return handler


class _Normal:
    """Changes in the words of recordings: what was generated is named by its kind, its owner and a number."""

    def __init__(self, seen: list[tuple[float, str, Object | None, Object | None]]) -> None:
        self._words: dict[str, str] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self.changes: list[Change] = []
        for _, short, old, new in seen:
            if new is not None and old is None:
                self._name(short, new)
        for at, short, old, new in seen:
            obj = new if new is not None else old
            assert obj is not None
            kind = "ADDED" if old is None else "MODIFIED" if new is not None else "DELETED"
            told = json.loads(self._told(orjson.dumps(obj).decode()))
            self.changes.append(Change(at, kind, short, told["metadata"]["name"], told))

    def _name(self, short: str, obj: Object) -> None:
        own = name(obj)
        if short == "event":
            return
        if prefix := obj["metadata"].get("generateName"):
            own = f"{prefix}${self._next(short, prefix)}"
            self._words[name(obj)] = own
        number = self._next(short, own)
        self._words[uid(obj)] = f"$uid({short}/{own})" if number == 1 else f"$uid({short}/{own}#{number})"

    def _next(self, short: str, what: str) -> int:
        self._numbers[short, what] = self._numbers.get((short, what), 0) + 1
        return self._numbers[short, what]

    def _told(self, text: str) -> str:
        text = text.replace(f"{_REGISTRY}virt-launcher", "virt-launcher")
        for word, told in self._words.items():
            if word in text:
                text = text.replace(word, told)
        return text.replace(f'"{NS}"', '"$ns"').replace(f"{NS}/", "$ns/").replace(f'\\"{NS}\\"', '\\"$ns\\"')
