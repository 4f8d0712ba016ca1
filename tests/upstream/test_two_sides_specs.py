"""Upstream's functional specs of guests that migrate from one namespace to another, as journeys.

Origin: kubevirt: tests/migration/namespace.go, tests/libmigration/migration.go
"""

from typing import Any

import pytest

from tests.upstream import consoles, guests
from tests.upstream.conftest import Make, Object, Suite, conditions
from tests.upstream.guests import KUBEVIRT, NS, Guest, Migration, guest, migrate, migrated

OTHER = "kubevirt-test-alternative1"
BOOT_ID = "cat /proc/sys/kernel/random/boot_id\n"
MARKS = {"two-sides": "true"}


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    suite = await guests.a_namespace(await suite_of(pace="realistic"))
    await suite.create("/api/v1/namespaces", {"metadata": {"name": OTHER}})
    return suite


async def receiver(suite: Suite, spec: Object, space: str = OTHER, name: str = "testvmi-abcde") -> Guest:
    """A machine that waits for a guest."""
    made = await guests.machine(
        suite,
        spec,
        name,
        space=space,
        runStrategy="WaitAsReceiver",
        marks={"kubevirt.io/restore-run-strategy": "Always"},
    )
    await waits(made)
    return made


async def waits(one: Guest) -> None:
    async def look() -> bool:
        status, vmi = await one.suite.call("GET", one.path)
        return status == 200 and vmi["status"].get("phase") == "WaitingForSync"

    await one.suite.eventually(look, 60)


async def address(suite: Suite) -> str:
    async def look() -> Any:
        found = (await suite.get(KUBEVIRT))["status"].get("synchronizationAddresses")
        return found[0] if found else None

    return str(await suite.eventually(look, 60))


async def sent(source: Guest, target: Guest, identity: str) -> tuple[Migration, Migration]:
    """The migrations of both sides."""
    there = await address(source.suite)
    sends = await migrate(source, sendTo={"migrationID": identity, "connectURL": there})
    return sends, await migrate(target, receive={"migrationID": identity})


async def has_left(migration: Migration, wanted: str = "Succeeded") -> None:
    """The migration of the side that is left is over; it may have gone with its instance."""

    async def look() -> bool:
        status, found = await migration.suite.call("GET", migration.path)
        return status == 404 or found["status"]["phase"] == wanted

    await migration.suite.eventually(look, 180)


async def has_strategy(one: Guest, wanted: str, seconds: float = 210) -> None:
    async def look() -> bool:
        return (await one.vm())["spec"]["runStrategy"] == wanted

    await one.suite.eventually(look, seconds)


async def is_shown_as(one: Guest, wanted: str, seconds: float = 180) -> None:
    async def look() -> bool:
        return (await one.vm())["status"]["printableStatus"] == wanted

    await one.suite.eventually(look, seconds)


async def is_gone(migration: Migration, path: str, seconds: float = 30) -> None:
    async def look() -> bool:
        return (await migration.suite.call("GET", path))[0] == 404

    await migration.suite.eventually(look, seconds)


async def test_to_and_fro(suite: Suite) -> None:
    """A guest goes to another namespace and back, twice; the machine it leaves is halted, the one it comes to runs on."""
    source = await guests.machine(suite, guest())
    for number in range(4):
        there = OTHER if number % 2 == 0 else NS
        target = await receiver(suite, guest(), there)
        sends, receives = await sent(source, target, f"mig-{number}")
        await receives.succeeds()
        await has_left(sends)
        vmi = await migrated(target, receives)
        await has_strategy(target, "Always", 20)
        for one in (sends, receives):
            await suite.call("DELETE", one.path, {})
            await one.disappears(30)
        await consoles.login_to_alpine(target)
        await has_strategy(source, "Halted")
        await suite.delete(source.vm_path, {})
        await is_gone(sends, source.vm_path)
        await source.gone(30)
        vmi = await target.vmi()
        state = vmi["status"]["migrationState"]
        assert not {"sourceState", "targetState"} & state.keys()
        assert "kubevirt.io/create-migration-target" not in vmi["metadata"].get("annotations", {})
        assert conditions(vmi)["Ready"] == "True"
        source = target
    migration = await migrate(source)
    await migration.succeeds()
    await guests.migrated(source, migration)


async def slow(suite: Suite) -> None:
    await guests.policy(suite, MARKS, bandwidthPerMigration="1Ki")


