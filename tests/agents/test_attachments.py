"""Pods that name networks beside the cluster's own."""

import json
from pathlib import Path

import pytest
import yaml

from fakekube.agents.pods import networks
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import CRDS, EVENTS, NAMESPACES, NETWORK_ATTACHMENT_DEFINITIONS, PODS

NS = "default"
EXAMPLE = Path(__file__).parents[2] / "examples/multus.yaml"
NETWORKS, DEFAULT = "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
STATUS = "k8s.v1.cni.cncf.io/network-status"


class World:
    def __init__(self, cluster):
        self.cluster, self.client = cluster, cluster.client()

    async def installed(self):
        await self.cluster.apply([yaml.safe_load(EXAMPLE.read_text())])
        await self.cluster.settle()

    async def defined(self, name, config=None, *, space=NS, **annotations):
        meta = {"name": name, "namespace": space, "annotations": annotations}
        spec = {"config": json.dumps(config or {"type": "bridge"})}
        kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
        await self.client.create(NETWORK_ATTACHMENT_DEFINITIONS, {**kind, "metadata": meta, "spec": spec})
        await self.cluster.settle()

    async def pod(self, name="p", **annotations):
        meta = {"name": name, "namespace": NS, "annotations": annotations}
        spec = {"containers": [{"name": "main", "image": "example.com/app:1"}]}
        await self.client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        await self.cluster.settle()

    async def found(self, name="p"):
        return await self.client.get(PODS, name, NS)

    async def phase(self, name="p"):
        return (await self.found(name))["status"]["phase"]

    async def told(self, name="p"):
        """What its network status says."""
        return json.loads((await self.found(name))["metadata"]["annotations"][STATUS])

    async def events(self):
        """Warnings: (who, reason, message, how often); the kubelet's first."""
        return sorted(
            (one["source"]["component"], one["reason"], one["message"], one["count"])
            for one in (await self.client.list(EVENTS, NS)).items
            if one["type"] == "Warning"
        )


