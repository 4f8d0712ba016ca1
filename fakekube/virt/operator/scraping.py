"""Reads what `figures` needs to know, when somebody scrapes one of KubeVirt's own pods: not more than the pod tells of.

Origin: kubevirt: pkg/monitoring/metrics
"""

from fakekube.client.client import Client
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import Obj, condition_is, dig, key, name, namespace
from fakekube.machinery.resources import (
    INSTANCE_ACTIONS,
    KUBEVIRTS,
    LEASES,
    MIGRATIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SNAPSHOTS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Resource,
)
from fakekube.machinery.wire import Object
from fakekube.virt.instancetypes import kinds
from fakekube.virt.operator.figures import World, guests
from fakekube.virt.operator.figures import told as figures

_TYPES = (
    kinds.INSTANCETYPES,
    kinds.CLUSTER_INSTANCETYPES,
    kinds.PREFERENCES,
    kinds.CLUSTER_PREFERENCES,
)


async def told(pod: Object, component: str, client: Client) -> str:
    """What the pod says, in Prometheus' text format."""
    space, node = namespace(pod), str(dig(pod, "spec", "nodeName", default=""))
    kubevirt: Obj = next(iter((await client.list(KUBEVIRTS, space)).items), {})
    leads = await _holder(client, component, space) == name(pod)
    if component == "virt-controller" and leads:
        world = await _everything(client, kubevirt)
    elif component == "virt-handler":
        vmis = guests.are_on(node, (await client.list(VIRTUAL_MACHINE_INSTANCES)).items)
        world = World(kubevirt, vmis=vmis, filesystems=await _filesystems(client, vmis))
    else:
        world = World(kubevirt)
    return figures(component, node, world, leads=leads)


async def _holder(client: Client, component: str, space: str) -> str:
    holder: str = dig(await client.find(LEASES, component, space), "spec", "holderIdentity", default="")
    return holder


async def _everything(client: Client, kubevirt: Obj) -> World:
    async def listed(resource: Resource, selector: str = "") -> list[Object]:
        return (await client.list(resource, label_selector=selector)).items

    return World(
        kubevirt,
        vms=await listed(VIRTUAL_MACHINES),
        vmis=await listed(VIRTUAL_MACHINE_INSTANCES),
        migrations=await listed(MIGRATIONS),
        snapshots=await listed(SNAPSHOTS),
        claims=await listed(PERSISTENT_VOLUME_CLAIMS),
        launchers=await listed(PODS, "kubevirt.io=virt-launcher"),
        types={(one.kind, key(obj)): obj for one in _TYPES for obj in await listed(one)},
    )


async def _filesystems(client: Client, vmis: list[Obj]) -> list[tuple[Obj, Obj]]:
    """Those of guests whose agent answers."""
    found: list[tuple[Obj, Obj]] = []
    for vmi in vmis:
        if not condition_is(vmi, "AgentConnected"):
            continue
        try:
            answer = await client.get(
                INSTANCE_ACTIONS, name(vmi), namespace(vmi), subresource="filesystemlist"
            )
        except ApiError:  # it has just gone
            continue
        found.extend((vmi, one) for one in answer.get("items") or ())
    return found
