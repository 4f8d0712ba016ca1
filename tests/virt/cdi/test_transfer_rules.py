"""ObjectTransfers, as far as no cluster is needed to judge them."""

import pytest

from fakekube.virt.cdi import transfer_rules

SOURCE = {"kind": "DataVolume", "namespace": "foo", "name": "bar"}


@pytest.mark.parametrize(
    ("source", "target", "old", "wanted"),
    [
        (SOURCE, {}, None, "Target namespace and/or target name must be supplied"),
        ({**SOURCE, "kind": "VolumeSnapshot"}, {"name": "x"}, None, 'Unsupported kind "VolumeSnapshot"'),
        (SOURCE, {"name": "x"}, {}, "ObjectTransfer spec is immutable"),
        (SOURCE, {"name": "x"}, {"source": SOURCE, "target": {"name": "x"}}, ""),
        (SOURCE, {"namespace": "x"}, None, ""),
    ],
)
def test_transfers(source, target, old, wanted):
    """[5834] [5836] To another place, of what CDI can move, and for good."""
    assert transfer_rules.transfer({"source": source, "target": target}, old) == wanted


def test_targets():
    """What is not said stays as it is."""
    assert transfer_rules.target({"source": SOURCE, "target": {"name": "x"}}) == ("foo", "x")
    assert transfer_rules.target({"source": SOURCE, "target": {"namespace": "x"}}) == ("x", "bar")
