from controller import status
from fakekube.machinery import selectors

SELECTOR = selectors.from_object({"matchLabels": {"app": "p"}})
FAILED = ("FailedScaleOut", "error during scale out: no")


def test_terminating_vms_count(world):
    """P-185, P-186, P-187: replicas counts all owned VMs, readyReplicas those that are Ready."""
    pool = world.pool()
    vms = [world.vm(pool, 0), world.vm(pool, 1, ready=False), world.vm(pool, 2, terminating=True)]
    written = status.report(pool, vms, SELECTOR, world.now).status
    assert written == {"replicas": 3, "readyReplicas": 2, "labelSelector": "app=p"}


def test_zero_is_absent(world):
    """P-087, P-185: counters that are zero, and the text of an empty selector, are left out."""
    pool = world.pool() | {"status": {"replicas": 3, "readyReplicas": 3, "labelSelector": "x"}}
    assert status.report(pool, [], selectors.from_object({}), world.now).status == {}


def test_the_selector_is_canonical(world):
    """P-184: requirements sorted by key, values sorted, a single In stays an In."""
    selector = selectors.from_object(
        {
            "matchLabels": {"z": "1"},
            "matchExpressions": [
                {"key": "m", "operator": "NotIn", "values": ["b", "a"]},
                {"key": "a", "operator": "In", "values": ["v"]},
                {"key": "b", "operator": "Exists"},
                {"key": "c", "operator": "DoesNotExist"},
            ],
        }
    )
    written = status.report(world.pool(), [], selector, world.now).status
    assert written["labelSelector"] == "a in (v),b,!c,m notin (a,b),z=1"


def test_pausing_is_told_once(world):
    """P-178, P-179: one condition and one event when it begins, nothing new while it lasts."""
    pool = world.pool(paused=True)
    first = status.report(pool, [], SELECTOR, world.now)
    assert first.status["conditions"] == [
        {
            "type": "ReplicaPaused",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": "2026-01-01T12:00:00Z",
            "reason": "SuccessfulPaused",
            "message": "Pool controller is paused",
        }
    ]
    assert first.notes == [status.Note("Normal", "SuccessfulPaused", "Pool is paused")]
    again = status.report(pool | {"status": first.status}, [], SELECTOR, world.now)
    assert (again.status, again.notes) == (first.status, [])


def test_resuming_is_told_once(world):
    """P-182: the condition goes, with an event."""
    paused = status.report(world.pool(paused=True), [], SELECTOR, world.now).status
    report = status.report(world.pool() | {"status": paused}, [], SELECTOR, world.now)
    assert "conditions" not in report.status
    assert report.notes == [status.Note("Normal", "SuccessfulResume", "Pool is unpaused")]


def test_a_failure_is_shown_and_told(world):
    """P-079, P-080, P-189: condition and Warning event with the same reason and message; gone after a clean pass."""
    report = status.report(world.pool(), [], SELECTOR, world.now, FAILED)
    (condition,) = report.status["conditions"]
    assert (condition["type"], condition["reason"], condition["message"]) == ("ReplicaFailure", *FAILED)
    assert report.notes == [status.Note("Warning", *FAILED)]
    clean = status.report(world.pool() | {"status": report.status}, [], SELECTOR, world.now)
    assert ("conditions" not in clean.status, clean.notes) == (True, [])


def test_a_lasting_failure_keeps_its_first_text(world):
    """P-190: while the condition is there, neither text nor event is repeated."""
    shown = status.report(world.pool(), [], SELECTOR, world.now, FAILED).status
    report = status.report(
        world.pool() | {"status": shown}, [], SELECTOR, world.now, ("FailedUpdate", "other")
    )
    assert (report.status, report.notes) == (shown, [])


def test_conditions_of_others_stay(world):
    """A condition this controller does not know is none of its business."""
    other = {"type": "Other", "status": "True"}
    pool = world.pool() | {"status": {"conditions": [other]}}
    assert status.report(pool, [], SELECTOR, world.now, FAILED).status["conditions"][0] == other
