"""cdi-apiserver: tokens for uploads, and webhooks.

Origin: cdi: pkg/apiserver/apiserver.go
"""

from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Handler, Request, Response
from fakekube.virt.cdi.admission import Admission


class ApiServer:
    """A Handler, and a Reviewer for questions from this process. `tokens` is the aggregated API."""

    def __init__(self, admission: Admission, tokens: Handler) -> None:
        self._admission = admission
        self._tokens = tokens

    async def __call__(self, request: Request) -> Response:
        return await self._admission(request) or await self._tokens(request)

    async def review(self, path: str, question: Question) -> Answer | None:
        """The answer; None when this is another path."""
        return await self._admission.review(path, question)
