"""Services: what the server fills in, hands out and takes back."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.api.builtins.strategies.service_addresses import FIRST_PORT, LAST_PORT, SERVICE_RANGE, Addresses
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import InternalError
from fakekube.machinery.resources import SERVICES
from tests.api.builtins.strategies.conftest import Send, said
from tests.api.conftest import Ask, json_of

SVC = "/api/v1/namespaces/default/services"
HTTP = [{"port": 80}]


async def test_cluster_ip(create: Send) -> None:
    """A plain Service gets an address of the range, one family, and its ports' targets."""
    spec = (await create(SVC, "a", spec={"ports": HTTP}))["spec"]
    ip = spec.pop("clusterIP")
    assert ip.startswith("10.96.")
    assert spec == {
        "clusterIPs": [ip],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }


async def test_headless(create: Send) -> None:
    """A headless Service has no address; one without selector either has both families, as DNS could answer with."""
    chosen = (await create(SVC, "a", spec={"clusterIP": "None", "selector": {"a": "b"}}))["spec"]
    assert (chosen["clusterIPs"], chosen["ipFamilies"]) == (["None"], ["IPv4"])
    bare = (await create(SVC, "b", spec={"clusterIP": "None"}))["spec"]
    assert (bare["ipFamilyPolicy"], bare["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])


async def test_external_name(create: Send) -> None:
    """An ExternalName gets neither address nor policies."""
    made = await create(SVC, "a", spec={"type": "ExternalName", "externalName": "example.com"})
    assert made["spec"] == {"externalName": "example.com", "sessionAffinity": "None", "type": "ExternalName"}


async def test_load_balancer(create: Send) -> None:
    """A balancer gets a node port, and another one for health checks where traffic stays local."""
    spec = (
        await create(SVC, "a", spec={"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": HTTP})
    )["spec"]
    assert spec["allocateLoadBalancerNodePorts"] is True
    ports = {spec["healthCheckNodePort"], spec["ports"][0]["nodePort"]}
    assert len(ports) == 2
    assert all(FIRST_PORT <= port <= LAST_PORT for port in ports)


async def test_one_node_port_for_two_protocols(create: Send) -> None:
    """A port number offered by two protocols is one number on the nodes too."""
    ports = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
    made = (await create(SVC, "a", spec={"type": "NodePort", "ports": ports}))["spec"]["ports"]
    assert made[0]["nodePort"] == made[1]["nodePort"]


async def test_session_affinity(create: Send) -> None:
    """ClientIP affinity lasts three hours by default."""
    spec = (await create(SVC, "a", spec={"sessionAffinity": "ClientIP", "ports": HTTP}))["spec"]
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


async def test_addresses_are_given_once_and_freed(create: Send, ask: Ask) -> None:
    """A taken address or port is refused; after DELETE it is free again."""
    made = (await create(SVC, "a", spec={"type": "NodePort", "ports": HTTP}))["spec"]
    ip, port = made["clusterIP"], made["ports"][0]["nodePort"]
    assert said(await create(SVC, "b", spec={"clusterIP": ip, "ports": HTTP})) == [
        f'spec.clusterIPs: Invalid value: ["{ip}"]: failed to allocate IP {ip}: provided IP is already allocated'
    ]
    wanted = {"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}
    assert said(await create(SVC, "b", spec=wanted)) == [
        f"spec.ports[0].nodePort: Invalid value: {port}: provided port is already allocated"
    ]
    await ask("DELETE", f"{SVC}/a")
    assert (await create(SVC, "b", spec={**wanted, "clusterIP": ip}))["spec"]["clusterIP"] == ip


async def test_out_of_range(create: Send) -> None:
    """Addresses and ports come from their ranges; allocation's refusal is the only one."""
    wanted = {"type": "NodePort", "ports": [{"port": 0, "nodePort": 80}]}
    assert said(await create(SVC, "a", spec=wanted)) == [
        (
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports "
            "is 30000-32767"
        )
    ]
    assert said(await create(SVC, "a", spec={"clusterIP": "1.2.3.4", "ports": HTTP})) == [
        (
            'spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) is not in '
            "the valid range. The range of valid IPs is 10.96.0.0/16"
        )
    ]


async def test_dry_run_takes_nothing(ask: Ask, create: Send) -> None:
    """What a dry run shows is not taken by it."""
    body = {"metadata": {"name": "a"}, "spec": {"clusterIP": "10.96.7.7", "ports": HTTP}}
    assert json_of(await ask("POST", f"{SVC}?dryRun=All", body))["spec"]["clusterIP"] == "10.96.7.7"
    assert said(await create(SVC, "b", spec={"clusterIP": "10.96.7.7", "ports": HTTP})) == []


async def test_put_keeps_what_was_allocated(create: Send, ask: Ask) -> None:
    """A PUT that says nothing of the address keeps it; to change it is refused."""
    ip = (await create(SVC, "a", spec={"ports": HTTP}))["spec"]["clusterIP"]
    body = {"metadata": {"name": "a"}, "spec": {"selector": {"app": "y"}, "ports": [{"port": 81}]}}
    assert json_of(await ask("PUT", f"{SVC}/a", body))["spec"]["clusterIP"] == ip
    body["spec"] |= {"clusterIP": "10.96.250.250", "clusterIPs": ["10.96.250.250"]}
    assert said(json_of(await ask("PUT", f"{SVC}/a", body))) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.250.250"]: may not change once set'
    ]


async def test_changes_of_type(create: Send, change: Send) -> None:
    """A new type takes what it needs and lets go of what the old one needed."""
    await create(SVC, "a", spec={"ports": HTTP, "selector": {"a": "b"}})
    node = (await change(f"{SVC}/a", {"spec": {"type": "NodePort"}}))["spec"]
    assert node["externalTrafficPolicy"] == "Cluster"
    assert node["ports"][0]["nodePort"] >= FIRST_PORT
    plain = (await change(f"{SVC}/a", {"spec": {"type": "ClusterIP"}}))["spec"]
    assert "externalTrafficPolicy" not in plain
    assert plain["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    named = await change(f"{SVC}/a", {"spec": {"type": "ExternalName", "externalName": "x.example.com"}})
    assert set(named["spec"]) == {"externalName", "ports", "selector", "sessionAffinity", "type"}
    back = (await change(f"{SVC}/a", {"spec": {"type": "ClusterIP", "externalName": None}}))["spec"]
    assert back["clusterIP"].startswith("10.96.")


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        ({"selector": {"a": "b"}}, ["spec.ports: Required value"]),
        (
            {"ports": [{"port": 80}, {"port": 81}]},
            ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
        ),
        (
            {"ports": [{"port": 80, "protocol": "X"}]},
            ['spec.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'],
        ),
        (
            {"type": "Bogus", "ports": HTTP},
            [
                (
                    'spec.type: Unsupported value: "Bogus": supported values: "ClusterIP", "ExternalName", "LoadBalancer", '
                    '"NodePort"'
                )
            ],
        ),
        ({"type": "ExternalName"}, ["spec.externalName: Required value"]),
        (
            {"type": "NodePort", "clusterIP": "None", "ports": HTTP},
            ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
        ),
        (
            {"ports": [{"port": 80, "nodePort": 30100}]},
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            {"ipFamilyPolicy": "RequireDualStack", "ports": HTTP},
            [
                (
                    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack '
                    "services"
                )
            ],
        ),
    ],
)
async def test_refusals(create: Send, spec: dict, refused: list[str]) -> None:
    """What a Service may not be."""
    assert said(await create(SVC, "a", spec=spec)) == refused


async def test_the_api_has_a_service(ask: Ask) -> None:
    """A fresh cluster offers its own API as Service `kubernetes`, with endpoints of both kinds."""
    service = json_of(await ask("GET", f"{SVC}/kubernetes"))
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    for path in (
        "/api/v1/namespaces/default/endpoints/kubernetes",
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes",
    ):
        assert (await ask("GET", path)).status == 200


def service(uid: str, ips: list[str], ports: list[int]) -> dict:
    return {
        "metadata": {"uid": uid},
        "spec": {"clusterIPs": ips, "ports": [{"nodePort": port} for port in ports]},
    }


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=40))
def test_addresses_follow_the_services(steps: list[tuple[str, bool]]) -> None:
    """Whatever is written and deleted: what is taken is exactly what the remaining Services have."""
    addresses, kept = Addresses(random.Random(1)), {}
    for uid, deleted in steps:
        if deleted:
            if uid in kept:
                addresses.follow(kept.pop(uid), deleted=True)
            continue
        ip, port = addresses.next_ip(), addresses.next_port(())
        assert ip is not None
        assert port is not None
        kept[uid] = service(uid, [ip], [port])
        addresses.follow(kept[uid], deleted=False)
    for uid, one in kept.items():
        ip, port = one["spec"]["clusterIPs"][0], one["spec"]["ports"][0]["nodePort"]
        assert addresses.refuses_ip(ip, uid) == ""
        assert addresses.refuses_ip(ip, "other") == "provided IP is already allocated"
        assert addresses.refuses_port(port, "other") == "provided port is already allocated"
    assert len({one["spec"]["clusterIPs"][0] for one in kept.values()}) == len(kept)


