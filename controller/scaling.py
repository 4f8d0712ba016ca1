"""Scaling: how many VMs are missing or too many, and which ones go.

Terminating VMs count as present until they are gone: their names are in use, so there is nothing to put in their place.
Upstream: kubevirt: pkg/virt-controller/watch/pool/pool.go
"""

from collections.abc import Sequence

from controller import selection, spec
from controller.naming import lowest_free
from controller.observe import Observed
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

BURST = 250  # creations or deletions in one reconcile


def surplus(seen: Observed) -> int:
    """How many VMs are too many, terminating ones included; negative when some are missing."""
    return len(seen.owned) - spec.replicas(seen.pool)


def new_ordinals(seen: Observed, burst: int = BURST) -> list[int]:
    return lowest_free(min(-surplus(seen), burst), seen.taken)


def victims(seen: Observed, healed: Sequence[Object] = (), burst: int = BURST) -> list[Object]:
    """The VMs to delete for size alone: only as many as are not going anyway, and only ones the selectors allow.

    `healed` are about to be deleted for another reason. Raises SpecError.
    """
    if spec.scale_in_strategy(seen.pool) != spec.PROACTIVE:
        return []
    going = {objects.uid(vm) for vm in healed}
    staying = [vm for vm in seen.owned if not objects.is_terminating(vm) and objects.uid(vm) not in going]
    count = min(surplus(seen), burst) - (len(seen.owned) - len(staying))
    if count <= 0:
        return []
    policy = spec.scale_in_policy(seen.pool)
    # The salt is the pool's uid alone: a later change of the spec must not draw new lots while deletions are under way.
    allowed = selection.ordered(
        selection.selected(staying, policy), policy.get("sortPolicy"), objects.uid(seen.pool)
    )
    return allowed[:count]
