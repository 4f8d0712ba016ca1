"""Admission: every plugin may change, then every plugin may refuse, in the order given.

Whoever changes an object that others have seen may ask for a second round, in which all plugins change once more.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/{chain,reinvocation}.go, pkg/endpoints/handlers/fieldmanager/admission.go
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from fakekube.api.admission.attributes import Attributes
from fakekube.api.patching import managed_fields

_UNREADABLE = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating "
    "admission controller; please fix your requests"
)

Half = Callable[[Attributes], Awaitable[None]]


class Plugin:
    """One concern. Whoever inherits defines either half or both, which raise ApiError to refuse."""

    async def mutate(self, attributes: Attributes) -> None:
        """Change `attributes.obj`, in place or by replacing it."""

    async def validate(self, attributes: Attributes) -> None:
        """Look at the final object."""


def changing(plugins: Iterable[Plugin]) -> tuple[Half, ...]:
    """The first halves there are."""
    return tuple(one.mutate for one in plugins if type(one).mutate is not Plugin.mutate)


def judging(plugins: Iterable[Plugin]) -> tuple[Half, ...]:
    """The second halves there are."""
    return tuple(one.validate for one in plugins if type(one).validate is not Plugin.validate)


class Chain:
    """The plugins in order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._changing, self._judging = changing(plugins), judging(plugins)

    async def mutate(self, attributes: Attributes) -> None:
        attributes.second_round = attributes.wants_second_round = False
        owners = _owners(attributes)
        for mutate in self._changing:
            await mutate(attributes)
        if attributes.wants_second_round:
            attributes.second_round = True
            for mutate in self._changing:
                await mutate(attributes)
        if _owners(attributes) is not owners:
            _keep_owners(attributes, owners)

    async def validate(self, attributes: Attributes) -> None:
        for validate in self._judging:
            await validate(attributes)


def _owners(attributes: Attributes) -> Any:
    return None if attributes.obj is None else attributes.obj["metadata"].get("managedFields")


def _keep_owners(attributes: Attributes, owners: Any) -> None:
    """Owners of fields that somebody changed into what nobody can read are put back as they were, with a warning."""
    given = _owners(attributes)
    try:
        kept = managed_fields.read(given) if given else given
    except ValueError as error:
        kept = owners
        attributes.warnings.append(f"{_UNREADABLE}: {error}")
    assert attributes.obj is not None
    attributes.obj = managed_fields.with_entries(attributes.obj, attributes.obj["metadata"], kept or ())
