"""Large files in containers: the zeros they end with are not kept, but those of their last record. Pure.

Images of disks are mostly that, and would have no room.
"""

from msgspec import Struct, field

from fakekube.agents.node_server.place import ROOM

GZIP = b"\x1f\x8b"  # what begins so is packed
_EXACT = ROOM // 4  # bytes: files up to there are kept as they are
_RECORD = 10240  # of what archives are made
_MOST = 16 * ROOM


class TooLargeError(Exception):
    """Nobody has room for it."""


class Data(Struct):
    """What comes piece by piece, of which there may be more than there is memory for, if that is zeros. Raises TooLargeError."""

    held: bytearray = field(default_factory=bytearray)
    zeros: int = 0  # after that

    def add(self, piece: bytes) -> None:
        own = piece.rstrip(b"\0")
        if own:
            if len(self.held) + self.zeros + len(own) > _MOST:
                raise TooLargeError
            self.held += bytes(self.zeros) + own
            self.zeros = 0
        self.zeros += len(piece) - len(own)

    def kept(self) -> bytes:
        return kept(bytes(self.held), len(self.held) + self.zeros)

    def whole(self) -> bytes:
        """With all zeros there is room for."""
        return bytes(self.held) + bytes(min(self.zeros, _MOST))


class Body(Struct):
    """A body that comes piece by piece: whole, but for more zeros at its end than there is room for. Nothing, if it is larger."""

    data: Data | None = field(default_factory=Data)

    def add(self, piece: bytes) -> None:
        try:
            if self.data is not None:
                self.data.add(piece)
        except TooLargeError:
            self.data = None

    def whole(self) -> bytes:
        return b"" if self.data is None else self.data.whole()


def kept(data: bytes, size: int) -> bytes:
    """What is kept of a file of that size, in which there are only zeros after this."""
    if size <= _EXACT:
        return data.ljust(size, b"\0")
    own = data.rstrip(b"\0")
    return own.ljust(-(-len(own) // _RECORD) * _RECORD, b"\0")
