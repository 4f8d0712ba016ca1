"""The stages of one kind at one pace, laid out so that few have to be looked at: by track, and by the one name of the
context most of them ask for. Pure.

A kind whose stages all say `key: guest.state, operator: In` has only those of the present state tried.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fakekube.lifecycle.requirements import text_of
from fakekube.lifecycle.stage import Pace, Stage
from fakekube.lifecycle.templates import Context, look_up

Tracks = Mapping[str, Sequence[Stage]]


class Script:
    """See the module text."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages = tuple(stages)
        self._name = _commonest_name(self.stages)
        self._others = _by_track(one for one in self.stages if _values(one, self._name) is None)
        values = {value for one in self.stages for value in _values(one, self._name) or ()}
        self._by_value = {
            value: _by_track(
                one for one in self.stages if (wanted := _values(one, self._name)) is None or value in wanted
            )
            for value in values
        }

    def tracks(self, context: Context) -> Tracks:
        """The stages that may apply, by track, in the order they are listed in."""
        if not self._name:
            return self._others
        value = look_up(context, self._name)
        return self._others if value is None else self._by_value.get(text_of(value), self._others)


def for_kind(stages: Iterable[Stage], group: str, kind: str, pace: Pace) -> Script:
    """The stages of one kind that play at this pace."""
    return Script(one for one in stages if (one.group, one.kind) == (group, kind) and pace.name in one.paces)


def merged(standard: Sequence[Stage], given: Sequence[Stage]) -> tuple[Stage, ...]:
    """Standard stages with somebody's own: one of the same name and kind takes the place of a standard one, the rest
    comes first, so that it is tried first."""
    own = {(one.group, one.kind, one.name): one for one in given}
    known = {(one.group, one.kind, one.name) for one in standard}
    added = [one for key, one in own.items() if key not in known]
    return (*added, *(own.get((one.group, one.kind, one.name), one) for one in standard))


def _values(stage: Stage, name: str) -> frozenset[str] | None:
    """The values of `name` a stage is for; None: it does not ask."""
    for one in stage.selector.requirements:
        if one.key == name and one.operator == "In":
            return one.values
    return None


def _commonest_name(stages: Iterable[Stage]) -> str:
    asked = Counter(
        one.key
        for stage in stages
        for one in stage.selector.requirements
        if isinstance(one.key, str) and one.operator == "In"
    )
    return str(asked.most_common(1)[0][0]) if asked else ""


def _by_track(stages: Iterable[Stage]) -> Tracks:
    tracks: dict[str, list[Stage]] = {}
    for one in stages:
        tracks.setdefault(one.track, []).append(one)
    return {track: tuple(some) for track, some in tracks.items()}
