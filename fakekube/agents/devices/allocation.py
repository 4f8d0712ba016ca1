"""Which devices of a node a claim gets: pure functions of claims, classes and slices.

Requests for a number of devices, for all, or for the first of several that can be had; constraints on attributes; devices that
were given away are not there. Sharing parts of devices (counters, capacity that is consumed) and taints of devices are not known.
Upstream: k8s: staging/src/k8s.io/dynamic-resource-allocation/structured
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from msgspec import Struct

from fakekube.agents import scheduling
from fakekube.machinery import objects
from fakekube.machinery.wire import Object

Id = tuple[str, str, str]  # driver, pool, name
Select = Callable[[str, Mapping[str, Any]], bool]  # an expression about a device → whether it holds
Result = dict[str, Any]


class Device(Struct, frozen=True):
    id: Id
    told: Mapping[str, Any]  # as its slice has it

    def attribute(self, qualified: str) -> Any:
        """The value of `domain/name`; attributes without a domain belong to the driver's."""
        attributes = self.told.get("attributes") or {}
        domain, _, name = qualified.rpartition("/")
        found = attributes.get(qualified)
        if found is None and domain == self.id[0]:
            found = attributes.get(name)
        return next(iter(found.values()), None) if found else None

    def shown(self) -> Mapping[str, Any]:
        """As expressions see it: attributes and capacities by domain."""
        made: dict[str, Any] = {"driver": self.id[0], "attributes": {}, "capacity": {}}
        for member, of in (
            ("attributes", lambda one: next(iter(one.items()))),
            ("capacity", lambda one: ("quantity", one["value"])),
        ):
            for key, value in (self.told.get(member) or {}).items():
                domain, _, name = key.rpartition("/")
                made[member].setdefault(domain or self.id[0], {})[name] = of(value)
        return made


class Wish(Struct, frozen=True):
    """A request, or one of those of which the first will do."""

    name: str
    expressions: tuple[str, ...]
    count: int | None  # None: all there are
    admin: bool = False


def on_node(slices: Iterable[Object], node: Object) -> list[Device]:
    """The devices a node has: those of the newest generation of each pool."""
    listed = list(slices)
    newest: dict[tuple[str, str], int] = {}
    for one in listed:
        pool = _pool(one)
        newest[pool] = max(newest.get(pool, 0), int(objects.dig(one, "spec", "pool", "generation") or 0))
    found = []
    for one in sorted(listed, key=objects.name):
        current = int(objects.dig(one, "spec", "pool", "generation") or 0) == newest[_pool(one)]
        if current and _is_at(one["spec"], node):
            found += [Device((*_pool(one), told["name"]), told) for told in one["spec"].get("devices") or ()]
    return found


def _pool(one: Object) -> tuple[str, str]:
    return one["spec"]["driver"], str(objects.dig(one, "spec", "pool", "name", default=""))


def _is_at(spec: Mapping[str, Any], node: Object) -> bool:
    if spec.get("nodeName"):
        return bool(spec["nodeName"] == objects.name(node))
    terms = objects.dig(spec, "nodeSelector", "nodeSelectorTerms", default=())
    return bool(spec.get("allNodes")) or any(scheduling.term_admits(term, node) for term in terms)


def claim_name(pod: objects.Obj, entry: Mapping[str, Any]) -> str:
    """What the claim is called that an entry of a pod's `resourceClaims` means; empty: it is not made yet.

    The pod's status tells of one that is made from a template."""
    if own := entry.get("resourceClaimName"):
        return str(own)
    told = objects.dig(pod, "status", "resourceClaimStatuses", default=())
    return str(next((one.get("resourceClaimName") or "" for one in told if one["name"] == entry["name"]), ""))


def admits(claim: Object, node: Object) -> bool:
    """Whether what a claim has been given can be used on the node."""
    selector = objects.dig(claim, "status", "allocation", "nodeSelector")
    terms = objects.dig(selector or {}, "nodeSelectorTerms", default=())
    return selector is None or any(scheduling.term_admits(term, node) for term in terms)


