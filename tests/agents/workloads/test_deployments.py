"""Deployments, played in a whole cluster; the arithmetic of rolling, on values."""

import pytest

from fakekube.agents.workloads.deployments import planning, sets

from .conftest import template

REVISION = "deployment.kubernetes.io/revision"


def sizes(listed):
    """image → size of every ReplicaSet."""
    return {
        rs["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]: rs["spec"]["replicas"]
        for rs in listed
    }


async def test_its_pods_run(shop):
    """A Deployment makes a ReplicaSet named after the hash of its template, whose pods are scheduled and run."""
    await shop.workload("deployments", replicas=3)
    (rs,) = await shop.all("replicasets")
    hash_ = rs["metadata"]["labels"]["pod-template-hash"]
    assert rs["metadata"]["name"] == f"a-{hash_}"
    assert rs["spec"]["selector"]["matchLabels"] == {"app": "a", "pod-template-hash": hash_}
    assert rs["metadata"]["annotations"] == {
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    pods = await shop.all("pods")
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 3
    assert all(pod["metadata"]["name"].startswith(f"a-{hash_}-") for pod in pods)
    deployment = await shop.get("deployments")
    assert deployment["metadata"]["annotations"][REVISION] == "1"
    assert {k: v for k, v in deployment["status"].items() if k != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
    }
    assert await shop.conditions("deployments") == {
        "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        "Progressing": (
            "True",
            "NewReplicaSetAvailable",
            f'ReplicaSet "a-{hash_}" has successfully progressed.',
        ),
    }
    assert await shop.events(kind="Deployment") == [
        ("ScalingReplicaSet", f"Scaled up replica set a-{hash_} from 0 to 3")
    ]


async def test_rolling_update(shop):
    """A new template rolls in step by step, never below what must be available, never above what may be there."""
    await shop.workload("deployments", replicas=4)
    await shop.image("deployments", "example.com/app:2")
    await shop.advance(5)
    assert await shop.images() == ["example.com/app:2"] * 4
    assert sizes(await shop.all("replicasets")) == {"1": 0, "2": 4}
    said = [text for _, text in await shop.events(kind="Deployment")]
    assert [text.split(" set ")[0] for text in said[:3]] == ["Scaled up replica"] * 2 + [
        "Scaled down replica"
    ]
    assert (await shop.get("deployments"))["metadata"]["annotations"][REVISION] == "2"


async def test_going_back_renumbers(shop):
    """Going back to an earlier template takes up its ReplicaSet under a new revision, and remembers the old one."""
    await shop.workload("deployments")
    first = (await shop.names("replicasets"))[0]
    await shop.image("deployments", "example.com/app:2")
    await shop.advance(5)
    await shop.image("deployments", "example.com/app:1")
    await shop.advance(5)
    notes = (await shop.get("replicasets", first))["metadata"]["annotations"]
    assert notes[REVISION] == "3"
    assert notes["deployment.kubernetes.io/revision-history"] == "1"
    assert len(await shop.names("replicasets")) == 2


async def test_recreate_waits_for_the_last_pod(shop):
    """Recreate makes the new pods only when every old one has gone."""
    await shop.workload("deployments", replicas=2, strategy={"type": "Recreate"})
    await shop.nodes_ready(False)
    await shop.image("deployments", "example.com/app:2")
    await shop.advance(60)
    assert await shop.images() == ["example.com/app:1"] * 2, "nobody ends them"
    await shop.nodes_ready(True)
    await shop.advance(5)
    assert await shop.images() == ["example.com/app:2"] * 2


async def test_paused_changes_nothing_until_resumed(shop):
    """While paused a new template makes no ReplicaSet but scaling works; resuming rolls out."""
    await shop.workload("deployments", replicas=1)
    await shop.change("deployments", paused=True)
    assert (await shop.conditions("deployments"))["Progressing"] == (
        "Unknown",
        "DeploymentPaused",
        "Deployment is paused",
    )
    await shop.image("deployments", "example.com/app:2")
    await shop.change("deployments", replicas=3)
    assert await shop.images() == ["example.com/app:1"] * 3
    await shop.change("deployments", paused=False)
    await shop.advance(5)
    assert await shop.images() == ["example.com/app:2"] * 3


async def test_a_rollout_that_makes_no_progress(shop):
    """Past progressDeadlineSeconds the rollout counts as stuck, and says so; the old pods stay."""
    await shop.workload("deployments", replicas=2, progressDeadlineSeconds=60)
    body = template("example.com/app:2")
    body["metadata"]["annotations"] = {"fakekube.io/fate": "image-pull-error"}
    await shop.change("deployments", template=body)
    await shop.advance(30)
    assert (await shop.conditions("deployments"))["Progressing"][:2] == ("True", "ReplicaSetUpdated")
    await shop.advance(60)
    status, reason, text = (await shop.conditions("deployments"))["Progressing"]
    assert (status, reason) == ("False", "ProgressDeadlineExceeded")
    assert text.endswith("has timed out progressing.")
    assert (await shop.conditions("deployments"))["Available"][0] == "True"
    assert (await shop.images()).count("example.com/app:1") == 2


async def test_min_ready_seconds(shop):
    """A pod counts as available only once it has been ready for minReadySeconds."""
    await shop.workload("deployments", replicas=1, minReadySeconds=20)
    status = await shop.status("deployments")
    assert (status["readyReplicas"], status.get("availableReplicas")) == (1, None)
    assert (await shop.conditions("deployments"))["Available"][1] == "MinimumReplicasUnavailable"
    await shop.advance(21)
    assert (await shop.status("deployments"))["availableReplicas"] == 1


async def test_history_is_limited(shop):
    """Old ReplicaSets beyond revisionHistoryLimit are deleted, the oldest first."""
    await shop.workload("deployments", replicas=1, revisionHistoryLimit=1)
    for number in (2, 3, 4):
        await shop.image("deployments", f"example.com/app:{number}")
        await shop.advance(5)
    assert sorted(sizes(await shop.all("replicasets"))) == ["3", "4"]


async def test_a_quota_is_told(shop):
    """What stops a ReplicaSet from making pods shows on it and on its Deployment as ReplicaFailure."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"},
        "spec": {"hard": {"pods": "1"}},
    }
    await shop.cluster.apply([quota])
    await shop.workload("deployments", replicas=2)
    status, reason, text = (await shop.conditions("deployments"))["ReplicaFailure"]
    assert (status, reason) == ("True", "FailedCreate")
    assert "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1" in text
    assert len(await shop.names()) == 1


async def test_deleting_cascades_or_not(shop):
    """A deleted Deployment takes its ReplicaSet and pods along, unless they are to be orphaned."""
    await shop.workload("deployments", replicas=1)
    await shop.delete("deployments", propagation="Orphan")
    await shop.advance(1)
    assert len(await shop.names("replicasets")) == len(await shop.names()) == 1
    await shop.workload("deployments", replicas=1)
    (rs,) = await shop.all("replicasets")
    assert rs["metadata"]["ownerReferences"][0]["kind"] == "Deployment", "it adopts what it selects"
    await shop.delete("deployments", propagation="Foreground")
    await shop.advance(5)
    assert await shop.names("replicasets") == await shop.names() == []


def deployment(replicas, surge="25%", unavailable="25%"):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    spec = {
        "replicas": replicas,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "template": template(),
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}


def replica_set(name, size, available=None, maximum=None, created="2026-01-01T00:00:00Z"):
    notes = {sets.MAXIMUM: str(maximum)} if maximum else {}
    return {
        "metadata": {"name": name, "creationTimestamp": created, "annotations": notes},
        "spec": {"replicas": size},
        "status": {"availableReplicas": size if available is None else available},
    }


def named(pairs):
    return {rs["metadata"]["name"]: size for rs, size in pairs}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "bounds"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (3, 0, 0, (0, 1)),
        (2, 0, 5, (0, 2)),
        (4, "1%", "0%", (1, 0)),
    ],
)
def test_bounds(replicas, surge, unavailable, bounds):
    """The surge rounds up, what may be missing rounds down; one of them is at least one."""
    assert sets.bounds(deployment(replicas, surge, unavailable)) == bounds


def test_unhealthy_old_pods_go_first():
    """Old pods that are not available are taken before any that is."""
    old = [replica_set("healthy", 5), replica_set("broken", 5, available=1, created="2026-01-02T00:00:00Z")]
    new = replica_set("new", 3, available=0)
    assert named(planning.shrink_old(deployment(10, 3, 2), new, old)) == {"broken": 3}


def test_scaling_in_mid_rollout_is_proportional():
    """A Deployment scaled while it rolls shares the difference by the sizes of its sets."""
    old, new = replica_set("old", 8, maximum=13), replica_set("new", 5, maximum=13)
    assert named(planning.resize(deployment(15, 3, 2), new, [old])) == {"old": 11, "new": 7}


@pytest.mark.parametrize(
    ("text", "size"), [("3", 3), ("-3", -3), ("--3", None), ("3-", None), ("²", None), ("", None)]
)
def test_sizes_that_somebody_else_has_noted(text, size):
    """What stands in a ReplicaSet's annotation is a number, or nothing: it stops no deployment."""
    assert sets.noted({"metadata": {"annotations": {"n": text}}}, "n") == size
