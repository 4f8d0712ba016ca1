"""`curl` inside containers: what it says of what listens, and of what does not."""

import pytest

from fakekube.agents.node_server import listening, shell
from fakekube.agents.node_server.online import Network, played
from fakekube.agents.node_server.place import ROOM, Container


async def dial(address, port):
    if address != "10.0.0.1":
        return None
    if port == 80:
        return lambda socket: listening.converse(listening.page("a"), socket)

    async def hang_up(socket):
        await socket.close()

    async def fail(_socket):
        raise ConnectionError

    async def keep_a_list(socket):
        assert len({socket, socket}) == 1
        await listening.converse(listening.page("b"), socket)

    def saying(text):
        async def say(socket):
            await socket.send(text)
            await socket.close()

        return say

    async def tell(socket):
        told = [
            one for one in (await socket.receive()).decode().split("\r\n") if "ccept" in one or "X-" in one
        ]
        await socket.send(f"HTTP/1.0 200 OK\r\n\r\n{told}".encode())
        await socket.close()

    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n4\r\n two\r\n0\r\n\r\n"
    served = {
        81: keep_a_list,
        82: fail,
        83: saying(b"hey\n"),
        84: saying(b"HTTP/1.0 404 No\n\n"),
        85: saying(b"HTTP/1.0 200 OK\n\n" + b"a" * 17 * ROOM),
        86: saying(b"HTTP/1.0 200 OK\n\nb" + bytes(40 * ROOM)),
        87: tell,
        88: saying(chunks),
        89: saying(chunks.replace(b"4", b"x")),
        90: saying(chunks.replace(b"3\r", b"3;a=b\r").replace(b"4", b"-4")),
        91: saying("HTTP/1.1 ² OK\r\n\r\n".encode()),
    }
    return served.get(port, hang_up)


async def nobody(_host):
    return None


@pytest.mark.parametrize(
    ("words", "out", "code", "said"),
    [
        (["-s", "http://10.0.0.1/"], "Hello from a\n", 0, ""),
        (["http://10.0.0.1:80?q=1"], "Hello from a\n", 0, ""),
        (["http://10.0.0.1:81"], "Hello from b\n", 0, ""),
        (["http://10.0.0.1:82"], "", 52, "Empty reply from server"),
        (["http://10.0.0.2"], "", 7, "Failed to connect to 10.0.0.2 port 80: Connection refused"),
        (["http://10.0.0.1:9"], "", 52, "Empty reply from server"),
        (["https://10.0.0.1"], "", 52, "Empty reply from server"),
        (["-k"], "", 3, "URL rejected"),
        (["http://10.0.0.1:x"], "", 3, "URL rejected"),
        (["http://[10.0.0.1"], "", 3, "URL rejected"),
        (["-H", "Accept: */*", "--retry", "3", "10.0.0.1"], "Hello from a\n", 0, ""),
        (["-so", "/dev/null", "-w", "%{http_code}", "http://10.0.0.1/"], "200", 0, ""),
        (["-I", "10.0.0.1"], "", 0, ""),
        (["http://10.0.0.1:83"], "", 1, "Received HTTP/0.9 when not allowed"),
        (["http://10.0.0.1:85"], "", 23, "Failure writing output to destination"),
        (["-so", "/f", "-w", "%{http_code}", "http://10.0.0.1:86"], "200", 0, ""),
        (["http://10.0.0.1:87"], "['Accept: */*']", 0, ""),
        (["-H", "X-A: b", "http://10.0.0.1:87"], "['Accept: */*', 'X-A: b']", 0, ""),
        (["--header", "Accept: a", "http://10.0.0.1:87"], "['Accept: a']", 0, ""),
        (["http://10.0.0.1:88"], "one two", 0, ""),
        (["http://10.0.0.1:89"], "one", 0, ""),
        (["http://10.0.0.1:90/\udcff"], "one", 0, ""),
        (["http://10.0.0.1:91"], "", 1, "Received HTTP/0.9 when not allowed"),
        (["-f", "http://10.0.0.1:84"], "", 22, "The requested URL returned error: 404"),
        (["-fsS", "http://10.0.0.1:84"], "", 22, "The requested URL returned error: 404"),
        (["-fs", "http://10.0.0.1:84"], "", 22, ""),
        (["--silent", "-k"], "", 3, ""),
    ],
)
async def test_curl(words, out, code, said):
    """A page without its head; otherwise curl's own exit codes. Nobody waits for a server that breaks down."""
    done = await Network(nobody, dial).curl(Container("p"), words)
    assert (done.out, done.code) == (out, code)
    assert said in done.err


async def test_what_others_write_meanwhile():
    """Commands behind an answer find what has been written while they waited for it."""
    files = {"/f": "before\n"}

    async def dial(_address, _port):
        files["/f"] = "meanwhile\n"

    done = await played(
        lambda: Container("p", files=dict(files)),
        lambda at: shell.line(at, "curl 10.0.0.9; cat /f"),
        Network(nobody, dial),
    )
    assert done.out == "meanwhile\n"
