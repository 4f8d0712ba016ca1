"""How claims are cloned."""

import pytest

from fakekube.virt.cdi import cloning
from fakekube.virt.cdi.cloning import Asked
from fakekube.virt.cdi.sources import Origin

FAST = {"provisioner": "fast", "allowVolumeExpansion": True}
STIFF = {"provisioner": "fast"}
OTHER = {"provisioner": "other"}


def source(mode="Filesystem", capacity="1Gi"):
    return {"spec": {"volumeMode": mode}, "status": {"capacity": {"storage": capacity}}}


def asked(
    kind="pvc", *, of=None, mode=None, size="1Gi", to=FAST, by=FAST, strategy="csi-clone", snapshots=True
):
    wanted = {"volumeMode": mode} if mode else {}
    return Asked(Origin(kind, "ns/x"), of or source(), wanted, size, to, by, strategy, snapshots)


@pytest.mark.parametrize(
    ("given", "strategy", "reason"),
    [
        (asked(), "csi-clone", ""),
        (asked(strategy="snapshot"), "snapshot", ""),
        (asked(strategy="copy", by=OTHER), "copy", ""),
        (asked(strategy="snapshot", snapshots=False), "copy", "NoVolumeSnapshotClass"),
        (asked(by=OTHER), "copy", "IncompatibleProvisioners"),
        (asked(mode="Block"), "copy", "IncompatibleVolumeModes"),
        (asked(of=source("Block"), mode="Block"), "csi-clone", ""),
        (asked(size="2Gi"), "csi-clone", ""),
        (asked(size="2Gi", to=STIFF), "copy", "NoVolumeExpansion"),
        (asked("snapshot", of={"status": {"restoreSize": "1Gi"}}), "snapshot", ""),
        (asked("snapshot", of={"status": {"restoreSize": "1Gi"}}, size="2Gi"), "snapshot", ""),
        (
            asked("snapshot", of={"status": {"restoreSize": "1Gi"}}, size="2Gi", to=STIFF),
            "copy",
            "NoVolumeExpansion",
        ),
    ],
)
def test_ways(given, strategy, reason):
    """As the class says, if the two claims are of one driver and alike, and the clone can grow; byte by byte otherwise."""
    found = cloning.way(given)
    assert (found.strategy, found.reason) == (strategy, reason)


def test_what_a_claim_says_of_it():
    """How it is cloned, and why not as it should."""
    assert cloning.way(asked()).notes == {"cdi.kubevirt.io/cloneType": "csi-clone"}
    assert cloning.way(asked(by=OTHER)).notes == {
        "cdi.kubevirt.io/cloneType": "copy",
        "cdi.kubevirt.io/cloneFallbackReason": "Provisioners are incompatible",
    }
