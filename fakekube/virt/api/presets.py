"""What VirtualMachineInstancePresets add to new instances with certain labels. Pure.

A setting is taken as a whole, and only where the instance says nothing of it. An instance is annotated with the name of each
preset that gave it a setting or agrees with it in one. It is refused where the presets meant for it disagree.

Origin: kubevirt: pkg/virt-api/webhooks/mutating-webhook/mutators/preset.go
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from fakekube.machinery import selectors
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import annotations, dig, labels, name
from fakekube.machinery.wire import Object
from fakekube.virt.quantities import exact

DEPRECATED = "kubevirt.io/v1 VirtualMachineInstancePresets is now deprecated and will be removed in v2."
_EXCLUDED = "virtualmachineinstancepresets.admission.kubevirt.io/exclude"
_MARK = "virtualmachinepreset"
_REQUESTS = ("resources", "requests")
_CLOCK = ("clock",)
_SETTINGS = (
    _REQUESTS,
    ("cpu",),
    ("firmware",),
    _CLOCK,
    ("clock", "timer"),
    ("features",),
    ("devices", "watchdog"),
    ("ioThreadsPolicy",),
)

Domain = Mapping[str, Any]


def applied(vmi: Object, presets: Sequence[Object]) -> Object:
    """The instance with what those presets give it that are meant for it. Raises ValueError where they disagree, and
    SelectorError where one of them cannot be understood."""
    if not presets or annotations(vmi).get(_EXCLUDED) == "true":
        return vmi
    meant = [
        one
        for one in presets
        if selectors.from_object(dig(one, "spec", "selector")).matches(labels(vmi))
        and dig(one, "spec", "domain")  # one without came past virt-api
    ]
    disagreements = [
        f"presets '{name(later)}' and '{name(earlier)}' conflict: {_aggregate(found)}"
        for earlier, later in combinations(meant, 2)
        if (found := list(_conflicts(later["spec"]["domain"], earlier["spec"]["domain"])))
    ]
    if disagreements:
        raise ValueError(
            f"VirtualMachinePresets cannot be applied due to conflicts: {_aggregate(disagreements)}"
        )
    spec = copy_of(vmi.get("spec") or {})
    domain = spec.setdefault("domain", {})
    marks = {f"{_MARK}.kubevirt.io/{name(one)}": "kubevirt.io/v1" for one in meant if _merge(domain, one)}
    if not marks:
        return vmi
    meta = {**vmi["metadata"], "annotations": {**annotations(vmi), **marks}}
    return {**vmi, "metadata": meta, "spec": spec}


def warnings(vmi: Object) -> Sequence[str]:
    """What whoever writes an instance with presets is told."""
    return (DEPRECATED,) if any(_MARK in key for key in annotations(vmi)) else ()


def _merge(domain: dict[str, Any], preset: Object) -> bool:
    """Whether the domain has a setting of the preset's now."""
    agrees = False
    given: Domain = preset["spec"]["domain"]
    for path in _SETTINGS:
        wanted = dig(given, *path)
        if wanted is None:
            continue
        if dig(domain, *path) is None:
            within = domain
            for member in path[:-1]:
                within = within.setdefault(member, {})
            within[path[-1]] = copy_of(_offset(wanted) if path == _CLOCK else wanted)
        found = dig(domain, *path)
        agrees |= _amounts(found) == _amounts(wanted) if path == _REQUESTS else found == wanted
    return agrees


def _conflicts(domain: Domain, other: Domain) -> Iterator[str]:
    """What two say differently; quantities differ by their spelling."""
    for path in _SETTINGS:
        one, another = dig(domain, *path), dig(other, *path)
        if one is None or another is None:
            continue
        where = f"spec.{'.'.join(path)}"
        if path == _REQUESTS:
            pairs = [(f"{where}[{key}]", one[key], another[key]) for key in one if key in another]
        elif path == _CLOCK:
            pairs = [(f"{where}.clockoffset", _offset(one), _offset(another))]
        else:
            pairs = [(where, one, another)]
        yield from (f"{what}: {mine} != {theirs}" for what, mine, theirs in pairs if mine != theirs)


def _offset(clock: Domain) -> Domain:
    return {member: clock[member] for member in ("utc", "timezone") if member in clock}


def _amounts(requests: Domain) -> Domain:
    return {key: exact(amount) for key, amount in requests.items()}


def _aggregate(errors: Sequence[str]) -> str:
    """As Go joins errors."""
    return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
