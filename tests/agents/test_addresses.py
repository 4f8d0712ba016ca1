"""Addresses of pods, and of what else they are attached to."""

import pytest

from fakekube.agents.pods.addresses import Addresses, of_pod, usable
from fakekube.client.controller import RetryError


def pod(uid):
    return {"metadata": {"uid": uid}}


def test_addresses_are_not_given_twice():
    """Every pod has its own address; a released one is used again after a round."""
    addresses = Addresses()
    node = {"metadata": {"name": "n"}, "spec": {"podCIDR": "10.0.0.0/29"}}
    given = [of_pod(addresses, pod(uid), node) for uid in "abcde"]
    assert given == [f"10.0.0.{number}" for number in range(2, 7)]
    assert of_pod(addresses, pod("a"), node) == "10.0.0.2"
    with pytest.raises(RetryError, match=r"no free pod address in 10.0.0.0/29 of node n"):
        of_pod(addresses, pod("f"), node)
    addresses.release("c")
    assert of_pod(addresses, pod("f"), node) == "10.0.0.4"


@pytest.mark.parametrize(
    ("cidr", "first"),
    [
        ("10.10.10.0/24", ["10.10.10.2", "10.10.10.3"]),
        ("192.168.2.225/28", ["192.168.2.226", "192.168.2.227"]),
        ("fd10:0:2::/120", ["fd10:0:2::2", "fd10:0:2::3"]),
        ("2001:db8::/32", ["2001:db8::2", "2001:db8::3"]),
        ("10.0.0.9", ["10.0.0.9", None]),
        ("10.0.0.8-10.0.0.8", ["10.0.0.8", None]),
        ("10.0.0.0/30,10.0.1.5-10.0.1.9", ["10.0.0.2", "10.0.1.5"]),
    ],
)
def test_ranges(cidr, first):
    """A range may be of either family, as large as it likes, told by any of its addresses, a single one, some of a network, or
    several of these."""
    addresses = Addresses()
    assert [addresses.of(owner, cidr) for owner in "ab"] == first


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("10.1.1.0/24", "10.1.1.1-10.1.1.254"),
        ("10.0.0.0/30,10.0.1.5-10.0.1.9", "10.0.0.1-10.0.0.2,10.0.1.5-10.0.1.9"),
        ("fd10::/126", "fd10::1-fd10::3"),
        ("10.0.0.9", "10.0.0.9-10.0.0.9"),
    ],
)
def test_what_is_said_of_ranges(given, told):
    """A range is told from its first address, which is the gateway's, to its last."""
    assert usable(given) == told


@pytest.mark.parametrize("given", ["what", "10.0.0.9-10.0.0.1", "10.0.0.1-fd10::1", ""])
def test_what_is_no_range(given):
    """What goes backwards or between families is none."""
    with pytest.raises(ValueError, match=r"range|network"):
        usable(given)
