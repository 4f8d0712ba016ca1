"""How a test wants its cluster: from the marker, the command line and the ini file. Pure; bad input names the way out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from os import PathLike, fspath
from typing import Any, Literal, get_args

from msgspec.structs import asdict

from fakekube.actors import UnknownActor, choose
from fakekube.lifecycle.stage import StageError
from fakekube.machinery.paces import PACE_NAMES, PaceName
from fakekube.machinery.versions import BadVersion, Versions
from fakekube.machinery.wire import Object

ClockKind = Literal["manual", "flowing", "real"]
_LISTS = ("only", "without", "manifests", "stages")
_CHOICES: Mapping[str, tuple[str, ...]] = {"pace": PACE_NAMES, "clock": get_args(ClockKind)}


class BadOption(ValueError):
    """An option that does not exist, or not with this value."""


@dataclass(frozen=True, slots=True)
class Options:
    """`clock`: `manual` stands still until moved, `flowing` runs and can be pushed ahead, `real` is the machine's;
    empty: manual in the test's own loop, flowing behind a socket. `kubernetes` and `kubevirt` are the versions shown.
    `snapshot` is a file of `Cluster.save`, or what a real
    cluster was dumped to."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    pace: PaceName = "instant"
    nodes: int = 1
    seed: int = 0
    clock: ClockKind | Literal[""] = ""
    manifests: tuple[str | PathLike[str] | Object, ...] = ()
    stages: tuple[str | PathLike[str], ...] = ()
    snapshot: str | PathLike[str] = ""
    kubernetes: str = Versions().kubernetes
    kubevirt: str = Versions().kubevirt

    def with_(self, **members: Any) -> "Options":
        """These options with some changed. Raises BadOption."""
        known = [one.name for one in fields(self)]
        for name, value in members.items():
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
                raise BadOption(f"there is no option {name!r}; {hint}")
            if name in _CHOICES and value not in _CHOICES[name]:
                near = get_close_matches(str(value), _CHOICES[name], n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_CHOICES[name])}"
                raise BadOption(f"{name}={value!r} is unknown; {hint}")
            if name in ("seed", "nodes") and (not isinstance(value, int) or value < 0):
                raise BadOption(f"{name}={value!r}: a whole number from 0 on is expected")
        listed: dict[str, Any] = {
            name: _tuple(value) if name in _LISTS else value for name, value in members.items()
        }
        chosen = replace(self, **listed)
        try:
            choose(chosen.only, chosen.without)
            if chosen.stages != self.stages:
                from fakekube import stage_files  # noqa: PLC0415 - few tests need it

                stage_files.load(chosen.stages)
            chosen = replace(chosen, **asdict(Versions(chosen.kubernetes, chosen.kubevirt)))
        except (BadVersion, UnknownActor, StageError) as error:
            raise BadOption(str(error)) from error
        return chosen

    @property
    def parts(self) -> tuple[tuple[str, ...], tuple[str, ...], int, str, Versions]:
        """What has to be the same for two clusters to begin alike."""
        versions = Versions(self.kubernetes, self.kubevirt)
        return self.only, self.without, self.nodes, fspath(self.snapshot), versions


def _tuple(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str | PathLike | Mapping) or not isinstance(value, Sequence):
        return (value,)
    return tuple(value)
