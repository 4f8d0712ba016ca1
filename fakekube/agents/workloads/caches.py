"""Caches that all workload controllers share: one watch of pods serves every one of them.

Of revisions only what these controllers read is kept, so that a thousand virtual machines cost little; pods are whole, as
others of this process hold them anyway.
"""

from collections.abc import Callable, Iterable, Mapping

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.resources import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS, Resource
from fakekube.machinery.wire import Object

REPLICATION_CONTROLLERS = Resource("", "v1", "replicationcontrollers", "ReplicationController")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")

OWNER, ORPHANS, NODE = "owner", "orphans", "node"

_REVISED = (STATEFUL_SETS.kind, "DaemonSet")


class Caches:
    """Informers made when they are first asked for, and then handed to everybody. Whoever uses one runs it."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._made: dict[Resource, Informer] = {}

    def of(self, resource: Resource) -> Informer:
        """The cache of a resource. Index `owner`: by the uid of the controller; `orphans`: by namespace, those without one."""
        found = self._made.get(resource)
        if found is None:
            kept = _KEPT.get(resource)
            found = Informer(self._client, resource, clock=self._clock, transform=kept)
            found.add_index(OWNER, _owner)
            found.add_index(ORPHANS, _orphan)
            if resource is PODS:
                found.add_index(NODE, _node)
            self._made[resource] = found
        return found


def own_revision(revision: Object) -> Object:
    """A revision; of one that is no workload's, what it is a revision of is left out: that of a VM is the whole VM."""
    owner = objects.controller_of(revision)
    if owner is None or owner.get("kind") in _REVISED:
        return revision
    return {member: value for member, value in revision.items() if member != "data"}


_KEPT: Mapping[Resource, Callable[[Object], Object]] = {CONTROLLER_REVISIONS: own_revision}


def _owner(obj: Object) -> Iterable[str]:
    owner = objects.controller_of(obj)
    return (owner["uid"],) if owner is not None else ()


def _orphan(obj: Object) -> Iterable[str]:
    return () if objects.controller_of(obj) is not None else (objects.namespace(obj),)


def _node(pod: Object) -> Iterable[str]:
    node = pod["spec"].get("nodeName")
    return (node,) if node else ()