async def under_way(suite: Suite) -> tuple[Guest, Guest, Migration, Migration]:
    """A guest of a slow migration that runs."""
    await slow(suite)
    source = await guests.machine(suite, guest(), template_meta={"labels": MARKS})
    target = await receiver(suite, guest())
    sends, receives = await sent(source, target, "mig-slow")
    await sends.is_in("Running", 180)
    assert not (await source.state()).get("completed")
    return source, target, sends, receives


@pytest.mark.parametrize("side", ["source", "target"])
async def test_cancelling(suite: Suite, side: str) -> None:
    """Who deletes one side's migration cancels both: the guest stays, the other machine waits again, for another attempt too."""
    source, target, sends, receives = await under_way(suite)
    node = await source.node()
    uid = (await target.vmi())["metadata"]["uid"]
    await suite.delete((sends if side == "source" else receives).path, {})

    async def aborted() -> bool:
        state = await source.state()
        assert state.get("abortStatus") == "Succeeded"
        members = ("completed", "failed", "abortRequested")
        assert [state.get(one) for one in members] == [True, True, True]
        assert state["endTimestamp"]
        assert state["migrationUid"] == sends.uid
        assert state["sourceNode"] == node != state["targetNode"]
        return True

    await suite.eventually(aborted, 180)
    assert (await source.node(), (await source.vmi())["status"]["phase"]) == (node, "Running")
    await sends.disappears(180)
    await receives.disappears(180)
    await consoles.login_to_alpine(source)
    await waits(target)
    assert (await target.vmi())["metadata"]["uid"] == uid
    assert "nodeName" not in (await target.vmi())["status"]
    assert len(await source.pods()) == 1
    assert await target.pods(fieldSelector="status.phase=Running") == []
    await suite.delete(f"{guests.POLICIES}/testpolicy-abcde", {})
    sends, receives = await sent(source, target, "mig-again")
    await receives.succeeds()
    await has_left(sends)
    await migrated(target, receives)
    await has_strategy(source, "Halted")


async def test_failing(suite: Suite) -> None:
    """The launcher that is left is killed: both sides fail, the guest is lost, its machine stops, the other one waits again."""
    source, target, sends, receives = await under_way(suite)
    pod = (await source.pod())["metadata"]["name"]
    await suite.delete(f"{guests.PODS}/{pod}", {"gracePeriodSeconds": 0})
    await has_left(sends, "Failed")
    await has_left(receives, "Failed")
    await is_shown_as(source, "Stopped")
    await is_shown_as(target, "WaitingForReceiver")
    await waits(target)
    assert (await source.vm())["spec"]["runStrategy"] == "Halted"


async def test_the_target_is_lost(suite: Suite) -> None:
    """Its launcher is killed: both sides fail, and the guest goes on where it is."""
    source, target, sends, receives = await under_way(suite)
    (pod,) = await target.pods()
    where = f"{target.pods_path}/{pod['metadata']['name']}"
    await suite.delete(where, {"gracePeriodSeconds": 0})
    await sends.is_in("Failed")
    await receives.is_in("Failed")
    await waits(target)
    assert (await source.vmi())["status"]["phase"] == "Running"
    await source.ready()


async def test_nobody_answers(suite: Suite) -> None:
    """Sides that do not find each other say so in a condition of their instances, and wait."""
    source = await guests.machine(suite, guest())
    target = await receiver(suite, guest())
    wrong = "DecentralizedLiveMigrationFailure"

    async def says(one: Guest, text: str) -> None:
        async def look() -> bool:
            told = (await one.vmi())["status"]["conditions"]
            (found,) = [each for each in told if each["type"] == wrong]
            assert (found["status"], found["reason"]) == ("True", "DecentralizedNotLiveMigratable")
            return bool(text in found["message"])

        await suite.eventually(look, 30)

    receives = await migrate(target, receive={"migrationID": "mig-alone"})
    await receives.is_in("WaitingForSync", 30)
    await says(target, "waiting for incoming synchronization, unable to proceed")
    assert await target.pods() == []
    away = await migrate(source, sendTo={"migrationID": "mig-alone", "connectURL": "10.0.0.1:9185"})
    await away.is_in("Synchronizing", 30)
    await says(source, "connection refused")
    await suite.delete(away.path, {})
    await away.disappears(30)
    there = await address(suite)
    other = await migrate(source, sendTo={"migrationID": "mig-other", "connectURL": there})
    await says(source, "source: unable to locate VMI for migrationID mig-other")
    await suite.delete(other.path, {})
    await other.disappears(30)
    sends = await migrate(source, sendTo={"migrationID": "mig-alone", "connectURL": there})
    finalizer = "synchronization.kubevirt.io/migrationFinalizer"
    await suite.cluster.settle()
    assert finalizer in (await suite.get(sends.path))["metadata"]["finalizers"]
    await receives.succeeds()
    await has_left(sends)
    vmi = await migrated(target, receives)
    assert wrong not in conditions(vmi)
    assert finalizer not in (await suite.get(receives.path))["metadata"].get("finalizers", ())


