"""How the controllers around pods are made: they share their caches. Every import waits until its actor is wanted."""

from typing import TYPE_CHECKING

from fakekube.actors.setting import KUBERNETES, WORKLOADS, ActorSpec, Made, Setting

if TYPE_CHECKING:
    from fakekube.agents.workloads.actor import Workload
    from fakekube.agents.workloads.caches import Caches


def _caches(at: Setting) -> "Caches":
    from fakekube.agents.workloads.caches import Caches

    if not at.caches:
        at.caches.append(Caches(at.client.sharing(), at.clock))
    return at.caches[0]


def _workload(at: Setting, kind: "type[Workload]") -> Made:
    return Made(kind(at.client, clock=at.clock, ids=at.ids, caches=_caches(at)))


def _deployments(at: Setting) -> Made:
    from fakekube.agents.workloads.deployments.controller import Deployments

    return _workload(at, Deployments)


def _replica_sets(at: Setting) -> Made:
    from fakekube.agents.workloads.replicasets.controller import ReplicaSets

    return _workload(at, ReplicaSets)


def _replication_controllers(at: Setting) -> Made:
    from fakekube.agents.workloads.replicasets.controller import ReplicationControllers

    return _workload(at, ReplicationControllers)


def _jobs(at: Setting) -> Made:
    from fakekube.agents.workloads.jobs.controller import Jobs

    return _workload(at, Jobs)


def _cron_jobs(at: Setting) -> Made:
    from fakekube.agents.workloads.cronjobs.controller import CronJobs

    return _workload(at, CronJobs)


def _stateful_sets(at: Setting) -> Made:
    from fakekube.agents.workloads.statefulsets.controller import StatefulSets

    return _workload(at, StatefulSets)


def _daemon_sets(at: Setting) -> Made:
    from fakekube.agents.workloads.daemonsets.controller import DaemonSets

    return _workload(at, DaemonSets)


def _disruption(at: Setting) -> Made:
    from fakekube.agents.disruption.controller import Disruption

    return _workload(at, Disruption)


def _node_lifecycle(at: Setting) -> Made:
    from fakekube.agents.node_lifecycle.controller import NodeLifecycle

    return Made(NodeLifecycle(at.client, clock=at.clock, ids=at.ids, caches=_caches(at)))


SPECS = (
    ActorSpec("disruption", KUBERNETES, "tells what PodDisruptionBudgets allow", _disruption),
    ActorSpec(
        "node-lifecycle", KUBERNETES, "taints nodes in trouble, evicts and clears pods", _node_lifecycle
    ),
    ActorSpec("deployments", WORKLOADS, "rolls out Deployments", _deployments),
    ActorSpec("replicasets", WORKLOADS, "keeps ReplicaSets at their size", _replica_sets),
    ActorSpec(
        "replicationcontrollers",
        WORKLOADS,
        "the same for ReplicationControllers",
        _replication_controllers,
    ),
    ActorSpec("statefulsets", WORKLOADS, "keeps StatefulSets, one pod after the other", _stateful_sets),
    ActorSpec("daemonsets", WORKLOADS, "keeps a pod of each DaemonSet on every node", _daemon_sets),
    ActorSpec("cronjobs", WORKLOADS, "makes Jobs by the clock", _cron_jobs),
    ActorSpec("jobs", WORKLOADS, "runs Jobs, and deletes those that are to go after", _jobs),
)
