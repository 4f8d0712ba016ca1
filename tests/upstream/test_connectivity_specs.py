"""Upstream's functional specs of who reaches whom, tried at the consoles of guests: pings, servers, policies, networks beside the pods'.

Left out: what is beyond the cluster, for there is nothing; how packets are marked; and addresses of IPv6, which nobody has here.
Origin: kubevirt: tests/network/{bindingplugin,vmi_networking,vmi_multus,networkpolicy,services,vmi_subdomain,expose,link_state,passt,
guest_shutdown_masquerade,vmi_lifecycle}.go,
tests/libnet/{ping,interface}.go, tests/libnet/vmnetserver
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.upstream import consoles, launchers
from tests.upstream.conftest import Make, Object, Suite
from tests.upstream.guests import (
    NODES,
    NS,
    VMIS,
    Guest,
    a_namespace,
    configure,
    guest,
    instance,
    machine,
    migrate,
)

OTHER = "kubevirt-test-alternative1"
SERVICES = f"/api/v1/namespaces/{NS}/services"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{NS}/networkpolicies"
HELLO = "printf 'Hello World!'; sleep 2"
PAGE = 'printf \\"HTTP/1.1 200 OK\\nContent-Length: 12\\n\\nHello World!\\"; sleep 2'
_MULTUS = Path(__file__).parents[2] / "examples/multus.yaml"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    made = await a_namespace(await suite_of())
    await made.create("/api/v1/namespaces", {"metadata": {"name": OTHER, "labels": {"far": ""}}})
    return made


async def alpine(suite: Suite, name: str, *, space: str = NS, ports: Any = (), **meta: Any) -> Guest:
    """One at whose console somebody is logged in."""
    spec = guest("alpine-with-test-tooling", **meta.pop("spec", {}))
    spec["domain"]["devices"]["interfaces"][0]["ports"] = list(ports)
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    await suite.create(VMIS.replace(NS, space), {**body, "metadata": {"name": name, **meta}})
    made = Guest(suite, name, space)
    await made.is_in("Running")
    await consoles.login_to_alpine(made)
    return made


async def address(vmi: Guest, number: int = 0) -> str:
    return str((await vmi.vmi())["status"]["interfaces"][number]["ipAddress"])


async def pings(vmi: Guest, host: str, *options: str) -> bool:
    return await consoles.run(vmi, " ".join(("ping", *(options or ("-c 5", "-w 10")), host)))


async def serves(vmi: Guest, port: int, payload: str = HELLO) -> None:
    assert await consoles.run(vmi, f'nc  -klp {port} -e sh -c "{payload}"&\n')


async def connects(vmi: Guest, host: str, port: int) -> bool:
    return await consoles.run(vmi, f"echo test | nc {host} {port} -i 1 -w 1 1> /dev/null")


async def gets(vmi: Guest, host: str, port: int) -> bool:
    return await consoles.run(vmi, f"wget -S --spider http://{host}:{port} -T 5\n")


@pytest.mark.parametrize(
    ("listed", "port"),
    [([], 8080), ([{"name": "http", "port": 8080}], 8080), ([{"port": 49152}, {"port": 49153}], 49152)],
)
async def test_clients_and_servers(suite: Suite, listed: list[Object], port: int) -> None:
    """[1780] A server somebody started is reached, another port is not, the gateway answers; whichever ports are listed."""
    client, server = await alpine(suite, "client"), await alpine(suite, "server", ports=listed)
    await serves(server, port)
    assert await pings(server, "10.0.2.1")
    host = await address(server)
    assert await pings(client, host)
    assert await connects(client, host, port)
    assert not await connects(client, host, port + 1)
    assert await consoles.told(client, f"nc {host} {port}") == "Hello World!"
    assert not await pings(client, "10.244.99.99")
    assert not await pings(client, "nobody.example.com")


async def test_scripts_that_serve(suite: Suite) -> None:
    """A server is written at the console, line by line, and started."""
    vmi = await alpine(suite, "server")
    script = 'cat >udp_server.py <<EOL\nimport socket\nwhile(True):\n    answer("Hello")\nEOL'
    async with consoles.console(vmi) as at:
        await at.send(f"{script}\n")
        await at.expect(consoles.PROMPT)
        await at.send("echo $?\n")
        await at.expect(consoles.returned("0"))
    assert await consoles.told(vmi, "grep -c . udp_server.py") == "3"
    assert await consoles.run(vmi, "python3 udp_server.py &")


async def test_networks_of_ones_own(suite: Suite) -> None:
    """[1780] The gateway is the first address of the network a guest is given, however its digits are written."""
    spec = guest("cirros")
    spec["networks"] = [{"name": "default", "pod": {"vmNetworkCIDR": "10.10.010.0/24"}}]
    vmi = await instance(suite, spec)
    await consoles.login_to_cirros(vmi)
    assert await pings(vmi, "10.10.10.1")
    assert not await pings(vmi, "10.0.2.1")


async def test_moved(suite: Suite) -> None:
    """[Conformance] A guest that has moved reaches whom it reached, also once it has asked for its address again."""
    vmi = await instance(suite, guest("cirros"))
    await consoles.login_to_cirros(vmi)
    where = f"spec.nodeName={await vmi.node()}"
    (handler,) = await suite.items(
        "/api/v1/namespaces/kubevirt/pods", "kubevirt.io=virt-handler", fieldSelector=where
    )
    host = handler["status"]["podIP"]
    assert await pings(vmi, host, "-c 1", "-w 2")
    await (await migrate(vmi)).succeeds()
    assert await pings(vmi, host, "-c 1", "-w 2")
    assert await consoles.run(vmi, "sudo cirros-dhcpc down eth0\n")
    assert await consoles.run(vmi, "sudo cirros-dhcpc up eth0\n")
    assert await pings(vmi, host, "-c 1", "-w 2")
    for node in await suite.items(NODES):
        assert await pings(vmi, node["status"]["addresses"][0]["address"])


async def test_sizes(suite: Suite) -> None:
    """Packets up to the MTU arrive in one piece; longer ones do not, where they must not be cut."""
    vmi, other = await alpine(suite, "one"), await alpine(suite, "other")
    assert await consoles.told(vmi, "cat /sys/class/net/eth0/mtu") == "1500"
    host = await address(other)
    assert await pings(vmi, host, "-c 1", "-w 5", "-s 1472", "-M do")
    assert not await pings(vmi, host, "-c 1", "-w 5", "-s 1473", "-M do")
    assert await pings(vmi, host, "-c 1", "-w 5", "-s 1473")


async def test_services(suite: Suite) -> None:
    """[1531] [1534] [1547]–[1549] By a service's name, its address, a node's port and the guest's own name; by no other name."""
    named = {"subdomain": "vmi", "hostname": "inbound"}
    server = await alpine(suite, "server", labels={"expose": "me"}, spec=named)
    await serves(server, 1500)
    client = await alpine(suite, "client")
    port = {"protocol": "TCP", "port": 27017, "targetPort": 1500}
    body = {"metadata": {"name": "myservice"}, "spec": {"selector": {"expose": "me"}, "ports": [port]}}
    made = await suite.create(SERVICES, {**body, "spec": {**body["spec"], "type": "NodePort"}})
    headless = {**body["spec"], "clusterIP": "None", "ports": [{"port": 1500, "targetPort": 1500}]}
    await suite.create(SERVICES, {"metadata": {"name": "vmi"}, "spec": headless})
    await suite.cluster.settle()
    for host in (
        made["spec"]["clusterIP"],
        "myservice",
        f"myservice.{NS}",
        f"myservice.{NS}.svc.cluster.local",
    ):
        assert await connects(client, host, 27017), host
    assert not await connects(client, "myservice", 1500)
    for host in ("wrongservice", f"wrongservice.{NS}", f"myservice.{OTHER}"):
        assert not await connects(client, host, 27017), host
    for host in ("vmi", f"inbound.vmi.{NS}"):
        assert await connects(client, host, 1500), host
        assert await pings(client, host)
    assert not await pings(client, "myservice")
    node = (await suite.items(NODES))[0]["status"]["addresses"][0]["address"]
    assert await connects(client, node, made["spec"]["ports"][0]["nodePort"])
    assert (
        await consoles.told(server, f"hostname -f && ping -c 1 inbound.vmi.{NS}")
        == f"inbound.vmi.{NS}.svc.cluster.local"
    )


