"""Networks and interfaces, as upstream's admitters of networks judge them: each text, and the field it is about."""

from typing import Any

import pytest

from fakekube.virt.api import networks
from fakekube.virt.causes import Cause, duplicate, not_supported, required
from fakekube.virt.config import ClusterConfig

Object = dict[str, Any]

PLAIN = ClusterConfig("amd64")
AT = "spec.domain.devices.interfaces"
POD = {"name": "default", "pod": {}}


def multus(name: str = "red", **more: Any) -> Object:
    return {"name": name, "multus": {"networkName": name, **more}}


def judged(listed: list[Object], *interfaces: Object, config: ClusterConfig = PLAIN) -> list[Cause]:
    spec = {"networks": listed, "domain": {"devices": {"interfaces": list(interfaces)}}}
    return list(networks.networks("spec", spec, config))


def card(name: str = "default", **more: Any) -> Object:
    return {"name": name, "masquerade": {}, **more}


def alone(**more: Any) -> list[Cause]:
    """What is wrong with one interface on the pod's network."""
    return judged([POD], card(**more))


def configured(**network: Any) -> ClusterConfig:
    return ClusterConfig("amd64", {"network": network})


def test_sources() -> None:
    """A network is of one kind; one is the first."""
    both = {"name": "b", "pod": {}, "multus": {"networkName": "b"}}
    listed = [POD, {"name": "a"}, both, multus("c", default=True), multus("d", default=True, networkName="")]
    interfaces = [{"name": one["name"], "bridge": {}} for one in listed]
    assert judged(listed, *interfaces) == [
        duplicate(
            "more than one interface is connected to a pod network in spec.interfaces", "spec.interfaces"
        ),
        Cause("Multus CNI should only have one default network", "spec.networks"),
        Cause("Pod network cannot be defined when Multus default network is defined", "spec.networks"),
        required("should have a network type", "spec.networks[1]"),
        required("should have only one network type", "spec.networks[2]"),
        required("CNI delegating plugin must have a networkName", "spec.networks[4]"),
    ]


def test_pairs() -> None:
    """Each network has one interface, and each interface one network; names are given once."""
    text = 'Network with name "red" already exists, every network must have a unique name'
    interfaces = [card(), card(), {"name": "blue", "bridge": {}}]
    assert judged([POD, multus(), multus()], *interfaces) == [
        duplicate(text, "spec.networks[2].name"),
        required("spec.networks[1].name 'red' not found.", "spec.networks[1].name"),
        required("spec.networks[2].name 'red' not found.", "spec.networks[2].name"),
        duplicate("Only one interface can be connected to one specific network", f"{AT}[1].name"),
        Cause(f"{AT}[2].name 'blue' not found.", f"{AT}[2].name"),
    ]


@pytest.mark.parametrize(
    "bindings", [(), ("bridge", "masquerade"), ("bridge", "binding"), ("sriov", "passtBinding")]
)
def test_one_binding(bindings: tuple[str, ...]) -> None:
    """An interface is bound in one way."""
    found = judged([POD], {"name": "default", **{one: {} for one in bindings}})
    text = "logical default interface must have exactly one binding method or binding plugin"
    assert found == [Cause(text, f"{AT}[0]")]


def test_bindings_of_the_pods_network() -> None:
    """Masquerade and passt are for the pod's network; passt, and a bridge on it, are for the cluster to permit."""
    name = f"{AT}[0].name"
    elsewhere = "Masquerade interface only implemented with pod network"
    assert judged([multus()], card("red")) == [Cause(elsewhere, name)]
    passt = [{"name": one, "passtBinding": {}} for one in ("default", "red")]
    shut = ClusterConfig("amd64", {"developerConfiguration": {"disabledFeatureGates": ["PasstBinding"]}})
    wrong = Cause("PasstBinding interface only implemented with pod network", name)
    assert judged([POD], passt[0]) == []
    assert judged([multus()], passt[1]) == [wrong]
    gate = Cause("PasstBinding feature gate is not enabled", name)
    assert judged([multus()], passt[1], config=shut) == [gate, wrong]
    bridge = {"name": "default", "bridge": {}}
    text = "Bridge on pod network configuration is not enabled under kubevirt-config"
    forbidden = configured(permitBridgeInterfaceOnPodNetwork=False)
    assert judged([POD], bridge) == []
    assert judged([POD], bridge, config=forbidden) == [Cause(text, name)]
    assert judged([multus()], {"name": "red", "bridge": {}}, config=forbidden) == []


