"""Upstream's functional specs of volumes that are migrated while their guest runs: there, back, called off, and lost.

Origin: kubevirt: tests/storage/migration.go
"""

from typing import Any

import pytest

from tests.upstream import guests
from tests.upstream.conftest import Make, Object, Suite, conditions
from tests.upstream.guests import MIGRATIONS, Guest, Migration, guest
from tests.upstream.test_storage_hotplug_specs import CLAIMS, Plug, blank

LABEL = "kubevirt.io/volume-update-in-progress"
RECOVERY = "ManualRecoveryRequired"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.live_updated(await guests.a_namespace(await suite_of(pace="realistic")))


async def claim(suite: Suite, name: str, mode: str = "Filesystem", **spec: Any) -> str:
    made = {
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": mode,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    await suite.create(CLAIMS, {"metadata": {"name": name}, "spec": {**made, **spec}})
    return name


async def on_volume(suite: Suite, *extra: str, template_meta: Object | None = None, **spec: Any) -> Guest:
    """A machine whose first disk is a DataVolume made by its template."""
    volume = {
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    template = {"metadata": {"name": "src"}, "spec": {"source": {"blank": {}}, "storage": volume}}
    inner = guest("")
    names = ["disk0", *(f"disk{number}" for number in range(1, len(extra) + 1))]
    inner["volumes"] = [
        {"name": own, "dataVolume": {"name": source}}
        for own, source in zip(names, ("src", *extra), strict=True)
    ]
    inner["domain"]["devices"]["disks"] = [{"name": own, "disk": {"bus": "virtio"}} for own in names]
    more = {"template_meta": template_meta or {}, **spec}
    return await guests.machine(suite, inner, dataVolumeTemplates=[template], **more)


async def update(vm: Guest, index: int, source: Object, name: str = "disk0") -> None:
    """What the specs patch: no templates, another source, and the strategy."""
    change = [
        {"op": "replace", "path": "/spec/dataVolumeTemplates", "value": []},
        {"op": "replace", "path": f"/spec/template/spec/volumes/{index}", "value": {"name": name, **source}},
        {"op": "replace", "path": "/spec/updateVolumesStrategy", "value": "Migration"},
    ]
    await vm.suite.patch(vm.vm_path, change)


def from_claim(own: str) -> Object:
    return {"persistentVolumeClaim": {"claimName": own}}


def from_volume(own: str) -> Object:
    return {"dataVolume": {"name": own}}


async def uses(vm: Guest, own: str, name: str = "disk0") -> None:
    async def look() -> bool:
        (found,) = [one for one in (await vm.vmi())["spec"]["volumes"] if one["name"] == name]
        source = found.get("persistentVolumeClaim", {}).get("claimName") or found.get("dataVolume", {}).get(
            "name"
        )
        return source == own

    await vm.suite.eventually(look, 120)


async def labelled(vm: Guest) -> list[Object]:
    return await vm.suite.items(MIGRATIONS, f"{LABEL}={vm.name}")


async def succeeded(vm: Guest) -> None:
    """The migration for the update, and nothing left of it in instance and machine."""

    async def look() -> bool:
        found = await labelled(vm)
        vmi = await vm.vmi()
        ended = bool(found) and all(one.get("status", {}).get("phase") == "Succeeded" for one in found)
        return (
            ended
            and "migratedVolumes" not in vmi["status"]
            and conditions(vmi).get("VolumesChange") != "True"
        )

    await vm.suite.eventually(look, 240)

    async def forgotten() -> bool:
        found = await vm.vm()
        return "volumeUpdateState" not in found["status"] and "RestartRequired" not in conditions(found)

    await vm.suite.eventually(forgotten, 60)


async def moving(vm: Guest) -> None:
    """A migration exists, and the instance says that its volumes change."""

    async def look() -> bool:
        return bool(await labelled(vm))

    await vm.suite.eventually(look, 120)
    await vm.has("VolumesChange", seconds=120)


async def told_on_machine(vm: Guest, source: str, destination: str) -> None:
    async def look() -> bool:
        state = (await vm.vm())["status"].get("volumeUpdateState", {}).get("volumeMigrationState", {})
        return [
            (one["volumeName"], one["sourcePVCInfo"]["claimName"], one["destinationPVCInfo"]["claimName"])
            for one in state.get("migratedVolumes", ())
        ] == [("disk0", source, destination)]

    await vm.suite.eventually(look, 120)


@pytest.mark.parametrize("mode", ["Filesystem", "Block"])
async def test_to_a_claim(suite: Suite, mode: str) -> None:
    """From a DataVolume to a claim of either mode."""
    vm = await on_volume(suite)
    await update(vm, 0, from_claim(await claim(suite, "dest", mode)))
    await uses(vm, "dest")
    await succeeded(vm)


async def test_there_and_back(suite: Suite) -> None:
    """To another DataVolume, and back to the first."""
    vm = await on_volume(suite)
    await update(vm, 0, from_volume(await blank(suite, "dest")))
    await uses(vm, "dest")
    await succeeded(vm)
    await update(vm, 0, from_volume("src"))
    await uses(vm, "src")
    await succeeded(vm)
    assert len(await labelled(vm)) == 2


async def test_called_off(suite: Suite) -> None:
    """While the destination cannot be had: the sources again, and migration, condition and state go."""
    vm = await on_volume(suite)
    await update(vm, 0, from_claim(await claim(suite, "dest", storageClassName="none-such")))
    await moving(vm)
    await told_on_machine(vm, "src", "dest")
    await update(vm, 0, from_volume("src"))
    await uses(vm, "src")
    await vm.has("VolumesChange", "False", 120)

    async def none() -> bool:
        state = (await vm.vm())["status"].get("volumeUpdateState")
        return (
            not [one for one in await labelled(vm) if one.get("status", {}).get("phase") != "Failed"]
            and not state
        )

    await suite.eventually(none, 120)


async def test_only_back(suite: Suite) -> None:
    """While volumes are on their way they can go back, and nowhere else."""
    vm = await on_volume(suite)
    await update(vm, 0, from_claim(await claim(suite, "dest", storageClassName="none-such")))
    await moving(vm)
    await update(vm, 0, from_claim(await claim(suite, "third")))
    found = await vm.has("RestartRequired", seconds=120, of_vm=True)
    (told,) = [one for one in found["status"]["conditions"] if one["type"] == "RestartRequired"]
    assert told["message"] == "The volume can only be reverted to the previous version during the update"


async def test_a_volume_left_behind(suite: Suite) -> None:
    """One that cannot be shared must move, too."""
    await blank(suite, "other")
    vm = await on_volume(suite, "other")
    await update(vm, 0, from_volume(await blank(suite, "dest")))
    found = await vm.has("RestartRequired", seconds=120, of_vm=True)
    (told,) = [one for one in found["status"]["conditions"] if one["type"] == "RestartRequired"]
    assert told["message"] == (
        "cannot migrate the VM. The volume disk1 is RWO and not included in the migration volumes"
    )


async def test_stopped_on_the_way(suite: Suite) -> None:
    """No restart then, and no start afterwards, until the volumes are what they were."""
    vm = await on_volume(suite)
    await update(vm, 0, from_claim(await claim(suite, "dest", storageClassName="none-such")))
    await moving(vm)
    await vm.has("VolumesChange", seconds=60, of_vm=True)
    refused = await vm.act("restart", {"gracePeriodSeconds": 0}, "virtualmachines")
    assert "VM recovery required" in refused
    assert await vm.act("stop", {"gracePeriod": 0}, "virtualmachines") == ""
    await vm.gone()
    await told_on_machine(vm, "src", "dest")
    await vm.has(RECOVERY, seconds=120, of_vm=True)
    assert "VM recovery required" in await vm.act("start", kind="virtualmachines")
    await vm.change(("replace", "/volumes/0", {"name": "disk0", **from_volume("src")}))
    await vm.has(RECOVERY, "", 120, of_vm=True)
    assert await vm.act("start", kind="virtualmachines") == ""
    await vm.ready(120)


async def test_a_guest_lost_on_the_way(suite: Suite) -> None:
    """Its launcher killed while the memory is copied; taking the strategy off says that the copies are good."""
    await guests.policy(suite, {"slow": "yes"}, bandwidthPerMigration="1Ki")
    vm = await on_volume(suite, template_meta={"labels": {"slow": "yes"}})
    await update(vm, 0, from_claim(await claim(suite, "dest")))
    await moving(vm)
    (made,) = await labelled(vm)
    migration = Migration(suite, made)
    await migration.is_in("Running", 180)
    source = (await vm.pod())["metadata"]["name"]
    await suite.delete(f"{guests.PODS}/{source}", {"gracePeriodSeconds": 0})
    await vm.has(RECOVERY, seconds=180, of_vm=True)
    await told_on_machine(vm, "src", "dest")
    await suite.patch(vm.vm_path, [{"op": "remove", "path": "/spec/updateVolumesStrategy"}])
    await vm.has(RECOVERY, "", 120, of_vm=True)
    await vm.ready(240)
    await uses(vm, "dest")


async def test_plugged_volumes(suite: Suite) -> None:
    """One that was plugged in moves likewise, and stays plugged in."""
    vm = await guests.machine(suite, guest("cirros"))
    plug = Plug(vm)
    await blank(suite, "src")
    await blank(suite, "dest")
    assert await plug.add("vol0", "src") == ""
    await plug.ready("vol0")
    names = [one["name"] for one in (await plug.template())["volumes"]]
    target = {"dataVolume": {"name": "dest", "hotpluggable": True}}
    change = [
        {
            "op": "replace",
            "path": f"/spec/template/spec/volumes/{names.index('vol0')}",
            "value": {"name": "vol0", **target},
        },
        {"op": "replace", "path": "/spec/updateVolumesStrategy", "value": "Migration"},
    ]
    await suite.patch(vm.vm_path, change)
    await uses(vm, "dest", "vol0")
    await succeeded(vm)
    await plug.ready("vol0")


async def test_what_can_move_afterwards(suite: Suite) -> None:
    """On a claim that several nodes can mount, a guest can be migrated as it could not before."""
    vm = await on_volume(suite)
    await vm.has("LiveMigratable", "False")
    shared = await claim(suite, "shared", "Block", accessModes=["ReadWriteMany"])
    await update(vm, 0, from_claim(shared))
    await uses(vm, shared)
    await succeeded(vm)
    await vm.has("LiveMigratable")
    await (await guests.migrate(vm)).succeeds()