@pytest.mark.parametrize(
    ("chosen", "rules", "reached"),
    [
        ({}, [], []),  # [1511] [1512] [369]
        ({}, [{"from": [{"podSelector": {}}]}], ["near", "near:80", "near:81"]),  # [1513] [1514]
        ({"matchLabels": {"type": "test"}}, [], []),  # [1515]
        (
            {},
            [{"from": [{"namespaceSelector": {}}]}],
            ["near", "near:80", "near:81", "far", "far:80", "far:81"],
        ),
        ({}, [{"from": [{"namespaceSelector": {"matchLabels": {"far": ""}}}]}], ["far", "far:80", "far:81"]),
        (
            {},
            [{"ports": [{"port": 80, "protocol": "TCP"}, {"port": 81}]}],
            ["near:80", "near:81", "far:80", "far:81"],
        ),  # [2774]
        ({}, [{"ports": [{"port": 80, "protocol": "TCP"}]}], ["near:80", "far:80"]),  # [2775]
        (
            {},
            [{"ports": [{"port": 80, "endPort": 99}, {"port": "http81"}]}],
            ["near:80", "near:81", "far:80", "far:81"],
        ),
        ({}, [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}], []),
    ],
)
async def test_policies(suite: Suite, chosen: Object, rules: list[Object], reached: list[str]) -> None:
    """[369] [1511]–[1517] [2774] [2775] Whoever a policy does not let in is not heard, on the ports it names or at all."""
    listed = [{"name": f"http{port}", "port": port, "protocol": "TCP"} for port in (80, 81)]
    server = await alpine(suite, "server", ports=listed, labels={"type": "test"})
    await serves(server, 80, PAGE)
    await serves(server, 81, PAGE)
    clients = {"near": await alpine(suite, "client"), "far": await alpine(suite, "client", space=OTHER)}
    policy = {"metadata": {"name": "policy"}, "spec": {"podSelector": chosen, "ingress": rules}}
    await suite.create(POLICIES, policy)
    host, found = await address(server), []
    for name, client in clients.items():
        found += [name] if await pings(client, host) else []
        found += [f"{name}:{port}" for port in (80, 81) if await gets(client, host, port)]
    assert found == reached
    # [1517] Who is not chosen is reached.
    assert await pings(clients["far"], await address(clients["near"])) == (bool(chosen) or "far" in reached)
    assert await pings(clients["near"], await address(clients["far"]))
    await suite.delete(f"{POLICIES}/policy")
    assert await gets(clients["far"], host, 81)


