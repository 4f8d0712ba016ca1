"""Upstream's functional specs of live migration, as journeys: settings and policies, cancelling, failing, target nodes.

Origin: kubevirt: tests/migration/{migration,nodeselector,paused,postcopy,priority}.go, tests/libmigration/migration.go
"""

import asyncio

import aiohttp
import pytest

from fakekube.clock import parse_rfc3339
from fakekube.virt import quantities
from tests.upstream import consoles, guests, launchers
from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, Make, Refused, Suite, conditions
from tests.upstream.guests import NODES, NS, PODS, Guest, guest, migrate, migrated, migration_failed

BLOCKED = "kubevirt.io/func-test-block-migration-target-preparation"
FAILS = "kubevirt.io/func-test-force-launcher-migration-failure"
IMAGE = "kubevirt.io/func-test-migration-target-image-override"
PENDING_TIMEOUT = "kubevirt.io/migrationPendingPodTimeoutSeconds"
UNSCHEDULABLE_TIMEOUT = "kubevirt.io/migrationUnschedulablePodTimeoutSeconds"
SLOW = {"slow": "true"}


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of(pace="realistic"))


async def test_again_and_again(suite: Suite) -> None:
    """[1783] [6969] [9795] [1853] Four times in a row; state and addresses are those of the last, in both objects."""
    vmi = await guests.instance(suite, guest())
    for _ in range(4):
        migration = await migrate(vmi)
        await migration.succeeds()
        found = await migrated(vmi, migration)
        kept = (await suite.get(migration.path))["status"]["migrationState"]
        members = ("startTimestamp", "endTimestamp", "completed", "migrationUid")
        assert {one: kept[one] for one in members} == {
            one: found["status"]["migrationState"][one] for one in members
        }
        (interface,) = found["status"]["interfaces"]
        assert interface["ipAddresses"] == [one["ip"] for one in (await vmi.pod())["status"]["podIPs"]]


async def test_paused_guests(suite: Suite) -> None:
    """[6973] A paused guest stays paused, and can be unpaused where it has gone."""
    vmi = await guests.instance(suite, guest())
    assert await vmi.act("pause") == ""
    await vmi.has("Paused", seconds=30)
    migration = await migrate(vmi)
    await migration.succeeds()
    await migrated(vmi, migration)
    await vmi.has("Paused", seconds=0)
    assert await vmi.act("unpause") == ""
    await vmi.has("Paused", "", seconds=30)


async def test_what_cannot_migrate(suite: Suite) -> None:
    """[3226] [1862] A guest bridged to the pod network, and one on a claim of its own; they say so themselves."""
    spec = guest()
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", "bridge": {}}]
    bridged = await guests.instance(suite, spec, "bridged")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = f"/api/v1/namespaces/{NS}/persistentvolumeclaims"
    await suite.create(claims, {"metadata": {"name": "own"}, "spec": claim})
    spec = guest()
    spec["volumes"] = [{"name": "disk0", "persistentVolumeClaim": {"claimName": "own"}}]
    alone = await guests.instance(suite, spec, "alone")
    for one, reason in ((bridged, "InterfaceNotLiveMigratable"), (alone, "DisksNotLiveMigratable")):
        assert conditions(await one.vmi())["LiveMigratable"] == "False"
        with pytest.raises(Refused, match=reason):
            await migrate(one)


async def test_read_only_disks_and_the_method(suite: Suite) -> None:
    """A shared claim and read-only CD-ROMs: the method is LiveMigration."""
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = f"/api/v1/namespaces/{NS}/persistentvolumeclaims"
    await suite.create(claims, {"metadata": {"name": "shared"}, "spec": {**claim, "volumeMode": "Block"}})
    spec = guest(memory="1Gi")
    spec["volumes"] = [
        {"name": "disk0", "persistentVolumeClaim": {"claimName": "shared"}},
        *(
            {"name": one, "containerDisk": {"image": "registry:5000/kubevirt/alpine:devel"}}
            for one in ("a", "b")
        ),
    ]
    spec["domain"]["devices"]["disks"] += [
        {"name": "a", "cdrom": {"bus": "sata"}},
        {"name": "b", "cdrom": {"bus": "scsi"}},
    ]
    vmi = await guests.instance(suite, spec)
    migration = await migrate(vmi)
    await migration.succeeds()
    assert (await migrated(vmi, migration))["status"]["migrationMethod"] == "LiveMigration"


