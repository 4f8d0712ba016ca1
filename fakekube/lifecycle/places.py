"""Values of a file together with where they stand, so that whatever is wrong with one can be told with its line."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct

from fakekube.lifecycle.expressions import Expression
from fakekube.lifecycle.expressions import parse as parse_expression
from fakekube.lifecycle.stage import StageError

if TYPE_CHECKING:
    import yaml


class Place(Struct, frozen=True):
    """A value of a file together with where it stands: its node, if the file is YAML."""

    source: str
    path: str
    node: "yaml.Node | None"
    value: Any

    @property
    def line(self) -> int:
        return 0 if self.node is None else self.node.start_mark.line + 1

    def fail(self, reason: str) -> StageError:
        said = f"{self.path}: {reason}" if self.path else reason
        return StageError(self.source, self.line, said)

    def fields(self, *known: str) -> dict[str, "Place"]:
        """The members of a mapping that has no others than `known`; with none given, any."""
        if not isinstance(self.value, Mapping):
            raise self.fail(f"must be a mapping, not {type(self.value).__name__}")
        found: dict[str, Place] = {}
        for key, key_node, node in self._members():
            path = f"{self.path}.{key}" if self.path else key
            if known and key not in known:
                raise Place(self.source, path, key_node, None).fail(
                    f"unknown field; known here: {', '.join(known)}"
                )
            found[key] = Place(self.source, path, node, self.value[key])
        return found

    def _members(self) -> "Iterator[tuple[str, yaml.Node | None, yaml.Node | None]]":
        if self.node is None:
            yield from ((key, None, None) for key in self.value)
        else:
            for key_node, node in cast("yaml.MappingNode", self.node).value:
                yield str(key_node.value), key_node, node

    def need(self, parts: Mapping[str, "Place"], *names: str) -> None:
        """That a mapping has these of its members."""
        for name in names:
            if name not in parts:
                raise self.fail(f"{name} is missing")

    def items(self) -> list["Place"]:
        if not isinstance(self.value, list):
            raise self.fail(f"must be a list, not {type(self.value).__name__}")
        nodes = [None] * len(self.value) if self.node is None else self.node.value
        return [
            Place(self.source, f"{self.path}[{number}]", node, value)
            for number, (node, value) in enumerate(zip(nodes, self.value, strict=True))
        ]

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            raise self.fail("must be a text that is not empty")
        return self.value

    def one_of(self, *allowed: str) -> str:
        if self.value not in allowed:
            raise self.fail(f"must be one of {', '.join(allowed)}, not {self.value!r}")
        return str(self.value)

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.fail("must be true or false")
        return self.value

    def count(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < 0:
            raise self.fail("must be a whole number from 0 on")
        return self.value

    def texts(self) -> dict[str, str]:
        return {key: place.text() for key, place in self.fields().items()}

    def expression(self) -> Expression:
        try:
            return parse_expression(self.text())
        except ValueError as error:
            raise self.fail(str(error)) from None