async def test_who_must_not_leave(suite: Suite) -> None:
    """A policy of what goes out keeps it in, but for whom it names."""
    one, other = await alpine(suite, "one"), await alpine(suite, "other", labels={"to": ""})
    egress = [{"to": [{"podSelector": {"matchLabels": {"to": ""}}}]}]
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}
    await suite.create(POLICIES, {"metadata": {"name": "policy"}, "spec": spec})
    assert await pings(one, await address(other))
    assert not await pings(other, await address(one))


async def test_paused(suite: Suite) -> None:
    """A guest that is paused answers nobody."""
    one, other = await alpine(suite, "one"), await alpine(suite, "other")
    host = await address(other)
    assert await other.act("pause") == ""
    assert not await pings(one, host)
    assert await other.act("unpause") == ""
    assert await pings(one, host)


async def define(suite: Suite, name: str, space: str = NS, **ipam: Any) -> None:
    plugin: Object = {"type": "bridge", "bridge": "br10", **({"ipam": ipam} if ipam else {})}
    config = {"cniVersion": "0.3.1", "name": "mynet", "plugins": [plugin, {"type": "tuning"}]}
    body = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name},
    }
    path = f"/apis/k8s.cni.cncf.io/v1/namespaces/{space}/network-attachment-definitions"
    await suite.create(path, {**body, "spec": {"config": json.dumps(config)}})


