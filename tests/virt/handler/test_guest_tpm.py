"""What programs in a guest do with its TPM and its firmware's variables."""

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container
from fakekube.virt.handler import guest_tpm
from fakekube.virt.handler.guest_tpm import KEYS, VARIABLES

CREATE = "echo SECRET | tpm2_create --public=pub --private=priv --sealing-input=- --parent-context=p"
LOAD = "tpm2_load -Q --parent-context=p --public=pub --private=priv --name=n --key-context=ctx"
PLACE = Container("vm", files=guest_tpm.files((KEYS,)), programs=guest_tpm.PROGRAMS)


def typed(at, *lines):
    """What is left of a place after these, and what the last one said."""
    done = None
    for line in lines:
        done = shell.line(at, line)
        at = at.after(done.wrote)
    return at, done


def machine(tpm=None, efi=None):
    firmware = {"firmware": {"bootloader": {"efi": efi}}} if efi is not None else {}
    return {"spec": {"domain": {"devices": {"tpm": tpm} if tpm is not None else {}, **firmware}}}


def test_secrets():
    """What is sealed is unsealed by its context, and by the handle it is kept under until it is evicted."""
    at, done = typed(PLACE, "tpm2_createprimary -Q --key-context=p", CREATE, LOAD, "tpm2_unseal -c ctx")
    assert done.out == "SECRET\n"
    at, done = typed(at, "tpm2_evictcontrol --hierarchy=o --object-context=ctx 0x81")
    assert done.out == "persistent-handle: 0x81\naction: persisted\n"
    assert typed(at, "tpm2_evictcontrol -c ctx 0x81")[1].code == 1
    assert typed(at, "tpm2_unseal -Q --object-context=0x81")[1].out == "SECRET\n"
    at, done = typed(at, "tpm2_evictcontrol -C o -c 0x81")
    assert done.out == "persistent-handle: 0x81\naction: evicted\n"
    for line in ("tpm2_unseal -c 0x81", "tpm2_evictcontrol -c 0x81", "tpm2_evictcontrol -c no 0x82"):
        assert typed(at, line)[1].code == 1
    assert typed(at, "tpm2_load --private=no -c x")[1].code == 1


@pytest.mark.parametrize("program", sorted(guest_tpm.PROGRAMS))
def test_without_one(program):
    """A guest without a TPM is told that there is no device."""
    done = shell.line(Container("vm", programs=guest_tpm.PROGRAMS), program)
    assert "Failed to open specified TCTI device file" in done.err


@pytest.mark.parametrize(
    ("vmi", "has", "keeps"),
    [
        (machine(), (), ()),
        (machine(tpm={}, efi={}), (KEYS, VARIABLES), ()),
        (machine(tpm={"persistent": True}), (KEYS,), (KEYS,)),
        (machine(tpm={"persistent": True, "enabled": False}), (), ()),
        (machine(tpm={}, efi={"persistent": True}), (KEYS, VARIABLES), (VARIABLES,)),
    ],
)
def test_what_remembers(vmi, has, keeps):
    """A TPM and an EFI remember, and outlive the guest where that is asked for."""
    assert (guest_tpm.devices(vmi), guest_tpm.persistent(vmi)) == (has, keeps)
    assert list(guest_tpm.mounts(has).values()) == [*has]


def test_bytes():
    """`printf` writes bytes that are told by their numbers, and `hexdump` tells of them."""
    at, done = typed(Container("vm"), r'printf "\x07\x00\x00\x00\x42\xff" > /v', "hexdump /v")
    assert done.out == "0000000 0007 0000 ff42\n0000006\n"
    assert typed(at, "printf abc > /v", "hexdump /v")[1].out == "0000000 6261 0063\n0000003\n"
    assert typed(at, "hexdump /none")[1].code == 1
