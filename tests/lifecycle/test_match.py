import random
from datetime import UTC, datetime

import pytest

from fakekube.lifecycle import loading, match, script
from fakekube.lifecycle.stage import CHAOS, FAST, INSTANT, REALISTIC

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _stages(*specs):
    head = "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\n"
    documents = [
        f"{head}metadata: {{name: s{number}}}\n"
        f"spec: {{resourceRef: {{kind: Pod}}, next: {{delete: true}}, {spec}}}\n"
        for number, spec in enumerate(specs)
    ]
    return loading.parse("---\n".join(documents))


def _pod(**fields):
    return {"metadata": {"name": "p", "labels": {"app": "web"}, "annotations": {"delay": "1m30s"}}, **fields}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("matchLabels: {app: web}", True),
        ("matchLabels: {app: db}", False),
        ("matchAnnotations: {delay: 1m30s}", True),
        ("matchLabels: {app: web}, matchAnnotations: {delay: x}", False),
        ("matchExpressions: [{key: .status.phase, operator: In, values: [Pending, Running]}]", True),
        ("matchExpressions: [{key: .status.phase, operator: NotIn, values: [Running]}]", False),
        ("matchExpressions: [{key: .status.none, operator: NotIn, values: [Running]}]", True),
        ("matchExpressions: [{key: .status.ready, operator: In, values: ['true']}]", True),
        ("matchExpressions: [{key: .metadata.deletionTimestamp, operator: DoesNotExist}]", True),
        ("matchExpressions: [{key: pod.end, operator: In, values: [here]}]", True),
        ("matchExpressions: [{key: pod.nothing, operator: Exists}]", False),
    ],
)
def test_a_selector_matches_when_all_its_parts_do(selector, matches):
    """Labels, annotations, paths in the object and names of the context are tested."""
    [one] = _stages("selector: {" + selector + "}")
    pod = _pod(status={"phase": "Running", "ready": True})
    assert match.matches(one.selector, pod, {"pod": {"end": "here"}}) is matches


def test_without_weights_the_first_match_plays():
    """Order in the file decides when nobody has a weight."""
    stages = _stages("selector: {matchLabels: {app: db}}", "weight: 0", "weight: 0")
    assert match.choose(stages, _pod(), {}, random.Random(1))[0].name == "s1"
    assert match.choose(stages[:1], _pod(), {}, random.Random(1)) is None


def test_weights_are_odds():
    """Of several matching stages one is drawn in proportion to the weights; weight 0 never is."""
    stages = _stages("weight: 3", "weight: 1", "weight: 0")
    chance = random.Random(7)
    drawn = [match.choose(stages, _pod(), {}, chance)[0].name for _ in range(4000)]
    assert drawn.count("s0") == pytest.approx(3000, rel=0.05)
    assert drawn.count("s2") == 0


def test_the_lot_is_cast_once():
    """While the stage drawn before still matches it stays; once it does not, the lot is cast again."""
    stages = _stages("weight: 1", "weight: 1000", "weight: 1, selector: {matchLabels: {app: db}}")
    chance = random.Random(7)
    assert match.choose(stages, _pod(), {}, chance, (stages[0], stages))[0].name == "s0"
    assert match.choose(stages, _pod(), {}, chance, (stages[2], stages))[0].name == "s1"


def test_who_comes_to_match_has_its_chance():
    """The lot is cast again when a stage matches that was not among those drawn from, as after a label was set."""
    stages = _stages("weight: 0", "weight: 10000")
    alone = match.choose(stages[:1], _pod(), {}, random.Random(7))
    assert alone[0].name == "s0"
    assert match.choose(stages, _pod(), {}, random.Random(7), alone)[0].name == "s1"


def test_an_object_may_bring_its_weight():
    """weightFrom reads the weight from the object; what is no number is none."""
    [one] = _stages("weight: 2, weightFrom: {expressionFrom: .spec.w}")
    assert [match.weight(one, _pod(spec={"w": w}), {}) for w in ("5", 7, "0x10", "x", None)] == [
        5,
        7,
        16,
        0,
        2,
    ]


