"""Upstream's functional specs of evictions: blocked or let through, told, moved away, and drained nodes.

Origin: kubevirt: tests/migration/{eviction_strategy,evacuation}.go, pkg/virt-controller/watch/{vm,vmi}
"""

from typing import Any

import pytest

from tests.upstream import guests
from tests.upstream.conftest import MERGE_PATCH, Make, Suite, conditions
from tests.upstream.guests import (
    MIGRATIONS,
    NODES,
    NS,
    PODS,
    VMIS,
    Guest,
    Migration,
    guest,
    migrate,
    migrated,
)

FAILS = "kubevirt.io/func-test-force-launcher-migration-failure"
EVACUATION = {"kubevirt.io/evacuationMigration": "node"}
LEAVING = "descheduler.alpha.kubernetes.io/eviction-in-progress"
SPARED, OUTDATED = "descheduler.alpha.kubernetes.io/prefer-no-eviction", "kubevirt.io/outdatedLauncherImage"
LIVE = {"evictionStrategy": "LiveMigrate"}


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of(pace="realistic"))


async def evicted(vmi: Guest) -> None:
    status, answer = await vmi.evict()
    assert (status, answer["reason"]) == (429, "TooManyRequests")
    assert "Eviction triggered evacuation of VMI" in answer["message"]


async def has_left(vmi: Guest, node: str, seconds: float = 180) -> None:
    async def look() -> bool:
        status = (await vmi.vmi())["status"]
        moved = status["nodeName"] != node and status.get("migrationState", {}).get("sourceNode") == node
        assert status["phase"] == "Running"
        return moved and not status.get("evacuationNodeName")

    await vmi.suite.eventually(look, seconds)


async def drained(suite: Suite, node: str, key: str = "kubevirt.io/drain") -> None:
    """What the specs' drain does: taint the node and evict the launchers that are there."""
    await guests.taint(suite, node, key)
    for pod in await suite.items(PODS, "kubevirt.io=virt-launcher", fieldSelector=f"spec.nodeName={node}"):
        await Guest(suite, "").evict(pod["metadata"]["name"])


@pytest.mark.parametrize("cluster_wide", [False, True])
async def test_blocked_and_moved(suite: Suite, cluster_wide: bool) -> None:
    """[3242] [10155] Refused as too many requests; the guest moves, and nothing of it is left in its status."""
    if cluster_wide:
        await guests.configure(suite, evictionStrategy="LiveMigrate")
    vmi = await guests.instance(suite, guest("", **({} if cluster_wide else LIVE)))
    node = await vmi.node()
    await evicted(vmi)
    await has_left(vmi, node, 60)


async def test_let_through(suite: Suite) -> None:
    """[10156] Where an instance says None, whatever the cluster says."""
    await guests.configure(suite, evictionStrategy="LiveMigrate")
    vmi = await guests.instance(suite, guest("", evictionStrategy="None"))
    status, _ = await vmi.evict()
    assert status == 201
    assert not (await vmi.vmi())["status"].get("evacuationNodeName")


async def test_marks_on_the_launcher(suite: Suite) -> None:
    """The source says that it is being evicted, the target never does; there is one migration."""
    vmi = await guests.instance(suite, guest("cirros", **LIVE))
    source = f"{PODS}/{(await vmi.pod())['metadata']['name']}"
    assert "EvictionRequested" not in conditions(await vmi.vmi())
    await evicted(vmi)

    async def marked() -> bool:
        return LEAVING in (await suite.get(source))["metadata"]["annotations"]

    await suite.eventually(marked, 20)
    found = await vmi.has("EvictionRequested", seconds=30)
    (told,) = [one for one in found["status"]["conditions"] if one["type"] == "EvictionRequested"]
    assert (told["reason"], told["message"]) == ("EvictionRequested", "VMI is marked for eviction")
    assert found["status"]["evacuationNodeName"] == found["status"]["nodeName"]

    async def succeeded() -> bool:
        (one,) = await suite.items(MIGRATIONS, f"kubevirt.io/vmi-name in ({vmi.name})")
        return one["status"]["phase"] == "Succeeded"

    await suite.eventually(succeeded, 60)
    await vmi.has("EvictionRequested", "", seconds=30)
    target = await vmi.pod()
    assert f"{PODS}/{target['metadata']['name']}" != source
    assert LEAVING not in target["metadata"]["annotations"]


