import pytest

from fakekube.agents import scheduling
from fakekube.agents.quantities import amount
from fakekube.agents.scheduler import Scheduler
from fakekube.machinery.resources import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, STORAGE_CLASSES


@pytest.fixture
async def scheduled(world):
    world.start(Scheduler)
    await world.settle()
    return world


def _asks(**requests):
    return [{"name": "main", "image": "x", "resources": {"requests": requests}}]


async def _node_of(world, name):
    return (await world.find(PODS, name))["spec"].get("nodeName")


async def test_a_pod_is_bound_and_that_is_told(scheduled):
    """A pod that fits is bound, with the event of the real scheduler."""
    await scheduled.node("n1")
    await scheduled.pod("p")
    await scheduled.settle()
    assert await _node_of(scheduled, "p") == "n1"
    assert await scheduled.events("p") == [("Scheduled", "Successfully assigned default/p to n1")]


async def test_pods_spread_over_the_emptiest_nodes(scheduled):
    """Equal pods are spread evenly, and the outcome does not depend on chance."""
    for name in ("n1", "n2", "n3"):
        await scheduled.node(name)
    for number in range(6):
        await scheduled.pod(f"p{number}")
    await scheduled.settle()
    assert [await _node_of(scheduled, f"p{number}") for number in range(6)] == ["n1", "n2", "n3"] * 2


async def test_without_nodes_pods_wait_for_one(scheduled, conditions):
    """Pods wait without nodes, with the real message, and are bound once there is a node."""
    await scheduled.pod("p")
    await scheduled.settle()
    pod = await scheduled.find(PODS, "p")
    assert conditions(pod)["PodScheduled"] == (
        "False",
        "Unschedulable",
        "no nodes available to schedule pods",
    )
    await scheduled.node("n1")
    await scheduled.settle()
    assert await _node_of(scheduled, "p") == "n1"


