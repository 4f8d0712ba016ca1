"""Webhooks of KubeVirt's components: by path, and the answers they give."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from fakekube.machinery import reviews
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.causes import Cause, status
from fakekube.virt.json_patch import changes

Hook = Callable[[Question], Awaitable[Answer]]


class Hooks:
    """Path → hook: for questions from this process, and for those that are sent."""

    def __init__(self, hooks: Mapping[str, Hook]) -> None:
        self.hooks = dict(hooks)

    async def __call__(self, request: Request) -> Response | None:
        """The answer to a webhook call; None when the path is no webhook's."""
        hook = self.hooks.get(request.path)
        if hook is None:
            return None
        try:
            uid, asked = reviews.read(request.body)
        except (ValueError, KeyError, TypeError):
            return Response(400, b"the body is no AdmissionReview", "text/plain; charset=utf-8")
        return Response(200, reviews.written(uid, _to_send(asked, await hook(asked))))

    async def review(self, path: str, question: Question) -> Answer | None:
        """The same for questions from this process."""
        hook = self.hooks.get(path)
        return None if hook is None else await hook(question)


def allowed(warnings: Sequence[str] = ()) -> Answer:
    """Yes."""
    return Answer(allowed=True, warnings=warnings)


def changed(new: Object, warnings: Sequence[str] = ()) -> Answer:
    """Yes, as this object, which may have parts of the one that was asked about."""
    return Answer(allowed=True, warnings=warnings, wanted=new)


def _to_send(asked: Question, answer: Answer) -> Answer:
    if answer.wanted is None:
        return answer
    return replace(answer, wanted=None, operations=changes(asked.obj, answer.wanted))


def judged(causes: Sequence[Cause], warnings: Sequence[str] = ()) -> Answer:
    """Yes without causes, no with them."""
    return Answer(allowed=False, status=status(causes)) if causes else allowed(warnings)


def refused(message: str, code: int = 400, reason: str = "") -> Answer:
    """No, for a reason that is no field's."""
    said: dict[str, Any] = {"metadata": {}, "message": message, "code": code}
    if reason:
        said["reason"] = reason
    return Answer(allowed=False, status=said)