def test_all_ports_can_be_had() -> None:
    """The last free port is found, and then none."""
    addresses = Addresses(random.Random(2))
    everything = list(range(FIRST_PORT, LAST_PORT + 1))
    addresses.follow(service("a", [], everything[:-1]), deleted=False)
    assert addresses.next_port(()) == LAST_PORT
    assert addresses.next_port((LAST_PORT,)) is None


def test_the_lowest_addresses_are_kept_for_those_who_ask() -> None:
    """Nobody gets one of the first 256 addresses by chance."""
    addresses = Addresses(random.Random(3))
    lowest = {str(SERVICE_RANGE[offset]) for offset in range(257)}
    assert not lowest & {addresses.next_ip() for _ in range(500)}


async def test_full_ranges_are_refused() -> None:
    """When all node ports are taken, or all addresses, a Service that wants another is refused as by the real server."""
    async with Cluster(only=["api"], clock=ManualClock(), seed=1) as cluster:
        client = cluster.client()

        async def create(name: str, ports: list[Any], **spec: Any) -> None:
            meta = {"name": name, "namespace": "default"}
            body = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports, **spec}}
            await client.create(SERVICES, body)

        for first in range(FIRST_PORT, LAST_PORT + 1, 400):
            numbers = range(first, min(first + 400, LAST_PORT + 1))
            ports = [{"name": f"p{n}", "port": n, "nodePort": n} for n in numbers]
            await create(f"s{first}", ports, type="NodePort")
        with pytest.raises(InternalError) as raised:
            await create("more", [{"port": 80}], type="NodePort")
        assert raised.value.message == "Internal error occurred: failed to allocate a nodePort: range is full"
        strategy = cluster.api.catalog.find("", "v1", "services").strategy
        every = [str(address) for address in SERVICE_RANGE]
        strategy.addresses.follow(service("everything", every, []), deleted=False)
        with pytest.raises(InternalError) as raised:
            await create("more", [{"port": 80}])
        assert (
            raised.value.message == "Internal error occurred: failed to allocate a serviceIP: range is full"
        )
        await create("headless", [{"port": 80}], clusterIP="None")
