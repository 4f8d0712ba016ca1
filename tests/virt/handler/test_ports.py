"""Ports of guests: what listens, and what of it is reached."""

import pytest

from fakekube.virt.handler import ports
from fakekube.virt.handler.ports import is_passed_on

LISTED = [{"port": 80}, {"port": 53, "protocol": "UDP"}]


def vmi(*interfaces):
    listed = [{"name": f"n{number}", **one} for number, one in enumerate(interfaces)]
    return {"metadata": {"name": "vm"}, "spec": {"domain": {"devices": {"interfaces": listed}}}}


@pytest.mark.parametrize("binding", ["masquerade", "passtBinding"])
def test_only_what_is_listed(binding):
    """An interface behind its pod's address passes on the ports that it lists, each for its protocol, and no others."""
    guest = vmi({binding: {}, "ports": LISTED})
    passed = [
        (port, kind) for port in (22, 53, 80) for kind in ("tcp", "udp") if is_passed_on(guest, port, kind)
    ]
    assert passed == [(53, "udp"), (80, "tcp")]
    assert ports.service(guest, "vm", 22, "tcp") is None
    assert ports.service(guest, "vm", 8080, "tcp", {8080: "started"}) is None
    assert ports.service(guest, "vm", 80, "tcp", {80: "started"}) is not None


@pytest.mark.parametrize("guest", [vmi({"masquerade": {}}), vmi({"bridge": {}, "ports": LISTED}), vmi()])
def test_everything(guest):
    """One that lists none passes on all, and so does one the guest's own address is behind."""
    assert is_passed_on(guest, 22, "tcp")
    assert ports.service(guest, "vm", 1234, "tcp", {1234: "started"}) is not None


def test_what_listens():
    """SSH, HTTP, an echo on declared ports and on every UDP port; anything else is refused."""
    guest = vmi({"bridge": {}, "ports": [{"port": 5432}]})
    found = [ports.service(guest, "vm", port, "tcp") is not None for port in (22, 80, 8080, 5432, 1234)]
    assert found == [True, True, True, True, False]
    assert ports.service(guest, "vm", 1234, "udp") is ports.ECHO
    assert (
        ports.service(guest, "vm", 5432, "tcp", {1234: "started"}) is None
    )  # who starts servers means those