@pytest.fixture
async def wired(suite: Suite) -> Suite:
    """With a network beside the pods', and one that gives addresses."""
    await suite.cluster.apply([yaml.safe_load(_MULTUS.read_text())])
    await define(suite, "plain")
    await define(suite, "giving", type="host-local", subnet="10.1.1.0/24")
    return suite


async def on(suite: Suite, name: str, *networks: str, volumes: Any = (), alone: bool = False) -> Guest:
    spec = guest("alpine")
    devices = spec["domain"]["devices"]
    devices["interfaces"] = [
        *devices["interfaces"][alone:],
        *({"name": one, "bridge": {}} for one in networks),
    ]
    spec["networks"] = [
        *spec["networks"][alone:],
        *({"name": one, "multus": {"networkName": one}} for one in networks),
    ]
    spec["volumes"] += volumes
    devices["disks"] += [{"name": one["name"], "disk": {"bus": "virtio"}} for one in volumes]
    vmi = await instance(suite, spec, name)
    await consoles.login_to_alpine(vmi)
    return vmi


async def configured(vmi: Guest, device: str, given: str) -> None:
    assert await consoles.run(vmi, f"ip addr add {given} dev {device}")
    assert await consoles.run(vmi, f"ip link set {device} up")
    assert await consoles.run(vmi, f"ip addr show {device}")


@pytest.mark.parametrize(("alone", "device"), [(True, "eth0"), (False, "eth1")])
async def test_two_on_a_network(wired: Suite, alone: bool, device: str) -> None:
    """[1577] [1578] Guests that are given addresses of one subnet reach each other on the network they share, and on no other."""
    one, other = await on(wired, "one", "plain", alone=alone), await on(wired, "other", "plain", alone=alone)
    await define(wired, "elsewhere")
    third = await on(wired, "third", "elsewhere", alone=alone)
    for number, vmi in enumerate((one, other, third), 1):
        await configured(vmi, device, f"10.1.1.{number}/24")
    assert await pings(one, "10.1.1.2")
    assert not await pings(one, "10.1.1.3")
    await serves(other, 1500)
    assert await connects(one, "10.1.1.2", 1500)
    assert not await connects(one, "10.1.1.2", 1501)
    assert await consoles.run(other, f"ip link set dev {device} down")
    assert not await pings(one, "10.1.1.2")
    assert await consoles.run(other, f"ip link set dev {device} up")
    assert await consoles.run(one, f"ip addr del 10.1.1.1/24 dev {device}")
    assert not await pings(one, "10.1.1.2")
    assert not await consoles.run(one, "ip link show eth7")
    assert not await consoles.run(one, "ip addr add 10.1.1.1/24 dev eth7")


async def test_taps_of_a_plugin(wired: Suite) -> None:
    """A plugin that only brings taps binds the pod's network, and one in its place, on which two guests reach each other."""
    await configure(wired, network={"binding": {"managed-tap": {"domainAttachmentType": "managedTap"}}})
    network = {"multus": {"networkName": f"{NS}/giving", "default": True}}
    for name, source in (("alone", {"pod": {}}), ("one", network), ("other", network)):
        spec = guest("alpine-with-test-tooling")
        bound = {"name": "default", "binding": {"name": "managed-tap"}}
        spec["domain"]["devices"]["interfaces"] = [bound]
        spec["networks"] = [{"name": "default", **source}]
        vmi = await instance(wired, spec, name)
        (only,) = (await vmi.vmi())["status"]["interfaces"]
        assert (only["name"], only["podInterfaceName"]) == ("default", "eth0")
        await consoles.login_to_alpine(vmi)
    one, other = Guest(wired, "one"), Guest(wired, "other")
    await configured(one, "eth0", "10.1.1.101/24")
    assert not await pings(one, "10.1.1.102")
    await configured(other, "eth0", "10.1.1.102/24")
    assert await pings(one, "10.1.1.102")
    assert not await pings(Guest(wired, "alone"), "10.1.1.102")


