"""Claims that pods use, and who waits for them."""

import pytest

from fakekube.virt.cdi import in_use
from fakekube.virt.cdi.claims import USES_POPULATOR
from fakekube.virt.cdi.in_use import Awaited
from fakekube.virt.cdi.sources import CLONE_TYPE, Origin


def pod(*, read_only=False, mounts=(), devices=(), claim="root"):
    used = {"claimName": claim, **({"readOnly": True} if read_only else {})}
    container = {
        "volumeMounts": [{"name": "disk", "mountPath": "/", "readOnly": one} for one in mounts],
        "volumeDevices": [{"name": one, "devicePath": "/dev/x"} for one in devices],
    }
    volumes = [{"name": "other", "emptyDir": {}}, {"name": "disk", "persistentVolumeClaim": used}]
    return {"spec": {"volumes": volumes, "containers": [container]}}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (pod(), True),
        (pod(mounts=[True]), True),
        (pod(mounts=[True, False]), False),
        (pod(devices=["disk"]), False),
        (pod(devices=["other"]), True),
        (pod(read_only=True, mounts=[False]), True),
        (pod(mounts=[False], claim="another"), True),
    ],
)
def test_who_only_reads(given, wanted):
    """A pod writes to a claim if a container mounts it to be written, or has it as a device."""
    assert in_use.reads(given, "root") is wanted


def volume(phase, **source):
    meta = {"name": "root", "namespace": "ns", "uid": "1"}
    return {"metadata": meta, "spec": {"source": source, "storage": {}}, "status": {"phase": phase}}


def claim(**notes):
    return {"metadata": {"name": "root", "namespace": "ns", "annotations": notes}}


HTTP, PVC = {"http": {"url": "x"}}, {"pvc": {"name": "x"}}
GOLD = Origin("pvc", "gold/x")
ITSELF, SOURCE = Awaited("ns/root", "ImportTargetInUse", False), Awaited("gold/x", "CloneSourceInUse", True)


@pytest.mark.parametrize(
    ("phase", "source", "notes", "origin", "wanted"),
    [
        ("ImportScheduled", HTTP, {}, None, ITSELF),
        ("ImportScheduled", HTTP, {USES_POPULATOR: "false"}, None, ITSELF),
        ("ImportScheduled", HTTP, {USES_POPULATOR: "true"}, None, None),
        ("ImportInProgress", HTTP, {}, None, None),
        ("UploadScheduled", {"upload": {}}, {}, None, None),
        ("CloneScheduled", PVC, {CLONE_TYPE: "csi-clone"}, GOLD, None),
        ("CSICloneInProgress", PVC, {CLONE_TYPE: "csi-clone"}, GOLD, SOURCE),
        ("CloneInProgress", PVC, {CLONE_TYPE: "copy"}, GOLD, SOURCE),
        (
            "CloneFromSnapshotSourceInProgress",
            {"snapshot": {"name": "x"}},
            {CLONE_TYPE: "snapshot"},
            Origin("snapshot", "gold/x"),
            None,
        ),
    ],
)
def test_what_is_waited_for(phase, source, notes, origin, wanted):
    """An import waits for its own claim, unless a populator has it; a clone for the claim it is made from."""
    assert in_use.awaited(volume(phase, **source), claim(**notes), origin) == wanted
