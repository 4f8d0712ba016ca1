"""What becomes of a claim that has no volume: it takes one that is there, gets one made, or waits and says what for. Pure.

Upstream: k8s: pkg/controller/volume/persistentvolume/{pv_controller,index}.go
"""

from collections.abc import Collection, Iterable

from msgspec import Struct

from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery import objects, quantities, selectors
from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object

BY_HAND = "kubernetes.io/no-provisioner"
LATE = "WaitForFirstConsumer"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_NO_PLUGIN = f"no volume plugin matched name: {BY_HAND}"


class Take(Struct, frozen=True):
    """Bind to this volume."""

    volume: Object


class Make(Struct, frozen=True):
    """Have the provisioner of this class make one."""

    storage_class: Obj


class Wait(Struct, frozen=True):
    """Stay Pending; without a reason nothing is said of it."""

    type: str = NORMAL
    reason: str = ""
    message: str = ""


Decision = Take | Make | Wait

_EXTERNAL = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system administrator. "
    "If volume creation is delayed, please verify that the provisioner is running and correctly registered."
)
_UNCONSUMED = Wait(NORMAL, LATE, "waiting for first consumer to be created before binding")


def decide(
    claim: Obj,
    storage_class: Obj | None,
    volumes: Collection[Object],
    *,
    consumed: bool,
    populated: bool = False,
) -> Decision:
    """`storage_class` is the one the claim names, if it exists; `consumed`: a pod that has a node uses the claim; `populated`:
    somebody else makes its volume, and fills it."""
    wanted = dig(claim, "spec", "volumeName", default="")
    if wanted:
        named = next((one for one in volumes if objects.name(one) == wanted), None)
        return Take(named) if named is not None and _is_free(named, claim) else Wait()
    late = storage_class is not None and storage_class.get("volumeBindingMode") == LATE
    waits = late and not consumed
    found = best(claim, volumes)
    if found is not None and (not waits or _is_kept_for(found, claim)):
        return Take(found)
    if waits:
        return _UNCONSUMED
    name = class_of(claim)
    if not name:
        said = "no persistent volumes available for this claim and no storage class is set"
        return Wait(NORMAL, "FailedBinding", said)
    if storage_class is None:
        return Wait(WARNING, "ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found')
    if storage_class.get("provisioner") == BY_HAND:
        return _UNCONSUMED if late else Wait(WARNING, "ProvisioningFailed", _NO_PLUGIN)
    if populated:
        return Wait(NORMAL, "ExternalProvisioning", _EXTERNAL.format(storage_class.get("provisioner")))
    return Make(storage_class)


def best(claim: Obj, volumes: Iterable[Object]) -> Object | None:
    """The volume kept for the claim, else the smallest that does."""
    fitting = [one for one in volumes if fits(one, claim)]
    fitting.sort(key=lambda one: (not _is_kept_for(one, claim), size_of(one), objects.name(one)))
    return fitting[0] if fitting else None


def fits(volume: Obj, claim: Obj) -> bool:
    """Whether a volume is free, and as the claim wants it."""
    if objects.is_terminating(volume) or not _is_free(volume, claim):
        return False
    spec = volume["spec"]
    selector = dig(claim, "spec", "selector")
    return (
        spec.get("storageClassName", "") == class_of(claim)
        and (spec.get("volumeMode") or "Filesystem") == (dig(claim, "spec", "volumeMode") or "Filesystem")
        and set(dig(claim, "spec", "accessModes", default=())) <= set(spec.get("accessModes", ()))
        and size_of(volume) >= requested(claim)
        and (selector is None or selectors.from_object(selector).matches(objects.labels(volume)))
    )


def class_of(claim: Obj) -> str:
    return str(dig(claim, "spec", "storageClassName", default=""))


def requested(claim: Obj) -> int:
    """What a claim asks for, in billionths of a byte."""
    return amount(dig(claim, "spec", "resources", "requests", "storage", default="0"))


def size_of(volume: Obj) -> int:
    return amount(dig(volume, "spec", "capacity", "storage", default="0"))


def amount(text: object) -> int:
    """A quantity in billionths; what is none is nothing."""
    try:
        return quantities.parse(str(text))[0]
    except ValueError:
        return 0


def _is_free(volume: Obj, claim: Obj) -> bool:
    return dig(volume, "spec", "claimRef") is None or _is_kept_for(volume, claim)


def _is_kept_for(volume: Obj, claim: Obj) -> bool:
    """Somebody has named the claim in the volume, or it has been bound to it already."""
    kept = dig(volume, "spec", "claimRef", default={})
    same = (kept.get("namespace"), kept.get("name")) == (objects.namespace(claim), objects.name(claim))
    return same and kept.get("uid", objects.uid(claim)) == objects.uid(claim)