async def test_given_by_the_network(wired: Suite) -> None:
    """[1751] [1579] A network that gives addresses has a gateway that answers, and its guests reach each other."""
    one, other = await on(wired, "one", "giving"), await on(wired, "other", "giving")
    assert await pings(one, "10.1.1.1")
    assert await pings(one, await address(other, 1))
    assert await consoles.told(one, "ip addr show eth1 | grep 10.1.1 | wc -l") == "1"


@pytest.mark.parametrize("named", [True, False])
async def test_given_by_cloud_init(wired: Suite, named: bool) -> None:
    """Addresses of network data are those of the interface it names, or whose MAC it does, before anybody looks at a console."""
    one = await on(wired, "one", "plain")
    await configured(one, "eth1", "10.1.1.1/24")
    ethernets = {"eth1" if named else "any": {"addresses": ["10.1.1.2/24"]}}
    mac = "de:ad:00:00:be:af"
    if not named:
        ethernets["any"]["match"] = {"macaddress": mac}  # type: ignore[assignment]
    data = yaml.safe_dump({"version": 2, "ethernets": ethernets})
    spec = guest("alpine")
    spec["domain"]["devices"]["interfaces"].append({"name": "plain", "bridge": {}, "macAddress": mac})
    spec["networks"].append({"name": "plain", "multus": {"networkName": "plain"}})
    spec["volumes"].append({"name": "init", "cloudInitNoCloud": {"networkData": data}})
    spec["domain"]["devices"]["disks"].append({"name": "init", "disk": {"bus": "virtio"}})
    other = await instance(wired, spec, "other")
    assert await pings(one, "10.1.1.2")
    await consoles.login_to_alpine(other)
    assert await pings(other, "10.1.1.1")
    assert await consoles.run(other, "ip addr show eth1 | grep -q 10.1.1.2/24")


async def test_links_that_are_down(suite: Suite) -> None:
    """Nothing goes over a link that is down."""
    spec = guest("alpine")
    spec["domain"]["devices"]["interfaces"][0]["state"] = "down"
    vmi, other = await instance(suite, spec, "down"), await alpine(suite, "other")
    await consoles.login_to_alpine(vmi)
    assert not await pings(vmi, await address(other))


async def test_nothing_but_itself(suite: Suite) -> None:
    """[1774] Without an interface there is the loopback, and nobody else."""
    spec = guest("alpine")
    spec["networks"] = spec["domain"]["devices"]["interfaces"] = []
    spec["domain"]["devices"]["autoattachPodInterface"] = False
    vmi, other = await instance(suite, spec, "alone"), await alpine(suite, "other")
    await consoles.login_to_alpine(vmi)
    assert await consoles.told(vmi, "ls /sys/class/net/ | wc -l") == "1"
    assert await pings(vmi, "127.0.0.1")
    assert not await pings(vmi, await address(other))


async def in_launcher(vmi: Guest, command: str) -> str:
    return (await launchers.run(vmi, "/bin/bash", "-c", command)).strip()


async def test_cards(suite: Suite) -> None:
    """[1550] [1770] [1776] The guest finds the card it was given, where it was put, and how it is numbered."""
    for model, vendor in ("virtio", "0x1af4"), ("e1000", "0x8086"):
        spec = guest("alpine")
        place = {"model": model, "pciAddress": "0000:01:00.0", "acpiIndex": 101}
        spec["domain"]["devices"]["interfaces"][0] |= place
        vmi = await instance(suite, spec, model)
        await consoles.login_to_alpine(vmi)
        assert await consoles.told(vmi, "cat /sys/class/net/eth0/device/vendor") == vendor
        below = "virtio0/net" if model == "virtio" else "net"
        assert await consoles.told(vmi, f"ls /sys/bus/pci/devices/0000:01:00.0/{below}") == "eth0"
        assert await consoles.told(vmi, "cat /sys/bus/pci/devices/0000:01:00.0/acpi_index") == "101"
        inside = (await launchers.domain(vmi)).find("devices/interface")
        assert inside is not None
        assert [
            (one.tag, one.get("index"), one.get("bus")) for one in inside if one.tag in ("acpi", "address")
        ] == [
            ("acpi", "101", None),
            ("address", None, "0x01"),
        ]


