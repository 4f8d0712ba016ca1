"""Which pods kill processes of their node."""

import pytest

from fakekube.agents import killers


@pytest.mark.parametrize(
    ("command", "more", "victims"),
    [
        (["pkill", "-9", "qemu"], {}, "qemu"),
        (["/bin/bash", "-c", "date; pkill -e -9 virt-handler || echo not found"], {}, "virt-handler"),
        (["pkill", "-9", "qemu"], {"hostPID": False}, None),
        (["pkill", "-9", "qemu"], {"restartPolicy": "Always"}, None),
        (["sleep", "60"], {}, None),
    ],
)
def test_victims(command, more, victims):
    """Those that see the node's processes, name some, and do not want to be started again."""
    spec = {"hostPID": True, "restartPolicy": "Never", "containers": [{"name": "c", "command": command}]}
    assert killers.victims({"spec": {**spec, **more}}) == victims
