"""Forwarded ports: what happens to connections whose client goes."""

import asyncio

from fakekube.agents.node_server import forwarding, spdy


class Gone:
    """A client that opens a stream, says nothing more, and cannot be written to."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[bytes | None] = asyncio.Queue()
        headers = {"streamtype": "data", "port": "22", "requestid": "0"}
        self._said.put_nowait(spdy.Codec().with_headers(spdy.SYN_STREAM, 1, headers))
        self._answered = 0
        self.refused = asyncio.Event()

    async def send(self, data: bytes | str) -> None:
        self._answered += 1
        if self._answered > 1:  # the stream was accepted; then the connection broke
            self.refused.set()
            raise ConnectionResetError("Cannot write to closing transport")

    async def receive(self) -> bytes | str | None:
        return await self._said.get()

    def hang_up(self) -> None:
        self._said.put_nowait(None)


async def test_a_client_that_has_gone_is_not_told_of_the_end() -> None:
    """A connection whose client is away when it ends is over without a word: nothing is left behind, nothing logged."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
    pipe = Gone()

    async def serve(stream: object) -> None:
        """Ends at once: the stream is then closed."""

    async def dial(port: int) -> forwarding.Serve:
        return serve

    session = asyncio.ensure_future(forwarding.forward(pipe, dial, "u"))
    await pipe.refused.wait()
    pipe.hang_up()
    await session
    assert not complaints
    assert asyncio.all_tasks() == {asyncio.current_task()}
