"""Where launchers may run."""

import pytest

from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import launcher_placing

STRICT = {"developerConfiguration": {"featureGates": ["HypervStrictCheck"]}}


def selector(domain=None, raw=None, status=None, **spec):
    vmi = {"spec": {"domain": domain or {}, **spec}, "status": status or {}}
    chosen = launcher_placing.node_selector(vmi, ClusterConfig(raw=raw or {}), None)
    return {key for key in chosen if key != "kubevirt.io/schedulable"}


@pytest.mark.parametrize(
    ("security", "architecture", "wanted"),
    [
        ({"sev": {}}, "", {"kubevirt.io/sev"}),
        ({"sev": {"policy": {"encryptedState": True}}}, "", {"kubevirt.io/sev", "kubevirt.io/sev-es"}),
        ({"snp": {}}, "", {"kubevirt.io/sev-snp"}),
        ({"tdx": {}}, "", {"kubevirt.io/tdx"}),
        ({}, "s390x", {"kubevirt.io/s390-pv", "kubernetes.io/arch"}),
        (None, "", set()),
    ],
)
def test_encryption(security, architecture, wanted):
    """What protects the guest's memory has to be there."""
    assert selector({"launchSecurity": security}, architecture=architecture) == wanted


def test_hyperv():
    """What KVM has to be able to, where that is checked strictly; Intel, for nested guests."""
    features = {"synic": {"enabled": True}, "vpindex": {"enabled": False}, "relaxed": {"enabled": True}}
    features |= {"spinlocks": {"enabled": True, "spinlocks": 8191}, "evmcs": {}}
    domain = {"features": {"hyperv": features}}
    assert selector(domain) == set()
    wanted = {"hyperv.node.kubevirt.io/synic", "cpu-vendor.node.kubevirt.io/Intel"}
    assert selector(domain, STRICT) == wanted


def test_the_clusters_own():
    """The cluster's selector is every launcher's; the guest's own outranks it."""
    raw = {"developerConfiguration": {"nodeSelectors": {"a": "1", "b": "1"}}}
    chosen = launcher_placing.node_selector(
        {"spec": {"nodeSelector": {"b": "2"}}}, ClusterConfig(raw=raw), None
    )
    assert chosen == {"a": "1", "b": "2", "kubevirt.io/schedulable": "true"}


def test_what_the_guest_is_bound_to():
    """Its machine is the one it started with, its clock's frequency the one it has seen."""
    status = {"machine": {"type": "pc-q35-9"}, "topologyHints": {"tscFrequency": 2400000000}}
    assert selector({"machine": {"type": "q35"}}, status=status) == {
        "machine-type.node.kubevirt.io/pc-q35-9",
        "scheduling.node.kubevirt.io/tsc-frequency-2400000000",
    }