async def test_spared_by_a_descheduler(suite: Suite) -> None:
    """What a machine's template says to a descheduler reaches its running guest and that one's launcher, and goes again; nobody
    asks for a restart. So does the mark of an old release."""
    vmi = await guests.machine(suite, guest("cirros"), template_meta={"annotations": {SPARED: "true"}})

    async def told(member: str, own: str) -> tuple[Any, Any]:
        return tuple(one["metadata"][member].get(own) for one in (await vmi.vmi(), await vmi.pod()))  # type: ignore[return-value]

    assert await told("annotations", SPARED) == ("true", "true")
    for wanted in ("false", None, ""):
        marks = {"spec": {"template": {"metadata": {"annotations": {SPARED: wanted}}}}}
        await suite.patch(vmi.vm_path, marks, MERGE_PATCH)

        async def followed(wanted: str | None = wanted) -> bool:
            return await told("annotations", SPARED) == (wanted, wanted)

        await suite.eventually(followed, 30)
    assert "RestartRequired" not in conditions(await vmi.vm())
    pod = f"{PODS}/{(await vmi.pod())['metadata']['name']}"
    await suite.patch(
        pod, {"metadata": {"labels": {OUTDATED: ""}, "annotations": {SPARED: "x"}}}, MERGE_PATCH
    )

    async def put_right() -> bool:
        return await told("labels", OUTDATED) == (None, None) and await told("annotations", SPARED) == (
            "",
            "",
        )

    await suite.eventually(put_right, 30)


async def test_marks_while_it_fails(suite: Suite) -> None:
    """Condition and mark stay while the guest is still to leave."""
    vmi = await guests.instance(suite, guest("cirros", **LIVE), annotations={FAILS: ""})
    source = f"{PODS}/{(await vmi.pod())['metadata']['name']}"
    await evicted(vmi)

    async def failed() -> bool:
        found = await suite.items(MIGRATIONS, f"kubevirt.io/vmi-name in ({vmi.name})")
        return any(one.get("status", {}).get("phase") == "Failed" for one in found)

    await suite.eventually(failed, 60)

    async def still() -> bool:
        found = await vmi.vmi()
        marked = LEAVING in (await suite.get(source))["metadata"]["annotations"]
        return marked and conditions(found).get("EvictionRequested") == "True"

    await suite.consistently(still, 30)
    found = await vmi.vmi()
    assert found["status"]["evacuationNodeName"] == found["status"]["nodeName"]
    target = await suite.get(f"{PODS}/{found['status']['migrationState']['targetPod']}")
    assert LEAVING not in target["metadata"]["annotations"]


async def test_back_off(suite: Suite) -> None:
    """A second attempt waits and tells so; one that succeeds clears the slate."""
    vmi = await guests.instance(suite, guest("cirros", **LIVE), annotations={FAILS: ""})
    for _ in range(2):
        migration = await migrate(vmi, marks=EVACUATION)
        await migration.is_in("Failed")
    assert "MigrationBackoff" in await vmi.events()
    await suite.patch(vmi.path, {"metadata": {"annotations": {FAILS: None}}}, MERGE_PATCH)
    migration = await migrate(vmi, marks=EVACUATION)
    await migration.succeeds()
    for one in await suite.items(guests.EVENTS, fieldSelector="reason=MigrationBackoff"):
        await suite.delete(f"{guests.EVENTS}/{one['metadata']['name']}")
    migration = await migrate(vmi, marks=EVACUATION)
    await migration.succeeds()
    assert "MigrationBackoff" not in await vmi.events()


async def test_no_back_off(suite: Suite) -> None:
    """Migrations that are marked so begin at once, however many failed before."""
    vmi = await guests.instance(suite, guest("cirros", **LIVE), annotations={FAILS: ""})
    ignored = {**EVACUATION, "kubevirt.io/func-test-ignore-migration-backoff": ""}
    for _ in range(2):
        migration = await migrate(vmi, marks=ignored)
        await migration.is_in("Failed")
    assert "MigrationBackoff" not in await vmi.events()


