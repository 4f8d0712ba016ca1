"""How long a webhook in this process may take."""

import asyncio

import pytest

from fakekube.api import calling
from fakekube.api.calling import CallFailed, Endpoint
from fakekube.api.services import Services
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Request, Response

QUESTION = Question("CREATE", "default", "a", "me", {}, None, dry_run=False)
ENDPOINT = Endpoint.of({"service": {"namespace": "default", "name": "hook", "path": "/"}})


class Slow:
    """A webhook that waits for `event`, again and again."""

    def __init__(self, waits: int) -> None:
        self.event = asyncio.Event()
        self.waits = waits
        self.ended = ""

    async def __call__(self, _: Request) -> Response:
        """Reviews are not sent to those who can be asked."""
        return Response(500)

    async def review(self, _path: str, _question: Question) -> Answer | None:
        try:
            for _ in range(self.waits):
                await self.event.wait()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "done"
        return Answer(allowed=True)


def services(hook: Slow) -> Services:
    made = Services()
    made.set("default", "hook", hook)
    return made


@pytest.mark.parametrize("waits", [0, 1, 3])
async def test_answers_in_time(waits: int) -> None:
    """Whether it waits or not, the answer is what the webhook says."""
    hook = Slow(waits)
    asking = asyncio.create_task(calling.ask(services(hook), ENDPOINT, QUESTION, seconds=30))
    await asyncio.sleep(0)
    hook.event.set()
    assert (await asking, hook.ended) == (Answer(allowed=True), "done")


async def test_too_late() -> None:
    """After its time it is cancelled, and the call has failed in Go's words."""
    hook = Slow(1)
    with pytest.raises(CallFailed, match="context deadline exceeded"):
        await calling.ask(services(hook), ENDPOINT, QUESTION, seconds=0.01)
    assert hook.ended == "cancelled"


async def test_nobody_waits_any_more() -> None:
    """Whoever gives up asking takes the webhook along."""
    hook = Slow(1)
    asking = asyncio.create_task(calling.ask(services(hook), ENDPOINT, QUESTION, seconds=30))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert hook.ended == "cancelled"
