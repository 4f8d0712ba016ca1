"""What components may change of a running guest's volumes, with upstream's words for what they may not."""

from typing import Any

import pytest

from fakekube.virt.api import plugged_volumes
from fakekube.virt.causes import Cause
from fakekube.virt.config import ClusterConfig

Object = dict[str, Any]
ROOT, ROOT_DISK = {"name": "root", "containerDisk": {"image": "x"}}, {"name": "root", "disk": {"bus": "sata"}}
PLUGGED, PLUGGED_DISK = {"name": "a", "dataVolume": {"name": "a"}}, {"name": "a", "disk": {"bus": "scsi"}}
TOLD = [{"name": "root", "target": "vda"}, {"name": "a", "target": "sda", "hotplugVolume": {}}]
CONFIG = ClusterConfig(raw={"developerConfiguration": {"featureGates": []}})


def vmi(volumes: list[Object], disks: list[Object], **status: Any) -> Object:
    spec = {"volumes": volumes, "domain": {"devices": {"disks": disks}}}
    return {"spec": spec, "status": {"volumeStatus": TOLD, **status}}


def new(**more: Any) -> tuple[list[Object], list[Object]]:
    """A volume more, with this disk."""
    return [ROOT, PLUGGED, {"name": "b", "persistentVolumeClaim": {"claimName": "b"}}], [
        *(ROOT_DISK, PLUGGED_DISK),
        {"name": "b", **more},
    ]


@pytest.mark.parametrize(
    ("volumes", "disks", "said"),
    [
        ([ROOT, PLUGGED], [ROOT_DISK, PLUGGED_DISK], ""),
        ([ROOT], [ROOT_DISK], ""),
        (*new(disk={"bus": "virtio"}, dedicatedIOThread=True, bootOrder=1), ""),
        (*new(lun={"bus": "scsi"}), ""),
        ([ROOT], [ROOT_DISK, PLUGGED_DISK], "mismatch between volumes declared (1) and required (2)"),
        ([ROOT], [ROOT_DISK, {"name": "cd", "cdrom": {}}], ""),
        ([ROOT, {"name": "m", "memoryDump": {"claimName": "m"}}], [ROOT_DISK], ""),
        ([PLUGGED], [PLUGGED_DISK], "Number of permanent volumes has changed"),
        (
            [{"name": "root", "dataVolume": {"name": "x"}}, PLUGGED],
            [ROOT_DISK, PLUGGED_DISK],
            "permanent volume root, changed",
        ),
        ([ROOT], [{"name": "root", "disk": {"bus": "scsi"}}], "permanent disk root, changed"),
        (
            [ROOT, {"name": "a", "dataVolume": {"name": "b"}}],
            [ROOT_DISK, PLUGGED_DISK],
            "hotplug volume a, changed",
        ),
        ([ROOT, PLUGGED], [ROOT_DISK, {"name": "a", "lun": {"bus": "scsi"}}], "hotplug disk a, changed"),
        ([ROOT, PLUGGED], [ROOT_DISK, {"name": "x", "disk": {}}], "volume a doesn't have a matching disk"),
        (
            [ROOT, {"name": "b", "secret": {"secretName": "x"}}],
            [ROOT_DISK, {"name": "b", "disk": {"bus": "scsi"}}],
            "volume b is not a PVC or DataVolume",
        ),
        (
            [ROOT, {"name": "b", "dataVolume": {"name": "b"}}],
            [ROOT_DISK, {"name": "x"}],
            "disk b does not exist",
        ),
        (
            *new(disk={"bus": "sata"}),
            "Hotplug configuration for disk [b] requires bus to be 'scsi' or 'virtio'. [sata] is not permitted.",
        ),
        (
            *new(lun={}),
            "Hotplug configuration for LUN [b] requires bus to be 'scsi'. [] is not permitted.",
        ),
        (
            *new(cdrom={"bus": "sata"}),
            "Hotplug configuration for [b] requires diskDevice of type 'disk' or 'lun' to be used.",
        ),
        (
            *new(disk={"bus": "scsi"}, dedicatedIOThread=True),
            "Hotplug configuration for [b] requires virtio bus for IOThreads.",
        ),
    ],
)
def test_what_is_plugged(volumes: list[Object], disks: list[Object], said: str) -> None:
    """Claims on SCSI or virtio come and go, each with its disk; what a guest began with stays, and nothing becomes another."""
    found = plugged_volumes.update(
        vmi(volumes, disks), vmi([ROOT, PLUGGED], [ROOT_DISK, PLUGGED_DISK]), CONFIG
    )
    assert found == ([Cause(said)] if said else [])


def test_what_is_moved() -> None:
    """A volume that is being migrated becomes another, as long as the instance says so."""
    moved = {"name": "root", "dataVolume": {"name": "x"}}
    old = vmi([ROOT], [ROOT_DISK])
    assert not plugged_volumes.update(
        vmi([moved], [ROOT_DISK], migratedVolumes=[{"volumeName": "root"}]), old, CONFIG
    )
    assert plugged_volumes.update(vmi([moved], [ROOT_DISK]), old, CONFIG) == [
        Cause("permanent volume root, changed")
    ]


def test_drives_without_a_disc() -> None:
    """Only with the gate DeclarativeHotplugVolumes, which is open unless it is shut."""
    shut = {"developerConfiguration": {"disabledFeatureGates": ["DeclarativeHotplugVolumes"]}}
    asked = vmi([ROOT], [ROOT_DISK, {"name": "cd", "cdrom": {}}])
    text = "mismatch between volumes declared (1) and required (2)"
    found = plugged_volumes.update(asked, vmi([ROOT], [ROOT_DISK]), ClusterConfig(raw=shut))
    assert found == [Cause(text)]