@pytest.fixture
async def world():
    async with Cluster(only=["scheduler", "kubelet", "nodes"], clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        yield World(cluster)
        assert not cluster.failures


async def test_without_multus(world):
    """Where the type of their definitions is not installed, networks are taken for granted."""
    await world.pod(**{NETWORKS: "skynet"})
    assert await world.phase() == "Running"
    assert [one["name"] for one in await world.told()] == ["kindnet", "default/skynet"]


async def test_a_pod_without_networks(world):
    """A pod that names none is not told of any, and nobody looks for definitions for its sake."""
    await world.installed()
    await world.pod()
    assert STATUS not in (await world.found())["metadata"].get("annotations", {})


async def test_a_missing_network(world):
    """Multus says which definition is missing, the kubelet that there is no sandbox, again and again; once it is there the pod
    runs."""
    await world.installed()
    await world.defined("blue")
    await world.pod(**{NETWORKS: '[{"name":"blue"},{"name":"skynet","namespace":"other"}]'})
    assert await world.phase() == "Pending"
    (container,) = (await world.found())["status"]["containerStatuses"]
    assert container["state"] == {"waiting": {"reason": "ContainerCreating"}}
    why = (
        "cannot find a network-attachment-definition (skynet) in namespace (other): "
        'network-attachment-definitions.k8s.cni.cncf.io "skynet" not found'
    )
    await world.cluster.advance(16)
    told = await world.events()
    uid = (await world.found())["metadata"]["uid"]
    assert [(who, reason, count) for who, reason, _, count in told] == [
        ("kubelet", "FailedCreatePodSandBox", 2),
        ("multus", "NoNetworkFound", 1),
    ]
    assert told[1][2] == why
    assert told[0][2].startswith(
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup"
    )
    assert told[0][2].endswith(
        f'plugin type="multus" name="multus-cni-network" failed (add): Multus: [default/p/{uid}]: error loading '
        "k8s delegates k8s args: TryLoadPodDelegates: error in getting k8s network for pod: GetNetworkDelegates: "
        f"failed getting the delegate: getKubernetesDelegate: {why}"
    )
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
    await world.client.create(NAMESPACES, space)
    await world.defined("skynet", space="other")
    assert await world.phase() == "Running"
    assert [one["name"] for one in await world.told()] == ["kindnet", "default/blue", "other/skynet"]


async def test_a_missing_default_network(world):
    """The network in place of the cluster's is looked for in Multus' own namespace, unless another one is named."""
    await world.installed()
    await world.pod(**{DEFAULT: "ovn"})
    assert "(ovn) in namespace (kube-system)" in (await world.events())[1][2]
    assert "error in loading K8S cluster default network from pod annotation" in (await world.events())[0][2]
    await world.defined("ovn", space="kube-system")
    (only,) = await world.told()
    assert (only["name"], only["interface"], only["default"]) == ("kube-system/ovn", "eth0", True)
    assert only["ips"] == [(await world.found())["status"]["podIP"]]


async def test_the_type_goes(world):
    """A pod that waits for a definition goes on when the type of them is taken away."""
    await world.installed()
    await world.pod(**{NETWORKS: "skynet"})
    assert await world.phase() == "Pending"
    await world.client.delete(CRDS, NETWORK_ATTACHMENT_DEFINITIONS.qualified)
    await world.cluster.advance(16)
    assert await world.phase() == "Running"


async def test_addresses(world):
    """Each network gives out its own addresses, one of each of its ranges, none twice, and takes them back."""
    ranges = [[{"subnet": "10.10.10.0/24"}], [{"subnet": "fd10:0:2::/120"}]]
    await world.installed()
    await world.defined("both", {"plugins": [{"ipam": {"type": "host-local", "ranges": ranges}}]})
    await world.defined("small", {"ipam": {"type": "whereabouts", "range": "10.10.10.0/30"}})
    one = {"type": "static", "addresses": [{"address": "10.1.1.7/24"}, {"address": "fd10::7/64"}]}
    await world.defined("one", {"ipam": one})
    await world.defined("old", {"ipam": {"type": "host-local", "subnet": "10.1.1.0/24"}})
    await world.pod("a", **{NETWORKS: "both,small@s,one,old"})
    ips = {one["interface"]: one.get("ips") for one in await world.told("a") if not one.get("default")}
    first = ["10.10.10.2", "fd10:0:2::2"]
    assert ips == {"net1": first, "s": ["10.10.10.2"], "net3": ["10.1.1.7", "fd10::7"], "net4": ["10.1.1.2"]}
    await world.pod("b", **{NETWORKS: "both,one"})
    found = [one.get("ips") for one in (await world.told("b"))[1:]]
    assert found == [["10.10.10.3", "fd10:0:2::3"], ["10.1.1.7", "fd10::7"]]
    await world.client.delete(PODS, "a", NS, grace_seconds=0)
    await world.pod("c", **{NETWORKS: "small"})
    assert (await world.told("c"))[1]["ips"] == ["10.10.10.2"]


async def test_no_address_is_left(world):
    """A pod for which a network has no address does not start, and takes none of another one meanwhile; the kubelet tells what
    the plugin says. It gets the first one that is given back."""
    await world.installed()
    await world.defined("free", {"ipam": {"type": "host-local", "subnet": "10.2.2.0/30"}})
    ranges = [
        [{"subnet": "10.1.1.0/24", "rangeStart": "10.1.1.8", "rangeEnd": "10.1.1.9"}],
        [{"subnet": "fd10::/120"}],
    ]
    ipam = {"type": "host-local", "ranges": ranges}
    await world.defined("tight", {"plugins": [{"type": "bridge", "ipam": ipam}, {"type": "tuning"}]})
    for name in "ab":
        await world.pod(name, **{NETWORKS: "tight"})
    await world.pod("c", **{NETWORKS: "free,tight"})
    assert await world.phase("c") == "Pending"
    ((_, reason, text, _),) = await world.events()
    uid = (await world.found("c"))["metadata"]["uid"]
    assert reason == "FailedCreatePodSandBox"
    assert text.endswith(
        f'plugin type="multus" name="multus-cni-network" failed (add): [default/c/{uid}:tight]: error adding container to '
        'network "tight": plugin type="bridge" failed (add): failed to allocate for range 0: no IP addresses available in '
        "range set: 10.1.1.8-10.1.1.9"
    )
    await world.pod("d", **{NETWORKS: "free"})
    assert await world.phase("d") == "Running"
    await world.client.delete(PODS, "d", NS, grace_seconds=0)
    await world.client.delete(PODS, "b", NS, grace_seconds=0)
    await world.cluster.settle()
    assert await world.phase("c") == "Running"
    assert [one["ips"] for one in (await world.told("c"))[1:]] == [["10.2.2.2"], ["10.1.1.9", "fd10::4"]]


async def test_networks_are_forgotten(world):
    """A network that is not defined any more begins anew, once nobody has an address of it."""
    ranged = {"ipam": {"type": "whereabouts", "range": "10.10.10.0/24"}}
    known = world.cluster.actors["kubelet"]._attachments._addresses
    await world.installed()
    await world.defined("small", ranged)
    await world.pod("a", **{NETWORKS: "small"})
    await world.client.delete(NETWORK_ATTACHMENT_DEFINITIONS, "small", NS)
    await world.cluster.settle()
    assert f"{NS}/small" in known
    await world.client.delete(PODS, "a", NS, grace_seconds=0)
    await world.cluster.settle()
    assert known == {}


async def test_a_card(world):
    """A network that is served by a device plugin is told with the device."""
    await world.installed()
    await world.defined("sriov", **{"k8s.v1.cni.cncf.io/resourceName": "example.com/card"})
    await world.pod(**{NETWORKS: '[{"name":"sriov","mac":"02:00:00:11:22:33","interface":"card"}]'})
    (_, card) = await world.told()
    assert (card["interface"], card["mac"], card["device-info"]["type"]) == (
        "card",
        "02:00:00:11:22:33",
        "pci",
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("a, b/c@x", [(NS, "a", "net1"), ("b", "c", "x")]),
        ('{"name":"a"}', [(NS, "a", "net1")]),
        ('[{"name":"a","interface":"x"},{"name":"b","namespace":"n"}]', [(NS, "a", "x"), ("n", "b", "net2")]),
        ("[what", []),
        ('["what"]', []),
    ],
)
def test_both_forms(text, found):
    """Networks may be named in short or as JSON; what is neither names none."""
    pod = {"metadata": {"namespace": NS, "annotations": {NETWORKS: text}}}
    assert [(one.namespace, one.name, one.interface) for one in networks.wanted(pod)] == found


