"""Guests that depend on how often their CPU's clock ticks: which do, and how often it does in a cluster. Pure.

Origin: kubevirt: pkg/virt-controller/watch/topology/{tsc,hinter}.go
"""

from collections.abc import Iterable

from fakekube.machinery import digits
from fakekube.machinery.objects import Obj, dig, labels
from fakekube.machinery.wire import Object

_FREQUENCY = "cpu-timer.node.kubevirt.io/tsc-frequency"
NOT_MIGRATABLE = (
    "HyperV Reenlightenment VMIs cannot migrate when TSC Frequency is not exposed on the cluster: "
    "guest timers might be inconsistent"
)


def has_invariant(vmi: Obj) -> bool:
    """Whether the guest is promised a clock that never changes."""
    features = dig(vmi, "spec", "domain", "cpu", "features", default=())
    return any(one.get("name") == "invtsc" and one.get("policy") in ("require", "force") for one in features)


def is_enlightened(vmi: Obj) -> bool:
    """Whether Hyper-V tells the guest of a clock that has changed."""
    return dig(vmi, "spec", "domain", "features", "hyperv", "reenlightenment", "enabled") is True


def is_hinted(vmi: Obj) -> bool:
    return bool(dig(vmi, "status", "topologyHints", "tscFrequency"))


def hinted(vmi: Obj, nodes: Iterable[Obj], least: int | None) -> Object | None:
    """A guest that depends on it with the frequency it is to see: the cluster's lowest; None: nothing is to be told."""
    if is_hinted(vmi) or not (has_invariant(vmi) or is_enlightened(vmi)):
        return None
    found = (digits.number(labels(node).get(_FREQUENCY, "")) for node in nodes)
    frequency = least or min((one for one in found if one is not None), default=0)
    if not frequency:
        return None
    return {**vmi, "status": {**(vmi.get("status") or {}), "topologyHints": {"tscFrequency": frequency}}}