@pytest.mark.parametrize("mac", ["02:00:00:00:00:00", "02-00-00-00-00-00"])
def test_reserved_addresses(mac: str) -> None:
    """One address is the bridge's inside the launcher."""
    text = "The requested MAC address is reserved for the in-pod bridge. Please choose another one."
    assert alone(macAddress=mac) == [Cause(text, f"{AT}[0].macAddress")]


@pytest.mark.parametrize(
    ("mac", "wrong"),
    [
        ("de:ad:00:00:be:af", ""),
        ("DE-AD-00-00-BE-AF", ""),
        ("dead.0000.beaf", ""),
        ("de:ad:00:00:be", "malformed"),
        ("de:ad-00:00:be:af", "malformed"),
        ("de:ad:00:00:be:af:01", "malformed"),
        ("de:ad:00:00:be:ag", "malformed"),
        ("dead.0000.beaf.01", "malformed"),
        ("deadbeefbeef", "malformed"),
        ("de", "malformed"),
        ("de:ad:00:00:be:af:01:02", "long"),
        (":".join(["de"] * 20), "long"),
        ("dead.0000.beaf.0102", "long"),
        (".".join(["dead"] * 10), "long"),
    ],
)
def test_addresses(mac: str, wrong: str) -> None:
    """Addresses are of the forms Go reads; of those it reads, longer ones are other networks'."""
    said = {"malformed": f"malformed MAC address ({mac})", "long": f"too long MAC address ({mac})"}
    text = f"interface {AT}[0].name has {said.get(wrong)}."
    assert alone(macAddress=mac) == ([Cause(text, f"{AT}[0].macAddress")] if wrong else [])


def test_fields() -> None:
    """Names are of certain characters, models known, places on the PCI bus of the known form."""
    assert judged(
        [{"name": "a b", "pod": {}}], card("a b", model="gibberish", pciAddress="0000:81:100.a")
    ) == [
        Cause(
            "Network interface name can only contain alphabetical characters, numbers, dashes (-) or underscores (_)",
            f"{AT}[0].name",
        ),
        not_supported(
            f"interface {AT}[0].name uses model gibberish that is not supported.", f"{AT}[0].model"
        ),
        Cause(f"interface {AT}[0].name has malformed PCI address (0000:81:100.a).", f"{AT}[0].pciAddress"),
    ]
    assert alone(model="e1000", pciAddress="0000:81:11.1") == []


@pytest.mark.parametrize("name", ["a--b", "-a", "a-", "A", "a" * 16, "123", "a_b"])
def test_names_of_ports(name: str) -> None:
    """A port's name is one of IANA's: short, small letters, at least one, hyphens alone and within."""
    found = alone(ports=[{"port": 80, "name": name}])
    assert found == [Cause(f"Invalid name of the port: {name}", f"{AT}[0].ports[0].name")]


def test_ports() -> None:
    """Ports have numbers and known protocols, and names, if any, of their own; names are looked at first."""
    at = f"{AT}[0].ports"
    listed = [
        {"port": 80, "name": "http", "protocol": "TCP"},
        {"name": "http", "protocol": "ICMP"},
        {"port": 80000},
        {"port": 65536, "name": "a-b-1"},
    ]
    assert alone(ports=listed) == [
        duplicate("Duplicate name of the port: http", f"{at}[1].name"),
        required("Port field is mandatory.", f"{at}[1]"),
        Cause("Unknown protocol, only TCP or UDP allowed", f"{at}[1].protocol"),
        Cause("Port field must be in range 0 < x < 65536.", f"{at}[2]"),
    ]
    assert judged([multus()], {"name": "red", "bridge": {}, "ports": listed}) == []


