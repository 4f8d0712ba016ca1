"""Evictions of launcher pods and drained nodes, with all of KubeVirt in place: guests move instead of dying."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import annotations, condition, dig, is_terminating, name, uid
from fakekube.machinery.resources import (
    EVENTS,
    KUBEVIRTS,
    MIGRATIONS,
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)

NS = "default"


def machine(strategy, fate="", masquerade=True):
    binding = {"masquerade": {}} if masquerade else {"bridge": {}}
    spec = {
        "evictionStrategy": strategy,
        "terminationGracePeriodSeconds": 0,
        "domain": {
            "devices": {"interfaces": [{"name": "default", **binding}]},
            "memory": {"guest": "128Mi"},
        },
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [{"name": "disk", "containerDisk": {"image": "registry.example/cirros:1"}}],
    }
    meta = {"annotations": {"fakekube.io/fate": fate}} if fate else {}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "vm", "namespace": NS},
        "spec": {"runStrategy": "Always", "template": {"metadata": meta, "spec": spec}},
    }


class Guest:
    """A VM named vm in a cluster of two nodes whose time is moved by hand."""

    def __init__(self, cluster):
        self.cluster, self.client = cluster, cluster.client()

    async def start(self, **more):
        await self.client.create(VIRTUAL_MACHINES, machine(**more))
        await self.cluster.settle()
        return await self.vmi()

    async def vmi(self):
        return await self.client.get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)

    async def pods(self):
        return (await self.client.list(PODS, NS, label_selector="kubevirt.io=virt-launcher")).items

    async def evict(self):
        (pod,) = [one for one in await self.pods() if one["status"]["phase"] == "Running"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name(pod), "namespace": NS},
        }
        return await self.client.create(PODS, body, NS, name=name(pod), subresource="eviction")

    async def migrations(self):
        return (await self.client.list(MIGRATIONS, NS)).items


@pytest.fixture
async def guest():
    """A cluster with everything but pools, at pace instant."""
    async with Cluster(
        clock=ManualClock(), nodes=2, seed=1, without=["pool-controller", "service-accounts"]
    ) as cluster:
        await cluster.settle()
        yield Guest(cluster)


async def test_v213_eviction_moves_the_guest(guest):
    """V-213: the eviction is refused with 429, the guest marked, moved by an evacuation, and then stays."""
    before = await guest.start(strategy="LiveMigrate")
    node = before["status"]["nodeName"]
    with pytest.raises(ApiError) as refused:
        await guest.evict()
    assert refused.value.code == 429
    assert 'Eviction triggered evacuation of VMI "default/vm"' in refused.value.message
    await guest.cluster.settle()
    after = await guest.vmi()
    assert (uid(after), after["status"]["phase"]) == (uid(before), "Running")
    assert after["status"]["nodeName"] != node
    assert "evacuationNodeName" not in after["status"]
    assert condition(after, "EvictionRequested") is None
    (migration,) = await guest.migrations()
    assert name(migration).startswith("kubevirt-evacuation-")
    assert annotations(migration)["kubevirt.io/evacuationMigration"] == node
    assert migration["spec"] == {"vmiName": "vm", "priority": "system-critical"}
    told = [(one["reason"], one["message"]) for one in (await guest.client.list(EVENTS, NS)).items]
    assert ("SuccessfulCreate", f"Created Migration {name(migration)}") in told


@pytest.mark.parametrize(("verb", "deed"), [("patch", "marking"), ("get", "getting")])
async def test_v213_guests_that_cannot_be_marked(guest, verb, deed):
    """V-213: what keeps KubeVirt from marking a guest keeps its pod, too, and evictions are to be tried again."""
    await guest.start(strategy="LiveMigrate")
    faults = guest.cluster.faults
    faults.add(client="*virt-api", verb=verb, kind="vmi", status=500, message="no", times=None)
    with pytest.raises(ApiError) as refused:
        await guest.evict()
    assert refused.value.code == 429
    what = "the vmi for eviction" if verb == "patch" else "the vmi"
    assert f"kubevirt failed {deed} {what}: no" in refused.value.message


async def test_v213_marks_while_it_moves(guest):
    """V-213: until the guest has moved it says that it is to leave, and evictions are told so."""
    node = (await guest.start(strategy="LiveMigrate", fate="migration-takes=60s"))["status"]["nodeName"]
    with pytest.raises(ApiError):
        await guest.evict()
    await guest.cluster.settle()
    vmi = await guest.vmi()
    assert vmi["status"]["evacuationNodeName"] == node
    asked = condition(vmi, "EvictionRequested")
    assert (asked["status"], asked["reason"], asked["message"]) == (
        "True",
        "EvictionRequested",
        "VMI is marked for eviction",
    )
    source = next(one for one in await guest.pods() if dig(one, "spec", "nodeName") == node)
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name(source), "namespace": NS},
    }
    with pytest.raises(ApiError, match="Evacuation in progress: "):
        await guest.client.create(PODS, body, NS, name=name(source), subresource="eviction")
    await guest.cluster.advance(61)
    assert (await guest.vmi())["status"]["nodeName"] != node
    assert len(await guest.migrations()) == 1


async def test_the_launcher_that_was_left_may_go(guest):
    """Once the guest has moved, what it left behind is evicted, and the guest stays where it is now."""
    before = await guest.start(strategy="LiveMigrate")
    (launcher,) = await guest.pods()
    with pytest.raises(ApiError):
        await guest.evict()
    await guest.cluster.advance(5)
    after = await guest.vmi()
    assert after["status"]["nodeName"] != before["status"]["nodeName"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name(launcher), "namespace": NS},
    }
    path = f"/api/v1/namespaces/{NS}/pods/{name(launcher)}/eviction"
    assert (await guest.client.request("POST", path, body=eviction)).status == 201
    await guest.cluster.advance(60)
    assert [name(one) for one in await guest.pods()] != [name(launcher)]
    assert (await guest.vmi())["status"]["nodeName"] == after["status"]["nodeName"]
    assert len((await guest.client.list(MIGRATIONS, NS)).items) == 1


async def test_evacuation_is_tried_again(guest):
    """A failed evacuation is followed by another at once, which waits 20 s, then 40 s, and says that it does."""
    await guest.start(strategy="LiveMigrate", fate="fail-migration")
    with pytest.raises(ApiError):
        await guest.evict()
    await guest.cluster.settle()
    phases = []
    for seconds in (15, 6, 30, 11):
        phases.append(sorted(one["status"]["phase"] for one in await guest.migrations()))
        await guest.cluster.advance(seconds)
    waiting = [["Failed"] * failed + ["Pending"] for failed in (1, 2, 3)]
    assert phases == [waiting[0], waiting[0], waiting[1], waiting[1]]
    assert sorted(one["status"]["phase"] for one in await guest.migrations()) == waiting[2]
    told = {(one["reason"], one["message"]) for one in (await guest.client.list(EVENTS, NS)).items}
    assert ("MigrationBackoff", "backoff migrating vmi default/vm") in told


async def test_v214_strategy_none(guest):
    """V-214: without a strategy the pod may go, and the guest with it."""
    before = await guest.start(strategy="None")
    await guest.evict()
    await guest.cluster.settle()
    assert await guest.migrations() == []
    assert uid(await guest.vmi()) != uid(before)


async def test_f32_eviction_of_a_guest_that_cannot_move(guest):
    """F-32: the eviction is refused, nothing else happens, and a drain is blocked."""
    before = await guest.start(strategy="LiveMigrate", masquerade=False)
    with pytest.raises(ApiError) as refused:
        await guest.evict()
    assert refused.value.code == 429
    text = "VMI vm is configured with an eviction strategy but is not live-migratable"
    assert text in refused.value.message
    await guest.cluster.settle()
    assert (await guest.vmi())["status"] == before["status"]
    assert await guest.migrations() == []


async def test_f24_node_lost(guest):
    """F-24: on a lost node a guest is not ready, its launcher lingers after 300 s, and it runs elsewhere once that is removed."""
    before = await guest.start(strategy="None")
    node = before["status"]["nodeName"]
    fate = {"metadata": {"annotations": {"fakekube.io/fate": "no-heartbeat"}}}
    await guest.client.patch(NODES, node, None, fate, type="merge")
    silent = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    await guest.client.patch(NODES, node, None, silent, type="strategic", subresource="status")
    await guest.cluster.advance(10)
    vmi, (pod,) = await guest.vmi(), await guest.pods()
    assert (condition(pod, "Ready")["status"], condition(vmi, "Ready")["status"]) == ("False", "False")
    assert (vmi["status"]["phase"], is_terminating(pod)) == ("Running", False)
    await guest.cluster.advance(600)
    vmi, (pod,) = await guest.vmi(), await guest.pods()
    assert (uid(vmi), vmi["status"]["phase"], is_terminating(pod)) == (uid(before), "Running", True)
    vm = await guest.client.get(VIRTUAL_MACHINES, "vm", NS)
    assert (vm["status"]["printableStatus"], vm["status"].get("ready")) == ("Running", None)
    marks = (await guest.client.get(NODES, node))["metadata"]["labels"]
    assert marks["kubevirt.io/schedulable"] == "false"
    await guest.client.delete(PODS, name(pod), NS, grace_seconds=0)
    await guest.cluster.advance(5)
    after = await guest.vmi()
    assert (uid(after) != uid(before), after["status"]["phase"]) == (True, "Running")
    assert after["status"]["nodeName"] != node


async def test_drain_taint(guest):
    """A node with the drain taint is left by guests that may move."""
    node = (await guest.start(strategy="LiveMigrate"))["status"]["nodeName"]
    taint = {"spec": {"taints": [{"key": "kubevirt.io/drain", "effect": "NoSchedule"}]}}
    await guest.client.patch(NODES, node, None, taint, type="merge")
    await guest.cluster.settle()
    assert (await guest.vmi())["status"]["nodeName"] != node
    (migration,) = await guest.migrations()
    assert migration["status"]["phase"] == "Succeeded"


async def test_a_guest_with_two_launchers_stays(guest):
    """No evacuation is begun while another launcher of the guest is still to end; it is, once that has."""
    vmi = await guest.start(strategy="LiveMigrate")
    (launcher,) = await guest.pods()
    meta = {key: launcher["metadata"][key] for key in ("namespace", "annotations", "ownerReferences")}
    marks = {**launcher["metadata"]["labels"], "kubevirt.io/migrationJobUID": "some-other"}
    spec = {"containers": [{"name": "compute", "image": "x"}], "nodeSelector": {"no": "where"}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "name": "other", "labels": marks}}
    await guest.client.create(PODS, {**body, "spec": spec})
    await guest.cluster.settle()
    with pytest.raises(ApiError):
        await guest.evict()
    await guest.cluster.advance(30)
    assert await guest.migrations() == []
    await guest.client.delete(PODS, "other", NS, grace_seconds=0)
    await guest.cluster.advance(2)
    (migration,) = await guest.migrations()
    assert migration["status"]["phase"] == "Succeeded"
    assert (await guest.vmi())["status"]["nodeName"] != vmi["status"]["nodeName"]


async def test_who_cannot_leave_is_told_of_again(guest):
    """On a node with the drain taint a guest that cannot move says so every minute."""
    vmi = await guest.start(strategy="LiveMigrate", masquerade=False)
    taint = {"spec": {"taints": [{"key": "kubevirt.io/drain", "effect": "NoSchedule"}]}}
    await guest.client.patch(NODES, vmi["status"]["nodeName"], None, taint, type="merge")
    await guest.cluster.settle()
    counts = []
    for _ in range(3):
        (told,) = [
            one
            for one in (await guest.client.list(EVENTS, NS)).items
            if one["message"] == "VirtualMachineInstance is not migrateable"
        ]
        assert (told["type"], told["reason"]) == ("Normal", "FailedCreate")
        counts.append(told["count"])
        await guest.cluster.advance(60)
    assert counts == [1, 2, 3]
    assert await guest.migrations() == []


async def test_f40_f47_migrations_that_are_refused(guest):
    """F-40, F-47: what cannot move is refused, and so is a second migration beside an active one."""
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration"}
    wanted = {
        **kind,
        "metadata": {"generateName": "m-", "namespace": NS},
        "spec": {"vmiName": "vm"},
    }
    await guest.start(strategy="None", fate="migration-takes=60s")
    await guest.client.create(MIGRATIONS, wanted)
    await guest.cluster.settle()
    (active,) = await guest.migrations()
    text = rf"in-flight migration detected. Active migration job \({uid(active)}\) is currently already in progress"
    with pytest.raises(ApiError, match=text):
        await guest.client.create(MIGRATIONS, wanted)
    await guest.client.delete(VIRTUAL_MACHINES, "vm", NS)
    await guest.cluster.advance(120)
    await guest.start(strategy="None", masquerade=False)
    before = (await guest.vmi())["status"]
    fixed = condition(await guest.vmi(), "LiveMigratable")
    assert fixed["status"] == "False"
    text = f"Cannot migrate VMI, Reason: {fixed['reason']}, Message: {fixed['message']}"
    with pytest.raises(ApiError) as refused:
        await guest.client.create(MIGRATIONS, wanted)
    assert text in refused.value.message
    path = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/virtualmachines/vm/migrate"
    with pytest.raises(ApiError) as refused:
        await guest.client.request("PUT", path, body={})
    assert (refused.value.code, text in refused.value.message) == (500, True)
    assert (await guest.vmi())["status"] == before


async def test_v215_kubevirt_is_deployed(guest):
    """V-215: the KubeVirt object tells that everything is in place."""
    found = await guest.client.get(KUBEVIRTS, "kubevirt", "kubevirt")
    status = found["status"]
    available = condition(found, "Available")
    assert (status["phase"], available["status"], available["reason"]) == (
        "Deployed",
        "True",
        "AllComponentsReady",
    )
    assert status["observedGeneration"] == found["metadata"]["generation"]
    assert status["defaultArchitecture"] == "amd64"
