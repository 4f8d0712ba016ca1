from fakekube.agents.nodes import Nodes, NodeShape, shapes
from fakekube.machinery.resources import LEASES, NODES


async def test_nodes_are_registered_as_kubelets_do(world, conditions):
    """A registered node has labels, addresses, capacity and conditions of a real one."""
    world.start(Nodes, nodes=shapes(2))
    await world.settle()
    assert await world.names(NODES) == ["node01", "node02"]
    node = await world.find(NODES, "node02")
    assert node["metadata"]["labels"] == {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": "node02",
    }
    assert node["status"]["addresses"] == [
        {"type": "InternalIP", "address": "192.168.66.102"},
        {"type": "Hostname", "address": "node02"},
    ]
    assert conditions(node)["Ready"] == ("True", "KubeletReady", "kubelet is posting ready status")
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.2"
    assert node["spec"]["podCIDR"] == "10.244.64.0/18"


async def test_a_shape_says_what_is_special(world):
    """Labels, annotations, taints, capacity and addresses can be given."""
    shape = NodeShape(
        "big",
        labels={"zone": "a"},
        annotations={"x": "y"},
        taints=[{"key": "k", "effect": "NoSchedule"}],
        capacity={"cpu": "128", "devices.kubevirt.io/kvm": "1k"},
        allocatable={"cpu": "127"},
        arch="arm64",
        address="198.51.100.7",
    )
    world.start(Nodes, nodes=[shape])
    await world.settle()
    node = await world.find(NODES, "big")
    assert node["metadata"]["labels"]["zone"] == "a"
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
    assert node["spec"]["taints"] == [{"key": "k", "effect": "NoSchedule"}]
    assert node["status"]["capacity"]["devices.kubevirt.io/kvm"] == "1k"
    assert (node["status"]["capacity"]["cpu"], node["status"]["allocatable"]["cpu"]) == ("128", "127")
    assert node["status"]["addresses"][0]["address"] == "198.51.100.7"


async def test_nodes_that_exist_are_left_alone(world):
    """A restart does not overwrite what has been written to nodes meanwhile."""
    await world.node("node01", labels={"mine": "yes"})
    world.start(Nodes)
    await world.settle()
    assert (await world.find(NODES, "node01"))["metadata"]["labels"]["mine"] == "yes"


async def test_leases_are_renewed_only_on_request(world):
    """Heartbeats cost something, so they are kept only where they are asked for."""
    world.start(Nodes, nodes=[NodeShape("quiet")])
    world.start(Nodes, nodes=[NodeShape("alive")], heartbeats=True)
    await world.settle()
    assert await world.names(LEASES, "kube-node-lease") == ["alive"]
    first = await world.find(LEASES, "alive", "kube-node-lease")
    assert first["spec"]["holderIdentity"] == "alive"
    assert first["metadata"]["ownerReferences"][0]["kind"] == "Node"
    await world.advance(10)
    second = await world.find(LEASES, "alive", "kube-node-lease")
    assert second["spec"]["renewTime"] == "2026-01-01T00:00:10.000000Z"
