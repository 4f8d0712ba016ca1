"""Asks plugins that concern few resources about those alone, so that a write of any other costs one look-up."""

from collections.abc import Collection, Sequence

from fakekube.api.admission.attributes import Attributes
from fakekube.api.admission.chain import Plugin, changing, judging


class Concern(Plugin):
    """A plugin that says which resources, as (group, plural), it is about."""

    concerns: Collection[tuple[str, str]]


class Concerned(Plugin):
    """Several such plugins as one, in their order."""

    def __init__(self, plugins: Sequence[Concern]) -> None:
        by_resource: dict[tuple[str, str], list[Concern]] = {}
        for plugin in plugins:
            for key in plugin.concerns:
                by_resource.setdefault(key, []).append(plugin)
        self._changing = {key: changing(some) for key, some in by_resource.items()}
        self._judging = {key: judging(some) for key, some in by_resource.items()}

    async def mutate(self, attributes: Attributes) -> None:
        resource = attributes.resource
        for mutate in self._changing.get((resource.group, resource.plural), ()):
            await mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        resource = attributes.resource
        for validate in self._judging.get((resource.group, resource.plural), ()):
            await validate(attributes)
