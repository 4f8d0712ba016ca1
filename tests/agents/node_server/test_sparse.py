"""Large files in containers: what is kept of the zeros they end with."""

import gzip

import pytest

from fakekube.agents.node_server import shell, sparse
from fakekube.agents.node_server.budgets import Budget, Exhausted
from fakekube.agents.node_server.place import ROOM, Container

MEBI = 1 << 20


@pytest.mark.parametrize(
    ("pieces", "size", "kept"),
    [
        ([b"a", bytes(9), b"b\0"], 12, 12),
        ([b"", bytes(100)], 100, 100),
        ([bytes(MEBI)] * 2000, 0, 0),
        ([b"a" * MEBI, bytes(MEBI)], MEBI, 103 * 10240),
    ],
)
def test_kept(pieces, size, kept):
    """Small files are kept as they are, large ones to the end of their last record that is more than zeros."""
    data = sparse.Data()
    for piece in pieces:
        data.add(piece)
    found = data.kept()
    assert len(found) == kept
    assert found[:size].rstrip(b"\0") == b"".join(pieces[:3]).rstrip(b"\0")


def test_too_large():
    """What is large otherwise has no room: neither zeros between, nor the rest."""
    data = sparse.Data()
    data.add(bytes(16 * ROOM))
    with pytest.raises(sparse.TooLargeError):
        data.add(b"a")


def test_gzip():
    """`gzip -d` puts the file in place of the packed one, or says what is wrong with it; nothing else is unpacked."""
    packed = gzip.compress(b"one\n", mtime=0).decode(errors="surrogateescape")
    broken = packed[:-9]
    at = Container("p", files={"/a.gz": packed, "/b.gz": "no", "/c": packed, "/d.gz": broken})
    assert shell.program(at, ["gzip", "-d", "/a.gz"]).wrote == {"/a.gz": None, "/a": "one\n"}
    done = shell.program(at, ["/usr/bin/gzip", "-d", "/b.gz", "/c", "/d.gz", "/e.gz"])
    assert (done.code, dict(done.wrote)) == (1, {})
    assert done.err.splitlines() == [
        "gzip: /b.gz: not in gzip format",
        "gzip: /c: unknown suffix -- ignored",
        "gzip: /d.gz: not in gzip format",
        "gzip: /e.gz: No such file or directory",
    ]
    assert shell.program(at, ["gzip", "-dc"], packed).out == "one\n"
    assert shell.program(at, ["gzip", "-d"], "no").code == 1
    assert shell.program(at, ["gzip", "/c"]).code == 1


def test_what_takes_too_long_to_unpack():
    """Every mebibyte that is unpacked takes steps of the line, whatever it is made of."""
    packed = gzip.compress(bytes(8 * MEBI), mtime=0).decode(errors="surrogateescape")
    with pytest.raises(Exhausted):
        shell.program(Container("p", budget=Budget(16_000)), ["gzip", "-d"], packed)
    assert shell.program(Container("p", budget=Budget(40_000)), ["gzip", "-d"], packed).code == 0


def test_sums():
    """`md5sum` and `sha256sum` tell the sums of files, or of what comes in."""
    at = Container("p", files={"/a": "\udcff"})
    assert shell.program(at, ["md5sum", "/a"]).out == "00594fd4f42ba43fc1ca0427a0576295  /a\n"
    assert shell.program(at, ["md5sum"], "").out == "d41d8cd98f00b204e9800998ecf8427e  -\n"
    done = shell.program(at, ["sha256sum", "/b"])
    assert (done.code, done.err) == (1, "sha256sum: can't open '/b': No such file or directory\n")
