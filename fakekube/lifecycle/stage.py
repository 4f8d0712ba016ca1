"""Stages as values: which objects, after how long, and what happens to them then. Read from files with `load`.

    apiVersion: kwok.x-k8s.io/v1alpha1
    kind: Stage
    metadata: {name: pod-start}
    spec:
      resourceRef: {apiGroup: v1, kind: Pod}
      selector:
        matchLabels: {app: web}                            # all parts of a selector must match
        matchAnnotations: {example.com/mode: slow}
        matchExpressions:                                  # key: a path in the object (`expressions`), or a name of the
        - {key: .spec.nodeName, operator: Exists}          # context (`templates`); In NotIn Exists DoesNotExist
        - {expression: "has(self.spec.hostname)"}          # or CEL
      track: agent                                         # stages of different tracks go on side by side (one, when absent)
      weight: 1                                            # of several matching stages one is drawn by weight;
                                                           # if none has a weight, the first one listed plays
      delay:
        durationMilliseconds: 500                          # at pace `realistic`; `fast` is a tenth, `instant` none,
                                                           # `chaos` anything up to a fifth
        jitterDurationMilliseconds: 900                    # then: anything between the two; this, if it is the shorter
        durationFrom: {expressionFrom: '.metadata.annotations["example.com/delay"]'}   # "3s", or a moment; or a name
                                                           # of the context; where found it holds at every pace
      next:
        event: {type: Normal, reason: Started, message: Started it}
        events:                                            # or several, for each item of a list of the context
        - forEach: pod.containers
          events: [{reason: Created, message: "Created {item.name}", fieldPath: "spec.containers{{{item.name}}}"}]
        statusTemplate: {phase: Running, startTime: "{now}"}                # merged into `status`
        patches:                                                            # or any patch
        - {subresource: status, root: status, type: strategic, template: {phase: Running}}
        - {root: status, type: update, template: "{guest.running}"}         # put in place of what is there; fails, and is
                                                                            # tried again, if somebody else was quicker
        finalizers: {add: [{value: example.com/x}], remove: [{value: example.com/y}], empty: true}
        delete: true                                       # for good: without a grace period
      immediateNextStage: true                             # go on with the next stage without a delay
      once: true                                           # at most once in the life of an object
      paces: [fast, realistic]                             # skipped at other paces (all, when absent)

The form is kwok's (kwok: pkg/apis/v1alpha1/stage_types.go) with plain data for Go templates (which are read,
too: `go_templates`). kwok's newer spelling has `steps` in place of `next`, one of which may apply another object, and says
`jq: {…}` or `cel: {…}` of what is an expression. `track`, `once`, `events`, `paces` and the patch types `update` and `apply`
are added.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, Protocol

from msgspec import Struct

from fakekube.lifecycle.requirements import Key, Program, Requirement, Test
from fakekube.lifecycle.templates import Renders
from fakekube.machinery.paces import PACE_NAMES, PaceName

PatchKind = Literal["json", "merge", "strategic", "apply", "update"]


class Compile(Protocol):
    """Text → Program. Raises ValueError."""

    def __call__(self, text: str, /) -> Program: ...


class Pace(Struct, frozen=True):
    """How fast life goes: `factor` multiplies every delay of the stages, `spread` makes it up to so much shorter or longer."""

    name: PaceName
    factor: float
    spread: float = 0.0


INSTANT, FAST, REALISTIC = Pace("instant", 0.0), Pace("fast", 0.1), Pace("realistic", 1.0)
# As quick as fast, but nothing takes its usual time, and stages of its own go wrong.
CHAOS = Pace("chaos", 0.1, spread=1.0)
PACES: Mapping[PaceName, Pace] = {pace.name: pace for pace in (INSTANT, FAST, REALISTIC, CHAOS)}


class StageError(ValueError):
    """A stage that cannot be: where it is written, and what is wrong."""

    def __init__(self, source: str, line: int, reason: str) -> None:
        super().__init__(f"{source}:{line}: {reason}" if line else f"{source}: {reason}")
        self.source, self.line, self.reason = source, line, reason


class Selector(Struct, frozen=True, dict=True):
    """Which objects a stage is for."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    requirements: tuple[Requirement, ...]
    conditions: tuple[Program, ...] = ()

    @cached_property
    def tests(self) -> tuple[Test, ...]:
        """The requirements', the easiest first: most stages are not meant."""
        return tuple(one.holds for one in sorted(self.requirements, key=lambda one: one.effort))


class Delay(Struct, frozen=True):
    """How long a stage waits, in seconds; `upto` is the jitter's upper end, or the whole of it where it is the shorter."""

    seconds: float = 0.0
    upto: float | None = None
    seconds_from: Key | None = None
    upto_from: Key | None = None


class Patch(Struct, frozen=True):
    """One write. `root` is the member the template is the content of; empty: the object's. `user`: in whose name."""

    template: Renders
    kind: PatchKind = "merge"
    subresource: str | None = None
    root: str = ""
    user: str = ""


class Apply(Struct, frozen=True):
    """Another object, which is there and so afterwards: created, or else patched. `user`: in whose name."""

    template: Renders
    kind: Literal["apply", "merge", "strategic"] = "apply"
    subresource: str | None = None
    user: str = ""


class EventToTell(Struct, frozen=True):
    """An Event about the object, or about a part of it; all texts are templates."""

    type: str
    reason: Renders
    message: Renders
    field_path: Renders | None = None


class EventGroup(Struct, frozen=True):
    """Events told together: once, or for each item of the list of that name, which is then `item`."""

    events: tuple[EventToTell, ...]
    for_each: str | None = None


class Finalizers(Struct, frozen=True):
    """A change of metadata.finalizers: emptied first, then removals, then additions."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    empty: bool = False

    def of(self, present: Sequence[str]) -> list[str]:
        """What is to be there, given what is there."""
        kept = [] if self.empty else [one for one in present if one not in self.remove]
        return kept + [one for one in self.add if one not in kept]


Write = Finalizers | Patch | Apply


class Next(Struct, frozen=True):
    """What a stage does: writes in their order, then it deletes, then it tells."""

    events: tuple[EventGroup, ...] = ()
    writes: tuple[Write, ...] = ()
    delete: bool = False


class Stage(Struct, frozen=True):
    """One step of a life. `group` and `kind` say whose; the group of core kinds is empty."""

    name: str
    group: str
    kind: str
    selector: Selector
    next: Next
    delay: Delay = Delay()
    weight: int = 0
    weight_from: Key | None = None
    immediate_next: bool = False
    once: bool = False
    track: str = ""
    paces: frozenset[str] = frozenset(PACE_NAMES)
    scaled: bool = True  # whether the pace scales its delays
