"""Plays stages: watches one resource, waits each stage's delay, and does through its client what the stage says.

What it has written itself it knows from the answers, before its cache does, so a stage is never played twice for one
state, and lives without delays are lived through at once. A stage whose moment comes is matched again: if the object has
changed its mind meanwhile, the stage does not play. A write that is refused is tried again, without waiting the delay anew.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from fakekube.client import discovery
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Keys, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.lifecycle import effects
from fakekube.lifecycle.match import Asked, asked, choose, delay
from fakekube.lifecycle.script import for_kind
from fakekube.lifecycle.stage import INSTANT, Apply, Finalizers, Pace, Stage, Write
from fakekube.machinery import digits, objects
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import Resource, split_api_version
from fakekube.machinery.wire import Object

MAX_STEPS = 100  # stages in a row without a delay: more is a circle, and would never end

_SOON = 1e-9
_MANAGER = "kwok"  # whose fields are what stages apply


class _Plan(Struct):
    """A stage waiting for its moment."""

    stage: Stage
    due: float
    asked: Asked
    among: Sequence[Stage] = ()  # all it was drawn from


class _Life(Struct):
    """What is planned for one object, by track, and what of it happens only once."""

    uid: str
    plans: dict[str, _Plan] = field(default_factory=dict)
    played: set[str] = field(default_factory=set)


class Player:
    """An actor. `context` adds values for templates and selectors to `now` and `object`.

    `keys` may leave out changes that no stage is about. `host` says in the name of which host events about an object are
    told, `client_for` who writes it. `before` is told of an object for which a stage is about to play. `whole`: the kind has no
    status subresource.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        stages: Sequence[Stage],
        *,
        clock: Clock,
        ids: Ids,
        pace: Pace = INSTANT,
        context: Callable[[Object], Mapping[str, Any]] | None = None,
        recorder: Recorder | None = None,
        host: Callable[[Object], str] | None = None,
        client_for: Callable[[Object], Client] | None = None,
        before: Callable[[Object], None] | None = None,
        informer: Informer | None = None,
        keys: Keys | None = None,
        whole: bool = False,
        workers: int = 1,
        name: str = "",
    ) -> None:
        self.name = name or f"player: {resource.qualified}"
        self.informer = informer if informer is not None else Informer(client, resource, clock=clock)
        self.controller = Controller(self.name, self._advance, clock=clock, workers=workers)
        self.controller.source(self.informer, keys)
        self._client = client
        self._resource = resource
        self._script = for_kind(stages, resource.group, resource.kind, pace)
        self._whole = whole
        self._clock = clock
        self._ids = ids
        self._pace = pace
        self._context = context
        self._recorder = recorder
        self._host = host
        self._client_for = client_for
        self._before = before
        self._lives: dict[str, _Life] = {}
        self._others: dict[tuple[str, str], Resource] = {}  # of kinds that stages apply objects of
        self._ahead: dict[str, Object] = {}  # answers to own writes that the cache has not caught up with
        self.informer.on_change(self._forget)

    @property
    def idle(self) -> bool:
        """Nothing to play now; stages waiting for their moment do not count."""
        return self.controller.idle

    async def run(self) -> None:
        await self.controller.run()

    def current(self, key: str) -> Object | None:
        """The object as far as it is known: from the cache, or from an own write that is newer."""
        cached, ahead = self.informer.get(key), self._ahead.get(key)
        if cached is None or ahead is None:
            return cached
        if objects.uid(cached) != objects.uid(ahead) or _version(cached) >= _version(ahead):
            del self._ahead[key]
            return cached
        return ahead

    def _forget(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            key = objects.key(old)
            self._lives.pop(key, None)
            self._ahead.pop(key, None)

    async def _advance(self, key: str) -> Result | None:
        hurried: str | None = None  # the track whose next stage does not wait
        spent: set[str] = set()  # tracks whose stage would change nothing, however often it is played
        for _ in range(MAX_STEPS):
            obj = self.current(key)
            if obj is None:
                return None
            context: dict[str, Any] = {
                "now": rfc3339(self._clock.now()),
                "object": obj,
                "random": self._ids.random,
            }
            if self._context is not None:
                context.update(self._context(obj))
            track = self._plan(key, obj, context, hurried, spent)
            if track is None:
                return None
            life = self._lives[key]
            plan = life.plans[track]
            if (wait := plan.due - self._clock.monotonic()) > _SOON:
                return Result(requeue_after=wait)
            stage = plan.stage
            changed = await self._play(key, stage, obj, context)
            life.plans.pop(track, None)
            if changed is None:
                return None
            if stage.once:
                life.played.add(stage.name)
            elif not changed:
                # It would match for ever: only time, or news from elsewhere, can move this object on.
                spent.add(track)
            hurried = track if stage.immediate_next else None
        raise RuntimeError(f"{key}: {MAX_STEPS} stages in a row without a delay; the stages go in a circle")

    def _plan(
        self, key: str, obj: Object, context: Mapping[str, Any], hurried: str | None, spent: set[str]
    ) -> str | None:
        """Bring the plans up to date; the track whose stage comes first, if there is any."""
        life = self._lives.get(key)
        if life is None or life.uid != objects.uid(obj):
            life = _Life(objects.uid(obj))
        plans: dict[str, _Plan] = {}
        first: str | None = None
        for track, stages in self._script.tracks(context).items():
            left = [one for one in stages if one.name not in life.played] if life.played else stages
            plan = life.plans.get(track)
            lot = choose(left, obj, context, self._ids.random, (plan.stage, plan.among) if plan else None)
            if lot is None:
                continue
            stage, among = lot
            wanted = asked(stage, obj, context)
            if plan is None or plan.stage is not stage or plan.asked != wanted:
                plan = self._planned(stage, wanted, hurry=track == hurried)
            plan.among = among
            if track in spent and plan.due - self._clock.monotonic() <= _SOON:
                continue
            plans[track] = plan
            if first is None or plan.due < plans[first].due:
                first = track
        life.plans = plans
        if plans or life.played:
            self._lives[key] = life
        else:
            self._lives.pop(key, None)
        return first

    def _planned(self, stage: Stage, wanted: Asked, *, hurry: bool) -> _Plan:
        wait = 0.0 if hurry else delay(stage, wanted, self._clock.now(), self._pace, self._ids.random)
        return _Plan(stage, self._clock.monotonic() + wait, wanted)

    async def _play(self, key: str, stage: Stage, obj: Object, context: Mapping[str, Any]) -> bool | None:
        """Do what the stage says; whether that changed the object, or None: it is gone."""
        if self._before is not None:
            self._before(obj)
        step = stage.next
        client = self._client_for(obj) if self._client_for is not None else self._client
        before = objects.resource_version(obj)
        told, seen = list(effects.events(stage, context)), obj
        try:
            for write in step.writes:
                body = effects.body(write, obj, context)
                if body is not None:
                    obj = await self._write(client, write, body, obj)
                    self._ahead[key] = obj
            if step.delete:
                name, namespace = objects.name(obj), objects.namespace(obj)
                await client.delete(self._resource, name, namespace, grace_seconds=0, uid=objects.uid(obj))
        except NotFound:
            return None  # gone meanwhile; the cache will tell
        if self._recorder is not None:
            host = self._host(seen) if self._host is not None else None
            for one in told:
                self._recorder.event(seen, one.type, one.reason, one.message, field_path=one.path, host=host)
        return None if step.delete else objects.resource_version(obj) != before

    async def _write(self, client: Client, write: Write, body: Any, obj: Object) -> Object:
        """Send one write; the object as it is then."""
        name, namespace = objects.name(obj), objects.namespace(obj)
        if isinstance(write, Finalizers):
            return await client.patch(self._resource, name, namespace, body, type="merge")
        writer = client.as_user(write.user) if write.user else client
        if isinstance(write, Apply):
            await self._apply(writer, write, body, namespace)
            return obj
        subresource = None if self._whole else write.subresource
        if write.kind == "update":
            return await writer.update(self._resource, {**obj, **body}, subresource=subresource)
        return await writer.patch(
            self._resource,
            name,
            namespace,
            body,
            type=write.kind,
            subresource=subresource,
            **_manner(write.kind),
        )

    async def _apply(self, client: Client, write: Apply, body: Object, namespace: str) -> None:
        """Create another object, or patch the one there is, as kwok does."""
        resource = await self._other(client, body)
        where = (objects.namespace(body) or namespace) if resource.namespaced else None
        if write.subresource is None and await client.create_if_absent(resource, body, where) is not None:
            return
        await client.patch(
            resource,
            objects.name(body),
            where,
            body,
            type=write.kind,
            subresource=write.subresource,
            **_manner(write.kind),
        )

    async def _other(self, client: Client, body: Object) -> Resource:
        group, _ = split_api_version(body["apiVersion"])
        key = group, body["kind"]
        if key not in self._others:
            found = await discovery.find(client, *key)
            if found is None:
                raise LookupError(f"{self.name}: nobody serves {body['kind']} of {body['apiVersion']}")
            self._others[key] = found[0]
        return self._others[key]


def _manner(kind: str) -> dict[str, Any]:
    return {"field_manager": _MANAGER, "force": True} if kind == "apply" else {}


def _version(obj: Object) -> int:
    return digits.number(objects.resource_version(obj)) or 0
