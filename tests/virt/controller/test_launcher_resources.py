"""What a launcher takes of its node."""

from decimal import Decimal

import pytest

from fakekube.virt import quantities
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import launcher_resources
from fakekube.virt.controller.launcher_facts import Settings

MEBI = 2**20
PLAIN = 288  # mebibytes beside a guest of one CPU


def vmi(domain=None, *, annotations=None, **spec):
    domain = {"memory": {"guest": "512Mi"}, **(domain or {})}
    return {"metadata": {"annotations": annotations or {}}, "spec": {"domain": domain, **spec}}


def settings(**raw):
    return Settings(config=ClusterConfig(raw=raw))


def compute(domain=None, own=None, **spec):
    return launcher_resources.compute(vmi(domain, **spec), own or Settings())


@pytest.mark.parametrize(
    ("domain", "spec", "more"),
    [
        ({}, {}, 0),
        ({"devices": {"autoattachGraphicsDevice": False}}, {}, -32),
        ({}, {"architecture": "arm64"}, 128),
        ({"devices": {"hostDevices": [{"name": "a", "deviceName": "b"}]}}, {}, 1024),
        ({"devices": {"interfaces": [{"name": "a", "sriov": {}}]}}, {}, 1024),
        ({}, {"volumes": [{"name": "a", "downwardMetrics": {}}]}, 1),
        ({}, {"livenessProbe": {"exec": {"command": ["a"]}}}, 110),
        ({}, {"livenessProbe": {"exec": {}}, "readinessProbe": {"exec": {}}}, 120),
        ({"launchSecurity": {"sev": {}}}, {}, 256),
        ({"launchSecurity": {"tdx": {}}}, {}, 0),
        ({"devices": {"tpm": {}}}, {}, 53),
        ({"devices": {"tpm": {"enabled": False}}}, {}, 0),
        ({"cpu": {"dedicatedCpuPlacement": True}}, {}, 100),
        ({"memory": {"guest": "1Gi", "reservedOverhead": {"addedOverhead": "96Mi"}}}, {}, 96),
    ],
)
def test_what_is_needed_beside_the_guest(domain, spec, more):
    """Graphics, an architecture, devices that are passed through, probes, encryption, a TPM and CPUs of its own cost memory."""
    found = launcher_resources.memory_overhead(vmi(domain, **spec), ClusterConfig())
    assert found == (PLAIN + more) * MEBI


def test_page_tables():
    """A byte for every 512 that are requested, which count in thousands."""
    domain = {"resources": {"requests": {"memory": "1024M"}}}
    assert launcher_resources.memory_overhead(vmi(domain), ClusterConfig()) == PLAIN * MEBI + 2_000_000


@pytest.mark.parametrize(
    ("domain", "memory"),
    [
        ({}, 256),
        ({"resources": {"requests": {"memory": "400Mi"}}}, 400),
        ({"cpu": {"dedicatedCpuPlacement": True}}, 512 + 100),
    ],
)
def test_overcommitted_memory(domain, memory):
    """Half of the guest's is requested, unless more is asked for, or nothing may be missing."""
    found = compute(domain, settings(developerConfiguration={"memoryOvercommit": 200}))["requests"]["memory"]
    tables = 819201 if "resources" in domain else 0
    assert quantities.whole(found) - PLAIN * MEBI - tables == memory * MEBI


def test_overhead_may_be_left_out():
    """Of the request, not of the limit."""
    given = {"requests": {"memory": "512Mi"}, "limits": {"memory": "1Gi"}, "overcommitGuestOverhead": True}
    found = compute({"resources": given})
    assert found["requests"]["memory"] == "512Mi"
    assert found["limits"]["memory"] == f"{1024 + PLAIN + 1}Mi"


