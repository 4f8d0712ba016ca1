"""A Handler behind a port: requests as they come, answers as they are to be sent."""

import asyncio

import pytest

from fakekube.agents.node_server import answering
from fakekube.machinery.wire import Response


class Wire:
    """What comes in pieces, and what is said; None once nothing comes."""

    subprotocol = ""

    def __init__(self, *pieces: bytes) -> None:
        self.coming, self.said, self.closed = list(pieces), b"", False

    async def receive(self):
        return self.coming.pop(0) if self.coming else None

    async def send(self, data):
        self.said += data

    async def close(self, code=1000):
        self.closed = True


async def talked(*pieces: bytes, answer=None):
    asked = []

    async def handler(request):
        asked.append((request.method, request.path, request.query, dict(request.headers), request.body))
        return answer or Response(200, b"hello", "text/plain")

    wire = Wire(*pieces)
    await asyncio.wait_for(answering.answer(handler, wire), 30)
    assert wire.closed
    return asked, wire.said


async def test_one_after_the_other():
    """However the bytes come, each request is answered in its turn, until somebody wants it over."""
    first = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Token: t\r\n\r\n"
    last = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\n\r\n"
    data = first + last
    asked, said = await talked(*(data[at : at + 7] for at in range(0, len(data), 7)))
    assert [one[:3] for one in asked] == [("GET", "/a", "b=c"), ("GET", "/last", "")]
    assert asked[0][3]["x-token"] == "t"
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert said.endswith(b"Content-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 10\r\n\r\n0123456789",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6;x=y\r\n456789\r\n0\r\nA: b\r\n\r\n",
    ],
    ids=["measured", "chunked"],
)
async def test_bodies(body):
    """What is sent is read to its end, and the next request is found behind it."""
    data = b"POST / HTTP/1.1\r\n" + body + b"GET /next HTTP/1.1\r\n\r\n"
    asked, _ = await talked(*(data[at : at + 3] for at in range(0, len(data), 3)))
    assert [(one[1], one[4]) for one in asked] == [("/", b"0123456789"), ("/next", b"")]


async def test_large_bodies():
    """Of a body that is very large nothing is kept, unless it ends in zeros."""
    piece = 1 << 20
    for data, kept in ((b"a", 0), (b"\0", 16 * piece)):
        head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (17 * piece)
        asked, _ = await talked(head, *([data * piece] * 17), b"GET /next HTTP/1.1\r\n\r\n")
        assert [(one[1], len(one[4])) for one in asked] == [("/", kept), ("/next", 0)]


async def test_who_waits_for_a_word_is_given_it():
    """Clients that send much ask first whether they may."""
    _, said = await talked(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", b"x")
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_streams():
    """Without a length they are chunked; to a HEAD nothing of it is sent."""

    async def pieces():
        yield b"ab"
        yield b"c"

    _, said = await talked(b"GET / HTTP/1.0\r\n\r\n", answer=Response(200, content_type="", stream=pieces()))
    assert b"Transfer-Encoding: chunked" in said
    assert said.endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    told = [("Content-Length", "3")]
    measured = Response(200, content_type="", headers=told, stream=pieces())
    _, said = await talked(b"GET / HTTP/1.0\r\n\r\n", answer=measured)
    assert said.endswith(b"\r\n\r\nabc")
    _, said = await talked(b"HEAD / HTTP/1.0\r\n\r\n", answer=Response(200, b"hello"))
    assert said.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01 no TLS here\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"a" * 70000,
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab",
    ],
    ids=["tls", "no request", "no number", "too long", "gone"],
)
async def test_what_is_no_request(data):
    """Whoever speaks no HTTP, or goes in the middle of a word, is told nothing."""
    asked, said = await talked(data)
    assert (asked, said) == ([], b"")


async def test_what_others_have_begun_to_read():
    """Whoever has looked into a conversation hands on what it has seen."""
    wire = Wire(b"ost: x\r\n\r\n")

    async def handler(request):
        return Response(200, f"{request.method} {request.headers['host']}".encode(), "text/plain")

    await asyncio.wait_for(answering.answer(handler, wire, b"GET / HTTP/1.1\r\nH"), 30)
    assert wire.said.endswith(b"GET x")