async def test_the_reasons_are_counted_over_the_nodes(scheduled, conditions):
    """The message says how many nodes fail for which reason, and what preemption could do about it."""
    await scheduled.node("full", capacity={"cpu": "1", "memory": "1Gi", "pods": "10"}, labels={"disk": "ssd"})
    await scheduled.node("wrong")
    await scheduled.node("cordoned", unschedulable=True)
    await scheduled.node("tainted", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    await scheduled.pod("p", nodeSelector={"disk": "ssd"}, containers=_asks(cpu="2", memory="2Gi"))
    await scheduled.settle()
    said = (
        "0/4 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, "
        "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s), "
        "1 node(s) were unschedulable. preemption: 0/4 nodes are available: "
        "1 No preemption victims found for incoming pod, 3 Preemption is not helpful for scheduling."
    )
    pod = await scheduled.find(PODS, "p")
    assert conditions(pod)["PodScheduled"] == ("False", "Unschedulable", said)
    assert await scheduled.events("p") == [("FailedScheduling", said)]


async def test_room_made_is_used(scheduled):
    """A pod for which there is no room is bound once another one has left or ended."""
    await scheduled.node("n1", capacity={"cpu": "1", "memory": "1Gi", "pods": "10"})
    await scheduled.pod("first", containers=_asks(cpu="800m"))
    await scheduled.settle()
    await scheduled.pod("second", containers=_asks(cpu="800m"))
    await scheduled.pod("third", containers=_asks(cpu="800m"))
    await scheduled.settle()
    assert [await _node_of(scheduled, name) for name in ("second", "third")] == [None, None]
    await scheduled.client.delete(PODS, "first", "default", grace_seconds=0)
    await scheduled.settle()
    assert await _node_of(scheduled, "second") == "n1"
    final = {"status": {"phase": "Succeeded"}}
    await scheduled.client.patch(PODS, "second", "default", final, type="merge", subresource="status")
    await scheduled.settle()
    assert await _node_of(scheduled, "third") == "n1"


async def test_only_so_many_pods_fit(scheduled, conditions):
    """The number of pods is a resource like any other."""
    await scheduled.node("n1", capacity={"cpu": "4", "memory": "8Gi", "pods": "1"})
    await scheduled.pod("a")
    await scheduled.pod("b")
    await scheduled.settle()
    message = conditions(await scheduled.find(PODS, "b"))["PodScheduled"][2]
    assert message.startswith("0/1 nodes are available: 1 Too many pods. preemption: ")


async def test_a_changed_node_is_tried_and_a_heartbeat_is_not(scheduled):
    """New labels wake waiting pods; a renewed condition wakes nobody."""
    node = await scheduled.node("n1")
    await scheduled.pod("p", nodeSelector={"disk": "ssd"})
    await scheduled.settle()
    asked = []
    handler = scheduled.api._handler

    async def counting(request):
        asked.append(request.user.name if request.user else "")
        return await handler(request)

    scheduled.api._handler = counting
    beat = {
        "status": {
            "conditions": [{**node["status"]["conditions"][0], "lastHeartbeatTime": "2026-01-01T00:01:00Z"}]
        }
    }
    await scheduled.client.patch(NODES, "n1", None, beat, type="strategic", subresource="status")
    await scheduled.settle()
    assert asked == [""]
    labels = {"metadata": {"labels": {"disk": "ssd"}}}
    await scheduled.client.patch(NODES, "n1", None, labels, type="merge")
    await scheduled.settle()
    assert await _node_of(scheduled, "p") == "n1"


async def test_required_anti_affinity_keeps_pods_apart(scheduled, conditions):
    """A pod that must not be beside another goes elsewhere, in both orders of arrival."""
    term = {
        "labelSelector": {"matchLabels": {"vm": "a"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    await scheduled.node("n1")
    await scheduled.node(
        "n2", labels={"kubernetes.io/hostname": "n2"}, capacity={"cpu": "1", "memory": "1Gi", "pods": "9"}
    )
    await scheduled.pod("source", metadata={"labels": {"vm": "a"}})
    await scheduled.settle()
    await scheduled.pod("target", metadata={"labels": {"vm": "a"}}, affinity=apart)
    await scheduled.settle()
    assert await _node_of(scheduled, "source") == "n1"
    assert await _node_of(scheduled, "target") == "n2"
    await scheduled.pod("third", metadata={"labels": {"vm": "a"}}, affinity=apart)
    await scheduled.settle()
    message = conditions(await scheduled.find(PODS, "third"))["PodScheduled"][2]
    assert message.startswith("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. ")
    await scheduled.pod(
        "fourth", metadata={"labels": {"vm": "a"}}, nodeSelector={"kubernetes.io/hostname": "n2"}
    )
    await scheduled.settle()
    message = conditions(await scheduled.find(PODS, "fourth"))["PodScheduled"][2]
    assert "1 node(s) didn't satisfy existing pods anti-affinity rules" in message


async def test_required_affinity_brings_pods_together(scheduled):
    """A pod that must be beside another follows it; the first of its kind may go anywhere."""
    term = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "kubernetes.io/hostname"}
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    for name in ("n1", "n2"):
        await scheduled.node(name)
    for name in ("a", "b", "c"):
        await scheduled.pod(name, metadata={"labels": {"app": "db"}}, affinity=near)
    await scheduled.settle()
    assert [await _node_of(scheduled, name) for name in "abc"] == ["n1"] * 3


def _spread(**more):
    constraint = {
        "topologyKey": "zone",
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
        **more,
    }
    return {"topologySpreadConstraints": [constraint], "metadata": {"labels": {"app": "web"}}}


async def test_what_is_preferred(scheduled):
    """Labels of nodes and the company of pods outweigh an emptier node, and forbid nothing."""
    for name in ("n1", "n2", "n3"):
        await scheduled.node(name)
    hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n2"]}
    node = {"weight": 1, "preference": {"matchExpressions": [hostname]}}
    term = {"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "kubernetes.io/hostname"}
    with_term = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}
    wishes = {
        "first": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [node]}},
        "near": {"podAffinity": with_term},
        "far": {"podAntiAffinity": with_term},
    }
    for name, affinity in wishes.items():
        await scheduled.pod(name, metadata={"labels": {"app": "a"}}, affinity=affinity)
        await scheduled.settle()
    assert [await _node_of(scheduled, name) for name in wishes] == ["n2", "n2", "n1"]


async def test_pods_are_spread_over_zones(scheduled, conditions):
    """No zone gets more than one pod ahead of the emptiest; nodes without the label are none; who waits is woken by company."""
    for name, zone in (("n1", "a"), ("n2", "a"), ("n3", "b")):
        await scheduled.node(name, labels={"zone": zone})
    await scheduled.node("n4")
    for number in range(4):
        await scheduled.pod(f"p{number}", **_spread())
        await scheduled.settle()
    found = [await _node_of(scheduled, f"p{number}") for number in range(4)]
    assert sorted(found) == ["n1", "n2", "n3", "n3"]
    only = {"nodeSelector": {"zone": "a"}}
    await scheduled.pod("forced", **_spread(), **only)
    await scheduled.settle()
    assert await _node_of(scheduled, "forced") in ("n1", "n2")  # zones it may not go to do not count
    beyond = {"kubernetes.io/hostname": "n4"}
    await scheduled.pod("beyond", **_spread(), nodeSelector=beyond)
    await scheduled.settle()
    message = conditions(await scheduled.find(PODS, "beyond"))["PodScheduled"][2]
    assert "didn't match Pod's node affinity/selector" in message


async def test_a_zone_that_is_full_makes_others_wait(scheduled, conditions):
    """Where the emptiest zone has no room, pods wait with the real message until there is a new pod in it."""
    await scheduled.node("n1", labels={"zone": "a"})
    await scheduled.node("n2", labels={"zone": "b"}, capacity={"cpu": "1", "memory": "1Gi", "pods": "0"})
    await scheduled.node("n3")
    for name in ("p0", "p1"):
        await scheduled.pod(name, **_spread())
        await scheduled.settle()
    message = conditions(await scheduled.find(PODS, "p1"))["PodScheduled"][2]
    assert message == (
        "0/3 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints, "
        "1 node(s) didn't match pod topology spread constraints (missing required label). preemption: 0/3 nodes "
        "are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
    )
    await scheduled.pod("bound", metadata={"labels": {"app": "web"}}, nodeName="n2")
    await scheduled.settle()
    assert await _node_of(scheduled, "p1") == "n1"


async def test_host_ports_are_taken_once_per_node(scheduled, conditions):
    """A port of the node belongs to one pod at a time, unless addresses or protocols differ."""
    await scheduled.node("n1")

    def listening(**port):
        return [{"name": "c", "image": "x", "ports": [{"containerPort": 80, **port}]}]

    await scheduled.pod("a", containers=listening(hostPort=80))
    await scheduled.settle()
    await scheduled.pod("b", containers=listening(hostPort=80, hostIP="10.0.0.1"))
    await scheduled.pod("c", containers=listening(hostPort=80, protocol="UDP"))
    await scheduled.settle()
    assert [await _node_of(scheduled, name) for name in "abc"] == ["n1", None, "n1"]
    message = conditions(await scheduled.find(PODS, "b"))["PodScheduled"][2]
    assert message.startswith(
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    )


async def test_claims_must_be_there_and_bound(scheduled, conditions):
    """A pod waits for its claims: for their existence, then for their volume."""
    await scheduled.node("n1")
    volume = {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}
    await scheduled.pod("p", volumes=[volume])
    await scheduled.settle()

    async def said():
        message = conditions(await scheduled.find(PODS, "p"))["PodScheduled"][2]
        return message.removeprefix("0/1 nodes are available: ").partition(". preemption")[0]

    assert await said() == 'persistentvolumeclaim "disk" not found'
    await scheduled.client.create(PERSISTENT_VOLUME_CLAIMS, _claim("disk"))
    await scheduled.settle()
    assert await said() == "pod has unbound immediate PersistentVolumeClaims"
    await _bind(scheduled, "disk")
    assert await _node_of(scheduled, "p") == "n1"


async def test_late_binding_claims_are_told_their_node(scheduled):
    """A claim that waits for its first consumer gets the chosen node as annotation; then it must be bound."""
    await scheduled.node("n1")
    late = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "late"},
        "provisioner": "example.com/x",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    await scheduled.client.create(STORAGE_CLASSES, late)
    await scheduled.client.create(PERSISTENT_VOLUME_CLAIMS, _claim("disk", storageClassName="late"))
    await scheduled.pod("p", volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}])
    await scheduled.settle()
    claim = await scheduled.find(PERSISTENT_VOLUME_CLAIMS, "disk")
    assert claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] == "n1"
    assert await _node_of(scheduled, "p") is None
    await _bind(scheduled, "disk")
    assert await _node_of(scheduled, "p") == "n1"