async def test_disks(suite: Suite) -> None:
    """A disk of its own, which nobody shares, and one plugged in: each side has its own claims. Who is logged in stays so."""
    volumes = [
        {"name": "disk1", "dataVolume": {"name": "own"}},
        {"name": "disk2", "dataVolume": {"name": "plugged", "hotpluggable": True}},
    ]
    spec = guest()
    spec["domain"]["devices"]["disks"] += [
        {"name": "disk1", "disk": {"bus": "virtio"}},
        {"name": "disk2", "disk": {"bus": "scsi"}},
    ]
    spec["volumes"] += volumes
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}}
    for space in (NS, OTHER):
        for name in ("own", "plugged"):
            path = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{space}/datavolumes"
            await suite.create(
                path,
                {
                    "apiVersion": "cdi.kubevirt.io/v1beta1",
                    "kind": "DataVolume",
                    "metadata": {"name": name},
                    "spec": {"source": {"blank": {}}, "storage": storage},
                },
            )
    source = await guests.machine(suite, spec)

    async def plugged() -> bool:
        told = (await source.vmi())["status"]["volumeStatus"]
        return [one.get("phase") for one in told if one["name"] == "disk2"] == ["Ready"]

    await suite.eventually(plugged, 120)
    assert conditions(await source.vmi())["LiveMigratable"] == "False"
    await consoles.login_to_alpine(source)
    async with consoles.console(source) as at:
        boot = await at.says(BOOT_ID, consoles.PROMPT)
    target = await receiver(suite, spec)
    sends, receives = await sent(source, target, "mig-disks")
    await receives.succeeds()
    await has_left(sends)
    vmi = await migrated(target, receives)
    told = {one["name"]: one for one in vmi["status"]["volumeStatus"]}
    assert all(told[one]["target"] for one in ("disk1", "disk2"))
    async with consoles.console(target) as at:
        assert await at.answers(r"\# ")  # whoever was logged in still is
        assert await at.says(BOOT_ID, consoles.PROMPT) == boot
    await has_strategy(target, "Always", 20)


@pytest.mark.parametrize("waits_paused", [False, True])
async def test_paused_guests(suite: Suite, waits_paused: bool) -> None:
    """[6973] A paused guest comes paused, and can be woken where it has come; one that runs does not
    stop for a machine whose own guest would start paused."""
    source = await guests.machine(suite, guest())
    if not waits_paused:
        assert await source.act("pause") == ""
        await source.has("Paused", seconds=30)
    target = await receiver(suite, guest(startStrategy="Paused") if waits_paused else guest())
    sends, receives = await sent(source, target, "mig-paused")
    await receives.succeeds()
    await has_left(sends)
    await migrated(target, receives)
    await target.has("Paused", "" if waits_paused else "True", seconds=0)
    if waits_paused:
        return
    (told,) = [one for one in (await target.vmi())["status"]["conditions"] if one["type"] == "Paused"]
    assert (told["reason"], told["message"]) == ("PausedByUser", "VMI was paused by user")
    await is_shown_as(target, "Paused")
    assert await target.act("unpause") == ""
    await target.has("Paused", "", seconds=30)


async def test_persistent_state(suite: Suite) -> None:
    """A TPM's state lies on a claim of each side; where it has come to, it migrates on and survives a restart."""
    spec = guest()
    spec["domain"]["devices"]["tpm"] = {"persistent": True}
    await guests.configure(suite, vmStateStorageClass="standard")
    source = await guests.machine(suite, spec)
    target = await receiver(suite, spec)
    sends, receives = await sent(source, target, "mig-state")
    await receives.succeeds()
    await has_left(sends)
    vmi = await migrated(target, receives)
    claims = f"/api/v1/namespaces/{OTHER}/persistentvolumeclaims"
    names = [one["metadata"]["name"] for one in await suite.items(claims)]
    assert [name for name in names if name.startswith("persistent-state-for-")] == names
    assert len(names) == 1
    assert vmi["status"]["migrationState"]["targetPersistentStatePVCName"] == names[0]
    migration = await migrate(target)
    await migration.succeeds()
    await guests.migrated(target, migration)
