"""Admission reviews between parts of one process: the question and the answer as values, without JSON in between.

A webhook is a Handler that is sent an AdmissionReview. One that lives in this process may be a `Reviewer` too; it is then
asked by `review`, and what it says counts as if it had been sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from fakekube.machinery.wire import Object


@dataclass(slots=True)
class Question:
    """A write that somebody wants to make. The objects belong to whoever asks, and are not to be changed."""

    operation: str
    namespace: str
    name: str
    user: str
    obj: Object
    old: Object | None
    dry_run: bool
    groups: Sequence[str] = ()

    @property
    def creates(self) -> bool:
        return self.operation == "CREATE"


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes, perhaps after some changes (a JSON patch), or no with a Status."""

    allowed: bool
    warnings: Sequence[str] = ()
    operations: Sequence[dict[str, Any]] = ()
    status: Mapping[str, Any] | None = None


@runtime_checkable
class Reviewer(Protocol):
    """What a webhook in this process may offer."""

    async def review(self, path: str, question: Question) -> Answer | None:
        """The answer; None when there is no webhook at this path. Raises ApiError when it fails."""
        ...
