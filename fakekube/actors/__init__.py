"""Which actors there are: names, groups, what each does, and how it is made. Nothing is imported before it is wanted.

An actor may have something to finish before the first request is answered (CRDs, webhook configurations, nodes): that
is its `prepare`. It may also answer requests itself (virt-api): those are its `services`. How each is made stands in a
module for its kind; `setting` is what they are made from.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from fakekube.actors import kubernetes, kubevirt, workloads
from fakekube.actors.kubernetes import KUBELET
from fakekube.actors.setting import KUBERNETES, KUBEVIRT, WORKLOADS, ActorSpec, Made, Setting

__all__ = [
    "ACTORS",
    "API",
    "KUBELET",
    "KUBERNETES",
    "KUBEVIRT",
    "WORKLOADS",
    "ActorSpec",
    "Made",
    "Setting",
    "UnknownActor",
    "choose",
]

API = "api"  # always there; a name of its own only so that `--only api` can be said
ACTORS: dict[str, ActorSpec] = {
    spec.name: spec for spec in (*kubernetes.SPECS, *workloads.SPECS, *kubevirt.SPECS)
}
_WITHIN = {WORKLOADS: KUBERNETES}  # groups that are part of another


class UnknownActor(Exception):
    """A name that no actor has; the text is one sentence for people."""


def choose(only: Iterable[str] = (), without: Iterable[str] = ()) -> list[ActorSpec]:
    """The actors that are to run, in the order of ACTORS. Raises UnknownActor."""
    only, without = list(only), list(without)
    wanted = _members(only) if only else set(ACTORS)
    return [ACTORS[name] for name in ACTORS if name in wanted - _members(without)]


def _members(names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    groups = {spec.group for spec in ACTORS.values()}
    for name in names:
        if name in ACTORS:
            found.add(name)
        elif name in groups:
            found |= {spec.name for spec in ACTORS.values() if name in (spec.group, _WITHIN.get(spec.group))}
        elif name != API:
            known = [*ACTORS, *groups, API]
            near = get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise UnknownActor(f"there is no actor named {name!r}; {hint}")
    return found
