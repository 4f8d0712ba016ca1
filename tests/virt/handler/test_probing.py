"""Probes of guests, as values: what passes, and when it counts."""

from datetime import UTC, datetime, timedelta

import pytest

from fakekube.clock import rfc3339
from fakekube.virt.handler import probing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = {
    "status": {"containerStatuses": [{"name": "compute", "state": {"running": {"startedAt": rfc3339(NOW)}}}]}
}


def vmi(*true):
    return {"spec": {}, "status": {"conditions": [{"type": one, "status": "True"} for one in true]}}


@pytest.mark.parametrize(
    ("probe", "true", "passes"),
    [
        ({"guestAgentPing": {}}, ("AgentConnected",), True),
        ({"guestAgentPing": {}}, (), False),
        ({"guestAgentPing": {}}, ("Paused",), True),
        ({"exec": {"command": ["uname", "-a"]}}, ("AgentConnected",), True),
        ({"exec": {"command": ["uname", "-a"]}}, (), False),
        ({"exec": {"command": ["exit", "1"]}}, ("AgentConnected",), False),
        ({"exec": {"command": ["false"]}}, ("AgentConnected",), False),
        ({"tcpSocket": {"port": 22}}, (), True),
        ({"tcpSocket": {"port": 1500}}, (), True),
        ({"tcpSocket": {"port": 1501}}, (), False),
        ({"tcpSocket": {"port": "named"}}, (), False),
        ({"httpGet": {"port": 80}}, (), True),
        ({"httpGet": {"port": 22}}, (), False),
    ],
)
def test_what_passes(probe, true, passes):
    """Ports have to be listened on, by HTTP where that is asked for; the agent has to be there, and its command to succeed."""
    assert probing.passes(vmi(*true), probe, {1500}) is passes


def test_ports_that_are_passed_on():
    """A port that an interface behind its pod's address does not list is probed in vain, whoever listens there."""
    listed = [{"name": "default", "masquerade": {}, "ports": [{"port": 1500}]}]
    guest = {"spec": {"domain": {"devices": {"interfaces": listed}}}}
    assert probing.passes(guest, {"tcpSocket": {"port": 1500}}, {1500})
    assert not probing.passes(guest, {"tcpSocket": {"port": 1501}}, {1501})
    assert not probing.passes(guest, {"httpGet": {"port": 80}}, ())


def test_when_it_counts():
    """Ten seconds after its own delay a probe begins; it has failed when it did so often enough in a row."""
    probe = {"initialDelaySeconds": 90, "periodSeconds": 5, "failureThreshold": 3}
    assert probing.succeeds_at(POD, probe) == "2026-01-01T00:01:40.000000Z"
    assert probing.fails_in(POD, probe, NOW) == 100 + 10
    assert probing.fails_in(POD, probe, NOW + timedelta(minutes=5)) == 10
    assert probing.succeeds_at({}, probe) is None


@pytest.mark.parametrize(
    ("value", "spared"), [("true", True), ("1", True), ("false", False), ("yes", False), ("", False)]
)
def test_who_is_not_pinged(value, spared):
    """An annotation spares the agent pings if Go reads it as true, and nothing but pings."""
    found = {**vmi(), "metadata": {"annotations": {"kubevirt.io/pause-guest-agent-probes": value}}}
    assert probing.passes(found, {"guestAgentPing": {}}, ()) is spared
    assert not probing.passes(found, {"exec": {"command": ["true"]}}, ())


def test_unanswered_pings():
    """The first ping is sent when the probe begins, each other one a period later; nothing else is one."""
    silent = vmi()
    silent["spec"]["livenessProbe"] = {"guestAgentPing": {}, "initialDelaySeconds": 20, "periodSeconds": 5}
    assert probing.unanswered(silent, POD, NOW) == 30
    assert probing.unanswered(silent, POD, NOW + timedelta(minutes=1)) == 5
    assert probing.unanswered({**silent, "status": vmi("AgentConnected")["status"]}, POD, NOW) is None
    silent["spec"] = {"livenessProbe": {"tcpSocket": {"port": 1501}}}
    assert probing.unanswered(silent, POD, NOW) is None
    assert probing.unanswered(vmi(), POD, NOW) is None