async def test_bandwidth(suite: Suite) -> None:
    """[6968] Less of it, and the same guest takes more than twice as long."""
    vmi = await guests.instance(suite, guest())
    taken = []
    for bandwidth in ("10Mi", "128Mi"):
        await guests.configure(suite, migrations={"bandwidthPerMigration": bandwidth})
        migration = await migrate(vmi)
        await migration.succeeds()
        state = (await migrated(vmi, migration))["status"]["migrationState"]
        begun, ended = (parse_rfc3339(state[one]) for one in ("startTimestamp", "endTimestamp"))
        taken.append((ended - begun).total_seconds())
        assert state["migrationConfiguration"]["bandwidthPerMigration"] == bandwidth
    assert taken[1] * 2 < taken[0]


@pytest.mark.parametrize("defined", [True, False])
async def test_policies(suite: Suite, defined: bool) -> None:
    """A policy that fits overrides the cluster's settings and is named; without one nothing is named."""
    await guests.configure(suite, migrations={"allowAutoConverge": True})
    if defined:
        await guests.policy(suite, {"fits": "yes"}, allowAutoConverge=False)
        await guests.policy(suite, {"fits": "no"}, "testpolicy-other", allowAutoConverge=True)
    vmi = await guests.instance(suite, guest(), labels={"fits": "yes"})
    migration = await migrate(vmi)
    await migration.succeeds(180)
    state = (await migrated(vmi, migration))["status"]["migrationState"]
    assert state.get("migrationPolicyName") == ("testpolicy-abcde" if defined else None)
    assert state["migrationConfiguration"]["allowAutoConverge"] is not defined


@pytest.mark.parametrize("by_policy", [True, False])
@pytest.mark.parametrize(
    ("mode", "settings"),
    [
        ("PostCopy", {"allowPostCopy": True, "completionTimeoutPerGiB": 1, "bandwidthPerMigration": "5Mi"}),
        (
            "Paused",
            {"allowWorkloadDisruption": True, "completionTimeoutPerGiB": 20, "bandwidthPerMigration": "10Mi"},
        ),
    ],
)
async def test_what_takes_too_long_is_hastened(
    suite: Suite, mode: str, settings: dict[str, object], by_policy: bool
) -> None:
    """[4747] By post-copy or by pausing the guest, which runs again afterwards; told in the mode."""
    if by_policy:
        await guests.policy(suite, SLOW, **settings)
    else:
        await guests.configure(suite, migrations=settings)
    vmi = await guests.instance(suite, guest("fedora", memory="512Mi"), labels=SLOW)
    await vmi.has("AgentConnected", seconds=720)
    migration = await migrate(vmi)

    async def hastened() -> bool:
        return (await vmi.state()).get("mode") == mode

    await suite.eventually(hastened, 300)
    if mode == "Paused":
        await vmi.has("Paused", seconds=0)
    await migration.succeeds(100)
    await migrated(vmi, migration)
    assert (await vmi.state())["mode"] == mode
    await vmi.has("Paused", "", seconds=30)


async def test_what_takes_too_long_is_aborted(suite: Suite) -> None:
    """[2227] The reason says so; the guest stays where it is."""
    slow = {"progressTimeout": 5, "completionTimeoutPerGiB": 5, "bandwidthPerMigration": "1"}
    await guests.configure(suite, migrations=slow)
    vmi = await guests.instance(suite, guest("fedora", memory="1Gi"))
    migration = await migrate(vmi)
    await migration.is_in("Failed", 180)
    assert "has been aborted" in await migration_failed(vmi, migration)


