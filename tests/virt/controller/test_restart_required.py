"""When a change of the template needs a restart, and what is said then."""

import pytest

from fakekube.virt.controller import restart_required
from fakekube.virt.quantities import binary, whole


def spec(*, sockets=1, memory="1Gi", grace=0, architecture="amd64", **more):
    domain = {"cpu": {"sockets": sockets}, "memory": {"guest": memory}}
    rest = {"terminationGracePeriodSeconds": grace, "architecture": architecture, **more}
    return {"template": {"spec": {"domain": domain, **rest}}}


def vmi(*, migratable=False, most="4Gi", sockets=1):
    listed = [{"type": "LiveMigratable", "status": str(migratable)}]
    cpu, memory = {"sockets": sockets, "maxSockets": 4}, {"guest": "1Gi", "maxGuest": most}
    domain = {"cpu": cpu, "memory": memory, "firmware": {"uuid": "running"}}
    amounts = {"guestAtBoot": "1Gi", "guestCurrent": "1Gi"}
    return {"spec": {"domain": domain}, "status": {"conditions": listed, "memory": amounts}}


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (spec(), ""),
        (spec(grace=5), "a non-live-updatable field was changed in the template spec"),  # V-065
        (spec(nodeSelector={"a": "b"}), ""),
        (spec(tolerations=[{"key": "a"}]), ""),
        (
            spec(memory="2Gi"),
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
        restart_required.message(spec(sockets=2), spec(), vmi(sockets=2))
        == "Reduction of CPU socket count requires a restart"
    )


def test_sockets_nobody_made_room_for():
    """V-067: an instance without maxSockets has no room for more, a machine that named no CPU gets another one."""
    narrow = vmi()
    del narrow["spec"]["domain"]["cpu"]["maxSockets"]
    assert restart_required.message(spec(), spec(sockets=2), narrow) == restart_required.SOCKETS_ABOVE_MAX
    without = spec()
    del without["template"]["spec"]["domain"]["cpu"]
    assert restart_required.message(without, spec(sockets=2), vmi()) == restart_required.OTHER_FIELD


def test_memory_of_a_guest_that_does_not_run_yet():
    """Before the guest runs nothing is known of its memory, and nothing asked for; a change that failed is told."""
    early = vmi()
    del early["status"]["memory"]
    assert restart_required.message(spec(), spec(memory="2Gi"), early) == ""
    failed = vmi(migratable=True)
    failed["status"]["conditions"].append({"type": "HotMemoryChange", "status": "False"})
    told = restart_required.message(spec(), spec(memory="2Gi"), failed)
    assert told == restart_required.MEMORY_FAILED


@pytest.mark.parametrize("after", [spec(sockets=2), spec(memory="2Gi"), spec(nodeSelector={"a": "b"})])
def test_staged(after):
    """Where changes are staged none reaches a running guest, whatever it is."""
    guest = vmi(migratable=True)
    assert restart_required.message(spec(), after, guest) == ""
    assert restart_required.message(spec(), after, guest, live=False) == restart_required.OTHER_FIELD


def test_migratable_memory():
    """A migratable guest may grow up to its maximum, and not shrink below what it booted with."""
    assert restart_required.message(spec(), spec(memory="2Gi"), vmi(migratable=True)) == ""
    assert "higher than" in restart_required.message(spec(), spec(memory="8Gi"), vmi(migratable=True))
    assert "lower than" in restart_required.message(
        spec(memory="1Gi"), spec(memory="512Mi"), vmi(migratable=True)
    )


@pytest.mark.parametrize(
    ("domain", "more", "reason"),
    [
        ({"cpu": {"sockets": 1, "realtime": {}}}, {}, "Memory hotplug is not compatible with realtime VMs"),
        (
            {"cpu": {"sockets": 1, "numa": {"guestMappingPassthrough": {}}}},
            {},
            "Memory hotplug is not compatible with guest mapping passthrough",
        ),
        ({"launchSecurity": {}}, {}, "Memory hotplug is not compatible with encrypted VMs"),
        ({"memory": {"guest": "2049Mi"}}, {}, "Guest memory must be 2Mi aligned"),
        (
            {"memory": {"guest": "2050Mi", "hugepages": {"pageSize": "1Gi"}}},
            {},
            "Guest memory must be 1Gi aligned",
        ),
        ({}, {"most": "4095Mi"}, "MaxGuest must be 2Mi aligned"),
        ({}, {"architecture": "arm64"}, "Memory hotplug is only available for x86_64 VMs"),
        ({}, {"architecture": "amd64"}, ""),
    ],
)
def test_memory_that_cannot_be_plugged(domain, more, reason):
    """What a guest is like may keep memory from being plugged into it, and each reason is told."""
    after = spec(memory="2Gi", architecture=more.get("architecture", "amd64"))
    after["template"]["spec"]["domain"] |= domain
    guest = vmi(migratable=True, most=more.get("most", "4Gi"))
    before = {"template": {"spec": {**after["template"]["spec"], "tolerations": []}}}
    told = restart_required.message(before, after, guest)
    assert told == (f"memory hotplug not supported, {reason}" if reason else "")


@pytest.mark.parametrize(
    ("architecture", "queues", "told"),
    [
        (
            "amd64",
            True,
            "Changes to CPU sockets require a restart when NetworkInterfaceMultiQueue is enabled.",
        ),
        ("amd64", False, ""),
        ("arm64", False, "ARM doesn't support CPU hotplug"),
    ],
)
def test_sockets_that_cannot_be_plugged(architecture, queues, told):
    """CPUs that network cards have queues for, and those of Arm, are not plugged in."""
    specs = spec(), spec(sockets=2)
    for one in specs:
        one["template"]["spec"]["domain"]["devices"] = {"networkInterfaceMultiqueue": queues}
    guest = vmi()
    guest["spec"]["architecture"] = architecture
    assert restart_required.message(*specs, guest) == told


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
