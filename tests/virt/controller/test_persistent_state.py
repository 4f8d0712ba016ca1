"""The claim for what a TPM and a firmware write, as functions of spec, configuration and classes."""

import pytest

from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import persistent_state

CHOSEN = ClusterConfig(raw={"vmStateStorageClass": "mine"})
FILES = {"volumeMode": "Filesystem"}


def spec(tpm=None, efi=None):
    devices = {"tpm": tpm} if tpm is not None else {}
    firmware = {"firmware": {"bootloader": {"efi": efi}}} if efi is not None else {}
    return {"domain": {"devices": devices, **firmware}}


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        (spec(), False),
        (spec(tpm={}), False),
        (spec(tpm={"persistent": True}), True),
        (spec(tpm={"persistent": True, "enabled": False}), False),
        (spec(efi={"secureBoot": False}), False),
        (spec(efi={"persistent": True}), True),
    ],
)
def test_who_needs_one(given, needed):
    """Only what says so is kept, and a TPM only where there is one."""
    assert persistent_state.is_needed({"spec": given}) is needed
    assert bool(persistent_state.mounts({"spec": given})) is needed


def test_which_class():
    """The chosen class, else the default for machines, else the cluster's; without any there is no claim."""

    def marked(name, mark):
        return {"metadata": {"name": name, "annotations": {f"storageclass.{mark}": "true"}}}

    usual = marked("usual", "kubernetes.io/is-default-class")
    of_machines = marked("of-machines", "kubevirt.io/is-default-virt-class")
    assert persistent_state.storage_class(CHOSEN, [usual]) == "mine"
    assert persistent_state.storage_class(ClusterConfig(), [usual, of_machines]) == "of-machines"
    assert persistent_state.storage_class(ClusterConfig(), [usual]) == "usual"
    with pytest.raises(LookupError, match="no default storage class found"):
        persistent_state.storage_class(ClusterConfig(), [])


@pytest.mark.parametrize(
    ("config", "sets", "mode"),
    [
        (CHOSEN, [], "ReadWriteMany"),
        (ClusterConfig(), [], "ReadWriteOnce"),
        (CHOSEN, [{**FILES, "accessModes": ["ReadWriteOnce"]}], "ReadWriteOnce"),
        (
            ClusterConfig(),
            [{**FILES, "accessModes": ["ReadWriteOnce"]}, {**FILES, "accessModes": ["ReadWriteMany"]}],
            "ReadWriteMany",
        ),
        (ClusterConfig(), [{"volumeMode": "Block", "accessModes": ["ReadWriteMany"]}], "ReadWriteOnce"),
    ],
)
def test_which_mode(config, sets, mode):
    """Shared where the profile of the class says so for file systems; without a profile, where the class was chosen."""
    assert persistent_state.access_mode(config, {"status": {"claimPropertySets": sets}}) == mode


def test_a_lost_claim():
    """A claim that has lost its volume keeps the guest from starting."""
    found = persistent_state.obstacle({"status": {"phase": "Lost"}}, None)
    assert found is not None
    assert found.message == "backend storage PVC lost"
