"""Which networks a launcher pod is to have beside the first, which it has, and what their interfaces are called inside. Pure.

Origin: kubevirt: pkg/network/{multus,namescheme}
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from fakekube.agents.pods import networks
from fakekube.machinery.objects import Obj

NETWORKS = networks.NETWORKS
MIGRATION = (
    "migration0"  # how virt-handler's pods call the network that guests migrate over, if they have one
)
ABSENT = "absent"  # state of an interface that is to be unplugged
_NAME_DIGITS = 11


def pod_interface(network: str) -> str:
    """What a secondary network's interface is called inside the launcher pod."""
    return "pod" + hashlib.sha256(network.encode()).hexdigest()[:_NAME_DIGITS]


def is_secondary(network: Obj) -> bool:
    return "multus" in network and not network["multus"].get("default")


def asked_for(pod: Obj) -> dict[str, str]:
    """The networks a launcher pod was to have: name of its interface → network attachment definition."""
    return {one.interface: one.name for one in networks.wanted(pod) if not one.default}


def attached(pod: Obj) -> Mapping[str, dict[str, Any]]:
    """The networks it has: name of its interface → what Multus tells of it."""
    return {str(one.get("interface")): one for one in networks.there(pod) if not one.get("default")}


def first_interface(pod: Obj) -> str:
    """What its interface on the first network is called: as Multus says, or as everywhere."""
    told = (one.get("interface") for one in networks.there(pod) if one.get("default"))
    return str(next(filter(None, told), "eth0"))


def migration_address(pod: Obj) -> str:
    """Where a virt-handler is reached for migrations; empty, where it has no network of its own for them, or no address there."""
    return str(next(iter(attached(pod).get(MIGRATION, {}).get("ips") or ()), ""))