async def test_passed_on_by_passt(suite: Suite) -> None:
    """The interface is where it was put, with its MAC; a guest that has moved has its new launcher's address."""
    await configure(suite, developerConfiguration={"featureGates": ["PasstBinding"]})
    spec = guest("alpine")
    place = {"macAddress": "02:02:02:02:02:02", "pciAddress": "0000:01:00.0"}
    ports = [{"port": 1234, "protocol": "TCP"}]
    spec["domain"]["devices"]["interfaces"] = [
        {"name": "default", "passtBinding": {}, "ports": ports, **place}
    ]
    vmi, other = await instance(suite, spec), await alpine(suite, "other")
    await consoles.login_to_alpine(vmi)
    (told,) = (await vmi.vmi())["status"]["interfaces"]
    assert (told["mac"], told["ipAddresses"]) == ("02:02:02:02:02:02", [told["ipAddress"]])
    assert await consoles.run(vmi, "ls /sys/bus/pci/devices/0000:01:00.0/virtio0/net/eth0")
    for port in (1234, 1235):
        await serves(vmi, port)
    assert await connects(other, told["ipAddress"], 1234)
    assert not await connects(other, told["ipAddress"], 1235)
    await (await migrate(vmi)).succeeds()
    assert await address(vmi) != told["ipAddress"]
    assert await pings(vmi, await address(other))
    assert await pings(other, await address(vmi))


async def test_shut_down_from_inside(suite: Suite) -> None:
    """A machine whose guest shuts itself down comes back, and is reached on the port it lists as before."""
    spec = guest("alpine-with-test-tooling")
    spec["domain"]["devices"]["interfaces"][0]["ports"] = [{"name": "http", "port": 8080}]
    server, client = await machine(suite, spec), await alpine(suite, "client")

    async def reached() -> str:
        await consoles.login_to_alpine(server)
        await serves(server, 8080)
        host = await address(server)
        assert await pings(client, host)
        assert await connects(client, host, 8080)
        return str((await server.vmi())["metadata"]["uid"])

    before = await reached()

    async def anew() -> bool:
        status, vmi = await suite.call("GET", server.path)
        return status == 200 and vmi["metadata"]["uid"] != before

    async with consoles.console(server) as at:
        await at.send("poweroff\n")
    await suite.eventually(anew, 240)
    await server.is_in("Running")
    assert await reached() != before


async def test_offered_with_addresses(suite: Suite) -> None:
    """[1778] What an interface's options say is offered to whoever asks for an address."""
    spec = guest("fedora")
    spec["domain"]["devices"]["interfaces"][0]["dhcpOptions"] = {
        "bootFileName": "config",
        "tftpServerName": "tftp.kubevirt.io",
        "ntpServers": ["127.0.0.1", "127.0.0.2"],
        "privateOptions": [{"option": 240, "value": "private.options.kubevirt.io"}],
    }
    vmi = await instance(suite, spec)
    await consoles.login_to_fedora(vmi)
    assert await consoles.run(vmi, "dhclient -1 -r -d eth0")
    asked = "--request-options subnet-mask,interface-mtu,tftp-server-name"
    assert await consoles.run(vmi, f"dhclient -1 -sf /usr/bin/env {asked} eth0 | tee /dhcp-env")
    for line in (
        *("new_tftp_server_name=tftp.kubevirt.io", "new_bootfile_name=config"),
        *("new_ntp_servers=127.0.0.1 127.0.0.2", "new_unknown_240=private.options.kubevirt.io"),
    ):
        assert await consoles.told(vmi, f"grep -q '{line}' /dhcp-env; echo $?") == "0", line