async def test_old_budgets(suite: Suite) -> None:
    """[7680] What an old virt-controller made for an instance is deleted; what others made is not."""
    vmi = await guests.instance(suite, guest("", **LIVE))
    found = await vmi.vmi()
    owner = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "name": vmi.name,
        "uid": found["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    budgets = f"/apis/policy/v1/namespaces/{NS}/poddisruptionbudgets"
    selector = {"matchLabels": {"kubevirt.io/created-by": found["metadata"]["uid"]}}
    meta = {"generateName": "kubevirt-disruption-budget-", "ownerReferences": [owner]}
    spec = {"minAvailable": 2, "selector": selector}
    old = await suite.create(budgets, {"metadata": meta, "spec": spec})
    mine = await suite.create(budgets, {"metadata": {"name": "mine"}, "spec": spec})

    async def only_mine() -> bool:
        left = await suite.items(budgets)
        return [one["metadata"]["uid"] for one in left] == [mine["metadata"]["uid"]]

    await suite.eventually(only_mine, 60)
    text = f"Deleted PodDisruptionBudget {old['metadata']['name']}"

    async def told() -> bool:
        events = await suite.items(f"/api/v1/namespaces/{NS}/events")
        found = [one for one in events if one["message"] == text]
        return [
            (one["source"]["component"], one["reason"], one["involvedObject"]["name"]) for one in found
        ] == [("disruptionbudget-controller", "SuccessfulDelete", vmi.name)]

    await suite.eventually(told, 60)


async def test_both_launchers_are_protected(suite: Suite) -> None:
    """[3244] Source and target, for as long as the migration runs."""
    vmi = await guests.instance(suite, guest("fedora", memory="512Mi", **LIVE))
    migration = await migrate(vmi)

    async def two() -> bool:
        return len(await vmi.pods(fieldSelector="status.phase==Running")) == 2

    await suite.eventually(two, 90, every=0.5)
    names = [one["metadata"]["name"] for one in await vmi.pods()]

    async def over() -> bool:
        phase = await migration.phase()
        assert phase != "Failed"
        for name in names:
            pod = await suite.get(f"{PODS}/{name}")
            if pod["status"]["phase"] == "Running" and phase != "Succeeded":
                assert (await vmi.evict(name))[0] == 429
        return phase == "Succeeded"

    await suite.eventually(over, 180, every=0.5)


@pytest.mark.parametrize("key", ["kubevirt.io/drain", "kubevirt.io/alt-drain"])
async def test_drained_once(suite: Suite, key: str) -> None:
    """[6982] [2221] [2222] One migration for a drained node, whatever the taint is configured to be."""
    if key != "kubevirt.io/drain":
        await guests.configure(suite, migrations={"nodeDrainTaintKey": key})
    vmi = await guests.instance(suite, guest("fedora", **LIVE))
    node = await vmi.node()
    await guests.taint(suite, node, key)
    await has_left(vmi, node)

    async def one_only() -> bool:
        return len(await suite.items(MIGRATIONS)) == 1

    await suite.consistently(one_only, 20)


async def test_different_strategies(suite: Suite) -> None:
    """[2224] On a drained node two machines migrate, the third is shut down and started elsewhere."""
    first = (await suite.items(NODES))[0]["metadata"]["name"]
    hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [first]}
    near = {"weight": 1, "preference": {"matchExpressions": [hostname]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [near]}}
    machines = [
        await guests.machine(suite, guest("", evictionStrategy=strategy, affinity=affinity), f"vm-{number}")
        for number, strategy in enumerate(("LiveMigrate", "LiveMigrate", "None"))
    ]
    assert {await one.node() for one in machines} == {first}
    await drained(suite, first)

    async def elsewhere() -> bool:
        for one in machines:
            status, found = await suite.call("GET", one.path)
            if status == 404 or found["status"].get("nodeName", first) == first:
                return False
        return True

    await suite.eventually(elsewhere, 180)
    assert [bool((await one.state()).get("sourceNode")) for one in machines] == [True, True, False]


async def test_two_at_a_time(suite: Suite) -> None:
    """[3245] Of four guests of a tainted node never more than two migrate at once; all tell their new addresses."""
    source, target = [one["metadata"]["name"] for one in await suite.items(NODES)]
    await guests.label_node(suite, source, {"test": "target"})
    vmis = [
        await guests.instance(suite, guest("", nodeSelector={"test": "target"}, **LIVE), f"vmi-{number}")
        for number in range(4)
    ]
    await guests.label_node(suite, target, {"test": "target"})
    await guests.taint(suite, source)

    async def moved() -> bool:
        running = [
            one
            for one in await suite.items(MIGRATIONS)
            if one.get("status", {}).get("phase", "") not in ("", "Pending", "Succeeded", "Failed")
        ]
        assert len(running) <= 2
        return {one["status"]["nodeName"] for one in await suite.items(VMIS)} == {target}

    await suite.eventually(moved, 240)
    for vmi in vmis:

        async def told(one: Guest = vmi) -> bool:
            (interface,) = (await one.vmi())["status"]["interfaces"]
            return interface["ipAddresses"] == [ip["ip"] for ip in (await one.pod())["status"]["podIPs"]]

        await suite.eventually(told, 60)


async def test_if_possible(suite: Suite) -> None:
    """A guest that moves if possible does; what says so of migrations it can be asked for, too."""
    vmi = await guests.instance(suite, guest(evictionStrategy="LiveMigrateIfPossible"))
    migration: Migration = await migrate(vmi)
    await migration.succeeds()
    await migrated(vmi, migration)