def _claim(name, **spec):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec},
    }


async def _bind(world, name):
    bound = {"status": {"phase": "Bound"}}
    await world.client.patch(
        PERSISTENT_VOLUME_CLAIMS, name, "default", bound, type="merge", subresource="status"
    )
    await world.settle()


async def test_others_pods_are_left_alone(scheduled):
    """Pods of other schedulers, gated pods and deleted ones are not bound."""
    await scheduled.node("n1")
    await scheduled.pod("foreign", schedulerName="mine")
    await scheduled.pod("gated", schedulingGates=[{"name": "example.com/wait"}])
    await scheduled.settle()
    assert [await _node_of(scheduled, name) for name in ("foreign", "gated")] == [None, None]
    free = {"spec": {"schedulingGates": []}}
    await scheduled.client.patch(PODS, "gated", "default", free, type="merge")
    await scheduled.settle()
    assert await _node_of(scheduled, "gated") == "n1"


@pytest.mark.parametrize(
    ("taint", "toleration", "tolerated"),
    [
        ({"key": "k", "effect": "NoSchedule"}, {"operator": "Exists"}, True),
        ({"key": "k", "effect": "NoSchedule"}, {"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "effect": "NoSchedule"}, {"key": "x", "operator": "Exists"}, False),
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "k", "value": "w"}, False),
        (
            {"key": "k", "effect": "NoExecute"},
            {"key": "k", "operator": "Exists", "effect": "NoSchedule"},
            False,
        ),
    ],
)
def test_tolerations(taint, toleration, tolerated):
    """A toleration speaks for a key (or all), a value (or any) and an effect (or all)."""
    assert scheduling.tolerated(taint, [toleration]) is tolerated


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ({"key": "zone", "operator": "In", "values": ["a", "b"]}, True),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "zone", "operator": "Exists"}, True),
        ({"key": "gone", "operator": "DoesNotExist"}, True),
        ({"key": "size", "operator": "Gt", "values": ["3"]}, True),
        ({"key": "size", "operator": "Lt", "values": ["3"]}, False),
    ],
)
def test_required_node_affinity(expression, selected):
    """Terms are alternatives, the expressions of one term belong together."""
    node = {"metadata": {"name": "n", "labels": {"zone": "a", "size": "4"}}}

    def spec(*terms):
        required = {"nodeSelectorTerms": list(terms)}
        return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}

    impossible = {"key": "no", "operator": "Exists"}
    assert scheduling.selected(spec({"matchExpressions": [expression]}), node) is selected
    assert (
        scheduling.selected(
            spec({"matchExpressions": [impossible]}, {"matchExpressions": [expression]}), node
        )
        is selected
    )
    assert scheduling.selected(spec({"matchExpressions": [expression, impossible]}), node) is False
    assert scheduling.selected(spec({}), node) is False
    by_name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
    assert scheduling.selected(spec(by_name), node) is True


def test_init_containers_count_as_steps_and_sidecars_throughout():
    """A pod asks for its containers and sidecars together, or for its largest init step if that is more."""

    def container(cpu, **more):
        return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}

    pod = {
        "spec": {
            "containers": [container("1"), container("500m")],
            "initContainers": [container("100m", restartPolicy="Always"), container("2")],
            "overhead": {"cpu": "50m"},
        }
    }
    assert scheduling.demand_of(pod).requests["cpu"] == 2150


@pytest.mark.parametrize(
    ("resource", "text", "value"),
    [
        ("cpu", "250m", 250),
        ("cpu", "2", 2000),
        ("cpu", "1.5", 1500),
        ("memory", "1Gi", 2**30),
        ("memory", "50M", 50_000_000),
        ("memory", "1e3", 1000),
        ("pods", "110", 110),
        ("devices.kubevirt.io/kvm", "1k", 1000),
        ("memory", "100m", 1),
        ("memory", "nonsense", 0),
    ],
)
def test_quantities(resource, text, value):
    """CPU is counted in thousandths, everything else in units, fractions rounded up."""
    assert amount(resource, text) == value
