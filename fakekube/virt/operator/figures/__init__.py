"""What KubeVirt's own pods tell Prometheus, in its text format. Pure; everything is reckoned when somebody asks.

Each tells whether it is ready, virt-controller and virt-operator who leads. The virt-controller that leads knows machines,
instances and what is done to them; virt-handlers know the guests on their nodes.
Origin: kubevirt: docs/observability/metrics.md, pkg/monitoring/metrics
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field

from fakekube.machinery.objects import Obj, dig, key, labels, name, uid
from fakekube.virt.operator.figures import guests, instances, machines, operations
from fakekube.virt.operator.figures.exposition import Sample, text
from fakekube.virt.operator.figures.shared import Known

_LEAD = ("virt-controller", "virt-operator")
_READY = (*_LEAD, "virt-api", "virt-handler")


class World(Struct, frozen=True):
    """What there is, as far as a component knows of it."""

    kubevirt: Obj = field(default_factory=dict)
    vms: Iterable[Obj] = ()
    vmis: Iterable[Obj] = ()
    migrations: Iterable[Obj] = ()
    snapshots: Iterable[Obj] = ()
    claims: Iterable[Obj] = ()
    launchers: Iterable[Obj] = ()
    types: Known = field(default_factory=dict)
    filesystems: Iterable[tuple[Obj, Obj]] = ()  # an instance, and one that its guest has mounted


def told(component: str, node: str, world: World, *, leads: bool) -> str:
    """What a pod of a component on a node says."""
    return text(_of(component, node, world, leads))


def _of(component: str, node: str, world: World, leads: bool) -> Iterator[Sample]:
    yield "go_goroutines", {}, 100.0
    release = str(dig(world.kubevirt, "status", "observedKubeVirtVersion", default=""))
    yield "kubevirt_info", {"goversion": "none", "kubeversion": release}, 1.0
    own = f"kubevirt_{component.replace('-', '_')}"
    if component in _READY:
        yield f"{own}_ready_status", {}, 1.0
    if component in _LEAD:
        yield f"{own}_leading_status", {}, float(leads)
    if component == "virt-controller" and leads:
        yield from _known(world)
    if component == "virt-handler":
        yield from guests.of_node(node, guests.are_on(node, world.vmis), world.filesystems)


def _known(world: World) -> Iterator[Sample]:
    configuration: Mapping[str, object] = dig(world.kubevirt, "spec", "configuration") or {}
    emulated = dig(configuration, "developerConfiguration", "useEmulation", default=False)
    yield "kubevirt_configuration_emulation_enabled", {}, float(bool(emulated))
    yield from machines.all_of(world.vms, world.types, {key(one): one for one in world.claims})
    strategy = str(configuration.get("evictionStrategy") or "")
    names = {uid(one): name(one) for one in world.migrations}
    running = {
        f"{labels(pod).get('kubevirt.io/created-by')}/{dig(pod, 'spec', 'nodeName')}": pod
        for pod in world.launchers
        if dig(pod, "status", "phase") == "Running"
    }
    yield from instances.all_of(world.vmis, strategy, world.types, running, names)
    yield from operations.migrations(world.migrations)
    yield from operations.snapshots(world.snapshots)
