"""`curl` inside containers: what it says of what listens, and of what does not."""

import pytest

from fakekube.agents.node_server import listening
from fakekube.agents.node_server.fetching import curl


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

    return {81: keep_a_list, 82: fail}.get(port, hang_up)


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
    ],
)
async def test_curl(words, out, code, said):
    """A page without its head; otherwise curl's own exit codes. Nobody waits for a server that breaks down."""
    done = await curl(words, dial)
    assert (done.out, done.code) == (out, code)
    assert said in done.err
