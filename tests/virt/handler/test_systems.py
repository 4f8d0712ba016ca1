"""Which operating system a guest is."""

import pytest

from fakekube.virt.handler import systems


def on(**volume):
    return {"spec": {"volumes": [{"name": "cloudinit", "cloudInitNoCloud": {}}, {"name": "disk0", **volume}]}}


@pytest.mark.parametrize(
    ("volume", "own", "agent"),
    [
        ({"containerDisk": {"image": "quay.io/kubevirt/alpine:1"}}, "alpine", False),
        ({"dataVolume": {"name": "my-ubuntu"}}, "ubuntu", True),
        ({"persistentVolumeClaim": {"claimName": "x"}}, "fedora", True),
        ({"emptyDisk": {}}, "fedora", False),
    ],
)
def test_by_image(volume, own, agent):
    """By a word in the name of what it boots from; without a disk nothing brings an agent."""
    assert systems.guest_os(on(**volume))["id"] == own
    assert systems.has_agent(on(**volume)) is agent


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ({"registry": {"url": "docker://x/cirros"}}, "docker://x/cirros"),
        ({"http": {"url": "http://x/alpine.img"}}, "http://x/alpine.img"),
        ({"pvc": {"name": "golden-debian", "namespace": "n"}}, "golden-debian"),
        ({"blank": {}}, ""),
    ],
)
def test_by_origin(source, origin):
    """What a claim was filled with says more than its name."""
    assert systems.boot_claim(on(dataVolume={"name": "dv"})) == "dv"
    assert systems.boot_claim(on(containerDisk={"image": "dv"})) == ""
    assert systems.origin({"spec": {"source": source}}) == origin
    expected = next((one for one in ("cirros", "alpine", "debian") if one in origin), "fedora")
    assert systems.guest_os(on(dataVolume={"name": "dv"}), origin)["id"] == expected
