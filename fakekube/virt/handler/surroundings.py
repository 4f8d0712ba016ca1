"""What a guest at whose console somebody tries the network has around it: looked up then, and forgotten."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import chain

from fakekube.agents.node_server.place import Program
from fakekube.agents.pods import networks
from fakekube.agents.pods.policies import Policies
from fakekube.client.client import Client
from fakekube.machinery.objects import dig, labels, name, namespace, uid
from fakekube.machinery.resources import (
    NAMESPACES,
    NETWORK_ATTACHMENT_DEFINITIONS,
    NETWORK_POLICIES,
    NODES,
    PODS,
    SERVICES,
)
from fakekube.machinery.wire import Object
from fakekube.virt.handler import guest_config, guest_network, guest_online
from fakekube.virt.handler.guest_devices import Contents
from fakekube.virt.handler.streams import Streams


async def programs(
    client: Client,
    vmi: Object,
    guests: list[Object],
    streams: Streams,
    given: Callable[[Object], Awaitable[Contents]],
) -> Mapping[str, Program]:
    """Those by which the guest tries it. `given`: what another guest is configured with, at whose console nobody has been yet."""
    found = [(await client.list(one)).items for one in (PODS, SERVICES, NODES, NETWORK_POLICIES, NAMESPACES)]
    pods, services, nodes, policies, spaces = found
    running = [one for one in guests if dig(one, "status", "phase") == "Running"]
    files = {uid(one): streams.files(uid(one)) for one in running}
    for one in running:
        if not files[uid(one)] and guest_config.is_configured(one):
            files[uid(one)] = (await given(one)).addresses
    return guest_online.programs(
        guest_network.Network(
            vmi,
            guest_network.Around(
                pods,
                services,
                nodes,
                running,
                Policies(policies, {name(one): labels(one) for one in spaces}),
                files=lambda own: files.get(own, {}),
                listening=streams.listening,
                gateways=await _gateways(client, vmi),
            ),
        )
    )


async def _gateways(client: Client, vmi: Object) -> frozenset[str]:
    """Of its secondary networks: the first addresses of the subnets these give addresses from."""
    found = set[str]()
    for network in dig(vmi, "spec", "networks", default=()):
        space, _, own = dig(network, "multus", "networkName", default="").rpartition("/")
        definition = (
            await client.find(NETWORK_ATTACHMENT_DEFINITIONS, own, space or namespace(vmi)) if own else None
        )
        subnets = chain.from_iterable(one.range.split(",") for one in networks.sources(definition or {}))
        found |= {guest_network.first(one) for one in subnets if "/" in one}
    return frozenset(found)
