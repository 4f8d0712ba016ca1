"""Network interfaces plugged into running guests and out of them, and links set up and down. Pure.

    in    VM → VMI → MigrationRequired, at first False: a controller of dynamic networks might plug it in place →
          True → a migration, whose target pod has it
    out   state absent: VM → VMI → (the node:) gone from the domain → a migration → gone from the specs

Origin: kubevirt: pkg/network/{controllers/vm,migration/evaluator,vmliveupdate/restart}.go
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import Obj, condition, dig
from fakekube.machinery.wire import Object
from fakekube.virt.controller import conditions, instance, names, patches
from fakekube.virt.multus import ABSENT, asked_for, attached, first_interface, is_secondary, pod_interface

MIGRATION_REQUIRED = "MigrationRequired"
_PENDING, _DUE = "AutoMigrationPending", "AutoMigrationDueToLiveUpdate"
_GRACE = timedelta(seconds=15)  # for whoever could plug an interface without a migration
_PLUGGABLE = ("bridge", "sriov")
_MULTUS = "multus-status"


def statuses(vmi: Obj, pod: Obj) -> list[Object]:
    """`status.interfaces` with what Multus tells of the launcher; what the node told is kept, also of what is not in the spec."""
    listed, there = dig(vmi, "spec", "networks", default=()), attached(pod)
    told: list[Object] = dig(vmi, "status", "interfaces", default=[])
    known = {one.get("name"): one for one in told}
    made: list[Object] = []
    for one in listed:
        own = one["name"]
        if "pod" in one or dig(one, "multus", "default"):
            made.insert(0, {"name": own, **known.get(own, {}), "podInterfaceName": first_interface(pod)})
        elif is_secondary(one) and ((inside := pod_interface(own)) in there or own in known):
            entry = {"name": own, **known.get(own, {}), "podInterfaceName": inside}
            sources = _sources(entry)
            if inside in there:
                sources = [*sources, _MULTUS] if _MULTUS not in sources else sources
            else:
                sources = [source for source in sources if source != _MULTUS]
            made.append({**entry, "infoSource": ", ".join(sources)})
        elif own in known:
            made.append(known[own])
    names_of = {one["name"] for one in listed}
    return made + [one for one in told if one.get("name") not in names_of]


def _sources(entry: Obj) -> list[str]:
    return [one for one in str(entry.get("infoSource", "")).split(", ") if one]


def unmet(vmi: Obj) -> list[str] | None:
    """The networks Multus is to be asked for while the guest runs, by name; None: those it was asked for.

    Whoever watches this could plug them in and out where the guest is (upstream: multus-dynamic-networks-controller).
    """
    told = {one.get("name") for one in dig(vmi, "status", "interfaces", default=())}
    present = [one for one in _interfaces(vmi["spec"]) if one.get("state") != ABSENT]
    asked = [one for one in present if "sriov" not in one or one["name"] in told]
    if len(present) == len(_interfaces(vmi["spec"])) and all(one["name"] in told for one in asked):
        return None
    return [one["name"] for one in asked]


# From the VM to its VMI.


def are_alike(vm: Obj, vmi: Obj) -> bool:
    """Whether both say the same of networks, and of none that it is to go: as nearly always, so that there is nothing to change."""
    spec, template = vmi["spec"], dig(vm, "spec", "template", "spec", default={})
    interfaces = _interfaces(spec)
    same = interfaces == _interfaces(template) and spec.get("networks") == template.get("networks")
    return same and not any(one.get("state") == ABSENT for one in interfaces)


def template_changes(vm: Obj, vmi: Obj) -> list[patches.Operation]:
    """The patch of a VM that forgets interfaces its guest has no longer."""
    spec = dig(vm, "spec", "template", "spec", default={})
    interfaces, networks = _kept(spec, vmi)
    return _changes("/spec/template/spec", spec, interfaces, networks)


def instance_changes(vm: Obj, vmi: Obj, *, other_networks: bool) -> list[patches.Operation]:
    """The patch that brings a VMI's interfaces to what the VM's template says, as far as a running guest can follow.

    `other_networks`: an interface may be moved to another network.
    """
    interfaces, networks = _kept(vmi["spec"], vmi)
    own = {one["name"]: one for one in interfaces}
    template = dig(vm, "spec", "template", "spec", default={})
    wanted, named = _kept(template, vmi)[0], _by_name(template.get("networks"))
    for one in wanted:
        present, state = own.get(one["name"]), one.get("state")
        if present is None:
            if state != ABSENT and any(kind in one for kind in _PLUGGABLE) and one["name"] in named:
                interfaces = [*interfaces, one]
                networks = [*networks, named[one["name"]]]
        elif state != present.get("state") and present.get("state") != ABSENT:
            changed = {key: value for key, value in present.items() if key != "state"}
            changed |= {"state": state} if state else {}
            interfaces = [changed if each is present else each for each in interfaces]
    if other_networks:
        networks = [_moved(one, named.get(one["name"], one)) for one in networks]
    return _changes("/spec", vmi["spec"], interfaces, networks)


def _moved(network: Object, wanted: Obj) -> Object:
    both = is_secondary(network) and is_secondary(wanted)
    return {**network, "multus": wanted["multus"]} if both else network


def _kept(spec: Obj, vmi: Obj) -> tuple[list[Object], list[Object]]:
    """Without those that were to go and are gone."""
    told = {one.get("name") for one in dig(vmi, "status", "interfaces", default=())}
    interfaces = [one for one in _interfaces(spec) if one.get("state") != ABSENT or one["name"] in told]
    left = {one["name"] for one in interfaces}
    gone = {one["name"] for one in _interfaces(spec)} - left
    return interfaces, [one for one in spec.get("networks") or () if one["name"] not in gone]


def _changes(
    path: str, spec: Obj, interfaces: Sequence[Obj], networks: Sequence[Obj]
) -> list[patches.Operation]:
    made: list[patches.Operation] = []
    for pointer, old, new in (
        (f"{path}/networks", spec.get("networks"), networks),
        (f"{path}/domain/devices/interfaces", dig(spec, "domain", "devices", "interfaces"), interfaces),
    ):
        if list(new) != list(old or ()):
            made += patches.added(pointer, new) if old is None else patches.guarded(pointer, old, new)
    return made


def without_absent(spec: Object) -> Object:
    """The spec a guest starts with: what was taken out of the last one does not come back."""
    if not any(one.get("state") == ABSENT for one in _interfaces(spec)):
        return spec
    interfaces, networks = _kept(spec, {})
    devices = {**spec["domain"]["devices"], "interfaces": interfaces}
    return {**spec, "networks": networks, "domain": {**spec["domain"], "devices": devices}}


def needs_restart(template: Obj, vmi: Obj, *, other_networks: bool = False) -> bool:
    """Whether the VM's interfaces or networks are such that the guest cannot follow while it runs."""
    spec = vmi.get("spec") or {}
    for wanted, present, plain in (
        (_by_name(_interfaces(template)), _interfaces(spec), _without_state),
        (
            _by_name(template.get("networks")),
            spec.get("networks") or (),
            _nowhere if other_networks else dict,
        ),
    ):
        if any(one["name"] not in wanted for one in present):
            return True
        if any(plain(wanted[one["name"]]) != plain(one) for one in present):
            return True
    pods = [any("pod" in one for one in each.get("networks") or ()) for each in (template, spec)]
    return pods == [True, False]


