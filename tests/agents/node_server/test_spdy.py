import asyncio
import zlib

import pytest

from fakekube.agents.node_server import spdy
from fakekube.agents.node_server.spdy import Codec, Frame


class Pipe:
    """One end of a connection; `wrote` is what the session said."""

    def __init__(self):
        self.came = asyncio.Queue()
        self.wrote = []

    async def receive(self):
        return await self.came.get()

    async def send(self, data):
        self.wrote.append(data)


def opening(codec, number, **headers):
    return codec.with_headers(spdy.SYN_STREAM, number, headers)


def test_the_dictionary():
    """The dictionary is the protocol's, to the byte: a peer's compression depends on it."""
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_frames_in_pieces():
    """Frames come out whole and in order however the bytes were cut, and compression goes on from one to the next."""
    peer, ours = Codec(), Codec()
    sent = opening(peer, 1, streamtype="error", port="80") + opening(peer, 3, streamtype="data", port="80")
    sent += Codec.data(3, b"hello", spdy.FIN) + peer.control(spdy.PING, b"\0\0\0\7")
    found = [frame for at in range(len(sent)) for frame in ours.fed(sent[at : at + 1])]
    assert [(one.kind, one.stream) for one in found] == [(1, 1), (1, 3), (0, 3), (6, 7)]
    assert found[1].headers == {"streamtype": "data", "port": "80"}
    assert found[2] == Frame(0, 3, spdy.FIN, b"hello")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02\0\1\0\0\0\4\0\0\0\1",
        b"\x80\x03\0\1\0\0\0\x0e" + b"\0" * 10 + b"junk",
        b"\0\0\0\1\0\xff\xff\xff",
    ],
)
def test_what_is_no_spdy(data):
    """Another version, broken compression and gigantic frames are refused."""
    with pytest.raises(spdy.NotSpdy):
        list(Codec().fed(data))


async def test_a_session():
    """Streams are acknowledged and handed out, carry data both ways, and end with the connection; pings come back."""
    pipe, peer, opened = Pipe(), Codec(), []
    task = asyncio.ensure_future(spdy.Session(pipe, opened.append).run())
    pipe.came.put_nowait(opening(peer, 1, streamtype="data") + Codec.data(1, b"in"))
    pipe.came.put_nowait(peer.control(spdy.PING, b"\0\0\0\5"))
    pipe.came.put_nowait(None)
    await task
    (stream,) = opened
    assert [await stream.receive(), await stream.receive(), await stream.receive()] == [b"in", None, None]
    await stream.send(b"out")
    await stream.close()
    await stream.send(b"too late")
    found = list(Codec().fed(b"".join(pipe.wrote)))
    assert [one.kind for one in found] == [spdy.SYN_REPLY, spdy.PING, 0, 0]
    assert [(one.data, one.flags) for one in found[2:]] == [(b"out", 0), (b"", spdy.FIN)]
