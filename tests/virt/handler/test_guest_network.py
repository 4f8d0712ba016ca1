"""A guest's interfaces and its network, as values and as programs show them."""

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container
from fakekube.virt.handler import guest_addresses, guest_config, guest_network, guest_online

CARDS = (("eth0", "02:00:00:00:00:01", "10.244.0.5"), ("eth1", "02:00:00:00:00:02", ""))


def vmi(name, address, **labels):
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": name, "labels": labels},
        "spec": {
            "networks": [{"name": "default", "pod": {}}],
            "domain": {"devices": {"interfaces": [{"name": "default", "masquerade": {}}]}},
        },
        "status": {"nodeName": "n", "interfaces": [{"name": "default", "mac": "02:01", "ipAddress": address, "ipAddresses": [address]}]},
    }  # fmt: skip


def pod(name, address, owner="", **labels):
    meta = {
        "name": name,
        "namespace": "ns",
        "labels": {**labels, **({"kubevirt.io": "virt-launcher"} if owner else {})},
    }
    if owner:
        meta["ownerReferences"] = [{"uid": owner, "name": owner, "controller": True}]
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    status["conditions"] = [{"type": "Ready", "status": "True"}]
    return {"metadata": meta, "spec": {"nodeName": "n", "containers": [{}]}, "status": status}


OWN, OTHER = vmi("own", "10.244.0.5"), vmi("other", "10.244.0.6")
SERVICE = {
    "metadata": {"name": "web", "namespace": "ns"},
    "spec": {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": 8080}]},
}  # fmt: skip
AROUND = guest_network.Around(
    pods=[
        pod("own", "10.244.0.5", "own"),
        pod("other", "10.244.0.6", "other"),
        pod("web", "10.244.0.7", a="b"),
    ],
    services=[SERVICE],
    nodes=[
        {
            "metadata": {"name": "n"},
            "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]},
        }
    ],
    guests=[OWN, OTHER],
    listening=lambda own: {1500: "Hello"} if own == "other" else {},
)


def run(line, around=AROUND, files=None):
    programs = guest_online.programs(guest_network.Network(OWN, around))
    own = Container("own", files=files or {}, programs={**programs, "ip": guest_addresses.ip(CARDS)})
    return shell.line(own, line)


@pytest.mark.parametrize(
    ("line", "said", "code"),
    [
        ("ping -c 1 10.244.0.6 | grep -c 'bytes from'", "1\n", 0),
        ("ping -c 2 10.244.0.99", "2 packets transmitted, 0 packets received, 100% packet loss\n", 1),
        ("ping -c1 n", "1 packets transmitted, 1 packets received, 0% packet loss\n", 0),
        ("ping -c1 own", "1 packets transmitted, 1 packets received, 0% packet loss\n", 0),
        ("ping nobody", "", 1),
        ("arping -D -I eth0 -c 2 10.244.0.5 | grep Received | cut -d ' ' -f 2", "0\n", 0),
        ("arping -D 10.244.0.6", "Received 1 response(s)\n", 1),
        ("arping -c 2 10.244.0.6", "Received 2 response(s)\n", 0),
        ("arping 10.244.0.99", "Received 0 response(s)\n", 1),
        ("arping -D 10.244.0.99", "Received 0 response(s)\n", 0),
        ("arping nobody", "", 1),
        ("nc 10.244.0.6 1500", "Hello", 0),
        ("nc -z -w 1 10.244.0.6 1501", "", 1),
        ("echo hey | nc -u 10.244.0.6 5", "hey\n", 0),
        ("nc 10.244.0.6", "", 1),
        ("curl -s web", "Hello from web\n", 0),
        ("curl -s -o /dev/null -w '%{http_code}\\n' http://web.ns.svc.cluster.local:80/", "200\n", 0),
        ("curl -s http://Web.NS.svc.cluster.local", "Hello from web\n", 0),
        ("curl -s http://a.b.web.ns.svc.cluster.local", "", 6),
        ("curl --max-time 3 10.244.0.6:1500", "", 1),
        ("curl 10.244.0.6:1501", "", 7),
        ("curl http://nobody", "", 6),
        ("wget -qO- http://10.244.0.7:8080", "Hello from web\n", 0),
        ("wget --spider -T 5 http://10.244.0.7:81", "", 1),
    ],
)
def test_programs(line, said, code):
    """They tell whom they reach, and end as the real ones do."""
    done = run(line)
    assert (done.code, done.out[-len(said) :] if said else done.out) == (code, said)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("ip addr add 10.1.1.1/24 dev eth1 && ip a show eth1 | grep -q 'inet 10.1.1.1/24'", 0),
        ("ip addr add 10.1.1.1 dev eth1 && ip -4 a | grep -q 10.1.1.1/32", 0),
        ("ip addr add fd10::1/64 dev eth1 && ip -6 addr show dev eth1 | grep -q 'inet6 fd10::1/64'", 0),
        ("ip addr add 10.1.1.1/24 dev eth1 && ip addr add 10.1.1.1/24 dev eth1", 2),
        ("ip addr add 10.1.1.1/24 dev eth1 && ip addr replace 10.1.1.1/24 dev eth1", 0),
        ("ip addr add 10.1.1.1/24 dev eth1 && ip addr flush dev eth1 && ip addr del 10.1.1.1/24 dev eth1", 2),
        ("ip addr add nonsense dev eth1", 1),
        ("ip addr add 10.1.1.1/24", 1),
        ("ip addr add 10.1.1.1/24 dev eth9", 1),
        ("ip addr show eth9", 1),
        ("ip link set eth9 up", 1),
        ("ip link set eth1 down && ip link show eth1 | grep -q 'state DOWN'", 0),
        ("ip link set eth1 down && ip link set eth1 up && ip link show eth1 | grep -q 'state UP'", 0),
        ("ip link add ep1 type veth", 2),
        ("ip addr add 10.1.1.1/24 dev eth1 && ip route | grep -q '10.1.1.0/24 dev eth1'", 0),
        ("ip -6 route add default via fd10::1", 0),
        ("ip nonsense", 1),
        ("ip", 1),
    ],
)
def test_ip(line, code):
    """What is given to interfaces is shown, and what cannot be given is refused."""
    assert run(line).code == code


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ip -o link show eth1", "3: eth1: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 state DOWN\\    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n"),
        ("ip -one addr show eth0", "2: eth0    inet 10.244.0.5/24 scope global eth0\n"),
        ("ip -o -6 addr show eth0", ""),
        ("ip -4 -oneline a show lo", "1: lo    inet 127.0.0.1/8 scope host lo\n"),
        ("ip -4 addr show eth0 | tail -n 1", "    inet 10.244.0.5/24 scope global eth0\n"),
        ("ip link set eth1 down && ip -o link show eth1 | cut -d ' ' -f 3", "<BROADCAST,MULTICAST>\n"),
    ],
)  # fmt: skip
def test_on_one_line(line, said):
    """Each interface, or each address, is a line of its own where that is asked for; a link that is down from outside is told."""
    assert run(line, files={"/sys/class/net/eth1/carrier": "0\n"}).out == said