def _without_state(interface: Obj) -> Object:
    return {key: value for key, value in interface.items() if key != "state"}


def _nowhere(network: Obj) -> Object:
    return (
        {**network, "multus": {**network["multus"], "networkName": ""}}
        if "multus" in network
        else {**network}
    )


# What the guest has not got yet.


def migration_required(vmi: Obj, pod: Obj | None, now: datetime) -> conditions.Condition | None:
    """The condition that says a migration is needed, or will be."""
    need = _need(vmi, pod) if instance.phase(vmi) == names.RUNNING else ""
    if not need:
        return None
    told = condition(vmi, MIGRATION_REQUIRED)
    if need == _PENDING and told is not None and (told["status"] == "True" or _left(told, now) < 0):
        need = _DUE
    status = "True" if need == _DUE else "False"
    return conditions.make(MIGRATION_REQUIRED, status, need)


def seconds_left(vmi: Obj, now: datetime) -> float:
    """How long until a migration that is to come is due; 0: none is to come."""
    told = condition(vmi, MIGRATION_REQUIRED)
    return max(_left(told, now), 0.0) + 1.0 if told is not None and told["status"] == "False" else 0.0


def _left(told: Obj, now: datetime) -> float:
    since = told.get("lastTransitionTime")
    return (_GRACE - (now - parse_rfc3339(since))).total_seconds() if since else 0.0


def _need(vmi: Obj, pod: Obj | None) -> str:
    told = {one.get("name"): one for one in dig(vmi, "status", "interfaces", default=())}
    secondary = {one["name"]: one for one in dig(vmi, "spec", "networks", default=()) if is_secondary(one)}
    there = asked_for(pod) if pod is not None else {}
    for one in _interfaces(vmi["spec"]):
        if one["name"] not in secondary:
            continue
        known = told.get(one["name"])
        if one.get("state") == ABSENT:
            sources = _sources(known or {})
            if _MULTUS in sources and "domain" not in sources:
                return _PENDING
        elif known is None:
            return _DUE if "sriov" in one else _PENDING
        else:
            name = str(secondary[one["name"]]["multus"].get("networkName", "")).rpartition("/")[2]
            own = str(known.get("podInterfaceName", ""))
            if pod is not None and there.get(own) != name:
                return _DUE
    return ""


def _interfaces(spec: Obj) -> list[Object]:
    return ((spec.get("domain") or {}).get("devices") or {}).get("interfaces") or []


def _by_name(listed: Iterable[Object] | None) -> dict[str, Object]:
    return {one["name"]: one for one in listed or ()}
