import asyncio

import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.client.client import Client
from fakekube.client.recorder import Recorder
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.lifecycle import loading
from fakekube.lifecycle.player import MAX_STEPS, Player
from fakekube.lifecycle.stage import FAST, INSTANT, REALISTIC
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import CONFIG_MAPS, EVENTS, SECRETS
from fakekube.store.memory import MemoryStore


class Stageplay:
    """ConfigMaps whose `data.step` stages move on; ConfigMaps have no status, so patches are of the object."""

    def __init__(self, api, clock):
        self.clock = clock
        self.api = api
        self.store = api.store
        self.client = Client(api)
        self.recorder = Recorder(self.client, "play", clock=clock, ids=Ids(1))
        self._tasks = []

    async def begin(self, *specs, pace=INSTANT, **options):
        documents = [
            "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\n"
            f"metadata: {{name: s{number}}}\nspec: {{resourceRef: {{kind: ConfigMap}}, {spec}}}\n"
            for number, spec in enumerate(specs)
        ]
        self.player = Player(
            self.client,
            CONFIG_MAPS,
            loading.parse("---\n".join(documents)),
            clock=self.clock,
            ids=Ids(1),
            pace=pace,
            recorder=self.recorder,
            **options,
        )
        self._tasks.append(asyncio.ensure_future(self.player.run()))
        await self.turns()

    async def turns(self):
        for _ in range(300):
            await asyncio.sleep(0)
        await self.recorder.flush()

    async def advance(self, seconds):
        self.clock.advance(seconds)
        await self.turns()

    async def enter(self, name="a", step="one", **metadata):
        meta = {"name": name, "namespace": "default", **metadata}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"step": step}}
        await self.client.create(CONFIG_MAPS, obj)
        await self.turns()

    async def step(self, name="a"):
        try:
            return (await self.client.get(CONFIG_MAPS, name, "default"))["data"]["step"]
        except NotFound:
            return None

    async def end(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def play():
    clock = ManualClock()
    api = ApiServer(MemoryStore(), clock=clock, ids=Ids(1))
    await api.start()
    play = Stageplay(api, clock)
    yield play
    await play.end()


def _from(step):
    return f"selector: {{matchExpressions: [{{key: .data.step, operator: In, values: [{step}]}}]}}"


def _to(step):
    return f"next: {{patches: [{{root: data, template: {{step: {step}}}}}]}}"


def _after(milliseconds):
    return f"delay: {{durationMilliseconds: {milliseconds}}}"


async def test_a_life_without_delays_is_lived_at_once(play):
    """Stage follows stage, each played once."""
    await play.begin(f"{_from('one')}, {_to('two')}", f"{_from('two')}, {_to('three')}")
    before = play.store.revision
    await play.enter()
    assert await play.step() == "three"
    assert play.store.revision - before == 3


async def test_delays_pass_on_the_clock(play):
    """A stage plays when its delay is over, not before."""
    await play.begin(f"{_from('one')}, {_to('two')}, {_after(2000)}", pace=REALISTIC)
    await play.enter()
    await play.advance(1.9)
    assert await play.step() == "one"
    await play.advance(0.1)
    assert await play.step() == "two"


async def test_paces_scale_delays(play):
    """At pace fast everything takes a tenth of the time."""
    await play.begin(f"{_from('one')}, {_to('two')}, {_after(2000)}", pace=FAST)
    await play.enter()
    await play.advance(0.19)
    assert await play.step() == "one"
    await play.advance(0.01)
    assert await play.step() == "two"


async def test_other_changes_do_not_restart_a_delay(play):
    """While the same stage applies its moment stays, whatever else happens to the object."""
    await play.begin(f"{_from('one')}, {_to('two')}, {_after(2000)}", pace=REALISTIC)
    await play.enter()
    await play.advance(1)
    label = {"metadata": {"labels": {"x": "y"}}}
    await play.client.patch(CONFIG_MAPS, "a", "default", label, type="merge")
    await play.turns()
    await play.advance(1)
    assert await play.step() == "two"


async def test_an_object_that_changes_its_mind_is_not_moved_on(play):
    """A stage that no longer matches at its moment does not play."""
    await play.begin(f"{_from('one')}, {_to('two')}, {_after(2000)}", pace=REALISTIC)
    await play.enter()
    elsewhere = {"data": {"step": "elsewhere"}}
    await play.client.patch(CONFIG_MAPS, "a", "default", elsewhere, type="merge")
    await play.advance(5)
    assert await play.step() == "elsewhere"


async def test_a_new_object_of_the_same_name_has_its_own_time(play):
    """A delay belongs to an object, not to its name."""
    await play.begin(f"{_from('one')}, {_to('two')}, {_after(2000)}", pace=REALISTIC)
    await play.enter()
    await play.advance(1.5)
    await play.client.delete(CONFIG_MAPS, "a", "default")
    await play.turns()
    await play.enter()
    await play.advance(1)
    assert await play.step() == "one"
    await play.advance(1)
    assert await play.step() == "two"


async def test_immediate_next_stage_skips_the_next_delay(play):
    """immediateNextStage plays the following stage at once, its delay notwithstanding."""
    await play.begin(
        f"{_from('one')}, {_to('two')}, immediateNextStage: true",
        f"{_from('two')}, {_to('three')}, {_after(60000)}",
        f"{_from('three')}, {_to('four')}, {_after(60000)}",
        pace=REALISTIC,
    )
    await play.enter()
    assert await play.step() == "three"


async def test_stages_of_other_paces_are_skipped(play):
    """A stage that names paces plays at those only."""
    await play.begin(f"{_from('one')}, {_to('slow')}, paces: [realistic]", f"{_from('one')}, {_to('quick')}")
    await play.enter()
    assert await play.step() == "quick"


async def test_finalizers_events_and_deletion(play):
    """A stage may tell events, change finalizers and delete, in one go."""
    await play.begin(
        f"{_from('one')}, next: {{finalizers: {{remove: [{{value: example.com/x}}]}}, delete: true, "
        'event: {type: Warning, reason: Gone, message: "{object.metadata.name} is gone"}}'
    )
    await play.enter(finalizers=["example.com/x"])
    assert await play.step() is None
    [event] = (await play.client.list(EVENTS, "default")).items
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Gone", "a is gone")


async def test_a_write_in_somebodys_name(play):
    """A patch may be sent as another user."""
    seen = []

    async def watching(request):
        seen.append((request.method, request.user and request.user.name))
        return await play.api(request)

    play.client = Client(watching)
    patch = '{root: data, impersonation: {username: "system:node:n1"}, template: {step: two}}'
    await play.begin(f"{_from('one')}, next: {{patches: [{patch}]}}")
    await play.enter()
    assert await play.step() == "two"
    assert ("PATCH", "system:node:n1") in seen


async def test_another_object_is_applied(play):
    """A step may make another object, in the namespace of the one it is about, and goes over it when it is there."""
    made = "{apiVersion: v1, kind: Secret, metadata: {name: 'of-{object.metadata.name}'}, stringData: {step: '{object.data.step}'}}"
    steps = f"steps: [{{apply: {{template: {made}}}}}, {{patch: {{root: data, template: {{step: %s}}}}}}]"
    await play.begin(
        f"{_from('one')}, {steps % 'two'}",
        f"{_from('two')}, {_after(1000)}, {steps % 'three'}",
        pace=REALISTIC,
    )
    await play.enter()
    secret = await play.client.get(SECRETS, "of-a", "default")
    assert (secret["data"], await play.step()) == ({"step": "b25l"}, "two")
    await play.advance(1)
    secret = await play.client.get(SECRETS, "of-a", "default")
    assert (secret["data"], await play.step()) == ({"step": "dHdv"}, "three")
    assert {(one["manager"], one["operation"]) for one in secret["metadata"]["managedFields"]} >= {
        ("kwok", "Apply")
    }


async def test_what_is_applied_has_to_be_an_object_somebody_serves(play, caplog):
    """What comes out of a template is looked at, and kinds that are not served are told."""
    bad = "steps: [{apply: {template: '%s: {{ .data.step }}'}}]"
    await play.begin(f"{_from('one')}, {bad % 'kind'}")
    await play.enter()
    assert "it needs apiVersion, kind and metadata.name" in caplog.text
    other = "{apiVersion: a.example.com/v1, kind: Nope, metadata: {name: a}}"
    await play.end()
    await play.begin(f"{_from('two')}, steps: [{{apply: {{template: {other}}}}}]")
    await play.enter("b", "two")
    assert "nobody serves Nope of a.example.com/v1" in caplog.text


async def test_a_patch_may_be_a_server_side_apply(play):
    """The fields it sets are kwok's, whoever had them before."""
    await play.begin(
        f"{_from('one')}, next: {{patches: [{{type: apply, root: data, template: {{step: two}}}}]}}"
    )
    await play.enter()
    found = await play.client.get(CONFIG_MAPS, "a", "default")
    owners = {one["manager"]: one["fieldsV1"] for one in found["metadata"]["managedFields"]}
    assert (found["data"]["step"], owners["kwok"]) == ("two", {"f:data": {"f:step": {}}})


async def test_steps_are_taken_in_their_order(play):
    """Finalizers may change more than once, with other writes between."""
    steps = "[{patch: {root: data, template: {step: two}}}, {finalizers: {add: [{value: e.com/x}]}}, {patch: {root: data, template: {at: last}}}]"
    await play.begin(f"{_from('one')}, steps: {steps}")
    await play.enter()
    found = await play.client.get(CONFIG_MAPS, "a", "default")
    assert (found["data"], found["metadata"]["finalizers"]) == ({"step": "two", "at": "last"}, ["e.com/x"])


async def test_a_text_that_fails_for_one_object(play, caplog):
    """Where a template cannot be carried out the log says why, and other objects live on."""
    text = '"step: {{ if eq .metadata.name `a` }}{{ index .data.step 100 }}{{ else }}two{{ end }}"'
    await play.begin(f"{_from('one')}, next: {{patches: [{{root: data, template: {text}}}]}}")
    await play.enter("a")
    await play.enter("b")
    assert (await play.step("a"), await play.step("b")) == ("one", "two")
    assert "{{ index .data.step 100 }}: index: index out of range: 100" in caplog.text


async def test_events_for_each_item_of_a_list(play):
    """A group of events is told for every item of a list of the context."""
    group = '{forEach: play.parts, events: [{reason: In, message: "{item.n}"}, {reason: Out, message: "{item.n}"}]}'
    await play.begin(
        f"{_from('one')}, next: {{events: [{group}], patches: [{{root: data, template: {{step: two}}}}]}}",
        context=lambda _: {"play": {"parts": [{"n": "1"}, {"n": "2"}]}},
        host=lambda _: "stage1",
    )
    await play.enter()
    events = sorted(
        (await play.client.list(EVENTS, "default")).items, key=lambda one: one["metadata"]["name"]
    )
    assert [(one["reason"], one["message"]) for one in events] == [
        ("In", "1"),
        ("Out", "1"),
        ("In", "2"),
        ("Out", "2"),
    ]
    assert {one["source"]["host"] for one in events} == {"stage1"}


async def test_a_stage_that_changes_nothing_plays_once(play):
    """A stage whose patch changes nothing is not played again until something else has changed the object."""
    await play.begin(f"{_from('one')}, {_to('one')}")
    await play.enter()
    revision = play.store.revision
    await play.advance(10)
    assert play.store.revision == revision


async def test_a_circle_is_found(play, caplog):
    """Stages that lead to each other without a delay are an error that names the object, not a loop for ever."""
    await play.begin(f"{_from('one')}, {_to('two')}", f"{_from('two')}, {_to('one')}")
    await play.enter()
    assert f"default/a: {MAX_STEPS} stages in a row without a delay" in caplog.text


async def test_waiting_costs_nothing(play):
    """Objects no stage is about cause no request at all."""
    await play.begin(f"{_from('one')}, {_to('two')}")
    await play.enter(step="elsewhere")
    revision = play.store.revision
    await play.advance(3600)
    assert (play.store.revision, play.player.idle) == (revision, True)


async def test_tracks_go_on_side_by_side(play):
    """Stages of different tracks each have their own moment, and the earlier one does not hold up the later."""
    slow = f"{_from('one')}, {_to('two')}, {_after(3000)}, track: b"
    quick = "track: a, once: true, next: {patches: [{root: data, template: {seen: it}}]}, " + _after(2000)
    await play.begin(slow, quick, pace=REALISTIC)
    await play.enter()
    await play.advance(2)
    assert (await play.client.get(CONFIG_MAPS, "a", "default"))["data"] == {"step": "one", "seen": "it"}
    await play.advance(1)
    assert await play.step() == "two"


async def test_once_is_once(play):
    """A stage that plays once does not play again, though it matches again; for a new object of the name it does."""
    await play.begin(f"{_from('one')}, {_to('two')}, once: true")
    await play.enter()
    back = {"data": {"step": "one"}}
    await play.client.patch(CONFIG_MAPS, "a", "default", back, type="merge")
    await play.turns()
    assert await play.step() == "one"
    await play.client.delete(CONFIG_MAPS, "a", "default")
    await play.turns()
    await play.enter()
    assert await play.step() == "two"


async def test_an_event_can_be_told_again_and_again(play):
    """A stage that changes nothing but has a delay plays anew whenever that is over."""
    await play.begin(
        f"{_from('one')}, next: {{event: {{reason: Tick, message: tock}}}}, {_after(1000)}", pace=REALISTIC
    )
    await play.enter()
    for _ in range(3):
        await play.advance(1)
    [event] = (await play.client.list(EVENTS, "default")).items
    assert event["count"] == 3


async def test_a_moment_that_changes_is_kept_to(play):
    """Who changes how long they ask to wait is waited for that long, from now."""
    where = "'.metadata.annotations[\"wait\"]'"
    await play.begin(f"{_from('one')}, {_to('two')}, delay: {{durationFrom: {{expressionFrom: {where}}}}}")
    await play.enter(annotations={"wait": "60s"})
    sooner = {"metadata": {"annotations": {"wait": "1s"}}}
    await play.client.patch(CONFIG_MAPS, "a", "default", sooner, type="merge")
    await play.turns()
    await play.advance(1)
    assert await play.step() == "two"


async def test_an_update_is_refused_if_somebody_else_was_quicker(play):
    """The patch type update loses to a newer version, and is tried again without waiting the delay anew."""
    puts = []

    async def quicker(request):
        if request.method == "PUT":
            puts.append(request)
            if len(puts) == 1:
                label = {"metadata": {"labels": {"x": "y"}}}
                await play.client.patch(CONFIG_MAPS, "a", "default", label, type="merge")
        return await play.api(request)

    update = "next: {patches: [{root: data, type: update, template: {step: two}}]}"
    await play.begin(
        f"{_from('one')}, {update}, {_after(60000)}", pace=REALISTIC, client_for=lambda _: Client(quicker)
    )
    await play.enter()
    await play.advance(60)
    await play.advance(1)  # the controller's back-off
    after = await play.client.get(CONFIG_MAPS, "a", "default")
    assert (after["data"], after["metadata"]["labels"]) == ({"step": "two"}, {"x": "y"})
    assert len(puts) == 2