def test_what_the_kernel_tells_of_cards():
    """Links as the status has them, cards where they are; of an interface that only the launcher has, nothing."""
    made = vmi("own", "10.244.0.5")
    made["spec"]["domain"]["devices"]["interfaces"] += [
        {"name": "off", "bridge": {}, "model": "e1000", "pciAddress": "0000:0A:00.0", "acpiIndex": 7},
        {"name": "card", "sriov": {}},
        {"name": "gone", "bridge": {}, "state": "absent"},
    ]
    made["status"]["interfaces"] += [
        {"name": "off", "mac": "02:02", "linkState": "down", "infoSource": "domain, multus-status"},
        {"name": "gone", "infoSource": "multus-status"},
        {"name": "card", "infoSource": "domain, multus-status"},
        {"mac": "02:03", "interfaceName": "eth2", "infoSource": "guest-agent"},
    ]
    found = guest_addresses.files(made)
    assert sorted({path.split("/")[4] for path in found if path.startswith("/sys/class/net/")}) == [
        *("eth0", "eth1", "eth2", "lo"),
    ]
    expected = {
        "/sys/class/net/eth0/carrier": "1",
        "/sys/class/net/eth0/device/uevent": "DRIVER=virtio_net",
        "/sys/bus/pci/devices/0000:01:00.0/virtio0/net/eth0/address": "02:01",
        "/sys/class/net/eth1/carrier": "0",
        "/sys/class/net/eth1/operstate": "down",
        "/sys/class/net/eth1/device/uevent": "PCI_CLASS=20000\nPCI_SLOT_NAME=0000:0a:00.0",
        "/sys/bus/pci/devices/0000:0a:00.0/net/eth1/address": "02:02",
        "/sys/bus/pci/devices/0000:0a:00.0/acpi_index": "7",
        "/sys/class/net/eth2/address": "02:03",
        "/sys/class/net/eth2/device/vendor": "0x8086",
    }
    assert {path: found[path].strip() for path in expected} == expected


def test_numbers_of_interfaces():
    """They are those of the spec, whichever of them the status has first."""
    made = vmi("own", "10.244.0.5")
    made["spec"]["domain"]["devices"]["interfaces"].insert(0, {"name": "nic1", "bridge": {}})
    made["status"]["interfaces"].append({"name": "nic1", "mac": "02:02", "infoSource": "domain"})
    assert [(device, entry["name"]) for device, entry in guest_addresses.devices(made)] == [
        ("eth1", "default"),
        ("eth0", "nic1"),
    ]
    assert (
        guest_addresses.files(made)["/sys/bus/pci/devices/0000:01:00.0/virtio0/net/eth0/address"] == "02:02\n"
    )


@pytest.mark.parametrize(
    "data", ["", "- 1", "ethernets: 1", "ethernets: {eth1: 1}", "ethernets: {eth1: {addresses: [x]}}"]
)
def test_network_data_nobody_understands(data):
    """Of it nothing comes, and nothing breaks."""
    found = {
        "spec": {"volumes": [{"name": "v", "cloudInitNoCloud": {"networkData": data}}]},
        "metadata": {"name": "x", "namespace": "ns"},
    }
    assert not "".join(
        text
        for path, text in guest_config.contents(found, "", {}).files.items()
        if path.startswith(guest_addresses.GIVEN)
    )


def test_a_backend_that_is_not_there():
    """A service leads to ready pods only, and one without any nowhere."""
    unready = pod("web", "10.244.0.7", a="b")
    unready["status"]["conditions"] = []
    alone = guest_network.Around(pods=[*AROUND.pods[:2], unready], services=[SERVICE], guests=AROUND.guests)
    assert run("nc web 80", alone).code == 1
    assert run("ping -c1 web", alone).code == 1
