"""What is made of uploads that nobody sends by mistake."""

import gzip
import tarfile

import pytest

from fakekube.agents.node_server import archives, volume_images
from fakekube.agents.node_server.place import Container
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Request
from fakekube.virt.cdi import uploaded
from fakekube.virt.cdi.uploads import Tokens

FILE = b'Content-Disposition: form-data; name="file"\r\n\r\nimage'


def found(body, boundary="b"):
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return uploaded.in_form(Request("POST", "/", "", headers, body))


@pytest.mark.parametrize(
    ("body", "image"),
    [
        (b"--b\r\n" + FILE, b"image"),
        (b"--b\r\n" + FILE + b"\r\n--b\r\n" + FILE, b"image"),
        (b"--b\r\n" * 999 + b"--b\r\n" + FILE, b"image"),
        (b"--b\r\n" * 1000 + b"--b\r\n" + FILE, None),
        (b"--b\r\n" + b"content-disposition:form-data;" * 100_000 + b"\r\n\r\nimage", None),
        (b"--b\r\nX-" + FILE, None),
        (b"--b\r\nno end\r\n--c\r\n\r\n", None),
    ],
    ids=["one", "two", "many", "too many", "long head", "another header", "no end"],
)
def test_forms(body, image):
    """The file is found among a thousand parts, by heads of a length that takes no time."""
    assert found(body) == image


def test_boundaries_that_are_no_text():
    """They are compared as the bytes they came as."""
    assert found(b"--\xff\r\n" + FILE, "\udcff") == b"image"


@pytest.mark.parametrize("token", ["é.é.é", "\udcff.a.b", "a.b.\udcff", ""])
def test_tokens_that_are_no_text(token):
    """They are nobody's, as all others that were not issued."""
    assert Tokens(ManualClock(), Ids()).read(token) is None


def member(own, size=0, kind=tarfile.REGTYPE):
    one = tarfile.TarInfo(own)
    one.size, one.type = size, kind
    return one.tobuf(tarfile.GNU_FORMAT)


END = bytes(1024)
BACK = member("a") + member("b") + member("c", -1024) + END
CHAIN = member("x", kind=tarfile.XHDTYPE) * 2000 + member("a") + END


@pytest.mark.parametrize("archive", [BACK, CHAIN], ids=["back", "chain"])
def test_archives_without_end(archive):
    """Members that lead back to others, or headers of headers of headers, make no archive."""
    assert volume_images.archived(archive) is None
    assert volume_images.unpacked(archive) is None
    assert archives.tar(Container(""), ["-x"], archive.decode(errors="surrogateescape")).code == 2


def test_archives_of_the_volume_itself():
    """A file of no name is none."""
    archive = member("") + member("./") + member("a") + END
    assert volume_images.archived(archive) == volume_images.unpacked(archive) == {"a": ""}


async def test_archives_that_are_packed_twice():
    """They are none: in a few kilobytes there can be more files than there is room for."""
    twice = gzip.compress(gzip.compress(member("a") * 1000 + END))
    on = volume_images.Claimed("v")
    with pytest.raises(uploaded.UnreadableError):
        await uploaded.held(twice, on, archive=True, clock=ManualClock())