@pytest.mark.parametrize(
    ("domain", "marks", "cpus"),
    [
        ({"cpu": {"cores": 2, "dedicatedCpuPlacement": True}}, {}, "2"),
        ({"cpu": {"cores": 2, "dedicatedCpuPlacement": True, "isolateEmulatorThread": True}}, {}, "3"),
        ({"cpu": {"cores": 2, "dedicatedCpuPlacement": True, "isolateEmulatorThread": True}}, "even", "4"),
        ({"cpu": {"cores": 3, "dedicatedCpuPlacement": True, "isolateEmulatorThread": True}}, "even", "4"),
        (
            {
                "cpu": {"cores": 2, "dedicatedCpuPlacement": True},
                "ioThreads": {"supplementalPoolThreadCount": 2},
            },
            {},
            "4",
        ),
    ],
)
def test_cpus_of_its_own(domain, marks, cpus):
    """One each, for threads of input and output as well, and for the emulator: two, where the number is to be even."""
    even = {"alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity": ""}
    found = compute(domain, annotations=even if marks == "even" else {})
    assert found["requests"]["cpu"] == found["limits"]["cpu"] == cpus
    assert found["requests"]["memory"] == found["limits"]["memory"]


def test_shared_cpus():
    """A tenth of each, threads of input and output included."""
    found = compute({"cpu": {"cores": 2}, "ioThreads": {"supplementalPoolThreadCount": 3}})
    assert found["requests"]["cpu"] == "500m"


def test_devices():
    """What nodes offer by device plugins, and from resource claims."""
    devices = {
        "interfaces": [{"name": "a", "model": "e1000"}],
        "autoattachVSOCK": True,
        "disks": [{"name": "a", "lun": {"reservation": True}}],
        "gpus": [{"name": "a", "deviceName": "vendor/gpu"}, {"name": "b", "deviceName": "vendor/gpu"}],
        "hostDevices": [{"name": "c", "claimName": "claim", "requestName": "request"}],
    }
    own = settings(developerConfiguration={"featureGates": ["IOMMUFD"]})
    found = compute({"devices": devices, "launchSecurity": {"snp": {}}}, own)
    kinds = ("kvm", "tun", "vhost-vsock", "sev", "pr-helper", "iommufd")
    wanted = {f"devices.kubevirt.io/{kind}": "1" for kind in kinds}
    assert found["limits"] == {**wanted, "vendor/gpu": "2"}
    assert found["claims"] == [{"name": "claim", "request": "request"}]


def test_disk_of_the_node():
    """What is asked for, and what the launcher itself writes."""
    given = {"requests": {"ephemeral-storage": "1G"}, "limits": {"ephemeral-storage": "2G"}}
    found = compute({"resources": given})
    assert found["requests"]["ephemeral-storage"] == "1050M"
    assert found["limits"]["ephemeral-storage"] == "2050M"


def test_limits_of_the_namespace():
    """Memory by the namespace's ratio."""
    own = Settings(limits=frozenset(("memory",)), limit_ratio=Decimal("1.5"))
    assert compute(own=own)["limits"]["memory"] == "1200Mi"


@pytest.mark.parametrize("kind", ["container-disk", "guest-console-log", "sidecar"])
def test_helpers(kind):
    """The cluster says what containers beside the guest's take; guaranteed, they request all of it."""
    resources = {"limits": {"cpu": "7m", "memory": "77M"}, "requests": {"cpu": "3m"}}
    own = settings(supportContainerResources=[{"type": kind, "resources": resources}])
    found = launcher_resources.helper(kind, vmi(), own)
    assert (found["limits"], found["requests"]["cpu"]) == (resources["limits"], "3m")
    found = launcher_resources.helper(kind, vmi({"cpu": {"dedicatedCpuPlacement": True}}), own)
    assert found["requests"].items() >= resources["limits"].items()


def test_guaranteed_sidecars():
    """They get limits where nobody has said what they take."""
    found = launcher_resources.helper("sidecar", vmi({"cpu": {"dedicatedCpuPlacement": True}}), Settings())
    assert found["limits"] == found["requests"] == {"cpu": "200m", "memory": "64M"}
    assert launcher_resources.helper("sidecar", vmi(), Settings()) == {}