async def test_failures_and_what_is_kept(suite: Suite) -> None:
    """[6979] Targets exit soon after a failure, and of ten final migrations five are kept."""
    vmi = await guests.instance(suite, guest("fedora", memory="1Gi"), annotations={FAILS: ""})
    for _ in range(10):
        migration = await migrate(vmi)
        await migration.is_in("Failed", 180)
        assert (
            await migration_failed(vmi, migration) == "Failed migration to satisfy functional test condition"
        )
        target = (await vmi.state())["targetPod"]

        async def exited(path: str = f"{PODS}/{target}") -> bool:
            return (await suite.get(path))["status"]["phase"] in ("Failed", "Succeeded")

        await suite.eventually(exited, 10)
    assert len(await suite.items(guests.MIGRATIONS)) == 5


async def test_a_target_killed_while_it_is_prepared(suite: Suite) -> None:
    """[6980] The migration's state is final at once: failed, with both times."""
    vmi = await guests.instance(suite, guest("fedora", memory="1Gi"), annotations={BLOCKED: ""})
    migration = await migrate(vmi)
    await migration.is_in("PreparingTarget", 120)
    await suite.delete(f"{PODS}/{(await vmi.state())['targetPod']}", {})

    async def failed() -> bool:
        state = await vmi.state()
        if not state.get("failed"):
            return False
        assert all(state[one] for one in ("startTimestamp", "endTimestamp", "completed"))
        return True

    await suite.eventually(failed, 120)


