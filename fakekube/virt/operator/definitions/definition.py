"""What a custom resource is made from: names, versions, columns, and its model."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from fakekube.virt.operator.models.base import Resource


class Column(Struct, frozen=True):
    """A printer column."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    priority: int = 0

    def manifest(self) -> dict[str, Any]:
        text: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            text["description"] = self.description
        if self.priority:
            text["priority"] = self.priority
        return text


class Version(Struct, frozen=True):
    """A served version. The text of its deprecation becomes a Warning header."""

    name: str
    storage: bool = False
    deprecation: str = ""


class Definition(Struct, frozen=True):
    """A custom resource."""

    plural: str
    group: str
    model: type[Resource]
    versions: tuple[Version, ...]
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ("all",)
    columns: tuple[Column, ...] = ()
    subresources: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=lambda: {"kubevirt.io": ""})

    @property
    def kind(self) -> str:
        return self.model.__name__

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}"


STATUS: Mapping[str, Any] = {"status": {}}
ALPHA_BETA = (Version("v1alpha1"), Version("v1beta1", storage=True))
BETA = (Version("v1beta1", storage=True),)
ALPHA = (Version("v1alpha1", storage=True),)
AGE = Column("Age", ".metadata.creationTimestamp", "date")
PHASE = Column("Phase", ".status.phase")