@pytest.mark.parametrize(
    ("listed", "interface", "texts"),
    [
        ([multus()], {"name": "red", "bridge": {}, "state": "absent"}, []),
        (
            [multus()],
            {"name": "red", "sriov": {}, "state": "absent"},
            ['"red" interface\'s state "absent" is supported only for bridge binding'],
        ),
        ([POD], card(state="up"), []),
        ([POD], card(state="foo"), ["logical default interface state value is unsupported: foo"]),
        *(
            (
                [multus()],
                {"name": "red", "sriov": {}, "state": state},
                [f'"red" interface\'s state "{state}" is not supported for SR-IOV NICs'],
            )
            for state in ("up", "down")
        ),
        (
            [POD],
            card(state="absent"),
            [
                '"default" interface\'s state "absent" is supported only for bridge binding',
                '"default" interface\'s state "absent" is not supported on default networks',
            ],
        ),
        (
            [multus(default=True)],
            {"name": "red", "bridge": {}, "state": "absent"},
            ['"red" interface\'s state "absent" is not supported on default networks'],
        ),
    ],
)
def test_states(listed: list[Object], interface: Object, texts: list[str]) -> None:
    """Links go up and down, but for cards'; what is plugged out is a bridge on a secondary network."""
    assert judged(listed, interface) == [Cause(text, f"{AT}[0].state") for text in texts]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, []),
        ({"ntpServers": ["127.0.0.1", "127.0.0.2", "::ffff:127.0.0.3"]}, []),
        ({"ntpServers": ["::1", "127.0.0.1", "hostname"]}, ["ntpServers[0]", "ntpServers[2]"]),
        ({"privateOptions": [{"option": 224, "value": "a"}, {"option": 254, "value": "a"}]}, []),
        ({"privateOptions": [{"option": 240, "value": "a"}, {"option": 240, "value": "b"}]}, ["twice"]),
        (
            {"privateOptions": [{"option": 223, "value": "a"}, {"option": 255, "value": "a"}]},
            ["range", "range"],
        ),
    ],
)
def test_options_of_dhcp(options: Object, found: list[str]) -> None:
    """Private options are of a range, each once; time servers are IPv4 addresses."""
    texts = {
        "twice": "Found Duplicates: you have provided duplicate DHCPPrivateOptions",
        "range": "provided DHCPPrivateOptions are out of range, must be in range 224 to 254",
    }
    no_address = "NTP servers must be a list of valid IPv4 addresses."
    assert alone(dhcpOptions=options) == [
        Cause(texts[one], "spec") if one in texts else Cause(no_address, f"{AT}[0].dhcpOptions.{one}")
        for one in found
    ]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("slirp", "Slirp interface support"),
        ("macvtap", "Macvtap network binding"),
        ("passt", "Passt network binding"),
    ],
)
def test_what_is_made_no_more(kind: str, word: str) -> None:
    """Some bindings that are known are not made any more, and count as none."""
    spec = {"networks": [POD], "domain": {"devices": {"interfaces": [{"name": "default", kind: {}}]}}}
    text = f"{word} has been discontinued since v1.3"
    assert list(networks.creation("spec", spec)) == [Cause(text, f"{AT}[0].{kind}")]
    none = "logical default interface must have exactly one binding method or binding plugin"
    assert judged([POD], {"name": "default", kind: {}}) == [Cause(none, f"{AT}[0]")]


@pytest.mark.parametrize("gate", ["Passt", "Macvtap"])
def test_gates_of_what_is_gone(gate: str) -> None:
    """Who still opens such a gate, and uses what it was for, is told that it is gone."""
    spec = {"domain": {"devices": {"interfaces": [{"name": "default", gate.lower(): {}}]}}}
    opened = ClusterConfig("amd64", {"developerConfiguration": {"featureGates": ["Sidecar", gate]}})
    text = f"{gate} network binding is discontinued since v1.3. Please refer to Kubevirt user guide for alternatives."
    assert list(networks.discontinued(spec, opened)) == [not_supported(text)]
    assert list(networks.discontinued(spec, PLAIN)) == []
    assert list(networks.discontinued({"domain": {}}, opened)) == []