@pytest.mark.parametrize("text", ["what", '"what"', "[1]", '{"name": "a"}'])
def test_any_status(text):
    """A status somebody wrote by hand stops nobody."""
    assert networks.there({"metadata": {"annotations": {STATUS: text}}}) == []


@pytest.mark.parametrize(
    ("ipam", "found"),
    [
        ({"subnet": "10.1.1.0/24"}, ["10.1.1.0/24"]),
        ({"subnet": "10.1.1.0/24", "rangeStart": "10.1.1.20"}, ["10.1.1.20-10.1.1.254"]),
        ({"subnet": "10.1.1.0/24", "rangeEnd": "10.1.1.20"}, ["10.1.1.1-10.1.1.20"]),
        ({"ranges": [[{"subnet": "10.1.1.0/30"}, {"subnet": "10.1.2.0/30"}]]}, ["10.1.1.0/30,10.1.2.0/30"]),
        ({"range": "10.1.1.20-10.1.1.29/24"}, ["10.1.1.20-10.1.1.29"]),
        ({"range": "10.1.1.0/24", "range_start": "10.1.1.9", "range_end": "10.1.1.9"}, ["10.1.1.9-10.1.1.9"]),
        ({"ipRanges": [{"range": "10.1.1.0/24"}, {"range": "fd10::/64"}]}, ["10.1.1.0/24", "fd10::/64"]),
        ({"subnet": "what"}, []),
        ({"range": "10.1.1.9-10.1.1.1/24"}, []),
        ({"type": "dhcp"}, []),
    ],
)
def test_ranges_of_plugins(ipam, found):
    """Ranges are said as each plugin has them said; one that is none gives no addresses."""
    config = json.dumps({"ipam": ipam})
    assert [one.range for one in networks.sources({"spec": {"config": config}})] == found


@pytest.mark.parametrize("text", ["what", "[]", "1", '{"plugins": [1]}', ""])
def test_any_configuration(text):
    """A configuration nobody can read has no addresses."""
    assert list(networks.sources({"spec": {"config": text}})) == []
