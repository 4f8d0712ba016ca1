"""How Multus is told which networks a launcher pod is to have, and what their interfaces are called inside. Pure.

Nothing here plugs a network in: a launcher counts as having the networks its annotation names.
Origin: kubevirt: pkg/network/{multus,namescheme}
"""

import hashlib
import json

from fakekube.machinery.objects import Obj, annotations

NETWORKS, DEFAULT_NETWORK = "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
ABSENT = "absent"  # state of an interface that is to be unplugged
_NAME_DIGITS = 11


def pod_interface(network: str) -> str:
    """What a secondary network's interface is called inside the launcher pod."""
    return "pod" + hashlib.sha256(network.encode()).hexdigest()[:_NAME_DIGITS]


def is_secondary(network: Obj) -> bool:
    return "multus" in network and not network["multus"].get("default")


def attached(pod: Obj) -> dict[str, str]:
    """The networks a launcher pod has beside the first: name of its interface → network attachment definition."""
    listed = json.loads(annotations(pod).get(NETWORKS) or "[]")
    return {str(one.get("interface", "")): str(one.get("name", "")) for one in listed}