@pytest.mark.parametrize(
    ("marks", "schedulable"),
    [
        ({PENDING_TIMEOUT: "130", IMAGE: "quay.io/kubevirtci/some-fake-image:abc"}, True),
        ({UNSCHEDULABLE_TIMEOUT: "130"}, False),
    ],
)
async def test_a_target_that_does_not_get_going(
    suite: Suite, marks: dict[str, str], schedulable: bool
) -> None:
    """After the time its migration allows it is given up, not before."""
    spec = guest("fedora", memory="1Gi")
    if not schedulable:
        (first, _) = await suite.items(NODES)
        hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [first["metadata"]["name"]]}
        required = {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    vmi = await guests.instance(suite, spec)
    migration = await migrate(vmi, marks=marks)
    await migration.is_in("Scheduling", 60)
    if not schedulable:
        name = migration.path.rpartition("/")[2]

        async def told() -> bool:
            found = await suite.items(guests.EVENTS, fieldSelector=f"involvedObject.name={name}")
            return "migrationTargetPodUnschedulable" in [one["reason"] for one in found]

        await suite.eventually(told, 60)

    async def goes_on() -> bool:
        return await migration.phase() != "Failed"

    await suite.consistently(goes_on, 60, every=10)
    await migration.is_in("Failed", 120)


async def test_cancelling(suite: Suite) -> None:
    """[2226] [3241] Deleted while it runs: aborted, the target exits, the migration goes."""
    await guests.policy(suite, SLOW, bandwidthPerMigration="1Ki")
    vmi = await guests.instance(suite, guest("fedora", memory="512Mi"), labels=SLOW)
    migration = await migrate(vmi)
    await migration.is_in("Running", 180)
    await suite.delete(migration.path, {})

    async def aborted() -> bool:
        state = await vmi.state()
        return bool(state.get("completed"))

    await suite.eventually(aborted, 60)
    state = await vmi.state()
    assert (state["failed"], state["abortStatus"], state["abortRequested"]) == (True, "Succeeded", True)
    assert state["sourceNode"] == await vmi.node()
    target = state["targetPod"]

    async def exited() -> bool:
        left = [one for one in await vmi.pods() if one["metadata"]["name"] == target]
        return not left or left[0]["status"]["phase"] in ("Succeeded", "Failed")

    await suite.eventually(exited, 30)
    await migration.disappears(20)


async def test_cancelling_before_it_runs(suite: Suite) -> None:
    """[8584] No trace of it is left in the instance."""
    vmi = await guests.instance(suite, guest("fedora"))
    node = await vmi.node()
    migration = await migrate(vmi)
    await suite.delete(migration.path, {})
    await migration.disappears()
    found = await vmi.vmi()
    assert "migrationState" not in found["status"]
    assert (found["status"]["phase"], found["status"]["nodeName"]) == ("Running", node)


async def test_cancelling_what_has_nowhere_to_go(suite: Suite) -> None:
    """It stays at Scheduling; deleted it goes, and the source runs on."""
    first, _ = await suite.items(NODES)
    path = f"{NODES}/{first['metadata']['name']}"
    await suite.patch(path, [{"op": "add", "path": "/spec/unschedulable", "value": True}], JSON_PATCH)
    vmi = await guests.instance(suite, guest(""))
    source = await vmi.pod()
    migration = await migrate(vmi)
    await migration.is_in("Scheduling", 30)

    async def stuck() -> bool:
        return await migration.phase() == "Scheduling"

    await suite.consistently(stuck, 60, every=5)
    assert sorted(one["status"]["phase"] for one in await vmi.pods()) == ["Pending", "Running"]
    await suite.delete(migration.path, {})
    await migration.disappears(60)
    assert (await suite.get(f"{PODS}/{source['metadata']['name']}"))["status"]["phase"] == "Running"

    async def no_trace() -> bool:
        return await vmi.state() == {}

    await suite.consistently(no_trace, 30, every=5)


HOST_MODEL, MODEL, FEATURE = (
    f"{one}.node.kubevirt.io/" for one in ("host-model-cpu", "cpu-model-migration", "cpu-feature")
)


async def relabelled(suite: Suite, node: str, marks: dict[str, str | None]) -> None:
    """A node with other labels than its labeller would have, which is told to leave it alone."""
    skipped = {"metadata": {"annotations": {"node-labeller.kubevirt.io/skip-node": "true"}}}
    await suite.patch(f"{NODES}/{node}", skipped, MERGE_PATCH)
    await guests.label_node(suite, node, marks)


async def host_model(suite: Suite, node: str) -> str:
    marks = (await suite.get(f"{NODES}/{node}"))["metadata"]["labels"]
    (model,) = [one.removeprefix(HOST_MODEL) for one in marks if one.startswith(HOST_MODEL)]
    return model


@pytest.mark.parametrize("missing", ["", "model of the host", "models of all"])
async def test_host_models(suite: Suite, missing: str) -> None:
    """[6981] [7505] Targets must offer the source's CPU model; where no node does, the instance is told."""
    vmi = await guests.instance(suite, guest(domain={"cpu": {"model": "host-model"}}))
    own = await vmi.node()
    model = await host_model(suite, own)
    if not missing:
        migration = await migrate(vmi)
        await migration.succeeds()
        assert f"{MODEL}{model}" in (await vmi.pod())["spec"]["nodeSelector"]
        return
    if missing == "model of the host":
        await relabelled(suite, own, {f"{HOST_MODEL}{model}": None, f"{HOST_MODEL}fake-model": "true"})
    else:
        for node in await suite.items(NODES):
            models = dict.fromkeys(one for one in node["metadata"]["labels"] if one.startswith(MODEL))
            await relabelled(suite, node["metadata"]["name"], models)
    await migrate(vmi)
    await vmi.is_told("NoSuitableNodesForHostModelMigration")


async def test_hosts_of_different_models(suite: Suite) -> None:
    """A guest finds its way to a newer host and back, having asked everywhere for the CPU of its first one."""
    first, second = [one["metadata"]["name"] for one in await suite.items(NODES)]
    newer = {
        f"{HOST_MODEL}{await host_model(suite, second)}": None,
        f"{HOST_MODEL}fakeHostModel": "true",
        "host-model-required-features.node.kubevirt.io/fakeFeature": "true",
    }
    await relabelled(suite, second, newer)
    preferred = {
        "weight": 1,
        "preference": {
            "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [first]}]
        },
    }
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}
    vmi = await guests.instance(
        suite, guest("fedora", domain={"cpu": {"model": "host-model"}}, affinity=affinity)
    )
    assert await vmi.node() == first
    asked = []
    for node in (second, first):
        migration = await migrate(vmi)
        await migration.succeeds()
        assert await vmi.node() == node
        selector = (await vmi.pod())["spec"]["nodeSelector"]
        asked.append({one: selector[one] for one in selector if one.startswith((MODEL, FEATURE))})
    assert asked[0] == asked[1]
    assert f"{MODEL}{await host_model(suite, first)}" in asked[1]