def given(claim: Object) -> Iterator[Id]:
    """The devices nobody else may have."""
    for one in objects.dig(claim, "status", "allocation", "devices", "results", default=()):
        if not one.get("adminAccess"):
            yield one["driver"], one["pool"], one["device"]


def allocate(
    claim: Object,
    devices: Sequence[Device],
    taken: frozenset[Id],
    classes: Mapping[str, Object],
    select: Select,
) -> list[Result] | None:
    """The results for a claim; None: it cannot have what it wants here."""
    wanted = objects.dig(claim, "spec", "devices", default={})
    options = [list(_wishes(one, classes)) for one in wanted.get("requests") or ()]
    for wishes in product(*options):
        slots = _slots(wishes, devices, taken, select)
        chosen = None if slots is None else _fill(slots, taken, wanted.get("constraints") or (), [])
        if chosen is not None:
            return [_result(wish, device) for wish, device in chosen]
    return None


def _wishes(request: Mapping[str, Any], classes: Mapping[str, Object]) -> Iterator[Wish]:
    if exactly := request.get("exactly"):
        yield from _wish(request["name"], exactly, classes)
    for one in request.get("firstAvailable") or ():
        yield from _wish(f"{request['name']}/{one['name']}", one, classes)


def _wish(name: str, said: Mapping[str, Any], classes: Mapping[str, Object]) -> Iterator[Wish]:
    wanted = classes.get(said.get("deviceClassName") or "")
    if wanted is None:
        return
    listed = (*(objects.dig(wanted, "spec", "selectors", default=())), *(said.get("selectors") or ()))
    expressions = tuple(text for one in listed if (text := objects.dig(one, "cel", "expression")))
    count = None if said.get("allocationMode") == "All" else int(said.get("count") or 1)
    yield Wish(name, expressions, count, bool(said.get("adminAccess")))


Slot = tuple[Wish, Sequence[Device]]


def _slots(
    wishes: Iterable[Wish], devices: Sequence[Device], taken: frozenset[Id], select: Select
) -> list[Slot] | None:
    slots = list[Slot]()
    for wish in wishes:
        fit = [one for one in devices if all(select(text, one.shown()) for text in wish.expressions)]
        if wish.count is None:
            if not fit or (not wish.admin and any(one.id in taken for one in fit)):
                return None
            slots += [(wish, [one]) for one in fit]
        else:
            slots += [(wish, fit)] * wish.count
    return slots


def _fill(
    slots: Sequence[Slot],
    taken: frozenset[Id],
    constraints: Sequence[Mapping[str, Any]],
    chosen: list[tuple[Wish, Device]],
) -> list[tuple[Wish, Device]] | None:
    if len(chosen) == len(slots):
        return chosen
    wish, fit = slots[len(chosen)]
    for device in fit:
        used = any(device.id == one.id for _, one in chosen) or (not wish.admin and device.id in taken)
        extended = [*chosen, (wish, device)]
        if not used and all(_keeps(one, extended) for one in constraints):
            found = _fill(slots, taken, constraints, extended)
            if found is not None:
                return found
    return None


def _keeps(constraint: Mapping[str, Any], chosen: Iterable[tuple[Wish, Device]]) -> bool:
    """Whether those it is about have the same of something, or each something else."""
    about = constraint.get("requests") or ()
    devices = [
        device
        for wish, device in chosen
        if not about or {wish.name, wish.name.partition("/")[0]} & set(about)
    ]
    for member, most in (("matchAttribute", 1), ("distinctAttribute", len(devices))):
        if name := constraint.get(member):
            values = [device.attribute(name) for device in devices]
            different = {str(value) for value in values}
            if (
                None in values
                or len(different) > most
                or (member == "distinctAttribute" and len(different) < most)
            ):
                return False
    return True


def _result(wish: Wish, device: Device) -> Result:
    driver, pool, name = device.id
    made: Result = {"request": wish.name, "driver": driver, "pool": pool, "device": name}
    return {**made, "adminAccess": True} if wish.admin else made


def bound_to(results: list[Result], node: Object) -> Object:
    """The allocation of devices that are on one node only."""
    field = {"key": "metadata.name", "operator": "In", "values": [objects.name(node)]}
    return {
        "devices": {"results": results},
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]},
    }