@pytest.mark.parametrize(
    ("pace", "low", "high"), [(INSTANT, 0, 0), (FAST, 0.1, 0.2), (REALISTIC, 1, 2), (CHAOS, 0, 0.4)]
)
def test_the_pace_scales_delay_and_jitter(pace, low, high):
    """A delay lies between duration and jitter, scaled by the pace."""
    [one] = _stages("delay: {durationMilliseconds: 1000, jitterDurationMilliseconds: 2000}")
    chance = random.Random(3)
    for _ in range(50):
        assert low <= match.delay(one, match.NOTHING, NOW, pace, chance) <= high


@pytest.mark.parametrize(("pace", "seconds"), [(INSTANT, 0), (FAST, 0.05), (REALISTIC, 0.5)])
def test_a_jitter_that_is_the_shorter_is_the_delay(pace, seconds):
    """The delay is the smaller of the two, so that pods are gone by their deletion timestamp."""
    [one] = _stages("delay: {durationMilliseconds: 1000, jitterDurationMilliseconds: 500}")
    assert match.delay(one, match.NOTHING, NOW, pace, random.Random(1)) == seconds
    [until] = _stages(
        "delay: {durationMilliseconds: 9000, jitterDurationFrom: {expressionFrom: .spec.until}}"
    )
    wish = match.asked(until, _pod(spec={"until": "2s"}), {})
    assert match.delay(until, wish, NOW, REALISTIC, random.Random(1)) == 2


def test_what_an_object_asks_for_is_taken_as_it_is():
    """A delay from an annotation overrides the stage's, at every pace."""
    [one] = _stages(
        "delay: {durationMilliseconds: 5, durationFrom: {expressionFrom: .metadata.annotations.delay}}"
    )
    wishes = [match.asked(one, pod, {}) for pod in (_pod(), {"metadata": {}})]
    assert match.delay(one, wishes[0], NOW, INSTANT, random.Random(1)) == 90
    assert match.delay(one, wishes[1], NOW, REALISTIC, random.Random(1)) == 0.005


def test_the_context_may_name_a_delay():
    """A name of the context stands for a delay as a path does; a number is seconds."""
    [one] = _stages("delay: {durationFrom: {expressionFrom: pod.rest}}")
    wish = match.asked(one, _pod(), {"pod": {"rest": 2.5}})
    assert match.delay(one, wish, NOW, INSTANT, random.Random(1)) == 2.5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3s", 3),
        ("1h1m1s", 3661),
        ("250ms", 0.25),
        ("250", 0.25),
        ("2026-01-01T00:00:30Z", 30),
        ("2025-01-01T00:00:00Z", 0),
        ("soon", None),
        ("3s soon", None),
    ],
)
def test_durations_are_texts_milliseconds_or_moments(text, seconds):
    """What an annotation may say about time; anything else is ignored."""
    assert match.duration(text, NOW) == seconds


def test_stages_are_chosen_by_kind_and_pace():
    """Only stages of the kind that play at this pace are left."""
    stages = _stages("paces: [fast]", "weight: 1")
    assert [one.name for one in script.for_kind(stages, "", "Pod", INSTANT).stages] == ["s1"]
    assert script.for_kind(stages, "apps", "Pod", FAST).stages == ()


def test_only_stages_of_the_present_state_are_tried():
    """The name most stages ask for decides which are looked at; those that do not ask are always among them."""
    asks = "selector: {matchExpressions: [{key: pod.state, operator: In, values: [%s]}]}"
    laid_out = script.Script(_stages(asks % "a", asks % "b", "weight: 1", asks % "a" + ", track: side"))

    def names(context):
        return {
            track: [one.name for one in some] for track, some in laid_out.tracks({"pod": context}).items()
        }

    assert names({"state": "a"}) == {"": ["s0", "s2"], "side": ["s3"]}
    assert names({"state": "c"}) == names({}) == {"": ["s2"]}


def test_own_stages_replace_standard_ones_by_name():
    """A stage of the same name takes the standard one's place, others come before all standard ones."""
    standard = _stages("weight: 1", "weight: 2")
    mine = loading.parse(
        "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nmetadata: {name: s1}\n"
        "spec: {resourceRef: {kind: Pod}, weight: 7, next: {delete: true}}\n---\n"
        "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nmetadata: {name: new}\n"
        "spec: {resourceRef: {kind: Pod}, next: {delete: true}}\n"
    )
    assert [(one.name, one.weight) for one in script.merged(standard, mine)] == [
        ("new", 0),
        ("s0", 1),
        ("s1", 7),
    ]
