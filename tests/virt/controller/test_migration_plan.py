"""One pass over a migration: what ends it, which phase follows, which of several goes first, and how long one waits.

The tables are those of upstream's unit tests, as far as they are about what can be seen.
Origin: kubevirt: pkg/virt-controller/watch/migration/{migration,migrationpolicy}_test.go
"""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from fakekube.clock import rfc3339
from fakekube.virt.controller import migration_backoff, migration_plan, migration_policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATE = {"migrationUid": "m", "targetNode": "node01", "sourceNode": "node02", "targetPod": "target"}
READY = {**STATE, "targetNodeAddress": "10.10.10.10"}
STARTED = {**READY, "startTimestamp": rfc3339(NOW)}
DONE = {**STARTED, "endTimestamp": rfc3339(NOW), "completed": True}
GONE = {"deletionTimestamp": rfc3339(NOW)}
ALL = ("", "Pending", "Scheduling", "Scheduled", "TargetReady", "Running")


def pod(phase="Running", *, ready=True):
    statuses = [{"name": "compute", "ready": ready, "state": {"running": {}} if ready else {}}]
    meta = {"name": "target", "namespace": "default"}
    return {"metadata": meta, "spec": {}, "status": {"phase": phase, "containerStatuses": statuses}}


def seen(phase, state=None, *, target=None, vmi_phase="Running", meta=None, conditions=(), **status):
    """A migration in this phase, of a guest that runs, whose state is about it unless it says otherwise."""
    found = {"phase": vmi_phase, "conditions": list(conditions), **status}
    if state is not None:
        found["migrationState"] = state
    return migration_plan.Seen(
        migration={
            "metadata": {"name": "m", "namespace": "default", "uid": "m", **(meta or {})},
            "spec": {"vmiName": "vm"},
            "status": {"phase": phase} if phase else {},
        },
        vmi={"metadata": {"name": "vm", "uid": "vm"}, "spec": {}, "status": found},
        target=target,
        source_pod="source",
        now=rfc3339(NOW),
    )


def outcome(one):
    """The phase after a pass, and what it told."""
    after = migration_plan.plan(one)
    return after.status.get("phase"), [message for _, _, message in after.events]


SHUTDOWN = "Migration failed vmi shutdown during migration."
DOWN = "Migration failed because target pod shutdown during migration"
REPORTED = "source node reported migration failed"
REMOVED = "Migration target pod was removed during active migration."
CLEARED = "VMI's migration state was cleared during the active migration."
TAKEN = "VMI's migration state was taken over by another migration job during active migration."
CANCELED = "Migration failed due to being canceled"
ELSEWHERE = {**STATE, "migrationUid": "other"}


@pytest.mark.parametrize("phase", ALL)
@pytest.mark.parametrize(
    ("state", "more", "told"),
    [
        (STATE, {"vmi_phase": "Succeeded", "target": pod()}, SHUTDOWN),
        (STATE, {"target": pod("Succeeded")}, DOWN),
        ({**DONE, "failed": True}, {"target": pod()}, REPORTED),
    ],
    ids=["guest", "target", "nodes"],
)
def test_what_ends_it_at_once(phase, state, more, told):
    """A guest, a target, or a state that is over fails it, whatever its phase."""
    assert outcome(seen(phase, state, **more)) == ("Failed", [told])


@pytest.mark.parametrize(
    ("phase", "state", "more", "told"),
    [
        ("Scheduling", None, {}, REMOVED),
        ("Running", STARTED, {}, REMOVED),
        ("Running", None, {"target": pod()}, CLEARED),
        ("Running", ELSEWHERE, {"target": pod()}, TAKEN),
        ("Pending", None, {"meta": GONE}, CANCELED),
        ("Scheduled", None, {"meta": GONE, "target": pod()}, CANCELED),
    ],
    ids=["never-there", "lost", "cleared", "taken", "canceled", "canceled-late"],
)
def test_what_ends_it_later(phase, state, more, told):
    """Who has a target, or is handed over, fails without it; who is deleted before that is cancelled."""
    assert outcome(seen(phase, state, **more)) == ("Failed", [told])


HANDED_OVER = "Migration target pod is ready for preparation by virt-handler."
SUCCEEDED = "Source node reported migration succeeded"


@pytest.mark.parametrize(
    ("phase", "state", "then", "told"),
    [
        ("", None, "Pending", []),
        ("Pending", None, "Scheduling", []),
        ("Scheduling", None, "Scheduled", []),
        ("Scheduled", None, "Scheduled", []),
        ("Scheduled", ELSEWHERE, "Scheduled", []),
        ("Scheduled", STATE, "PreparingTarget", [HANDED_OVER]),
        ("PreparingTarget", STATE, "PreparingTarget", []),
        ("PreparingTarget", READY, "TargetReady", []),
        ("TargetReady", STARTED, "Running", []),
        ("Running", STARTED, "Running", []),
        ("Running", DONE, "Succeeded", [SUCCEEDED]),
        ("Succeeded", DONE, "Succeeded", []),
    ],
)
def test_phases_follow_each_other(phase, state, then, told):
    """One step at each pass, and only for a state that is about this migration."""
    assert outcome(seen(phase, state, target=pod())) == (then, told)


def test_a_final_one_has_the_guests_state():
    """What the guest tells of it is copied once it is over, and not from another one's state."""
    assert migration_plan.plan(seen("Succeeded", DONE)).status["migrationState"] == DONE
    assert "migrationState" not in migration_plan.plan(seen("Succeeded", ELSEWHERE)).status


