"""Looks at every HorizontalPodAutoscaler each 15 seconds: reads its target and its metrics, and writes what `planning` says.

    target's Scale ──► forced? ──no──► selector ──► pods, readings ──► proposed ──► Scale, status, events

The first look comes 15 s after an autoscaler was made, as with the real controller. Of metrics, only those that are
served count: whoever leaves out `metrics` brings others.

Upstream: k8s: pkg/controller/podautoscaler/horizontal.go
"""

import asyncio
from datetime import timedelta

from fakekube.agents.autoscaling import limits, planning
from fakekube.agents.autoscaling.counting import INITIALIZATION
from fakekube.agents.autoscaling.limits import History
from fakekube.agents.autoscaling.metric_specs import Scene
from fakekube.agents.autoscaling.planning import Plan
from fakekube.agents.autoscaling.readings import Readings
from fakekube.agents.autoscaling.selections import Selections
from fakekube.agents.autoscaling.status import ABLE, Draft
from fakekube.agents.autoscaling.targets import NoScale, Targets
from fakekube.agents.identities import as_controller
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import Recorder
from fakekube.client.selecting import Selecting
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects, selectors
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import PODS, Resource
from fakekube.machinery.selectors import NOTHING, Selector, SelectorError
from fakekube.machinery.wire import Object

AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
SYNC = 15.0  # seconds between two looks


class HorizontalPodAutoscaler:
    """An actor. Pods are followed only once there is an autoscaler.

    `sync` and `window` are seconds: between two looks, and before shrinking where an autoscaler does not say.
    In the `initialization` of a pod its CPU counts only once it has been ready for a while.
    """

    name = "horizontal-pod-autoscaler"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        sync: float = SYNC,
        window: float = limits.DOWNSCALE_STABILISATION,
        initialization: timedelta = INITIALIZATION,
    ) -> None:
        own = as_controller(client, self.name)
        self._client = own
        self._clock = clock
        self._sync = sync
        self._window = window
        self._initialization = initialization
        self._targets = Targets(own, clock)
        self._readings = Readings(own)
        self._recorder = Recorder(own, self.name, clock=clock, ids=ids)
        self._autoscalers = Informer(own, AUTOSCALERS, clock=clock)
        self._pods = Informer(own, PODS, clock=clock)
        self._by_label = Selecting(self._pods)
        self._selections = Selections()
        self._histories: dict[str, History] = {}
        self._wanted = asyncio.Event()
        self._controller = Controller(self.name, self._reconcile, clock=clock)
        self._controller.source(self._autoscalers, delay=sync)
        self._autoscalers.on_change(self._changed)

    @property
    def idle(self) -> bool:
        return self._controller.idle and self._recorder.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._controller.run())
            tasks.create_task(self._recorder.run())
            await self._wanted.wait()
            await self._pods.run()

    def _changed(self, old: Object | None, new: Object | None) -> None:
        key = objects.key(new or old or {})
        if new is None:
            self._selections.drop(key)
            self._histories.pop(key, None)
            return
        self._wanted.set()
        if old is None:
            self._selections.put(key, NOTHING)  # until its target has been seen

    async def _reconcile(self, key: str) -> Result | None:
        autoscaler = self._autoscalers.get(key)
        if autoscaler is None:
            return None
        await self._pods.wait_synced()
        draft = Draft(autoscaler.get("status") or {}, self._clock.now())
        try:
            await self._look(key, autoscaler, draft)
        finally:
            for event in draft.events:
                self._recorder.event(autoscaler, *event)
        await self._write(autoscaler, draft)
        return Result(requeue_after=self._sync)

    async def _look(self, key: str, autoscaler: Object, draft: Draft) -> None:
        spec, namespace = autoscaler["spec"], objects.namespace(autoscaler)
        try:
            resource, scale = await self._targets.scale(spec["scaleTargetRef"], namespace)
        except NoScale as error:
            planning.unscalable(draft, str(error))
            return
        draft.say(
            ABLE, True, "SucceededGetScale", "the HPA controller was able to get the target's current scale"
        )
        current = int(dig(scale, "spec", "replicas", default=0))
        now = self._clock.now()
        history = limits.begun(self._histories.get(key, History()), current, now)
        plan = planning.forced(spec, current, draft)
        if plan is None:
            selector = self._selector(key, scale, current, draft)
            if selector is not None:
                plan, history = await self._proposed(autoscaler, scale, selector, history, draft)
        self._histories[key] = history
        if plan is not None and await self._resized(resource, scale, plan, draft):
            self._histories[key] = limits.scaled(spec, current, plan.replicas, history, now)

    def _selector(self, key: str, scale: Object, current: int, draft: Draft) -> Selector | None:
        """Of the target's pods; None, and the draft tells why, where it cannot be used."""
        text = str(dig(scale, "status", "selector", default=""))
        if not text:
            missing = "the HPA target's scale is missing a selector"
            planning.unselectable(draft, current, "InvalidSelector", "selector is required", missing)
            return None
        try:
            selector = selectors.parse(text)
        except SelectorError as error:
            said = f"couldn't convert selector into a corresponding internal selector object: {error}"
            planning.unselectable(draft, current, "InvalidSelector", said)
            return None
        self._selections.put(key, selector)
        namespace, _ = objects.split_key(key)
        others = self._selections.of(self._by_label.select(selector, namespace))
        if len(others) > 1:
            said = f"pods by selector {text} are controlled by multiple HPAs: [{' '.join(others)}]"
            planning.unselectable(draft, current, "AmbiguousSelector", said)
            return None
        return selector

    async def _proposed(
        self, autoscaler: Object, scale: Object, selector: Selector, history: History, draft: Draft
    ) -> tuple[Plan | None, History]:
        spec, namespace = autoscaler["spec"], objects.namespace(autoscaler)
        readings = await self._readings.read(spec["metrics"], namespace, str(selector))
        scene = Scene(
            namespace,
            int(dig(scale, "spec", "replicas", default=0)),
            int(dig(scale, "status", "replicas", default=0)),
            self._by_label.select(selector, namespace),
            planning.tolerances(spec),
            self._clock.now(),
            self._window,
            self._initialization,
        )
        return planning.proposed(spec, readings, scene, history, draft)

    async def _resized(self, resource: Resource, scale: Object, plan: Plan, draft: Draft) -> bool:
        """Give the target the size of the plan; whether it has another one now."""
        current = int(dig(scale, "spec", "replicas", default=0))
        if plan.replicas != current:
            try:
                await self._targets.resize(resource, scale, plan.replicas)
            except ApiError as error:
                planning.refused(draft, plan, current, error.message)
                return False
        planning.recorded(draft, plan, current)
        return plan.replicas != current

    async def _write(self, autoscaler: Object, draft: Draft) -> None:
        if not draft.changed:
            return
        try:
            await self._client.update(
                AUTOSCALERS, {**autoscaler, "status": draft.status}, subresource="status"
            )
        except NotFound:
            return
        except ApiError as error:
            self._recorder.event(autoscaler, "Warning", "FailedUpdateStatus", error.message)
