"""The guest's end of USB redirection, as bytes."""

import struct

from fakekube.virt.handler import usbredir


def test_hello():
    """A packet of type 0 whose length counts what follows the header: a version of 64 bytes and a word of capabilities."""
    kind, length, number = struct.unpack_from("<III", usbredir.HELLO)
    version, capabilities = struct.unpack_from("<64sI", usbredir.HELLO, 12)
    assert (kind, length, number, len(usbredir.HELLO)) == (0, 68, 0, 80)
    assert version.rstrip(b"\0").startswith(b"qemu usb-redir guest ")
    assert capabilities == 0xFF
