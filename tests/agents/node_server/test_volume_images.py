"""A guest's disk as pods find it on its volume: an image, and what becomes of it when they write there."""

import io
import tarfile

import pytest

from fakekube.agents.node_server import volume_images
from fakekube.agents.node_server.volume_images import FILE, Claimed
from fakekube.agents.volume_contents import Held

DISK = {"etc/hostname": "vm\n", "gone": None, "some/.": "", "some/more/bytes": "\udcff"}
PLAIN, FILLED = Claimed("v", 100_000), Claimed("v", 100_000, filled=True)
LARGE = Claimed("v", 2**40, filled=True)


def claim(**spec):
    return {
        "metadata": {"annotations": spec.pop("marks", {})},
        "spec": {"resources": {"requests": {"storage": "2Ki"}}, **spec},
    }


def test_images_are_archives():
    """A layer of what was written, and what was removed; read again, it is the same disk."""
    image = volume_images.image(Held(disk=DISK))
    with tarfile.open(fileobj=io.BytesIO(image)) as archive:
        names = archive.getnames()
    assert names == [
        ".",
        "./.wh.gone",
        "./etc",
        "./etc/hostname",
        "./some",
        "./some/more",
        "./some/more/bytes",
    ]
    found = volume_images.unpacked(image)
    assert found == {**DISK, "etc/.": "", "some/more/.": ""}
    assert volume_images.unpacked(b"no archive") is None
    assert volume_images.unpacked(bytes(100)) == {}
    assert volume_images.image(Held()) == b""


@pytest.mark.parametrize("on", [PLAIN, FILLED, LARGE])
def test_a_disk_is_a_file(on):
    """Whoever mounts the volume finds it beside the others, and leaves it as it is by writing those."""
    held = Held({"a": "1\n"}, DISK)
    found = volume_images.files(held, on)
    assert sorted(found) == ["a", FILE]
    assert len(found[FILE]) == (on.size if on is not LARGE else len(volume_images.image(held)))
    left = volume_images.held({**found, "b": "2\n"}, held, on)
    assert left == Held({"a": "1\n", "b": "2\n"}, DISK)
    assert left.disk is DISK


def test_blank_disks():
    """A claim that is filled has one, and until a guest has written only such a claim; it holds nothing more for it."""
    assert volume_images.files(Held(), PLAIN) == {}
    assert volume_images.files(Held(), FILLED) == {FILE: "\0" * FILLED.size}
    assert volume_images.files(Held(), LARGE) == {FILE: ""}
    for on in (FILLED, LARGE):
        found = volume_images.files(Held(), on)
        assert volume_images.held({**found, "a": ""}, Held(), on) == Held({"a": ""})


def test_other_images():
    """An archive that is put in its place is what the next guest finds; whatever else stays a file until a guest writes; none is none."""
    whole = volume_images.text(volume_images.image(Held(disk={"told": "x\n"})), PLAIN.size)
    assert volume_images.held({FILE: whole}, Held(), PLAIN).disk["told"] == "x\n"
    qcow = volume_images.held({FILE: "QFI\udcfb"}, Held(disk=DISK), FILLED)
    assert qcow == Held({FILE: "QFI\udcfb"})
    assert volume_images.image(qcow) == b"QFI\xfb"
    assert "QFI" not in volume_images.files(Held(qcow.files, DISK), FILLED)[FILE]
    zeros = volume_images.held({FILE: "\0"}, Held(), PLAIN)
    assert volume_images.files(zeros, PLAIN) == {FILE: "\0"}
    removed = volume_images.held({}, Held(disk=DISK), FILLED)
    assert removed == Held({FILE: None})
    assert volume_images.files(removed, FILLED) == {FILE: None}
    assert volume_images.held({}, Held(disk=DISK), PLAIN) == Held()


def test_which_claims_are_filled():
    """Those CDI has filled with a disk, and devices."""
    mark = "cdi.kubevirt.io/storage.contentType"
    assert volume_images.claimed(claim(), "v") == Claimed("v", 2048)
    assert volume_images.claimed(claim(marks={mark: "kubevirt"}), "v").filled
    assert not volume_images.claimed(claim(marks={mark: "archive"}), "v").filled
    assert volume_images.claimed(claim(volumeMode="Block"), "v").filled
