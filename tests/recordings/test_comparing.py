"""The comparison itself: what it notices, and what it lets pass."""

import json

import pytest

from tests.recordings import comparing, distilled, expected, facts, reading
from tests.recordings.facts import Change


def _run(*states, name="vm", resource="vm"):
    """An object that is in each state from the given moment on; None: gone."""
    changes, kind = [], "ADDED"
    for at, state in states:
        changes.append(Change(at, "DELETED" if state is None else kind, resource, name, state or {}))
        kind = "MODIFIED"
    return facts.of(changes)


def _status(word):
    return {"status": {"printableStatus": word}}


def _where(one, other):
    return [found.where for found in comparing.differences(one, other)]


def test_a_missing_value_is_noticed():
    """A state that lasted and did not come is a difference of that field."""
    recorded = _run((0, _status("Stopped")), (1, _status("Starting")), (2, _status("Running")))
    played = _run((0, _status("Stopped")), (2, _status("Running")))
    assert _where(recorded, played) == ["vm/vm status.printableStatus"]


def test_what_was_there_for_a_moment_may_be_missed():
    """Writers that are quicker or slower than the recorded ones do not see the same moments."""
    recorded = _run((0, _status("Stopped")), (1, _status("Starting")), (1.01, _status("Running")))
    played = _run((0, _status("Stopped")), (1, _status("Running")))
    assert _where(recorded, played) == []


def test_objects_and_their_ends_are_compared():
    """An object too many, one too few, and one that stays are differences."""
    recorded = _run((0, _status("Stopped")), (3, None))
    assert _where(recorded, facts.of([])) == ["vm/vm"]
    assert _where(facts.of([]), recorded) == ["vm/vm"]
    assert _where(recorded, _run((0, _status("Stopped")))) == ["vm/vm gone"]
    assert _where(recorded, _run((0, _status("Stopped")), (5, None))) == ["vm/vm gone"]


def test_conditions_are_fields_of_their_own():
    """A condition that says something else is told by its type, whatever stands beside it."""

    def state(reason):
        ready = {"type": "Ready", "status": "False", "reason": reason, "lastTransitionTime": "$t+3"}
        return {"status": {"conditions": [ready, {"type": "Other", "status": "True"}]}}

    found = _where(_run((0, state("GuestNotRunning"))), _run((0, state("PodTerminating"))))
    assert found == ["vm/vm status.conditions[Ready]"]


def test_what_every_run_chooses_anew_has_a_name():
    """Moments, addresses and drawn delays are not compared."""
    assert facts.chosen("2026-08-01T00:00:03Z") == facts.chosen("$t+3")
    assert facts.chosen(["10.244.0.7"]) == facts.chosen(["$ip1"])
    assert facts.chosen("283s") == facts.chosen("299s")


@pytest.mark.parametrize(("counts", "apart"), [((3, 1), False), ((4, 1), True), ((1, 0), True)])
def test_events_are_counted_roughly(counts, apart):
    """How often a repeated event was counted varies by two; that there is one does not vary."""

    def told(count):
        event = {"involvedObject": {"kind": "VM", "name": "vm"}, "type": "Normal", "reason": "R"}
        event |= {"message": "m", "source": {"component": "c"}, "count": count}
        return facts.of([Change(0, "ADDED", "event", "vm.1", event)] if count else [])

    assert bool(comparing.differences(told(counts[0]), told(counts[1]))) is apart


def test_objects_are_restored_from_patches(tmp_path):
    """A recording keeps an object once; later lines are patches of it, or of one that looked alike."""
    lines = [
        {"scenario": "s", "desc": "d", "duration": 1},
        {"n": 1, "t": 0, "ev": "ADDED", "res": "vm", "name": "a", "obj": {"spec": {"x": 1}}},
        {"n": 2, "t": 0, "ev": "ADDED", "res": "vm", "name": "b", "like": 1, "diff": {"spec": {"y": 2}}},
        {"n": 3, "t": 1, "ev": "MODIFIED", "res": "vm", "name": "b", "diff": {"spec": {"x": None}}},
        {"n": 4, "t": 1, "do": "delete", "res": "vm", "name": "a", "code": 200},
    ]
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    recording = reading.read(path)
    assert recording.facts.lives["vm/b"].fields == {"spec.x": [1, facts.ABSENT], "spec.y": [2]}
    assert [step.line["do"] for step in recording.steps] == ["delete"]
    distilled.write(tmp_path / "facts", [recording])
    assert list(distilled.read(tmp_path / "facts")) == [recording]


def test_what_is_no_recording_is_refused(tmp_path):
    """The text says which file and why."""
    path = tmp_path / "x.jsonl"
    path.write_text("hello")
    with pytest.raises(reading.BadRecording, match=r"x\.jsonl is no recording"):
        reading.read(path)


def test_differences_have_reasons():
    """Every difference that is accepted says why, and only explains what it names."""
    entries = expected.load()
    assert all(entry.reason for entry in entries)
    one = comparing.Difference("vm/other gone", "never", "at 1.0 s")
    assert expected.unexplained(entries, "m_always", [one]) == [one]