def test_it_is_not_over_while_the_guest_waits_for_more():
    """A guest that has arrived and does not have what it came for keeps it running."""
    told = [{"type": "MigrationRequired", "status": "True"}]
    assert outcome(seen("Running", DONE, target=pod(), conditions=told)) == ("Running", [])
    sizes = {"currentCPUTopology": {"sockets": 1}}
    more = seen(
        "Running", DONE, target=pod(), conditions=[{"type": "LiveMigratable", "status": "True"}], **sizes
    )
    grows = {**more.vmi, "spec": {"domain": {"cpu": {"sockets": 2}}}}
    assert outcome(replace(more, vmi=grows)) == ("Running", [])


def test_who_goes_first():
    """What the system needs before what users want, that before upkeep, and last who says nothing of it."""
    said = ["", "user-triggered", "system-maintenance", "system-critical"]
    made = [{"spec": {"priority": one} if one else {}} for one in said]
    sooner = [one["spec"].get("priority") for one in sorted(made, key=migration_plan.urgency)]
    assert sooner == ["system-critical", "user-triggered", "system-maintenance", None]


# How long one waits.


def made(number, phase, *, kind=migration_backoff.EVACUATION, ended=0, **meta):
    """The `number`th migration of a guest, a second after the one before."""
    created = rfc3339(NOW + timedelta(seconds=number))
    over = [{"phase": phase, "phaseTransitionTimestamp": rfc3339(NOW + timedelta(seconds=ended))}]
    marks = {kind: "", **meta.pop("annotations", {})} if kind else meta.pop("annotations", {})
    own = {"uid": str(number), "creationTimestamp": created, "resourceVersion": str(number)}
    return {
        "metadata": {**own, "annotations": marks, **meta},
        "status": {"phase": phase, "phaseTransitionTimestamps": over},
    }


IGNORED = {"kubevirt.io/func-test-ignore-migration-backoff": ""}


@pytest.mark.parametrize("kind", [migration_backoff.EVACUATION, migration_backoff.UPDATE])
@pytest.mark.parametrize(
    ("before", "wait"),
    [
        (["Failed"], 20),
        (["Failed", "Failed"], 40),
        (["Failed", "Failed", "Failed"], 80),
        (["Failed", "Succeeded"], 0),
        (["Succeeded", "Failed"], 20),
        ([], 0),
    ],
)
def test_back_off(kind, before, wait):
    """Each failure since the last success doubles what the next one of its kind waits, from when the last one failed."""
    known = [made(number, phase, kind=kind, ended=5) for number, phase in enumerate(before)]
    own = made(len(before), "Pending", kind=kind)
    assert migration_backoff.seconds(own, [own, *known], NOW + timedelta(seconds=5)) == wait


@pytest.mark.parametrize(
    ("own", "known"),
    [
        (made(2, "Pending", kind=""), [made(1, "Failed")]),
        (made(2, "Pending"), [made(1, "Failed", kind="")]),
        (made(2, "Pending", annotations=IGNORED), [made(1, "Failed")]),
        (made(2, "Pending"), [made(1, "Failed", **GONE)]),
        (made(1, "Pending"), [made(2, "Failed")]),
    ],
    ids=["by-hand", "after-one-by-hand", "ignored", "after-a-deleted-one", "not-the-youngest"],
)
def test_no_back_off(own, known):
    """Migrations that somebody made neither wait nor count; so do those that go, and only the youngest waits."""
    assert migration_backoff.seconds(own, [own, *known], NOW) == 0


# Which policy has a say.


def policy(own, instance=0, namespace=0, **settings):
    """A policy with so many labels of the instance and of its namespace."""
    selectors = {
        "virtualMachineInstanceSelector": {f"v{number}": "x" for number in range(instance)},
        "namespaceSelector": {f"n{number}": "x" for number in range(namespace)},
    }
    spec = {"selectors": selectors, **(settings or {"allowPostCopy": True})}
    return {"metadata": {"name": own}, "spec": spec}


VMI = {"metadata": {"labels": {f"v{number}": "x" for number in range(5)}}}
AROUND = {f"n{number}": "x" for number in range(5)}


@pytest.mark.parametrize(
    ("policies", "chosen"),
    [
        ([policy("one", 1, 4)], "one"),
        ([policy("one", 1, 4), policy("two", 4, 2)], "two"),
        ([policy("aa", 2, 2), policy("zz", 2, 2)], "aa"),
        ([policy("zz", 2, 2), policy("aa", 2, 2)], "aa"),
        ([policy("of-namespace", 0, 3), policy("of-vmi", 3, 0)], "of-vmi"),
        ([policy("other", 6, 3)], ""),
        ([policy("silent", 1, 1, completionTimeoutPerGiB=None)], ""),
        ([], ""),
    ],
)
def test_policies(policies, chosen):
    """The most detailed one that fits, the instance's labels before its namespace's, then by name; one that says nothing is not named."""
    assert migration_policy.chosen(policies, VMI, AROUND)[0] == chosen


@pytest.mark.parametrize(
    ("said", "settings"),
    [
        ({"allowAutoConverge": False}, {"allowAutoConverge": False}),
        ({"bandwidthPerMigration": "25Mi"}, {"bandwidthPerMigration": "25Mi"}),
        ({"completionTimeoutPerGiB": 33425}, {"completionTimeoutPerGiB": 33425}),
        ({"allowWorkloadDisruption": True}, {"allowWorkloadDisruption": True}),
        ({"allowPostCopy": False}, {"allowPostCopy": False, "allowWorkloadDisruption": False}),
    ],
)
def test_what_a_policy_says(said, settings):
    """Each setting counts, false as well as true; post-copy disrupts the workload."""
    assert migration_policy.chosen([policy("one", 1, **said)], VMI, AROUND) == ("one", settings)
