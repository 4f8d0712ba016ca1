"""Volumes that are copied to other claims while their guest runs, as functions of VM and VMI."""

import pytest

from fakekube.virt.controller import volume_migration


def volume(name, claim):
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def machine(*volumes, strategy="Migration"):
    return {"spec": {"updateVolumesStrategy": strategy, "template": {"spec": {"volumes": list(volumes)}}}}


def running(*volumes, devices=None, **status):
    domain = {"devices": devices or {"disks": [{"name": one["name"], "disk": {}} for one in volumes]}}
    return {"spec": {"volumes": list(volumes), "domain": domain}, "status": {"phase": "Running", **status}}


def moved(source, destination):
    infos = {"sourcePVCInfo": {"claimName": source}, "destinationPVCInfo": {"claimName": destination}}
    return [{"volumeName": "a", **infos}]


def test_what_is_on_its_way():
    """Volumes both have whose claims differ, with what is known of the claims."""
    vm = machine(volume("a", "new"), volume("b", "same"), volume("c", "only-here"))
    vmi = running(volume("a", "old"), volume("b", "same"))
    claims = {"old": {"spec": {"volumeMode": "Block"}}}
    made = volume_migration.on_their_way(vm, vmi, claims)
    source = {"claimName": "old", "volumeMode": "Block"}
    infos = {"sourcePVCInfo": source, "destinationPVCInfo": {"claimName": "new"}}
    assert made == [{"volumeName": "a", **infos}]
    assert volume_migration.replaced(vm, vmi) == [volume("a", "new"), volume("b", "same")]


@pytest.mark.parametrize(
    ("devices", "text"),
    [
        ({"disks": [{"name": "a", "disk": {}, "shareable": True}]}, " shareable: [a]"),
        ({"disks": [{"name": "a", "lun": {}}]}, " luns: [a]"),
        ({"filesystems": [{"name": "a"}]}, " filesystems: [a]"),
    ],
)
def test_what_cannot_be_copied(devices, text):
    """Shared disks, LUNs and file systems; the text lists them by kind."""
    vmi = running(volume("a", "old"), devices=devices)
    found = volume_migration.obstacle(machine(volume("a", "new")), vmi)
    assert found == f"invalid volumes to update with migration:{text}"


@pytest.mark.parametrize(("claim", "back"), [("old", True), ("third", False)])
def test_going_back(claim, back):
    """Back is where all volumes came from, nowhere else."""
    vmi = running(volume("a", "new"), migratedVolumes=moved("old", "new"))
    assert volume_migration.goes_back(machine(volume("a", claim)), vmi) is back


@pytest.mark.parametrize(
    ("vm", "kept"),
    [
        (machine(volume("a", "new")), True),
        (machine(volume("a", "old")), False),
        (machine(volume("a", "new"), strategy=None), False),
    ],
)
def test_what_outlives_a_lost_guest(vm, kept):
    """Until its volumes are what they were, or the strategy says that nothing is to be migrated, somebody has to decide."""
    state = {"volumeMigrationState": {"migratedVolumes": moved("old", "new")}}
    found = volume_migration.of_machine(vm, None, state)
    assert (found == state) is kept
    told = volume_migration.recovery([], found, None, "2026-01-01T00:00:00Z")
    assert [one["type"] for one in told] == (["ManualRecoveryRequired"] if kept else [])
