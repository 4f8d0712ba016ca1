"""Interfaces as virt-controller tells them, and what it asks Multus for while a guest runs."""

import json

import pytest

from fakekube.virt import multus
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import launcher_networks, nics

NETWORKS, STATUS = "k8s.v1.cni.cncf.io/networks", "k8s.v1.cni.cncf.io/network-status"
RED, BLUE = multus.pod_interface("red"), multus.pod_interface("blue")


def vmi(*interfaces, told=(), networks=None):
    """On the pod's network, and on one for each of these interfaces."""
    others = [{"name": one["name"], "multus": {"networkName": "skynet"}} for one in interfaces]
    listed = [{"name": "default", "masquerade": {}}, *interfaces]
    return {
        "metadata": {"name": "vm", "namespace": "ns"},
        "spec": {
            "domain": {"devices": {"interfaces": listed}},
            "networks": networks or [*others, {"name": "default", "pod": {}}],
        },
        "status": {"interfaces": list(told)},
    }


def pod(*interfaces, **annotations):
    there = [{"name": "ns/skynet", "interface": one} for one in interfaces]
    first = {"name": "kindnet", "interface": "eth0", "default": True}
    return {
        "metadata": {"namespace": "ns", "annotations": {STATUS: json.dumps([first, *there]), **annotations}}
    }


def bridge(name, **more):
    return {"name": name, "bridge": {}, **more}


def test_the_first_statuses():
    """V-130: the pod network's interface comes first, as eth0; then those Multus tells of; none that it does not."""
    assert nics.statuses(vmi(bridge("red"), bridge("blue")), pod(RED)) == [
        {"name": "default", "podInterfaceName": "eth0"},
        {"name": "red", "podInterfaceName": RED, "infoSource": "multus-status"},
    ]


def test_the_first_interface_by_another_name():
    """What Multus calls the pod's default interface is its name, whichever was there before."""
    told = [{"interface": "eth0", "default": False}, {"interface": "ovn-udn1", "default": True}]
    annotated = {"metadata": {"namespace": "ns", "annotations": {STATUS: json.dumps(told)}}}
    assert nics.statuses(vmi(), annotated) == [{"name": "default", "podInterfaceName": "ovn-udn1"}]
    assert nics.statuses(vmi(), {"metadata": {}}) == [{"name": "default", "podInterfaceName": "eth0"}]


def test_later_statuses():
    """What the node told is kept, and of whom; Multus counts as a source as long as it tells of an interface."""
    told = [
        {"name": "default", "mac": "a", "infoSource": "domain"},
        {"name": "red", "mac": "b", "infoSource": "domain, guest-agent"},
        {"name": "blue", "infoSource": "domain, multus-status", "podInterfaceName": BLUE},
        {"interfaceName": "docker0", "infoSource": "guest-agent"},
    ]
    found = nics.statuses(vmi(bridge("red"), bridge("blue"), told=told), pod(RED))
    assert [(one.get("name"), one.get("podInterfaceName"), one["infoSource"]) for one in found] == [
        ("default", "eth0", "domain"),
        ("red", RED, "domain, guest-agent, multus-status"),
        ("blue", BLUE, "domain"),
        (None, None, "guest-agent"),
    ]
    assert [one.get("mac") for one in found[:2]] == ["a", "b"]


@pytest.mark.parametrize(
    ("interfaces", "told", "asked"),
    [
        ([bridge("red")], ["default", "red"], None),
        ([bridge("red")], ["default"], ["default", "red"]),
        ([{"name": "red", "sriov": {}}], ["default"], None),
        ([{"name": "red", "sriov": {}}, bridge("blue")], ["default"], ["default", "blue"]),
        ([bridge("red", state="absent"), bridge("blue")], ["default", "red", "blue"], ["default", "blue"]),
    ],
)
def test_what_multus_is_asked_for_meanwhile(interfaces, told, asked):
    """Interfaces that come and go while the guest runs are asked for, but cards, which nobody plugs into a running pod."""
    assert nics.unmet(vmi(*interfaces, told=[{"name": one} for one in told])) == asked


def test_a_launcher_is_told():
    """The annotation of a launcher that runs follows; one that never had other networks is left alone."""
    config = ClusterConfig()
    made = vmi(bridge("red", state="absent"), told=[{"name": "default"}, {"name": "red"}])
    assert launcher_networks.told_meanwhile(made, pod(RED, **{NETWORKS: "[…]"}), config) == {NETWORKS: ""}
    assert launcher_networks.told_meanwhile(made, pod(), config) == {}
    made = vmi(bridge("red"), told=[{"name": "default"}])
    (asked,) = json.loads(launcher_networks.told_meanwhile(made, pod(), config)[NETWORKS])
    assert asked == {"name": "skynet", "namespace": "ns", "interface": RED}


@pytest.mark.parametrize(
    ("named", "found"), [("a", ("ns", "a")), ("o/a", ("o", "a")), ("o/a/b", ("o", "a/b"))]
)
def test_names_of_definitions(named, found):
    """A definition of another namespace is named with it."""
    assert launcher_networks.definition({"metadata": {"namespace": "ns"}}, named) == found


@pytest.mark.parametrize(
    ("own", "wanted", "alike"),
    [
        ([bridge("red")], [bridge("red")], True),
        ([bridge("red", state="down")], [bridge("red", state="down")], True),
        ([bridge("red")], [bridge("red", state="down")], False),
        ([bridge("red")], [bridge("red"), bridge("blue")], False),
        ([bridge("red", state="absent")], [bridge("red", state="absent")], False),
    ],
)
def test_what_is_alike_needs_no_look(own, wanted, alike):
    """A VM and a VMI that say the same of networks, and of none that it is to go, have nothing to change in each other."""
    instance, machine = vmi(*own), {"spec": {"template": vmi(*wanted)}}
    assert nics.are_alike(machine, instance) is alike
    changes = [
        *nics.instance_changes(machine, instance, other_networks=True),
        *nics.template_changes(machine, instance),
    ]
    assert bool(changes) is not alike
