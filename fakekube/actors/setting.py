"""What actors are made from, and what a made one brings along."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

from fakekube.agents.identities import MASTERS, as_account
from fakekube.agents.volume_contents import VolumeContents
from fakekube.client.client import Client
from fakekube.client.controller import Actor
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.lifecycle.stage import Stage
from fakekube.machinery.paces import PaceName
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Handler, Object

if TYPE_CHECKING:
    from fakekube.agents.workloads.caches import Caches

KUBERNETES, KUBEVIRT, WORKLOADS = "kubernetes", "kubevirt", "workloads"


class Setting(Struct, frozen=True):
    """What actors are made from."""

    client: Client
    clock: Clock
    ids: Ids
    pace: PaceName
    nodes: int
    preload: Callable[[Iterable[Object]], Awaitable[None]]  # into the server, past its validation
    chosen: frozenset[str] = frozenset()  # the names of all actors that are to run
    elsewhere: frozenset[tuple[str, str]] = frozenset()  # Services that somebody outside answers for
    made: dict[str, Actor] = field(default_factory=dict)  # those before this one, in the order of ACTORS
    # Those the workload controllers share, once one is made.
    caches: "list[Caches]" = field(default_factory=list)
    stages: tuple[Stage, ...] = ()  # somebody's own
    versions: Versions = field(default_factory=Versions)
    contents: VolumeContents = field(default_factory=VolumeContents)  # what volumes hold

    def as_account(self, account: str, agent: str, namespace: str = "kubevirt") -> Client:
        """A client with the identity of a service account of what is installed in a cluster: KubeVirt's, or somebody else's."""
        return as_account(self.client, namespace, account, MASTERS, user_agent=agent)


class Made(Struct, frozen=True):
    """An actor with what the composition root has to know of it."""

    actor: Actor
    prepare: Callable[[], Awaitable[None]] | None = None
    services: Mapping[tuple[str, str], Handler] = field(default_factory=dict)
    begun: Callable[[], Awaitable[object]] | None = (
        None  # awaited before users come: what they count on is there
    )


class ActorSpec(Struct, frozen=True):
    """One line of `fakekube actors`."""

    name: str
    group: str
    about: str
    make: Callable[[Setting], Made]
