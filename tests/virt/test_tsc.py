"""Guests that depend on the frequency of their CPU's clock."""

from fakekube.virt import tsc

INVARIANT = {"spec": {"domain": {"cpu": {"features": [{"name": "invtsc", "policy": "require"}]}}}}
ENLIGHTENED = {"spec": {"domain": {"features": {"hyperv": {"reenlightenment": {"enabled": True}}}}}}


def node(frequency):
    return {"metadata": {"labels": {"cpu-timer.node.kubevirt.io/tsc-frequency": frequency}}}


def test_hints():
    """They get the cluster's lowest frequency, or the one the cluster names; nobody else gets any."""
    nodes = [node("300"), node("200"), node("fast"), {"metadata": {}}]
    for one in (INVARIANT, ENLIGHTENED):
        told = tsc.hinted(one, nodes, None)
        assert told["status"]["topologyHints"] == {"tscFrequency": 200}
        assert tsc.hinted(told, nodes, None) is None
        assert tsc.hinted(one, nodes, 100)["status"]["topologyHints"] == {"tscFrequency": 100}
        assert tsc.hinted(one, [], None) is None
    assert tsc.hinted({"spec": {}}, nodes, None) is None