@pytest.mark.parametrize("root", [True, False])
async def test_to_another_user(suite: Suite, root: bool) -> None:
    """[8609] Who launchers run as follows the gate when a guest moves: from root to nobody, and the other way."""

    async def gate(*, opened: bool) -> None:
        gates = ["Root"] if opened else []
        await guests.configure(suite, developerConfiguration={"featureGates": gates})

    await gate(opened=root)
    vmi = await guests.instance(suite, guest("alpine"))
    users = ("0", "107") if root else ("107", "0")
    assert (await launchers.run(vmi, "id", "-u")).strip() == users[0]
    await gate(opened=not root)
    migration = await migrate(vmi)
    await migration.succeeds()
    await migrated(vmi, migration)
    assert (await launchers.run(vmi, "id", "-u")).strip() == users[1]
    found = await vmi.vmi()
    assert ("kubevirt.io/nonroot" in found["metadata"]["annotations"]) is root
    assert found["status"]["runtimeUser"] == int(users[1])


async def test_quotas(suite: Suite) -> None:
    """One that a quota leaves no room for says so in a condition; with more room it goes on at once, and succeeds."""
    vmi = await guests.instance(suite, guest("cirros", memory="200Mi"))
    has = (await vmi.pod())["spec"]["containers"][0]["resources"]["requests"]["memory"]
    quotas = f"/api/v1/namespaces/{NS}/resourcequotas"
    hard = {"hard": {"requests.memory": str(quantities.whole(has) + 50 * 2**20)}}
    await suite.create(quotas, {"metadata": {"name": "test-quota"}, "spec": hard})
    migration = await migrate(vmi)

    async def rejected() -> bool:
        return conditions(await suite.get(migration.path)).get("migrationRejectedByResourceQuota") == "True"

    await suite.eventually(rejected, 60)
    await suite.consistently(rejected, 120, every=10)
    await suite.delete(f"{quotas}/test-quota")
    await migration.is_in("Running", 20)
    assert not await rejected()
    await migration.succeeds()


@pytest.mark.parametrize(("size", "memory"), [("2Mi", "64Mi"), ("1Gi", "1Gi")])
async def test_huge_pages(suite: Suite, size: str, memory: str) -> None:
    """[6983] [6984] Targets ask for as many huge pages; CPUs and cells of its own hinder no guest either."""
    for node in await suite.items(NODES):
        there = {one: {f"hugepages-{size}": "4Gi"} for one in ("capacity", "allocatable")}
        await suite.patch(f"{NODES}/{node['metadata']['name']}/status", {"status": there}, MERGE_PATCH)
    pages = {"memory": {"hugepages": {"pageSize": size}}}
    pinned = {"cpu": {"sockets": 1, "cores": 3, "threads": 1, "dedicatedCpuPlacement": True}}
    cells = {"cpu": {**pinned["cpu"], "numa": {"guestMappingPassthrough": {}}}}
    for number, more in enumerate(({}, pinned, cells)):
        vmi = await guests.instance(suite, guest(memory=memory, domain={**pages, **more}), f"vmi-{number}")
        migration = await migrate(vmi)
        await migration.succeeds()
        await migrated(vmi, migration)
        resources = (await vmi.pod())["spec"]["containers"][0]["resources"]
        assert resources["limits"][f"hugepages-{size}"] == memory


