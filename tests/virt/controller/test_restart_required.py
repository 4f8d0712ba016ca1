"""When a change of the template needs a restart, and what is said then."""

import pytest

from fakekube.virt.controller import restart_required
from fakekube.virt.quantities import binary, whole


def spec(*, sockets=1, memory="128Mi", grace=0, **more):
    domain = {"cpu": {"sockets": sockets}, "memory": {"guest": memory}}
    return {"template": {"spec": {"domain": domain, "terminationGracePeriodSeconds": grace, **more}}}


def vmi(*, migratable=False, most="512Mi"):
    listed = [{"type": "LiveMigratable", "status": str(migratable)}]
    cpu, memory = {"sockets": 1, "maxSockets": 4}, {"guest": "128Mi", "maxGuest": most}
    domain = {"cpu": cpu, "memory": memory, "firmware": {"uuid": "running"}}
    return {"spec": {"domain": domain}, "status": {"conditions": listed}}


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (spec(), ""),
        (spec(grace=5), "a non-live-updatable field was changed in the template spec"),  # V-065
        (spec(nodeSelector={"a": "b"}), ""),
        (spec(tolerations=[{"key": "a"}]), ""),
        (
            spec(memory="256Mi"),
            "memory updated in template spec. Memory-hotplug is only available for migratable VMs",
        ),
        (spec(sockets=2), ""),
        (spec(sockets=5), "CPU sockets updated in template spec to a value higher than what's available"),
    ],
)
def test_messages(after, told):
    """V-065: fields that cannot change while the guest runs are told, each with upstream's words."""
    assert restart_required.message(spec(), after, vmi()) == told


def test_fewer_sockets():
    """V-067: taking sockets away needs a restart."""
    assert (
        restart_required.message(spec(sockets=2), spec(), vmi())
        == "Reduction of CPU socket count requires a restart"
    )


def test_migratable_memory():
    """A migratable guest may grow up to its maximum, and not shrink below what it booted with."""
    assert restart_required.message(spec(), spec(memory="256Mi"), vmi(migratable=True)) == ""
    assert "higher than" in restart_required.message(spec(), spec(memory="1Gi"), vmi(migratable=True))
    assert "lower than" in restart_required.message(
        spec(memory="128Mi"), spec(memory="64Mi"), vmi(migratable=True)
    )


def test_firmware_of_the_running_guest():
    """Writing the running firmware UUID into the template is no change."""
    after = spec()
    after["template"]["spec"]["domain"]["firmware"] = {"uuid": "running"}
    assert restart_required.message(spec(), after, vmi()) == ""
    assert not restart_required.same_template(spec(), after)


@pytest.mark.parametrize(
    ("text", "amount"), [("128Mi", 2**27), ("1G", 10**9), ("1.5Gi", 1610612736), ("500m", 1), ("7", 7)]
)
def test_quantities(text, amount):
    """Amounts of memory are read with binary and decimal suffixes."""
    assert whole(text) == amount


@pytest.mark.parametrize(("amount", "text"), [(416 * 2**20, "416Mi"), (2**30, "1Gi"), (1000, "1k"), (0, "0")])
def test_quantities_written(amount, text):
    """Amounts are written with the largest binary suffix without a fraction."""
    assert binary(amount) == text


def test_no_quantity():
    """What is no amount is refused with an example."""
    with pytest.raises(ValueError, match="128Mi"):
        whole("much")
