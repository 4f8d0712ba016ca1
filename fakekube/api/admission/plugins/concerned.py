"""Asks plugins that concern few resources about those alone, so that a write of any other costs one look-up."""

from collections.abc import Collection, Sequence
from typing import Protocol

from fakekube.api.admission.attributes import Attributes
from fakekube.api.admission.chain import Plugin


class Concern(Plugin, Protocol):
    """A plugin that says which resources, as (group, plural), it is about."""

    @property
    def concerns(self) -> Collection[tuple[str, str]]: ...


class Concerned:
    """Several such plugins as one, in their order."""

    def __init__(self, plugins: Sequence[Concern]) -> None:
        self._by_resource: dict[tuple[str, str], list[Concern]] = {}
        for plugin in plugins:
            for key in plugin.concerns:
                self._by_resource.setdefault(key, []).append(plugin)

    async def mutate(self, attributes: Attributes) -> None:
        resource = attributes.resource
        for plugin in self._by_resource.get((resource.group, resource.plural), ()):
            await plugin.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        resource = attributes.resource
        for plugin in self._by_resource.get((resource.group, resource.plural), ()):
            await plugin.validate(attributes)