async def test_threads_and_pages_that_are_reported(suite: Suite) -> None:
    """A guest that is copied by several threads, and reports the pages it does not need before and after."""
    marks = {"kubevirt.io/multiThreadedQemuMigration": "4"}
    vmi = await guests.instance(suite, guest("alpine-with-test-tooling"), annotations=marks)
    for moves in (True, False):
        balloon = (await launchers.domain(vmi)).find("devices/memballoon")
        assert balloon is not None
        assert balloon.get("freePageReporting") == "on"
        if moves:
            migration = await migrate(vmi)
            await migration.succeeds(180)
            await migrated(vmi, migration)
            assert (await vmi.state())["migrationConfiguration"]


async def three_nodes(suite_of: Make) -> tuple[Suite, Guest, str, str]:
    suite = await guests.a_namespace(await suite_of(nodes=3, pace="realistic"))
    for one in (await suite.items(NODES))[:2]:
        await guests.label_node(suite, one["metadata"]["name"], {"test/zone": "vmi"})
    vmi = await guests.instance(suite, guest("fedora", nodeSelector={"test/zone": "vmi"}))
    source = await vmi.node()
    target = next(
        one["metadata"]["name"] for one in (await suite.items(NODES))[:2] if one["metadata"]["name"] != source
    )
    return suite, vmi, source, target


async def test_added_selectors(suite_of: Make) -> None:
    """Only for that migration, and never against the instance's own; a later one knows nothing of them."""
    suite, vmi, source, target = await three_nodes(suite_of)
    await guests.label_node(suite, target, {"test/migration": "here"})
    migration = await migrate(vmi, addedNodeSelector={"test/migration": "here", "test/zone": "other"})
    await migration.succeeds()
    assert await vmi.node() == target
    assert (await vmi.vmi())["spec"]["nodeSelector"] == {"test/zone": "vmi"}
    selector = (await vmi.pod())["spec"]["nodeSelector"]
    assert (selector["test/zone"], selector["test/migration"]) == ("vmi", "here")
    migration = await migrate(vmi)
    await migration.succeeds()
    selector = (await vmi.pod())["spec"]["nodeSelector"]
    assert (selector["test/zone"], "test/migration" in selector, await vmi.node()) == ("vmi", False, source)


async def test_added_selectors_that_fit_nowhere(suite_of: Make) -> None:
    """The migration fails within six minutes, the next one without them succeeds."""
    _suite, vmi, source, target = await three_nodes(suite_of)
    migration = await migrate(vmi, addedNodeSelector={"test/migration": "broken"})
    await migration.is_in("Failed", 360)
    assert await vmi.node() == source
    migration = await migrate(vmi)
    await migration.succeeds()
    assert await vmi.node() == target


async def test_priorities(suite: Suite) -> None:
    """Who has to leave a node goes before those somebody moves, however late it comes."""
    await guests.configure(suite, migrations={"parallelMigrationsPerCluster": 1})
    await guests.policy(suite, SLOW, bandwidthPerMigration="1Ki")
    vmis = [
        await guests.instance(
            suite, guest("", evictionStrategy="LiveMigrate"), f"vmi-{number}", labels={} if number else SLOW
        )
        for number in range(5)
    ]
    slow = await migrate(vmis[0])
    await slow.is_in("Scheduling", 10)
    for one in vmis[1:3]:
        await migrate(one)
    for one in vmis[3:]:
        status, answer = await one.evict()
        assert status == 429
        assert "Eviction triggered evacuation of VMI" in answer["message"]

    async def queued() -> bool:
        return len(await suite.items(guests.MIGRATIONS)) >= 5

    await suite.eventually(queued, 30)
    await suite.delete(slow.path, {})
    begun = {}
    for number in range(1, 5):

        async def over(one: Guest = vmis[number]) -> str:
            return (await one.state()).get("endTimestamp", "")

        await suite.eventually(over, 240)
        begun[number] = (await vmis[number].state())["startTimestamp"]
    assert max(begun[3], begun[4]) < min(begun[1], begun[2])


