"""What a walk found wrong, before it knows where it stands: paths grow from the leaf up, and only when there is a problem.

Valid objects therefore pay nothing for paths. `field_errors` turns problems into the server's texts.
"""

from collections.abc import Iterable
from typing import Any

from fakekube.machinery import field_errors
from fakekube.machinery.field_errors import FieldError

PATH = "\0"  # stands for the path inside a text that is not finished yet
NOWHERE = "<nil>"  # the field of errors that upstream reports without one

SCHEMA, EMBEDDED, LISTS = range(3)  # the order in which the server reports: `Problem.rank`


class MapKey(str):
    """A step into a map's values, which later checks print as `[key]`, the OpenAPI check as `.key`."""

    __slots__ = ()


Step = str | int


class Problem:
    """One finding. `path` leads from the node that is reporting to the field; `tail` steps of it lie below the node
    that found the problem (a missing member is found by its parent: 1)."""

    __slots__ = ("nowhere", "path", "rank", "tail", "text", "type", "value")

    def __init__(
        self, type_: str, text: str = "", value: Any = None, *, nowhere: bool = False, rank: int = SCHEMA
    ) -> None:
        self.type = type_
        self.text = text
        self.value = value
        self.nowhere = nowhere
        self.rank = rank
        self.path: tuple[Step, ...] = ()
        self.tail = 0

    def field_error(self) -> FieldError:
        where = path_text(self.path, keyed=self.rank != SCHEMA)
        text = self.text.replace(PATH, where)
        return FieldError(self.type, NOWHERE if self.nowhere else where or NOWHERE, text, self.value)


Problems = list[Problem] | None


def below(step: Step, problems: list[Problem]) -> list[Problem]:
    """The same problems, seen from the parent."""
    for problem in problems:
        problem.path = (step, *problem.path)
    return problems


def missing(name: str, text: str = "", rank: int = SCHEMA) -> Problem:
    """A required member that is not there; its parent noticed."""
    problem = Problem(field_errors.REQUIRED, text, rank=rank)
    problem.path, problem.tail = (name,), 1
    return problem


def path_text(path: Iterable[Step], *, keyed: bool = True) -> str:
    """`spec.list[0].name`, as field.Path prints it."""
    text = ""
    for step in path:
        if isinstance(step, int) or (keyed and isinstance(step, MapKey)):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def field_errors_of(problems: Iterable[Problem]) -> list[FieldError]:
    """In the server's order, each said once."""
    ordered = sorted(problems, key=lambda problem: problem.rank)
    unique: dict[str, FieldError] = {}
    for problem in ordered:
        error = problem.field_error()
        unique.setdefault(str(error), error)
    return list(unique.values())
