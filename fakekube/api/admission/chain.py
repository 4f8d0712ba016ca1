"""Admission: every plugin may change, then every plugin may refuse, in the order given.

Whoever changes an object that others have seen may ask for a second round, in which all plugins change once more.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/{chain,reinvocation}.go
"""

from collections.abc import Sequence
from typing import Protocol

from fakekube.api.admission.attributes import Attributes


class Plugin(Protocol):
    """One concern. Both halves raise ApiError to refuse."""

    async def mutate(self, attributes: Attributes) -> None:
        """Change `attributes.obj`, in place or by replacing it."""
        ...

    async def validate(self, attributes: Attributes) -> None:
        """Look at the final object."""
        ...


class Chain:
    """The plugins in order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)

    async def mutate(self, attributes: Attributes) -> None:
        attributes.second_round = attributes.wants_second_round = False
        for plugin in self._plugins:
            await plugin.mutate(attributes)
        if attributes.wants_second_round:
            attributes.second_round = True
            for plugin in self._plugins:
                await plugin.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        for plugin in self._plugins:
            await plugin.validate(attributes)