async def test_guests_keep_their_time_and_their_users(suite: Suite) -> None:
    """[4114] [6975] Whoever was logged in stays so, the agent comes along, and the clock is the node's."""
    vmi = await guests.instance(suite, guest("fedora", memory="256M"))
    await vmi.has("AgentConnected", seconds=720)
    await consoles.login_to_fedora(vmi)
    assert await consoles.run(vmi, "date +%T -s 23:26:00")
    migration = await migrate(vmi)
    await migration.succeeds()
    await migrated(vmi, migration)
    await vmi.has("AgentConnected", seconds=720)
    assert await consoles.privileged(vmi)
    clock = (await launchers.run(vmi, "date", "+%H:%M")).strip()
    assert await consoles.told(vmi, "date +%H:%M") == clock


async def test_one_at_a_time(suite: Suite) -> None:
    """[6974] While one is on its way others are refused, however many come at once; it succeeds."""
    vmi = await guests.instance(suite, guest("fedora", memory="256M"))
    first = await migrate(vmi)
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration"}
    body |= {"metadata": {"generateName": "test-migration-"}, "spec": {"vmiName": vmi.name}}  # type: ignore[dict-item]
    answers = await asyncio.gather(*(suite.call("POST", guests.MIGRATIONS, body) for _ in range(10)))
    for status, answer in answers:
        assert status == 400
        assert (
            'admission webhook "migration-create-validator.kubevirt.io" denied the request: in-flight migration detected.'
            in answer["message"]
        )
    await first.succeeds()


@pytest.mark.parametrize("image", ["alpine", "cirros", "fedora"])
async def test_servers_move_along(suite: Suite, image: str) -> None:
    """A server in the guest is reached through its launcher, before it moves and afterwards."""
    vmi = await guests.instance(suite, guest(image), labels={"subdomain": "mysub"})
    await {
        "alpine": consoles.login_to_alpine,
        "cirros": consoles.login_to_cirros,
        "fedora": consoles.login_to_fedora,
    }[image](vmi)
    assert await consoles.run(vmi, "nc -klp 1500 -e printf 'Hello World!'&")
    for moves in (False, True):
        if moves:
            migration = await migrate(vmi)
            await migration.succeeds()
        url = f"{suite.url}{guests.SUBRESOURCES}/virtualmachineinstances/{vmi.name}/portforward/1500/tcp"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["plain.kubevirt.io"]) as socket,
        ):
            assert await socket.receive_bytes(timeout=30) == b"Hello World!"


async def test_other_sides(suite: Suite) -> None:
    """What a machine that waits as receiver has is an instance that waits, without a launcher; so do migrations of either side."""
    source = await guests.instance(suite, guest(), "source")
    receiver = await guests.machine(suite, guest(), "receiver", runStrategy="WaitAsReceiver")

    async def waits() -> bool:
        return (await receiver.vmi())["status"].get("phase") == "WaitingForSync"

    await suite.eventually(waits, 30)
    assert await receiver.pods() == []
    assert (await receiver.vm())["status"]["printableStatus"] == "WaitingForReceiver"
    receives = await migrate(receiver, receive={"migrationID": "mig-abcde"})
    sends = await migrate(source, sendTo={"migrationID": "mig-abcde", "connectURL": "10.0.0.1:9185"})
    await receives.is_in("WaitingForSync", 30)
    await sends.is_in("Synchronizing", 30)
    assert await waits()
    assert len(await source.pods()) == 1
    for one in (receives, sends):
        await suite.delete(one.path, {})
        await one.disappears(30)
    await suite.delete(receiver.vm_path, {})
    await receiver.gone()
    gates = {"developerConfiguration": {"disabledFeatureGates": ["DecentralizedLiveMigration"]}}
    await guests.configure(suite, **gates)
    with pytest.raises(Refused, match="DecentralizedLiveMigration feature gate is not enabled"):
        await migrate(source, sendTo={"migrationID": "mig-abcde", "connectURL": "10.0.0.1:9185"})
