"""Where an implementation is known to deviate from the statements. Each deviation is a strict expected failure.

`D-08` and the like are ids of this suite for the sensible behaviour in place of an upstream oddity that the statements
record as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.statements import load


@dataclass(frozen=True, slots=True)
class Deviation:
    """Why a test fails; `run` is false where trying would end the controller's process and disturb all other tests.

    It fails in every run, unless it is not `certain`: then chance decides, or nobody has seen it yet.
    """

    reason: str
    run: bool = True
    certain: bool = True


_QUIRK = Deviation("a quirk of upstream's, which nobody has to share", certain=False)
_SENSIBLE = Deviation("sensible where upstream is odd, but nowhere asked for", certain=False)

_HELD = Deviation(
    "two controllers take their finalizers off a VM that has no guest; if the pool's comes second, it stays (D6)",
    certain=False,
)
# Tests that scale in VMs without guests.
_SCALING_IN = (
    *("P-026", "P-035", "P-038", "P-049", "P-050", "P-074", "P-084", "P-096", "P-185", "P-207", "P-208"),
    *("P-108", "P-109", "P-110", "P-111", "P-112", "P-113", "P-114", "P-115"),
)

_KUBEVIRT: Mapping[str, Deviation] = {
    **dict.fromkeys(_SCALING_IN, _HELD),
    "P-031": Deviation("foreign finalizers of a pool are dropped (D5)"),
    "P-041": Deviation("the patch that releases a VM is malformed when it has another finalizer (D4)"),
    "P-086": Deviation(
        "after healing a pass goes on with what it knew, which may cost another VM", certain=False
    ),
    "P-101": Deviation("the process ends: slice bounds out of range (D2)", run=False),
    "P-102": Deviation("the process ends: slice bounds out of range (D1)", run=False),
    "P-122": Deviation("unmanaged: a VM deleted by hand keeps the pool's finalizer (D7)"),
    "P-123": Deviation("a terminating VM is not let go while the numbers differ (D6)"),
    "P-125": Deviation("a terminating VM is not let go while the numbers differ (D6)"),
    "P-174": Deviation("autohealing deletes failing VMs of others in the namespace (D3)"),
    "P-175": Deviation("a terminating pool heals (D12)"),
    "P-177": Deviation("autohealing has no timer (D12)"),
    "D-06": Deviation("a terminating VM is not let go while the numbers differ (D6)"),
    "D-08": Deviation("a detached VM keeps the pool's finalizer for ever (D8)"),
    "D-09": Deviation("VMIs that need nothing are announced as updated (D9)"),
    "D-10": Deviation(
        "a creation may be answered by AlreadyExists, and shown for a moment (D10)", certain=False
    ),
    "D-11": Deviation("only the opportunistic strategy's setting counts for VMs deleted by hand (D11)"),
    "D-12": Deviation("autohealing has no timer; an event may come late enough (D12)", certain=False),
    "D-13": Deviation("a pool whose selector does not match cannot be deleted (D13)"),
    "D-14": Deviation(
        "while paused, a finalizer whose removal failed is not tried again (D6)", certain=False
    ),
    "D-15": Deviation("a pool whose selector does not match is only complained of in the log"),
    "D-16": Deviation("a revision of that name is used as it is, whose it may be", certain=False),
    "D-17": Deviation("a guest is taken for the VM's by its name", certain=False),
    "D-18": Deviation("VMs of other pools whose labels collide lose the finalizer, too", certain=False),
    "D-19": Deviation("without a policy the order is that of the cache", certain=False),
    "D-20": Deviation("a guest that is going may be deleted, and told of, again", certain=False),
    "D-21": Deviation("who is renewed anyway is seen to be down only a pass later", certain=False),
    "D-22": Deviation("which of several strategies counts is not said", certain=False),
    "D-23": Deviation("where guests were only given the new name, nothing looks again", certain=False),
}

DEVIATIONS: Mapping[str, Mapping[str, Deviation]] = {
    "ours": {
        "P-039": Deviation("a detached VM is let go, so that it can be deleted (D-08)"),
        "P-117": Deviation("storage is kept under the strategy that is in force (D-11)"),
        "P-160": Deviation("what was not updated is not announced as updated (D-09)"),
        "S-06": Deviation("a pool that fits no VM says so by a condition, too (D-15)"),
    },
    "kubevirt-1.9": _KUBEVIRT,
    # Anybody's: where upstream is odd, a controller may be as odd or be sensible, and nobody can do both.
    "other": {one.id: _QUIRK for one in load("pool") if one.kind == "quirk"}
    | {one: _SENSIBLE for one in _KUBEVIRT if one.startswith("D-")}
    | {"S-06": _QUIRK, "S-12": Deviation("others write under a name of their own", certain=False)},
}

# How many seconds an implementation lets changes of a pool gather before it acts (P-203).
DELAY: Mapping[str, float] = {"ours": 0.03, "kubevirt-1.9": 1.0}
