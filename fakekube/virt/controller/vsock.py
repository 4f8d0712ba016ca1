"""Addresses of guests on VSOCK: numbers that no two guests of the cluster share. Pure.

Origin: kubevirt: pkg/virt-controller/watch/vsock/vsock.go
"""

from collections.abc import Iterable
from zlib import crc32

from fakekube.machinery.objects import Obj, dig, uid

_FIRST, _LAST = 3, 2**32 - 2  # the others are the host's, and nobody's


def cid(vmi: Obj, everybody: Iterable[Obj]) -> int:
    """The guest's address: the one it has, or else one that nobody has, chosen by its uid."""
    if own := dig(vmi, "status", "VSOCKCID"):
        return int(own)
    taken = {dig(one, "status", "VSOCKCID") for one in everybody}
    found = max(crc32(uid(vmi).encode()), _FIRST)
    while found in taken or found > _LAST:
        found = _FIRST if found >= _LAST else found + 1
    return found