async def test_own_nameservers(suite: Suite) -> None:
    """[1779] Whom a guest asks for names is what its spec says, and nobody else."""
    config = {"nameservers": ["8.8.8.8", "4.2.2.1", "1.1.1.1"], "searches": ["example.com"]}
    vmi = await instance(suite, guest("cirros", dnsPolicy="None", dnsConfig=config))
    await consoles.login_to_cirros(vmi)
    async with consoles.console(vmi) as at:
        for line in ("search example.com", "nameserver 8.8.8.8", "nameserver 4.2.2.1", "nameserver 1.1.1.1"):
            await at.says("cat /etc/resolv.conf\n", line)
            await at.says("\n", consoles.PROMPT)


async def test_ports_by_name(suite: Suite) -> None:
    """[1532] [1533] Behind a service are the ports a guest lists, by number or by name."""
    listed: list[Object] = [
        {"name": "http", "port": 80},
        {"name": "test-port-tcp", "port": 1500, "protocol": "TCP"},
        {"name": "udp", "port": 82, "protocol": "UDP"},
    ]
    await alpine(suite, "server", ports=listed, labels={"expose": "vm"})
    several = [
        {"name": f"port-{number}", "port": one["port"], "protocol": one.get("protocol", "TCP")}
        for number, one in enumerate(listed, 1)
    ]
    named = [
        {"name": "one", "port": 27017, "targetPort": "http"},
        {"name": "other", "port": 27018, "targetPort": "udp", "protocol": "UDP"},
    ]
    for own, ports in (("named", named), ("several", several)):
        body = {"metadata": {"name": own}, "spec": {"selector": {"expose": "vm"}, "ports": ports}}
        await suite.create(SERVICES, body)
    await suite.cluster.settle()

    async def behind(own: str) -> list[Object]:
        (subset,) = (await suite.get(f"/api/v1/namespaces/{NS}/endpoints/{own}"))["subsets"]
        return list(subset["ports"])

    assert await behind("several") == several
    assert await behind("named") == [
        {"name": "one", "port": 80, "protocol": "TCP"},
        {"name": "other", "port": 82, "protocol": "UDP"},
    ]


async def test_nobody_else_has_its_address(suite: Suite) -> None:
    """A bridged guest finds no duplicate of its address, which its launcher keeps on a device that is down."""
    spec = guest("cirros")
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", "bridge": {}}]
    vmi = await instance(suite, spec)
    await consoles.login_to_cirros(vmi)
    probe = f"sudo /usr/sbin/arping -D -I eth0 -c 2 {await address(vmi)} | grep Received | cut -d ' ' -f 2"
    assert await consoles.told(vmi, probe) == "0"
    for state, device in (("DOWN", "eth0"), ("UP", "eth0-nic")):
        assert await in_launcher(vmi, f"/usr/sbin/ip link show|grep {state}|grep -c {device}") == "1"


@pytest.mark.parametrize("binding", ["masquerade", "bridge"])
async def test_in_the_launcher(wired: Suite, binding: str) -> None:
    """[1539] [1751] [1777] [1781] Its bridges and taps are as long as the guest's interface; no MAC of the guest is seen there."""
    spec = guest("alpine")
    mac = "50:00:00:00:90:0d"
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", binding: {}, "macAddress": mac}]
    vmi = await instance(wired, spec)
    for device in ("k6t-eth0", "tap0", "eth0"):
        assert await in_launcher(vmi, f"cat /sys/class/net/{device}/mtu") == "1500"
    said = await in_launcher(vmi, "/usr/sbin/ethtool -k k6t-eth0|grep tx-checksumming|awk '{ printf $2 }'")
    assert said == "off"
    assert mac not in await in_launcher(vmi, "ip a")
    assert await in_launcher(vmi, "/usr/sbin/ip link show|grep -c UP") == "4"
    if binding == "bridge":
        assert await in_launcher(vmi, "cat /sys/class/net/eth0-nic/brport/learning") == "0"
    await consoles.login_to_alpine(vmi)
    assert await consoles.told(vmi, "ip link show | grep -c UP") == "2"
    assert await consoles.told(vmi, f'ip link show eth0 | grep -i "{mac}" | wc -l') == "1"
