"""The decision table of run strategies."""

from datetime import UTC, datetime

import pytest

from fakekube.virt.controller import run_strategy
from fakekube.virt.controller.run_strategy import NOTHING, START, STOP, Decision

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def vm(strategy, *requests, **status):
    return {
        "metadata": {"name": "vm"},
        "spec": {"runStrategy": strategy},
        "status": {"stateChangeRequests": list(requests), **status},
    }


def vmi(phase, uid="u", deleting=False):
    return {
        "metadata": {"uid": uid, **({"deletionTimestamp": "x"} if deleting else {})},
        "status": {"phase": phase},
    }


START_REQUEST = {"action": "Start"}
STOP_REQUEST = {"action": "Stop", "uid": "u"}
OTHER_STOP = {"action": "Stop", "uid": "somebody else"}

TABLE = [
    # strategy, requests, VMI, decision, statement
    ("Always", [], None, START, "V-044: Always starts"),
    ("Always", [], "Running", NOTHING, "Always leaves a running VMI alone"),
    ("Always", [], "Succeeded", STOP, "V-051: a guest that shut down is restarted"),
    ("Always", [STOP_REQUEST], "Running", STOP, "V-062: a restart begins with a stop"),
    ("Always", [OTHER_STOP], "Running", NOTHING, "V-061: a stop request for another VMI is nothing to do"),
    ("RerunOnFailure", [], None, START, "V-054: the first start needs no request"),
    ("RerunOnFailure", [], "Succeeded", STOP, "V-052: a guest that shut down is cleaned up"),
    (
        "RerunOnFailure",
        [],
        "Failed",
        Decision(stop=True, request_start=True),
        "V-053: a failed guest comes back",
    ),
    ("RerunOnFailure", [START_REQUEST], "Failed", STOP, "V-053: one Start request is enough"),
    ("RerunOnFailure", [STOP_REQUEST], "Running", STOP, "a stop request stops"),
    ("Manual", [], None, NOTHING, "V-055: Manual waits for a request"),
    ("Manual", [START_REQUEST], None, START, "V-055: Manual starts on request"),
    ("Manual", [], "Succeeded", NOTHING, "V-056: a final VMI of a Manual VM stays"),
    ("Manual", [STOP_REQUEST], "Succeeded", STOP, "a final VMI of a Manual VM goes on request"),
    ("Halted", [], None, NOTHING, "V-043: Halted does nothing"),
    ("Halted", [], "Running", STOP, "V-058: Halted stops"),
    ("Halted", [], "Failed", STOP, "Halted removes final VMIs"),
    ("Once", [], None, START, "Once starts"),
    ("Once", [], "Succeeded", NOTHING, "V-057: Once never starts again"),
]


@pytest.mark.parametrize(
    ("strategy", "requests", "phase", "decision", "statement"), TABLE, ids=[row[4] for row in TABLE]
)
def test_table(strategy, requests, phase, decision, statement):
    """Each row of the table decides as it says."""
    assert run_strategy.decide(vm(strategy, *requests), phase and vmi(phase), NOW) == decision, statement


def test_rerun_on_failure_stays_stopped():
    """V-052: once RerunOnFailure has been seen with a VMI, no VMI and no request mean stopped."""
    assert run_strategy.decide(vm("RerunOnFailure", runStrategy="RerunOnFailure"), None, NOW) == NOTHING


@pytest.mark.parametrize("strategy", ["Always", "RerunOnFailure"])
def test_backoff(strategy):
    """V-083: before retryAfterTimestamp no VMI is made; the pass asks to be called again at that moment."""
    failing = vm(strategy, startFailure={"retryAfterTimestamp": "2026-01-01T00:00:12Z"})
    assert run_strategy.decide(failing, None, NOW) == Decision(wait=12.0)


def test_paused_start_of_a_halted_vm():
    """V-059: a Start request on a halted VM puts Always into the spec and reports upstream's odd failure once."""
    request = {"action": "Start", "data": {"paused": "true"}}
    decision = run_strategy.decide(vm("Halted", request), None, NOW)
    assert decision.run_always
    assert decision.failure is not None
    assert (decision.failure.reason, decision.failure.message) == (
        "FailedCreate",
        "Failure while starting VMI: <nil>",
    )
    assert run_strategy.wants_paused_start(vm("Always", request))


def test_unknown_strategy():
    """A strategy nobody knows is a failure with its name."""
    decision = run_strategy.decide(vm("Sometimes"), None, NOW)
    assert decision.failure is not None
    assert decision.failure.message == "unknown runstrategy: Sometimes"


@pytest.mark.parametrize(
    ("spec", "strategy"),
    [
        ({"running": True}, "Always"),
        ({"running": False}, "Halted"),
        ({}, "Halted"),
        ({"runStrategy": "Once"}, "Once"),
    ],
)
def test_resolution(spec, strategy):
    """`running` is an old way to say Always or Halted; saying nothing means Halted."""
    assert run_strategy.of({"spec": spec}) == strategy


def test_both_are_refused():
    """`running` and `runStrategy` together are an error."""
    with pytest.raises(run_strategy.InvalidRunStrategyError, match="mutually exclusive"):
        run_strategy.of({"spec": {"running": True, "runStrategy": "Always"}})


@pytest.mark.parametrize(
    ("requests", "vmi_object", "left"),
    [
        ([STOP_REQUEST, START_REQUEST], vmi("Running"), 2),
        ([STOP_REQUEST, START_REQUEST], None, 1),
        ([OTHER_STOP], vmi("Running"), 0),
        ([{"action": "Stop"}], vmi("Running"), 0),
        ([START_REQUEST], None, 1),
        ([START_REQUEST], vmi("Pending"), 0),
        ([START_REQUEST], vmi("Failed"), 1),
        ([START_REQUEST], vmi("Running", deleting=True), 1),
    ],
)
def test_requests_are_served_in_order(requests, vmi_object, left):
    """V-061, V-062: only the first request is served, a Stop once its VMI is gone, a Start once one lives."""
    assert (
        run_strategy.remaining_requests(vm("Always", *requests), vmi_object)
        == requests[len(requests) - left :]
    )


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_guest_that_has_left(phase):
    """Its machine is halted once it is told how its migration to another one ended, and not before."""
    state = {"sourceState": {"migrationUID": "s"}, "targetState": {"syncAddress": "a"}}
    gone = vmi(phase)
    gone["status"]["migrationState"] = state
    assert run_strategy.decide(vm("Always"), gone, NOW) == Decision(wait=2.0)
    gone["status"]["migrationState"] = {**state, "completed": True}
    assert run_strategy.decide(vm("Always"), gone, NOW) == Decision(restore="Halted")
