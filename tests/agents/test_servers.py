"""Pods whose program is told when to end."""

import pytest

from fakekube.agents import servers
from fakekube.clock import parse_rfc3339

UNTIL = "2026-01-01T00:02:30Z"


@pytest.mark.parametrize(
    ("command", "env", "until"),
    [
        (["/usr/bin/virt-exportserver", "-v", "2"], [{"name": "DEADLINE", "value": UNTIL}], UNTIL),
        (["/usr/bin/virt-exportserver"], [{"name": "DEADLINE", "value": "soon"}], None),
        (["/usr/bin/virt-exportserver"], [{"name": "DEADLINE"}, {"name": "A", "value": UNTIL}], None),
        (["sleep", "/virt-exportserver"], [{"name": "DEADLINE", "value": UNTIL}], None),
        (None, None, None),
    ],
)
def test_until(command, env, until):
    """Exporters end at their deadline, if it is a time; others do not."""
    pod = {"spec": {"containers": [{"command": command, "env": env}]}}
    assert servers.until(pod) == (until and parse_rfc3339(until))
