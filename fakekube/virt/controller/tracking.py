"""Which machines have their changed blocks recorded, and how far that has come over restarts. Pure.

Origin: kubevirt: pkg/storage/cbt/cbt.go
"""

from msgspec import Struct

from fakekube.machinery import selectors
from fakekube.machinery.objects import Obj, dig, labels
from fakekube.machinery.wire import Object
from fakekube.virt import changed_blocks
from fakekube.virt.changed_blocks import (
    DISABLED,
    ENABLED,
    GATE_SHUT,
    INITIALIZING,
    PENDING_RESTART,
    UNDEFINED,
    state,
)
from fakekube.virt.config import ClusterConfig


class Wish(Struct, frozen=True):
    """What the KubeVirt object says of one machine."""

    gate: bool = False
    chosen: bool = False  # its labels, or its namespace's


NOTHING = Wish()


def said(config: ClusterConfig) -> tuple[bool, Obj]:
    """What the configuration says of it."""
    return config.gate(changed_blocks.GATE), config.raw.get("changedBlockTrackingLabelSelectors") or {}


def by_namespace(config: ClusterConfig) -> bool:
    """Whether labels of namespaces decide about it."""
    return said(config)[1].get("namespaceLabelSelector") is not None


def wish(vm: Obj, space: Obj | None, config: ClusterConfig) -> Wish:
    """`space` is the machine's namespace."""
    gate, chosen_by = said(config)
    chosen = _selects(chosen_by.get("virtualMachineLabelSelector"), vm)
    return Wish(gate, chosen or _selects(chosen_by.get("namespaceLabelSelector"), space))


def _selects(selector: Obj | None, obj: Obj | None) -> bool:
    if selector is None or obj is None:
        return False
    try:
        return selectors.from_object(selector).matches(labels(obj))
    except selectors.SelectorError:
        return False


def of_machine(vm: Obj, vmi: Obj | None, wished: Wish) -> Object | None:
    """`status.changedBlockTracking` of a machine."""
    told: Object | None = dig(vm, "status", "changedBlockTracking")
    was = state(vm)
    if was == GATE_SHUT and not wished.gate:
        return told
    if not wished.gate:
        if vmi is None or state(vmi) in (UNDEFINED, DISABLED):
            return {**(told or {}), "state": GATE_SHUT} if wished.chosen else None
        now = PENDING_RESTART if was in (INITIALIZING, ENABLED) else was
    elif not wished.chosen:
        now = _ending(was, vmi)
    elif vmi is None:
        now = ENABLED if was == ENABLED else INITIALIZING
    else:
        now = _beginning(was, state(vmi))
    return told if now == was else {**(told or {}), "state": now}


def _beginning(was: str, guest: str) -> str:
    """A machine that is to have them recorded, while its guest is there."""
    if was in (UNDEFINED, GATE_SHUT):
        return PENDING_RESTART
    if was in (PENDING_RESTART, DISABLED):
        return guest if guest in (INITIALIZING, ENABLED) else PENDING_RESTART
    return ENABLED if guest == ENABLED else INITIALIZING


def _ending(was: str, vmi: Obj | None) -> str:
    if was in (UNDEFINED, DISABLED):
        return was
    return DISABLED if vmi is None or state(vmi) in (UNDEFINED, DISABLED) else PENDING_RESTART


def of_instance(vm: Obj, wished: Wish) -> str:
    """With what the next guest of a machine begins; or empty."""
    if not wished.gate:
        return UNDEFINED
    if wished.chosen:
        return INITIALIZING
    return UNDEFINED if state(vm) == UNDEFINED else DISABLED
